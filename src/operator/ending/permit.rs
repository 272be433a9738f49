//! The permit at the wire. Token and write slot are had first; then everything is read and judged again, the object last;
//! then the call is sent at once, and only on the object as the step's own write left it.
//!
//! So nothing is sent on a consent, a mark or a namespace that somebody changed while the call waited for its turn.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use tokio::time::timeout;

use super::step::{decide, waiting};
use super::surroundings::{Gathered, Patience, gather};
use super::{Done, End, Next, Reached, fresh};
use crate::api::{DeletionPolicy, Reason, TerminationStatus};
use crate::connect::{Error, Reservation, trace};
use crate::operator::apply::stop;
use crate::operator::audit;
use crate::operator::context::Context;
use crate::operator::error::Stop;
use crate::operator::object::{TenantObject, deletion_policy, place, unique_id};
use crate::operator::status::record;
use crate::plan::{Outcome, Permit, Removal, Surroundings, Walk};

/// Longest time that a write slot is held for the reads. Other changes under the same parent wait for it.
const HELD_SLOT: Duration = Duration::from_secs(15);
/// Longest answer to the last read. What comes later may have been withdrawn long ago.
const LAST_READ: Duration = Duration::from_secs(5);
/// Tries to record a call that was sent.
const TRIES: u32 = 8;

/// A call that was decided on before its turn came.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    /// Where it goes.
    pub(super) reached: &'a Reached,
    /// The walk that the decision belongs to.
    pub(super) walk: Walk,
}

/// Waits for the turn of the call, decides once more, and sends what is still decided then.
pub(super) async fn send<K: TenantObject>(
    object: &Arc<K>,
    Asked { reached, walk }: Asked<'_>,
    (done, context): (&mut Done, &Context),
) -> Result<Next<K>, Stop> {
    let Reached { platform, place: stands } = reached;
    let reservation = platform.reserve_write(stands).await;
    let reservation = reservation.map_err(|error| stop(K::KIND, &error, platform, context))?;
    let again = timeout(HELD_SLOT, Box::pin(gather(object.as_ref(), Patience::None, context))).await;
    let Gathered { surroundings, reached: now_reached, book: _ } = again.map_err(|_| too_slow())??;
    let decided = decide(object.as_ref(), &surroundings, walk, context);
    let is_same_account =
        now_reached.is_some_and(|now| now.place == *stands && now.platform.fingerprint() == platform.fingerprint());
    let decided = match decided {
        // The slot goes back; what can be waited for is waited for before it is taken.
        Removal::Hold(hold) => return Ok(waiting(object, (Outcome::Held(hold.reason, hold.message), None), None)),
        Removal::Suspend | Removal::Terminate(_) if is_same_account => decided,
        _ => return Ok(Next::Again(None)),
    };
    let last = timeout(LAST_READ, fresh(object.as_ref(), context)).await;
    let Some(now) = last.map_err(|_| too_slow())?? else { return Ok(Next::End(End::Gone)) };
    let is_as_read = now.resource_version() == object.resource_version();
    match decided {
        Removal::Terminate(permit) if is_as_read => {
            terminate(object, (permit, reservation), (reached, done), context).await
        }
        Removal::Suspend if is_as_read || is_still_asked(&now, &surroundings, walk, context) => {
            suspend(&now, reservation, (reached, done), context).await
        }
        _ => Ok(Next::Again(Some(now))),
    }
}

/// Whether an object that was edited meanwhile still asks for nothing but its suspension. That can be undone, and somebody
/// who never rests must not hold it up; the suspension of a termination is sent only on the object of its own record.
fn is_still_asked<K: TenantObject>(now: &Arc<K>, surroundings: &Surroundings, walk: Walk, context: &Context) -> bool {
    deletion_policy(now.as_ref()) == DeletionPolicy::Suspend
        && matches!(decide(now.as_ref(), surroundings, walk, context), Removal::Suspend)
}

fn too_slow() -> Stop {
    let message = "the last look before a call took too long, so the call was not sent: trying again";
    Outcome::Failed(Reason::ClusterUnavailable, message.to_owned()).into()
}

/// Whether another token is worth one more try of the walk.
fn is_renewed(error: &Error, done: &mut Done) -> bool {
    matches!(error, Error::Unauthorised { .. }) && !std::mem::replace(&mut done.has_renewed, true)
}

async fn suspend<K: TenantObject>(
    object: &Arc<K>,
    reservation: Reservation<'_>,
    (Reached { platform, .. }, done): (&Reached, &mut Done),
    context: &Context,
) -> Result<Next<K>, Stop> {
    let id = unique_id(object.as_ref()).unwrap_or_default();
    let what = audit::Change { operation: "suspend", tenant: id, fields: Vec::new(), digests: None };
    match audit::change(object.as_ref(), what, reservation.suspend(id)).await {
        Ok(()) => {}
        Err(error) if is_renewed(&error, done) => return Ok(Next::Again(None)),
        Err(error) => return Err(stop(K::KIND, &error, platform, context)),
    }
    let note = format!("suspended tenant `{id}` because its object is being deleted");
    context.events.publish(object.as_ref(), Reason::Suspended, &note);
    Ok(Next::Again(None))
}

async fn terminate<K: TenantObject>(
    object: &Arc<K>,
    (permit, reservation): (Permit, Reservation<'_>),
    (Reached { platform, .. }, done): (&Reached, &mut Done),
    context: &Context,
) -> Result<Next<K>, Stop> {
    let (tenant, mark) = (permit.id().to_owned(), permit.mark().to_string());
    tracing::warn!(
        trace = trace().id,
        kind = K::KIND.name(),
        object = place(object.as_ref()),
        tenant,
        mark,
        "ending a tenant"
    );
    let what = audit::Change { operation: "terminate", tenant: &tenant, fields: Vec::new(), digests: None };
    let sent = crate::clock::now().to_string();
    let called = audit::change(object.as_ref(), what, reservation.terminate(permit)).await;
    let sent = |record: &mut TerminationStatus| record.called_at = Some(sent.clone());
    match called {
        Ok(()) => {
            let taken = crate::clock::now().to_string();
            let noted = note(object, context, |record| {
                sent(record);
                record.accepted_at = Some(taken.clone());
            });
            Ok(noted.await?.map_or(Next::End(End::Gone), |noted| Next::Again(Some(noted))))
        }
        Err(error) if is_renewed(&error, done) => Ok(Next::Again(None)),
        Err(error) => {
            if error.maybe_applied() {
                note(object, context, sent).await?;
            }
            Err(stop(K::KIND, &error, platform, context))
        }
    }
}

/// Records what became of a call, also on an object that somebody has changed since: it is true whatever they wrote.
/// Nothing where the object is gone.
async fn note<K: TenantObject>(
    object: &Arc<K>,
    context: &Context,
    change: impl Fn(&mut TerminationStatus),
) -> Result<Option<Arc<K>>, Stop> {
    let mut current = Arc::clone(object);
    for tries in 1..=TRIES {
        let mut termination = current.status().and_then(|status| status.termination.clone()).unwrap_or_default();
        change(&mut termination);
        match record(current.as_ref(), &termination, context).await {
            Ok(written) => return Ok(Some(written)),
            Err(kube::Error::Api(status)) if status.is_conflict() => {}
            Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(None),
            Err(error) if tries == TRIES => return Err(error.into()),
            // Without the record the call would be sent again.
            Err(_) => tokio::time::sleep(Duration::from_millis(250) * tries).await,
        }
        match fresh(object.as_ref(), context).await {
            Ok(Some(found)) => current = found,
            Ok(None) => return Ok(None),
            Err(_) if tries < TRIES => {}
            Err(error) => return Err(error),
        }
    }
    Err(Stop::Stale)
}
