//! Verifies that each reason that needs a person has a test of its remedy.

use tenantry_api::Reason;

use crate::test_index;

/// How the remedy of a reason is verified.
enum RemedyTests {
    /// These tests follow the message.
    Tests(&'static [&'static str]),
    /// The reason passes without help, or only reports what was done.
    None,
}

use RemedyTests::{None, Tests};

/// Returns the remedy of each reason. A new reason does not compile until somebody adds its remedy.
#[allow(clippy::too_many_lines, reason = "a table")]
fn remedy_of(reason: Reason) -> RemedyTests {
    match reason {
        Reason::SecuritySettingNotSupported | Reason::PartnerAPIUnavailable => Tests(&["it::status_advice::platform::without_extensions_a_setting_that_cannot_be_held_is_removed_and_a_partner_is_named_by_its_id"]),
        Reason::CredentialsUnavailable => Tests(&[
            "it::operator::bad_input::a_secret_that_is_not_there_heals_when_it_comes",
            "it::operator::bad_input::a_secret_without_a_key_names_the_key",
            "it::deletion::message_advice::credentials_that_are_missing_hold_the_end_and_it_goes_on_when_they_are_back",
        ]),
        Reason::CredentialsRefused => Tests(&[
            "it::operator::credential_recovery::a_refused_credential_is_tried_at_most_once_in_30_seconds_and_a_new_one_at_once",
            "it::deletion::message_advice::a_refused_credential_holds_and_the_right_one_goes_on",
        ]),
        Reason::PermissionMissing => Tests(&["it::status_advice::platform::a_permission_that_is_missing_for_one_tenant_is_given_and_no_other_object_waits_meanwhile"]),
        Reason::HostNotAllowed => Tests(&[
            "it::status_advice::platform::a_host_that_is_not_allowed_is_corrected",
            "it::deletion::message_advice::a_host_that_is_not_allowed_holds_and_the_corrected_url_goes_on",
        ]),
        Reason::NoConnection => Tests(&["it::status_advice::references::without_a_connection_one_is_named"]),
        Reason::ConnectionIdentityChanged => Tests(&[
            "it::status_advice::references::a_connection_to_another_account_is_restored",
            "it::deletion::message_advice::a_connection_that_leads_to_another_account_holds_and_the_secret_restored_goes_on",
        ]),
        Reason::ParentChanged => Tests(&["it::status_advice::references::a_partner_that_became_another_tenant_is_restored_and_nothing_was_made_under_the_other"]),
        Reason::NamespaceNotAllowed => Tests(&[
            "it::operator::bad_input::a_partner_of_another_namespace_must_allow_it",
            "it::deletion::references::a_reference_that_is_no_longer_allowed_holds_until_it_is_allowed_again",
        ]),
        Reason::SecretNotFound => Tests(&["it::status_advice::references::a_secret_that_a_setting_names_is_created"]),
        Reason::ReferenceNotAllowed => Tests(&["it::status_advice::references::a_secret_that_objects_may_not_reference_is_labelled"]),
        Reason::ImageNotFound | Reason::ImageInvalid => Tests(&["it::status_advice::references::an_image_that_is_not_there_is_added_and_one_that_is_none_is_replaced"]),
        Reason::NotUnderstood => Tests(&["it::operator::newer_definitions::an_object_of_a_newer_definition_stops_itself_and_no_other_across_restarts"]),
        Reason::InvalidValue => Tests(&["it::operator::bad_input::a_value_that_the_platform_does_not_know_is_named"]),
        Reason::PackageNotAvailable => Tests(&[
            "it::status_advice::references::a_package_that_the_partner_lacks_is_added_there",
            "it::operator::bad_input::a_client_stays_within_its_partner_and_a_partner_keeps_what_clients_use",
        ]),
        Reason::AddOnNotPermitted => Tests(&["it::status_advice::platform::an_add_on_that_support_must_permit_goes_on_once_it_did"]),
        Reason::ClientsStillUse => Tests(&[
            "it::status_advice::references::a_package_that_clients_still_use_is_removed_from_them_first",
            "it::operator::bad_input::a_client_stays_within_its_partner_and_a_partner_keeps_what_clients_use",
        ]),
        Reason::RefusedByPlatform => Tests(&["it::status_advice::platform::a_credential_of_another_tenant_is_replaced"]),
        Reason::TenantMissing => Tests(&["it::status_advice::references::a_tenant_that_has_gone_lets_its_object_go_and_a_new_object_makes_a_new_one"]),
        Reason::AdoptionTargetNotFound => Tests(&["it::status_advice::references::an_adoption_id_that_never_existed_is_corrected"]),
        Reason::HandedOver => Tests(&["it::operator::authority::a_tenant_is_handed_over_by_its_owner_who_lets_go_without_ending_it"]),
        Reason::ManagedElsewhere => Tests(&[
            "it::leader_election::installations::of_two_installations_one_manages_an_object_until_it_is_moved_also_when_the_first_is_gone",
            "it::sim::installations::an_object_is_moved_by_annotation_also_from_an_installation_that_is_gone",
        ]),
        Reason::ConnectionMismatch => Tests(&["it::operator::authority::a_parent_named_by_its_id_needs_a_connection_of_exactly_that_tenant_and_the_partner_objects_leave"]),
        Reason::AmbiguousCreate => Tests(&["it::status_advice::references::of_tenants_that_could_all_be_its_own_the_right_one_is_named"]),
        Reason::NameTaken => Tests(&[
            "it::status_advice::references::a_name_that_is_taken_is_changed",
            "it::operator::management::a_tenant_is_refused_by_name_then_taken_over_by_id_when_nothing_differs",
        ]),
        Reason::OwnedElsewhere => Tests(&[
            "it::operator::management::a_tenant_of_another_cluster_is_taken_only_when_its_owner_is_named",
            "it::operator::authority::a_stranger_with_rights_on_clients_alone_takes_no_tenant_of_a_living_neighbour",
            "it::deletion::message_advice::a_tenant_that_carries_another_owner_s_mark_is_held_and_retain_lets_go",
        ]),
        Reason::ExtensionsMissing => Tests(&["it::sim::other_platforms::where_the_extensions_are_hidden_in_the_middle_of_a_life_nothing_is_written"]),
        Reason::NotAdopted => Tests(&[
            "it::operator::management::observe_writes_nothing_anywhere_and_promotion_runs_adoption",
            "it::deletion::references::where_no_mark_can_be_kept_a_tenant_is_neither_suspended_nor_ended_and_without_extensions_one_is_ended_by_its_mark",
        ]),
        Reason::NotIdentical => Tests(&["it::operator::management::a_tenant_is_refused_by_name_then_taken_over_by_id_when_nothing_differs"]),
        Reason::PolicyViolation => Tests(&["it::status_advice::references::a_client_that_differs_from_a_locked_default_leaves_it_out"]),
        Reason::ConflictingWriter => Tests(&["it::status_advice::platform::what_somebody_keeps_changing_back_is_only_reported_on_request"]),
        Reason::NotTakenByPlatform => Tests(&["it::sim::read_back::what_the_platform_does_not_take_is_written_three_times_and_goes_on_once_its_value_is_declared"]),
        Reason::ConfirmationNeeded | Reason::ConfirmationInvalid => Tests(&["it::deletion::message_advice::consent_that_is_asked_for_and_pasted_ends_the_tenant"]),
        Reason::ClientsRemain => Tests(&[
            "it::operator::deletion::a_partner_waits_for_its_clients_declared_and_living",
            "it::deletion::references::a_partner_with_retain_waits_for_clients_that_need_its_connection_for_their_end",
        ]),
        Reason::CannotTellWhy | Reason::EvidenceMissing => Tests(&["it::deletion::evidence::without_a_look_at_the_namespace_evidence_or_ledger_nothing_is_ended_and_the_rights_that_the_message_names_heal_it"]),
        Reason::ClockDisagrees => Tests(&[
            "it::sim::termination_permit::a_leader_whose_clock_is_a_day_ahead_ends_nothing_and_says_so_until_the_clock_is_right",
            "it::sim::termination_permit::a_platform_whose_clock_is_wrong_holds_an_end_too",
        ]),
        Reason::LedgerUnusable => Tests(&[
            "it::deletion::evidence::without_a_look_at_the_namespace_evidence_or_ledger_nothing_is_ended_and_the_rights_that_the_message_names_heal_it",
            "it::deletion::termination_limit::partners_are_ended_one_at_a_time_and_a_ledger_that_is_not_understood_ends_none",
        ]),
        // It resolves itself, but a person may want to speed it up.
        Reason::PartnerNotReady => Tests(&[
            "it::operator::authority::a_partner_is_handed_over_only_without_clients_and_gets_none_afterwards",
        ]),
        Reason::PartnerNotFound => Tests(&[
            "it::operator::reconcile::a_partner_and_its_clients_are_made_in_any_order_of_applying",
            "it::deletion::references::without_its_partner_object_suspend_and_terminate_hold_retain_completes_and_the_partner_back_goes_on",
        ]),
        Reason::PartnerSuspended => Tests(&["it::operator::reconcile::under_a_suspended_partner_nothing_is_written_and_it_heals"]),
        Reason::ApprovalNeeded => Tests(&["it::operator::management::a_risky_plan_waits_for_its_hash_and_a_changed_world_needs_another"]),
        Reason::ManagementPaused => Tests(&["it::deletion::references::a_pause_holds_the_end_until_it_is_managed_again"]),
        Reason::BreakerOpen => Tests(&["it::deletion::termination_limit::partners_are_ended_one_at_a_time_and_a_ledger_that_is_not_understood_ends_none"]),
        Reason::GracePeriod => Tests(&["it::operator::deletion::removing_the_consent_cancels_and_the_tenant_is_active_again"]),
        Reason::AsDeclared
        | Reason::Suspended
        | Reason::InProgress
        | Reason::Drifted
        | Reason::SettingNotSupported
        | Reason::NormalisedByPlatform
        // The most important part of status is written, and an alert points to the definitions.
        | Reason::StatusIncomplete
        | Reason::PartnerTerminating
        | Reason::Adopted
        | Reason::AnswerNotUnderstood
        | Reason::PlatformUnavailable
        | Reason::RateLimited
        | Reason::ClusterUnavailable
        | Reason::InternalError
        | Reason::Terminating
        | Reason::Released
        // The tenant is gone: the object goes as well, and an event reports that the cancel was too late.
        | Reason::TooLateToCancel
        | Reason::Resumed
        | Reason::Reattached
        | Reason::Created
        | Reason::Updated
        | Reason::Activated
        | Reason::AlreadyGone
        | Reason::Terminated
        | Reason::Retained
        | Reason::Abandoned
        | Reason::Cancelled
        | Reason::DNSRecordNeeded
        | Reason::ImageAdvice
        | Reason::NoLongerManaged => None,
    }
}

#[test]
fn every_reason_that_needs_a_person_has_a_test_that_does_what_its_message_says() {
    let known = test_index::all_test_names();
    for reason in Reason::ALL.iter().copied() {
        match remedy_of(reason) {
            Tests(tests) => {
                for test in tests {
                    assert!(known.contains(*test), "{}: there is no test `{test}`", reason.name());
                }
            }
            None => assert!(
                !reason.needs_person() || reason == Reason::TooLateToCancel,
                "{} needs a person, and no test does what it asks for",
                reason.name()
            ),
        }
    }
}
