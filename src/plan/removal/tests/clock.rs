//! Clocks that do not agree.

use jiff::SignedDuration;

use super::*;

/// An answer at the time of the case, from a server whose clock is so many seconds ahead.
fn ahead(seconds: i64) -> ClockReading {
    let date = now() + SignedDuration::from_secs(seconds);
    ClockReading { asked: now() - SignedDuration::from_secs(1), date, answered: now() }
}

/// What an end does that a wrong clock could bring about too early: each step from the consent on.
fn steps() -> Vec<(&'static str, Case)> {
    let mut suspends = Case::terminate().accepted(TerminationStep::Confirmed, None);
    suspends.surroundings.tenant = observed(TenantLife::Active);
    let mut reserves = Case::ready(TerminationStep::Suspended);
    reserves.surroundings.ledger = booked(Vec::new());
    vec![
        ("the confirmation is judged by its `notAfter`", Case::terminate()),
        ("the tenant is suspended", suspends),
        ("the end of the period is written", Case::terminate().accepted(TerminationStep::Confirmed, None)),
        ("the period is over", Case::ready(TerminationStep::Suspended)),
        ("the hour of the ledger begins", reserves),
        ("the call is sent", Case::ready(TerminationStep::Terminating)),
    ]
}

#[test]
fn nothing_of_an_end_is_decided_by_a_clock_that_is_more_than_a_minute_from_the_one_of_either_server() {
    for (what, mut case) in steps() {
        for (seconds, agrees) in [(-90_000, false), (-62, false), (-60, true), (0, true), (60, true), (61, false)] {
            for clocks in [
                Clocks { cluster: Some(ahead(seconds)), platform: Some(ahead(0)) },
                Clocks { cluster: Some(ahead(0)), platform: Some(ahead(seconds)) },
                Clocks { cluster: None, platform: Some(ahead(seconds)) },
            ] {
                case.surroundings.clocks = clocks;
                let is_held = matches!(case.next(), Removal::Hold(hold) if hold.reason == Reason::ClockDisagrees);
                assert_eq!(is_held, !agrees, "{what}, {seconds} s: {clocks:?}");
            }
        }
    }
}

#[test]
fn the_hold_says_which_clock_is_how_far_from_which_and_is_the_same_at_the_next_look() {
    let mut case = Case::ready(TerminationStep::Terminating);
    let mut said = |seconds: i64| {
        case.surroundings.clocks.platform = Some(ahead(seconds));
        case.holds().message
    };
    let message = said(-90_000);
    assert!(message.contains("more than 24 hours ahead of the one of the platform"), "{message}");
    assert!(message.contains("NTP"), "{message}");
    assert_eq!(message, said(-90_007));
    assert!(said(4_000).contains("more than 1 hour behind the one of the platform"));
    assert!(said(-70).contains("more than 60 s ahead of"));
}

#[test]
fn a_slow_answer_is_no_wrong_clock() {
    let mut case = Case::ready(TerminationStep::Terminating);
    let asked = now() - SignedDuration::from_mins(4);
    for seconds in [-60, 0, 120, 240, 300] {
        let date = asked + SignedDuration::from_secs(seconds);
        case.surroundings.clocks.cluster = Some(ClockReading { asked, date, answered: now() });
        assert!(matches!(case.next(), Removal::Terminate(_)), "{seconds}");
    }
}

#[test]
fn without_consent_to_it_nothing_waits_for_a_clock_and_a_cancel_before_the_call_never_does() {
    let mut case = Case::terminate();
    case.confirm = None;
    case.surroundings.clocks.cluster = Some(ahead(-90_000));
    assert_eq!(case.held(), Reason::ConfirmationNeeded);
    for policy in [DeletionPolicy::Retain, DeletionPolicy::Suspend] {
        let mut case = Case::terminate().accepted(TerminationStep::Suspended, Some("2026-11-22T11:30:00Z"));
        case.policy = policy;
        case.surroundings.clocks.cluster = Some(ahead(-90_000));
        assert!(matches!(case.next(), Removal::Activate | Removal::Release(_)));
    }
}

#[test]
fn a_late_cancel_is_not_said_to_have_come_in_time_by_a_clock_that_skips_the_wait() {
    let mut case = Case::ready(TerminationStep::Terminating);
    case.policy = DeletionPolicy::Retain;
    case.record.cancelled_at = Some("2026-11-22T11:00:00Z".into());
    case.surroundings.clocks.cluster = Some(ahead(-90_000));
    assert_eq!(case.held(), Reason::ClockDisagrees);
    case.surroundings.clocks.cluster = Some(ahead(0));
    assert!(matches!(case.next(), Removal::Activate));
}
