//! Deletion: gathers the facts that `tenantry_core::deletion` decides on, and carries out the step that it names.

mod evidence;
mod gather_facts;
mod ledger;
mod release;
mod send_permitted;
mod step;

pub(super) use ledger::LEDGER_NAME;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;
use tenantry_api::Reason;
use tenantry_client::PlatformClient;
use tenantry_core::{ObservedTenant, PassOutcome, Place};

use super::context::Context;
use super::enqueue_related;
use super::installation::{claim_object, is_managed_elsewhere};
use super::not_understood::read_understood;
use super::pass::requeue_stale;
use super::pass_stop::PassStop;
use super::status::{PassResult, publish_status};
use super::tenant_object::{TenantObject, has_finalizer, intent, is_deleting, namespace, unique_id};

/// Maximum number of steps of one pass; more than a complete termination needs.
const MAX_STEPS: usize = 16;
/// First and longest pause while a deletion waits for something outside.
const BLOCKED_RETRY_PAUSE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));

/// First and longest pause within a grace period, by the drift interval. If the object is already being deleted when
/// the deletion of its namespace or definition begins, nothing enqueues it, and it would hold them up for the rest of
/// the period.
const GRACE_RECHECK_PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(1));

/// The platform on which a step acts.
struct ReachedPlatform {
    /// The platform.
    platform: PlatformClient,
    /// Where the tenant lives on the platform.
    place: Place,
}

/// Carries out the deletion of an object as far as possible now.
pub(crate) async fn run_deletion<K: TenantObject>(object: Arc<K>, context: &Context) -> (Action, &'static str) {
    if !has_finalizer(object.as_ref()) {
        return (Action::await_change(), "Released");
    }
    match run_steps(object.as_ref(), context).await {
        Ok(DeletionProgress::Gone) => (Action::await_change(), "Released"),
        Ok(DeletionProgress::Waiting(waiting)) => {
            let WaitingObject { object, outcome, until, observed } = *waiting;
            // The confirmation block to paste must be in status while the deletion waits for it.
            let pass_result = PassResult::from_observed(observed);
            publish_status(&object, &outcome, &pass_result, context).await;
            let pause = match until {
                Some(time) => {
                    let left =
                        Duration::try_from(time.duration_since(tenantry_runtime::clock::now())).unwrap_or_default();
                    (left + Duration::from_millis(50))
                        .min(context.settings.drift_interval.clamp(GRACE_RECHECK_PAUSE.0, GRACE_RECHECK_PAUSE.1))
                }
                None => K::kind_state(context).failure_backoff(
                    object.as_ref(),
                    BLOCKED_RETRY_PAUSE.0,
                    BLOCKED_RETRY_PAUSE.1,
                ),
            };
            (Action::requeue(pause), enqueue_related::outcome_reason(&outcome).name())
        }
        Err(PassStop::Stale) => requeue_stale(&object, context).await,
        Err(PassStop::Outcome(outcome)) => {
            publish_status(&object, &outcome, &PassResult::default(), context).await;
            (
                Action::requeue(K::kind_state(context).failure_backoff(
                    object.as_ref(),
                    BLOCKED_RETRY_PAUSE.0,
                    BLOCKED_RETRY_PAUSE.1,
                )),
                enqueue_related::outcome_reason(&outcome).name(),
            )
        }
    }
}

/// How far a deletion pass came.
enum DeletionProgress<K> {
    Gone,
    Waiting(Box<WaitingObject<K>>),
}

/// An object that remains for now.
struct WaitingObject<K> {
    object: Arc<K>,
    outcome: PassOutcome,
    until: Option<Timestamp>,
    observed: Option<ObservedTenant>,
}

/// What this deletion pass has done; it is not recorded anywhere else.
#[derive(Clone, Copy, Default)]
struct DeletionAttempt {
    /// Whether the platform refused a token for a call of this pass.
    has_renewed_token: bool,
    /// Whether the last step was a write that changed the object as it was read.
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
        let begun = tenantry_runtime::clock::now();
        // The watched object may have been paused while the object as read is not.
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

/// Reads the object from the API server, never from the cache: it may have been edited or replaced a moment ago.
/// Returns `None` if it is no longer ours to delete; if it was moved to another installation, that one reports its
/// state.
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

/// Returns the namespace of the operator's own objects.
fn operator_namespace(context: &Context) -> &str {
    context.settings.namespace.as_deref().unwrap_or_else(|| context.client.default_namespace())
}

/// Returns whether anything was ever sent to the platform for this object.
fn may_have_been_created<K: TenantObject>(object: &K) -> bool {
    unique_id(object).is_some() || intent(object).is_some()
}
