//! The permit for a call. Token and write slot are acquired first. Then everything is read and decided again, the
//! object last. Then the call is sent at once, and only on the object as the step's own write left it.
//!
//! So nothing is sent on a consent, a mark or a namespace that somebody changed while the call waited for its slot.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use tenantry_api::{DeletionPolicy, Reason, TerminationStatus};
use tenantry_client::{CallError, WriteReservation, current_trace};
use tenantry_core::{DeletionContext, DeletionPass, DeletionStep, PassOutcome, TerminationPermit};
use tokio::time::timeout;

use super::gather_facts::{DeletionReads, WaitPolicy, gather_facts};
use super::step::{decide_deletion_step, waiting_step};
use super::{DeletionAttempt, DeletionProgress, NextStep, ReachedPlatform, read_current};
use crate::apply_plan::stop_for_error;
use crate::audit;
use crate::context::Context;
use crate::pass_stop::PassStop;
use crate::status::write_termination;
use crate::tenant_object::{TenantObject, deletion_policy, namespaced_name, unique_id};

/// Maximum time that a write slot is held for the reads. Other changes under the same parent wait for it.
const MAX_SLOT_TIME: Duration = Duration::from_secs(15);
/// Timeout of the last read. The consent in a later answer may have been withdrawn long ago.
const LAST_READ_TIMEOUT: Duration = Duration::from_secs(5);
/// Attempts to record a call that was sent.
const RECORD_ATTEMPTS: u32 = 8;

/// A call that was decided on before it had its slot.
#[derive(Clone, Copy)]
pub(super) struct DecidedCall<'a> {
    /// The platform and place of the tenant.
    pub(super) reached: &'a ReachedPlatform,
    /// The deletion pass that the decision belongs to.
    pub(super) pass: DeletionPass,
}

/// Waits for the slot of the call, decides once more, and sends the call if the decision still holds.
pub(super) async fn acquire_slot_and_send<K: TenantObject>(
    object: &Arc<K>,
    DecidedCall { reached, pass: walk }: DecidedCall<'_>,
    done: &mut DeletionAttempt,
    context: &Context,
) -> Result<NextStep<K>, PassStop> {
    let ReachedPlatform { platform, place: stands } = reached;
    let reservation = platform.reserve_write(stands).await;
    let reservation = reservation.map_err(|error| stop_for_error(K::KIND, &error, platform, context))?;
    let again = timeout(MAX_SLOT_TIME, Box::pin(gather_facts(object.as_ref(), WaitPolicy::NoWait, context))).await;
    let DeletionReads { deletion_context: surroundings, platform: now_reached, ledger_map: _ } =
        again.map_err(|_| too_slow_stop())??;
    let decided = decide_deletion_step(object.as_ref(), &surroundings, walk, context);
    let is_same_account =
        now_reached.is_some_and(|now| now.place == *stands && now.platform.fingerprint() == platform.fingerprint());
    let decided = match decided {
        // The slot is released. Waiting happens before a slot is acquired.
        DeletionStep::Hold(hold) => {
            return Ok(waiting_step(object, PassOutcome::DeletionHeld(hold.reason, hold.message), None, None));
        }
        DeletionStep::Suspend | DeletionStep::Terminate(_) if is_same_account => decided,
        _ => return Ok(NextStep::Continue(None)),
    };
    let last = timeout(LAST_READ_TIMEOUT, read_current(object.as_ref(), context)).await;
    let Some(now) = last.map_err(|_| too_slow_stop())?? else { return Ok(NextStep::Finish(DeletionProgress::Gone)) };
    let is_as_read = now.resource_version() == object.resource_version();
    match decided {
        DeletionStep::Terminate(permit) if is_as_read => {
            terminate_tenant(object, permit, reservation, reached, done, context).await
        }
        DeletionStep::Suspend if is_as_read || still_asks_for_suspension(&now, &surroundings, walk, context) => {
            suspend_tenant(&now, reservation, reached, done, context).await
        }
        _ => Ok(NextStep::Continue(Some(now))),
    }
}

/// Returns whether an object that was edited meanwhile still asks for nothing but its suspension. A suspension can be
/// undone, and a writer that never pauses must not delay it. The suspension before a termination is sent only on the
/// object of its own record.
fn still_asks_for_suspension<K: TenantObject>(
    now: &Arc<K>,
    deletion_context: &DeletionContext,
    pass: DeletionPass,
    context: &Context,
) -> bool {
    deletion_policy(now.as_ref()) == DeletionPolicy::Suspend
        && matches!(decide_deletion_step(now.as_ref(), deletion_context, pass, context), DeletionStep::Suspend)
}

fn too_slow_stop() -> PassStop {
    let message = "the last look before a call took too long, so the call was not sent: trying again";
    PassOutcome::Failed(Reason::ClusterUnavailable, message.to_owned()).into()
}

/// Returns whether the deletion pass may retry once with a new token.
fn may_retry_with_new_token(error: &CallError, done: &mut DeletionAttempt) -> bool {
    matches!(error, CallError::Unauthorised { .. }) && !std::mem::replace(&mut done.has_renewed_token, true)
}

async fn suspend_tenant<K: TenantObject>(
    object: &Arc<K>,
    reservation: WriteReservation<'_>,
    ReachedPlatform { platform, .. }: &ReachedPlatform,
    done: &mut DeletionAttempt,
    context: &Context,
) -> Result<NextStep<K>, PassStop> {
    let id = unique_id(object.as_ref()).unwrap_or_default();
    let what = audit::AuditedChange { operation: "suspend", tenant: id, fields: Vec::new(), digests: None };
    match audit::run_and_log_change(object.as_ref(), what, reservation.suspend(id)).await {
        Ok(()) => {}
        Err(error) if may_retry_with_new_token(&error, done) => return Ok(NextStep::Continue(None)),
        Err(error) => return Err(stop_for_error(K::KIND, &error, platform, context)),
    }
    let note = format!("suspended tenant `{id}` because its object is being deleted");
    context.events.publish(object.as_ref(), Reason::Suspended, &note);
    Ok(NextStep::Continue(None))
}

async fn terminate_tenant<K: TenantObject>(
    object: &Arc<K>,
    permit: TerminationPermit,
    reservation: WriteReservation<'_>,
    ReachedPlatform { platform, .. }: &ReachedPlatform,
    done: &mut DeletionAttempt,
    context: &Context,
) -> Result<NextStep<K>, PassStop> {
    let (tenant, mark) = (permit.id().to_owned(), permit.mark().to_string());
    tracing::warn!(
        trace = current_trace().id,
        kind = K::KIND.name(),
        object = namespaced_name(object.as_ref()),
        tenant,
        mark,
        "ending a tenant"
    );
    let what = audit::AuditedChange { operation: "terminate", tenant: &tenant, fields: Vec::new(), digests: None };
    let sent = tenantry_runtime::clock::now().to_string();
    let called = audit::run_and_log_change(object.as_ref(), what, reservation.terminate(permit)).await;
    let sent = |record: &mut TerminationStatus| record.called_at = Some(sent.clone());
    match called {
        Ok(()) => {
            let taken = tenantry_runtime::clock::now().to_string();
            let noted = record_call(object, context, |record| {
                sent(record);
                record.accepted_at = Some(taken.clone());
            });
            Ok(noted.await?.map_or(NextStep::Finish(DeletionProgress::Gone), |noted| NextStep::Continue(Some(noted))))
        }
        Err(error) if may_retry_with_new_token(&error, done) => Ok(NextStep::Continue(None)),
        Err(error) => {
            if error.may_have_been_applied() {
                record_call(object, context, sent).await?;
            }
            Err(stop_for_error(K::KIND, &error, platform, context))
        }
    }
}

/// Records the outcome of a call, also on an object that somebody has changed since: the outcome is true in any case.
/// Returns `None` if the object is gone.
async fn record_call<K: TenantObject>(
    object: &Arc<K>,
    context: &Context,
    change: impl Fn(&mut TerminationStatus),
) -> Result<Option<Arc<K>>, PassStop> {
    let mut current = Arc::clone(object);
    for tries in 1..=RECORD_ATTEMPTS {
        let mut termination = current.status().and_then(|status| status.termination.clone()).unwrap_or_default();
        change(&mut termination);
        match write_termination(current.as_ref(), &termination, context).await {
            Ok(written) => return Ok(Some(written)),
            Err(kube::Error::Api(status)) if status.is_conflict() => {}
            Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(None),
            Err(error) if tries == RECORD_ATTEMPTS => return Err(error.into()),
            // Without the record the call would be sent again.
            Err(_) => tokio::time::sleep(Duration::from_millis(250) * tries).await,
        }
        match read_current(object.as_ref(), context).await {
            Ok(Some(found)) => current = found,
            Ok(None) => return Ok(None),
            Err(_) if tries < RECORD_ATTEMPTS => {}
            Err(error) => return Err(error),
        }
    }
    Err(PassStop::Stale)
}
