//! Nobody gives what she has not, and nobody commands whoever may do more.

use crate::platform::App;
use crate::platform::error::Error;
use crate::platform::gate::Scope;
use crate::platform::permission::Permissions;
use crate::platform::principal::{Grant, Person, Reach};
use crate::platform::store::{Kind, PersonRecord};
use crate::platform::subscription::Subscription;

/// Refuses roles that give more than the caller has; answers what they give.
pub(super) async fn roles(app: &App, scope: &Scope, roles: &[i64]) -> Result<Permissions, Error> {
    let mut grants = Vec::new();
    let has = Subscription::of_record(scope.tenant()?);
    if scope.caller.person().is_some() {
        for role in roles {
            grants.extend(app.store.grants_by_role(*role, &has).await?);
        }
    }
    within(scope, &grants, "to give")?;
    Ok(sum(&grants))
}

/// Refuses a change of somebody who may do more than the caller; answers what that one may do. Under the tenant's lock that is
/// what holds until the commit.
pub(super) async fn over(app: &App, scope: &Scope, person: &PersonRecord) -> Result<Permissions, Error> {
    let Some(caller) = scope.caller.person() else { return Ok(Permissions::default()) };
    let has = Subscription::of_record(scope.tenant()?);
    let grants = app.store.grants_of(person.id, &has).await?;
    if caller.id != person.id {
        within(scope, &grants, "over a user with")?;
    }
    Ok(sum(&grants))
}

fn sum(grants: &[Grant]) -> Permissions {
    grants.iter().fold(Permissions::default(), |sum, grant| sum.with(grant.permissions))
}

/// Refuses what goes beyond the caller.
pub(super) fn within(scope: &Scope, grants: &[Grant], doing: &str) -> Result<(), Error> {
    let Some(caller) = scope.caller.person() else { return Ok(()) };
    let tenant = scope.tenant()?;
    let beyond = grants.iter().fold(Permissions::default(), |sum, grant| {
        sum.with(match tenant.kind {
            // Below one's own tenant the permissions of that client count.
            Kind::Client if tenant.id != scope.caller.id => grant.permissions.beyond(caller.on(tenant.id)),
            _ => excess(caller, grant),
        })
    });
    if beyond.is_empty() { Ok(()) } else { Err(Error::Forbidden(format!("{doing} {}", beyond.names()))) }
}

fn excess(caller: &Person, grant: &Grant) -> Permissions {
    let own = grant.permissions.beyond(caller.anywhere());
    match &grant.clients {
        Reach::All => own.with(grant.permissions.beyond(caller.everywhere())),
        Reach::Only(clients) => {
            clients.iter().fold(own, |sum, client| sum.with(grant.permissions.beyond(caller.on(*client))))
        }
    }
}
