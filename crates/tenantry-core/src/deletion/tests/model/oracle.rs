//! Calls the real `next_deletion_step` with what the model's operator has read.

#![allow(clippy::disallowed_types, reason = "a model visits millions of states, and their order has no effect")]

use std::cell::RefCell;
use std::collections::HashMap;

use jiff::SignedDuration;

use super::*;

/// Calls the real function once for each question.
#[derive(Default)]
pub(super) struct DeletionOracle(RefCell<HashMap<DeletionQuestion, ModelDecision>>);

type DeletionQuestion = (u8, DeletionSpec, ModelContext, ModelPass, ModelClock);

/// Clock of the operator that decides.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum ModelClock {
    Right,
    /// One hour ahead of the servers' clocks.
    Ahead,
    /// Ahead as well, and the clocks are not compared.
    AheadAndBelieved,
}

fn minutes(number: i64) -> SignedDuration {
    SignedDuration::from_mins(number)
}

fn time_text(in_minutes: i64) -> String {
    (now() + minutes(in_minutes)).to_string()
}

fn to_confirmation(ModelConfirmation { says, left }: ModelConfirmation) -> Confirmation {
    let not_after = now() + minutes(left.map_or(-1, i64::from));
    let not_after =
        if says == ConfirmationText::RightAnew { not_after + SignedDuration::from_millis(1) } else { not_after };
    let name = if says == ConfirmationText::WrongName { "globex" } else { "Globex" };
    Confirmation { name: name.into(), not_after: not_after.to_string(), ..valid_confirmation() }
}

fn uid_text(uid: u8) -> String {
    format!("u{uid}")
}

/// Converts the model's record to the status record. The digest is that of the accepted confirmation with the current
/// times.
fn to_termination_status(DeletionSpec { confirm, record, .. }: DeletionSpec, uid: &str) -> TerminationStatus {
    let left = confirm.and_then(|confirm| confirm.left);
    TerminationStatus {
        step: [
            None,
            Some(TerminationStep::Confirmed),
            Some(TerminationStep::Suspended),
            Some(TerminationStep::Terminating),
        ][usize::from(record.step)],
        confirmed_at: record.accepted.map(|_| time_text(-i64::from(record.accepted_ago))),
        confirm_digest: record
            .accepted
            .map(|says| confirm_digest(uid, &to_confirmation(ModelConfirmation { says, left }))),
        suspended_by_us: record.by_us,
        purge_after: record.purge_in.map(|left| time_text(i64::from(left))),
        evidence: record.has_evidence.then(|| EVIDENCE_NAME.to_owned()),
        called_at: record.is_taken.then(|| time_text(0)),
        accepted_at: record.is_taken.then(|| time_text(0)),
        cancelled_at: record.cancelled_ago.map(|ago| time_text(-i64::from(ago))),
        ..TerminationStatus::default()
    }
}

/// Converts the status record to the model's record.
fn to_model_progress(status: &TerminationStatus, before: DeletionSpec) -> ModelProgress {
    let from_now = |text: &Option<String>| text.as_deref().map(|text| parse_time(text).duration_since(now()).as_mins());
    let is_new = before.record.accepted.is_none() && status.confirm_digest.is_some();
    ModelProgress {
        step: match status.step {
            None => 0,
            Some(TerminationStep::Confirmed) => 1,
            Some(TerminationStep::Suspended) => 2,
            Some(TerminationStep::Terminating | TerminationStep::Terminated) => 3,
        },
        accepted: if is_new { before.confirm.map(|confirm| confirm.says) } else { before.record.accepted },
        accepted_ago: u8::try_from(-from_now(&status.confirmed_at).unwrap_or_default()).unwrap_or_default(),
        by_us: status.suspended_by_us,
        purge_in: from_now(&status.purge_after).map(|left| u8::try_from(left).unwrap()),
        has_evidence: status.evidence.is_some(),
        is_taken: status.accepted_at.is_some(),
        cancelled_ago: from_now(&status.cancelled_at).map(|left| u8::try_from(-left).unwrap_or_default()),
    }
}

fn to_ledger(ledger: ModelLedger) -> TerminationLedger {
    let own = ledger.own.then(|| ledger_entry("u1", "Partner", "client_2", "2026-11-22T11:59:00Z"));
    let other = ledger.other.then(|| ledger_entry("u9", "Partner", "msp_9", "2026-11-22T11:59:00Z"));
    TerminationLedger { entries: own.into_iter().chain(other).collect() }
}

fn to_deletion_context(observed: ModelContext, object: u8) -> DeletionContext {
    let going = match observed.container {
        ContainerState::No => ContainerDeletion::NotDeleting,
        ContainerState::Namespace => ContainerDeletion::Namespace,
        ContainerState::Unseen | ContainerState::Hidden => ContainerDeletion::Unknown("forbidden".into()),
    };
    let DeletionTarget::Found(found) = found_tenant(observed.life) else { unreachable!() };
    let tenant = match (observed.life, observed.mark == object) {
        (LifecycleState::Terminated, _) => DeletionTarget::Gone,
        (_, true) => DeletionTarget::Found(found),
        (_, false) => DeletionTarget::NotOurs("client_2".into()),
    };
    let kept = |says| {
        if observed.evidence == Some(says) {
            EvidenceState::Present(EVIDENCE_NAME.into())
        } else {
            EvidenceState::Missing("terminated-u1".into())
        }
    };
    DeletionContext {
        tenant,
        children: PartnerClients {
            objects: observed.has_child_object.then(|| "ns/globex".to_owned()).into_iter().collect(),
            deleting: Vec::new(),
            active_tenants: Some(observed.has_living_child.then(|| "Globex".to_owned()).into_iter().collect()),
        },
        reference_broken: observed.is_reference_broken.then(|| "not allowed".to_owned()),
        evidence: kept(ConfirmationText::Right),
        ledger: ledger_with(to_ledger(observed.ledger).entries),
        ..DeletionContext::new(going)
    }
}

impl DeletionOracle {
    /// Returns the real function's decision for an object and its context.
    pub(super) fn decide_step(
        &self,
        object: u8,
        spec: DeletionSpec,
        observed: ModelContext,
        pass: ModelPass,
        clock: ModelClock,
    ) -> ModelDecision {
        let asked = || ask_next_deletion_step(object, spec, observed, pass, clock);
        *self.0.borrow_mut().entry((object, spec, observed, pass, clock)).or_insert_with(asked)
    }
}

fn ask_next_deletion_step(
    object: u8,
    spec: DeletionSpec,
    observed: ModelContext,
    ModelPass { has_recorded, is_early }: ModelPass,
    clock: ModelClock,
) -> ModelDecision {
    let ours = if clock == ModelClock::Right { now() } else { now() + minutes(60) };
    let uid = uid_text(object);
    let record = to_termination_status(spec, &uid);
    let confirm = spec.confirm.map(to_confirmation);
    let mark: Mark = format!("c1/Partner/ns/globex/{uid}").parse().unwrap();
    let intent = DeletionIntent {
        kind: TenantKind::Partner,
        object: "ns/globex",
        policy: match spec.policy {
            ModelPolicy::Retain => DeletionPolicy::Retain,
            ModelPolicy::Suspend => DeletionPolicy::Suspend,
            ModelPolicy::Terminate => DeletionPolicy::Terminate,
        },
        grace_seconds: Some(60 * i64::from(spec.grace)),
        confirm: confirm.as_ref(),
        uid: &uid,
        abandon: None,
        unique_id: Some("client_2"),
        mark: &mark,
        record: &record,
        has_adoption_id: false,
        is_paused: false,
        rules: DeletionRules {
            request_timeout: Duration::from_mins(u64::from(REQUEST_TICKS)),
            limits: TerminationLimits { partners: 1, clients: 1 },
        },
        pass: DeletionPass { started_at: ours - minutes(i64::from(is_early)), has_recorded },
    };
    // Only the evidence of the accepted confirmation counts.
    let mut deletion_context = to_deletion_context(observed, object);
    if spec.record.accepted != Some(ConfirmationText::Right) {
        deletion_context.evidence = match spec.record.accepted {
            Some(says) if observed.evidence == Some(says) => EvidenceState::Present(EVIDENCE_NAME.into()),
            _ => EvidenceState::Missing("terminated-u1".into()),
        };
    }
    let accepted = spec.record.accepted.unwrap_or(ConfirmationText::Right);
    let theirs = if clock == ModelClock::Ahead { now() } else { ours };
    let reading = Some(ClockReading { sent_at: ours, server_time: theirs, received_at: ours });
    deletion_context.clocks = ServerClocks { cluster: reading, platform: reading };
    match next_deletion_step(&intent, &deletion_context, ours) {
        DeletionStep::Release(release) => ModelDecision::Does(DeletionCall::Release(
            match release.reason {
                Reason::Terminated | Reason::AlreadyGone => ReleaseClaim::Ended,
                Reason::TooLateToCancel => ReleaseClaim::TooLate,
                Reason::Cancelled | Reason::Suspended => ReleaseClaim::Alive,
                _ => ReleaseClaim::Otherwise,
            },
            true,
        )),
        DeletionStep::Hold(hold) => ModelDecision::Holds(hold.reason),
        // A write that changes nothing does not rule out an abandoned write.
        DeletionStep::RecordProgress(made) if *made == record => panic!("{made:?}"),
        DeletionStep::RecordProgress(made) => {
            ModelDecision::Does(DeletionCall::Record(to_model_progress(&made, spec), true))
        }
        DeletionStep::Suspend => ModelDecision::Does(DeletionCall::Suspend),
        DeletionStep::Activate => ModelDecision::Does(DeletionCall::Activate),
        DeletionStep::WaitUntil(_) | DeletionStep::CheckAgainAt(_) | DeletionStep::AwaitTermination(_) => {
            ModelDecision::Waits
        }
        DeletionStep::WriteEvidence(_) => ModelDecision::Does(DeletionCall::Evidence(accepted)),
        DeletionStep::ReserveInLedger(ledger) => {
            let has = |uid: &str| ledger.entries.iter().any(|entry| entry.uid == uid);
            ModelDecision::Does(DeletionCall::Ledger(ModelLedger { own: has("u1"), other: has("u9") }, true))
        }
        DeletionStep::Terminate(_) => ModelDecision::Terminates,
        DeletionStep::RecordTenantId(_) => unreachable!("the id is recorded"),
    }
}

/// Returns what the other Partner, which is ready to be terminated, does about the ledger: it adds its entry, proceeds
/// or waits.
pub(super) fn decide_for_other_partner(ledger: ModelLedger) -> ModelDecision {
    let mut case = DeletionCase::ready_to_end(TerminationStep::Terminating);
    case.kind = TenantKind::Partner;
    // The other Partner is this case's own object, so our object is the other one here.
    let mut entries = to_ledger(ModelLedger { own: false, other: false }).entries;
    if ledger.own {
        entries.push(ledger_entry("u8", "Partner", "msp_8", "2026-11-22T11:59:00Z"));
    }
    if ledger.other {
        entries.push(ledger_entry("u1", "Partner", "client_2", "2026-11-22T11:59:00Z"));
    }
    case.context.ledger = ledger_with(entries);
    case.limits = TerminationLimits { partners: 1, clients: 1 };
    match case.next_step() {
        DeletionStep::ReserveInLedger(_) => {
            ModelDecision::Does(DeletionCall::Ledger(ModelLedger { other: true, ..ledger }, true))
        }
        DeletionStep::Terminate(_) => ModelDecision::Terminates,
        DeletionStep::Hold(hold) => ModelDecision::Holds(hold.reason),
        other => panic!("{other:?}"),
    }
}
