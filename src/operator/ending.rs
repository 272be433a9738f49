//! The end of an object: gathers what `plan::removal` decides on, and does the one step that it names.

mod surroundings;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::Api;
use kube::runtime::controller::Action;

use super::apply::stop;
use super::context::Context;
use super::error::Stop;
use super::finalizer::take_off;
use super::object::{TenantObject, deletion_policy, intent, is_deleting, is_held, mark, namespace, uid, unique_id};
use super::status::{Facts, publish, record};
use super::wake;
use crate::api::{ABANDON, Reason, TerminationStatus};
use crate::connect::{Place, Platform};
use crate::plan::{Observed, Outcome, Release, Removal, RemovalIntent, Tenant, removal};

/// Steps of one pass; more than a whole termination needs.
const MOST_STEPS: usize = 12;
/// Pause while a deletion waits for something outside.
const HELD: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));

/// What a step is done with.
pub(super) struct Reached {
    /// The platform.
    pub(super) platform: Platform,
    /// Where the tenant stands.
    pub(super) place: Place,
}

/// Walks an object that is being deleted as far as it goes now.
pub(crate) async fn end<K: TenantObject>(object: Arc<K>, context: &Context) -> (Action, &'static str) {
    if !is_held(object.as_ref()) {
        return (Action::await_change(), "Released");
    }
    match walk(object.as_ref(), context).await {
        Ok(End::Gone) => (Action::await_change(), "Released"),
        Ok(End::Waits(waiting)) => {
            let Waiting { object, outcome, until, observed } = *waiting;
            // The block to paste must be there while the deletion waits for it.
            let facts = Facts::of(observed);
            publish(&object, &outcome, &facts, context).await;
            tracing::info!(
                kind = K::KIND.name(),
                object = super::object::place(object.as_ref()),
                outcome = wake::reason(&outcome).name(),
                "deletion waits"
            );
            let pause = match until {
                Some(time) => {
                    Duration::try_from(time.duration_since(Timestamp::now())).unwrap_or_default()
                        + Duration::from_millis(50)
                }
                None => K::room(context).pause(object.as_ref(), HELD.0, HELD.1),
            };
            (Action::requeue(pause), wake::reason(&outcome).name())
        }
        Err(Stop::Stale) => (Action::requeue(Duration::from_millis(200)), "Stale"),
        Err(Stop::Outcome(outcome)) => {
            publish(&object, &outcome, &Facts::default(), context).await;
            (Action::requeue(K::room(context).pause(object.as_ref(), HELD.0, HELD.1)), wake::reason(&outcome).name())
        }
    }
}

/// Where a walk came to.
enum End<K> {
    Gone,
    Waits(Box<Waiting<K>>),
}

/// An object that stays for now.
struct Waiting<K> {
    object: Arc<K>,
    outcome: Outcome,
    until: Option<Timestamp>,
    observed: Option<Observed>,
}

async fn walk<K: TenantObject>(object: &K, context: &Context) -> Result<End<K>, Stop> {
    let api = Api::<K>::namespaced(context.client.clone(), &namespace(object));
    // Never from the cache: the object may have been edited or replaced a moment ago.
    let Some(fresh) = api.get_opt(&object.name_any()).await? else { return Ok(End::Gone) };
    if fresh.uid() != object.uid() || !is_deleting(&fresh) || !is_held(&fresh) {
        return Ok(End::Gone);
    }
    let mut current = K::room(context).wrote(fresh);
    for _ in 0..MOST_STEPS {
        match Box::pin(step(&current, context)).await? {
            Next::Again(Some(object)) => current = object,
            Next::Again(None) => {}
            Next::End(end) => return Ok(end),
        }
    }
    Err(Outcome::Failed(Reason::InternalError, "the deletion takes more steps than it should: trying again".to_owned())
        .into())
}

/// What follows a step.
enum Next<K> {
    Again(Option<Arc<K>>),
    End(End<K>),
}

async fn step<K: TenantObject>(object: &Arc<K>, context: &Context) -> Result<Next<K>, Stop> {
    let (surroundings, reached) = surroundings::gather(object.as_ref(), context).await?;
    let now = Timestamp::now();
    let record_before = object.status().and_then(|status| status.termination.clone()).unwrap_or_default();
    let decided = decide(object.as_ref(), &record_before, &surroundings, (context, now));
    let observed = match surroundings.tenant {
        Tenant::Found(observed) => Some(*observed),
        _ => None,
    };
    let id = observed.as_ref().map(|observed| observed.unique_id.as_str()).or_else(|| unique_id(object.as_ref()));
    let id = id.unwrap_or_default().to_owned();
    let waits = |outcome, until| {
        let waiting = Waiting { object: Arc::clone(object), outcome, until, observed: observed.clone() };
        Ok(Next::End(End::Waits(Box::new(waiting))))
    };
    match (decided, reached) {
        (Removal::Release(release), _) => {
            let_go(object.as_ref(), &release, context).await?;
            Ok(Next::End(End::Gone))
        }
        (Removal::Hold(hold), _) => waits(Outcome::Held(hold.reason, hold.message), None),
        (Removal::WaitUntil(time), _) => {
            let message = format!(
                "tenant `{id}` is suspended and will be ended for ever at {time}: remove `deletion.confirm` or set `deletion.policy` to `Retain` to cancel"
            );
            waits(Outcome::Ending(Reason::GracePeriod, message), Some(time))
        }
        (Removal::Record(termination), reached) => {
            let counted = with_impact(*termination, &id, reached.as_ref()).await;
            Ok(Next::Again(Some(record(object.as_ref(), &counted, context).await?)))
        }
        (Removal::Suspend, Some(Reached { platform, place })) => {
            platform.suspend(&place, &id).await.map_err(|error| stop(K::KIND, &error, &platform, context))?;
            context.events.publish(
                object.as_ref(),
                Reason::Suspended,
                &format!("suspended tenant `{id}` because its object is being deleted"),
            );
            Ok(Next::Again(None))
        }
        (Removal::Activate, Some(Reached { platform, place })) => {
            platform.activate(&place, &id).await.map_err(|error| stop(K::KIND, &error, &platform, context))?;
            context.events.publish(
                object.as_ref(),
                Reason::Activated,
                &format!("activated tenant `{id}` because its termination was cancelled"),
            );
            Ok(Next::Again(None))
        }
        (Removal::Terminate(permit), Some(Reached { platform, place })) => {
            tracing::warn!(kind = K::KIND.name(), object = super::object::place(object.as_ref()), tenant = permit.id(), mark = %permit.mark(), "ending a tenant");
            platform.terminate(&place, permit).await.map_err(|error| stop(K::KIND, &error, &platform, context))?;
            Ok(Next::Again(None))
        }
        (Removal::Suspend | Removal::Activate | Removal::Terminate(_), None) => waits(
            Outcome::Held(Reason::PlatformUnavailable, "the platform was not reached: trying again".to_owned()),
            None,
        ),
    }
}

fn decide<K: TenantObject>(
    object: &K,
    record: &TerminationStatus,
    surroundings: &crate::plan::Surroundings,
    (context, now): (&Context, Timestamp),
) -> Removal {
    let mark = mark(object, &context.cluster);
    let uid = uid(object);
    let found = match &surroundings.tenant {
        Tenant::Found(observed) => Some(observed.unique_id.as_str()),
        _ => None,
    };
    let intent = RemovalIntent {
        policy: deletion_policy(object),
        grace_seconds: object.deletion().and_then(|deletion| deletion.grace_period_seconds),
        confirm: object.deletion().and_then(|deletion| deletion.confirm.as_ref()),
        uid: &uid,
        abandon: object.annotations().get(ABANDON).map(String::as_str),
        unique_id: unique_id(object).or(found),
        mark: &mark,
        record,
    };
    removal(&intent, surroundings, now)
}

/// What the termination will erase is counted when it is confirmed, while it can still be counted.
async fn with_impact(mut termination: TerminationStatus, id: &str, reached: Option<&Reached>) -> TerminationStatus {
    if let Some(Reached { platform, .. }) = reached
        && termination.impact.is_empty()
        && let Ok(Some(impact)) = platform.impact(id).await
    {
        termination.impact = impact;
    }
    termination
}

/// Takes our finalizer off, and nobody else's.
async fn let_go<K: TenantObject>(object: &K, release: &Release, context: &Context) -> Result<(), Stop> {
    take_off(object, context).await?;
    tracing::info!(
        kind = K::KIND.name(),
        object = super::object::place(object),
        reason = release.reason.name(),
        message = release.message,
        "released"
    );
    context.events.publish(object, release.reason, &release.message);
    wake::parent_of(object, context);
    Ok(())
}

/// Whether anything was ever sent to the platform for this object.
pub(super) fn was_ever_sent<K: TenantObject>(object: &K) -> bool {
    unique_id(object).is_some() || intent(object).is_some()
}
