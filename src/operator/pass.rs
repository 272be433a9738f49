//! A pass: the six stages over one object, whichever kind it is.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::watch;

use super::accounts::{Leave, Queue};
use super::context::Context;
use super::dereference;
use super::ending;
use super::error::Stop;
use super::installation::{self, is_elsewhere};
use super::manage::manage;
use super::object::{TenantObject, is_deleting};
use super::status::{Facts, publish};
use super::wake;
use crate::api::Reason;
use crate::connect::{Trace, trace, traced};
use crate::plan::{Outcome, Writes};

/// First and longest pause while something outside is missing that only a read can show, such as a Secret.
const BLOCKED: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));
/// First and longest pause after a failure that passes.
const FAILED: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(5));
/// How often a pass that waits looks whether it still waits for the right account.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// First and longest pause after a pass that found something changed under it.
const STALE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));
/// What such a pass is counted as.
const STALE_OUTCOME: &str = "Stale";
/// Such passes in a row after which status says so.
const STALE_TOLD: u32 = 5;

/// Waits for leave and makes the pass over the object as it is then. None is begun after the end was asked for.
pub(crate) async fn queue<K: TenantObject>(
    object: Arc<K>,
    context: Arc<Context>,
    mut ending: watch::Receiver<bool>,
) -> Action {
    let key = ObjectRef::from_obj(object.as_ref());
    let entered = tokio::select! {
        biased;
        _ = ending.wait_for(|is_over| *is_over) => None,
        leave = enter(object, &context) => Some(leave),
    };
    // It may have been edited, or gone, while it waited.
    match (entered, K::room(&context).store.get(&key)) {
        (Some(_leave), Some(stored)) => reconcile(stored, context).await,
        (None, _) | (_, None) => Action::await_change(),
    }
}

/// Waits in the queue of the object's account. One that is led elsewhere meanwhile waits there.
async fn enter<K: TenantObject>(object: Arc<K>, context: &Context) -> Leave {
    let key = ObjectRef::from_obj(object.as_ref());
    let mut queue = dereference::queue(object.as_ref(), context).await;
    loop {
        let mut entering = Box::pin(context.accounts.enter(&queue));
        let next = loop {
            // Leave is taken also while a Secret is read for this, so that none is given to nobody.
            tokio::select! {
                biased;
                leave = &mut entering => return leave,
                now = queue_later(&key, context) => if let Some(next) = now.filter(|now| *now != queue) { break next },
            }
        };
        drop(entering);
        queue = next;
    }
}

/// Where an object waits after a while; nothing where it has gone.
async fn queue_later<K: TenantObject>(key: &ObjectRef<K>, context: &Context) -> Option<Queue> {
    tokio::time::sleep(LOOK_AGAIN).await;
    let stored = K::room(context).store.get(key)?;
    Some(dereference::queue(stored.as_ref(), context).await)
}

/// One pass over an object: bounded in time, and a panic in it is that object's condition and nobody else's.
async fn reconcile<K: TenantObject>(stored: Arc<K>, context: Arc<Context>) -> Action {
    if !context.claim.holds() {
        // The process is about to end, and its successor looks at every object.
        return Action::await_change();
    }
    if let Some(waited) = K::room(&context).begin(stored.as_ref()) {
        context.metrics.waited(K::KIND, waited);
    }
    if K::room(&context).newer.has(stored.as_ref()) {
        return Action::await_change();
    }
    let object = K::room(&context).current(stored);
    // Named by its trait alone: as part of one type with all that stands above it, it would be too deep to compile.
    let pass: BoxFuture<'_, Action> = Box::pin(bounded(&object, &context));
    let action = traced(pass).await;
    // Nobody knows yet what this pass found. With no pause an API server in trouble would be asked without end.
    let is_unwritten = K::room(&context).remember(&object, |memory| std::mem::take(&mut memory.is_unwritten));
    let pause = is_unwritten.then(|| K::room(&context).pause(&object, FAILED.0, FAILED.1));
    K::room(&context).forget_gone(&object);
    pause.map_or(action, Action::requeue)
}

/// A pass that ended because something changed under it is made again soon. Where that happens each time, the pauses grow
/// and status says so: it may be an object that is needed and is not there.
pub(crate) async fn again<K: TenantObject>(object: &Arc<K>, context: &Context) -> (Action, &'static str) {
    let times = K::room(context).remember(object, |memory| {
        memory.stale = memory.stale.saturating_add(1);
        memory.stale
    });
    if times >= STALE_TOLD {
        let message = format!(
            "{STALE_TOLD} passes in a row or more found this object, or one that it needs, changed or gone meanwhile: find out who keeps writing to it, and see the operator's log"
        );
        publish(object, &Outcome::Failed(Reason::ClusterUnavailable, message), &Facts::default(), context).await;
    }
    let pause = STALE.0.saturating_mul(1 << (times - 1).min(16)).min(STALE.1);
    (Action::requeue(pause), STALE_OUTCOME)
}

async fn bounded<K: TenantObject>(object: &Arc<K>, context: &Context) -> Action {
    let started = tokio::time::Instant::now();
    let guarded = std::panic::AssertUnwindSafe(Box::pin(one_pass(Arc::clone(object), context))).catch_unwind();
    let (action, outcome) = match tokio::time::timeout(context.settings.pass_timeout, guarded).await {
        Ok(Ok(result)) => result,
        Ok(Err(_panic)) => failed(object, context, "the pass failed inside the operator: see its log").await,
        Err(_elapsed) => failed(object, context, "the pass took too long and was given up").await,
    };
    if outcome != STALE_OUTCOME {
        K::room(context).remember(object, |memory| memory.stale = 0);
    }
    let took = started.elapsed();
    context.metrics.passed(K::KIND, outcome, took);
    let Trace { id, requests, changes } = trace();
    tracing::info!(
        trace = id,
        kind = K::KIND.name(),
        object = super::object::place(object.as_ref()),
        generation = object.meta().generation.unwrap_or_default(),
        outcome,
        requests = requests.get(),
        changes = changes.get(),
        milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "pass"
    );
    action
}

async fn failed<K: TenantObject>(object: &Arc<K>, context: &Context, message: &str) -> (Action, &'static str) {
    let outcome = Outcome::Failed(Reason::InternalError, message.to_owned());
    publish(object, &outcome, &Facts::default(), context).await;
    (Action::requeue(K::room(context).pause(object, FAILED.0, FAILED.1)), Reason::InternalError.name())
}

async fn one_pass<K: TenantObject>(object: Arc<K>, context: &Context) -> (Action, &'static str) {
    if is_elsewhere(object.as_ref(), context) {
        return installation::stand_aside(object.as_ref(), context);
    }
    let mut facts = Facts::default();
    let mut current = Arc::clone(&object);
    let now = crate::clock::now();
    let claimed = installation::claim(&mut current, now, context).await;
    if claimed.is_ok() && is_deleting(current.as_ref()) {
        return ending::end(current, context).await;
    }
    let managed = match claimed {
        Ok(()) => Box::pin(manage(&mut current, now, context, &mut facts)).await,
        Err(stop) => Err(stop),
    };
    let outcome = match managed {
        Ok(outcome) | Err(Stop::Outcome(outcome)) => outcome,
        Err(Stop::Stale) => return again(&current, context).await,
    };
    let published = publish(&current, &outcome, &facts, context).await;
    wake::users_of(published.as_ref(), context);
    wake::hand_over(published.as_ref(), facts.is_adopted, context);
    (next(published.as_ref(), &outcome, context), wake::reason(&outcome).name())
}

/// Longest wait for the end of a pause: a timer does not follow a clock that is set meanwhile.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// How long to wait for the end of a pause, and a little more, since it has ended only after its time.
fn until(end: Timestamp) -> Duration {
    let left = Duration::try_from(end.duration_since(crate::clock::now())).unwrap_or_default();
    (left + Duration::from_millis(50)).min(LONGEST_WAIT)
}

/// When to look again; drift is looked for by the poller.
fn next<K: TenantObject>(object: &K, outcome: &Outcome, context: &Context) -> Action {
    let room = K::room(context);
    let longest = context.settings.drift_interval.max(BLOCKED.1);
    match outcome {
        Outcome::Settled(situation) if situation.rest.is_empty() && situation.refused.is_empty() => {
            room.remember(object, |memory| {
                memory.failures *= u32::from(memory.is_unwritten);
                memory.refusals = 0;
            });
            Action::await_change()
        }
        // What is refused may be right later, and nothing changes then that anybody would see.
        Outcome::Settled(situation) if situation.rest.is_empty() => {
            Action::requeue(room.pause_refused(object, BLOCKED.1, longest))
        }
        // Drift that is only reported is looked at by the poller; so is everything else that changes by itself.
        Outcome::Settled(situation) if situation.writes != Writes::Corrects => Action::await_change(),
        Outcome::Awaiting(_) => Action::await_change(),
        Outcome::Paused(pause) => pause.end().map_or_else(Action::await_change, |end| Action::requeue(until(end))),
        Outcome::Unresolved(..) | Outcome::Unauthorised(..) => {
            Action::requeue(room.pause(object, BLOCKED.0, BLOCKED.1))
        }
        Outcome::Refused(..) => Action::requeue(room.pause_refused(object, BLOCKED.1, longest)),
        Outcome::Settled(_) | Outcome::Failed(..) | Outcome::Held(..) | Outcome::Ending(..) | Outcome::Leaving(..) => {
            Action::requeue(room.pause(object, FAILED.0, FAILED.1))
        }
    }
}
