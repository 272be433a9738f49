//! Routes of roles.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::{Extension, Json};
use tenantry_catalog::NOT_SUBSCRIBED;
use tenantry_wire::{ClientRef, PageEnvelope, PermissionSetRef, Role, UserRef};

use super::defaults::withheld_sets;
use super::permission_sets::{check_description, check_scope};
use super::privilege_limits;
use super::user_lists::parse_terms;
use crate::App;
use crate::audit::{Actor, AuditAction, AuditEvent, append_event};
use crate::authorize::{LockedTenant, RequestScope};
use crate::error::{ApiError, answer_after_commit, quote};
use crate::json_body::StrictJson;
use crate::limits::MAX_JSON_BODY_BYTES;
use crate::permission::Permissions;
use crate::principal::{ClientScope, Grant};
use crate::settings::{self, Problems};
use crate::store::{
    RoleContent, RoleRecord, SetRecord, TenantLevel, TenantRecord, Term, TermValue, Tx, delete_role, find_role_by_name,
    lock_tenant, role_unique_id, save_role, set_role_users,
};
use crate::subscription::Subscription;
use crate::tenant_availability::{TenantOperation, ensure_tenant_accepts};
use crate::tenant_search::Paging;

/// `POST .../roles`.
pub(crate) async fn create_role(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    actor: Actor,
    StrictJson(change): StrictJson<Role, { MAX_JSON_BODY_BYTES }>,
) -> Result<Json<Role>, ApiError> {
    write_role(&app, &scope, &actor, None, change).await
}

/// `POST .../roles/{role}`: a partial update. Only the users of a default role can change.
pub(crate) async fn update_role(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    actor: Actor,
    Path((_, id)): Path<(String, String)>,
    StrictJson(change): StrictJson<Role, { MAX_JSON_BODY_BYTES }>,
) -> Result<Json<Role>, ApiError> {
    let role = find_role(&app, scope.tenant()?, &id).await?;
    // Nobody changes a role that gives more than they have.
    privilege_limits::ensure_can_give_roles(&app, &scope, &[role.id]).await?;
    write_role(&app, &scope, &actor, Some(role), change).await
}

/// `GET .../roles/{role}`.
pub(crate) async fn read_role(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Role>, ApiError> {
    let tenant = scope.tenant()?;
    ensure_tenant_accepts(tenant, TenantOperation::Read)?;
    let role = find_role(&app, tenant, &id).await?;
    role_response(&app, tenant, &role).await.map(Json)
}

/// `DELETE .../roles/{role}`.
pub(crate) async fn remove_role(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    actor: Actor,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<()>, ApiError> {
    let role = find_role(&app, scope.tenant()?, &id).await?;
    if role.is_default {
        return Err(ApiError::field("uniqueId", "A default role is not deleted; take its users out instead"));
    }
    privilege_limits::ensure_can_give_roles(&app, &scope, &[role.id]).await?;
    let LockedTenant { mut tx, tenant } = scope.lock_tenant(&app, TenantOperation::Write).await?;
    delete_role(&mut tx, role.id).await?;
    append_event(&app.seal, &mut tx, tenant.id, &actor, AuditEvent::success(AuditAction::RoleDelete, &role.unique_id))
        .await?;
    tx.commit().await?;
    tracing::info!(role = role.unique_id, by = scope.caller.author_name(), "a role was deleted");
    Ok(Json(()))
}

/// `GET .../roles/search`.
pub(crate) async fn search_roles(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    RawQuery(raw): RawQuery,
) -> Result<Json<PageEnvelope<Role>>, ApiError> {
    let tenant = scope.tenant()?;
    ensure_tenant_accepts(tenant, TenantOperation::Read)?;
    let raw = raw.unwrap_or_default();
    let terms = parse_terms(&raw, &["uniqueId", "name"], |key, value| {
        Ok(match key {
            "name" => Term("name_key = ", TermValue::Text(value.to_lowercase())),
            _ => Term("unique_id = ", TermValue::Text(value.to_owned())),
        })
    })?;
    let paging = Paging::parse(&raw)?;
    let (by_name, name) = match paging.order.as_str() {
        "" | "id" | "uniqueId" => (false, "id"),
        "name" => (true, "name"),
        _ => return Err(ApiError::field("sortName", "The list sorts by id or name")),
    };
    let (roles, total) = app.store.search_roles(tenant, (&terms, by_name), paging.range()).await?;
    let results = roles.iter().map(|role| role_list_item(tenant, role)).collect();
    Ok(Json(paging.envelope(results, total, format!("role.{name}"))))
}

async fn find_role(app: &App, tenant: &TenantRecord, id: &str) -> Result<RoleRecord, ApiError> {
    let roles = app.store.list_roles(tenant).await?;
    roles.into_iter().find(|role| role.unique_id == id).ok_or_else(|| ApiError::not_found("Role", id))
}

/// A role after the request.
struct DesiredRole {
    name: String,
    description: String,
    all_clients: bool,
    clients: Vec<i64>,
    sets: Vec<i64>,
    users: Option<Vec<i64>>,
}

async fn write_role(
    app: &App,
    scope: &RequestScope,
    actor: &Actor,
    role: Option<RoleRecord>,
    change: Role,
) -> Result<Json<Role>, ApiError> {
    let tenant = scope.tenant()?;
    ensure_tenant_accepts(tenant, TenantOperation::Write)?;
    let default = role.as_ref().is_some_and(|role| role.is_default);
    let Role { permissions, clients, all_clients, users, .. } = &change;
    let moves =
        role.is_none() || permissions.is_some() || clients.is_some() || all_clients.is_some() || users.is_some();
    let base = match &role {
        None => None,
        Some(role) => Some(MergeBase::load(app, role.clone()).await?),
    };
    let (wanted, gives) = merge_role(app, tenant, role.as_ref(), change).await?;
    let gives_power = moves && gives.permissions.allows_administration();
    privilege_limits::ensure_within_caller(scope, &[gives], "to give")?;
    let mut tx = app.store.begin_for_tenant(tenant.id).await?;
    let tenant = lock_tenant(&mut tx, tenant.id).await?;
    ensure_tenant_accepts(&tenant, TenantOperation::Write)?;
    if let Some(base) = base {
        base.ensure_unchanged(app, &tenant).await?;
    }
    if gives_power {
        scope.proof().consume(&mut tx).await?;
    }
    let before = role.as_ref().map(|role| role.id);
    let id = match before.filter(|_| default) {
        Some(id) => id,
        None => store_role(&mut tx, &tenant, before, &wanted).await?,
    };
    if let Some(users) = &wanted.users {
        set_role_users(&mut tx, id, tenant.id, users).await?;
    }
    let done = if before.is_none() { AuditAction::RoleCreate } else { AuditAction::RoleUpdate };
    let unique_id = role_unique_id(&mut tx, id).await?;
    append_event(&app.seal, &mut tx, tenant.id, actor, AuditEvent::success(done, &unique_id)).await?;
    tx.commit().await?;
    tracing::info!(role = unique_id, by = scope.caller.author_name(), "a role was written");
    answer_after_commit(role_response_by_id(app, &tenant, id).await)
}

async fn role_response_by_id(app: &App, tenant: &TenantRecord, id: i64) -> Result<Json<Role>, ApiError> {
    let roles = app.store.list_roles(tenant).await?;
    let role = roles.into_iter().find(|role| role.id == id).ok_or(ApiError::Internal)?;
    role_response(app, tenant, &role).await.map(Json)
}

/// The state that a partial update was merged into.
#[derive(PartialEq)]
struct MergeBase {
    role: RoleRecord,
    clients: BTreeSet<i64>,
    sets: BTreeSet<i64>,
}

impl MergeBase {
    async fn load(app: &App, role: RoleRecord) -> Result<Self, ApiError> {
        let clients = app.store.clients_of_role(role.id).await?.into_iter().map(|(id, _)| id).collect();
        let sets = app.store.sets_of_role(role.id).await?.iter().map(|set| set.id).collect();
        Ok(Self { role, clients, sets })
    }

    /// Returns an error if another request changed the role in the meantime: this update was merged into the earlier
    /// state and would undo that change. The caller holds the tenant's lock.
    async fn ensure_unchanged(self, app: &App, tenant: &TenantRecord) -> Result<(), ApiError> {
        let now = Self::load(app, find_role(app, tenant, &self.role.unique_id).await?).await?;
        if self == now {
            return Ok(());
        }
        Err(ApiError::RevisionConflict(format!(
            "The role {} was changed meanwhile; read it and try again",
            now.role.unique_id
        )))
    }
}

async fn store_role(
    tx: &mut Tx,
    tenant: &TenantRecord,
    id: Option<i64>,
    wanted: &DesiredRole,
) -> Result<i64, ApiError> {
    let DesiredRole { name, description, all_clients, clients, sets, users: _ } = wanted;
    if let Some(holder) = find_role_by_name(tx, tenant, name, id.unwrap_or(-1)).await? {
        let message = format!("The name {} is taken by {holder}; choose another", quote(name));
        return Err(ApiError::field("name", message));
    }
    let content = RoleContent { name, description, all_clients: *all_clients, clients, sets };
    save_role(tx, tenant, id, &content).await
}

/// Merges a request into a role. Also returns what the result grants.
async fn merge_role(
    app: &App,
    tenant: &TenantRecord,
    role: Option<&RoleRecord>,
    change: Role,
) -> Result<(DesiredRole, Grant), ApiError> {
    let mut problems = Problems::default();
    let before = role.map_or(-1, |role| role.id);
    check_supported_members(&change, &mut problems);
    check_scope(tenant, change.scope.as_deref(), &mut problems);
    if role.is_some_and(|role| role.is_default) {
        check_default_role_unchanged(&change, &mut problems);
    }
    let description = match &change.description {
        Some(text) => check_description(text, &mut problems),
        None => role.map(|role| role.description.clone()).unwrap_or_default(),
    };
    let all_clients = reaches_all_clients(tenant, role, &change, &mut problems);
    let clients = match &change.clients {
        Some(clients) => find_unterminated_clients(app, tenant, clients, &mut problems).await?,
        None if change.all_clients == Some(true) => Vec::new(),
        None => app.store.clients_of_role(before).await?.into_iter().map(|(id, _)| id).collect(),
    };
    let known = app.store.list_all_sets(tenant).await?;
    let chosen = match &change.permissions {
        Some(sets) => sets.iter().map(|set| set.id).collect::<Vec<_>>(),
        None => app.store.sets_of_role(before).await?.iter().map(|set| set.id).collect(),
    };
    let mut permissions = Permissions::default();
    let by_id: HashMap<i64, &SetRecord> = known.iter().map(|set| (set.id, set)).collect();
    for (index, id) in chosen.iter().enumerate() {
        match by_id.get(id) {
            // A withheld set that the role already has stays. It gives nothing, and works again once the package is
            // back.
            Some(set) if set.is_withheld && change.permissions.is_none() => {}
            Some(set) if set.is_withheld => problems.refuse(format!("permissions[{index}].id"), NOT_SUBSCRIBED),
            Some(set) => permissions = permissions.union(set.permissions),
            None => problems.refuse_with(format!("permissions[{index}].id"), || {
                format!("The tenant has no permission set {id}; GET .../permissionSets lists them")
            }),
        }
    }
    let users = match &change.users {
        None => None,
        Some(users) => Some(find_unterminated_users(app, tenant, users, &mut problems).await?),
    };
    problems.finish()?;
    let name = match (change.name, role) {
        (None, Some(role)) => role.name.clone(),
        // A name from before the current rules may be sent back unchanged.
        (Some(name), Some(role)) if name.trim() == role.name => role.name.clone(),
        (name, _) => settings::validate_name(name.as_deref().unwrap_or_default())?,
    };
    let reach = if all_clients { ClientScope::All } else { ClientScope::Only(clients.iter().copied().collect()) };
    let gives = Grant { permissions, clients: reach };
    let sets = chosen.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    Ok((DesiredRole { name, description, all_clients, clients, sets, users }, gives))
}

/// Refuses members that would limit a role but have no effect on this platform.
fn check_supported_members(change: &Role, problems: &mut Problems) {
    for (name, list) in [
        ("devices", &change.devices),
        ("deviceGroups", &change.device_groups),
        ("credentialSets", &change.credential_sets),
        ("userGroups", &change.user_groups),
    ] {
        if list.as_ref().is_some_and(|list| !list.is_empty()) {
            problems.refuse(name, "This platform has none of these; leave the list out or empty");
        }
    }
}

/// Refuses changes of a default role other than those of its users.
fn check_default_role_unchanged(change: &Role, problems: &mut Problems) {
    let Role { name, description, scope: _, clients, all_clients, permissions, .. } = change;
    for (member, there) in [
        ("name", name.is_some()),
        ("description", description.is_some()),
        ("clients", clients.is_some()),
        ("allClients", all_clients.is_some()),
        ("permissions", permissions.is_some()),
    ] {
        if there {
            problems.refuse(member, "Only the users of a default role change; create a role of your own");
        }
    }
}

/// Returns whether the role reaches all clients. Only a partner's role can be limited to some.
fn reaches_all_clients(
    tenant: &TenantRecord,
    role: Option<&RoleRecord>,
    change: &Role,
    problems: &mut Problems,
) -> bool {
    let some = change.clients.as_ref().is_some_and(|clients| !clients.is_empty());
    if tenant.kind != TenantLevel::Partner {
        if some || (tenant.kind == TenantLevel::ServiceProvider && change.all_clients == Some(false)) {
            let name = if some { "clients" } else { "allClients" };
            problems.refuse(name, "Only a partner's role is bound to some clients; leave it out");
        }
        return true;
    }
    if change.all_clients == Some(true) && some {
        problems.refuse("clients", "The role reaches all clients; send allClients false, or no clients");
    }
    let before = role.is_some_and(|role| role.reaches_all_clients);
    change.all_clients.unwrap_or(before && !some)
}

async fn find_unterminated_clients(
    app: &App,
    tenant: &TenantRecord,
    clients: &[ClientRef],
    problems: &mut Problems,
) -> Result<Vec<i64>, ApiError> {
    if tenant.kind != TenantLevel::Partner {
        return Ok(Vec::new());
    }
    let wanted: Vec<&str> = clients.iter().map(|client| client.unique_id.as_str()).collect();
    let living = app.store.unterminated_child_numbers(tenant.id, &wanted).await?;
    for (index, unique_id) in wanted.iter().enumerate().filter(|(_, unique_id)| !living.contains_key(**unique_id)) {
        problems.refuse_with(format!("clients[{index}].uniqueId"), || {
            format!("The partner has no client {}; GET .../clients/minimal lists them", quote(unique_id))
        });
    }
    Ok(living.into_values().collect())
}

async fn find_unterminated_users(
    app: &App,
    tenant: &TenantRecord,
    wanted: &[UserRef],
    problems: &mut Problems,
) -> Result<Vec<i64>, ApiError> {
    let wanted: Vec<&str> = wanted.iter().map(|user| user.id.as_str()).collect();
    let living = app.store.unterminated_person_numbers(tenant.id, &wanted).await?;
    for (index, id) in wanted.iter().enumerate().filter(|(_, id)| !living.contains_key(**id)) {
        problems.refuse_with(format!("users[{index}].id"), || {
            format!("The tenant has no user {}; GET .../users/minimal lists them", quote(id))
        });
    }
    Ok(living.into_values().collect())
}

async fn role_response(app: &App, tenant: &TenantRecord, role: &RoleRecord) -> Result<Role, ApiError> {
    let clients = app.store.clients_of_role(role.id).await?.into_iter().map(|(_, client)| client).collect();
    let mut sets: Vec<PermissionSetRef> = app.store.sets_of_role(role.id).await?;
    let withheld = withheld_sets(&Subscription::of_tenant(tenant));
    sets.retain(|set| !withheld.contains(&set.id));
    let users: Vec<UserRef> = app.store.users_of_role(role.id, tenant.id).await?;
    Ok(Role { clients: Some(clients), permissions: Some(sets), users: Some(users), ..role_list_item(tenant, role) })
}

fn role_list_item(tenant: &TenantRecord, role: &RoleRecord) -> Role {
    Role {
        unique_id: Some(role.unique_id.clone()),
        name: Some(role.name.clone()),
        description: Some(role.description.clone()),
        scope: Some(tenant.kind.role_scope().wire_name().to_owned()),
        all_clients: Some(role.reaches_all_clients),
        all_devices: Some(true),
        all_credentials: Some(true),
        default_role: Some(role.is_default),
        ..Role::default()
    }
}
