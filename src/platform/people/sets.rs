//! The routes of permission sets.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::{Extension, Json};

use super::bounds;
use crate::platform::App;
use crate::platform::audit::{Action, Actor, Event, append};
use crate::platform::body::Strict;
use crate::platform::bounds::TENANT;
use crate::platform::error::{Error, quote};
use crate::platform::gate::{Locked, Scope};
use crate::platform::permission::{self, Permission, Permissions};
use crate::platform::principal::{Grant, Reach};
use crate::platform::search::Paging;
use crate::platform::settings::{self, Problems};
use crate::platform::standing::{Act, admit};
use crate::platform::store::{Record, SetRecord, delete_set, lock, name_of_set, put_set};
use crate::wire::{Envelope, PermissionRef, PermissionSet};

/// `GET .../permissionSets`.
pub(in crate::platform) async fn list(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<Scope>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Envelope<PermissionSet>>, Error> {
    let tenant = scope.tenant()?;
    admit(tenant, Act::Read)?;
    let paging = Paging::read(&raw.unwrap_or_default())?;
    let sets = app.store.sets(tenant).await?;
    let part = paging.part();
    let total = i64::try_from(sets.len()).unwrap_or(i64::MAX);
    let (size, offset) = (usize::try_from(part.size), usize::try_from(part.offset));
    let shown = sets.iter().skip(offset.unwrap_or(usize::MAX)).take(size.unwrap_or_default());
    let results = shown.map(|set| answer(tenant, set)).collect();
    Ok(Json(paging.envelope(results, total, "permissionSet.id".to_owned())))
}

/// `GET .../permissionSets/{set}`.
pub(in crate::platform) async fn read(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<Scope>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<PermissionSet>, Error> {
    let tenant = scope.tenant()?;
    admit(tenant, Act::Read)?;
    Ok(Json(answer(tenant, &find(&app, tenant, &id).await?)))
}

/// `POST .../permissionSets`.
pub(in crate::platform) async fn create(
    State(app): State<Arc<App>>,
    (Extension(scope), actor): (Extension<Scope>, Actor),
    Strict(change): Strict<PermissionSet, { TENANT }>,
) -> Result<Json<PermissionSet>, Error> {
    let fresh = SetRecord {
        id: 0,
        unique_id: String::new(),
        default: false,
        name: String::new(),
        description: String::new(),
        permissions: Permissions::default(),
        withheld: false,
    };
    put(&app, (&scope, &actor), fresh, change).await
}

/// `PUT .../permissionSets/{set}`.
pub(in crate::platform) async fn update(
    State(app): State<Arc<App>>,
    (Extension(scope), actor): (Extension<Scope>, Actor),
    Path((_, id)): Path<(String, String)>,
    Strict(change): Strict<PermissionSet, { TENANT }>,
) -> Result<Json<PermissionSet>, Error> {
    let set = owned(&app, &scope, &id).await?;
    put(&app, (&scope, &actor), set, change).await
}

/// `DELETE .../permissionSets/{set}`.
pub(in crate::platform) async fn delete(
    State(app): State<Arc<App>>,
    (Extension(scope), actor): (Extension<Scope>, Actor),
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<()>, Error> {
    let set = owned(&app, &scope, &id).await?;
    let Locked { mut tx, tenant } = scope.locked(&app, Act::Write).await?;
    let roles = delete_set(&mut tx, set.id).await?;
    if !roles.is_empty() {
        let message = format!("The permission set is in use by {}; take it out there first", roles.join(", "));
        return Err(Error::field("uniqueId", message));
    }
    append(&app.seal, &mut tx, (tenant.id, &actor), Event::done(Action::SetDelete, &set.unique_id)).await?;
    tx.commit().await?;
    Ok(Json(()))
}

async fn put(
    app: &App,
    (scope, actor): (&Scope, &Actor),
    mut set: SetRecord,
    change: PermissionSet,
) -> Result<Json<PermissionSet>, Error> {
    let tenant = scope.tenant()?;
    admit(tenant, Act::Write)?;
    let gives = change.permissions.is_some();
    let mut problems = Problems::default();
    of_scope(tenant, change.scope.as_deref(), &mut problems);
    if let Some(permissions) = change.permissions {
        set.permissions = named(tenant, &permissions, &mut problems);
    }
    if let Some(description) = change.description {
        set.description = described(&description, &mut problems);
    }
    problems.finish()?;
    // A name from before today's rules can be sent back as it is.
    if set.id == 0 || change.name.as_ref().is_some_and(|name| name.trim() != set.name) {
        set.name = settings::name(change.name.as_deref().unwrap_or_default())?;
    }
    // Whichever roles have it: with access to all clients, for all that is known.
    may(scope, set.permissions)?;
    let mut tx = app.store.begin_under(tenant.id).await?;
    let tenant = lock(&mut tx, tenant.id).await?;
    admit(&tenant, Act::Write)?;
    if let Some(holder) = name_of_set(&mut tx, &tenant, &set.name, set.id).await? {
        let message = format!("The name {} is taken by {holder}; choose another", quote(&set.name));
        return Err(Error::field("name", message));
    }
    if gives && set.permissions.give_power() {
        scope.proof().spend(&mut tx).await?;
    }
    let done = if set.id == 0 { Action::SetCreate } else { Action::SetUpdate };
    put_set(&mut tx, &tenant, &mut set).await?;
    append(&app.seal, &mut tx, (tenant.id, actor), Event::done(done, &set.unique_id)).await?;
    tx.commit().await?;
    Ok(Json(answer(&tenant, &set)))
}

fn may(scope: &Scope, permissions: Permissions) -> Result<(), Error> {
    bounds::within(scope, &[Grant { permissions, clients: Reach::All }], "to give")
}

/// A set that may be changed, by whoever has all that it gives.
async fn owned(app: &App, scope: &Scope, id: &str) -> Result<SetRecord, Error> {
    let tenant = scope.tenant()?;
    admit(tenant, Act::Write)?;
    let set = find(app, tenant, id).await?;
    if set.default {
        let message = "A default permission set is neither changed nor deleted; create one of your own";
        return Err(Error::field("uniqueId", message));
    }
    may(scope, set.permissions)?;
    Ok(set)
}

async fn find(app: &App, tenant: &Record, id: &str) -> Result<SetRecord, Error> {
    let sets = app.store.sets(tenant).await?;
    let is = |set: &SetRecord| set.unique_id == id || set.id.to_string() == id;
    sets.into_iter().find(is).ok_or_else(|| Error::not_found("Permission set", id))
}

/// Refuses a scope that is not the one of the tenant of the path.
pub(super) fn of_scope(tenant: &Record, scope: Option<&str>, problems: &mut Problems) {
    let own = tenant.kind.scope();
    match scope.map(|scope| (permission::Scope::from_wire(scope), scope)) {
        None => {}
        Some((Some(scope), _)) if scope == own => {}
        Some((_, scope)) => {
            let message = format!(
                "The scope {} does not fit {}, whose people have scope {}; send that one or none",
                quote(scope),
                tenant.unique_id,
                own.wire()
            );
            problems.refuse("scope", message);
        }
    }
}

/// A description, checked.
pub(super) fn described(text: &str, problems: &mut Problems) -> String {
    if text.chars().count() > 1024 || text.contains('\0') {
        problems.refuse("description", "The text is longer than 1024 characters or has a NUL character");
    }
    text.trim().to_owned()
}

fn named(tenant: &Record, permissions: &[PermissionRef], problems: &mut Problems) -> Permissions {
    let scope = tenant.kind.scope();
    let mut found = Vec::new();
    for (index, PermissionRef { name, r#type }) in permissions.iter().enumerate() {
        let known = Permission::from_wire(name, r#type).filter(|permission| permission.is_for(scope));
        if known.is_none() {
            problems.refuse_with(format!("permissions[{index}]"), || {
                let labels: Vec<String> = Permissions::every(scope).iter().map(Permission::label).collect();
                format!(
                    "There is no permission {} of {} with scope {}; there are {}",
                    quote(r#type),
                    quote(name),
                    scope.wire(),
                    labels.join(", ")
                )
            });
        }
        found.extend(known);
    }
    found.into_iter().collect()
}

fn answer(tenant: &Record, set: &SetRecord) -> PermissionSet {
    let member =
        |permission: Permission| PermissionRef { name: permission.category().to_owned(), r#type: permission.label() };
    PermissionSet {
        id: Some(set.id),
        unique_id: Some(set.unique_id.clone()),
        name: Some(set.name.clone()),
        description: Some(set.description.clone()),
        scope: Some(tenant.kind.scope().wire().to_owned()),
        permissions: Some(set.permissions.iter().map(member).collect()),
    }
}
