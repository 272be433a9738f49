//! The models that are searched, and the defects that the searches find.

use super::*;
use crate::explorer::{assert_defect_count, assert_defect_found, assert_no_violation, explore_states};

fn base_model(allowed_edits: &'static [DeletionEdit]) -> DeletionModel {
    DeletionModel {
        operators: 1,
        crashes: 0,
        losses: 0,
        lapses: 0,
        edits: 2,
        allowed_edits,
        has_other: false,
        is_clock_wrong: false,
        is_documented: false,
        mutant: None,
        oracle: DeletionOracle::default(),
    }
}

const RETAIN: DeletionEdit = DeletionEdit::SetsPolicy(ModelPolicy::Retain);
const SUSPEND: DeletionEdit = DeletionEdit::SetsPolicy(ModelPolicy::Suspend);

/// Returns a model in which the confirmation is given, revoked, changed, or given wrongly.
fn consent_model() -> DeletionModel {
    const MAY: &[DeletionEdit] = &[
        RETAIN,
        SUSPEND,
        DeletionEdit::Confirms(None),
        DeletionEdit::Confirms(Some(ConfirmationText::Right)),
        DeletionEdit::Confirms(Some(ConfirmationText::RightAnew)),
        DeletionEdit::Confirms(Some(ConfirmationText::WrongName)),
        DeletionEdit::ShortensGrace,
        DeletionEdit::TouchesObject,
    ];
    DeletionModel { crashes: 1, ..base_model(MAY) }
}

/// Returns a model in which the context of the object changes.
fn context_change_model() -> DeletionModel {
    base_model(&[
        DeletionEdit::DeletesNamespace,
        DeletionEdit::HidesNamespace,
        DeletionEdit::DeclaresChild,
        DeletionEdit::MakesChild,
        DeletionEdit::EndsChildren,
        DeletionEdit::BreaksReference,
        DeletionEdit::RewritesMark,
        DeletionEdit::Activates,
        DeletionEdit::ReplacesObject,
    ])
}

/// Returns a model in which the termination is cancelled while others activate the tenant.
fn cancel_model() -> DeletionModel {
    DeletionModel { losses: 1, ..base_model(&[RETAIN, DeletionEdit::Activates]) }
}

/// Returns a model in which the termination is cancelled with `Suspend`, which is then reverted, while others activate
/// the tenant.
fn reverted_cancel_model() -> DeletionModel {
    DeletionModel {
        edits: 3,
        ..base_model(&[SUSPEND, DeletionEdit::SetsPolicy(ModelPolicy::Terminate), DeletionEdit::Activates])
    }
}

fn two_operator_model(crashes: u8, losses: u8) -> DeletionModel {
    DeletionModel {
        operators: 2,
        crashes,
        losses,
        lapses: 1,
        edits: 1,
        ..base_model(&[RETAIN, DeletionEdit::Activates])
    }
}

/// Returns a model of two Partners with a limit of one per hour.
fn two_partner_model() -> DeletionModel {
    DeletionModel { has_other: true, crashes: 1, losses: 1, edits: 0, ..base_model(&[]) }
}

/// Returns a model in which the second operator's clock is ahead.
fn clock_skew_model() -> DeletionModel {
    DeletionModel { operators: 2, crashes: 1, is_clock_wrong: true, ..base_model(&[RETAIN, DeletionEdit::Activates]) }
}

/// Returns a model in which the platform does not distinguish a suspended tenant from a terminated one.
fn documented_platform_model() -> DeletionModel {
    DeletionModel { crashes: 1, losses: 1, edits: 1, is_documented: true, ..base_model(&[DeletionEdit::TouchesObject]) }
}

/// Searches a model. Returns the states of the tenant in which the finalizer was removed.
fn assert_lawful(name: &str, bounds: &DeletionModel) {
    let mut ends = BTreeMap::<String, usize>::new();
    let seen = explore_states(bounds, |state: &DeletionState| {
        if state.object.is_none() {
            *ends.entry(format!("{:?}", state.context.life)).or_default() += 1;
        }
    });
    assert_no_violation(name, &seen);
    println!("  let go with the tenant {ends:?}");
    assert!(ends.contains_key("Terminated"), "a world in which nothing is ended shows nothing: {ends:?}");
}

#[test]
fn in_no_order_of_consent_cancels_and_late_requests_is_a_tenant_ended_unlawfully() {
    assert_lawful("deletion, consent and cancels", &consent_model());
    assert_lawful("deletion, cancelled and put back in service", &cancel_model());
    assert_lawful("deletion, cancelled with Suspend and taken back", &reverted_cancel_model());
}

#[test]
fn in_no_order_of_changes_around_it_is_a_tenant_ended_unlawfully() {
    assert_lawful("deletion, surroundings change", &context_change_model());
}

#[test]
fn of_two_operators_and_two_partners_none_ends_a_tenant_unlawfully() {
    assert_lawful("deletion, two operators, an answer lost", &two_operator_model(0, 1));
    assert_lawful("deletion, two operators, one dies or hands over", &two_operator_model(1, 0));
    assert_lawful("deletion, two Partners", &two_partner_model());
}

#[test]
fn by_no_wrong_clock_and_no_form_of_an_end_is_a_tenant_ended_unlawfully_or_told_so_twice() {
    assert_lawful("deletion, clocks apart", &clock_skew_model());
    assert_lawful("deletion, ended and out of service are alike", &documented_platform_model());
}

#[test]
fn each_defect_of_the_deletion_is_found_by_a_shortest_way() {
    let worlds: [(DeletionMutant, DeletionModel); 26] = [
        (DeletionMutant::ConfirmationNotCompared, consent_model()),
        (DeletionMutant::ExpiryIgnored, consent_model()),
        (DeletionMutant::RevocationIgnored, consent_model()),
        (DeletionMutant::GraceSkipped, consent_model()),
        (DeletionMutant::ActiveNotSuspendedAgain, context_change_model()),
        (DeletionMutant::ChildrenNotCounted, context_change_model()),
        (DeletionMutant::LivingNotRead, context_change_model()),
        (DeletionMutant::NamespaceNotRead, context_change_model()),
        (DeletionMutant::UnknownTakenForStaying, context_change_model()),
        (DeletionMutant::MarkNotRead, context_change_model()),
        (DeletionMutant::ObjectNotReadAgain, consent_model()),
        (DeletionMutant::UidNotCompared, context_change_model()),
        (DeletionMutant::RecordNotGuarded, consent_model()),
        (DeletionMutant::EvidenceSkipped, consent_model()),
        (DeletionMutant::LedgerNotGuarded, two_partner_model()),
        (DeletionMutant::BreakerForgottenOnRestart, two_partner_model()),
        (DeletionMutant::ClaimIgnored, two_operator_model(0, 0)),
        (DeletionMutant::CancelWithoutWaiting, cancel_model()),
        (DeletionMutant::LateRecordOfSuspension, cancel_model()),
        (DeletionMutant::CallForgottenWhenFoundActive, cancel_model()),
        (DeletionMutant::CancelJudgedAfterTheLook, cancel_model()),
        (DeletionMutant::PeriodKeptBySuspend, reverted_cancel_model()),
        (DeletionMutant::SlotAfterTheLook, consent_model()),
        (DeletionMutant::LateLookBelieved, consent_model()),
        (DeletionMutant::ClockBelieved, clock_skew_model()),
        (DeletionMutant::TakenForgotten, documented_platform_model()),
    ];
    for (mutant, bounds) in worlds {
        assert_defect_found(
            "deletion",
            mutant,
            &explore_states(&DeletionModel { mutant: Some(mutant), ..bounds }, |_| {}),
        );
    }
    assert_defect_count("deletion", 26);
}
