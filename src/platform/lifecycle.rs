//! Activate, suspend, terminate.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};

use super::audit::{Action, Actor, Event, append_both};
use super::error::Error;
use super::gate::Scope;
use super::standing::Act;
use super::store::{Kind, deactivate_people, end_sessions_under, living_settings, revoke, save};
use super::tenant::locked_child;
use super::{App, time};
use crate::wire::{self, Lifecycle};

/// `POST .../{child}/activate`.
pub(super) async fn activate(app: Platform, scope: Asker, actor: Actor, path: Child) -> Result<Json<()>, Error> {
    act(&app, &scope, &actor, (&path.0.1, Lifecycle::Activate)).await
}

/// `POST .../{child}/suspend`.
pub(super) async fn suspend(app: Platform, scope: Asker, actor: Actor, path: Child) -> Result<Json<()>, Error> {
    act(&app, &scope, &actor, (&path.0.1, Lifecycle::Suspend)).await
}

/// `POST .../{child}/terminate`: irreversible.
pub(super) async fn terminate(app: Platform, scope: Asker, actor: Actor, path: Child) -> Result<Json<()>, Error> {
    act(&app, &scope, &actor, (&path.0.1, Lifecycle::Terminate)).await
}

type Platform = State<Arc<App>>;
type Asker = Extension<Scope>;
type Child = Path<(String, String)>;

/// The answer is 200 with `null`, also where the tenant was in that state already.
async fn act(app: &App, scope: &Scope, actor: &Actor, (id, action): (&str, Lifecycle)) -> Result<Json<()>, Error> {
    let mut tx = app.store.begin_under(scope.tenant()?.id).await?;
    let (parent, mut record) = locked_child(&mut tx, scope, id, Act::Lifecycle).await?;
    let (state, done) = match action {
        Lifecycle::Activate => (wire::State::Active, Action::TenantActivate),
        Lifecycle::Suspend => (wire::State::Suspended, Action::TenantSuspend),
        Lifecycle::Terminate => (wire::State::Terminated, Action::TenantTerminate),
    };
    if record.state == state {
        return Ok(Json(()));
    }
    record.state = state;
    if action == Lifecycle::Terminate {
        if record.kind == Kind::Partner {
            childless(living_settings(&mut tx, record.id).await?.len())?;
        }
        record.terminated_at = Some(time::now().max(record.updated_at));
        revoke(&mut tx, record.id).await?;
        deactivate_people(&mut tx, record.id, &scope.caller.login()).await?;
    }
    if state != wire::State::Active {
        // Activating the tenant again does not bring a session back to life.
        end_sessions_under(&mut tx, record.id, time::now()).await?;
    }
    scope.proof().spend(&mut tx).await?;
    save(&mut tx, &mut record, app.extensions, &scope.caller.login()).await?;
    append_both(&app.seal, &mut tx, (parent.id, record.id, actor), Event::done(done, &record.unique_id)).await?;
    tx.commit().await?;
    tracing::info!(tenant = record.unique_id, action = action.segment(), by = scope.caller.unique_id, "lifecycle");
    Ok(Json(()))
}

fn childless(clients: usize) -> Result<(), Error> {
    if clients == 0 {
        return Ok(());
    }
    let noun = if clients == 1 { "1 client still lives".to_owned() } else { format!("{clients} clients still live") };
    Err(Error::field("uniqueId", format!("{noun} under this partner; terminate every client first, then the partner")))
}
