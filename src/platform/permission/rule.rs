//! What a route asks of a person, and what is missing.

use super::{Permission, Permissions};
use crate::platform::principal::LoggedInPerson;

/// Where a person stands to the tenant of a request's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallerRelation {
    /// A person of the service provider or of a partner, under her own tenant or under none.
    Own,
    /// A person of a client, under that client or under none.
    OwnClient,
    /// A person of the service provider, under a partner.
    Provider,
    /// A person of the service provider or of a partner, under a client.
    ParentOfClient,
}

impl CallerRelation {
    /// Every position.
    pub const ALL: [Self; 4] = [Self::Own, Self::OwnClient, Self::Provider, Self::ParentOfClient];
}

/// What a person must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PermissionRule {
    /// Nothing: whoever is logged in.
    Anybody,
    /// Of each group one.
    Each(&'static [&'static [Permission]]),
    /// Of each group one, by roles with access to all clients.
    AllClients(&'static [&'static [Permission]]),
    /// Every permission of the person's level, by roles with access to all clients.
    Everything,
}

/// On whom a person's permissions must reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::platform) enum PermissionScope {
    /// On the person's own tenant: whatever any role gives.
    Own,
    /// On one client.
    Client(i64),
    /// On any client: the list is then cut to those.
    AnyClient,
}

impl PermissionRule {
    /// The first thing that is missing, in words.
    fn first_missing(self, held: Permissions, whole: Permissions, every: Permissions) -> Option<String> {
        match self {
            Self::Anybody => None,
            Self::Each(groups) => missing_group(groups, held),
            Self::AllClients(groups) => missing_group(groups, held).or_else(|| {
                missing_group(groups, whole).map(|names| format!("{names} by a role with access to all clients"))
            }),
            Self::Everything => {
                let short = every.difference(whole);
                (!short.is_empty()).then(|| format!("{} by a role with access to all clients", short.names()))
            }
        }
    }
}

fn missing_group(groups: &[&[Permission]], held: Permissions) -> Option<String> {
    let group = groups.iter().find(|group| !group.iter().any(|permission| held.has(*permission)))?;
    Some(group.iter().map(|permission| permission.name()).collect::<Vec<_>>().join(" or "))
}

/// What a person lacks for a rule, in words; `None` where nothing is missing.
pub(in crate::platform) fn missing_permission(
    person: &LoggedInPerson,
    rule: PermissionRule,
    asked: PermissionScope,
) -> Option<String> {
    let (every, whole) = (Permissions::all_of_scope(person.scope), person.permissions_on_all_clients());
    let lacks = |held| rule.first_missing(held, whole, every);
    match asked {
        PermissionScope::Own => lacks(person.permissions_of_any_role()),
        PermissionScope::Client(client) => lacks(person.permissions_on_client(client)),
        PermissionScope::AnyClient => {
            let somewhere =
                person.named_clients().into_iter().any(|client| lacks(person.permissions_on_client(client)).is_none());
            // First what no role has at all, then what no role has for one client.
            if somewhere { None } else { lacks(person.permissions_of_any_role()).or_else(|| lacks(whole)) }
        }
    }
}
