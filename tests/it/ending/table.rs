//! The page about deletion and the code say the same: `plan::removal` is walked through it.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use jiff::Timestamp;
use tenantry::api::{Acknowledgement, Confirmation, DeletionPolicy, Reason, TerminationStatus};
use tenantry::plan::{
    Booked, Children, ClockReading, Entry, Going, Kept, Kind, Ledger, Limits, MarkSeen, Observed, Removal,
    RemovalIntent, Rules, Surroundings, Tenant, TenantLife, Walk, removal,
};
use tenantry::wire::Mark;

use crate::assets;

/// An object that is being deleted, its tenant and everything around, as the operator would move them.
struct Small {
    policy: DeletionPolicy,
    confirm: Option<Confirmation>,
    record: TerminationStatus,
    around: Surroundings,
    is_paused: bool,
    unique_id: Option<String>,
    now: Timestamp,
    has_recorded: bool,
}

fn mark() -> Mark {
    "c1/Client/ns/globex/u1".parse().unwrap()
}

fn tenant(life: TenantLife) -> Box<Observed> {
    Box::new(Observed {
        unique_id: "client_2".to_owned(),
        served: BTreeMap::new(),
        account_id: None,
        name: "Globex".to_owned(),
        life,
        mark: MarkSeen::Whole(mark()),
        seen: BTreeMap::new(),
        created: None,
        updated: None,
        revision: None,
        url: None,
        api_endpoint: None,
        unknown: tenantry::plan::Unknown::default(),
    })
}

impl Small {
    fn new() -> Self {
        Self {
            policy: DeletionPolicy::Terminate,
            confirm: None,
            record: TerminationStatus::default(),
            around: Surroundings {
                tenant: Tenant::Found(tenant(TenantLife::Active)),
                children: Children { live: Some(Vec::new()), ..Children::default() },
                evidence: Kept::Missing("terminated-u1".to_owned()),
                ledger: Booked::Read { ledger: Ledger::default(), open: Vec::new() },
                ..Surroundings::new(Going::No)
            },
            is_paused: false,
            unique_id: Some("client_2".to_owned()),
            now: "2026-11-22T12:00:00Z".parse().unwrap(),
            has_recorded: false,
        }
    }

    fn confirmed() -> Self {
        let mut small = Self::new();
        small.consent();
        small
    }

    fn consent(&mut self) {
        self.confirm = Some(Confirmation {
            name: "Globex".to_owned(),
            unique_id: "client_2".to_owned(),
            acknowledge: Acknowledgement::ALL.to_vec(),
            not_after: "2026-11-25T12:00:00Z".to_owned(),
        });
    }

    fn decide(&self) -> Removal {
        let mark = mark();
        let intent = RemovalIntent {
            kind: Kind::Client,
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
            rules: Rules { request_timeout: Duration::from_mins(1), limits: Limits { partners: 3, clients: 30 } },
            walk: Walk { begun: self.now, has_recorded: self.has_recorded },
        };
        removal(&intent, &self.around, self.now)
    }

    /// Does what was decided, and says what it was.
    fn step(&mut self) -> String {
        let decided = self.decide();
        self.has_recorded = matches!(decided, Removal::Record(_));
        match decided {
            Removal::Release(release) => format!("Release({})", release.reason.name()),
            Removal::Hold(hold) => format!("Hold({})", hold.reason.name()),
            Removal::Record(record) => {
                let label = label(&self.record, &record);
                self.record = *record;
                label
            }
            Removal::Identify(id) => {
                self.unique_id = Some(id);
                "Identify".to_owned()
            }
            Removal::Suspend => self.moved("Suspend", Tenant::Found(tenant(TenantLife::Suspended))),
            Removal::Activate => self.moved("Activate", Tenant::Found(tenant(TenantLife::Active))),
            Removal::Terminate(_) => {
                self.record.called_at = Some(self.now.to_string());
                self.record.accepted_at = Some(self.now.to_string());
                self.moved("Terminate", Tenant::Gone)
            }
            Removal::AwaitEnd(_) => "AwaitEnd".to_owned(),
            Removal::WaitUntil(time) => self.waited("WaitUntil", time),
            Removal::LookAgain(time) => self.waited("LookAgain", time),
            Removal::KeepEvidence(name) => {
                self.around.evidence = Kept::There(format!("tenantry-system/{name}"));
                "KeepEvidence".to_owned()
            }
            Removal::Reserve(ledger) => {
                self.around.ledger = Booked::Read { ledger, open: Vec::new() };
                "Reserve".to_owned()
            }
        }
    }

    fn moved(&mut self, label: &str, tenant: Tenant) -> String {
        self.around.tenant = tenant;
        label.to_owned()
    }

    fn waited(&mut self, label: &str, time: Timestamp) -> String {
        self.now = time;
        label.to_owned()
    }

    /// Where it ends from here.
    fn end(mut self) -> String {
        (0..20).map(|_| self.step()).find(|label| label.starts_with("Release")).unwrap()
    }
}

/// What a write to status adds.
fn label(before: &TerminationStatus, after: &TerminationStatus) -> String {
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

/// Cells of the rows under a heading of the page, without the heading of the table.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let page = fs::read_to_string(assets::root().join("docs/deletion.md")).unwrap();
    let section = page.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let table = section.lines().filter(|line| line.starts_with("| ")).skip(2);
    table.map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

#[test]
fn the_steps_of_the_walk_are_the_rows_of_the_page_and_a_cancel_ends_as_it_says() {
    let mut small = Small::new();
    let mut walked = Vec::new();
    loop {
        let mut cancelled = Small { policy: DeletionPolicy::Retain, around: small.around.clone(), ..Small::new() };
        (cancelled.record, cancelled.confirm, cancelled.now) = (small.record.clone(), small.confirm.clone(), small.now);
        let end = cancelled.end();
        let label = small.step();
        walked.push((label.clone(), end));
        assert!(walked.len() < 20, "{walked:?}");
        match label.as_str() {
            "Hold(ConfirmationNeeded)" => small.consent(),
            _ if label.starts_with("Release") => break,
            _ => {}
        }
    }
    let rows = rows("The walk");
    assert!(rows.iter().all(|row| row.len() == 6 && row.iter().all(|cell| !cell.is_empty())), "{rows:?}");
    let of_page: Vec<(String, String)> =
        rows.iter().map(|row| (row[1].replace('`', ""), row[5].replace('`', ""))).collect();
    assert_eq!(walked, of_page);
}

#[test]
fn a_tenant_found_active_is_suspended_again_in_the_steps_of_the_page() {
    let activated_after = |label: &str| {
        let mut small = Small::confirmed();
        while small.step() != label {}
        small.around.tenant = Tenant::Found(tenant(TenantLife::Active));
        small
    };
    let mut small = activated_after("Record(Terminating)");
    let walked: Vec<String> = (0..4).map(|_| format!("`{}`", small.step())).collect();
    let page = fs::read_to_string(assets::root().join("docs/deletion.md")).unwrap();
    assert!(page.contains(&walked.join(", ")), "{walked:?}");
    assert_eq!(
        [small.step(), small.step(), small.step()],
        ["Record(terminatingAt)", "Terminate", "Release(Terminated)"],
        "each call has a write of its own before it"
    );
    // Earlier the state is set back too, by which these writes are named.
    let mut small = activated_after("WaitUntil");
    assert_eq!([small.step(), small.step(), small.step()], ["Record(Confirmed)", "Suspend", "Record(Suspended)"]);
}

/// A world for each reason to wait, with the policy still to be set.
fn obstacles() -> Vec<(Reason, Small)> {
    let with = |change: &dyn Fn(&mut Small)| {
        let mut small = Small::confirmed();
        change(&mut small);
        small
    };
    let unreachable = |reason| with(&|small| small.around.tenant = Tenant::Unreachable(reason, "why".to_owned()));
    let due = |change: &dyn Fn(&mut Small)| {
        let mut small = Small::confirmed();
        while small.step() != "WaitUntil" {}
        change(&mut small);
        small
    };
    let entry = |n: usize| Entry {
        uid: format!("o{n}"),
        kind: "Client".to_owned(),
        object: format!("ns/o{n}"),
        id: "client_9".to_owned(),
        time: "2026-11-22T12:00:00Z".parse().unwrap(),
    };
    let full = Ledger { entries: (0..30).map(entry).collect() };
    vec![
        (Reason::ConfirmationNeeded, Small::new()),
        (Reason::ConfirmationInvalid, with(&|small| "Other".clone_into(&mut small.confirm.as_mut().unwrap().name))),
        (Reason::ClientsRemain, with(&|small| small.around.children.live = Some(vec!["Initech".to_owned()]))),
        (Reason::CannotTellWhy, with(&|small| small.around.going = Going::CannotTell("forbidden".to_owned()))),
        (Reason::NamespaceNotAllowed, with(&|small| small.around.reference_broken = Some("why".to_owned()))),
        (Reason::PartnerNotFound, unreachable(Reason::PartnerNotFound)),
        (Reason::PartnerNotReady, unreachable(Reason::PartnerNotReady)),
        (Reason::CredentialsUnavailable, unreachable(Reason::CredentialsUnavailable)),
        (Reason::OwnedElsewhere, with(&|small| small.around.tenant = Tenant::NotOurs("client_2".to_owned()))),
        (Reason::NotAdopted, with(&|small| small.around.tenant = Tenant::Unmarked(tenant(TenantLife::Active)))),
        (
            Reason::AmbiguousCreate,
            with(&|small| {
                small.unique_id = None;
                small.around.tenant = Tenant::Ambiguous("more than one".to_owned());
            }),
        ),
        (Reason::ManagementPaused, with(&|small| small.is_paused = true)),
        (
            Reason::ClockDisagrees,
            with(&|small| {
                let date = small.now + jiff::SignedDuration::from_hours(25);
                let reading = ClockReading { asked: small.now, date, answered: small.now };
                small.around.clocks.cluster = Some(reading);
            }),
        ),
        (Reason::EvidenceMissing, due(&|small| small.around.evidence = Kept::Unusable("why".to_owned()))),
        (
            Reason::LedgerUnusable,
            due(&|small| {
                small.around.evidence = Kept::There("x".to_owned());
                small.record.evidence = Some("x".to_owned());
                small.around.ledger = Booked::Unusable("why".to_owned());
            }),
        ),
        (
            Reason::BreakerOpen,
            due(&|small| {
                small.around.evidence = Kept::There("x".to_owned());
                small.record.evidence = Some("x".to_owned());
                small.around.ledger = Booked::Read { ledger: full.clone(), open: Vec::new() };
            }),
        ),
    ]
}

#[test]
fn what_holds_a_deletion_under_which_policy_is_what_the_page_says() {
    let fate = |mut small: Small, policy: DeletionPolicy| {
        small.policy = policy;
        let label =
            (0..20).map(|_| small.step()).find(|label| label.starts_with("Release") || label.starts_with("Hold"));
        label.unwrap()
    };
    let policies = [DeletionPolicy::Retain, DeletionPolicy::Suspend, DeletionPolicy::Terminate];
    let mut found = Vec::new();
    for (number, (reason, _)) in obstacles().into_iter().enumerate() {
        let fates = policies.map(|policy| {
            let (_, small) = obstacles().swap_remove(number);
            let label = fate(small, policy);
            if label.starts_with("Release") {
                return "goes".to_owned();
            }
            assert_eq!(label, format!("Hold({})", reason.name()));
            "waits".to_owned()
        });
        found.push([vec![format!("`{}`", reason.name())], fates.to_vec()].concat());
    }
    let rows = rows("What blocks a deletion");
    assert!(rows.iter().all(|row| row.len() == 5 && !row[4].is_empty()), "{rows:?}");
    let of_page: Vec<Vec<String>> = rows.iter().map(|row| row[..4].to_vec()).collect();
    assert_eq!(found, of_page);
}
