//! Who makes a request: an API credential or a person.

use std::collections::BTreeSet;

use super::factor::{Method, Owed};
use super::permission::{Permissions, Rule, Scope, missing};
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
    Person(Box<Person>),
}

impl Caller {
    /// How `createdBy` and `lastUpdatedBy` name the caller.
    pub(super) fn login(&self) -> String {
        match &self.principal {
            Principal::Credential => format!("api@{}", self.unique_id),
            Principal::Person(person) => person.login_name.clone(),
        }
    }

    /// How the audit log names the caller: two credentials of one tenant are two, and a person keeps the id when a mask
    /// takes the name.
    pub(super) fn actor(&self) -> String {
        match &self.principal {
            Principal::Credential => {
                let key = self.key_hash.as_deref().unwrap_or_default();
                format!("{}#{}", self.login(), key.get(..CREDENTIAL_ID).unwrap_or_default())
            }
            Principal::Person(person) => format!("user:{}", person.unique_id),
        }
    }

    /// The person, if it is one.
    pub(super) fn person(&self) -> Option<&Person> {
        match &self.principal {
            Principal::Credential => None,
            Principal::Person(person) => Some(person),
        }
    }
}

/// A person who is logged in, with what the roles give at this moment.
#[derive(Clone, Debug)]
pub(super) struct Person {
    /// Number of the person.
    pub(super) id: i64,
    /// `USR` and ten digits.
    pub(super) unique_id: String,
    /// Login name.
    pub(super) login_name: String,
    /// Level of the person's tenant.
    pub(super) scope: Scope,
    /// The second factor that the person is asked for.
    pub(super) wants: Option<Method>,
    /// What the session must do before anything else.
    pub(super) owes: Option<Owed>,
    /// SHA-256 of the session's key.
    pub(super) session: String,
    /// The addresses that the tenant lets people in from; none where from everywhere.
    pub(super) white_listed: Option<String>,
    /// One for each role.
    pub(super) grants: Vec<Grant>,
}

/// What one role gives.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    /// What may be done.
    pub(super) permissions: Permissions,
    /// To which clients.
    pub(super) clients: Reach,
}

/// A set of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// All that lie under the person's tenant.
    All,
    /// These.
    Only(BTreeSet<i64>),
}

impl Reach {
    /// Whether a client is among them.
    pub(super) fn has(&self, client: i64) -> bool {
        match self {
            Self::All => true,
            Self::Only(clients) => clients.contains(&client),
        }
    }
}

impl Person {
    /// What any role gives: it holds on the person's own tenant.
    pub(super) fn anywhere(&self) -> Permissions {
        self.sum(|_| true)
    }

    /// What roles with access to all clients give.
    pub(super) fn everywhere(&self) -> Permissions {
        self.sum(|reach| *reach == Reach::All)
    }

    /// What holds on one client.
    pub(super) fn on(&self, client: i64) -> Permissions {
        self.sum(|reach| reach.has(client))
    }

    /// Whether any role gives something on a client: one that gives nothing does not even show that there is one.
    pub(super) fn reaches(&self, client: i64) -> bool {
        self.grants.iter().any(|grant| !grant.permissions.is_empty() && grant.clients.has(client))
    }

    /// The clients that roles name one by one.
    pub(super) fn clients(&self) -> BTreeSet<i64> {
        let named = |grant: &Grant| match &grant.clients {
            Reach::All => BTreeSet::new(),
            Reach::Only(clients) => clients.clone(),
        };
        self.grants.iter().flat_map(named).collect()
    }

    /// The clients on which a rule is satisfied.
    pub(super) fn reach(&self, rule: Rule) -> Reach {
        let fits = |client| missing(self, rule, super::permission::Asked::Client(client)).is_none();
        // No client has this number, so only roles with access to all reach it.
        if fits(-1) {
            Reach::All
        } else {
            Reach::Only(self.clients().into_iter().filter(|client| fits(*client)).collect())
        }
    }

    fn sum(&self, counts: impl Fn(&Reach) -> bool) -> Permissions {
        let counting = self.grants.iter().filter(|grant| counts(&grant.clients));
        counting.fold(Permissions::default(), |sum, grant| sum.with(grant.permissions))
    }
}
