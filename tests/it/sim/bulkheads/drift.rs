//! The look for drift: what holds up or fails for one object costs the others nothing.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::Method;
use serde_json::json;

use super::super::ask::{Ask, Reply, Side};
use super::super::cluster::{CONFIG_MAPS, Key, PARTNERS};
use super::super::life::{live, settings};
use super::super::seam::{Fate, Life};
use super::super::settle::{is_ready, world};
use super::super::sweep::scenarios;
use super::{EVER, MANY, count, settled, slow_secret, twenty, with_flags};

#[test]
fn forty_secrets_that_are_never_answered_delay_no_correction_of_another_object() {
    let world = world();
    settled(&world);
    let done = live(&world, &Life::new(2), with_flags(&[]), async {
        // Each has a Secret of its own: nobody waits for another's.
        let slow = |number| Key::new(PARTNERS, "b", &format!("p{number}"));
        for number in 0..MANY {
            let secret = format!("slow{number}");
            slow_secret(&world, &secret);
            let spec = json!({"connectionSecretRef": {"name": secret}, "details": {"name": format!("Slow {number}")}});
            world.create(&slow(number), &scenarios::partner(&spec));
        }
        for number in 0..MANY {
            world.until("it is Ready", |world| world.object(&slow(number)).is_some_and(|one| is_ready(&one))).await;
        }
        let acme = Key::new(PARTNERS, "a", "acme");
        world.edit(&acme, &json!({"details": {"city": "Ulm"}}));
        world.until("it is applied", |world| world.tenant(&acme).unwrap().settings["city"] == "Ulm").await;
        let is_theirs = |ask: &Ask| ask.path.contains("/namespaces/b/secrets/slow");
        world.lock().fates = Box::new(move |_, ask| if is_theirs(ask) { Fate::Silent(EVER) } else { Fate::Pass });
        // One interval, and less than the sum of the waits for each Secret. A fourth correction within an hour is not made.
        for round in 0..3 {
            world.drift(&world.tenant(&acme).unwrap(), &json!({"city": "Elsewhere"}));
            tokio::time::sleep(Duration::from_mins(13)).await;
            let city = world.tenant(&acme).unwrap().settings["city"].clone();
            assert_eq!(city, "Ulm", "round {round}");
        }
    });
    assert!(done.is_some());
    assert!(world.lock().oracle.violations.is_empty(), "{:#?}", world.lock().oracle.violations);
}

/// shows: faults/73
#[test]
fn a_look_for_drift_that_fails_wakes_one_object_and_not_all() {
    let world = world();
    let done = live(&world, &Life::new(1), settings(), async {
        twenty(&world, &json!({})).await;
        let is_search = |ask: &Ask| ask.path.ends_with("/clients/search");
        let is_read = |ask: &Ask| ask.side == Side::Platform && ask.path.contains("/clients/client_");
        let refuse = Reply { status: 503, headers: Vec::new(), body: Bytes::new() };
        let reads = count(&world, is_read, move |ask| {
            if is_search(ask) { Fate::Instead(Box::new((refuse.clone(), false))) } else { Fate::Pass }
        });
        tokio::time::sleep(Duration::from_mins(35)).await;
        let reads = *reads.lock().unwrap();
        assert!((3..=4).contains(&reads), "{reads} Clients were read in three looks that failed");
    });
    assert!(done.is_some());
}

/// shows: faults/75
#[test]
fn twenty_clients_that_share_a_config_map_cost_one_read_of_it_in_each_interval() {
    const PIXEL: &str =
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    let world = world();
    let done = live(&world, &Life::new(1), settings(), async {
        let body = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "images", "namespace": "a"},
            "binaryData": {"logo.png": PIXEL},
        });
        world.kubectl(Method::POST, &CONFIG_MAPS.path("a", ""), &body);
        twenty(&world, &json!({"branding": {"logo": {"configMapKeyRef": {"name": "images", "key": "logo.png"}}}}))
            .await;
        tokio::time::sleep(Duration::from_mins(1)).await;
        let reads = count(&world, |ask| ask.path.ends_with("/configmaps/images"), |_| Fate::Pass);
        tokio::time::sleep(Duration::from_mins(35)).await;
        let reads = *reads.lock().unwrap();
        assert!((3..=4).contains(&reads), "{reads} reads in three intervals");
    });
    assert!(done.is_some());
}
