//! The six stages over an object that is not being deleted.

mod owner;
mod password_moment;
mod readback;
mod tenant;
mod write_filter;

use std::sync::Arc;

use jiff::Timestamp;

pub(super) use owner::is_taken_without_mark;

use super::apply::{ApplyTarget, apply_steps, refuse_while_parent_inactive, stop_for_error};
use super::context::{Context, VerifiedVersion};
use super::dereference::{TenantReferences, record_material, resolve_references};
use super::error::PassStop;
use super::events;
use super::not_understood::recheck_object;
use super::object::{TenantObject, active_pause, as_partner, drift_policy, management_mode};
use super::status::{PassInputs, PassResult};
use crate::api::{DriftPolicy, ManagementMode};
use crate::object::{
    digest_references, needs_branding, refuse_dropping_used_packages, refuse_hidden_extensions,
    refuse_under_suspended_partner, resolve_desired_tenant, write_record,
};
use crate::plan::{
    DesiredTenant, DriftHandling, EffectiveSettings, ObservedTenant, PassOutcome, Plan, PlanStep, SettledTenant, diff,
};
pub(super) use readback::is_recently_created;
use readback::{PendingWrites, check_own_writes, not_found_outcome};

/// Runs the stages as of `now`, the time at which the pass began. `object` is replaced by the API server's answers to
/// our writes.
pub(crate) async fn manage_tenant<K: TenantObject>(
    object: &mut Arc<K>,
    now: Timestamp,
    context: &Context,
    facts: &mut PassResult,
) -> Result<PassOutcome, PassStop> {
    if let Some(pause) = active_pause(object.as_ref(), now) {
        return Ok(PassOutcome::Paused(pause));
    }
    let referenced = resolve_references(object.as_ref(), context).await?;
    let done = manage_with_references(object, &referenced, context, facts).await;
    done.map_err(|stop| referenced.with_credential_source(stop))
}

/// Runs the stages after all references of the spec are resolved.
async fn manage_with_references<K: TenantObject>(
    object: &mut Arc<K>,
    referenced: &TenantReferences,
    context: &Context,
    facts: &mut PassResult,
) -> Result<PassOutcome, PassStop> {
    record_material(object.as_ref(), &digest_references(&referenced.material, &referenced.defaults_material), context);
    let desired = resolve_desired_tenant(object.as_ref(), referenced.sources(), &context.cluster)?
        .refuse_future_password_reset(crate::clock::now());
    let written = write_record(object.as_ref(), context.record_keys.load_key().await);
    let extensions = check_extensions(object.as_ref(), referenced, context).await?;
    facts.record_desired(referenced, &desired, PassInputs { extensions, written });
    events::warn_of_tolerated(object.as_ref(), &desired.effective.tolerated, context);
    if management_mode(object.as_ref()) == ManagementMode::Observe {
        let observed = tenant::observe_tenant(object, (referenced, &desired), (context, facts)).await?;
        let rest = diff(&desired, Some(&observed), facts.former_writes());
        facts.record_observed(&observed);
        return Ok(settled_outcome(&desired, rest, &observed, DriftHandling::Observes));
    }
    let observed = tenant::find_tenant(object, (referenced, &desired), (context, facts)).await?;
    let mut plan = diff(&desired, observed.as_ref(), facts.former_writes());
    let mut awaited = PendingWrites::default();
    if let Some(observed) = &observed {
        readback::record_visibility(object.as_ref(), observed, context);
        awaited = check_own_writes(object.as_ref(), &desired, &plan, observed, context, facts);
        // What this read has just shown counts in this pass already.
        plan = diff(&desired, Some(observed), &facts.writes_after());
    }
    if let Some(partner) = as_partner(object.as_ref()) {
        refuse_dropping_used_packages(&desired, &context.list_clients_of(partner))?;
        facts.client_counts = super::client_counts::count_clients(partner, &referenced.platform, context).await;
    }
    let writes = match drift_policy(object.as_ref()) {
        DriftPolicy::Correct => DriftHandling::Corrects,
        DriftPolicy::Report => DriftHandling::Reports,
    };
    let held = awaited.held_parts();
    let gated = write_filter::filter_plan(
        object.as_ref(),
        write_filter::without_parts(plan.clone(), &held),
        &desired,
        observed.as_ref(),
        referenced,
        context,
        facts,
    )?;
    if gated.plan.is_empty()
        && !held.is_empty()
        && let Some(outcome) = awaited.pending_outcome(facts)
    {
        return gated.check_outcome(outcome);
    }
    if let Some(observed) = observed.as_ref().filter(|_| gated.plan.is_empty()) {
        facts.record_observed(observed);
        record_verified(object.as_ref(), observed, context);
        return gated.check_outcome(settled_outcome(&desired, plan, observed, writes));
    }
    let TenantReferences { platform, place, partner, .. } = referenced;
    // Nothing is sent that would only be refused: the Partner enqueues its Clients when it is active.
    if gated.plan.steps.iter().any(|step| !matches!(step, PlanStep::Activate | PlanStep::Suspend)) {
        refuse_under_suspended_partner(partner.as_deref())?;
        refuse_while_parent_inactive(object.as_ref(), platform, place, context).await?;
    }
    // A create has checked the object with the API server when it got its lock.
    if observed.is_some() {
        recheck_object(object.as_ref(), context).await?;
    }
    if observed.is_some() {
        password_moment::record_moment(object, &gated.plan, context, facts).await?;
    }
    let target = ApplyTarget { platform, place, desired: &desired, observed: observed.as_ref() };
    let id = observed.as_ref().map(|observed| observed.unique_id.clone());
    let outcome = apply_and_read_back(object, &gated.plan, &target, id, writes, context, facts).await?;
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
    refuse_hidden_extensions(object, partner.as_deref(), (&platform.host(), extensions))?;
    K::kind_state(context).with_memory(object, |memory| memory.extensions = Some(extensions));
    Ok(extensions)
}

/// Runs stage 5 and reads the tenant back.
async fn apply_and_read_back<K: TenantObject>(
    object: &Arc<K>,
    plan: &Plan,
    target: &ApplyTarget<'_>,
    id: Option<String>,
    writes: DriftHandling,
    context: &Context,
    facts: &mut PassResult,
) -> Result<PassOutcome, PassStop> {
    let applied = apply_steps(&plan.steps, target, id.clone(), &mut facts.applied, object.as_ref(), context).await;
    readback::record_writes(object.as_ref(), target.observed, (context, facts));
    if let Some(created) = &facts.applied.created_id {
        facts.unique_id = Some(created.clone());
    }
    applied?;
    let id = facts.unique_id.clone().or(id).unwrap_or_default();
    let read = target.platform.read_tenant(target.place, &id, needs_branding(target.desired)).await;
    let observed = read
        .map_err(|error| stop_for_error(K::KIND, &error, target.platform, context))?
        .ok_or_else(|| not_found_outcome(object.as_ref(), &id, context))?;
    facts.record_observed(&observed);
    readback::record_visibility(object.as_ref(), &observed, context);
    let rest = diff(target.desired, Some(&observed), &facts.writes_after());
    let awaited = check_own_writes(object.as_ref(), target.desired, &rest, &observed, context, facts);
    if let Some(outcome) = awaited.pending_outcome(facts) {
        return Ok(outcome);
    }
    record_verified(object.as_ref(), &observed, context);
    Ok(settled_outcome(target.desired, rest, &observed, writes))
}

fn settled_outcome(
    desired: &DesiredTenant,
    rest: Plan,
    observed: &ObservedTenant,
    writes: DriftHandling,
) -> PassOutcome {
    // Advice about images does not belong in a condition: status and an event carry it.
    let EffectiveSettings { tolerated, refused, .. } = &desired.effective;
    let (advice, refused) = (tolerated.iter().map(ToString::to_string).collect(), refused.clone());
    let (life, wanted) = (observed.life, desired.state);
    PassOutcome::Settled(Box::new(SettledTenant {
        life,
        desired_state: wanted,
        remaining_plan: rest,
        advice,
        refused,
        drift_handling: writes,
    }))
}

fn record_verified<K: TenantObject>(object: &K, observed: &ObservedTenant, context: &Context) {
    let ObservedTenant { revision, updated, .. } = observed;
    let verified = VerifiedVersion { revision: *revision, updated: *updated, read_at: crate::clock::now() };
    K::kind_state(context).with_memory(object, |memory| memory.verified = Some(verified));
}
