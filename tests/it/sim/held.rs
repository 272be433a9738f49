//! What random runs are for, each once in a run that is written by hand: it happens, and where the product is broken there
//! the oracle says so.

use std::time::Duration;

use serde_json::json;

use super::deeds::{Claim, Deed, From, Neighbour, Who};
use super::random::{Run, play, verdict};
use super::seam::World;
use super::troubles::Trouble;
use super::weather::Weather;

/// Plays deeds with minutes after each, in good weather; the world must be whole.
fn held(deeds: Vec<(Deed, u64)>) -> World {
    let deeds = deeds.into_iter().map(|(deed, minutes)| (deed, Duration::from_mins(minutes))).collect();
    let weather = Weather { seed: 1, faults: 0, crashes: 0 };
    let run = Run { deeds, weather, lag: Duration::ZERO, behind: 0, is_doubled: false, normalises: false };
    let world = play(&run);
    let verdict = verdict(&world);
    assert!(verdict.is_ok(), "{}", verdict.unwrap_err());
    world
}

fn made(more: Vec<(Deed, u64)>) -> Vec<(Deed, u64)> {
    let family = vec![
        (Deed::Create(Who::Acme), 1),
        (Deed::Create(Who::Globex), 1),
        (Deed::Edit(Who::Globex, json!({"details": {"city": "Bonn of Globex"}})), 1),
    ];
    family.into_iter().chain(more).collect()
}

fn city(name: &str) -> Deed {
    Deed::Edit(Who::Globex, json!({"details": {"city": format!("{name} of Globex")}}))
}

fn occurred(world: &World, what: &str) -> usize {
    world.lock().oracle.occurred.get(what).map_or(0, std::collections::BTreeSet::len)
}

#[test]
fn nothing_is_written_for_an_object_that_is_paused() {
    let paused = Deed::Edit(Who::Globex, json!({"management": {"mode": "Paused"}}));
    let world = held(made(vec![(paused, 10), (city("Ulm"), 25)]));
    let globex = world.tenants().into_iter().find(|tenant| tenant.name == "Globex").unwrap();
    assert_eq!(globex.settings["city"], "Bonn of Globex");
}

#[test]
fn nothing_is_written_for_an_object_that_is_only_read() {
    let observe = Deed::Neighbour(Neighbour::Observe { by: Who::Globex, of: Who::Globex });
    let world = held(made(vec![(observe, 10), (Deed::Drift(Who::Globex, json!({"city": "Kiel"})), 25)]));
    assert_eq!(occurred(&world, "tenants only read"), 1);
}

#[test]
fn nothing_is_written_while_a_plan_waits_and_the_approved_one_is_carried_out() {
    let manual = Deed::Edit(Who::Globex, json!({"management": {"approval": {"mode": "Manual"}}}));
    let approve = Deed::Neighbour(Neighbour::Approve(Who::Globex));
    let world = held(made(vec![(manual, 10), (city("Ulm"), 25), (approve, 10)]));
    assert_eq!(occurred(&world, "plans that waited"), 1);
    let globex = world.tenants().into_iter().find(|tenant| tenant.name == "Globex").unwrap();
    assert_eq!(globex.settings["city"], "Ulm of Globex");
}

#[test]
fn a_rotated_secret_reaches_who_inherits_it() {
    let world = held(made(vec![(Deed::Trouble(Trouble::Rotate(1)), 2), (Deed::Trouble(Trouble::Rotate(2)), 25)]));
    assert_eq!(occurred(&world, "rotated values written"), 1);
}

#[test]
fn a_neighbour_gets_what_is_handed_over_and_the_giver_writes_no_more() {
    let claim = Claim { by: Who::Rival, of: Who::Globex, from: From::Owner };
    let given = Neighbour::HandOver { of: Who::Globex, to: Who::Rival, is_named: true };
    let world = held(made(vec![
        (Deed::Neighbour(Neighbour::Claim(claim)), 15),
        (Deed::Neighbour(given), 15),
        (city("Trier"), 25),
    ]));
    assert_eq!(occurred(&world, "tries to take a living neighbour's tenant, refused"), 1);
    assert_eq!((occurred(&world, "hand-overs"), occurred(&world, "givers that say so")), (1, 1));
}
