//! Lifecycle of a tenant: activate, suspend, terminate.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use tenantry_wire::LifecycleAction;

use super::audit::{Actor, AuditAction, AuditEvent, append_to_parent_and_child};
use super::authorize::RequestScope;
use super::error::ApiError;
use super::store::{
    TenantLevel, deactivate_people, delete_tenant_credentials, end_sessions_under, save_tenant,
    unterminated_child_settings,
};
use super::tenant::lock_child;
use super::tenant_availability::TenantOperation;
use super::{App, time};

/// `POST .../{child}/activate`.
pub(super) async fn activate(
    app: AppExtractor,
    scope: ScopeExtractor,
    actor: Actor,
    path: ChildPath,
) -> Result<Json<()>, ApiError> {
    apply_lifecycle(&app, &scope, &actor, &path.0.1, LifecycleAction::Activate).await
}

/// `POST .../{child}/suspend`.
pub(super) async fn suspend(
    app: AppExtractor,
    scope: ScopeExtractor,
    actor: Actor,
    path: ChildPath,
) -> Result<Json<()>, ApiError> {
    apply_lifecycle(&app, &scope, &actor, &path.0.1, LifecycleAction::Suspend).await
}

/// `POST .../{child}/terminate`: irreversible.
pub(super) async fn terminate(
    app: AppExtractor,
    scope: ScopeExtractor,
    actor: Actor,
    path: ChildPath,
) -> Result<Json<()>, ApiError> {
    apply_lifecycle(&app, &scope, &actor, &path.0.1, LifecycleAction::Terminate).await
}

type AppExtractor = State<Arc<App>>;
type ScopeExtractor = Extension<RequestScope>;
type ChildPath = Path<(String, String)>;

/// Applies a lifecycle action. Answers 200 with `null`, even if the tenant was already in that state.
async fn apply_lifecycle(
    app: &App,
    scope: &RequestScope,
    actor: &Actor,
    id: &str,
    action: LifecycleAction,
) -> Result<Json<()>, ApiError> {
    let mut tx = app.store.begin_for_tenant(scope.tenant()?.id).await?;
    let (parent, mut record) = lock_child(&mut tx, scope, id, TenantOperation::Lifecycle).await?;
    let (state, done) = match action {
        LifecycleAction::Activate => (tenantry_wire::WireTenantState::Active, AuditAction::TenantActivate),
        LifecycleAction::Suspend => (tenantry_wire::WireTenantState::Suspended, AuditAction::TenantSuspend),
        LifecycleAction::Terminate => (tenantry_wire::WireTenantState::Terminated, AuditAction::TenantTerminate),
    };
    if record.state == state {
        return Ok(Json(()));
    }
    record.state = state;
    if action == LifecycleAction::Terminate {
        if record.kind == TenantLevel::Partner {
            ensure_no_clients(unterminated_child_settings(&mut tx, record.id).await?.len())?;
        }
        record.terminated_at = Some(time::now().max(record.updated_at));
        delete_tenant_credentials(&mut tx, record.id).await?;
        deactivate_people(&mut tx, record.id, &scope.caller.author_name()).await?;
    }
    if state != tenantry_wire::WireTenantState::Active {
        // Activating the tenant later does not bring these sessions back.
        end_sessions_under(&mut tx, record.id, time::now()).await?;
    }
    scope.proof().consume(&mut tx).await?;
    save_tenant(&mut tx, &mut record, app.has_extensions, &scope.caller.author_name()).await?;
    append_to_parent_and_child(
        &app.seal,
        &mut tx,
        parent.id,
        record.id,
        actor,
        AuditEvent::success(done, &record.unique_id),
    )
    .await?;
    tx.commit().await?;
    tracing::info!(tenant = record.unique_id, action = action.segment(), by = scope.caller.unique_id, "lifecycle");
    Ok(Json(()))
}

fn ensure_no_clients(clients: usize) -> Result<(), ApiError> {
    if clients == 0 {
        return Ok(());
    }
    let noun = if clients == 1 { "1 client still lives".to_owned() } else { format!("{clients} clients still live") };
    Err(ApiError::field(
        "uniqueId",
        format!("{noun} under this partner; terminate every client first, then the partner"),
    ))
}
