//! Who makes a request: an API credential or a person.

use std::collections::BTreeSet;

use super::mfa::{FactorMethod, RequiredAction};
use super::permission::{PermissionRule, Permissions, RoleScope, missing_permission};
use super::store::CREDENTIAL_ID;

/// Who makes a request, and for which tenant.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// Number of the tenant.
    pub(super) id: i64,
    /// Its unique id.
    pub(super) unique_id: String,
    /// Who it is.
    pub(super) principal: Principal,
    /// Hash of a credential's key; a token from before it was kept has none, and neither has a person.
    pub(super) key_hash: Option<String>,
}

/// The two kinds of callers.
#[derive(Clone, Debug)]
pub(super) enum Principal {
    /// An API credential: may do everything under its tenant.
    Credential,
    /// A person: may do what the roles say.
    Person(Box<LoggedInPerson>),
}

impl Caller {
    /// How `createdBy` and `lastUpdatedBy` name the caller.
    pub(super) fn author_name(&self) -> String {
        match &self.principal {
            Principal::Credential => format!("api@{}", self.unique_id),
            Principal::Person(person) => person.login_name.clone(),
        }
    }

    /// How the audit log names the caller: two credentials of one tenant are two, and a person keeps the id when a mask
    /// takes the name.
    pub(super) fn audit_name(&self) -> String {
        match &self.principal {
            Principal::Credential => {
                let key = self.key_hash.as_deref().unwrap_or_default();
                format!("{}#{}", self.author_name(), key.get(..CREDENTIAL_ID).unwrap_or_default())
            }
            Principal::Person(person) => format!("user:{}", person.unique_id),
        }
    }

    /// The person, if it is one.
    pub(super) fn person(&self) -> Option<&LoggedInPerson> {
        match &self.principal {
            Principal::Credential => None,
            Principal::Person(person) => Some(person),
        }
    }
}

/// A person who is logged in, with what the roles give at this moment.
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
    /// The second factor that the person is asked for.
    pub(super) second_factor: Option<FactorMethod>,
    /// What the session must do before anything else.
    pub(super) required_action: Option<RequiredAction>,
    /// SHA-256 of the session's key.
    pub(super) session_hash: String,
    /// The addresses that the tenant lets people in from; none where from everywhere.
    pub(super) ip_allowlist: Option<String>,
    /// One for each role.
    pub(super) grants: Vec<Grant>,
}

/// What one role gives.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    /// What may be done.
    pub(super) permissions: Permissions,
    /// To which clients.
    pub(super) clients: ClientScope,
}

/// A set of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ClientScope {
    /// All that lie under the person's tenant.
    All,
    /// These.
    Only(BTreeSet<i64>),
}

impl ClientScope {
    /// Whether a client is among them.
    pub(super) fn includes(&self, client: i64) -> bool {
        match self {
            Self::All => true,
            Self::Only(clients) => clients.contains(&client),
        }
    }
}

impl LoggedInPerson {
    /// What any role gives: it holds on the person's own tenant.
    pub(super) fn permissions_of_any_role(&self) -> Permissions {
        self.sum_permissions_where(|_| true)
    }

    /// What roles with access to all clients give.
    pub(super) fn permissions_on_all_clients(&self) -> Permissions {
        self.sum_permissions_where(|reach| *reach == ClientScope::All)
    }

    /// What holds on one client.
    pub(super) fn permissions_on_client(&self, client: i64) -> Permissions {
        self.sum_permissions_where(|reach| reach.includes(client))
    }

    /// Whether any role gives something on a client: one that gives nothing does not even show that there is one.
    pub(super) fn can_reach_client(&self, client: i64) -> bool {
        self.grants.iter().any(|grant| !grant.permissions.is_empty() && grant.clients.includes(client))
    }

    /// The clients that roles name one by one.
    pub(super) fn named_clients(&self) -> BTreeSet<i64> {
        let named = |grant: &Grant| match &grant.clients {
            ClientScope::All => BTreeSet::new(),
            ClientScope::Only(clients) => clients.clone(),
        };
        self.grants.iter().flat_map(named).collect()
    }

    /// The clients on which a rule is satisfied.
    pub(super) fn clients_satisfying(&self, rule: PermissionRule) -> ClientScope {
        let fits =
            |client| missing_permission(self, rule, super::permission::PermissionScope::Client(client)).is_none();
        // No client has this number, so only roles with access to all reach it.
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
