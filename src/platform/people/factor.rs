//! The second factor of a user, as administrators have to do with it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};

use super::bounds;
use super::users::{living, locked};
use crate::platform::audit::{Action, Actor, Event, append};
use crate::platform::error::Error;
use crate::platform::factor::wanted;
use crate::platform::gate::Scope;
use crate::platform::settings::Problems;
use crate::platform::standing::{Act, admit};
use crate::platform::store::{PersonRecord, Record, end_sessions_of, forget_factor};
use crate::platform::{App, time};
use crate::wire::{TwoFactor, User};

/// `POST .../users/{user}/RESETFACTOR`: takes away what was enrolled, for whoever lost it. Every session of the person ends,
/// and the next login enrols anew.
pub(in crate::platform) async fn reset(
    State(app): State<Arc<App>>,
    (Extension(scope), actor): (Extension<Scope>, Actor),
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<()>, Error> {
    let tenant = scope.tenant()?;
    admit(tenant, Act::Write)?;
    let before = living(app.store.person_of(tenant.id, &id).await?, &id)?;
    bounds::over(&app, &scope, &before).await?;
    let mut tx = app.store.begin_under(scope.tenant()?.id).await?;
    let (tenant, person) = locked(&mut tx, &scope, &id).await?;
    bounds::over(&app, &scope, &person).await?;
    scope.proof().spend(&mut tx).await?;
    forget_factor(&mut tx, person.id).await?;
    end_sessions_of(&mut tx, person.id, time::now()).await?;
    append(&app.seal, &mut tx, (tenant.id, &actor), Event::done(Action::FactorReset, &person.unique_id)).await?;
    tx.commit().await?;
    tracing::info!(person = person.unique_id, by = scope.caller.login(), "a second factor was taken away");
    Ok(Json(()))
}

/// A user's own switch beside the tenant's: sent back as it is shown it changes nothing, and nobody is let off alone.
pub(super) fn switch(tenant: &Record, change: &mut User, problems: &mut Problems) {
    if wanted(&tenant.settings, false).is_none() {
        return;
    }
    if change.two_factor_authentication.take() == Some(false) {
        let message = "The tenant asks all its people for a second factor; turn it off there";
        problems.refuse("twoFactorAuthentication", message);
    }
}

/// Whether a change turns a person's own switch off, which asks for a fresh proof.
pub(super) fn turned_off(before: &PersonRecord, after: &User) -> bool {
    before.profile.two_factor_authentication == Some(true) && after.two_factor_authentication != Some(true)
}

/// What a login asks for, as answers show it.
pub(super) fn shown(tenant: &Record, person: &PersonRecord) -> (Option<bool>, Option<TwoFactor>) {
    let method = wanted(&tenant.settings, person.profile.two_factor_authentication == Some(true));
    let provider = method.as_ref().map(|method| method.provider().to_owned());
    (Some(method.is_some()), provider.map(|provider| TwoFactor { provider: Some(provider) }))
}
