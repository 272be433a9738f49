//! A pass: the six stages over one object, whichever kind it is.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use kube::runtime::controller::Action;

use super::context::Context;
use super::ending;
use super::error::Stop;
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

/// One pass over an object: bounded in time, and a panic in it is that object's condition and nobody else's.
pub(crate) async fn reconcile<K: TenantObject>(stored: Arc<K>, context: Arc<Context>) -> Action {
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
    if is_unwritten { Action::requeue(K::room(&context).pause(&object, FAILED.0, FAILED.1)) } else { action }
}

async fn bounded<K: TenantObject>(object: &Arc<K>, context: &Context) -> Action {
    let started = tokio::time::Instant::now();
    let guarded = std::panic::AssertUnwindSafe(Box::pin(one_pass(Arc::clone(object), context))).catch_unwind();
    let (action, outcome) = match tokio::time::timeout(context.settings.pass_timeout, guarded).await {
        Ok(Ok(result)) => result,
        Ok(Err(_panic)) => failed(object, context, "the pass failed inside the operator: see its log").await,
        Err(_elapsed) => failed(object, context, "the pass took too long and was given up").await,
    };
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
    if is_deleting(object.as_ref()) {
        return ending::end(object, context).await;
    }
    let mut facts = Facts::default();
    let mut current = Arc::clone(&object);
    let outcome = match Box::pin(manage(&mut current, context, &mut facts)).await {
        Ok(outcome) | Err(Stop::Outcome(outcome)) => outcome,
        Err(Stop::Stale) => return (Action::requeue(Duration::from_millis(200)), "Stale"),
    };
    let published = publish(&current, &outcome, &facts, context).await;
    wake::users_of(published.as_ref(), context);
    (next(published.as_ref(), &outcome, context), wake::reason(&outcome).name())
}

/// When to look again; drift is looked for by the poller.
fn next<K: TenantObject>(object: &K, outcome: &Outcome, context: &Context) -> Action {
    let room = K::room(context);
    match outcome {
        Outcome::Settled(situation) if situation.rest.is_empty() => {
            room.remember(object, |memory| memory.failures *= u32::from(memory.is_unwritten));
            Action::await_change()
        }
        // Drift that is only reported is looked at by the poller; so is everything else that changes by itself.
        Outcome::Settled(situation) if situation.writes != Writes::Corrects => Action::await_change(),
        Outcome::Paused | Outcome::Awaiting(_) => Action::await_change(),
        Outcome::Unresolved(..) | Outcome::Unauthorised(..) => {
            Action::requeue(room.pause(object, BLOCKED.0, BLOCKED.1))
        }
        Outcome::Refused(..) => {
            Action::requeue(room.pause(object, BLOCKED.1, context.settings.drift_interval.max(BLOCKED.1)))
        }
        Outcome::Settled(_) | Outcome::Failed(..) | Outcome::Held(..) | Outcome::Ending(..) | Outcome::Leaving(..) => {
            Action::requeue(room.pause(object, FAILED.0, FAILED.1))
        }
    }
}
