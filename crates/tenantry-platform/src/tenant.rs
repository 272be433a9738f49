//! Create, read, update and the bare list of a tenant's children; the same for partners and for clients.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde_json::Value;
use tenantry_wire::{CreatedTenant, Mark, MinimalTenant, Tenant};

use super::audit::{Actor, AuditAction, AuditEvent, append_event, append_to_parent_and_child};
use super::authorize::RequestScope;
use super::error::{ApiError, field_error, quote};
use super::json_body::StrictJson;
use super::limits;
use super::login_policy::password_policy::is_change_newly_required;
use super::mfa::duo;
use super::settings::{self, Problems, password_policy_of};
use super::store::{
    NewTenant, TenantLevel, TenantRecord, Tx, end_sessions_begun_before, end_sessions_under, find_child,
    find_formerly_marked, find_mark_holder, find_name_holder, insert_tenant, lock_tenant, require_password_change,
    save_tenant, unterminated_child_settings,
};
use super::tenant_availability::{TenantOperation, ensure_tenant_accepts};
use super::{App, tenant_response, time};

/// Id that no tenant has. A new tenant has it, so that the search for another tenant of its name or mark excludes none.
const NO_TENANT: i64 = -1;

/// `POST .../clients` and `.../msps`.
pub(super) async fn create_tenant(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    actor: Actor,
    StrictJson(mut change): StrictJson<Tenant, { limits::MAX_JSON_BODY_BYTES }>,
) -> Result<Json<CreatedTenant>, ApiError> {
    strip_extensions_if_documented_only(&app, &mut change);
    let name = settings::validate_name(change.name.take().as_deref().unwrap_or_default())?;
    let mark = change.managed_by.take();
    mark.as_ref().map_or(Ok(()), settings::check_mark)?;
    let mut tx = app.store.begin_for_tenant(scope.tenant()?.id).await?;
    let parent = lock_tenant(&mut tx, scope.tenant()?.id).await?;
    ensure_tenant_accepts(&parent, TenantOperation::Write)?;
    if app.has_extensions {
        ensure_name_free(&mut tx, parent.id, &name, NO_TENANT).await?;
    }
    if let Some(mark) = &mark {
        ensure_mark_free(&mut tx, parent.id, mark, NO_TENANT).await?;
        if let Some(holder) = find_formerly_marked(&mut tx, parent.id, &mark.uid).await? {
            return Err(mark_taken_error(mark, holder));
        }
    }
    let wanted = change.client_details.clone();
    let mut settings = settings::create_settings(&parent, change)?;
    if app.has_extensions {
        settings::apply_add_on_switches(&Tenant::default(), wanted.as_ref(), &mut settings)?;
    }
    duo::seal_secret_key(&app.vault, &Tenant::default(), &mut settings)?;
    let new = NewTenant {
        kind: parent.kind.level_below(),
        parent: Some(parent.id),
        name: &name,
        has_name_claim: app.has_extensions,
        mark: mark.as_ref(),
        settings: &settings,
        by: &scope.caller.author_name(),
    };
    let (id, unique_id) = insert_tenant(&mut tx, &new).await?;
    append_to_parent_and_child(
        &app.seal,
        &mut tx,
        parent.id,
        id,
        &actor,
        AuditEvent::success(AuditAction::TenantCreate, &unique_id),
    )
    .await?;
    tx.commit().await?;
    Ok(Json(CreatedTenant { unique_id, name, id: Some(id) }))
}

/// `POST .../clients/{client}` and `.../msps/{msp}`: a partial update.
pub(super) async fn update_tenant(
    State(app): State<Arc<App>>,
    (Extension(scope), actor): (Extension<RequestScope>, Actor),
    Path((_, id)): Path<(String, String)>,
    StrictJson(mut change): StrictJson<Tenant, { limits::MAX_JSON_BODY_BYTES }>,
) -> Result<Json<Value>, ApiError> {
    strip_extensions_if_documented_only(&app, &mut change);
    let mut tx = app.store.begin_for_tenant(scope.tenant()?.id).await?;
    let (parent, record) = lock_child(&mut tx, &scope, &id, TenantOperation::Write).await?;
    Box::pin(save_change(&app, &scope, &actor, TenantEdit { tx, parent, record, change })).await
}

/// `POST /api/v2/tenants/{tenant}`: a partner's own people change its account, as the documentation allows. Packages
/// and add-ons are agreed with the service provider: here a partner can give them up but not add any.
pub(super) async fn update_itself(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    actor: Actor,
    StrictJson(mut change): StrictJson<Tenant, { limits::MAX_JSON_BODY_BYTES }>,
) -> Result<Json<Value>, ApiError> {
    strip_extensions_if_documented_only(&app, &mut change);
    // Only the owner of a tenant may change its mark.
    change.managed_by = None;
    let tenant = scope.tenant()?;
    let parent = tenant.parent.as_ref().ok_or(ApiError::Internal)?;
    let mut tx = app.store.begin_for_tenant(parent.id).await?;
    let parent = lock_tenant(&mut tx, parent.id).await?;
    ensure_tenant_accepts(&parent, TenantOperation::Write)?;
    let record = require_not_terminated(Some(lock_tenant(&mut tx, tenant.id).await?), tenant.kind, &tenant.unique_id)?;
    ensure_tenant_accepts(&record, TenantOperation::Write)?;
    if scope.caller.id == record.id {
        settings::ensure_within_own_packages(&record.settings, &change)?;
    }
    Box::pin(save_change(&app, &scope, &actor, TenantEdit { tx, parent, record, change })).await
}

/// A change of a tenant, which is locked together with its parent.
struct TenantEdit {
    tx: Tx,
    parent: TenantRecord,
    record: TenantRecord,
    change: Tenant,
}

async fn save_change(
    app: &App,
    scope: &RequestScope,
    actor: &Actor,
    edit: TenantEdit,
) -> Result<Json<Value>, ApiError> {
    let TenantEdit { mut tx, parent, mut record, mut change } = edit;
    let before = record.clone();
    rename_tenant(app, &mut tx, &mut record, change.name.take()).await?;
    if let Some(mark) = change.managed_by.take() {
        settings::check_mark(&mark)?;
        ensure_mark_free(&mut tx, parent.id, &mark, record.id).await?;
        record.mark = Some(mark);
    }
    let wanted = change.client_details.clone();
    record.settings = settings::update_settings(record.kind, &record.settings, &parent.settings, change)?;
    if app.has_extensions {
        settings::apply_add_on_switches(&before.settings, wanted.as_ref(), &mut record.settings)?;
    }
    duo::seal_secret_key(&app.vault, &before.settings, &mut record.settings)?;
    if record.kind == TenantLevel::Partner {
        ensure_unused_by_clients(&mut tx, &before, &record).await?;
    }
    let is_changed = has_changed(&before, &record);
    if is_changed {
        // The proof is consumed before sessions end: it belongs to the caller's own session, which may be one of them.
        scope.proof().consume(&mut tx).await?;
    }
    if record.kind != TenantLevel::Client
        && is_change_newly_required(&password_policy_of(&before.settings), &password_policy_of(&record.settings))
    {
        require_password_change(&mut tx, record.id).await?;
        end_sessions_under(&mut tx, record.id, time::now()).await?;
    }
    let moment = |tenant: &Tenant| settings::password_cutoff(tenant, None);
    if let Some(at) = moment(&record.settings).filter(|at| Some(*at) > moment(&before.settings)) {
        end_sessions_begun_before(&mut tx, record.id, at, time::now()).await?;
    }
    if is_changed {
        save_tenant(&mut tx, &mut record, app.has_extensions, &scope.caller.author_name()).await?;
        append_event(
            &app.seal,
            &mut tx,
            record.id,
            actor,
            AuditEvent::success(AuditAction::TenantUpdate, &record.unique_id),
        )
        .await?;
        tx.commit().await?;
    }
    Ok(Json(tenant_response::tenant_json(&record, app.has_extensions)?))
}

/// `GET .../clients/{client}` and `.../msps/{msp}`.
pub(super) async fn read_tenant(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let parent = scope.tenant()?;
    ensure_tenant_accepts(parent, TenantOperation::Read)?;
    let record = app.store.find_child(parent.id, &id).await?;
    let record = require_not_terminated(record, parent.kind.level_below(), &id)?;
    Ok(Json(tenant_response::tenant_json(&record, app.has_extensions)?))
}

/// `GET /api/v2/tenants/{tenant}` for a partner and `GET /api/v2/tenants/client/{tenant}`: the tenant of the path itself.
pub(super) async fn read_itself(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
) -> Result<Json<Value>, ApiError> {
    let record = scope.tenant()?;
    let record = require_not_terminated(Some(record.clone()), record.kind, &record.unique_id)?;
    Ok(Json(tenant_response::tenant_json(&record, app.has_extensions)?))
}

/// `GET .../minimal`: a bare array.
pub(super) async fn list_minimal(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
) -> Result<Json<Vec<MinimalTenant>>, ApiError> {
    let parent = scope.tenant()?;
    ensure_tenant_accepts(parent, TenantOperation::Read)?;
    let mut rows = app.store.list_minimal_tenants(parent.id, scope.client_scope()).await?;
    if !app.has_extensions {
        for row in &mut rows {
            row.managed_by = None;
        }
    }
    Ok(Json(rows))
}

/// Locks a parent and finds its live child. Neither changes until the commit.
pub(super) async fn lock_child(
    tx: &mut Tx,
    scope: &RequestScope,
    id: &str,
    operation: TenantOperation,
) -> Result<(TenantRecord, TenantRecord), ApiError> {
    let parent = lock_tenant(tx, scope.tenant()?.id).await?;
    ensure_tenant_accepts(&parent, operation)?;
    let kind = parent.kind.level_below();
    let record = require_not_terminated(find_child(&mut **tx, parent.id, id).await?, kind, id)?;
    if kind != TenantLevel::Partner {
        return Ok((parent, record));
    }
    // The partner's own clients must not change either.
    let record = require_not_terminated(Some(lock_tenant(tx, record.id).await?), kind, id)?;
    Ok((parent, record))
}

/// Returns a tenant that exists and is not terminated. A terminated tenant is answered as if it did not exist.
fn require_not_terminated(record: Option<TenantRecord>, kind: TenantLevel, id: &str) -> Result<TenantRecord, ApiError> {
    record
        .filter(|record| record.state != tenantry_wire::WireTenantState::Terminated)
        .ok_or_else(|| ApiError::not_found(kind.noun(), id))
}

/// Removes the extensions under `--documented-only`, where they are unknown members.
fn strip_extensions_if_documented_only(app: &App, change: &mut Tenant) {
    if !app.has_extensions {
        settings::strip_extensions(change);
    }
}

fn has_changed(before: &TenantRecord, after: &TenantRecord) -> bool {
    before.name != after.name || before.mark != after.mark || before.settings != after.settings
}

async fn rename_tenant(
    app: &App,
    tx: &mut Tx,
    record: &mut TenantRecord,
    name: Option<String>,
) -> Result<(), ApiError> {
    // A name that is older than the current rules can be sent back unchanged.
    let Some(name) = name.filter(|name| name.trim() != record.name) else { return Ok(()) };
    let name = settings::validate_name(&name)?;
    if let Some(parent) = record.parent.as_ref().filter(|_| app.has_extensions) {
        ensure_name_free(tx, parent.id, &name, record.id).await?;
    }
    record.name = name;
    Ok(())
}

async fn ensure_name_free(tx: &mut Tx, parent: i64, name: &str, except: i64) -> Result<(), ApiError> {
    let Some(holder) = find_name_holder(tx, parent, name, except).await? else { return Ok(()) };
    let mut refusal = field_error("name", format!("The name {} is taken by {holder}", quote(name)));
    refusal.holder = Some(holder);
    Err(ApiError::Fields(vec![refusal]))
}

async fn ensure_mark_free(tx: &mut Tx, parent: i64, mark: &Mark, except: i64) -> Result<(), ApiError> {
    let holder = find_mark_holder(tx, parent, &mark.uid, except).await?;
    holder.map_or(Ok(()), |holder| Err(mark_taken_error(mark, holder)))
}

fn mark_taken_error(mark: &Mark, holder: String) -> ApiError {
    let mut refusal =
        field_error("managedBy", format!("The object with UID {} already has {holder}", quote(&mark.uid)));
    refusal.holder = Some(holder);
    ApiError::Fields(vec![refusal])
}

async fn ensure_unused_by_clients(tx: &mut Tx, before: &TenantRecord, after: &TenantRecord) -> Result<(), ApiError> {
    let dropped = settings::dropped_packages(&before.settings, &after.settings);
    if dropped.is_empty() {
        return Ok(());
    }
    let mut problems = Problems::default();
    dropped.report_users(&unterminated_child_settings(tx, after.id).await?, &mut problems);
    problems.finish()
}
