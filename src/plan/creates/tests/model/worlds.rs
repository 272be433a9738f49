//! The worlds that are walked, and the defects that are found in them.

use super::*;
use crate::plan::explore::{all_found, found, nothing_wrong, walk};

/// A world without edits and defects.
fn bounds(operators: u8, platform: Platform) -> Bounds {
    Bounds { operators, platform, crashes: 1, losses: 1, edits: 0, may: &[], mutant: None, judge: Judge::default() }
}

fn renamed() -> Bounds {
    Bounds { losses: 2, edits: 1, may: &[Edit::Renames], ..bounds(1, Platform::Documented) }
}

fn renamed_twice() -> Bounds {
    Bounds { edits: 2, ..renamed() }
}

fn deleted(platform: Platform) -> Bounds {
    Bounds { edits: 3, may: &[Edit::Renames, Edit::Deletes, Edit::Recreates], ..bounds(1, platform) }
}

/// Against what another process has under way nothing helps where its intent was taken away, so no process dies.
fn replaced() -> Bounds {
    Bounds { crashes: 0, losses: 2, edits: 2, may: &[Edit::Replaces], ..bounds(1, Platform::Documented) }
}

fn shared(crashes: u8, losses: u8) -> Bounds {
    Bounds { crashes, losses, ..bounds(2, Platform::Documented) }
}

#[test]
fn in_no_order_of_lost_answers_deaths_and_edits_does_an_object_get_two_tenants_or_lose_one() {
    for (name, bounds) in [
        ("create, renamed twice", renamed_twice()),
        ("create, deleted and created anew", deleted(Platform::Documented)),
        ("create, the same with unique names and marks", deleted(Platform::Whole)),
        ("create, finalizer and intent taken away", replaced()),
    ] {
        nothing_wrong(name, &walk(&bounds, |_| {}));
    }
}

#[test]
fn in_no_order_of_renewals_and_takeovers_do_two_operators_make_two_tenants() {
    for (name, bounds) in [
        ("create, two operators, an answer lost", shared(0, 1)),
        ("create, two operators, one dies or hands over", shared(1, 0)),
    ] {
        nothing_wrong(name, &walk(&bounds, |_| {}));
    }
}

#[test]
fn each_defect_of_the_create_is_found_by_a_shortest_way() {
    let worlds: [(Mutant, Bounds); 11] = [
        (Mutant::NoLookBeforeCreate, bounds(1, Platform::Documented)),
        (Mutant::NoWaitForOwnCreate, bounds(1, Platform::Documented)),
        (Mutant::PassGivenUpUnnoted, bounds(1, Platform::Documented)),
        (Mutant::NoWaitForCreateOfAnother, bounds(1, Platform::Documented)),
        (Mutant::WaitJudgedAfterTheLook, renamed()),
        (Mutant::IntentOfAnotherName, renamed_twice()),
        (Mutant::SentNameForgotten, renamed()),
        (Mutant::WaitEndedByNewIntent, replaced()),
        (Mutant::ReleasedWithoutWaiting, deleted(Platform::Documented)),
        (Mutant::IntentNotGuarded, shared(1, 0)),
        (Mutant::ClaimIgnored, shared(0, 0)),
    ];
    for (mutant, bounds) in worlds {
        found("create", mutant, &walk(&Bounds { mutant: Some(mutant), ..bounds }, |_| {}));
    }
    all_found("create", 11);
}
