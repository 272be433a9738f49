//! The real `removal`, asked with what the model's operator has read.

use std::cell::RefCell;
use std::collections::HashMap;

use jiff::SignedDuration;

use super::*;

/// Asks the real function, each question once.
#[derive(Default)]
pub(super) struct Judge(RefCell<HashMap<Asked, Decided>>);

type Asked = (u8, Wish, Around, Walked, Clock);

/// The clock of the operator that asks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Clock {
    Right,
    /// An hour ahead of the servers'.
    Ahead,
    /// The same, and nobody compares it.
    AheadAndBelieved,
}

fn minutes(number: i64) -> SignedDuration {
    SignedDuration::from_mins(number)
}

fn text(in_minutes: i64) -> String {
    (now() + minutes(in_minutes)).to_string()
}

fn consent(Confirm { says, left }: Confirm) -> Confirmation {
    let not_after = now() + minutes(left.map_or(-1, i64::from));
    let not_after = if says == Says::RightAnew { not_after + SignedDuration::from_millis(1) } else { not_after };
    let name = if says == Says::WrongName { "globex" } else { "Globex" };
    Confirmation { name: name.into(), not_after: not_after.to_string(), ..confirm() }
}

fn uid(uid: u8) -> String {
    format!("u{uid}")
}

/// The record as it is kept. The digest is of the confirmation that was accepted, with the times of now.
fn record(Wish { confirm, record, .. }: Wish, uid: &str) -> TerminationStatus {
    let left = confirm.and_then(|confirm| confirm.left);
    TerminationStatus {
        step: [
            None,
            Some(TerminationStep::Confirmed),
            Some(TerminationStep::Suspended),
            Some(TerminationStep::Terminating),
        ][usize::from(record.step)],
        confirmed_at: record.accepted.map(|_| text(-i64::from(record.accepted_ago))),
        confirm_digest: record.accepted.map(|says| confirm_digest(uid, &consent(Confirm { says, left }))),
        suspended_by_us: record.by_us,
        purge_after: record.purge_in.map(|left| text(i64::from(left))),
        evidence: record.has_evidence.then(|| RECORD.to_owned()),
        called_at: record.is_taken.then(|| text(0)),
        accepted_at: record.is_taken.then(|| text(0)),
        cancelled_at: record.cancelled_ago.map(|ago| text(-i64::from(ago))),
        ..TerminationStatus::default()
    }
}

/// The record as the model keeps it.
fn progress(made: &TerminationStatus, before: Wish) -> Progress {
    let from_now = |text: &Option<String>| text.as_deref().map(|text| at(text).duration_since(now()).as_mins());
    let is_new = before.record.accepted.is_none() && made.confirm_digest.is_some();
    Progress {
        step: match made.step {
            None => 0,
            Some(TerminationStep::Confirmed) => 1,
            Some(TerminationStep::Suspended) => 2,
            Some(TerminationStep::Terminating | TerminationStep::Terminated) => 3,
        },
        accepted: if is_new { before.confirm.map(|confirm| confirm.says) } else { before.record.accepted },
        accepted_ago: u8::try_from(-from_now(&made.confirmed_at).unwrap_or_default()).unwrap_or_default(),
        by_us: made.suspended_by_us,
        purge_in: from_now(&made.purge_after).map(|left| u8::try_from(left).unwrap()),
        has_evidence: made.evidence.is_some(),
        is_taken: made.accepted_at.is_some(),
        cancelled_ago: from_now(&made.cancelled_at).map(|left| u8::try_from(-left).unwrap_or_default()),
    }
}

fn ledger(book: Book) -> Ledger {
    let own = book.own.then(|| entry("u1", "Partner", "client_2", "2026-11-22T11:59:00Z"));
    let other = book.other.then(|| entry("u9", "Partner", "msp_9", "2026-11-22T11:59:00Z"));
    Ledger { entries: own.into_iter().chain(other).collect() }
}

fn surroundings(seen: Around, object: u8) -> Surroundings {
    let going = match seen.going {
        Gone::No => Going::No,
        Gone::Namespace => Going::Namespace,
        Gone::Unseen | Gone::Hidden => Going::CannotTell("forbidden".into()),
    };
    let Tenant::Found(found) = observed(seen.life) else { unreachable!() };
    let tenant = match (seen.life, seen.mark == object) {
        (TenantLife::Terminated, _) => Tenant::Gone,
        (_, true) => Tenant::Found(found),
        (_, false) => Tenant::NotOurs("client_2".into()),
    };
    let kept = |says| {
        if seen.evidence == Some(says) { Kept::There(RECORD.into()) } else { Kept::Missing("terminated-u1".into()) }
    };
    Surroundings {
        tenant,
        children: Children {
            objects: seen.has_child_object.then(|| "ns/globex".to_owned()).into_iter().collect(),
            leaving: Vec::new(),
            live: Some(seen.has_living_child.then(|| "Globex".to_owned()).into_iter().collect()),
        },
        reference_broken: seen.is_reference_broken.then(|| "not allowed".to_owned()),
        evidence: kept(Says::Right),
        ledger: booked(ledger(seen.book).entries),
        ..Surroundings::new(going)
    }
}

impl Judge {
    /// What the real function says to an object and what stands around it.
    pub(super) fn decide(&self, (object, wish): (u8, Wish), seen: Around, (walk, clock): (Walked, Clock)) -> Decided {
        let asked = || asked((object, wish), seen, (walk, clock));
        *self.0.borrow_mut().entry((object, wish, seen, walk, clock)).or_insert_with(asked)
    }
}

fn asked(
    (object, wish): (u8, Wish),
    seen: Around,
    (Walked { has_recorded, is_early }, clock): (Walked, Clock),
) -> Decided {
    let ours = if clock == Clock::Right { now() } else { now() + minutes(60) };
    let uid = uid(object);
    let record = record(wish, &uid);
    let confirm = wish.confirm.map(consent);
    let mark: Mark = format!("c1/Partner/ns/globex/{uid}").parse().unwrap();
    let intent = RemovalIntent {
        kind: Kind::Partner,
        object: "ns/globex",
        policy: match wish.policy {
            Policy::Retain => DeletionPolicy::Retain,
            Policy::Suspend => DeletionPolicy::Suspend,
            Policy::Terminate => DeletionPolicy::Terminate,
        },
        grace_seconds: Some(60 * i64::from(wish.grace)),
        confirm: confirm.as_ref(),
        uid: &uid,
        abandon: None,
        unique_id: Some("client_2"),
        mark: &mark,
        record: &record,
        has_adoption_id: false,
        is_paused: false,
        rules: Rules {
            request_timeout: Duration::from_mins(u64::from(REQUEST)),
            limits: Limits { partners: 1, clients: 1 },
        },
        walk: Walk { begun: ours - minutes(i64::from(is_early)), has_recorded },
    };
    // Of the record of what is ended only that of the accepted confirmation counts.
    let mut surroundings = surroundings(seen, object);
    if wish.record.accepted != Some(Says::Right) {
        surroundings.evidence = match wish.record.accepted {
            Some(says) if seen.evidence == Some(says) => Kept::There(RECORD.into()),
            _ => Kept::Missing("terminated-u1".into()),
        };
    }
    let accepted = wish.record.accepted.unwrap_or(Says::Right);
    let theirs = if clock == Clock::Ahead { now() } else { ours };
    let reading = Some(ClockReading { asked: ours, date: theirs, answered: ours });
    surroundings.clocks = Clocks { cluster: reading, platform: reading };
    match removal(&intent, &surroundings, ours) {
        Removal::Release(release) => Decided::Does(Request::Release(
            match release.reason {
                Reason::Terminated | Reason::AlreadyGone => Done::Ended,
                Reason::TooLateToCancel => Done::TooLate,
                Reason::Cancelled | Reason::Suspended => Done::Alive,
                _ => Done::Otherwise,
            },
            true,
        )),
        Removal::Hold(hold) => Decided::Holds(hold.reason),
        // A write that changes nothing shuts nothing out.
        Removal::Record(made) if *made == record => panic!("{made:?}"),
        Removal::Record(made) => Decided::Does(Request::Record(progress(&made, wish), true)),
        Removal::Suspend => Decided::Does(Request::Suspend),
        Removal::Activate => Decided::Does(Request::Activate),
        Removal::WaitUntil(_) | Removal::LookAgain(_) | Removal::AwaitEnd(_) => Decided::Waits,
        Removal::KeepEvidence(_) => Decided::Does(Request::Evidence(accepted)),
        Removal::Reserve(ledger) => {
            let has = |uid: &str| ledger.entries.iter().any(|entry| entry.uid == uid);
            Decided::Does(Request::Ledger(Book { own: has("u1"), other: has("u9") }, true))
        }
        Removal::Terminate(_) => Decided::Terminates,
        Removal::Identify(_) => unreachable!("the id is recorded"),
    }
}

/// What the other Partner, ready to be ended, does about the ledger: it writes itself in, may go on, or waits.
pub(super) fn of_other(book: Book) -> Decided {
    let mut case = Case::ready(TerminationStep::Terminating);
    case.kind = Kind::Partner;
    // It is the case's own object; ours is the other one to it.
    let mut entries = ledger(Book { own: false, other: false }).entries;
    if book.own {
        entries.push(entry("u8", "Partner", "msp_8", "2026-11-22T11:59:00Z"));
    }
    if book.other {
        entries.push(entry("u1", "Partner", "client_2", "2026-11-22T11:59:00Z"));
    }
    case.surroundings.ledger = booked(entries);
    case.limits = Limits { partners: 1, clients: 1 };
    match case.next() {
        Removal::Reserve(_) => Decided::Does(Request::Ledger(Book { other: true, ..book }, true)),
        Removal::Terminate(_) => Decided::Terminates,
        Removal::Hold(hold) => Decided::Holds(hold.reason),
        other => panic!("{other:?}"),
    }
}
