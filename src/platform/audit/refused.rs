//! Denied attempts.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;

use super::{Action, Actor, Event, RequestId, append};
use crate::platform::App;
use crate::platform::error::Error;
use crate::platform::gate::Scope;

/// Behind the gate: what a handler forbids stands in the log of the tenant it was asked under.
pub(in crate::platform) async fn watch(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let seen = request.extensions().get::<Scope>().map(|scope| {
        let living = scope.tenant().ok().filter(|tenant| tenant.state != crate::wire::State::Terminated);
        let tenant = living.map_or(scope.caller.id, |tenant| tenant.id);
        (tenant, Actor::of(scope, request.extensions().get::<RequestId>()))
    });
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let object = format!("{} {route}", request.method());
    let response = next.run(request).await;
    if let Some((tenant, actor)) = seen.filter(|_| response.status() == StatusCode::FORBIDDEN) {
        denied(&app, tenant, &actor, Event::denied(Action::Request, &object)).await;
    }
    response
}

/// Writes a row of its own about something that was refused. The refusal stands also where the row cannot be written;
/// the program's log then says so.
pub(in crate::platform) async fn denied(app: &App, tenant: i64, actor: &Actor, event: Event<'_>) {
    if let Err(error) = written(app, tenant, actor, event).await {
        tracing::error!(target: "audit", tenant, actor = actor.name, object = event.object, ?error, "a row is lost");
    }
}

async fn written(app: &App, tenant: i64, actor: &Actor, event: Event<'_>) -> Result<(), Error> {
    let mut tx = app.store.begin().await?;
    append(&app.seal, &mut tx, (tenant, actor), event).await?;
    Ok(tx.commit().await?)
}
