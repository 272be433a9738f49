//! What a route asks of a person, and what is missing.

use super::{Permission, Permissions};
use crate::platform::principal::Person;

/// Where a person stands to the tenant of a request's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// A person of the service provider or of a partner, under her own tenant or under none.
    Own,
    /// A person of a client, under that client or under none.
    OwnClient,
    /// A person of the service provider, under a partner.
    AbovePartner,
    /// A person of the service provider or of a partner, under a client.
    AboveClient,
}

impl Position {
    /// Every position.
    pub const ALL: [Self; 4] = [Self::Own, Self::OwnClient, Self::AbovePartner, Self::AboveClient];
}

/// What a person must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
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
pub(in crate::platform) enum Asked {
    /// On the person's own tenant: whatever any role gives.
    Own,
    /// On one client.
    Client(i64),
    /// On any client: the list is then cut to those.
    AnyClient,
}

impl Rule {
    /// The first thing that is missing, in words.
    fn lacks(self, held: Permissions, whole: Permissions, every: Permissions) -> Option<String> {
        match self {
            Self::Anybody => None,
            Self::Each(groups) => lacking(groups, held),
            Self::AllClients(groups) => lacking(groups, held).or_else(|| {
                lacking(groups, whole).map(|names| format!("{names} by a role with access to all clients"))
            }),
            Self::Everything => {
                let short = every.beyond(whole);
                (!short.is_empty()).then(|| format!("{} by a role with access to all clients", short.names()))
            }
        }
    }
}

fn lacking(groups: &[&[Permission]], held: Permissions) -> Option<String> {
    let group = groups.iter().find(|group| !group.iter().any(|permission| held.has(*permission)))?;
    Some(group.iter().map(|permission| permission.name()).collect::<Vec<_>>().join(" or "))
}

/// What a person lacks for a rule, in words; `None` where nothing is missing.
pub(in crate::platform) fn missing(person: &Person, rule: Rule, asked: Asked) -> Option<String> {
    let (every, whole) = (Permissions::every(person.scope), person.everywhere());
    let lacks = |held| rule.lacks(held, whole, every);
    match asked {
        Asked::Own => lacks(person.anywhere()),
        Asked::Client(client) => lacks(person.on(client)),
        Asked::AnyClient => {
            let somewhere = person.clients().into_iter().any(|client| lacks(person.on(client)).is_none());
            // First what no role has at all, then what no role has for one client.
            if somewhere { None } else { lacks(person.anywhere()).or_else(|| lacks(whole)) }
        }
    }
}
