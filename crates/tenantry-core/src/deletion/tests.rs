mod cancel;
mod clock;
mod evidence;
mod ledger;
mod model;
mod tenant;

use std::collections::BTreeMap;

use tenantry_api::Acknowledgement;

use super::*;
use crate::ObservedMark;

/// Name of the evidence in cases that are ready to be terminated.
const EVIDENCE_NAME: &str = "tenantry-system/terminated-u1";

fn mark() -> Mark {
    "c1/Client/ns/globex/u1".parse().unwrap()
}

fn parse_time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    parse_time("2026-11-22T12:00:00Z")
}

fn valid_confirmation() -> Confirmation {
    Confirmation {
        name: "Globex".into(),
        unique_id: "client_2".into(),
        acknowledge: Acknowledgement::ALL.to_vec(),
        not_after: "2026-11-25T12:00:00Z".into(),
    }
}

fn found_tenant(lifecycle: LifecycleState) -> DeletionTarget {
    DeletionTarget::Found(Box::new(ObservedTenant {
        unique_id: "client_2".into(),
        served_images: BTreeMap::new(),
        account_id: None,
        name: "Globex".into(),
        lifecycle,
        mark: ObservedMark::Full(mark()),
        values: BTreeMap::new(),
        created: None,
        updated: None,
        revision: None,
        url: None,
        api_endpoint: None,
        unknown: crate::UnknownAnswers::default(),
    }))
}

/// An object whose deletion requests a termination, with its context.
struct DeletionCase {
    policy: DeletionPolicy,
    confirm: Option<Confirmation>,
    record: TerminationStatus,
    abandon: Option<&'static str>,
    unique_id: Option<&'static str>,
    kind: TenantKind,
    has_adoption_id: bool,
    is_paused: bool,
    limits: TerminationLimits,
    pass: DeletionPass,
    context: DeletionContext,
}

impl DeletionCase {
    fn new_termination() -> Self {
        Self {
            policy: DeletionPolicy::Terminate,
            confirm: Some(valid_confirmation()),
            record: TerminationStatus::default(),
            abandon: None,
            unique_id: Some("client_2"),
            kind: TenantKind::Client,
            has_adoption_id: false,
            is_paused: false,
            limits: TerminationLimits { partners: 3, clients: 30 },
            pass: DeletionPass { started_at: now(), has_recorded: false },
            context: DeletionContext {
                tenant: found_tenant(LifecycleState::Active),
                children: PartnerClients { active_tenants: Some(Vec::new()), ..PartnerClients::default() },
                ..DeletionContext::new(ContainerDeletion::NotDeleting)
            },
        }
    }

    /// Makes a case whose grace period is over, with evidence and an entry in the ledger.
    fn ready_to_end(step: TerminationStep) -> Self {
        let mut case = Self::new_termination().with_accepted_confirmation(step, Some("2026-11-22T11:30:00Z"));
        case.record.evidence = Some(EVIDENCE_NAME.into());
        case.context.evidence = EvidenceState::Present(EVIDENCE_NAME.into());
        case.context.ledger = ledger_with(vec![ledger_entry("u1", "Client", "client_2", "2026-11-22T11:50:00Z")]);
        // The write of the step is the previous action.
        case.pass.has_recorded = step == TerminationStep::Terminating;
        case
    }

    fn with_accepted_confirmation(mut self, step: TerminationStep, purge_after: Option<&str>) -> Self {
        self.record = TerminationStatus {
            step: Some(step),
            confirmed_at: Some("2026-11-22T10:00:00Z".into()),
            confirm_digest: Some(confirm_digest("u1", &valid_confirmation())),
            suspended_by_us: Some(true),
            purge_after: purge_after.map(Into::into),
            ..TerminationStatus::default()
        };
        self.context.tenant = found_tenant(LifecycleState::Suspended);
        self
    }

    fn next_step(&self) -> DeletionStep {
        let mark = mark();
        let intent = DeletionIntent {
            kind: self.kind,
            object: "ns/globex",
            policy: self.policy,
            grace_seconds: Some(3600),
            confirm: self.confirm.as_ref(),
            uid: "u1",
            abandon: self.abandon,
            unique_id: self.unique_id,
            mark: &mark,
            record: &self.record,
            has_adoption_id: self.has_adoption_id,
            is_paused: self.is_paused,
            rules: DeletionRules { request_timeout: Duration::from_mins(1), limits: self.limits },
            pass: self.pass,
        };
        next_deletion_step(&intent, &self.context, now())
    }

    fn hold_reason(&self) -> Reason {
        self.expect_hold().reason
    }

    fn expect_hold(&self) -> DeletionHold {
        match self.next_step() {
            DeletionStep::Hold(hold) => hold,
            other => panic!("held was expected, not {other:?}"),
        }
    }

    fn expect_progress(&self) -> TerminationStatus {
        match self.next_step() {
            DeletionStep::RecordProgress(record) => *record,
            other => panic!("a record was expected, not {other:?}"),
        }
    }

    fn release_reason(&self) -> Reason {
        match self.next_step() {
            DeletionStep::Release(release) => release.reason,
            other => panic!("released was expected, not {other:?}"),
        }
    }
}

fn ledger_entry(uid: &str, kind: &str, id: &str, time: &str) -> LedgerEntry {
    LedgerEntry {
        uid: uid.into(),
        kind: kind.into(),
        object: format!("ns/{uid}"),
        id: id.into(),
        time: parse_time(time),
    }
}

fn ledger_with(entries: Vec<LedgerEntry>) -> LedgerState {
    LedgerState::Read { ledger: TerminationLedger { entries }, open: Vec::new() }
}

#[test]
fn retain_releases_without_asking_the_platform() {
    let mut case = DeletionCase::new_termination();
    case.policy = DeletionPolicy::Retain;
    case.context.tenant = DeletionTarget::NotRead;
    assert_eq!(case.release_reason(), Reason::Retained);
}

/// shows: seeds/termination/back-up
#[test]
fn terminate_without_a_confirmation_waits_for_it_and_tells_to_back_up() {
    let mut case = DeletionCase::new_termination();
    case.confirm = None;
    let hold = case.expect_hold();
    assert_eq!(hold.reason, Reason::ConfirmationNeeded);
    assert!(hold.message.contains("back up all its data first"), "{}", hold.message);
}

/// shows: seeds/termination/name-box, seeds/termination/checkboxes
#[test]
fn each_part_of_a_confirmation_is_compared() {
    let wrong: [fn(&mut Confirmation); 5] = [
        |confirm| confirm.name = "globex".into(),
        |confirm| confirm.unique_id = "client_3".into(),
        |confirm| confirm.acknowledge = vec![Acknowledgement::DataErased],
        |confirm| confirm.not_after = "2026-11-22T11:59:59Z".into(),
        |confirm| confirm.not_after = "2026-11-29T12:00:01Z".into(),
    ];
    for change in wrong {
        let mut case = DeletionCase::new_termination();
        change(case.confirm.as_mut().unwrap());
        assert_eq!(case.hold_reason(), Reason::ConfirmationInvalid);
    }
}

#[test]
fn a_fitting_confirmation_is_recorded_before_anything_is_done() {
    let DeletionStep::RecordProgress(record) = DeletionCase::new_termination().next_step() else {
        panic!("a record was expected")
    };
    assert_eq!(record.step, Some(TerminationStep::Confirmed));
    assert_eq!(record.suspended_by_us, Some(true));
    assert_eq!(record.confirm_digest, Some(confirm_digest("u1", &valid_confirmation())));
}

#[test]
fn the_tenant_is_suspended_then_waited_for_then_ended() {
    let mut case = DeletionCase::new_termination().with_accepted_confirmation(TerminationStep::Confirmed, None);
    case.context.tenant = found_tenant(LifecycleState::Active);
    case.pass.has_recorded = true;
    assert!(matches!(case.next_step(), DeletionStep::Suspend));

    let DeletionStep::RecordProgress(record) =
        DeletionCase::new_termination().with_accepted_confirmation(TerminationStep::Confirmed, None).next_step()
    else {
        panic!("a record was expected")
    };
    assert_eq!(record.purge_after.as_deref(), Some("2026-11-22T13:00:00Z"));

    let waiting = DeletionCase::new_termination()
        .with_accepted_confirmation(TerminationStep::Suspended, Some("2026-11-22T12:30:00Z"));
    assert!(matches!(waiting.next_step(), DeletionStep::WaitUntil(time) if time == parse_time("2026-11-22T12:30:00Z")));

    let over = DeletionCase::ready_to_end(TerminationStep::Suspended);
    assert_eq!(over.expect_progress().step, Some(TerminationStep::Terminating));
    // The same applies if an earlier process wrote the step: each call is preceded by its own write.
    let mut over = DeletionCase::ready_to_end(TerminationStep::Terminating);
    over.pass.has_recorded = false;
    assert_eq!(over.expect_progress().terminating_at.as_deref(), Some("2026-11-22T12:00:00Z"));

    let permit = DeletionCase::ready_to_end(TerminationStep::Terminating).next_step();
    assert!(matches!(permit, DeletionStep::Terminate(permit) if permit.id() == "client_2"));

    let mut gone = DeletionCase::new_termination()
        .with_accepted_confirmation(TerminationStep::Terminating, Some("2026-11-22T11:30:00Z"));
    gone.context.tenant = DeletionTarget::Gone;
    assert_eq!(gone.release_reason(), Reason::Terminated);
}

#[test]
fn a_call_that_the_platform_took_is_not_sent_again_and_whatever_holds_an_end_does_not_matter_any_more() {
    let mut case = DeletionCase::ready_to_end(TerminationStep::Terminating);
    case.record.called_at = Some("2026-11-22T11:59:58Z".into());
    assert!(matches!(case.next_step(), DeletionStep::Terminate(_)), "its reply was lost and the tenant is still there");
    case.record.accepted_at = Some("2026-11-22T11:59:59Z".into());
    for has_recorded in [false, true] {
        case.pass.has_recorded = has_recorded;
        assert!(matches!(case.next_step(), DeletionStep::AwaitTermination(since) if since == "2026-11-22T11:59:59Z"));
    }
    case.context.children = PartnerClients::default();
    assert!(matches!(case.next_step(), DeletionStep::AwaitTermination(_)));
    // An active tenant was not terminated by that call, so the call no longer counts.
    case.context = DeletionCase::ready_to_end(TerminationStep::Terminating).context;
    case.context.tenant = found_tenant(LifecycleState::Active);
    let noted = case.expect_progress();
    assert_eq!((noted.called_at, noted.accepted_at, noted.purge_after), (None, None, None));
}

#[test]
fn a_tenant_found_active_starts_the_grace_period_anew() {
    let mut case = DeletionCase::new_termination()
        .with_accepted_confirmation(TerminationStep::Suspended, Some("2026-11-22T11:30:00Z"));
    case.context.tenant = found_tenant(LifecycleState::Active);
    let DeletionStep::RecordProgress(record) = case.next_step() else { panic!("a record was expected") };
    assert_eq!((record.step, record.purge_after), (Some(TerminationStep::Confirmed), None));
}

#[test]
fn nothing_is_suspended_for_a_termination_but_right_after_a_write_that_changes_the_record() {
    let mut case = DeletionCase::new_termination().with_accepted_confirmation(TerminationStep::Confirmed, None);
    case.context.tenant = found_tenant(LifecycleState::Active);
    let noted = case.expect_progress();
    assert_eq!(noted.suspending_at.as_deref(), Some("2026-11-22T12:00:00Z"));
    assert_ne!(noted, case.record);
    (case.record, case.pass.has_recorded) = (noted, true);
    assert!(matches!(case.next_step(), DeletionStep::Suspend));
    case.pass.has_recorded = false;
    case.expect_progress();
}

#[test]
fn a_tenant_found_active_after_the_call_may_have_been_made_does_not_make_that_forgotten() {
    let mut case = DeletionCase::ready_to_end(TerminationStep::Terminating);
    case.context.tenant = found_tenant(LifecycleState::Active);
    case.record = case.expect_progress();
    assert_eq!((case.record.step, &case.record.purge_after), (Some(TerminationStep::Terminating), &None));
    case.context.tenant = found_tenant(LifecycleState::Suspended);
    case.record = case.expect_progress();
    assert_eq!(case.record.step, Some(TerminationStep::Terminating));
    assert_eq!(case.record.purge_after.as_deref(), Some("2026-11-22T13:00:00Z"));
    assert!(matches!(case.next_step(), DeletionStep::WaitUntil(_)));
    case.policy = DeletionPolicy::Retain;
    assert!(case.expect_progress().cancelled_at.is_some(), "a cancel waits for the call");
}

#[test]
fn a_period_that_ran_out_after_the_tenant_was_read_is_looked_at_once_more() {
    let mut case = DeletionCase::ready_to_end(TerminationStep::Terminating);
    let over = parse_time("2026-11-22T11:30:00Z");
    case.pass.started_at = over;
    assert!(matches!(case.next_step(), DeletionStep::Terminate(_)));
    case.pass.started_at = parse_time("2026-11-22T11:29:59.9Z");
    assert!(matches!(case.next_step(), DeletionStep::WaitUntil(time) if time == over));
}

#[test]
fn an_edited_grace_period_can_only_lengthen_the_wait() {
    // Confirmed at 10:00 with 3600 s. The record says 10:30, the edit says 11:00; both are over at 12:00.
    let mut case = DeletionCase::ready_to_end(TerminationStep::Terminating);
    case.record.purge_after = Some("2026-11-22T10:30:00Z".into());
    assert!(matches!(case.next_step(), DeletionStep::Terminate(_)));
    case.record.confirmed_at = Some("2026-11-22T11:30:00Z".into());
    assert!(matches!(case.next_step(), DeletionStep::WaitUntil(time) if time == parse_time("2026-11-22T12:30:00Z")));
}

#[test]
fn children_hold_a_termination_at_every_step() {
    for step in [TerminationStep::Confirmed, TerminationStep::Suspended, TerminationStep::Terminating] {
        let live = PartnerClients { active_tenants: Some(vec!["Globex".into()]), ..PartnerClients::default() };
        let declared = PartnerClients {
            objects: vec!["ns/globex".into()],
            active_tenants: Some(Vec::new()),
            ..PartnerClients::default()
        };
        for children in [live, declared, PartnerClients::default()] {
            let mut case =
                DeletionCase::new_termination().with_accepted_confirmation(step, Some("2026-11-22T11:30:00Z"));
            case.context.children = children;
            assert_eq!(case.hold_reason(), Reason::ClientsRemain);
        }
    }
}

#[test]
fn namespace_or_kind_going_releases_and_not_knowing_holds() {
    for going in [ContainerDeletion::Namespace, ContainerDeletion::Definition] {
        let mut case = DeletionCase::new_termination()
            .with_accepted_confirmation(TerminationStep::Terminating, Some("2026-11-22T11:30:00Z"));
        case.context.container = going;
        assert_eq!(case.release_reason(), Reason::Retained);
    }
    let mut case = DeletionCase::new_termination();
    case.context.container = ContainerDeletion::Unknown("forbidden".into());
    assert_eq!(case.hold_reason(), Reason::CannotTellWhy);
    case.policy = DeletionPolicy::Retain;
    assert_eq!(case.release_reason(), Reason::Retained);
}

#[test]
fn the_block_to_paste_is_accepted_and_stays_until_its_time_has_passed() {
    let DeletionTarget::Found(tenant) = found_tenant(LifecycleState::Active) else { unreachable!() };
    let block = confirmation_block(&tenant, None, now());
    let parsed: serde_json::Value = serde_yaml::from_str(&block).unwrap();
    let pasted: Confirmation = serde_json::from_value(parsed["deletion"]["confirm"].clone()).unwrap();
    let mut case = DeletionCase::new_termination();
    case.confirm = Some(pasted);
    assert!(matches!(case.next_step(), DeletionStep::RecordProgress(_)));
    assert_eq!(confirmation_block(&tenant, Some(&block), parse_time("2026-11-24T00:00:00Z")), block);
    assert_ne!(confirmation_block(&tenant, Some(&block), parse_time("2026-11-29T00:00:00Z")), block);
}
