//! The caller of a request: an API credential or a person.

use std::collections::BTreeSet;

use super::mfa::{FactorMethod, RequiredAction};
use super::permission::{PermissionRule, Permissions, RoleScope, missing_permission};
use super::store::CREDENTIAL_ID_CHARS;

/// The caller of a request, and its tenant.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// Number of the tenant.
    pub(super) id: i64,
    /// Its unique id.
    pub(super) unique_id: String,
    /// The credential or the person.
    pub(super) principal: Principal,
    /// Hash of a credential's key; `None` for a person and for a token that is older than this member.
    pub(super) key_hash: Option<String>,
}

/// The two kinds of callers.
#[derive(Clone, Debug)]
pub(super) enum Principal {
    /// An API credential. It may do everything under its tenant.
    Credential,
    /// A person, who may do what the roles allow.
    Person(Box<LoggedInPerson>),
}

impl Caller {
    /// Returns the name of the caller for `createdBy` and `lastUpdatedBy`.
    pub(super) fn author_name(&self) -> String {
        match &self.principal {
            Principal::Credential => format!("api@{}", self.unique_id),
            Principal::Person(person) => person.login_name.clone(),
        }
    }

    /// Returns the name of the caller for the audit log. Two credentials of one tenant have two names, and a person
    /// keeps the id when a mask replaces the name.
    pub(super) fn audit_name(&self) -> String {
        match &self.principal {
            Principal::Credential => {
                let key = self.key_hash.as_deref().unwrap_or_default();
                format!("{}#{}", self.author_name(), key.get(..CREDENTIAL_ID_CHARS).unwrap_or_default())
            }
            Principal::Person(person) => format!("user:{}", person.unique_id),
        }
    }

    /// Returns the person, if the caller is one.
    pub(super) fn person(&self) -> Option<&LoggedInPerson> {
        match &self.principal {
            Principal::Credential => None,
            Principal::Person(person) => Some(person),
        }
    }
}

/// A person who is logged in, with the current permissions of the roles.
#[derive(Clone, Debug)]
pub(super) struct LoggedInPerson {
    /// Number of the person.
    pub(super) id: i64,
    /// `USR` and ten digits.
    pub(super) unique_id: String,
    /// Login name.
    pub(super) login_name: String,
    /// Level of the person's tenant.
    pub(super) scope: RoleScope,
    /// The second factor that the person must verify.
    pub(super) second_factor: Option<FactorMethod>,
    /// What the session must do before anything else.
    pub(super) required_action: Option<RequiredAction>,
    /// SHA-256 of the session's key.
    pub(super) session_hash: String,
    /// The addresses from which the tenant lets people log in; `None` allows every address.
    pub(super) ip_allowlist: Option<String>,
    /// One grant for each role.
    pub(super) grants: Vec<Grant>,
}

/// What one role grants.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    /// What the role allows.
    pub(super) permissions: Permissions,
    /// The clients to which it applies.
    pub(super) clients: ClientScope,
}

/// A set of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ClientScope {
    /// All clients under the person's tenant.
    All,
    /// Only these clients.
    Only(BTreeSet<i64>),
}

impl ClientScope {
    /// Returns whether a client is in the set.
    pub(super) fn includes(&self, client: i64) -> bool {
        match self {
            Self::All => true,
            Self::Only(clients) => clients.contains(&client),
        }
    }
}

impl LoggedInPerson {
    /// Returns the permissions of all roles together, which apply to the person's own tenant.
    pub(super) fn permissions_of_any_role(&self) -> Permissions {
        self.sum_permissions_where(|_| true)
    }

    /// Returns the permissions of the roles with access to all clients.
    pub(super) fn permissions_on_all_clients(&self) -> Permissions {
        self.sum_permissions_where(|reach| *reach == ClientScope::All)
    }

    /// Returns the permissions that apply to one client.
    pub(super) fn permissions_on_client(&self, client: i64) -> Permissions {
        self.sum_permissions_where(|reach| reach.includes(client))
    }

    /// Returns whether any role grants a permission on a client. A role without one does not even show that the client
    /// exists.
    pub(super) fn can_reach_client(&self, client: i64) -> bool {
        self.grants.iter().any(|grant| !grant.permissions.is_empty() && grant.clients.includes(client))
    }

    /// Returns the clients that roles name individually.
    pub(super) fn named_clients(&self) -> BTreeSet<i64> {
        let named = |grant: &Grant| match &grant.clients {
            ClientScope::All => BTreeSet::new(),
            ClientScope::Only(clients) => clients.clone(),
        };
        self.grants.iter().flat_map(named).collect()
    }

    /// Returns the clients on which a rule is satisfied.
    pub(super) fn clients_satisfying(&self, rule: PermissionRule) -> ClientScope {
        let fits =
            |client| missing_permission(self, rule, super::permission::PermissionScope::Client(client)).is_none();
        // No client has this number, so it matches only roles with access to all clients.
        if fits(-1) {
            ClientScope::All
        } else {
            ClientScope::Only(self.named_clients().into_iter().filter(|client| fits(*client)).collect())
        }
    }

    fn sum_permissions_where(&self, counts: impl Fn(&ClientScope) -> bool) -> Permissions {
        let counting = self.grants.iter().filter(|grant| counts(&grant.clients));
        counting.fold(Permissions::default(), |sum, grant| sum.union(grant.permissions))
    }
}
