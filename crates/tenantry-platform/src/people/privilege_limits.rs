//! Limits of delegation: nobody grants a permission that they lack, and nobody changes a user who has more permissions.

use crate::App;
use crate::authorize::RequestScope;
use crate::error::ApiError;
use crate::permission::Permissions;
use crate::principal::{ClientScope, Grant, LoggedInPerson};
use crate::store::{PersonRecord, TenantLevel};
use crate::subscription::Subscription;

/// Refuses roles that give more than the caller has. Returns what the roles give.
pub(super) async fn ensure_can_give_roles(
    app: &App,
    scope: &RequestScope,
    roles: &[i64],
) -> Result<Permissions, ApiError> {
    let mut grants = Vec::new();
    let has = Subscription::of_tenant(scope.tenant()?);
    if scope.caller.person().is_some() {
        for role in roles {
            grants.extend(app.store.grants_of_role(*role, &has).await?);
        }
    }
    ensure_within_caller(scope, &grants, "to give")?;
    Ok(sum_permissions(&grants))
}

/// Refuses a change of a person who has more permissions than the caller. Returns the permissions of that person. Under
/// the tenant's lock the result holds until the commit.
pub(super) async fn ensure_can_change_person(
    app: &App,
    scope: &RequestScope,
    person: &PersonRecord,
) -> Result<Permissions, ApiError> {
    let Some(caller) = scope.caller.person() else { return Ok(Permissions::default()) };
    let has = Subscription::of_tenant(scope.tenant()?);
    let grants = app.store.grants_of_person(person.id, &has).await?;
    if caller.id != person.id {
        ensure_within_caller(scope, &grants, "over a user with")?;
    }
    Ok(sum_permissions(&grants))
}

fn sum_permissions(grants: &[Grant]) -> Permissions {
    grants.iter().fold(Permissions::default(), |sum, grant| sum.union(grant.permissions))
}

/// Refuses grants beyond the caller's permissions.
pub(super) fn ensure_within_caller(scope: &RequestScope, grants: &[Grant], doing: &str) -> Result<(), ApiError> {
    let Some(caller) = scope.caller.person() else { return Ok(()) };
    let tenant = scope.tenant()?;
    let beyond = grants.iter().fold(Permissions::default(), |sum, grant| {
        sum.union(match tenant.kind {
            // For a client below the caller's tenant, the permissions on that client count.
            TenantLevel::Client if tenant.id != scope.caller.id => {
                grant.permissions.difference(caller.permissions_on_client(tenant.id))
            }
            _ => permissions_beyond_caller(caller, grant),
        })
    });
    if beyond.is_empty() { Ok(()) } else { Err(ApiError::MissingPermission(format!("{doing} {}", beyond.names()))) }
}

fn permissions_beyond_caller(caller: &LoggedInPerson, grant: &Grant) -> Permissions {
    let own = grant.permissions.difference(caller.permissions_of_any_role());
    match &grant.clients {
        ClientScope::All => own.union(grant.permissions.difference(caller.permissions_on_all_clients())),
        ClientScope::Only(clients) => clients
            .iter()
            .fold(own, |sum, client| sum.union(grant.permissions.difference(caller.permissions_on_client(*client)))),
    }
}
