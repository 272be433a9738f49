mod cancel;
mod clock;
mod evidence;
mod ledger;
mod model;
mod tenant;

use std::collections::BTreeMap;

use super::*;
use crate::api::Acknowledgement;
use crate::plan::MarkSeen;

/// The record under which everything is ready to be ended.
const RECORD: &str = "tenantry-system/terminated-u1";

fn mark() -> Mark {
    "c1/Client/ns/globex/u1".parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-22T12:00:00Z")
}

fn confirm() -> Confirmation {
    Confirmation {
        name: "Globex".into(),
        unique_id: "client_2".into(),
        acknowledge: Acknowledgement::ALL.to_vec(),
        not_after: "2026-11-25T12:00:00Z".into(),
    }
}

fn observed(life: TenantLife) -> Tenant {
    Tenant::Found(Box::new(Observed {
        unique_id: "client_2".into(),
        served: BTreeMap::new(),
        account_id: None,
        name: "Globex".into(),
        life,
        mark: MarkSeen::Whole(mark()),
        seen: BTreeMap::new(),
        created: None,
        updated: None,
        revision: None,
        url: None,
        api_endpoint: None,
        unknown: crate::plan::Unknown::default(),
    }))
}

/// An object that asks for the end of its tenant, and what it stands in.
struct Case {
    policy: DeletionPolicy,
    confirm: Option<Confirmation>,
    record: TerminationStatus,
    abandon: Option<&'static str>,
    unique_id: Option<&'static str>,
    kind: Kind,
    has_adoption_id: bool,
    is_paused: bool,
    limits: Limits,
    walk: Walk,
    surroundings: Surroundings,
}

impl Case {
    fn terminate() -> Self {
        Self {
            policy: DeletionPolicy::Terminate,
            confirm: Some(confirm()),
            record: TerminationStatus::default(),
            abandon: None,
            unique_id: Some("client_2"),
            kind: Kind::Client,
            has_adoption_id: false,
            is_paused: false,
            limits: Limits { partners: 3, clients: 30 },
            walk: Walk { begun: now(), has_recorded: false },
            surroundings: Surroundings {
                tenant: observed(TenantLife::Active),
                children: Children { live: Some(Vec::new()), ..Children::default() },
                ..Surroundings::new(Going::No)
            },
        }
    }

    /// One whose grace period is over, with evidence and an entry in the ledger.
    fn ready(step: TerminationStep) -> Self {
        let mut case = Self::terminate().accepted(step, Some("2026-11-22T11:30:00Z"));
        case.record.evidence = Some(RECORD.into());
        case.surroundings.evidence = Kept::There(RECORD.into());
        case.surroundings.ledger = booked(vec![entry("u1", "Client", "client_2", "2026-11-22T11:50:00Z")]);
        // The step's own write is the last thing that was done.
        case.walk.has_recorded = step == TerminationStep::Terminating;
        case
    }

    fn accepted(mut self, step: TerminationStep, purge_after: Option<&str>) -> Self {
        self.record = TerminationStatus {
            step: Some(step),
            confirmed_at: Some("2026-11-22T10:00:00Z".into()),
            confirm_digest: Some(confirm_digest("u1", &confirm())),
            suspended_by_us: Some(true),
            purge_after: purge_after.map(Into::into),
            ..TerminationStatus::default()
        };
        self.surroundings.tenant = observed(TenantLife::Suspended);
        self
    }

    fn next(&self) -> Removal {
        let mark = mark();
        let intent = RemovalIntent {
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
            rules: Rules { request_timeout: Duration::from_mins(1), limits: self.limits },
            walk: self.walk,
        };
        removal(&intent, &self.surroundings, now())
    }

    fn held(&self) -> Reason {
        self.holds().reason
    }

    fn holds(&self) -> Hold {
        match self.next() {
            Removal::Hold(hold) => hold,
            other => panic!("held was expected, not {other:?}"),
        }
    }

    fn records(&self) -> TerminationStatus {
        match self.next() {
            Removal::Record(record) => *record,
            other => panic!("a record was expected, not {other:?}"),
        }
    }

    fn released(&self) -> Reason {
        match self.next() {
            Removal::Release(release) => release.reason,
            other => panic!("released was expected, not {other:?}"),
        }
    }
}

fn entry(uid: &str, kind: &str, id: &str, time: &str) -> Entry {
    Entry { uid: uid.into(), kind: kind.into(), object: format!("ns/{uid}"), id: id.into(), time: at(time) }
}

fn booked(entries: Vec<Entry>) -> Booked {
    Booked::Read { ledger: Ledger { entries }, open: Vec::new() }
}

#[test]
fn retain_releases_without_asking_the_platform() {
    let mut case = Case::terminate();
    case.policy = DeletionPolicy::Retain;
    case.surroundings.tenant = Tenant::NotAsked;
    assert_eq!(case.released(), Reason::Retained);
}

/// shows: seeds/termination/back-up
#[test]
fn terminate_without_a_confirmation_waits_for_it_and_tells_to_back_up() {
    let mut case = Case::terminate();
    case.confirm = None;
    let hold = case.holds();
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
        let mut case = Case::terminate();
        change(case.confirm.as_mut().unwrap());
        assert_eq!(case.held(), Reason::ConfirmationInvalid);
    }
}

#[test]
fn a_fitting_confirmation_is_recorded_before_anything_is_done() {
    let Removal::Record(record) = Case::terminate().next() else { panic!("a record was expected") };
    assert_eq!(record.step, Some(TerminationStep::Confirmed));
    assert_eq!(record.suspended_by_us, Some(true));
    assert_eq!(record.confirm_digest, Some(confirm_digest("u1", &confirm())));
}

#[test]
fn the_tenant_is_suspended_then_waited_for_then_ended() {
    let mut case = Case::terminate().accepted(TerminationStep::Confirmed, None);
    case.surroundings.tenant = observed(TenantLife::Active);
    case.walk.has_recorded = true;
    assert!(matches!(case.next(), Removal::Suspend));

    let Removal::Record(record) = Case::terminate().accepted(TerminationStep::Confirmed, None).next() else {
        panic!("a record was expected")
    };
    assert_eq!(record.purge_after.as_deref(), Some("2026-11-22T13:00:00Z"));

    let waiting = Case::terminate().accepted(TerminationStep::Suspended, Some("2026-11-22T12:30:00Z"));
    assert!(matches!(waiting.next(), Removal::WaitUntil(time) if time == at("2026-11-22T12:30:00Z")));

    let over = Case::ready(TerminationStep::Suspended);
    assert_eq!(over.records().step, Some(TerminationStep::Terminating));
    // Also where an earlier process wrote it: each call has a write of its own before it.
    let mut over = Case::ready(TerminationStep::Terminating);
    over.walk.has_recorded = false;
    assert_eq!(over.records().terminating_at.as_deref(), Some("2026-11-22T12:00:00Z"));

    let permit = Case::ready(TerminationStep::Terminating).next();
    assert!(matches!(permit, Removal::Terminate(permit) if permit.id() == "client_2"));

    let mut gone = Case::terminate().accepted(TerminationStep::Terminating, Some("2026-11-22T11:30:00Z"));
    gone.surroundings.tenant = Tenant::Gone;
    assert_eq!(gone.released(), Reason::Terminated);
}

#[test]
fn a_call_that_the_platform_took_is_not_sent_again_and_whatever_holds_an_end_does_not_matter_any_more() {
    let mut case = Case::ready(TerminationStep::Terminating);
    case.record.called_at = Some("2026-11-22T11:59:58Z".into());
    assert!(matches!(case.next(), Removal::Terminate(_)), "its reply was lost and the tenant is still there");
    case.record.accepted_at = Some("2026-11-22T11:59:59Z".into());
    for has_recorded in [false, true] {
        case.walk.has_recorded = has_recorded;
        assert!(matches!(case.next(), Removal::AwaitEnd(since) if since == "2026-11-22T11:59:59Z"));
    }
    case.surroundings.children = Children::default();
    assert!(matches!(case.next(), Removal::AwaitEnd(_)));
    // Put back in service, it was not ended by that call, which counts for nothing any more.
    case.surroundings = Case::ready(TerminationStep::Terminating).surroundings;
    case.surroundings.tenant = observed(TenantLife::Active);
    let noted = case.records();
    assert_eq!((noted.called_at, noted.accepted_at, noted.purge_after), (None, None, None));
}

#[test]
fn a_tenant_found_active_starts_the_grace_period_anew() {
    let mut case = Case::terminate().accepted(TerminationStep::Suspended, Some("2026-11-22T11:30:00Z"));
    case.surroundings.tenant = observed(TenantLife::Active);
    let Removal::Record(record) = case.next() else { panic!("a record was expected") };
    assert_eq!((record.step, record.purge_after), (Some(TerminationStep::Confirmed), None));
}

#[test]
fn nothing_is_suspended_for_a_termination_but_right_after_a_write_that_changes_the_record() {
    let mut case = Case::terminate().accepted(TerminationStep::Confirmed, None);
    case.surroundings.tenant = observed(TenantLife::Active);
    let noted = case.records();
    assert_eq!(noted.suspending_at.as_deref(), Some("2026-11-22T12:00:00Z"));
    assert_ne!(noted, case.record);
    (case.record, case.walk.has_recorded) = (noted, true);
    assert!(matches!(case.next(), Removal::Suspend));
    case.walk.has_recorded = false;
    case.records();
}

#[test]
fn a_tenant_found_active_after_the_call_may_have_been_made_does_not_make_that_forgotten() {
    let mut case = Case::ready(TerminationStep::Terminating);
    case.surroundings.tenant = observed(TenantLife::Active);
    case.record = case.records();
    assert_eq!((case.record.step, &case.record.purge_after), (Some(TerminationStep::Terminating), &None));
    case.surroundings.tenant = observed(TenantLife::Suspended);
    case.record = case.records();
    assert_eq!(case.record.step, Some(TerminationStep::Terminating));
    assert_eq!(case.record.purge_after.as_deref(), Some("2026-11-22T13:00:00Z"));
    assert!(matches!(case.next(), Removal::WaitUntil(_)));
    case.policy = DeletionPolicy::Retain;
    assert!(case.records().cancelled_at.is_some(), "a cancel waits for the call");
}

#[test]
fn a_period_that_ran_out_after_the_tenant_was_read_is_looked_at_once_more() {
    let mut case = Case::ready(TerminationStep::Terminating);
    let over = at("2026-11-22T11:30:00Z");
    case.walk.begun = over;
    assert!(matches!(case.next(), Removal::Terminate(_)));
    case.walk.begun = at("2026-11-22T11:29:59.9Z");
    assert!(matches!(case.next(), Removal::WaitUntil(time) if time == over));
}

#[test]
fn an_edited_grace_period_can_only_lengthen_the_wait() {
    // Confirmed at 10:00 with 3600 s; the record says 10:30, the edit says 11:00: both are over at 12:00.
    let mut case = Case::ready(TerminationStep::Terminating);
    case.record.purge_after = Some("2026-11-22T10:30:00Z".into());
    assert!(matches!(case.next(), Removal::Terminate(_)));
    case.record.confirmed_at = Some("2026-11-22T11:30:00Z".into());
    assert!(matches!(case.next(), Removal::WaitUntil(time) if time == at("2026-11-22T12:30:00Z")));
}

#[test]
fn children_hold_a_termination_at_every_step() {
    for step in [TerminationStep::Confirmed, TerminationStep::Suspended, TerminationStep::Terminating] {
        let live = Children { live: Some(vec!["Globex".into()]), ..Children::default() };
        let declared = Children { objects: vec!["ns/globex".into()], live: Some(Vec::new()), ..Children::default() };
        for children in [live, declared, Children::default()] {
            let mut case = Case::terminate().accepted(step, Some("2026-11-22T11:30:00Z"));
            case.surroundings.children = children;
            assert_eq!(case.held(), Reason::ClientsRemain);
        }
    }
}

#[test]
fn namespace_or_kind_going_releases_and_not_knowing_holds() {
    for going in [Going::Namespace, Going::Definition] {
        let mut case = Case::terminate().accepted(TerminationStep::Terminating, Some("2026-11-22T11:30:00Z"));
        case.surroundings.going = going;
        assert_eq!(case.released(), Reason::Retained);
    }
    let mut case = Case::terminate();
    case.surroundings.going = Going::CannotTell("forbidden".into());
    assert_eq!(case.held(), Reason::CannotTellWhy);
    case.policy = DeletionPolicy::Retain;
    assert_eq!(case.released(), Reason::Retained);
}

#[test]
fn the_block_to_paste_is_accepted_and_stays_until_its_time_has_passed() {
    let Tenant::Found(tenant) = observed(TenantLife::Active) else { unreachable!() };
    let block = how_to_confirm(&tenant, None, now());
    let parsed: serde_json::Value = serde_yaml::from_str(&block).unwrap();
    let pasted: Confirmation = serde_json::from_value(parsed["deletion"]["confirm"].clone()).unwrap();
    let mut case = Case::terminate();
    case.confirm = Some(pasted);
    assert!(matches!(case.next(), Removal::Record(_)));
    assert_eq!(how_to_confirm(&tenant, Some(&block), at("2026-11-24T00:00:00Z")), block);
    assert_ne!(how_to_confirm(&tenant, Some(&block), at("2026-11-29T00:00:00Z")), block);
}
