//! The end of an object: gathers what `plan::removal` decides on, and does the one step that it names.

mod evidence;
mod ledger;
mod permit;
mod release;
mod step;
mod surroundings;

pub(super) use ledger::LEDGER;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::context::Context;
use super::error::Stop;
use super::installation::{claim, is_elsewhere};
use super::newer::read_understood;
use super::object::{TenantObject, intent, is_deleting, is_held, namespace, unique_id};
use super::pass::again;
use super::status::{Facts, publish};
use super::wake;
use crate::api::Reason;
use crate::connect::{Place, Platform};
use crate::plan::{Observed, Outcome};

/// Steps of one pass; more than a whole termination needs.
const MOST_STEPS: usize = 16;
/// Pause while a deletion waits for something outside.
const HELD: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));

/// Pause within a grace period, by the drift interval. Nothing wakes an object whose namespace or definition begins to go
/// when it is being deleted already, and it would hold them up for as long as the period lasts.
const WATCHED: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(1));

/// What a step is done with.
struct Reached {
    /// The platform.
    platform: Platform,
    /// Where the tenant stands.
    place: Place,
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
            let pause = match until {
                Some(time) => {
                    let left = Duration::try_from(time.duration_since(crate::clock::now())).unwrap_or_default();
                    (left + Duration::from_millis(50)).min(context.settings.drift_interval.clamp(WATCHED.0, WATCHED.1))
                }
                None => K::room(context).pause(object.as_ref(), HELD.0, HELD.1),
            };
            (Action::requeue(pause), wake::reason(&outcome).name())
        }
        Err(Stop::Stale) => again(&object, context).await,
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

/// What a walk has done and no other knows.
#[derive(Clone, Copy, Default)]
struct Done {
    /// Whether the platform refused a token for a call of this walk.
    has_renewed: bool,
    /// Whether its last step was a write that changed the object as it was read.
    has_recorded: bool,
}

/// What follows a step.
enum Next<K> {
    Again(Option<Arc<K>>),
    End(End<K>),
}

async fn walk<K: TenantObject>(object: &K, context: &Context) -> Result<End<K>, Stop> {
    let Some(mut current) = fresh(object, context).await? else { return Ok(End::Gone) };
    let mut done = Done::default();
    for _ in 0..MOST_STEPS {
        let begun = crate::clock::now();
        // It may have been paused as the watch brought it, and not as it was read.
        claim(&mut current, begun, context).await?;
        match Box::pin(step::step(&current, begun, &mut done, context)).await? {
            Next::Again(Some(object)) => current = object,
            Next::Again(None) => {}
            Next::End(end) => return Ok(end),
        }
    }
    Err(Outcome::Failed(Reason::InternalError, "the deletion takes more steps than it should: trying again".to_owned())
        .into())
}

/// The object as it is now, never from the cache: it may have been edited or replaced a moment ago. Nothing where it is
/// no longer ours to end: another installation tells what becomes of one that was moved to it.
async fn fresh<K: TenantObject>(object: &K, context: &Context) -> Result<Option<Arc<K>>, Stop> {
    let found = read_understood::<K>((&namespace(object), &object.name_any()), context).await?;
    let is_it = |fresh: &K| {
        fresh.uid() == object.uid() && is_deleting(fresh) && is_held(fresh) && !is_elsewhere(fresh, context)
    };
    Ok(found.filter(is_it).map(|fresh| K::room(context).wrote(fresh)))
}

/// Namespace of the operator's own objects.
fn home(context: &Context) -> &str {
    context.settings.namespace.as_deref().unwrap_or_else(|| context.client.default_namespace())
}

/// Whether anything was ever sent to the platform for this object.
fn was_ever_sent<K: TenantObject>(object: &K) -> bool {
    unique_id(object).is_some() || intent(object).is_some()
}
