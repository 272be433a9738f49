//! Administration of a user's second factor.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use tenantry_wire::{TwoFactor, User};

use super::privilege_limits;
use super::users::{lock_tenant_and_person, require_person_not_terminated};
use crate::audit::{Actor, AuditAction, AuditEvent, append_event};
use crate::authorize::RequestScope;
use crate::error::ApiError;
use crate::mfa::required_method;
use crate::settings::Problems;
use crate::store::{PersonRecord, TenantRecord, delete_factor, end_sessions_of};
use crate::tenant_availability::{TenantOperation, ensure_tenant_accepts};
use crate::{App, time};

/// `POST .../users/{user}/RESETFACTOR`: deletes the enrolled factor, for a person who lost it. Every session of the
/// person ends, and the next login enrols again.
pub(crate) async fn reset_factor(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    actor: Actor,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<()>, ApiError> {
    let tenant = scope.tenant()?;
    ensure_tenant_accepts(tenant, TenantOperation::Write)?;
    let before = require_person_not_terminated(app.store.find_person(tenant.id, &id).await?, &id)?;
    privilege_limits::ensure_can_change_person(&app, &scope, &before).await?;
    let mut tx = app.store.begin_for_tenant(scope.tenant()?.id).await?;
    let (tenant, person) = lock_tenant_and_person(&mut tx, &scope, &id).await?;
    privilege_limits::ensure_can_change_person(&app, &scope, &person).await?;
    scope.proof().consume(&mut tx).await?;
    delete_factor(&mut tx, person.id).await?;
    end_sessions_of(&mut tx, person.id, time::now()).await?;
    append_event(
        &app.seal,
        &mut tx,
        tenant.id,
        &actor,
        AuditEvent::success(AuditAction::SecondFactorReset, &person.unique_id),
    )
    .await?;
    tx.commit().await?;
    tracing::info!(person = person.unique_id, by = scope.caller.author_name(), "a second factor was taken away");
    Ok(Json(()))
}

/// Checks a user's own switch against the tenant's setting. Sending back the displayed value changes nothing, and a
/// single user cannot be exempted.
pub(super) fn check_factor_switch(tenant: &TenantRecord, change: &mut User, problems: &mut Problems) {
    if required_method(&tenant.settings, false).is_none() {
        return;
    }
    if change.two_factor_authentication.take() == Some(false) {
        let message = "The tenant asks all its people for a second factor; turn it off there";
        problems.refuse("twoFactorAuthentication", message);
    }
}

/// Returns whether a change turns a person's own switch off, which requires a fresh proof.
pub(super) fn is_factor_turned_off(before: &PersonRecord, after: &User) -> bool {
    before.profile.two_factor_authentication == Some(true) && after.two_factor_authentication != Some(true)
}

/// Returns what a login requires, as responses show it.
pub(super) fn factor_summary(tenant: &TenantRecord, person: &PersonRecord) -> (Option<bool>, Option<TwoFactor>) {
    let method = required_method(&tenant.settings, person.profile.two_factor_authentication == Some(true));
    let provider = method.as_ref().map(|method| method.provider().to_owned());
    (Some(method.is_some()), provider.map(|provider| TwoFactor { provider: Some(provider) }))
}
