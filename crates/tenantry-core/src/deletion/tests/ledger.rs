//! The termination limit.

use super::*;

#[test]
fn nothing_is_ended_that_is_not_entered_in_the_ledger() {
    for step in [TerminationStep::Suspended, TerminationStep::Terminating] {
        let mut case = DeletionCase::ready_to_end(step);
        for ledger in [LedgerState::Unusable("forbidden".into()), LedgerState::NotRead] {
            case.context.ledger = ledger;
            assert_eq!(case.hold_reason(), Reason::LedgerUnusable);
        }
        // An entry of an earlier hour, of another tenant or of another object does not count for this object.
        for other in [
            ledger_entry("u1", "Client", "client_2", "2026-11-22T11:00:00Z"),
            ledger_entry("u1", "Client", "client_3", "2026-11-22T11:50:00Z"),
            ledger_entry("u2", "Client", "client_2", "2026-11-22T11:50:00Z"),
        ] {
            case.context.ledger = ledger_with(vec![other]);
            let DeletionStep::ReserveInLedger(ledger) = case.next_step() else { panic!("an entry was expected") };
            let own: Vec<_> = ledger.entries.iter().filter(|entry| entry.uid == "u1").collect();
            assert_eq!(own.len(), 1, "an object stands in it once");
            assert_eq!((own[0].id.as_str(), own[0].time), ("client_2", now()));
        }
    }
}

#[test]
fn the_limit_holds_and_says_when_it_goes_on() {
    let mut case = DeletionCase::ready_to_end(TerminationStep::Suspended);
    let many = |count: usize| {
        let minute = |n: usize| format!("2026-11-22T11:{:02}:00Z", 10 + n);
        (0..count).map(|n| ledger_entry(&format!("o{n}"), "Client", "client_9", &minute(n))).collect::<Vec<_>>()
    };
    case.context.ledger = ledger_with(many(29));
    assert!(matches!(case.next_step(), DeletionStep::ReserveInLedger(ledger) if ledger.entries.len() == 30));
    case.context.ledger = ledger_with(many(30));
    let hold = case.expect_hold();
    assert_eq!(hold.reason, Reason::BreakerOpen);
    assert!(hold.message.contains("2026-11-22T12:10:00Z"), "{}", hold.message);
    assert!(hold.message.contains("--max-client-terminations-per-hour"), "{}", hold.message);
    // Entries of an earlier hour are dropped, and entries of Partners do not count for Clients.
    let mut old = many(29);
    old.push(ledger_entry("old", "Client", "client_9", "2026-11-22T11:00:00Z"));
    old.extend((0..3).map(|n| ledger_entry(&format!("p{n}"), "Partner", "msp_9", "2026-11-22T11:30:00Z")));
    case.context.ledger = ledger_with(old);
    assert!(
        matches!(case.next_step(), DeletionStep::ReserveInLedger(ledger) if ledger.entries.iter().all(|entry| entry.uid != "old"))
    );
    // An entry from a clock that ran ahead does not lift the limit.
    let mut ahead = many(29);
    ahead.push(ledger_entry("ahead", "Client", "client_9", "2027-01-01T00:00:00Z"));
    case.context.ledger = ledger_with(ahead);
    assert_eq!(case.hold_reason(), Reason::BreakerOpen);
}

#[test]
fn partners_are_ended_one_at_a_time() {
    let mut case = DeletionCase::ready_to_end(TerminationStep::Suspended);
    case.kind = TenantKind::Partner;
    // A Partner whose termination is not finished counts beyond its hour.
    let other = ledger_entry("u7", "Partner", "msp_7", "2026-11-22T09:00:00Z");
    case.context.ledger =
        LedgerState::Read { ledger: TerminationLedger { entries: vec![other.clone()] }, open: vec!["u7".into()] };
    let hold = case.expect_hold();
    assert_eq!(hold.reason, Reason::BreakerOpen);
    assert!(hold.message.contains("`ns/u7`"), "{}", hold.message);
    case.context.ledger = ledger_with(vec![other]);
    assert!(matches!(case.next_step(), DeletionStep::ReserveInLedger(ledger) if ledger.entries.len() == 1));
    case.kind = TenantKind::Client;
    case.context.ledger = LedgerState::Read { ledger: TerminationLedger::default(), open: vec!["u7".into()] };
    assert!(matches!(case.next_step(), DeletionStep::ReserveInLedger(_)), "a Client does not wait for a Partner");
}

#[test]
fn a_ledger_reads_back_and_anything_else_is_refused() {
    let ledger = TerminationLedger {
        entries: vec![
            ledger_entry("u1", "Client", "client_2", "2026-11-22T11:50:00Z"),
            ledger_entry("u7", "Partner", "msp_7", "2026-11-22T11:51:00.25Z"),
        ],
    };
    assert_eq!(TerminationLedger::from_text(&ledger.to_text()), Ok(ledger));
    assert_eq!(TerminationLedger::from_text(&TerminationLedger::default().to_text()), Ok(TerminationLedger::default()));
    for text in [
        "",
        "{}",
        "[{}]",
        "[{\"uid\":\"u\",\"kind\":\"Tenant\",\"object\":\"a/b\",\"id\":\"x\",\"time\":\"2026-11-22T11:50:00Z\"}]",
        "[{\"uid\":\"u\",\"kind\":\"Client\",\"object\":\"a/b\",\"id\":\"x\",\"time\":\"yesterday\"}]",
    ] {
        assert!(TerminationLedger::from_text(text).is_err(), "{text}");
    }
}
