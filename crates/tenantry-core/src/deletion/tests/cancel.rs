//! Cancellation.

use super::*;

#[test]
fn removing_or_changing_the_confirmation_cancels_and_activates_again() {
    let edits: [fn(&mut DeletionCase); 3] = [
        |case| case.confirm = None,
        |case| case.confirm.as_mut().unwrap().not_after = "2026-11-26T12:00:00Z".into(),
        |case| case.policy = DeletionPolicy::Retain,
    ];
    for edit in edits {
        let mut case = DeletionCase::new_termination()
            .with_accepted_confirmation(TerminationStep::Suspended, Some("2026-11-22T11:30:00Z"));
        edit(&mut case);
        assert!(matches!(case.next_step(), DeletionStep::Activate));
        case.context.tenant = found_tenant(LifecycleState::Active);
        assert_eq!(case.release_reason(), Reason::Cancelled);
    }
}

#[test]
fn a_cancel_after_the_call_may_have_been_made_waits_for_one_request_then_tells() {
    let edits: [fn(&mut DeletionCase); 4] = [
        |case| case.confirm = None,
        |case| case.confirm.as_mut().unwrap().not_after = "2026-11-26T12:00:00Z".into(),
        |case| case.policy = DeletionPolicy::Retain,
        |case| case.policy = DeletionPolicy::Suspend,
    ];
    for edit in edits {
        let mut case = DeletionCase::ready_to_end(TerminationStep::Terminating);
        edit(&mut case);
        let noticed = case.expect_progress();
        assert_eq!(noticed.cancelled_at.as_deref(), Some("2026-11-22T12:00:00Z"));
        case.record = noticed;
        assert!(
            matches!(case.next_step(), DeletionStep::CheckAgainAt(time) if time == parse_time("2026-11-22T12:01:00Z"))
        );
        // A new confirmation does not undo the cancel.
        let (policy, consent) = (case.policy, case.confirm.clone());
        (case.policy, case.confirm) = (DeletionPolicy::Terminate, Some(valid_confirmation()));
        assert!(matches!(case.next_step(), DeletionStep::CheckAgainAt(_)));
        (case.policy, case.confirm) = (policy, consent);

        case.record.cancelled_at = Some("2026-11-22T11:59:00Z".into());
        if case.policy == DeletionPolicy::Suspend {
            assert_eq!(case.release_reason(), Reason::Suspended);
        } else {
            assert!(matches!(case.next_step(), DeletionStep::Activate));
            case.context.tenant = found_tenant(LifecycleState::Active);
            assert_eq!(case.release_reason(), Reason::Cancelled);
        }
        for gone in [DeletionTarget::Gone, found_tenant(LifecycleState::Terminated)] {
            case.context.tenant = gone;
            case.record.called_at = None;
            assert_eq!(case.release_reason(), Reason::AlreadyGone, "no call is known to have been sent");
            case.record.called_at = Some("2026-11-22T11:58:59.5Z".into());
            assert_eq!(case.release_reason(), Reason::TooLateToCancel);
        }
    }
}

#[test]
fn the_release_of_a_late_cancel_says_when_the_call_was_sent_and_when_the_cancel_was_seen() {
    let mut case = DeletionCase::ready_to_end(TerminationStep::Terminating);
    (case.confirm, case.context.tenant) = (None, DeletionTarget::Gone);
    let says = |case: &DeletionCase| match case.next_step() {
        DeletionStep::Release(release) => release.message,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        says(&case),
        "the tenant has gone from the platform; the cancel was seen at 2026-11-22T12:00:00Z, and no call of the operator that \
         could have ended the tenant is on record"
    );
    case.record.called_at = Some("2026-11-22T11:58:59.5Z".into());
    case.record.cancelled_at = Some("2026-11-22T11:59:00Z".into());
    assert_eq!(
        says(&case),
        "the call that ended the tenant was sent at 2026-11-22T11:58:59.5Z, before the cancel was seen at 2026-11-22T11:59:00Z"
    );
}

#[test]
fn policy_suspend_cancels_and_leaves_it_suspended() {
    let mut case = DeletionCase::new_termination()
        .with_accepted_confirmation(TerminationStep::Suspended, Some("2026-11-22T11:30:00Z"));
    case.policy = DeletionPolicy::Suspend;
    assert_eq!(case.release_reason(), Reason::Suspended);
    case.context.tenant = found_tenant(LifecycleState::Active);
    case.record = case.expect_progress();
    assert_eq!(case.record.purge_after, None, "consent that is given again begins a new period");
    assert!(matches!(case.next_step(), DeletionStep::Suspend));
}

#[test]
fn a_tenant_read_before_the_call_must_have_ended_is_looked_at_once_more() {
    let mut case = DeletionCase::ready_to_end(TerminationStep::Terminating);
    case.policy = DeletionPolicy::Retain;
    case.record.cancelled_at = Some("2026-11-22T11:58:59Z".into());
    case.pass.started_at = parse_time("2026-11-22T11:59:58Z");
    assert!(matches!(case.next_step(), DeletionStep::CheckAgainAt(time) if time == parse_time("2026-11-22T11:59:59Z")));
    case.pass.started_at = parse_time("2026-11-22T11:59:59Z");
    assert!(matches!(case.next_step(), DeletionStep::Activate));
}

#[test]
fn a_cancel_activates_only_what_we_suspended() {
    let mut case = DeletionCase::new_termination()
        .with_accepted_confirmation(TerminationStep::Suspended, Some("2026-11-22T11:30:00Z"));
    case.record.suspended_by_us = Some(false);
    case.policy = DeletionPolicy::Retain;
    assert_eq!(case.release_reason(), Reason::Cancelled);
    // If somebody else's suspension was lifted during the grace period and the operator suspended the tenant again, the
    // suspension is the operator's from then on.
    let mut case = DeletionCase::new_termination().with_accepted_confirmation(TerminationStep::Confirmed, None);
    case.record.suspended_by_us = Some(false);
    case.context.tenant = found_tenant(LifecycleState::Active);
    case.record = case.expect_progress();
    assert_eq!(case.record.suspended_by_us, Some(true));
    case.pass.has_recorded = true;
    assert!(matches!(case.next_step(), DeletionStep::Suspend));
}

#[test]
fn retain_lets_go_without_the_platform_unless_a_tenant_would_stay_suspended_for_nothing() {
    let mut case = DeletionCase::new_termination();
    case.policy = DeletionPolicy::Retain;
    case.context.tenant = DeletionTarget::Unreachable(Reason::CredentialsUnavailable, "no Secret".into());
    assert_eq!(case.release_reason(), Reason::Retained);

    let mut case = DeletionCase::new_termination()
        .with_accepted_confirmation(TerminationStep::Suspended, Some("2026-11-22T11:30:00Z"));
    case.policy = DeletionPolicy::Retain;
    case.context.tenant = DeletionTarget::Unreachable(Reason::CredentialsUnavailable, "no Secret".into());
    let hold = case.expect_hold();
    assert_eq!(hold.reason, Reason::CredentialsUnavailable);
    assert!(!hold.message.contains("Retain"), "it would not move it on: {}", hold.message);
    case.abandon = Some("client_2");
    assert_eq!(case.release_reason(), Reason::Abandoned);
    // The Partner object is gone, so there is no connection to wait for.
    case.abandon = None;
    case.context.tenant = DeletionTarget::Unreachable(Reason::PartnerNotReady, "no Partner".into());
    assert_eq!(case.release_reason(), Reason::Retained);
}

#[test]
fn a_cancelled_partner_still_waits_for_clients_that_need_its_connection() {
    let mut case = DeletionCase::new_termination()
        .with_accepted_confirmation(TerminationStep::Suspended, Some("2026-11-22T11:30:00Z"));
    case.policy = DeletionPolicy::Retain;
    case.context.children.deleting = vec!["ns/initech".into()];
    assert!(matches!(case.next_step(), DeletionStep::Activate), "it is in service again before");
    case.context.tenant = found_tenant(LifecycleState::Active);
    assert_eq!(case.hold_reason(), Reason::ClientsRemain);
}
