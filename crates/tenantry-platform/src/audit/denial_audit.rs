//! Audit of denied requests.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;

use super::{Actor, AuditAction, AuditEvent, RequestId, append_event};
use crate::App;
use crate::authorize::RequestScope;
use crate::error::ApiError;

/// Middleware after authorization. It writes a row for each request that a handler forbids, to the log of the tenant of
/// the path, or of the caller's tenant if that one is missing or terminated.
pub(crate) async fn audit_forbidden_requests(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let seen = request.extensions().get::<RequestScope>().map(|scope| {
        let living = scope.tenant().ok().filter(|tenant| tenant.state != tenantry_wire::WireTenantState::Terminated);
        let tenant = living.map_or(scope.caller.id, |tenant| tenant.id);
        (tenant, Actor::from_scope(scope, request.extensions().get::<RequestId>()))
    });
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let object = format!("{} {route}", request.method());
    let response = next.run(request).await;
    if let Some((tenant, actor)) = seen.filter(|_| response.status() == StatusCode::FORBIDDEN) {
        record_denial(&app, tenant, &actor, AuditEvent::denial(AuditAction::Request, &object)).await;
    }
    response
}

/// Writes a row about a denied request in a separate transaction. If the row cannot be written, the request is still
/// denied and the program's log reports the lost row.
pub(crate) async fn record_denial(app: &App, tenant: i64, actor: &Actor, event: AuditEvent<'_>) {
    if let Err(error) = write_denial_row(app, tenant, actor, event).await {
        tracing::error!(target: "audit", tenant, actor = actor.name, object = event.object, ?error, "a row is lost");
    }
}

async fn write_denial_row(app: &App, tenant: i64, actor: &Actor, event: AuditEvent<'_>) -> Result<(), ApiError> {
    let mut tx = app.store.begin().await?;
    append_event(&app.seal, &mut tx, tenant, actor, event).await?;
    Ok(tx.commit().await?)
}
