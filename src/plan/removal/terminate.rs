//! Suspension, the end for ever, and the way back from it.

use jiff::{SignedDuration, Timestamp};

use super::clock::disagreement;
use super::gates::{children, leaving};
use super::{
    Children, Kept, Observed, Permit, Removal, RemovalIntent, Surroundings, TenantLife, before_the_look, confirm,
    confirm_digest, hold, is_terminating, ledger, release, whole_second,
};
use crate::api::{DeletionPolicy, Reason, TerminationStatus, TerminationStep};

/// Seconds of the grace period where the spec names none: one day.
const DEFAULT_GRACE: i64 = 86_400;

/// Policy `Suspend`.
pub(super) fn suspend(children: &Children, observed: Option<&Observed>) -> Removal {
    if let Some(waiting) = leaving(children) {
        return waiting;
    }
    match observed.map(|observed| observed.life) {
        Some(TenantLife::Active) => Removal::Suspend,
        Some(TenantLife::Unknown) => unknown_state(),
        Some(TenantLife::Suspended | TenantLife::Inactive | TenantLife::Terminated) | None => {
            release(Reason::Suspended, "the tenant is suspended and stays on the platform".to_owned())
        }
    }
}

/// The way back. A call that may still be under way is waited for, since until then nobody knows whether it is too late.
pub(super) fn cancel(
    intent: &RemovalIntent<'_>,
    Surroundings { children, clocks, .. }: &Surroundings,
    observed: Option<&Observed>,
    now: Timestamp,
) -> Removal {
    if is_terminating(intent) {
        // The wait below is measured by the clock, and an object that is released too early says what is not known yet.
        if let Some(held) = disagreement(clocks) {
            return held;
        }
        let timeout = SignedDuration::try_from(intent.rules.request_timeout).unwrap_or(SignedDuration::MAX);
        let cancelled = intent.record.cancelled_at.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
        let Some(shows) = cancelled.map(|at| at.saturating_add(timeout).unwrap_or(Timestamp::MAX)) else {
            return record(intent, |record| record.cancelled_at = Some(whole_second(now).to_string()));
        };
        // One that was read before that time may have gone since.
        if before_the_look(intent, now) < shows {
            return Removal::LookAgain(shows);
        }
    }
    if intent.policy == DeletionPolicy::Suspend {
        // Consent may be given again, and the period of the suspension that somebody ended must not count then.
        let is_over = observed.is_some_and(|observed| observed.life == TenantLife::Active);
        let is_stale = is_over && intent.record.purge_after.is_some();
        return if is_stale { note_suspension(intent, now) } else { suspend(children, observed) };
    }
    if observed.is_some_and(|observed| observed.life == TenantLife::Unknown)
        && intent.record.suspended_by_us == Some(true)
    {
        return unknown_state();
    }
    let is_down = observed.is_some_and(|observed| observed.life != TenantLife::Active);
    if is_down && intent.record.suspended_by_us == Some(true) {
        return Removal::Activate;
    }
    leaving(children).unwrap_or_else(|| {
        release(Reason::Cancelled, "the termination was cancelled and the tenant stays on the platform".to_owned())
    })
}

/// Neither a suspension nor an end is believed from a word that this release does not know.
fn unknown_state() -> Removal {
    hold(
        Reason::AnswerNotUnderstood,
        "the platform shows the tenant in a state that this release does not know: wait until it shows another, or update the operator"
            .to_owned(),
    )
}

fn record(intent: &RemovalIntent<'_>, change: impl FnOnce(&mut TerminationStatus)) -> Removal {
    let mut record = intent.record.clone();
    change(&mut record);
    Removal::Record(Box::new(record))
}

/// Policy `Terminate` with a confirmation that stands or is still to come.
pub(super) fn terminate(
    intent: &RemovalIntent<'_>,
    surroundings: &Surroundings,
    observed: Option<&Observed>,
    now: Timestamp,
) -> Removal {
    let Some(observed) = observed else {
        return hold(Reason::PlatformUnavailable, "the tenant was not read: trying again".to_owned());
    };
    let is_active = observed.life == TenantLife::Active;
    if let Some(accepted) = intent.record.accepted_at.as_ref().filter(|_| is_terminating(intent) && !is_active) {
        return Removal::AwaitEnd(accepted.clone());
    }
    if observed.life == TenantLife::Unknown {
        return unknown_state();
    }
    if let Some(waiting) = children(&surroundings.children) {
        return waiting;
    }
    // Without a confirmation no time decides anything.
    let is_timed = intent.record.confirm_digest.is_some() || intent.confirm.is_some();
    if let Some(held) = disagreement(&surroundings.clocks).filter(|_| is_timed) {
        return held;
    }
    if intent.record.confirm_digest.is_none() {
        return accept(intent, observed, now);
    }
    if is_active {
        return suspend_again(intent, now);
    }
    wait(intent, now).unwrap_or_else(|| end(intent, surroundings, observed, now))
}

fn accept(intent: &RemovalIntent<'_>, observed: &Observed, now: Timestamp) -> Removal {
    match confirm::judge(intent.confirm, observed, now) {
        Err((reason, message)) => hold(reason, message),
        Ok(confirm) => record(intent, |record| {
            record.step = Some(TerminationStep::Confirmed);
            record.confirmed_at = Some(whole_second(now).to_string());
            record.confirm_digest = Some(confirm_digest(intent.uid, confirm));
            record.suspended_by_us = Some(observed.life == TenantLife::Active);
            record.purge_after = None;
            record.evidence = None;
        }),
    }
}

/// A tenant found active is suspended by us, which is noted first; in the wait its grace period starts anew.
///
/// The note is the last thing before each suspension: it shuts out a `purgeAfter` that was given up, which would count from
/// an earlier one.
fn suspend_again(intent: &RemovalIntent<'_>, now: Timestamp) -> Removal {
    let is_noted = intent.record.purge_after.is_none() && intent.record.suspended_by_us == Some(true);
    if is_noted && intent.walk.has_recorded { Removal::Suspend } else { note_suspension(intent, now) }
}

fn note_suspension(intent: &RemovalIntent<'_>, now: Timestamp) -> Removal {
    record(intent, |record| {
        record.step = Some(reached(intent, TerminationStep::Confirmed));
        record.suspended_by_us = Some(true);
        record.purge_after = None;
        // A tenant that is in service was not ended by an earlier call.
        record.called_at = None;
        record.accepted_at = None;
        // To the last digit: a write that changes nothing shuts nothing out.
        record.suspending_at = Some(now.to_string());
    })
}

/// The step to record. That the call may have been made is never forgotten: a cancel waits for it.
fn reached(intent: &RemovalIntent<'_>, step: TerminationStep) -> TerminationStep {
    if is_terminating(intent) { TerminationStep::Terminating } else { step }
}

fn wait(intent: &RemovalIntent<'_>, now: Timestamp) -> Option<Removal> {
    let grace = SignedDuration::from_secs(intent.grace_seconds.unwrap_or(DEFAULT_GRACE).max(0));
    let time = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
    let Some(recorded) = time(&intent.record.purge_after) else {
        // A lost record restarts the grace period.
        return Some(record(intent, |record| {
            record.step = Some(reached(intent, TerminationStep::Suspended));
            record.purge_after = Some(whole_second(now.saturating_add(grace).unwrap_or(Timestamp::MAX)).to_string());
        }));
    };
    // Editing the grace period later can only lengthen it.
    let edited = time(&intent.record.confirmed_at).and_then(|at| at.saturating_add(grace).ok());
    let purge_after = edited.map_or(recorded, |edited| edited.max(recorded));
    // Where the period ran out after the tenant was read, somebody may have activated it in between.
    (before_the_look(intent, now) < purge_after).then_some(Removal::WaitUntil(purge_after))
}

/// Evidence, then the ledger, then the step in status, and only then the leave to end the tenant. Each call has a write of
/// the step of its own, and the step replaces no check: everything is read and judged again once the call may be sent.
fn end(intent: &RemovalIntent<'_>, surroundings: &Surroundings, observed: &Observed, now: Timestamp) -> Removal {
    let name = match &surroundings.evidence {
        Kept::There(name) => name,
        Kept::Missing(name) => return Removal::KeepEvidence(name.clone()),
        Kept::Unusable(why) => {
            return hold(Reason::EvidenceMissing, format!("nothing is ended without evidence: {why}"));
        }
        Kept::NotAsked => {
            return hold(Reason::EvidenceMissing, "whether evidence is kept was not read: trying again".to_owned());
        }
    };
    if intent.record.evidence.as_ref() != Some(name) {
        return record(intent, |record| record.evidence = Some(name.clone()));
    }
    if let Some(open) = ledger::judge(intent, &observed.unique_id, &surroundings.ledger, now) {
        return open;
    }
    // The call follows right after this write, and only on the object as the write left it.
    if !(is_terminating(intent) && intent.walk.has_recorded) {
        return record(intent, |record| {
            record.step = Some(TerminationStep::Terminating);
            record.terminating_at = Some(now.to_string());
        });
    }
    Removal::Terminate(Permit { id: observed.unique_id.clone(), mark: intent.mark.clone() })
}
