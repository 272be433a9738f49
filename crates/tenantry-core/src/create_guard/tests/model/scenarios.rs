//! The models that are searched, and the defects that the searches find.

use super::*;
use crate::explorer::{assert_defect_count, assert_defect_found, assert_no_violation, explore_states};

/// Returns a model without edits and defects.
fn base_model(operators: u8, platform: PlatformModel) -> CreateModel {
    CreateModel {
        operators,
        platform,
        crashes: 1,
        losses: 1,
        edits: 0,
        allowed_edits: &[],
        mutant: None,
        oracle: IdentityOracle::default(),
    }
}

fn rename_model() -> CreateModel {
    CreateModel {
        losses: 2,
        edits: 1,
        allowed_edits: &[CreateEdit::Renames],
        ..base_model(1, PlatformModel::Documented)
    }
}

fn double_rename_model() -> CreateModel {
    CreateModel { edits: 2, ..rename_model() }
}

fn deletion_model(platform: PlatformModel) -> CreateModel {
    CreateModel {
        edits: 3,
        allowed_edits: &[CreateEdit::Renames, CreateEdit::Deletes, CreateEdit::Recreates],
        ..base_model(1, platform)
    }
}

/// Returns a model in which the intent is removed. Nothing protects against a pending create of another process whose
/// intent was removed, so no process crashes.
fn replace_model() -> CreateModel {
    CreateModel {
        crashes: 0,
        losses: 2,
        edits: 2,
        allowed_edits: &[CreateEdit::Replaces],
        ..base_model(1, PlatformModel::Documented)
    }
}

fn two_operator_model(crashes: u8, losses: u8) -> CreateModel {
    CreateModel { crashes, losses, ..base_model(2, PlatformModel::Documented) }
}

#[test]
fn in_no_order_of_lost_answers_deaths_and_edits_does_an_object_get_two_tenants_or_lose_one() {
    for (name, bounds) in [
        ("create, renamed twice", double_rename_model()),
        ("create, deleted and created again", deletion_model(PlatformModel::Documented)),
        ("create, the same with unique names and marks", deletion_model(PlatformModel::Extended)),
        ("create, finalizer and intent taken away", replace_model()),
    ] {
        assert_no_violation(name, &explore_states(&bounds, |_| {}));
    }
}

#[test]
fn in_no_order_of_renewals_and_takeovers_do_two_operators_make_two_tenants() {
    for (name, bounds) in [
        ("create, two operators, an answer lost", two_operator_model(0, 1)),
        ("create, two operators, one dies or hands over", two_operator_model(1, 0)),
    ] {
        assert_no_violation(name, &explore_states(&bounds, |_| {}));
    }
}

#[test]
fn each_defect_of_the_create_is_found_by_a_shortest_way() {
    let worlds: [(CreateMutant, CreateModel); 11] = [
        (CreateMutant::NoLookBeforeCreate, base_model(1, PlatformModel::Documented)),
        (CreateMutant::NoWaitForOwnCreate, base_model(1, PlatformModel::Documented)),
        (CreateMutant::PassGivenUpUnnoted, base_model(1, PlatformModel::Documented)),
        (CreateMutant::NoWaitForCreateOfAnother, base_model(1, PlatformModel::Documented)),
        (CreateMutant::WaitJudgedAfterTheLook, rename_model()),
        (CreateMutant::IntentOfAnotherName, double_rename_model()),
        (CreateMutant::SentNameForgotten, rename_model()),
        (CreateMutant::WaitEndedByNewIntent, replace_model()),
        (CreateMutant::ReleasedWithoutWaiting, deletion_model(PlatformModel::Documented)),
        (CreateMutant::IntentNotGuarded, two_operator_model(1, 0)),
        (CreateMutant::ClaimIgnored, two_operator_model(0, 0)),
    ];
    for (mutant, bounds) in worlds {
        assert_defect_found("create", mutant, &explore_states(&CreateModel { mutant: Some(mutant), ..bounds }, |_| {}));
    }
    assert_defect_count("create", 11);
}
