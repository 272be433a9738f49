//! Ownership and existence of the tenant.

use super::*;

#[test]
fn what_is_not_ours_is_never_touched() {
    for policy in [DeletionPolicy::Suspend, DeletionPolicy::Terminate] {
        let mut case = DeletionCase::new_termination()
            .with_accepted_confirmation(TerminationStep::Terminating, Some("2026-11-22T11:30:00Z"));
        case.policy = policy;
        case.context.tenant = DeletionTarget::NotOurs("client_2".into());
        assert_eq!(case.hold_reason(), Reason::OwnedElsewhere);
        case.context.tenant = DeletionTarget::Unreachable(Reason::CredentialsRefused, "refused".into());
        assert_eq!(case.hold_reason(), Reason::CredentialsRefused);
    }
}

#[test]
fn the_annotation_lets_go_only_of_the_tenant_it_names() {
    let mut case = DeletionCase::new_termination();
    case.abandon = Some("client_3");
    assert!(matches!(case.next_step(), DeletionStep::RecordProgress(_)));
    case.abandon = Some("client_2");
    assert_eq!(case.release_reason(), Reason::Abandoned);
}

#[test]
fn a_partner_gone_or_a_reference_no_longer_allowed_holds_all_but_retain() {
    for policy in [DeletionPolicy::Suspend, DeletionPolicy::Terminate, DeletionPolicy::Retain] {
        let mut case = DeletionCase::new_termination();
        case.policy = policy;
        case.context.tenant = DeletionTarget::Unreachable(Reason::PartnerNotReady, "no Partner".into());
        let mut other = DeletionCase::new_termination();
        other.policy = policy;
        other.context.tenant = DeletionTarget::NotRead;
        other.context.reference_broken = Some("not allowed".into());
        if policy == DeletionPolicy::Retain {
            assert_eq!((case.release_reason(), other.release_reason()), (Reason::Retained, Reason::Retained));
        } else {
            assert_eq!(
                (case.hold_reason(), other.hold_reason()),
                (Reason::PartnerNotReady, Reason::NamespaceNotAllowed)
            );
        }
    }
}

#[test]
fn without_an_id_ours_is_recorded_first_none_releases_and_ambiguous_holds() {
    for policy in [DeletionPolicy::Suspend, DeletionPolicy::Terminate] {
        let mut case = DeletionCase::new_termination();
        (case.policy, case.unique_id) = (policy, None);
        assert!(matches!(case.next_step(), DeletionStep::RecordTenantId(id) if id == "client_2"));
        for none in [DeletionTarget::None, DeletionTarget::NotOurs("client_2".into())] {
            case.context.tenant = none;
            assert_eq!(case.release_reason(), Reason::Retained);
        }
        case.context.tenant = DeletionTarget::Ambiguous("any of the tenants client_2, client_3".into());
        let hold = case.expect_hold();
        assert_eq!(hold.reason, Reason::AmbiguousCreate);
        assert!(hold.message.contains("tenantry.dev/abandon: none"), "{}", hold.message);
        case.abandon = Some("none");
        assert_eq!(case.release_reason(), Reason::Abandoned);
        case.abandon = None;
        case.policy = DeletionPolicy::Retain;
        assert_eq!(case.release_reason(), Reason::Retained);
    }
}

#[test]
fn a_tenant_gone_before_needs_no_confirmation() {
    for policy in [DeletionPolicy::Suspend, DeletionPolicy::Terminate] {
        let mut case = DeletionCase::new_termination();
        (case.policy, case.confirm) = (policy, None);
        case.context.tenant = DeletionTarget::Gone;
        assert_eq!(case.release_reason(), Reason::AlreadyGone);
    }
}

#[test]
fn where_no_mark_can_be_kept_only_an_adoption_s_id_lets_it_be_ended() {
    for policy in [DeletionPolicy::Suspend, DeletionPolicy::Terminate] {
        let mut case = DeletionCase::new_termination();
        case.policy = policy;
        let DeletionTarget::Found(tenant) = found_tenant(LifecycleState::Active) else { unreachable!() };
        case.context.tenant = DeletionTarget::Unmarked(tenant);
        let hold = case.expect_hold();
        assert_eq!(hold.reason, Reason::NotAdopted);
        assert!(hold.message.contains("uniqueId: client_2"), "{}", hold.message);
        case.has_adoption_id = true;
        assert!(matches!(case.next_step(), DeletionStep::Suspend | DeletionStep::RecordProgress(_)));
    }
}

#[test]
fn a_pause_holds_all_but_retain_and_not_the_release_of_what_is_gone() {
    for policy in [DeletionPolicy::Suspend, DeletionPolicy::Terminate] {
        let mut case = DeletionCase::ready_to_end(TerminationStep::Terminating);
        (case.policy, case.is_paused) = (policy, true);
        assert_eq!(case.hold_reason(), Reason::ManagementPaused);
        case.context.tenant = DeletionTarget::Gone;
        assert!(matches!(case.next_step(), DeletionStep::Release(_)));
    }
    let mut case = DeletionCase::new_termination();
    (case.policy, case.is_paused) = (DeletionPolicy::Retain, true);
    assert_eq!(case.release_reason(), Reason::Retained);
}
