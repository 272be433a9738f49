//! Suspension, termination and cancellation.

use jiff::{SignedDuration, Timestamp};
use tenantry_api::{DeletionPolicy, Reason, TerminationStatus, TerminationStep};

use super::clock_skew::clock_skew_hold;
use super::preconditions::{hold_for_deleting_clients, hold_for_remaining_clients};
use super::{
    DeletionContext, DeletionIntent, DeletionStep, EvidenceState, LifecycleState, ObservedTenant, PartnerClients,
    TerminationPermit, confirm_digest, confirmation, hold_step, is_terminating, ledger, read_start, release_step,
    round_up_to_second,
};

/// Grace period in seconds if the spec has none: one day.
const DEFAULT_GRACE_SECONDS: i64 = 86_400;

/// Returns the next step for policy `Suspend`.
pub(super) fn suspend_step(children: &PartnerClients, observed: Option<&ObservedTenant>) -> DeletionStep {
    if let Some(waiting) = hold_for_deleting_clients(children) {
        return waiting;
    }
    match observed.map(|observed| observed.lifecycle) {
        Some(LifecycleState::Active) => DeletionStep::Suspend,
        Some(LifecycleState::Unknown) => unknown_state_hold(),
        Some(LifecycleState::Suspended | LifecycleState::Inactive | LifecycleState::Terminated) | None => {
            release_step(Reason::Suspended, "the tenant is suspended and stays on the platform".to_owned())
        }
    }
}

/// Returns the next step of a cancelled termination. If the terminate call may still be in progress, the step waits for
/// it: until then it is not known whether the cancel is too late.
pub(super) fn cancel_step(
    intent: &DeletionIntent<'_>,
    DeletionContext { children, clocks, .. }: &DeletionContext,
    observed: Option<&ObservedTenant>,
    now: Timestamp,
) -> DeletionStep {
    if is_terminating(intent) {
        // The wait below depends on the clock. An object that is released too early would report an outcome that is not
        // known yet.
        if let Some(held) = clock_skew_hold(clocks) {
            return held;
        }
        let timeout = SignedDuration::try_from(intent.rules.request_timeout).unwrap_or(SignedDuration::MAX);
        let cancelled = intent.record.cancelled_at.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
        let Some(shows) = cancelled.map(|at| at.saturating_add(timeout).unwrap_or(Timestamp::MAX)) else {
            return record_progress(intent, |record| record.cancelled_at = Some(round_up_to_second(now).to_string()));
        };
        // A tenant that was read before that time may be gone now.
        if read_start(intent, now) < shows {
            return DeletionStep::CheckAgainAt(shows);
        }
    }
    if intent.policy == DeletionPolicy::Suspend {
        // The termination may be confirmed again. The grace period of a suspension that somebody ended must not count
        // then.
        let is_over = observed.is_some_and(|observed| observed.lifecycle == LifecycleState::Active);
        let is_stale = is_over && intent.record.purge_after.is_some();
        return if is_stale { record_suspension(intent, now) } else { suspend_step(children, observed) };
    }
    if observed.is_some_and(|observed| observed.lifecycle == LifecycleState::Unknown)
        && intent.record.suspended_by_us == Some(true)
    {
        return unknown_state_hold();
    }
    let is_down = observed.is_some_and(|observed| observed.lifecycle != LifecycleState::Active);
    if is_down && intent.record.suspended_by_us == Some(true) {
        return DeletionStep::Activate;
    }
    hold_for_deleting_clients(children).unwrap_or_else(|| {
        release_step(Reason::Cancelled, "the termination was cancelled and the tenant stays on the platform".to_owned())
    })
}

/// Holds the deletion: a state that this release does not know is evidence of neither a suspension nor a termination.
fn unknown_state_hold() -> DeletionStep {
    hold_step(
        Reason::AnswerNotUnderstood,
        "the platform shows the tenant in a state that this release does not know: wait until it shows another, or update the operator"
            .to_owned(),
    )
}

fn record_progress(intent: &DeletionIntent<'_>, change: impl FnOnce(&mut TerminationStatus)) -> DeletionStep {
    let mut record = intent.record.clone();
    change(&mut record);
    DeletionStep::RecordProgress(Box::new(record))
}

/// Returns the next step for policy `Terminate` with a valid or still missing confirmation.
pub(super) fn terminate_step(
    intent: &DeletionIntent<'_>,
    deletion_context: &DeletionContext,
    observed: Option<&ObservedTenant>,
    now: Timestamp,
) -> DeletionStep {
    let Some(observed) = observed else {
        return hold_step(Reason::PlatformUnavailable, "the tenant was not read: trying again".to_owned());
    };
    let is_active = observed.lifecycle == LifecycleState::Active;
    if let Some(accepted) = intent.record.accepted_at.as_ref().filter(|_| is_terminating(intent) && !is_active) {
        return DeletionStep::AwaitTermination(accepted.clone());
    }
    if observed.lifecycle == LifecycleState::Unknown {
        return unknown_state_hold();
    }
    if let Some(waiting) = hold_for_remaining_clients(&deletion_context.children) {
        return waiting;
    }
    // Without a confirmation, no decision depends on time.
    let is_timed = intent.record.confirm_digest.is_some() || intent.confirm.is_some();
    if let Some(held) = clock_skew_hold(&deletion_context.clocks).filter(|_| is_timed) {
        return held;
    }
    if intent.record.confirm_digest.is_none() {
        return accept_confirmation(intent, observed, now);
    }
    if is_active {
        return restart_suspension(intent, now);
    }
    wait_for_grace_period(intent, now).unwrap_or_else(|| next_termination_step(intent, deletion_context, observed, now))
}

fn accept_confirmation(intent: &DeletionIntent<'_>, observed: &ObservedTenant, now: Timestamp) -> DeletionStep {
    match confirmation::check_confirmation(intent.confirm, observed, now) {
        Err((reason, message)) => hold_step(reason, message),
        Ok(confirm) => record_progress(intent, |record| {
            record.step = Some(TerminationStep::Confirmed);
            record.confirmed_at = Some(round_up_to_second(now).to_string());
            record.confirm_digest = Some(confirm_digest(intent.uid, confirm));
            record.suspended_by_us = Some(observed.lifecycle == LifecycleState::Active);
            record.purge_after = None;
            record.evidence = None;
        }),
    }
}

/// Suspends a tenant that is active, after recording the suspension. If it was activated during the grace period, the
/// period starts again.
///
/// The record is the last write before each suspension. It rules out that an abandoned write of `purgeAfter`, which
/// counts from an earlier suspension, takes effect later.
fn restart_suspension(intent: &DeletionIntent<'_>, now: Timestamp) -> DeletionStep {
    let is_noted = intent.record.purge_after.is_none() && intent.record.suspended_by_us == Some(true);
    if is_noted && intent.pass.has_recorded { DeletionStep::Suspend } else { record_suspension(intent, now) }
}

fn record_suspension(intent: &DeletionIntent<'_>, now: Timestamp) -> DeletionStep {
    record_progress(intent, |record| {
        record.step = Some(keep_terminating_step(intent, TerminationStep::Confirmed));
        record.suspended_by_us = Some(true);
        record.purge_after = None;
        // A tenant that is active was not terminated by an earlier call.
        record.called_at = None;
        record.accepted_at = None;
        // The time keeps its full precision: a write that changes nothing would not rule out an abandoned one.
        record.suspending_at = Some(now.to_string());
    })
}

/// Returns the step to record. A step `Terminating` is kept, because a cancel must wait for a call that may have been
/// made.
fn keep_terminating_step(intent: &DeletionIntent<'_>, step: TerminationStep) -> TerminationStep {
    if is_terminating(intent) { TerminationStep::Terminating } else { step }
}

fn wait_for_grace_period(intent: &DeletionIntent<'_>, now: Timestamp) -> Option<DeletionStep> {
    let grace = SignedDuration::from_secs(intent.grace_seconds.unwrap_or(DEFAULT_GRACE_SECONDS).max(0));
    let time = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
    let Some(recorded) = time(&intent.record.purge_after) else {
        // If the record was lost, the grace period starts again.
        return Some(record_progress(intent, |record| {
            record.step = Some(keep_terminating_step(intent, TerminationStep::Suspended));
            record.purge_after =
                Some(round_up_to_second(now.saturating_add(grace).unwrap_or(Timestamp::MAX)).to_string());
        }));
    };
    // A later edit can only lengthen the grace period.
    let edited = time(&intent.record.confirmed_at).and_then(|at| at.saturating_add(grace).ok());
    let purge_after = edited.map_or(recorded, |edited| edited.max(recorded));
    // If the period ended after the tenant was read, somebody may have activated the tenant in between.
    (read_start(intent, now) < purge_after).then_some(DeletionStep::WaitUntil(purge_after))
}

/// Writes the evidence, then the ledger, then the step in status, and only then permits the termination. Each call is
/// preceded by its own write of the step. The step replaces no check: everything is read and checked again before the
/// call is sent.
fn next_termination_step(
    intent: &DeletionIntent<'_>,
    deletion_context: &DeletionContext,
    observed: &ObservedTenant,
    now: Timestamp,
) -> DeletionStep {
    let name = match &deletion_context.evidence {
        EvidenceState::Present(name) => name,
        EvidenceState::Missing(name) => return DeletionStep::WriteEvidence(name.clone()),
        EvidenceState::Unusable(why) => {
            return hold_step(Reason::EvidenceMissing, format!("nothing is ended without evidence: {why}"));
        }
        EvidenceState::NotRead => {
            return hold_step(
                Reason::EvidenceMissing,
                "whether evidence is kept was not read: trying again".to_owned(),
            );
        }
    };
    if intent.record.evidence.as_ref() != Some(name) {
        return record_progress(intent, |record| record.evidence = Some(name.clone()));
    }
    if let Some(open) = ledger::check_ledger(intent, &observed.unique_id, &deletion_context.ledger, now) {
        return open;
    }
    // The call follows directly after this write, and only on the object as the write left it.
    if !(is_terminating(intent) && intent.pass.has_recorded) {
        return record_progress(intent, |record| {
            record.step = Some(TerminationStep::Terminating);
            record.terminating_at = Some(now.to_string());
        });
    }
    DeletionStep::Terminate(TerminationPermit { id: observed.unique_id.clone(), mark: intent.mark.clone() })
}
