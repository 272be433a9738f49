//! A pass: the six stages over one object of either kind.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use tenantry_api::Reason;
use tenantry_client::{Trace, current_trace, with_new_trace};
use tenantry_core::{DriftHandling, PassOutcome};
use tokio::sync::watch;

use super::account_bulkheads::{PassPermit, PassQueueKey};
use super::context::Context;
use super::deletion;
use super::enqueue_related;
use super::installation::{self, is_managed_elsewhere};
use super::pass_stop::PassStop;
use super::reconcile_tenant::manage_tenant;
use super::resolve_references;
use super::status::{PassResult, publish_status};
use super::tenant_object::{TenantObject, is_deleting};

/// First and longest pause while something outside is missing that only a read can show, such as a Secret.
const BLOCKED_PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));
/// First and longest pause after a transient failure.
const FAILURE_PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(5));
/// How often a waiting pass checks whether it still waits for the right account.
const QUEUE_RECHECK: Duration = Duration::from_secs(5);
/// First and longest pause after a pass whose object changed meanwhile.
const STALE_PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));
/// The outcome label of such a pass.
const STALE_OUTCOME: &str = "Stale";
/// Number of such passes in a row after which status reports them.
const STALE_REPORTED_AFTER: u32 = 5;

/// Waits for a permit and runs the pass over the object as it is then. No pass begins after shutdown was requested.
pub(crate) async fn wait_and_reconcile<K: TenantObject>(
    object: Arc<K>,
    context: Arc<Context>,
    mut ending: watch::Receiver<bool>,
) -> Action {
    let key = ObjectRef::from_obj(object.as_ref());
    let entered = tokio::select! {
        biased;
        _ = ending.wait_for(|is_over| *is_over) => None,
        leave = wait_for_permit(object, &context) => Some(leave),
    };
    // The object may have been edited or removed while it waited.
    match (entered, K::kind_state(&context).store.get(&key)) {
        (Some(_leave), Some(stored)) => reconcile_object(stored, context).await,
        (None, _) | (_, None) => Action::await_change(),
    }
}

/// Waits in the queue of the object's account. If the account changes meanwhile, the pass waits in the new queue.
async fn wait_for_permit<K: TenantObject>(object: Arc<K>, context: &Context) -> PassPermit {
    let key = ObjectRef::from_obj(object.as_ref());
    let mut queue = resolve_references::pass_queue_key(object.as_ref(), context).await;
    loop {
        let mut acquiring = Box::pin(context.accounts.acquire_permit(&queue));
        let next = loop {
            // The permit is polled also while a Secret is read for the check, so that a permit is not granted to a
            // waiter that ignores it.
            tokio::select! {
                biased;
                leave = &mut acquiring => return leave,
                now = wait_and_recompute_queue(&key, context) => if let Some(next) = now.filter(|now| *now != queue) { break next },
            }
        };
        drop(acquiring);
        queue = next;
    }
}

/// Waits a moment, then returns the queue that the object then belongs to; `None` if the object was removed.
async fn wait_and_recompute_queue<K: TenantObject>(key: &ObjectRef<K>, context: &Context) -> Option<PassQueueKey> {
    tokio::time::sleep(QUEUE_RECHECK).await;
    let stored = K::kind_state(context).store.get(key)?;
    Some(resolve_references::pass_queue_key(stored.as_ref(), context).await)
}

/// Runs one pass over an object. It is bounded in time, and a panic becomes a condition of this object only.
async fn reconcile_object<K: TenantObject>(stored: Arc<K>, context: Arc<Context>) -> Action {
    if !context.claim.is_leading() {
        // The process is about to end, and its successor reconciles every object.
        return Action::await_change();
    }
    if let Some(waited) = K::kind_state(&context).take_due_time(stored.as_ref()) {
        context.metrics.observe_queue_time(K::KIND, waited);
    }
    if K::kind_state(&context).not_understood.contains(stored.as_ref()) {
        return Action::await_change();
    }
    let object = K::kind_state(&context).newest_version(stored);
    // Boxed as a trait object: as part of one type with all of its callers, the future would be too deep to compile.
    let pass: BoxFuture<'_, Action> = Box::pin(run_bounded(&object, &context));
    let action = with_new_trace(pass).await;
    // Status does not show the result of this pass yet. Without a pause, an API server in trouble would get requests
    // without end.
    let is_unwritten =
        K::kind_state(&context).with_memory(&object, |memory| std::mem::take(&mut memory.is_status_unwritten));
    let pause =
        is_unwritten.then(|| K::kind_state(&context).failure_backoff(&object, FAILURE_PAUSE.0, FAILURE_PAUSE.1));
    K::kind_state(&context).remove_memory_if_deleted(&object);
    pause.map_or(action, Action::requeue)
}

/// Requeues a pass that ended because something changed meanwhile. If that repeats, the pauses grow and status reports
/// it: a required object may be missing.
pub(crate) async fn requeue_stale<K: TenantObject>(object: &Arc<K>, context: &Context) -> (Action, &'static str) {
    let times = K::kind_state(context).with_memory(object, |memory| {
        memory.stale_passes = memory.stale_passes.saturating_add(1);
        memory.stale_passes
    });
    if times >= STALE_REPORTED_AFTER {
        let message = format!(
            "{STALE_REPORTED_AFTER} passes in a row or more found this object, or one that it needs, changed or gone meanwhile: find out who keeps writing to it, and see the operator's log"
        );
        publish_status(
            object,
            &PassOutcome::Failed(Reason::ClusterUnavailable, message),
            &PassResult::default(),
            context,
        )
        .await;
    }
    let pause = STALE_PAUSE.0.saturating_mul(1 << (times - 1).min(16)).min(STALE_PAUSE.1);
    (Action::requeue(pause), STALE_OUTCOME)
}

async fn run_bounded<K: TenantObject>(object: &Arc<K>, context: &Context) -> Action {
    let started = tokio::time::Instant::now();
    let guarded = std::panic::AssertUnwindSafe(Box::pin(run_stages(Arc::clone(object), context))).catch_unwind();
    let (action, outcome) = match tokio::time::timeout(context.settings.pass_timeout, guarded).await {
        Ok(Ok(result)) => result,
        Ok(Err(_panic)) => publish_failure(object, context, "the pass failed inside the operator: see its log").await,
        Err(_elapsed) => publish_failure(object, context, "the pass took too long and was given up").await,
    };
    if outcome != STALE_OUTCOME {
        K::kind_state(context).with_memory(object, |memory| memory.stale_passes = 0);
    }
    let took = started.elapsed();
    context.metrics.count_pass(K::KIND, outcome, took);
    let Trace { id, requests, changes } = current_trace();
    tracing::info!(
        trace = id,
        kind = K::KIND.name(),
        object = super::tenant_object::namespaced_name(object.as_ref()),
        generation = object.meta().generation.unwrap_or_default(),
        outcome,
        requests = requests.get(),
        changes = changes.get(),
        milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "pass"
    );
    action
}

async fn publish_failure<K: TenantObject>(object: &Arc<K>, context: &Context, message: &str) -> (Action, &'static str) {
    let outcome = PassOutcome::Failed(Reason::InternalError, message.to_owned());
    publish_status(object, &outcome, &PassResult::default(), context).await;
    (
        Action::requeue(K::kind_state(context).failure_backoff(object, FAILURE_PAUSE.0, FAILURE_PAUSE.1)),
        Reason::InternalError.name(),
    )
}

async fn run_stages<K: TenantObject>(object: Arc<K>, context: &Context) -> (Action, &'static str) {
    if is_managed_elsewhere(object.as_ref(), context) {
        return installation::report_other_installation(object.as_ref(), context);
    }
    let mut pass_result = PassResult::default();
    let mut current = Arc::clone(&object);
    let now = tenantry_runtime::clock::now();
    let claimed = installation::claim_object(&mut current, now, context).await;
    if claimed.is_ok() && is_deleting(current.as_ref()) {
        return deletion::run_deletion(current, context).await;
    }
    let managed = match claimed {
        Ok(()) => Box::pin(manage_tenant(&mut current, now, context, &mut pass_result)).await,
        Err(stop) => Err(stop),
    };
    let outcome = match managed {
        Ok(outcome) | Err(PassStop::Outcome(outcome)) => outcome,
        Err(PassStop::Stale) => return requeue_stale(&current, context).await,
    };
    let published = publish_status(&current, &outcome, &pass_result, context).await;
    enqueue_related::enqueue_clients_on_change(published.as_ref(), context);
    enqueue_related::enqueue_hand_over_parties(published.as_ref(), pass_result.is_adopted, context);
    (next_action(published.as_ref(), &outcome, context), enqueue_related::outcome_reason(&outcome).name())
}

/// Longest wait for the end of a pause: a timer does not follow a clock that is set meanwhile.
const MAX_PAUSE_WAIT: Duration = Duration::from_hours(1);

/// Returns the wait until a pause has ended, plus a small margin, since it has ended only after that time.
fn time_until_end(end: Timestamp) -> Duration {
    let left = Duration::try_from(end.duration_since(tenantry_runtime::clock::now())).unwrap_or_default();
    (left + Duration::from_millis(50)).min(MAX_PAUSE_WAIT)
}

/// Returns when to reconcile next. The drift poller checks for drift.
fn next_action<K: TenantObject>(object: &K, outcome: &PassOutcome, context: &Context) -> Action {
    let kind_state = K::kind_state(context);
    let longest = context.settings.drift_interval.max(BLOCKED_PAUSE.1);
    match outcome {
        PassOutcome::Settled(situation) if situation.remaining_plan.is_empty() && situation.refused.is_empty() => {
            kind_state.with_memory(object, |memory| {
                memory.failures *= u32::from(memory.is_status_unwritten);
                memory.refusals = 0;
            });
            Action::await_change()
        }
        // What is refused may be accepted later, and no watch reports that change.
        PassOutcome::Settled(situation) if situation.remaining_plan.is_empty() => {
            Action::requeue(kind_state.refusal_backoff(object, BLOCKED_PAUSE.1, longest))
        }
        // Drift that is only reported is checked by the poller, as is everything else that changes by itself.
        PassOutcome::Settled(situation) if situation.drift_handling != DriftHandling::Corrects => {
            Action::await_change()
        }
        PassOutcome::AwaitingApproval(_) => Action::await_change(),
        PassOutcome::Paused(pause) => {
            pause.ends_at().map_or_else(Action::await_change, |end| Action::requeue(time_until_end(end)))
        }
        PassOutcome::Unresolved(..) | PassOutcome::Unauthorised(..) => {
            Action::requeue(kind_state.failure_backoff(object, BLOCKED_PAUSE.0, BLOCKED_PAUSE.1))
        }
        PassOutcome::Refused(..) => Action::requeue(kind_state.refusal_backoff(object, BLOCKED_PAUSE.1, longest)),
        PassOutcome::Settled(_)
        | PassOutcome::Failed(..)
        | PassOutcome::DeletionHeld(..)
        | PassOutcome::Terminating(..)
        | PassOutcome::Releasing(..) => {
            Action::requeue(kind_state.failure_backoff(object, FAILURE_PAUSE.0, FAILURE_PAUSE.1))
        }
    }
}
