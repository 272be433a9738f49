//! Verifies that the page about deletion agrees with the code, by running `tenantry_core::deletion` through the page's tables.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use jiff::Timestamp;
use tenantry_api::{Acknowledgement, Confirmation, DeletionPolicy, Reason, TerminationStatus};
use tenantry_core::{
    ClockReading, ContainerDeletion, DeletionContext, DeletionIntent, DeletionPass, DeletionRules, DeletionStep,
    DeletionTarget, EvidenceState, LedgerEntry, LedgerState, LifecycleState, ObservedMark, ObservedTenant,
    PartnerClients, TenantKind, TerminationLedger, TerminationLimits, next_deletion_step,
};
use tenantry_wire::Mark;

use crate::assets;

/// An object that is being deleted, with its tenant and context, as the operator would change them.
struct DeletionExample {
    policy: DeletionPolicy,
    confirm: Option<Confirmation>,
    record: TerminationStatus,
    around: DeletionContext,
    is_paused: bool,
    unique_id: Option<String>,
    now: Timestamp,
    has_recorded: bool,
}

fn mark() -> Mark {
    "c1/Client/ns/globex/u1".parse().unwrap()
}

fn observed_tenant(lifecycle: LifecycleState) -> Box<ObservedTenant> {
    Box::new(ObservedTenant {
        unique_id: "client_2".to_owned(),
        served_images: BTreeMap::new(),
        account_id: None,
        name: "Globex".to_owned(),
        lifecycle,
        mark: ObservedMark::Full(mark()),
        values: BTreeMap::new(),
        created: None,
        updated: None,
        revision: None,
        url: None,
        api_endpoint: None,
        unknown: tenantry_core::UnknownAnswers::default(),
    })
}

impl DeletionExample {
    fn new() -> Self {
        Self {
            policy: DeletionPolicy::Terminate,
            confirm: None,
            record: TerminationStatus::default(),
            around: DeletionContext {
                tenant: DeletionTarget::Found(observed_tenant(LifecycleState::Active)),
                children: PartnerClients { active_tenants: Some(Vec::new()), ..PartnerClients::default() },
                evidence: EvidenceState::Missing("terminated-u1".to_owned()),
                ledger: LedgerState::Read { ledger: TerminationLedger::default(), open: Vec::new() },
                ..DeletionContext::new(ContainerDeletion::NotDeleting)
            },
            is_paused: false,
            unique_id: Some("client_2".to_owned()),
            now: "2026-11-22T12:00:00Z".parse().unwrap(),
            has_recorded: false,
        }
    }

    fn new_confirmed() -> Self {
        let mut small = Self::new();
        small.add_consent();
        small
    }

    fn add_consent(&mut self) {
        self.confirm = Some(Confirmation {
            name: "Globex".to_owned(),
            unique_id: "client_2".to_owned(),
            acknowledge: Acknowledgement::ALL.to_vec(),
            not_after: "2026-11-25T12:00:00Z".to_owned(),
        });
    }

    fn decide_deletion_step(&self) -> DeletionStep {
        let mark = mark();
        let intent = DeletionIntent {
            kind: TenantKind::Client,
            object: "ns/globex",
            policy: self.policy,
            grace_seconds: Some(60),
            confirm: self.confirm.as_ref(),
            uid: "u1",
            abandon: None,
            unique_id: self.unique_id.as_deref(),
            mark: &mark,
            record: &self.record,
            has_adoption_id: false,
            is_paused: self.is_paused,
            rules: DeletionRules {
                request_timeout: Duration::from_mins(1),
                limits: TerminationLimits { partners: 3, clients: 30 },
            },
            pass: DeletionPass { started_at: self.now, has_recorded: self.has_recorded },
        };
        next_deletion_step(&intent, &self.around, self.now)
    }

    /// Applies the next decision. Returns its name.
    fn apply_decision(&mut self) -> String {
        let decided = self.decide_deletion_step();
        self.has_recorded = matches!(decided, DeletionStep::RecordProgress(_));
        match decided {
            DeletionStep::Release(release) => format!("Release({})", release.reason.name()),
            DeletionStep::Hold(hold) => format!("Hold({})", hold.reason.name()),
            DeletionStep::RecordProgress(record) => {
                let label = status_change_label(&self.record, &record);
                self.record = *record;
                label
            }
            DeletionStep::RecordTenantId(id) => {
                self.unique_id = Some(id);
                "Identify".to_owned()
            }
            DeletionStep::Suspend => {
                self.with_tenant_state("Suspend", DeletionTarget::Found(observed_tenant(LifecycleState::Suspended)))
            }
            DeletionStep::Activate => {
                self.with_tenant_state("Activate", DeletionTarget::Found(observed_tenant(LifecycleState::Active)))
            }
            DeletionStep::Terminate(_) => {
                self.record.called_at = Some(self.now.to_string());
                self.record.accepted_at = Some(self.now.to_string());
                self.with_tenant_state("Terminate", DeletionTarget::Gone)
            }
            DeletionStep::AwaitTermination(_) => "AwaitEnd".to_owned(),
            DeletionStep::WaitUntil(time) => self.with_time("WaitUntil", time),
            DeletionStep::CheckAgainAt(time) => self.with_time("LookAgain", time),
            DeletionStep::WriteEvidence(name) => {
                self.around.evidence = EvidenceState::Present(format!("tenantry-system/{name}"));
                "KeepEvidence".to_owned()
            }
            DeletionStep::ReserveInLedger(ledger) => {
                self.around.ledger = LedgerState::Read { ledger, open: Vec::new() };
                "Reserve".to_owned()
            }
        }
    }

    fn with_tenant_state(&mut self, label: &str, tenant: DeletionTarget) -> String {
        self.around.tenant = tenant;
        label.to_owned()
    }

    fn with_time(&mut self, label: &str, time: Timestamp) -> String {
        self.now = time;
        label.to_owned()
    }

    /// Runs until the object is released. Returns how.
    fn run_to_release(mut self) -> String {
        (0..20).map(|_| self.apply_decision()).find(|label| label.starts_with("Release")).unwrap()
    }
}

/// Returns the name of a write to status.
fn status_change_label(before: &TerminationStatus, after: &TerminationStatus) -> String {
    match after.step {
        Some(step) if before.step != after.step => format!("Record({step:?})"),
        _ if before.suspending_at != after.suspending_at => "Record(suspendingAt)".to_owned(),
        _ if before.terminating_at != after.terminating_at => "Record(terminatingAt)".to_owned(),
        _ if before.evidence != after.evidence => "Record(evidence)".to_owned(),
        _ if before.cancelled_at != after.cancelled_at => "Record(cancelledAt)".to_owned(),
        _ if before.purge_after != after.purge_after => "Record(purgeAfter)".to_owned(),
        _ => "Record(?)".to_owned(),
    }
}

/// Returns the cells of the table rows under a heading of the page, without the table's header.
fn page_rows(heading: &str) -> Vec<Vec<String>> {
    let page = fs::read_to_string(assets::root().join("docs/deletion.md")).unwrap();
    let section = page.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let table = section.lines().filter(|line| line.starts_with("| ")).skip(2);
    table.map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

#[test]
fn the_steps_of_the_walk_are_the_rows_of_the_page_and_a_cancel_ends_as_it_says() {
    let mut small = DeletionExample::new();
    let mut walked = Vec::new();
    loop {
        let mut cancelled =
            DeletionExample { policy: DeletionPolicy::Retain, around: small.around.clone(), ..DeletionExample::new() };
        (cancelled.record, cancelled.confirm, cancelled.now) = (small.record.clone(), small.confirm.clone(), small.now);
        let end = cancelled.run_to_release();
        let label = small.apply_decision();
        walked.push((label.clone(), end));
        assert!(walked.len() < 20, "{walked:?}");
        match label.as_str() {
            "Hold(ConfirmationNeeded)" => small.add_consent(),
            _ if label.starts_with("Release") => break,
            _ => {}
        }
    }
    let rows = page_rows("The walk");
    assert!(rows.iter().all(|row| row.len() == 6 && row.iter().all(|cell| !cell.is_empty())), "{rows:?}");
    let of_page: Vec<(String, String)> =
        rows.iter().map(|row| (row[1].replace('`', ""), row[5].replace('`', ""))).collect();
    assert_eq!(walked, of_page);
}

#[test]
fn a_tenant_found_active_is_suspended_again_in_the_steps_of_the_page() {
    let activated_after = |label: &str| {
        let mut small = DeletionExample::new_confirmed();
        while small.apply_decision() != label {}
        small.around.tenant = DeletionTarget::Found(observed_tenant(LifecycleState::Active));
        small
    };
    let mut small = activated_after("Record(Terminating)");
    let walked: Vec<String> = (0..4).map(|_| format!("`{}`", small.apply_decision())).collect();
    let page = fs::read_to_string(assets::root().join("docs/deletion.md")).unwrap();
    assert!(page.contains(&walked.join(", ")), "{walked:?}");
    assert_eq!(
        [small.apply_decision(), small.apply_decision(), small.apply_decision()],
        ["Record(terminatingAt)", "Terminate", "Release(Terminated)"],
        "each call has a write of its own before it"
    );
    // If the tenant is activated earlier, the writes also reset the state, and their labels name it.
    let mut small = activated_after("WaitUntil");
    assert_eq!(
        [small.apply_decision(), small.apply_decision(), small.apply_decision()],
        ["Record(Confirmed)", "Suspend", "Record(Suspended)"]
    );
}

/// Returns an example for each reason to wait. The caller sets the policy.
fn deletion_obstacles() -> Vec<(Reason, DeletionExample)> {
    let with = |change: &dyn Fn(&mut DeletionExample)| {
        let mut small = DeletionExample::new_confirmed();
        change(&mut small);
        small
    };
    let unreachable =
        |reason| with(&|small| small.around.tenant = DeletionTarget::Unreachable(reason, "why".to_owned()));
    let due = |change: &dyn Fn(&mut DeletionExample)| {
        let mut small = DeletionExample::new_confirmed();
        while small.apply_decision() != "WaitUntil" {}
        change(&mut small);
        small
    };
    let entry = |n: usize| LedgerEntry {
        uid: format!("o{n}"),
        kind: "Client".to_owned(),
        object: format!("ns/o{n}"),
        id: "client_9".to_owned(),
        time: "2026-11-22T12:00:00Z".parse().unwrap(),
    };
    let full = TerminationLedger { entries: (0..30).map(entry).collect() };
    vec![
        (Reason::ConfirmationNeeded, DeletionExample::new()),
        (Reason::ConfirmationInvalid, with(&|small| "Other".clone_into(&mut small.confirm.as_mut().unwrap().name))),
        (Reason::ClientsRemain, with(&|small| small.around.children.active_tenants = Some(vec!["Initech".to_owned()]))),
        (
            Reason::CannotTellWhy,
            with(&|small| small.around.container = ContainerDeletion::Unknown("forbidden".to_owned())),
        ),
        (Reason::NamespaceNotAllowed, with(&|small| small.around.reference_broken = Some("why".to_owned()))),
        (Reason::PartnerNotFound, unreachable(Reason::PartnerNotFound)),
        (Reason::PartnerNotReady, unreachable(Reason::PartnerNotReady)),
        (Reason::CredentialsUnavailable, unreachable(Reason::CredentialsUnavailable)),
        (Reason::OwnedElsewhere, with(&|small| small.around.tenant = DeletionTarget::NotOurs("client_2".to_owned()))),
        (
            Reason::NotAdopted,
            with(&|small| small.around.tenant = DeletionTarget::Unmarked(observed_tenant(LifecycleState::Active))),
        ),
        (
            Reason::AmbiguousCreate,
            with(&|small| {
                small.unique_id = None;
                small.around.tenant = DeletionTarget::Ambiguous("more than one".to_owned());
            }),
        ),
        (Reason::ManagementPaused, with(&|small| small.is_paused = true)),
        (
            Reason::ClockDisagrees,
            with(&|small| {
                let date = small.now + jiff::SignedDuration::from_hours(25);
                let reading = ClockReading { sent_at: small.now, server_time: date, received_at: small.now };
                small.around.clocks.cluster = Some(reading);
            }),
        ),
        (Reason::EvidenceMissing, due(&|small| small.around.evidence = EvidenceState::Unusable("why".to_owned()))),
        (
            Reason::LedgerUnusable,
            due(&|small| {
                small.around.evidence = EvidenceState::Present("x".to_owned());
                small.record.evidence = Some("x".to_owned());
                small.around.ledger = LedgerState::Unusable("why".to_owned());
            }),
        ),
        (
            Reason::BreakerOpen,
            due(&|small| {
                small.around.evidence = EvidenceState::Present("x".to_owned());
                small.record.evidence = Some("x".to_owned());
                small.around.ledger = LedgerState::Read { ledger: full.clone(), open: Vec::new() };
            }),
        ),
    ]
}

#[test]
fn what_holds_a_deletion_under_which_policy_is_what_the_page_says() {
    let fate = |mut small: DeletionExample, policy: DeletionPolicy| {
        small.policy = policy;
        let label = (0..20)
            .map(|_| small.apply_decision())
            .find(|label| label.starts_with("Release") || label.starts_with("Hold"));
        label.unwrap()
    };
    let policies = [DeletionPolicy::Retain, DeletionPolicy::Suspend, DeletionPolicy::Terminate];
    let mut found = Vec::new();
    for (number, (reason, _)) in deletion_obstacles().into_iter().enumerate() {
        let fates = policies.map(|policy| {
            let (_, small) = deletion_obstacles().swap_remove(number);
            let label = fate(small, policy);
            if label.starts_with("Release") {
                return "goes".to_owned();
            }
            assert_eq!(label, format!("Hold({})", reason.name()));
            "waits".to_owned()
        });
        found.push([vec![format!("`{}`", reason.name())], fates.to_vec()].concat());
    }
    let rows = page_rows("What blocks a deletion");
    assert!(rows.iter().all(|row| row.len() == 5 && !row[4].is_empty()), "{rows:?}");
    let of_page: Vec<Vec<String>> = rows.iter().map(|row| row[..4].to_vec()).collect();
    assert_eq!(found, of_page);
}
