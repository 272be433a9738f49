//! The end of an object: gathers what `plan::deletion` decides on, and does the one step that it names.

mod evidence;
mod facts;
mod ledger;
mod permit;
mod release;
mod step;

pub(super) use ledger::LEDGER_NAME;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::context::Context;
use super::enqueue;
use super::error::PassStop;
use super::installation::{claim_object, is_managed_elsewhere};
use super::not_understood::read_understood;
use super::object::{TenantObject, has_finalizer, intent, is_deleting, namespace, unique_id};
use super::pass::requeue_stale;
use super::status::{PassResult, publish_status};
use crate::api::Reason;
use crate::connect::{Place, PlatformClient};
use crate::plan::{ObservedTenant, PassOutcome};

/// Steps of one pass; more than a whole termination needs.
const MAX_STEPS: usize = 16;
/// Pause while a deletion waits for something outside.
const HELD_PAUSE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));

/// Pause within a grace period, by the drift interval. Nothing wakes an object whose namespace or definition begins to go
/// when it is being deleted already, and it would hold them up for as long as the period lasts.
const GRACE_PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(1));

/// What a step is done with.
struct ReachedPlatform {
    /// The platform.
    platform: PlatformClient,
    /// Where the tenant stands.
    place: Place,
}

/// Walks an object that is being deleted as far as it goes now.
pub(crate) async fn run_deletion<K: TenantObject>(object: Arc<K>, context: &Context) -> (Action, &'static str) {
    if !has_finalizer(object.as_ref()) {
        return (Action::await_change(), "Released");
    }
    match run_steps(object.as_ref(), context).await {
        Ok(DeletionProgress::Gone) => (Action::await_change(), "Released"),
        Ok(DeletionProgress::Waiting(waiting)) => {
            let WaitingObject { object, outcome, until, observed } = *waiting;
            // The block to paste must be there while the deletion waits for it.
            let facts = PassResult::from_observed(observed);
            publish_status(&object, &outcome, &facts, context).await;
            let pause = match until {
                Some(time) => {
                    let left = Duration::try_from(time.duration_since(crate::clock::now())).unwrap_or_default();
                    (left + Duration::from_millis(50))
                        .min(context.settings.drift_interval.clamp(GRACE_PAUSE.0, GRACE_PAUSE.1))
                }
                None => K::kind_state(context).failure_backoff(object.as_ref(), HELD_PAUSE.0, HELD_PAUSE.1),
            };
            (Action::requeue(pause), enqueue::outcome_reason(&outcome).name())
        }
        Err(PassStop::Stale) => requeue_stale(&object, context).await,
        Err(PassStop::Outcome(outcome)) => {
            publish_status(&object, &outcome, &PassResult::default(), context).await;
            (
                Action::requeue(K::kind_state(context).failure_backoff(object.as_ref(), HELD_PAUSE.0, HELD_PAUSE.1)),
                enqueue::outcome_reason(&outcome).name(),
            )
        }
    }
}

/// Where a walk came to.
enum DeletionProgress<K> {
    Gone,
    Waiting(Box<WaitingObject<K>>),
}

/// An object that stays for now.
struct WaitingObject<K> {
    object: Arc<K>,
    outcome: PassOutcome,
    until: Option<Timestamp>,
    observed: Option<ObservedTenant>,
}

/// What a walk has done and no other knows.
#[derive(Clone, Copy, Default)]
struct DeletionAttempt {
    /// Whether the platform refused a token for a call of this walk.
    has_renewed_token: bool,
    /// Whether its last step was a write that changed the object as it was read.
    has_recorded: bool,
}

/// What follows a step.
enum NextStep<K> {
    Continue(Option<Arc<K>>),
    Finish(DeletionProgress<K>),
}

async fn run_steps<K: TenantObject>(object: &K, context: &Context) -> Result<DeletionProgress<K>, PassStop> {
    let Some(mut current) = read_current(object, context).await? else { return Ok(DeletionProgress::Gone) };
    let mut done = DeletionAttempt::default();
    for _ in 0..MAX_STEPS {
        let begun = crate::clock::now();
        // It may have been paused as the watch brought it, and not as it was read.
        claim_object(&mut current, begun, context).await?;
        match Box::pin(step::run_step(&current, begun, &mut done, context)).await? {
            NextStep::Continue(Some(object)) => current = object,
            NextStep::Continue(None) => {}
            NextStep::Finish(end) => return Ok(end),
        }
    }
    Err(PassOutcome::Failed(
        Reason::InternalError,
        "the deletion takes more steps than it should: trying again".to_owned(),
    )
    .into())
}

/// The object as it is now, never from the cache: it may have been edited or replaced a moment ago. Nothing where it is
/// no longer ours to end: another installation tells what becomes of one that was moved to it.
async fn read_current<K: TenantObject>(object: &K, context: &Context) -> Result<Option<Arc<K>>, PassStop> {
    let found = read_understood::<K>(&namespace(object), &object.name_any(), context).await?;
    let is_it = |fresh: &K| {
        fresh.uid() == object.uid()
            && is_deleting(fresh)
            && has_finalizer(fresh)
            && !is_managed_elsewhere(fresh, context)
    };
    Ok(found.filter(is_it).map(|fresh| K::kind_state(context).record_written(fresh)))
}

/// Namespace of the operator's own objects.
fn operator_namespace(context: &Context) -> &str {
    context.settings.namespace.as_deref().unwrap_or_else(|| context.client.default_namespace())
}

/// Whether anything was ever sent to the platform for this object.
fn was_ever_sent<K: TenantObject>(object: &K) -> bool {
    unique_id(object).is_some() || intent(object).is_some()
}
