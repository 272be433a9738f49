//! The events that random runs are for, each once in a hand-written run: the event occurs, and the oracle reports it
//! where the product is broken.

use std::time::Duration;

use serde_json::json;

use super::actions::{ClaimedOwner, NeighbourAction, SimAction, SimActor, TenantClaim};
use super::exchange::SimWorld;
use super::lasting_faults::LastingFault;
use super::random::{RandomRun, check_run, play_run};
use super::random_faults::FaultRates;

/// Runs actions with minutes after each and without faults. Asserts that the oracle finds no violation.
fn run_actions(actions: Vec<(SimAction, u64)>) -> SimWorld {
    let deeds = actions.into_iter().map(|(deed, minutes)| (deed, Duration::from_mins(minutes))).collect();
    let fault_rates = FaultRates { seed: 1, faults: 0, crashes: 0 };
    let run = RandomRun {
        actions: deeds,
        fault_rates,
        watch_delay: Duration::ZERO,
        list_lag: 0,
        has_second_operator: false,
        normalises: false,
    };
    let world = play_run(&run);
    let result = check_run(&world);
    assert!(result.is_ok(), "{}", result.unwrap_err());
    world
}

fn with_created_family(more: Vec<(SimAction, u64)>) -> Vec<(SimAction, u64)> {
    let family = vec![
        (SimAction::Create(SimActor::Acme), 1),
        (SimAction::Create(SimActor::Globex), 1),
        (SimAction::Edit(SimActor::Globex, json!({"details": {"city": "Bonn of Globex"}})), 1),
    ];
    family.into_iter().chain(more).collect()
}

fn edit_city(name: &str) -> SimAction {
    SimAction::Edit(SimActor::Globex, json!({"details": {"city": format!("{name} of Globex")}}))
}

fn count_occurrences(world: &SimWorld, what: &str) -> usize {
    world.lock().oracle.occurred.get(what).map_or(0, std::collections::BTreeSet::len)
}

#[test]
fn nothing_is_written_for_an_object_that_is_paused() {
    let paused = SimAction::Edit(SimActor::Globex, json!({"management": {"mode": "Paused"}}));
    let world = run_actions(with_created_family(vec![(paused, 10), (edit_city("Ulm"), 25)]));
    let globex = world.tenants().into_iter().find(|tenant| tenant.name == "Globex").unwrap();
    assert_eq!(globex.settings["city"], "Bonn of Globex");
}

#[test]
fn nothing_is_written_for_an_object_that_is_only_read() {
    let observe = SimAction::Neighbour(NeighbourAction::Observe { by: SimActor::Globex, of: SimActor::Globex });
    let world = run_actions(with_created_family(vec![
        (observe, 10),
        (SimAction::Drift(SimActor::Globex, json!({"city": "Kiel"})), 25),
    ]));
    assert_eq!(count_occurrences(&world, "tenants only read"), 1);
}

#[test]
fn nothing_is_written_while_a_plan_waits_and_the_approved_one_is_carried_out() {
    let manual = SimAction::Edit(SimActor::Globex, json!({"management": {"approval": {"mode": "Manual"}}}));
    let approve = SimAction::Neighbour(NeighbourAction::Approve(SimActor::Globex));
    let world = run_actions(with_created_family(vec![(manual, 10), (edit_city("Ulm"), 25), (approve, 10)]));
    assert_eq!(count_occurrences(&world, "plans that waited"), 1);
    let globex = world.tenants().into_iter().find(|tenant| tenant.name == "Globex").unwrap();
    assert_eq!(globex.settings["city"], "Ulm of Globex");
}

#[test]
fn a_rotated_secret_reaches_who_inherits_it() {
    let world = run_actions(with_created_family(vec![
        (SimAction::BeginFault(LastingFault::Rotate(1)), 2),
        (SimAction::BeginFault(LastingFault::Rotate(2)), 25),
    ]));
    assert_eq!(count_occurrences(&world, "rotated values written"), 1);
}

#[test]
fn a_neighbour_gets_what_is_handed_over_and_the_giver_writes_no_more() {
    let claim = TenantClaim { by: SimActor::Rival, of: SimActor::Globex, from: ClaimedOwner::Owner };
    let given = NeighbourAction::HandOver { of: SimActor::Globex, to: SimActor::Rival, is_named: true };
    let world = run_actions(with_created_family(vec![
        (SimAction::Neighbour(NeighbourAction::Claim(claim)), 15),
        (SimAction::Neighbour(given), 15),
        (edit_city("Trier"), 25),
    ]));
    assert_eq!(count_occurrences(&world, "tries to take a living neighbour's tenant, refused"), 1);
    assert_eq!((count_occurrences(&world, "hand-overs"), count_occurrences(&world, "givers that say so")), (1, 1));
}
