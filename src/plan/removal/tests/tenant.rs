//! Whose the tenant is, and whether it is there.

use super::*;

#[test]
fn what_is_not_ours_is_never_touched() {
    for policy in [DeletionPolicy::Suspend, DeletionPolicy::Terminate] {
        let mut case = Case::terminate().accepted(TerminationStep::Terminating, Some("2026-11-22T11:30:00Z"));
        case.policy = policy;
        case.surroundings.tenant = Tenant::NotOurs("client_2".into());
        assert_eq!(case.held(), Reason::OwnedElsewhere);
        case.surroundings.tenant = Tenant::Unreachable(Reason::CredentialsRefused, "refused".into());
        assert_eq!(case.held(), Reason::CredentialsRefused);
    }
}

#[test]
fn the_annotation_lets_go_only_of_the_tenant_it_names() {
    let mut case = Case::terminate();
    case.abandon = Some("client_3");
    assert!(matches!(case.next(), Removal::Record(_)));
    case.abandon = Some("client_2");
    assert_eq!(case.released(), Reason::Abandoned);
}

#[test]
fn a_partner_gone_or_a_reference_no_longer_allowed_holds_all_but_retain() {
    for policy in [DeletionPolicy::Suspend, DeletionPolicy::Terminate, DeletionPolicy::Retain] {
        let mut case = Case::terminate();
        case.policy = policy;
        case.surroundings.tenant = Tenant::Unreachable(Reason::PartnerNotReady, "no Partner".into());
        let mut other = Case::terminate();
        other.policy = policy;
        other.surroundings.tenant = Tenant::NotAsked;
        other.surroundings.reference_broken = Some("not allowed".into());
        if policy == DeletionPolicy::Retain {
            assert_eq!((case.released(), other.released()), (Reason::Retained, Reason::Retained));
        } else {
            assert_eq!((case.held(), other.held()), (Reason::PartnerNotReady, Reason::NamespaceNotAllowed));
        }
    }
}

#[test]
fn without_an_id_ours_is_recorded_first_none_releases_and_ambiguous_holds() {
    for policy in [DeletionPolicy::Suspend, DeletionPolicy::Terminate] {
        let mut case = Case::terminate();
        (case.policy, case.unique_id) = (policy, None);
        assert!(matches!(case.next(), Removal::Identify(id) if id == "client_2"));
        for none in [Tenant::None, Tenant::NotOurs("client_2".into())] {
            case.surroundings.tenant = none;
            assert_eq!(case.released(), Reason::Retained);
        }
        case.surroundings.tenant = Tenant::Ambiguous("any of the tenants client_2, client_3".into());
        let hold = case.holds();
        assert_eq!(hold.reason, Reason::AmbiguousCreate);
        assert!(hold.message.contains("tenantry.dev/abandon: none"), "{}", hold.message);
        case.abandon = Some("none");
        assert_eq!(case.released(), Reason::Abandoned);
        case.abandon = None;
        case.policy = DeletionPolicy::Retain;
        assert_eq!(case.released(), Reason::Retained);
    }
}

#[test]
fn a_tenant_gone_before_needs_no_confirmation() {
    for policy in [DeletionPolicy::Suspend, DeletionPolicy::Terminate] {
        let mut case = Case::terminate();
        (case.policy, case.confirm) = (policy, None);
        case.surroundings.tenant = Tenant::Gone;
        assert_eq!(case.released(), Reason::AlreadyGone);
    }
}

#[test]
fn where_no_mark_can_be_kept_only_an_adoption_s_id_lets_it_be_ended() {
    for policy in [DeletionPolicy::Suspend, DeletionPolicy::Terminate] {
        let mut case = Case::terminate();
        case.policy = policy;
        let Tenant::Found(tenant) = observed(TenantLife::Active) else { unreachable!() };
        case.surroundings.tenant = Tenant::Unmarked(tenant);
        let hold = case.holds();
        assert_eq!(hold.reason, Reason::NotAdopted);
        assert!(hold.message.contains("uniqueId: client_2"), "{}", hold.message);
        case.has_adoption_id = true;
        assert!(matches!(case.next(), Removal::Suspend | Removal::Record(_)));
    }
}

#[test]
fn a_pause_holds_all_but_retain_and_not_the_release_of_what_is_gone() {
    for policy in [DeletionPolicy::Suspend, DeletionPolicy::Terminate] {
        let mut case = Case::ready(TerminationStep::Terminating);
        (case.policy, case.is_paused) = (policy, true);
        assert_eq!(case.held(), Reason::ManagementPaused);
        case.surroundings.tenant = Tenant::Gone;
        assert!(matches!(case.next(), Removal::Release(_)));
    }
    let mut case = Case::terminate();
    (case.policy, case.is_paused) = (DeletionPolicy::Retain, true);
    assert_eq!(case.released(), Reason::Retained);
}
