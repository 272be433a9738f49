//! A pause with an end: it holds everything until its time, and then ends by itself.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::cluster::{CLIENTS, EVENTS, Key, PARTNERS};
use super::life::{live, settings};
use super::seam::{Life, World};
use super::settle::{condition, is_ready, world};
use super::sweep::scenarios::{client, partner};

fn globex() -> Key {
    Key::new(CLIENTS, "a", "globex")
}

async fn family(world: &World, spec: &Value) {
    let acme = Key::new(PARTNERS, "a", "acme");
    world.create(&acme, &partner(&json!({})));
    world.create(&globex(), &client("Globex", spec));
    for key in [acme, globex()] {
        world.until("both are Ready", |world| world.object(&key).is_some_and(|one| is_ready(&one))).await;
    }
}

/// Pauses the object for minutes from now; returns the time.
fn pause(world: &World, minutes: i64) -> String {
    let until = (tenantry::clock::now() + SignedDuration::from_mins(minutes)).to_string();
    world.edit(&globex(), &json!({"management": {"pausedUntil": until}}));
    until
}

fn city(world: &World) -> String {
    let found = world.tenants().into_iter().find(|tenant| tenant.name == "Globex").unwrap();
    found.settings["city"].as_str().unwrap_or_default().to_owned()
}

fn paused(world: &World) -> Option<(String, String)> {
    world.object(&globex()).and_then(|object| condition(&object, "Paused"))
}

fn events(world: &World, reason: &str) -> Vec<String> {
    let state = world.lock();
    let all = state.cluster.all(EVENTS).filter(|(_, event)| event["reason"] == reason);
    all.map(|(_, event)| event["note"].as_str().unwrap_or_default().to_owned()).collect()
}

async fn minutes(count: u64) {
    tokio::time::sleep(Duration::from_mins(count)).await;
}

#[test]
fn a_pause_with_an_end_holds_every_write_until_then_and_ends_by_itself() {
    let world = world();
    live(&world, &Life::new(1), settings(), async {
        family(&world, &json!({"details": {"city": "Bonn"}})).await;
        let until = pause(&world, 150);
        world.edit(&globex(), &json!({"details": {"city": "Ulm"}}));
        minutes(149).await;
        assert_eq!(paused(&world), Some(("True".to_owned(), "ManagementPaused".to_owned())));
        assert_eq!(city(&world), "Bonn");
        let notes = events(&world, "ManagementPaused");
        assert!(matches!(notes.as_slice(), [note] if note.contains(&until)), "{notes:?}");
        assert_eq!(events(&world, "Resumed"), Vec::<String>::new());
        // The look for drift comes every ten minutes: within two the object has woken by itself.
        minutes(2).await;
        assert_eq!(city(&world), "Ulm");
        assert_eq!(paused(&world), None);
        assert!(is_ready(&world.object(&globex()).unwrap()));
        assert_eq!(events(&world, "Resumed").len(), 1);
    });
    assert_eq!(world.faults(), Vec::<String>::new());
}

#[test]
fn a_pause_that_ends_while_no_operator_runs_is_over_when_one_does() {
    let world = world();
    live(&world, &Life::new(1), settings(), async {
        family(&world, &json!({"details": {"city": "Bonn"}})).await;
        pause(&world, 30);
        world.edit(&globex(), &json!({"details": {"city": "Ulm"}}));
        minutes(10).await;
    });
    {
        let mut state = world.lock();
        state.now += SignedDuration::from_hours(1);
    }
    live(&world, &Life::new(2), settings(), async {
        world.until("the edit is written", |world| city(world) == "Ulm").await;
        assert_eq!(paused(&world), None);
    });
    assert_eq!(world.faults(), Vec::<String>::new());
}

#[test]
fn a_deletion_waits_for_the_end_of_a_pause() {
    let world = world();
    live(&world, &Life::new(1), settings(), async {
        family(&world, &json!({"deletion": {"policy": "Suspend"}})).await;
        pause(&world, 45);
        world.delete(&globex());
        minutes(40).await;
        let object = world.object(&globex()).unwrap();
        assert_eq!(condition(&object, "DeletionBlocked").unwrap().1, "ManagementPaused");
        assert_eq!(world.tenants().iter().find(|one| one.name == "Globex").unwrap().state, "ACTIVE");
        minutes(7).await;
        assert!(world.object(&globex()).is_none());
        assert_eq!(world.tenants().iter().find(|one| one.name == "Globex").unwrap().state, "SUSPENDED");
        assert_eq!(events(&world, "Resumed"), Vec::<String>::new(), "a deletion that waits is no end of a pause");
    });
    assert_eq!(world.faults(), Vec::<String>::new());
}
