//! Stage 5: sends one request for each step of the plan.

use tenantry_api::Reason;
use tenantry_client::{CallError, PlatformClient, platform_error_outcome, translate_to_spec_paths};
use tenantry_core::object::name_taken_outcome;
use tenantry_core::{
    DesiredTenant, Digest, Field, ObservedTenant, PassOutcome, Place, PlanStep, SettingChange, SettingsPayload,
    TenantCandidate, Value,
};
use tenantry_wire::FieldError;

use super::audit;
use super::context::Context;
use super::create_intent::clear_sent_password_time;
use super::pass_stop::PassStop;
use super::tenant_object::TenantObject;

/// What was done, for status and events.
#[derive(Debug, Default)]
pub(crate) struct AppliedSteps {
    /// Id of a tenant that was created.
    pub(crate) created_id: Option<String>,
    /// Settings that were written.
    pub(crate) written: Vec<SettingChange>,
    /// Whether the mark was rewritten.
    pub(crate) is_marked: bool,
    /// Whether the tenant was put back in service.
    pub(crate) is_activated: bool,
    /// Whether the tenant was suspended.
    pub(crate) is_suspended: bool,
}

impl AppliedSteps {
    /// Returns whether anything was done.
    pub(crate) fn has_any(&self) -> bool {
        let Self { created_id: created, written, is_marked, is_activated, is_suspended } = self;
        created.is_some() || !written.is_empty() || *is_marked || *is_activated || *is_suspended
    }
}

/// Where a plan is applied.
pub(crate) struct ApplyTarget<'a> {
    /// The platform.
    pub(crate) platform: &'a PlatformClient,
    /// Where the tenant lives on the platform.
    pub(crate) place: &'a Place,
    /// The desired tenant.
    pub(crate) desired: &'a DesiredTenant,
    /// The observed tenant, where one exists.
    pub(crate) observed: Option<&'a ObservedTenant>,
}

impl ApplyTarget<'_> {
    /// Describes a step for the audit log.
    fn audited_change<'a>(&self, step: &PlanStep, tenant: &'a str) -> audit::AuditedChange<'a> {
        let (operation, changes): (_, &[SettingChange]) = match step {
            PlanStep::Create(changes) => ("create", changes),
            PlanStep::Mark => ("mark", &[]),
            PlanStep::Activate => ("activate", &[]),
            PlanStep::Update(changes) => ("update", changes),
            PlanStep::Brand(changes) => ("brand", changes),
            PlanStep::Suspend => ("suspend", &[]),
        };
        let digest = |line: &dyn Fn(&SettingChange) -> String| {
            let lines: Vec<String> = changes.iter().map(line).collect();
            Digest::of_bytes(lines.join("\n").as_bytes())
        };
        let before = |change: &SettingChange| {
            let value = self.observed.and_then(|observed| observed.value(change.field));
            format!("{}={}", change.field.path(), value.map(Value::to_json).unwrap_or_default())
        };
        let after = |change: &SettingChange| format!("{}={}", change.field.path(), change.to.to_json());
        let digests = (!changes.is_empty()).then(|| (digest(&before), digest(&after)));
        audit::AuditedChange { operation, tenant, fields: changes.iter().map(|change| change.field).collect(), digests }
    }
}

/// Carries out steps in order. `done` records what succeeded before a failure.
pub(crate) async fn apply_steps<K: TenantObject>(
    steps: &[PlanStep],
    target: &ApplyTarget<'_>,
    mut id: Option<String>,
    done: &mut AppliedSteps,
    object: &K,
    context: &Context,
) -> Result<(), PassStop> {
    let ApplyTarget { platform, place, desired, observed: _ } = target;
    let payload: &SettingsPayload = &desired.effective.payload;
    let is_moment = |step: &PlanStep| matches!(step, PlanStep::Update(changes) if changes.iter().any(|change| change.field == Field::PasswordsSetBefore));
    let mut awaits_moment = steps.iter().any(is_moment);
    for step in steps {
        let known = id.clone().unwrap_or_default();
        let audited = target.audited_change(step, &known);
        let result = match step {
            PlanStep::Create(changes) => {
                let created = create_tenant(changes, (target, audited), (object, context)).await?;
                done.created_id = Some(created.clone());
                K::kind_state(context)
                    .with_memory(object, |memory| memory.created_at = Some(tenantry_runtime::clock::now()));
                id = Some(created);
                done.written.extend(changes.iter().cloned());
                Ok(())
            }
            PlanStep::Mark => {
                let call = platform.write_mark(place, &known, &desired.mark);
                audit::run_and_log_change(object, audited, call).await.map(|()| done.is_marked = true)
            }
            PlanStep::Activate => {
                let call = platform.activate_tenant(place, &known);
                audit::run_and_log_change(object, audited, call).await.map(|()| done.is_activated = true)
            }
            PlanStep::Update(changes) => {
                let call = platform.update_tenant(place, &known, changes, payload);
                let updated = audit::run_and_log_change(object, audited, call).await;
                let has_moment = changes.iter().any(|change| change.field == Field::PasswordsSetBefore);
                if has_moment && updated.as_ref().is_err_and(|error| !error.may_have_been_applied()) {
                    clear_sent_password_time(object, context).await?;
                }
                updated.map(|()| done.written.extend(changes.iter().cloned()))
            }
            PlanStep::Brand(changes) => {
                let call = platform.write_branding(&known, changes, payload);
                audit::run_and_log_change(object, audited, call)
                    .await
                    .map(|()| done.written.extend(changes.iter().cloned()))
            }
            PlanStep::Suspend => {
                let call = platform.suspend_tenant(place, &known);
                audit::run_and_log_change(object, audited, call).await.map(|()| done.is_suspended = true)
            }
        };
        awaits_moment &= !is_moment(step);
        if result.is_err() && awaits_moment {
            // An earlier step failed, so the recorded moment is not sent.
            clear_sent_password_time(object, context).await?;
        }
        result.map_err(|error| {
            stop_for_rejected_change(object, &translate_to_spec_paths(error, &desired.effective), platform, context)
        })?;
    }
    Ok(())
}

/// Converts the failure of a step. If the parent tenant is out of service this is remembered, so that the next pass
/// checks that first.
fn stop_for_rejected_change<K: TenantObject>(
    object: &K,
    error: &CallError,
    platform: &PlatformClient,
    context: &Context,
) -> PassStop {
    if let CallError::ParentGone { message } = error {
        K::kind_state(context).with_memory(object, |memory| memory.parent_refusal = Some(message.clone()));
    }
    if let CallError::NotFound { message } = error
        && super::reconcile_tenant::is_recently_created(object, context)
    {
        let message = format!(
            "{message}: the tenant was created a moment ago and is not visible on the platform yet: trying again"
        );
        return PassOutcome::Failed(Reason::InProgress, message).into();
    }
    stop_for_error(K::KIND, error, platform, context)
}

/// Refuses while the parent tenant is out of service, after the platform has refused a change for that reason. A read
/// shows as much as another refusal would, and requests no change.
pub(crate) async fn ensure_parent_active<K: TenantObject>(
    object: &K,
    platform: &PlatformClient,
    place: &Place,
    context: &Context,
) -> Result<(), PassStop> {
    let kind_state = K::kind_state(context);
    let Some(message) = kind_state.with_memory(object, |memory| memory.parent_refusal.clone()) else { return Ok(()) };
    match platform.is_partner_in_service(place.parent_id()).await {
        Ok(false) => Err(stop_for_error(K::KIND, &CallError::ParentGone { message }, platform, context)),
        // Where the parent cannot be read, the change is sent to the platform again.
        Ok(true) | Err(CallError::NotFound { .. } | CallError::Unsupported { .. } | CallError::Forbidden { .. }) => {
            kind_state.with_memory(object, |memory| memory.parent_refusal = None);
            Ok(())
        }
        Err(error) => Err(stop_for_error(K::KIND, &error, platform, context)),
    }
}

/// Converts a platform error. A refused credential is blocked for a while.
pub(crate) fn stop_for_error(
    kind: tenantry_core::TenantKind,
    error: &CallError,
    platform: &PlatformClient,
    context: &Context,
) -> PassStop {
    let outcome = platform_error_outcome(kind, error);
    if let PassOutcome::Unauthorised(_, message) = &outcome {
        context.connections.block_refused_credential(platform, message);
    }
    outcome.into()
}

async fn create_tenant<K: TenantObject>(
    changes: &[SettingChange],
    (target, audited): (&ApplyTarget<'_>, audit::AuditedChange<'_>),
    (object, context): (&K, &Context),
) -> Result<String, PassStop> {
    let ApplyTarget { platform, place, desired, observed: _ } = target;
    let open = UnansweredCreate { object, context };
    let call = platform.create_tenant(place, changes, &desired.effective.payload, &desired.mark);
    let created = audit::run_and_log_change(object, audited, call).await;
    if created.as_ref().err().is_none_or(|error| !error.may_have_been_applied()) {
        open.mark_answered();
    }
    match created {
        Ok(id) => Ok(id),
        Err(CallError::Invalid { errors }) if conflict_holder(&errors).is_some() => {
            let id = conflict_holder(&errors).unwrap_or_default();
            resolve_create_conflict(&id, target, object).await
        }
        Err(error) => Err(stop_for_rejected_change(
            object,
            &translate_to_spec_paths(error, &desired.effective),
            platform,
            context,
        )),
    }
}

/// A create without an answer: it may still be carried out, also where the whole pass was cancelled.
struct UnansweredCreate<'a, K: TenantObject> {
    object: &'a K,
    context: &'a Context,
}

impl<K: TenantObject> UnansweredCreate<'_, K> {
    /// Records that the platform has answered, or that nothing was sent.
    fn mark_answered(self) {
        std::mem::forget(self);
    }
}

impl<K: TenantObject> Drop for UnansweredCreate<'_, K> {
    fn drop(&mut self) {
        let Self { object, context } = *self;
        let (now, timeout) = (context.claim.process_time(), context.settings.request_timeout);
        K::kind_state(context).with_memory(object, |memory| memory.create_guard.record_unanswered_create(now, timeout));
    }
}

fn conflict_holder(errors: &[FieldError]) -> Option<String> {
    errors
        .iter()
        .filter(|error| matches!(error.field_name.as_str(), "name" | "managedBy"))
        .find_map(|error| error.holder.clone())
}

/// Resolves a create that the platform refused because a tenant has the name or the mark. Our own tenant is recorded;
/// our own tombstone means that the tenant was terminated; anything else belongs to somebody else.
async fn resolve_create_conflict<K: TenantObject>(
    id: &str,
    target: &ApplyTarget<'_>,
    object: &K,
) -> Result<String, PassStop> {
    let ApplyTarget { platform, place, desired, observed: _ } = target;
    let found = platform
        .read_tenant(place, id, false)
        .await
        .map_err(|error| PassStop::from(platform_error_outcome(K::KIND, &error)))?;
    match found {
        None => Err(PassOutcome::Refused(
            Reason::TenantMissing,
            format!("tenant `{id}`, which this object created, was ended on the platform: it is never created again; delete this object, or create it anew under another name"),
        )
        .into()),
        Some(tenant) if tenant.mark.is_exactly(&desired.mark) => Ok(tenant.unique_id),
        Some(ObservedTenant { unique_id, name, mark, .. }) => {
            Err(name_taken_outcome(object.declared_name(), &desired.mark, &[TenantCandidate { unique_id, name, mark }]).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_alone_counts_as_something_done() {
        assert!(!AppliedSteps::default().has_any());
        for done in [
            AppliedSteps { created_id: Some("client_1".to_owned()), ..AppliedSteps::default() },
            AppliedSteps { is_marked: true, ..AppliedSteps::default() },
            AppliedSteps { is_activated: true, ..AppliedSteps::default() },
            AppliedSteps { is_suspended: true, ..AppliedSteps::default() },
        ] {
            assert!(done.has_any(), "{done:?}");
        }
    }
}
