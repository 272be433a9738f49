//! A pass: the six stages over one object, whichever kind it is.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use jiff::Timestamp;
use kube::runtime::controller::Action;

use super::apply::{Target, apply, stop};
use super::context::Context;
use super::dereference::{Referenced, dereference, digest_of, refuse_new_under};
use super::ending;
use super::error::Stop;
use super::identity::{Found, create_key, declare_intent, hold, look, take_over};
use super::object::{TenantObject, is_deleting, is_held, unique_id};
use super::resolve::{keep_what_clients_use, resolve};
use super::status::{Facts, publish};
use super::wake;
use crate::api::{Partner, Reason};
use crate::connect::{Error, Freshness, Place, Platform};
use crate::plan::{Desired, Form, Observed, Outcome, Plan, Situation, TenantLife, Written, diff};

/// First and longest pause while something outside is missing that only a read can show, such as a Secret.
const BLOCKED: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));
/// First and longest pause after a failure that passes.
const FAILED: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(5));

/// One pass over an object: bounded in time, and a panic in it is that object's condition and nobody else's.
pub(crate) async fn reconcile<K: TenantObject>(stored: Arc<K>, context: Arc<Context>) -> Action {
    if !context.claim.holds() {
        // The process is about to end, and its successor looks at every object.
        return Action::await_change();
    }
    let object = K::room(&context).current(stored);
    let started = std::time::Instant::now();
    let guarded = std::panic::AssertUnwindSafe(one_pass(Arc::clone(&object), &context)).catch_unwind();
    let (action, outcome) = match tokio::time::timeout(context.settings.pass_timeout, guarded).await {
        Ok(Ok(result)) => result,
        Ok(Err(_panic)) => failed(&object, &context, "the pass failed inside the operator: see its log").await,
        Err(_elapsed) => failed(&object, &context, "the pass took too long and was given up").await,
    };
    context.metrics.passed(K::KIND, outcome, started.elapsed());
    action
}

async fn failed<K: TenantObject>(object: &Arc<K>, context: &Context, message: &str) -> (Action, &'static str) {
    let outcome = Outcome::Failed(Reason::InternalError, message.to_owned());
    publish(object, &outcome, &Facts::default(), context).await;
    (Action::requeue(K::room(context).pause(object, FAILED.0, FAILED.1)), Reason::InternalError.name())
}

async fn one_pass<K: TenantObject>(object: Arc<K>, context: &Context) -> (Action, &'static str) {
    if is_deleting(object.as_ref()) {
        return ending::end(object, context).await;
    }
    let mut facts = Facts::default();
    let mut current = Arc::clone(&object);
    let outcome = match manage(&mut current, context, &mut facts).await {
        Ok(outcome) | Err(Stop::Outcome(outcome)) => outcome,
        Err(Stop::Stale) => return (Action::requeue(Duration::from_millis(200)), "Stale"),
    };
    let published = publish(&current, &outcome, &facts, context).await;
    wake::users_of(published.as_ref(), context);
    let reason = wake::reason(&outcome);
    tracing::info!(
        kind = K::KIND.name(),
        object = super::object::place(published.as_ref()),
        outcome = reason.name(),
        writes = facts.done.written.len(),
        "pass"
    );
    (next(published.as_ref(), &outcome, context), reason.name())
}

/// When to look again; drift is looked for by the poller.
fn next<K: TenantObject>(object: &K, outcome: &Outcome, context: &Context) -> Action {
    let room = K::room(context);
    match outcome {
        Outcome::Settled(situation) if situation.rest.is_empty() => {
            room.remember(object, |memory| memory.failures = 0);
            Action::await_change()
        }
        Outcome::Unresolved(..) | Outcome::Unauthorised(..) => {
            Action::requeue(room.pause(object, BLOCKED.0, BLOCKED.1))
        }
        Outcome::Refused(..) => {
            Action::requeue(room.pause(object, BLOCKED.1, context.settings.drift_interval.max(BLOCKED.1)))
        }
        Outcome::Settled(_) | Outcome::Failed(..) | Outcome::Held(..) | Outcome::Ending(..) => {
            Action::requeue(room.pause(object, FAILED.0, FAILED.1))
        }
    }
}

/// The stages. `object` is replaced by what the API server answers to writes of ours.
async fn manage<K: TenantObject>(object: &mut Arc<K>, context: &Context, facts: &mut Facts) -> Result<Outcome, Stop> {
    let referenced = dereference(object.as_ref(), context).await?;
    let material = digest_of(&referenced.material);
    K::room(context).remember(object, |memory| memory.material = Some(material));
    let desired = resolve(object.as_ref(), &referenced, &context.cluster)?;
    facts.know(&referenced, &desired);
    let with_branding = desired.effective.written().any(|(field, _, _)| field.is_branding());
    let observed = observe(object, &referenced, with_branding, (context, facts)).await?;
    let written = written(object.as_ref());
    let plan = diff(&desired, observed.as_ref(), &written);
    if let Some(partner) = as_partner(object.as_ref()) {
        keep_what_clients_use(&desired, &context.clients_of(partner))?;
        facts.clients = super::counts::count(partner, &referenced.platform, context).await;
    }
    let Referenced { platform, place, .. } = &referenced;
    let target = Target { platform, place, desired: &desired };
    if let Some(observed) = &observed
        && plan.is_empty()
    {
        facts.seen(observed);
        remember(object.as_ref(), observed, context);
        return Ok(settled(&desired, plan, observed));
    }
    let id = observed.as_ref().map(|observed| observed.unique_id.clone());
    carry_out(object, &plan, (&target, id), (context, facts)).await
}

/// Stage 5 and the read back. A create happens under the lock of its name, after one more look under that lock.
async fn carry_out<K: TenantObject>(
    object: &mut Arc<K>,
    plan: &Plan,
    (target, id): (&Target<'_>, Option<String>),
    (context, facts): (&Context, &mut Facts),
) -> Result<Outcome, Stop> {
    let applied = apply(&plan.steps, target, id.clone(), (&mut facts.done, object.as_ref(), context)).await;
    if let Some(created) = &facts.done.created {
        facts.unique_id = Some(created.clone());
    }
    applied?;
    let id = facts.unique_id.clone().or(id).unwrap_or_default();
    let with_branding = target.desired.effective.written().any(|(field, _, _)| field.is_branding());
    let read = target.platform.read(target.place, &id, with_branding).await;
    let observed =
        read.map_err(|error| stop(K::KIND, &error, target.platform, context))?.ok_or_else(|| missing(&id))?;
    facts.seen(&observed);
    remember(object.as_ref(), &observed, context);
    let rest = diff(target.desired, Some(&observed), &facts.written_after(written(object.as_ref())));
    Ok(settled(target.desired, rest, &observed))
}

fn settled(desired: &Desired, rest: Plan, observed: &Observed) -> Outcome {
    let advice = desired.effective.advice.clone();
    Outcome::Settled(Box::new(Situation { life: observed.life, wanted: desired.state, rest, advice }))
}

/// Stage 3: the tenant by its id, or by its mark or name where no id was recorded yet.
async fn observe<K: TenantObject>(
    object: &mut Arc<K>,
    referenced: &Referenced,
    with_branding: bool,
    (context, facts): (&Context, &mut Facts),
) -> Result<Option<Observed>, Stop> {
    let Referenced { platform, place, partner, .. } = referenced;
    if let Some(id) = unique_id(object.as_ref()).map(str::to_owned) {
        let observed = known(object.as_ref(), &id, (platform, place, with_branding), context).await?;
        if !is_held(object.as_ref()) {
            // `kubectl replace` drops finalizer and intent and keeps status: that is no new tenant.
            *object = hold(object.as_ref(), serde_json::json!({}), context).await?;
        }
        facts.is_reattached = observed.mark.is_same_place(&super::object::mark(object.as_ref(), &context.cluster))
            && !observed.mark.is(&super::object::mark(object.as_ref(), &context.cluster));
        return Ok(Some(observed));
    }
    let declared = declare_intent(Arc::clone(object), place, context).await?;
    *object = Arc::clone(&declared.object);
    let lock = context.create_lock(create_key(place, object.declared_name()));
    let turn = lock.lock_owned().await;
    let mut found = look(object.as_ref(), platform, place, (declared.freshness, context)).await?;
    if matches!(found, Found::Free) {
        let (taken, is_anew) = take_over(declared, place, context).await?;
        *object = taken;
        if is_anew {
            found = look(object.as_ref(), platform, place, (Freshness::Now, context)).await?;
        }
    }
    match found {
        Found::Free => {
            refuse_new_under(partner.as_deref())?;
            facts.turn = Some(turn);
            return Ok(None);
        }
        Found::Ours(id) => facts.unique_id = Some(id),
        Found::Reattach(id) => {
            facts.unique_id = Some(id);
            facts.is_reattached = true;
        }
    }
    let id = facts.unique_id.clone().unwrap_or_default();
    known(object.as_ref(), &id, (platform, place, with_branding), context).await.map(Some)
}

/// The tenant of a known id. "Not found" is a state and never a reason to create again.
async fn known<K: TenantObject>(
    object: &K,
    id: &str,
    (platform, place, with_branding): (&Platform, &Place, bool),
    context: &Context,
) -> Result<Observed, Stop> {
    let read = match platform.read(place, id, with_branding).await {
        Ok(read) => read,
        // The branding of a suspended tenant may not be readable; the tenant itself is.
        Err(Error::ParentGone { .. }) if with_branding => {
            platform.read(place, id, false).await.map_err(|error| stop(K::KIND, &error, platform, context))?
        }
        Err(error) => return Err(stop(K::KIND, &error, platform, context)),
    };
    let observed = read.filter(|observed| observed.life != TenantLife::Terminated).ok_or_else(|| missing(id))?;
    let mark = super::object::mark(object, &context.cluster);
    let is_foreign = !observed.mark.is_same_place(&mark)
        && matches!(observed.mark, crate::plan::MarkSeen::Whole(_) | crate::plan::MarkSeen::Short(_));
    if is_foreign {
        let owner = match &observed.mark {
            crate::plan::MarkSeen::Whole(owner) => owner.to_string(),
            _ => "another object".to_owned(),
        };
        return Err(Outcome::Refused(
            Reason::OwnedElsewhere,
            format!("tenant `{id}` carries the mark of `{owner}`: delete that object there first, or this one"),
        )
        .into());
    }
    Ok(observed)
}

fn missing(id: &str) -> Stop {
    Outcome::Refused(
        Reason::TenantMissing,
        format!("tenant `{id}` is no longer on the platform and is never created again: delete this object, and create it anew if a new tenant is wanted"),
    )
    .into()
}

fn remember<K: TenantObject>(object: &K, observed: &Observed, context: &Context) {
    let read = Timestamp::now();
    K::room(context).remember(object, |memory| memory.verified = Some((observed.updated, read)));
}

fn as_partner<K: TenantObject>(object: &K) -> Option<&Partner> {
    (object as &dyn std::any::Any).downcast_ref::<Partner>()
}

/// What status records of the settings that the platform never shows.
pub(crate) fn written<K: TenantObject>(object: &K) -> Written {
    let applied = object.status().and_then(|status| status.applied.clone()).unwrap_or_default();
    let digests = applied
        .write_only
        .into_iter()
        .filter_map(|one| crate::plan::Field::from_path(&one.path).map(|field| (field, one.digest)))
        .filter(|(field, _)| matches!(field.form(), Form::Secret | Form::Image))
        .collect();
    Written { salt: super::object::uid(object), digests, suspended_by_us: applied.suspended.unwrap_or_default() }
}
