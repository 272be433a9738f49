//! The six stages over an object that is not being deleted.

mod find_owner;
mod find_tenant;
mod password_reset_time;
mod readback;
mod write_filter;

use std::sync::Arc;

use jiff::Timestamp;
use tenantry_api::{DriftPolicy, ManagementMode};
use tenantry_client::needs_branding;
use tenantry_core::object::{
    digest_references, ensure_extensions_not_hidden, ensure_no_used_package_dropped, ensure_partner_not_suspended,
    resolve_desired_tenant, write_record,
};
use tenantry_core::{
    DesiredTenant, DriftHandling, EffectiveSettings, ObservedTenant, PassOutcome, Plan, PlanStep, SettledTenant, diff,
};

pub(super) use find_owner::is_taken_without_mark;

use super::apply_plan::{ApplyTarget, apply_steps, ensure_parent_active, stop_for_error};
use super::context::{Context, VerifiedVersion};
use super::events;
use super::not_understood::recheck_object;
use super::pass_stop::PassStop;
use super::resolve_references::{TenantReferences, record_material, resolve_references};
use super::status::{PassInputs, PassResult};
use super::tenant_object::{TenantObject, active_pause, as_partner, drift_policy, management_mode};
pub(super) use readback::is_recently_created;
use readback::{PendingWrites, check_own_writes, not_found_outcome};

/// Runs the stages as of `now`, the time at which the pass began. `object` is replaced by the API server's answers to
/// our writes.
pub(crate) async fn manage_tenant<K: TenantObject>(
    object: &mut Arc<K>,
    now: Timestamp,
    context: &Context,
    pass_result: &mut PassResult,
) -> Result<PassOutcome, PassStop> {
    if let Some(pause) = active_pause(object.as_ref(), now) {
        return Ok(PassOutcome::Paused(pause));
    }
    let referenced = resolve_references(object.as_ref(), context).await?;
    let done = manage_with_references(object, &referenced, context, pass_result).await;
    done.map_err(|stop| referenced.with_credential_source(stop))
}

/// Runs the stages after all references of the spec are resolved.
async fn manage_with_references<K: TenantObject>(
    object: &mut Arc<K>,
    referenced: &TenantReferences,
    context: &Context,
    pass_result: &mut PassResult,
) -> Result<PassOutcome, PassStop> {
    record_material(object.as_ref(), &digest_references(&referenced.material, &referenced.defaults_material), context);
    let desired = resolve_desired_tenant(object.as_ref(), referenced.sources(), &context.cluster)?
        .drop_future_password_reset(tenantry_runtime::clock::now());
    let written = write_record(object.as_ref(), context.record_keys.load_key().await);
    let extensions = check_extensions(object.as_ref(), referenced, context).await?;
    pass_result.record_desired(referenced, &desired, PassInputs { extensions, written });
    events::warn_of_tolerated(object.as_ref(), &desired.effective.tolerated, context);
    if management_mode(object.as_ref()) == ManagementMode::Observe {
        let observed = find_tenant::observe_tenant(object, (referenced, &desired), (context, pass_result)).await?;
        let rest = diff(&desired, Some(&observed), pass_result.former_writes());
        pass_result.record_observed(&observed);
        return Ok(settled_outcome(&desired, rest, &observed, DriftHandling::Observes));
    }
    let observed = find_tenant::find_tenant(object, (referenced, &desired), (context, pass_result)).await?;
    let mut plan = diff(&desired, observed.as_ref(), pass_result.former_writes());
    let mut awaited = PendingWrites::default();
    if let Some(observed) = &observed {
        readback::record_visibility(object.as_ref(), observed, context);
        awaited = check_own_writes(object.as_ref(), &desired, &plan, observed, context, pass_result);
        // What this read has just shown counts in this pass already.
        plan = diff(&desired, Some(observed), &pass_result.writes_after());
    }
    if let Some(partner) = as_partner(object.as_ref()) {
        ensure_no_used_package_dropped(&desired, &context.list_clients_of(partner))?;
        pass_result.client_counts = super::client_counts::count_clients(partner, &referenced.platform, context).await;
    }
    let writes = match drift_policy(object.as_ref()) {
        DriftPolicy::Correct => DriftHandling::Corrects,
        DriftPolicy::Report => DriftHandling::Reports,
    };
    let held = awaited.withheld_properties();
    let gated = write_filter::filter_plan(
        object.as_ref(),
        write_filter::without_properties(plan.clone(), &held),
        &desired,
        observed.as_ref(),
        referenced,
        context,
        pass_result,
    )?;
    if gated.plan.is_empty()
        && !held.is_empty()
        && let Some(outcome) = awaited.pending_outcome(pass_result)
    {
        return gated.check_outcome(outcome);
    }
    if let Some(observed) = observed.as_ref().filter(|_| gated.plan.is_empty()) {
        pass_result.record_observed(observed);
        record_verified(object.as_ref(), observed, context);
        return gated.check_outcome(settled_outcome(&desired, plan, observed, writes));
    }
    let TenantReferences { platform, place, partner, .. } = referenced;
    // Nothing is sent that would only be refused: the Partner enqueues its Clients when it is active.
    if gated.plan.steps.iter().any(|step| !matches!(step, PlanStep::Activate | PlanStep::Suspend)) {
        ensure_partner_not_suspended(partner.as_deref())?;
        ensure_parent_active(object.as_ref(), platform, place, context).await?;
    }
    // A create has checked the object with the API server when it got its lock.
    if observed.is_some() {
        recheck_object(object.as_ref(), context).await?;
    }
    if observed.is_some() {
        password_reset_time::record_password_reset_time(object, &gated.plan, context, pass_result).await?;
    }
    let target = ApplyTarget { platform, place, desired: &desired, observed: observed.as_ref() };
    let id = observed.as_ref().map(|observed| observed.unique_id.clone());
    let outcome = apply_and_read_back(object, &gated.plan, &target, id, writes, context, pass_result).await?;
    gated.count_corrections(object.as_ref(), context);
    gated.check_outcome(outcome)
}

/// Returns whether the platform has the extensions. A platform that had them and no longer reports them is an error.
async fn check_extensions<K: TenantObject>(
    object: &K,
    referenced: &TenantReferences,
    context: &Context,
) -> Result<bool, PassStop> {
    let TenantReferences { platform, partner, .. } = referenced;
    let extensions =
        platform.has_extensions().await.map_err(|error| stop_for_error(K::KIND, &error, platform, context))?;
    ensure_extensions_not_hidden(object, partner.as_deref(), (&platform.host(), extensions))?;
    K::kind_state(context).with_memory(object, |memory| memory.extensions = Some(extensions));
    Ok(extensions)
}

/// Runs stage 5 and reads the tenant back.
async fn apply_and_read_back<K: TenantObject>(
    object: &Arc<K>,
    plan: &Plan,
    target: &ApplyTarget<'_>,
    id: Option<String>,
    drift_handling: DriftHandling,
    context: &Context,
    pass_result: &mut PassResult,
) -> Result<PassOutcome, PassStop> {
    let applied =
        apply_steps(&plan.steps, target, id.clone(), &mut pass_result.applied, object.as_ref(), context).await;
    readback::record_writes(object.as_ref(), target.observed, (context, pass_result));
    if let Some(created) = &pass_result.applied.created_id {
        pass_result.unique_id = Some(created.clone());
    }
    applied?;
    let id = pass_result.unique_id.clone().or(id).unwrap_or_default();
    let read = target.platform.read_tenant(target.place, &id, needs_branding(target.desired)).await;
    let observed = read
        .map_err(|error| stop_for_error(K::KIND, &error, target.platform, context))?
        .ok_or_else(|| not_found_outcome(object.as_ref(), &id, context))?;
    pass_result.record_observed(&observed);
    readback::record_visibility(object.as_ref(), &observed, context);
    let rest = diff(target.desired, Some(&observed), &pass_result.writes_after());
    let awaited = check_own_writes(object.as_ref(), target.desired, &rest, &observed, context, pass_result);
    if let Some(outcome) = awaited.pending_outcome(pass_result) {
        return Ok(outcome);
    }
    record_verified(object.as_ref(), &observed, context);
    Ok(settled_outcome(target.desired, rest, &observed, drift_handling))
}

fn settled_outcome(
    desired: &DesiredTenant,
    remaining_plan: Plan,
    observed: &ObservedTenant,
    drift_handling: DriftHandling,
) -> PassOutcome {
    // Advice about images does not belong in a condition: status and an event carry it.
    let EffectiveSettings { tolerated, refused, .. } = &desired.effective;
    let (advice, refused) = (tolerated.iter().map(ToString::to_string).collect(), refused.clone());
    let (life, wanted) = (observed.lifecycle, desired.state);
    PassOutcome::Settled(Box::new(SettledTenant {
        lifecycle: life,
        desired_state: wanted,
        remaining_plan,
        advice,
        refused,
        drift_handling,
    }))
}

fn record_verified<K: TenantObject>(object: &K, observed: &ObservedTenant, context: &Context) {
    let ObservedTenant { revision, updated, .. } = observed;
    let verified = VerifiedVersion { revision: *revision, updated: *updated, read_at: tenantry_runtime::clock::now() };
    K::kind_state(context).with_memory(object, |memory| memory.verified = Some(verified));
}
