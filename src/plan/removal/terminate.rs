//! Suspension, the end for ever, and the way back from it.

use jiff::{SignedDuration, Timestamp};

use super::gates::{children, leaving};
use super::{
    Children, Kept, Observed, Permit, Removal, RemovalIntent, Surroundings, TenantLife, confirm, confirm_digest, hold,
    is_terminating, ledger, release, whole_second,
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
        Some(TenantLife::Suspended | TenantLife::Inactive | TenantLife::Terminated) | None => {
            release(Reason::Suspended, "the tenant is suspended and stays on the platform".to_owned())
        }
    }
}

/// The way back. A call that may still be under way is waited for, since until then nobody knows whether it is too late.
pub(super) fn cancel(
    intent: &RemovalIntent<'_>,
    children: &Children,
    observed: Option<&Observed>,
    now: Timestamp,
) -> Removal {
    if is_terminating(intent) {
        let timeout = SignedDuration::try_from(intent.rules.request_timeout).unwrap_or(SignedDuration::MAX);
        let cancelled = intent.record.cancelled_at.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
        let Some(shows) = cancelled.map(|at| at.saturating_add(timeout).unwrap_or(Timestamp::MAX)) else {
            return record(intent, |record| record.cancelled_at = Some(whole_second(now).to_string()));
        };
        if now < shows {
            return Removal::LookAgain(shows);
        }
    }
    if intent.policy == DeletionPolicy::Suspend {
        return suspend(children, observed);
    }
    let is_down = observed.is_some_and(|observed| observed.life != TenantLife::Active);
    if is_down && intent.record.suspended_by_us == Some(true) {
        return Removal::Activate;
    }
    leaving(children).unwrap_or_else(|| {
        release(Reason::Cancelled, "the termination was cancelled and the tenant stays on the platform".to_owned())
    })
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
    if let Some(waiting) = children(&surroundings.children) {
        return waiting;
    }
    if intent.record.confirm_digest.is_none() {
        return accept(intent, observed, now);
    }
    if observed.life == TenantLife::Active {
        return suspend_again(intent);
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
fn suspend_again(intent: &RemovalIntent<'_>) -> Removal {
    if intent.record.purge_after.is_none() && intent.record.suspended_by_us == Some(true) {
        return Removal::Suspend;
    }
    record(intent, |record| {
        record.step = Some(TerminationStep::Confirmed);
        record.suspended_by_us = Some(true);
        record.purge_after = None;
    })
}

fn wait(intent: &RemovalIntent<'_>, now: Timestamp) -> Option<Removal> {
    let grace = SignedDuration::from_secs(intent.grace_seconds.unwrap_or(DEFAULT_GRACE).max(0));
    let time = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
    let Some(recorded) = time(&intent.record.purge_after) else {
        // A lost record restarts the grace period.
        return Some(record(intent, |record| {
            record.step = Some(TerminationStep::Suspended);
            record.purge_after = Some(whole_second(now.saturating_add(grace).unwrap_or(Timestamp::MAX)).to_string());
        }));
    };
    // Editing the grace period later can only lengthen it.
    let edited = time(&intent.record.confirmed_at).and_then(|at| at.saturating_add(grace).ok());
    let purge_after = edited.map_or(recorded, |edited| edited.max(recorded));
    (now < purge_after).then_some(Removal::WaitUntil(purge_after))
}

/// Evidence, then the ledger, then the mark in status, and only then the leave to end the tenant. The mark replaces no
/// check: everything before it is looked at again for each call.
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
    if !is_terminating(intent) {
        return record(intent, |record| record.step = Some(TerminationStep::Terminating));
    }
    Removal::Terminate(Permit { id: observed.unique_id.clone(), mark: intent.mark.clone() })
}
