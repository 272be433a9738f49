//! The permissions that a route requires of a person, and the check for missing ones.

use super::{Permission, Permissions};
use crate::principal::LoggedInPerson;

/// Relation of a person to the tenant in the path of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallerRelation {
    /// A person of the service provider or of a partner, under their own tenant or under none.
    Own,
    /// A person of a client, under that client or under none.
    OwnClient,
    /// A person of the service provider, under a partner.
    Provider,
    /// A person of the service provider or of a partner, under a client.
    ParentOfClient,
}

impl CallerRelation {
    /// Every relation.
    pub const ALL: [Self; 4] = [Self::Own, Self::OwnClient, Self::Provider, Self::ParentOfClient];
}

/// The permissions that a person must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PermissionRule {
    /// None: every authenticated person.
    Anybody,
    /// One permission of each group.
    Each(&'static [&'static [Permission]]),
    /// One permission of each group, from roles with access to all clients.
    AllClients(&'static [&'static [Permission]]),
    /// Every permission of the person's level, from roles with access to all clients.
    AllPermissions,
}

/// The tenants on which a person must have the permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PermissionScope {
    /// The person's own tenant: the permissions of any role count.
    Own,
    /// On one client.
    Client(i64),
    /// Any client; the response is then limited to the clients that match.
    AnyClient,
}

impl PermissionRule {
    /// Describes the first missing permission.
    fn first_missing(self, permissions: Permissions, whole: Permissions, every: Permissions) -> Option<String> {
        match self {
            Self::Anybody => None,
            Self::Each(groups) => missing_group(groups, permissions),
            Self::AllClients(groups) => missing_group(groups, permissions).or_else(|| {
                missing_group(groups, whole).map(|names| format!("{names} by a role with access to all clients"))
            }),
            Self::AllPermissions => {
                let short = every.difference(whole);
                (!short.is_empty()).then(|| format!("{} by a role with access to all clients", short.names()))
            }
        }
    }
}

fn missing_group(groups: &[&[Permission]], permissions: Permissions) -> Option<String> {
    let group = groups.iter().find(|group| !group.iter().any(|permission| permissions.has(*permission)))?;
    Some(group.iter().map(|permission| permission.name()).collect::<Vec<_>>().join(" or "))
}

/// Describes the permission that a person lacks for a rule; `None` if nothing is missing.
pub(crate) fn missing_permission(
    person: &LoggedInPerson,
    rule: PermissionRule,
    scope: PermissionScope,
) -> Option<String> {
    let (every, whole) = (Permissions::all_of_scope(person.scope), person.permissions_on_all_clients());
    let lacks = |held| rule.first_missing(held, whole, every);
    match scope {
        PermissionScope::Own => lacks(person.permissions_of_any_role()),
        PermissionScope::Client(client) => lacks(person.permissions_on_client(client)),
        PermissionScope::AnyClient => {
            let somewhere =
                person.named_clients().into_iter().any(|client| lacks(person.permissions_on_client(client)).is_none());
            // Reports first what no role gives at all, then what no role gives on one client.
            if somewhere { None } else { lacks(person.permissions_of_any_role()).or_else(|| lacks(whole)) }
        }
    }
}
