//! Clocks that differ.

use jiff::SignedDuration;

use super::*;

/// Returns an answer at the time of the case, from a server whose clock is this many seconds ahead.
fn clock_ahead_by(seconds: i64) -> ClockReading {
    let date = now() + SignedDuration::from_secs(seconds);
    ClockReading { sent_at: now() - SignedDuration::from_secs(1), server_time: date, received_at: now() }
}

/// Returns every step from the confirmation on that a wrong clock could cause too early.
fn time_dependent_steps() -> Vec<(&'static str, DeletionCase)> {
    let mut suspends = DeletionCase::new_termination().with_accepted_confirmation(TerminationStep::Confirmed, None);
    suspends.context.tenant = found_tenant(LifecycleState::Active);
    let mut reserves = DeletionCase::ready_to_end(TerminationStep::Suspended);
    reserves.context.ledger = ledger_with(Vec::new());
    vec![
        ("the confirmation is judged by its `notAfter`", DeletionCase::new_termination()),
        ("the tenant is suspended", suspends),
        (
            "the end of the period is written",
            DeletionCase::new_termination().with_accepted_confirmation(TerminationStep::Confirmed, None),
        ),
        ("the period is over", DeletionCase::ready_to_end(TerminationStep::Suspended)),
        ("the hour of the ledger begins", reserves),
        ("the call is sent", DeletionCase::ready_to_end(TerminationStep::Terminating)),
    ]
}

#[test]
fn nothing_of_an_end_is_decided_by_a_clock_that_is_more_than_a_minute_from_the_one_of_either_server() {
    for (what, mut case) in time_dependent_steps() {
        for (seconds, agrees) in [(-90_000, false), (-62, false), (-60, true), (0, true), (60, true), (61, false)] {
            for clocks in [
                ServerClocks { cluster: Some(clock_ahead_by(seconds)), platform: Some(clock_ahead_by(0)) },
                ServerClocks { cluster: Some(clock_ahead_by(0)), platform: Some(clock_ahead_by(seconds)) },
                ServerClocks { cluster: None, platform: Some(clock_ahead_by(seconds)) },
            ] {
                case.context.clocks = clocks;
                let is_held =
                    matches!(case.next_step(), DeletionStep::Hold(hold) if hold.reason == Reason::ClockDisagrees);
                assert_eq!(is_held, !agrees, "{what}, {seconds} s: {clocks:?}");
            }
        }
    }
}

#[test]
fn the_hold_says_which_clock_is_how_far_from_which_and_is_the_same_at_the_next_look() {
    let mut case = DeletionCase::ready_to_end(TerminationStep::Terminating);
    let mut said = |seconds: i64| {
        case.context.clocks.platform = Some(clock_ahead_by(seconds));
        case.expect_hold().message
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
    let mut case = DeletionCase::ready_to_end(TerminationStep::Terminating);
    let asked = now() - SignedDuration::from_mins(4);
    for seconds in [-60, 0, 120, 240, 300] {
        let date = asked + SignedDuration::from_secs(seconds);
        case.context.clocks.cluster = Some(ClockReading { sent_at: asked, server_time: date, received_at: now() });
        assert!(matches!(case.next_step(), DeletionStep::Terminate(_)), "{seconds}");
    }
}

#[test]
fn without_consent_to_it_nothing_waits_for_a_clock_and_a_cancel_before_the_call_never_does() {
    let mut case = DeletionCase::new_termination();
    case.confirm = None;
    case.context.clocks.cluster = Some(clock_ahead_by(-90_000));
    assert_eq!(case.hold_reason(), Reason::ConfirmationNeeded);
    for policy in [DeletionPolicy::Retain, DeletionPolicy::Suspend] {
        let mut case = DeletionCase::new_termination()
            .with_accepted_confirmation(TerminationStep::Suspended, Some("2026-11-22T11:30:00Z"));
        case.policy = policy;
        case.context.clocks.cluster = Some(clock_ahead_by(-90_000));
        assert!(matches!(case.next_step(), DeletionStep::Activate | DeletionStep::Release(_)));
    }
}

#[test]
fn a_late_cancel_is_not_said_to_have_come_in_time_by_a_clock_that_skips_the_wait() {
    let mut case = DeletionCase::ready_to_end(TerminationStep::Terminating);
    case.policy = DeletionPolicy::Retain;
    case.record.cancelled_at = Some("2026-11-22T11:00:00Z".into());
    case.context.clocks.cluster = Some(clock_ahead_by(-90_000));
    assert_eq!(case.hold_reason(), Reason::ClockDisagrees);
    case.context.clocks.cluster = Some(clock_ahead_by(0));
    assert!(matches!(case.next_step(), DeletionStep::Activate));
}
