//! Routes of permission sets.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::{Extension, Json};
use tenantry_wire::{PageEnvelope, PermissionRef, PermissionSet};

use super::privilege_limits;
use crate::App;
use crate::audit::{Actor, AuditAction, AuditEvent, append_event};
use crate::authorize::{LockedTenant, RequestScope};
use crate::error::{ApiError, quote};
use crate::json_body::StrictJson;
use crate::limits::MAX_JSON_BODY_BYTES;
use crate::permission::{self, Permission, Permissions};
use crate::principal::{ClientScope, Grant};
use crate::settings::{self, Problems};
use crate::store::{SetRecord, TenantRecord, delete_set, find_set_by_name, lock_tenant, save_set};
use crate::tenant_availability::{TenantOperation, ensure_tenant_accepts};
use crate::tenant_search::Paging;

/// `GET .../permissionSets`.
pub(crate) async fn list_sets(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    RawQuery(raw): RawQuery,
) -> Result<Json<PageEnvelope<PermissionSet>>, ApiError> {
    let tenant = scope.tenant()?;
    ensure_tenant_accepts(tenant, TenantOperation::Read)?;
    let paging = Paging::parse(&raw.unwrap_or_default())?;
    let sets = app.store.list_sets(tenant).await?;
    let part = paging.range();
    let total = i64::try_from(sets.len()).unwrap_or(i64::MAX);
    let (size, offset) = (usize::try_from(part.size), usize::try_from(part.offset));
    let shown = sets.iter().skip(offset.unwrap_or(usize::MAX)).take(size.unwrap_or_default());
    let results = shown.map(|set| set_response(tenant, set)).collect();
    Ok(Json(paging.envelope(results, total, "permissionSet.id".to_owned())))
}

/// `GET .../permissionSets/{set}`.
pub(crate) async fn read_set(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<PermissionSet>, ApiError> {
    let tenant = scope.tenant()?;
    ensure_tenant_accepts(tenant, TenantOperation::Read)?;
    Ok(Json(set_response(tenant, &find_set(&app, tenant, &id).await?)))
}

/// `POST .../permissionSets`.
pub(crate) async fn create_set(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    actor: Actor,
    StrictJson(change): StrictJson<PermissionSet, { MAX_JSON_BODY_BYTES }>,
) -> Result<Json<PermissionSet>, ApiError> {
    let fresh = SetRecord {
        id: 0,
        unique_id: String::new(),
        is_default: false,
        name: String::new(),
        description: String::new(),
        permissions: Permissions::default(),
        is_withheld: false,
    };
    write_set(&app, &scope, &actor, fresh, change).await
}

/// `PUT .../permissionSets/{set}`.
pub(crate) async fn update_set(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    actor: Actor,
    Path((_, id)): Path<(String, String)>,
    StrictJson(change): StrictJson<PermissionSet, { MAX_JSON_BODY_BYTES }>,
) -> Result<Json<PermissionSet>, ApiError> {
    let set = find_own_set(&app, &scope, &id).await?;
    write_set(&app, &scope, &actor, set, change).await
}

/// `DELETE .../permissionSets/{set}`.
pub(crate) async fn remove_set(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    actor: Actor,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<()>, ApiError> {
    let set = find_own_set(&app, &scope, &id).await?;
    let LockedTenant { mut tx, tenant } = scope.lock_tenant(&app, TenantOperation::Write).await?;
    let roles = delete_set(&mut tx, set.id).await?;
    if !roles.is_empty() {
        let message = format!("The permission set is in use by {}; take it out there first", roles.join(", "));
        return Err(ApiError::field("uniqueId", message));
    }
    append_event(
        &app.seal,
        &mut tx,
        tenant.id,
        &actor,
        AuditEvent::success(AuditAction::PermissionSetDelete, &set.unique_id),
    )
    .await?;
    tx.commit().await?;
    Ok(Json(()))
}

async fn write_set(
    app: &App,
    scope: &RequestScope,
    actor: &Actor,
    mut set: SetRecord,
    change: PermissionSet,
) -> Result<Json<PermissionSet>, ApiError> {
    let tenant = scope.tenant()?;
    ensure_tenant_accepts(tenant, TenantOperation::Write)?;
    let gives = change.permissions.is_some();
    let mut problems = Problems::default();
    check_scope(tenant, change.scope.as_deref(), &mut problems);
    if let Some(permissions) = change.permissions {
        set.permissions = parse_permissions(tenant, &permissions, &mut problems);
    }
    if let Some(description) = change.description {
        set.description = check_description(&description, &mut problems);
    }
    problems.finish()?;
    // A name from before the current rules may be sent back unchanged.
    if set.id == 0 || change.name.as_ref().is_some_and(|name| name.trim() != set.name) {
        set.name = settings::validate_name(change.name.as_deref().unwrap_or_default())?;
    }
    // Any role may use the set, possibly one with access to all clients.
    ensure_can_give(scope, set.permissions)?;
    let mut tx = app.store.begin_for_tenant(tenant.id).await?;
    let tenant = lock_tenant(&mut tx, tenant.id).await?;
    ensure_tenant_accepts(&tenant, TenantOperation::Write)?;
    if let Some(holder) = find_set_by_name(&mut tx, &tenant, &set.name, set.id).await? {
        let message = format!("The name {} is taken by {holder}; choose another", quote(&set.name));
        return Err(ApiError::field("name", message));
    }
    if gives && set.permissions.allows_administration() {
        scope.proof().consume(&mut tx).await?;
    }
    let done = if set.id == 0 { AuditAction::PermissionSetCreate } else { AuditAction::PermissionSetUpdate };
    save_set(&mut tx, &tenant, &mut set).await?;
    append_event(&app.seal, &mut tx, tenant.id, actor, AuditEvent::success(done, &set.unique_id)).await?;
    tx.commit().await?;
    Ok(Json(set_response(&tenant, &set)))
}

fn ensure_can_give(scope: &RequestScope, permissions: Permissions) -> Result<(), ApiError> {
    privilege_limits::ensure_within_caller(scope, &[Grant { permissions, clients: ClientScope::All }], "to give")
}

/// Finds a set that the caller may change: the caller must have every permission that it gives.
async fn find_own_set(app: &App, scope: &RequestScope, id: &str) -> Result<SetRecord, ApiError> {
    let tenant = scope.tenant()?;
    ensure_tenant_accepts(tenant, TenantOperation::Write)?;
    let set = find_set(app, tenant, id).await?;
    if set.is_default {
        let message = "A default permission set is neither changed nor deleted; create one of your own";
        return Err(ApiError::field("uniqueId", message));
    }
    ensure_can_give(scope, set.permissions)?;
    Ok(set)
}

async fn find_set(app: &App, tenant: &TenantRecord, id: &str) -> Result<SetRecord, ApiError> {
    let sets = app.store.list_sets(tenant).await?;
    let is = |set: &SetRecord| set.unique_id == id || set.id.to_string() == id;
    sets.into_iter().find(is).ok_or_else(|| ApiError::not_found("Permission set", id))
}

/// Refuses a scope other than that of the tenant in the path.
pub(super) fn check_scope(tenant: &TenantRecord, scope: Option<&str>, problems: &mut Problems) {
    let own = tenant.kind.role_scope();
    match scope.map(|scope| (permission::RoleScope::from_wire(scope), scope)) {
        None => {}
        Some((Some(scope), _)) if scope == own => {}
        Some((_, scope)) => {
            let message = format!(
                "The scope {} does not fit {}, whose people have scope {}; send that one or none",
                quote(scope),
                tenant.unique_id,
                own.wire_name()
            );
            problems.refuse("scope", message);
        }
    }
}

/// Checks a description.
pub(super) fn check_description(text: &str, problems: &mut Problems) -> String {
    if text.chars().count() > 1024 || text.contains('\0') {
        problems.refuse("description", "The text is longer than 1024 characters or has a NUL character");
    }
    text.trim().to_owned()
}

fn parse_permissions(tenant: &TenantRecord, permissions: &[PermissionRef], problems: &mut Problems) -> Permissions {
    let scope = tenant.kind.role_scope();
    let mut found = Vec::new();
    for (index, PermissionRef { name, r#type }) in permissions.iter().enumerate() {
        let known = Permission::from_wire(name, r#type).filter(|permission| permission.is_for(scope));
        if known.is_none() {
            problems.refuse_with(format!("permissions[{index}]"), || {
                let labels: Vec<String> = Permissions::all_of_scope(scope).iter().map(Permission::label).collect();
                format!(
                    "There is no permission {} of {} with scope {}; there are {}",
                    quote(r#type),
                    quote(name),
                    scope.wire_name(),
                    labels.join(", ")
                )
            });
        }
        found.extend(known);
    }
    found.into_iter().collect()
}

fn set_response(tenant: &TenantRecord, set: &SetRecord) -> PermissionSet {
    let member =
        |permission: Permission| PermissionRef { name: permission.category().to_owned(), r#type: permission.label() };
    PermissionSet {
        id: Some(set.id),
        unique_id: Some(set.unique_id.clone()),
        name: Some(set.name.clone()),
        description: Some(set.description.clone()),
        scope: Some(tenant.kind.role_scope().wire_name().to_owned()),
        permissions: Some(set.permissions.iter().map(member).collect()),
    }
}
