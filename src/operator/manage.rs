//! The six stages over an object that is to be kept.

mod gate;
mod moment;
mod owner;
mod readback;
mod tenant;

use std::sync::Arc;

use jiff::Timestamp;

pub(super) use owner::is_taken_unmarked;

use super::apply::{Target, apply, refuse_still, stop};
use super::context::{Context, Verified};
use super::dereference::{Referenced, dereference, note_material};
use super::error::Stop;
use super::events;
use super::newer::look_again;
use super::object::{TenantObject, as_partner, drift_policy, mode, pause};
use super::status::{Facts, Known};
use crate::api::{DriftPolicy, ManagementMode};
use crate::object::{
    digest_of, has_branding, keep_what_clients_use, refuse_hidden_extensions, refuse_under_suspended, resolve, written,
};
use crate::plan::{Desired, Effective, Observed, Outcome, Plan, Situation, Step, Writes, diff};
pub(super) use readback::is_young;
use readback::{Awaited, not_found, read_back};

/// The stages as of the time at which the pass began. `object` is replaced by what the API server answers to writes of
/// ours.
pub(crate) async fn manage<K: TenantObject>(
    object: &mut Arc<K>,
    now: Timestamp,
    context: &Context,
    facts: &mut Facts,
) -> Result<Outcome, Stop> {
    if let Some(pause) = pause(object.as_ref(), now) {
        return Ok(Outcome::Paused(pause));
    }
    let referenced = dereference(object.as_ref(), context).await?;
    let done = with_references(object, &referenced, (context, facts)).await;
    done.map_err(|stop| referenced.name_credential(stop))
}

/// The stages after everything was found that the spec refers to.
async fn with_references<K: TenantObject>(
    object: &mut Arc<K>,
    referenced: &Referenced,
    (context, facts): (&Context, &mut Facts),
) -> Result<Outcome, Stop> {
    note_material(object.as_ref(), &digest_of(&referenced.material, &referenced.defaults_material), context);
    let desired = resolve(object.as_ref(), referenced.sources(), &context.cluster)?.refuse_to_come(crate::clock::now());
    let written = written(object.as_ref(), context.record_keys.key().await);
    let extensions = extensions(object.as_ref(), referenced, context).await?;
    facts.know(referenced, &desired, Known { extensions, written });
    events::tell_tolerated(object.as_ref(), &desired.effective.tolerated, context);
    if mode(object.as_ref()) == ManagementMode::Observe {
        let observed = tenant::observed_only(object, (referenced, &desired), (context, facts)).await?;
        let rest = diff(&desired, Some(&observed), facts.written());
        facts.seen(&observed);
        return Ok(settled(&desired, rest, (&observed, Writes::Observes)));
    }
    let observed = tenant::find(object, (referenced, &desired), (context, facts)).await?;
    let mut plan = diff(&desired, observed.as_ref(), facts.written());
    let mut awaited = Awaited::default();
    if let Some(observed) = &observed {
        readback::saw(object.as_ref(), observed, context);
        awaited = read_back(object.as_ref(), (&desired, &plan), observed, (context, facts));
        // What was learnt just now counts in this very pass.
        plan = diff(&desired, Some(observed), &facts.written_after());
    }
    if let Some(partner) = as_partner(object.as_ref()) {
        keep_what_clients_use(&desired, &context.clients_of(partner))?;
        facts.clients = super::counts::count(partner, &referenced.platform, context).await;
    }
    let writes = match drift_policy(object.as_ref()) {
        DriftPolicy::Correct => Writes::Corrects,
        DriftPolicy::Report => Writes::Reports,
    };
    let held = awaited.held();
    let gated = gate::gate(
        object.as_ref(),
        gate::without(plan.clone(), &held),
        (&desired, observed.as_ref(), referenced),
        (context, facts),
    )?;
    if gated.plan.is_empty()
        && !held.is_empty()
        && let Some(outcome) = awaited.outcome(facts)
    {
        return gated.outcome(outcome);
    }
    if let Some(observed) = observed.as_ref().filter(|_| gated.plan.is_empty()) {
        facts.seen(observed);
        remember(object.as_ref(), observed, context);
        return gated.outcome(settled(&desired, plan, (observed, writes)));
    }
    let Referenced { platform, place, partner, .. } = referenced;
    // Nothing is sent that would be refused again and again: the Partner wakes its Clients when it is active.
    if gated.plan.steps.iter().any(|step| !matches!(step, Step::Activate | Step::Suspend)) {
        refuse_under_suspended(partner.as_deref())?;
        refuse_still(object.as_ref(), (platform, place), context).await?;
    }
    // A create has had its answer from the API server when its turn came.
    if observed.is_some() {
        look_again(object.as_ref(), context).await?;
    }
    if observed.is_some() {
        moment::note(object, &gated.plan, context, facts).await?;
    }
    let target = Target { platform, place, desired: &desired, observed: observed.as_ref() };
    let id = observed.as_ref().map(|observed| observed.unique_id.clone());
    let outcome = carry_out(object, &gated.plan, (&target, id, writes), (context, facts)).await?;
    gated.count(object.as_ref(), context);
    gated.outcome(outcome)
}

/// Whether the platform has the extensions; one that had them and says so no longer is not believed.
async fn extensions<K: TenantObject>(object: &K, referenced: &Referenced, context: &Context) -> Result<bool, Stop> {
    let Referenced { platform, partner, .. } = referenced;
    let extensions = platform.has_extensions().await.map_err(|error| stop(K::KIND, &error, platform, context))?;
    refuse_hidden_extensions(object, partner.as_deref(), (&platform.host(), extensions))?;
    K::room(context).remember(object, |memory| memory.extensions = Some(extensions));
    Ok(extensions)
}

/// Stage 5 and the read back.
async fn carry_out<K: TenantObject>(
    object: &Arc<K>,
    plan: &Plan,
    (target, id, writes): (&Target<'_>, Option<String>, Writes),
    (context, facts): (&Context, &mut Facts),
) -> Result<Outcome, Stop> {
    let applied = apply(&plan.steps, target, id.clone(), (&mut facts.done, object.as_ref(), context)).await;
    readback::note(object.as_ref(), target.observed, (context, facts));
    if let Some(created) = &facts.done.created {
        facts.unique_id = Some(created.clone());
    }
    applied?;
    let id = facts.unique_id.clone().or(id).unwrap_or_default();
    let read = target.platform.read(target.place, &id, has_branding(target.desired)).await;
    let observed = read
        .map_err(|error| stop(K::KIND, &error, target.platform, context))?
        .ok_or_else(|| not_found(object.as_ref(), &id, context))?;
    facts.seen(&observed);
    readback::saw(object.as_ref(), &observed, context);
    let rest = diff(target.desired, Some(&observed), &facts.written_after());
    let awaited = read_back(object.as_ref(), (target.desired, &rest), &observed, (context, facts));
    if let Some(outcome) = awaited.outcome(facts) {
        return Ok(outcome);
    }
    remember(object.as_ref(), &observed, context);
    Ok(settled(target.desired, rest, (&observed, writes)))
}

fn settled(desired: &Desired, rest: Plan, (observed, writes): (&Observed, Writes)) -> Outcome {
    // Advice about images is no matter of a condition: status and an event have it.
    let Effective { tolerated, refused, .. } = &desired.effective;
    let (advice, refused) = (tolerated.iter().map(ToString::to_string).collect(), refused.clone());
    let (life, wanted) = (observed.life, desired.state);
    Outcome::Settled(Box::new(Situation { life, wanted, rest, advice, refused, writes }))
}

fn remember<K: TenantObject>(object: &K, observed: &Observed, context: &Context) {
    let Observed { revision, updated, .. } = observed;
    let verified = Verified { revision: *revision, updated: *updated, read: crate::clock::now() };
    K::room(context).remember(object, |memory| memory.verified = Some(verified));
}
