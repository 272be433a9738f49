//! Denied attempts.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;

use super::{Actor, AuditAction, AuditEvent, RequestId, append_event};
use crate::platform::App;
use crate::platform::authorize::RequestScope;
use crate::platform::error::ApiError;

/// Behind the gate: what a handler forbids stands in the log of the tenant it was asked under.
pub(in crate::platform) async fn audit_forbidden_requests(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Response {
    let seen = request.extensions().get::<RequestScope>().map(|scope| {
        let living = scope.tenant().ok().filter(|tenant| tenant.state != crate::wire::WireTenantState::Terminated);
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

/// Writes a row of its own about something that was refused. The refusal stands also where the row cannot be written;
/// the program's log then says so.
pub(in crate::platform) async fn record_denial(app: &App, tenant: i64, actor: &Actor, event: AuditEvent<'_>) {
    if let Err(error) = write_denial_row(app, tenant, actor, event).await {
        tracing::error!(target: "audit", tenant, actor = actor.name, object = event.object, ?error, "a row is lost");
    }
}

async fn write_denial_row(app: &App, tenant: i64, actor: &Actor, event: AuditEvent<'_>) -> Result<(), ApiError> {
    let mut tx = app.store.begin().await?;
    append_event(&app.seal, &mut tx, tenant, actor, event).await?;
    Ok(tx.commit().await?)
}
