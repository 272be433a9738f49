//! The worlds that are walked, and the defects that are found in them.

use super::*;
use crate::plan::explore::{all_found, found, nothing_wrong, walk};

fn bounds(may: &'static [Edit]) -> Bounds {
    Bounds {
        operators: 1,
        crashes: 0,
        losses: 0,
        lapses: 0,
        edits: 2,
        may,
        has_other: false,
        is_clock_wrong: false,
        is_documented: false,
        mutant: None,
        judge: Judge::default(),
    }
}

const RETAIN: Edit = Edit::SetsPolicy(Policy::Retain);
const SUSPEND: Edit = Edit::SetsPolicy(Policy::Suspend);

/// Consent is given, taken back, changed, given wrongly.
fn consented() -> Bounds {
    const MAY: &[Edit] = &[
        RETAIN,
        SUSPEND,
        Edit::Confirms(None),
        Edit::Confirms(Some(Says::Right)),
        Edit::Confirms(Some(Says::RightAnew)),
        Edit::Confirms(Some(Says::WrongName)),
        Edit::ShortensGrace,
        Edit::TouchesObject,
    ];
    Bounds { crashes: 1, ..bounds(MAY) }
}

/// What stands around the object changes.
fn surrounded() -> Bounds {
    bounds(&[
        Edit::DeletesNamespace,
        Edit::HidesNamespace,
        Edit::DeclaresChild,
        Edit::MakesChild,
        Edit::EndsChildren,
        Edit::BreaksReference,
        Edit::RewritesMark,
        Edit::Activates,
        Edit::ReplacesObject,
    ])
}

/// Cancelled while others put the tenant back in service.
fn cancelled() -> Bounds {
    Bounds { losses: 1, ..bounds(&[RETAIN, Edit::Activates]) }
}

/// Cancelled with `Suspend`, which is taken back, while others put the tenant back in service.
fn taken_back() -> Bounds {
    Bounds { edits: 3, ..bounds(&[SUSPEND, Edit::SetsPolicy(Policy::Terminate), Edit::Activates]) }
}

fn shared(crashes: u8, losses: u8) -> Bounds {
    Bounds { operators: 2, crashes, losses, lapses: 1, edits: 1, ..bounds(&[RETAIN, Edit::Activates]) }
}

/// Two Partners, one an hour.
fn limited() -> Bounds {
    Bounds { has_other: true, crashes: 1, losses: 1, edits: 0, ..bounds(&[]) }
}

/// The second operator's clock is ahead.
fn apart() -> Bounds {
    Bounds { operators: 2, crashes: 1, is_clock_wrong: true, ..bounds(&[RETAIN, Edit::Activates]) }
}

/// The platform shows no difference between a suspended tenant and one that was ended.
fn documented() -> Bounds {
    Bounds { crashes: 1, losses: 1, edits: 1, is_documented: true, ..bounds(&[Edit::TouchesObject]) }
}

/// Walks a world; answers in which states of the tenant the object was let go.
fn lawful(name: &str, bounds: &Bounds) {
    let mut ends = BTreeMap::<String, usize>::new();
    let seen = walk(bounds, |state: &State| {
        if state.object.is_none() {
            *ends.entry(format!("{:?}", state.around.life)).or_default() += 1;
        }
    });
    nothing_wrong(name, &seen);
    println!("  let go with the tenant {ends:?}");
    assert!(ends.contains_key("Terminated"), "a world in which nothing is ended shows nothing: {ends:?}");
}

#[test]
fn in_no_order_of_consent_cancels_and_late_requests_is_a_tenant_ended_unlawfully() {
    lawful("deletion, consent and cancels", &consented());
    lawful("deletion, cancelled and put back in service", &cancelled());
    lawful("deletion, cancelled with Suspend and taken back", &taken_back());
}

#[test]
fn in_no_order_of_changes_around_it_is_a_tenant_ended_unlawfully() {
    lawful("deletion, surroundings change", &surrounded());
}

#[test]
fn of_two_operators_and_two_partners_none_ends_a_tenant_unlawfully() {
    lawful("deletion, two operators, an answer lost", &shared(0, 1));
    lawful("deletion, two operators, one dies or hands over", &shared(1, 0));
    lawful("deletion, two Partners", &limited());
}

#[test]
fn by_no_wrong_clock_and_no_form_of_an_end_is_a_tenant_ended_unlawfully_or_told_so_twice() {
    lawful("deletion, clocks apart", &apart());
    lawful("deletion, ended and out of service look the same", &documented());
}

#[test]
fn each_defect_of_the_deletion_is_found_by_a_shortest_way() {
    let worlds: [(Mutant, Bounds); 26] = [
        (Mutant::ConfirmationNotCompared, consented()),
        (Mutant::ExpiryIgnored, consented()),
        (Mutant::RevocationIgnored, consented()),
        (Mutant::GraceSkipped, consented()),
        (Mutant::ActiveNotSuspendedAgain, surrounded()),
        (Mutant::ChildrenNotCounted, surrounded()),
        (Mutant::LivingNotRead, surrounded()),
        (Mutant::NamespaceNotRead, surrounded()),
        (Mutant::UnknownTakenForStaying, surrounded()),
        (Mutant::MarkNotRead, surrounded()),
        (Mutant::ObjectNotReadAgain, consented()),
        (Mutant::UidNotCompared, surrounded()),
        (Mutant::RecordNotGuarded, consented()),
        (Mutant::EvidenceSkipped, consented()),
        (Mutant::LedgerNotGuarded, limited()),
        (Mutant::BreakerForgottenOnRestart, limited()),
        (Mutant::ClaimIgnored, shared(0, 0)),
        (Mutant::CancelWithoutWaiting, cancelled()),
        (Mutant::LateRecordOfSuspension, cancelled()),
        (Mutant::CallForgottenWhenFoundActive, cancelled()),
        (Mutant::CancelJudgedAfterTheLook, cancelled()),
        (Mutant::PeriodKeptBySuspend, taken_back()),
        (Mutant::SlotAfterTheLook, consented()),
        (Mutant::LateLookBelieved, consented()),
        (Mutant::ClockBelieved, apart()),
        (Mutant::TakenForgotten, documented()),
    ];
    for (mutant, bounds) in worlds {
        found("deletion", mutant, &walk(&Bounds { mutant: Some(mutant), ..bounds }, |_| {}));
    }
    all_found("deletion", 26);
}
