//! Drift checks: a delay or a failure of one object costs the others nothing.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::Method;
use serde_json::json;

use super::super::cluster::{CONFIG_MAPS, PARTNERS, SimObjectKey};
use super::super::crash_sweep::scenarios;
use super::super::exchange::{OperatorLife, RequestFate};
use super::super::idle::{is_ready, new_default_world};
use super::super::operator_life::{run_life, settings};
use super::super::request::{SimReply, SimRequest, SimServer};
use super::{
    CLIENT_COUNT, UNREACHABLE_TIME, count_requests, create_slow_secret, create_twenty_clients, run_update_scenario,
    settings_with_slow_host,
};

#[test]
fn forty_secrets_that_are_never_answered_delay_no_correction_of_another_object() {
    let world = new_default_world();
    run_update_scenario(&world);
    let done = run_life(&world, &OperatorLife::new(2), settings_with_slow_host(&[]), async {
        // Each has a separate Secret, so that none waits for another's.
        let slow = |number| SimObjectKey::new(PARTNERS, "b", &format!("p{number}"));
        for number in 0..CLIENT_COUNT {
            let secret = format!("slow{number}");
            create_slow_secret(&world, &secret);
            let spec = json!({"connectionSecretRef": {"name": secret}, "details": {"name": format!("Slow {number}")}});
            world.create(&slow(number), &scenarios::partner_spec(&spec));
        }
        for number in 0..CLIENT_COUNT {
            world
                .wait_until("it is Ready", |world| world.object(&slow(number)).is_some_and(|one| is_ready(&one)))
                .await;
        }
        let acme = SimObjectKey::new(PARTNERS, "a", "acme");
        world.edit(&acme, &json!({"details": {"city": "Ulm"}}));
        world.wait_until("it is applied", |world| world.tenant(&acme).unwrap().settings["city"] == "Ulm").await;
        let is_theirs = |ask: &SimRequest| ask.path.contains("/namespaces/b/secrets/slow");
        world.lock().fates =
            Box::new(
                move |_, ask| if is_theirs(ask) { RequestFate::Silent(UNREACHABLE_TIME) } else { RequestFate::Pass },
            );
        // One interval, and less than the sum of the waits for each Secret. A fourth correction within an hour is not
        // made.
        for round in 0..3 {
            world.change_in_console(&world.tenant(&acme).unwrap(), &json!({"city": "Elsewhere"}));
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
    let world = new_default_world();
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        create_twenty_clients(&world, &json!({})).await;
        let is_search = |ask: &SimRequest| ask.path.ends_with("/clients/search");
        let is_read = |ask: &SimRequest| ask.side == SimServer::Platform && ask.path.contains("/clients/client_");
        let refuse = SimReply { status: 503, headers: Vec::new(), body: Bytes::new() };
        let reads = count_requests(&world, is_read, move |ask| {
            if is_search(ask) { RequestFate::Replaced(Box::new((refuse.clone(), false))) } else { RequestFate::Pass }
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
    let world = new_default_world();
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        let body = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "images", "namespace": "a"},
            "binaryData": {"logo.png": PIXEL},
        });
        world.kubectl(Method::POST, &CONFIG_MAPS.path("a", ""), &body);
        create_twenty_clients(
            &world,
            &json!({"branding": {"logo": {"configMapKeyRef": {"name": "images", "key": "logo.png"}}}}),
        )
        .await;
        tokio::time::sleep(Duration::from_mins(1)).await;
        let reads = count_requests(&world, |ask| ask.path.ends_with("/configmaps/images"), |_| RequestFate::Pass);
        tokio::time::sleep(Duration::from_mins(35)).await;
        let reads = *reads.lock().unwrap();
        assert!((3..=4).contains(&reads), "{reads} reads in three intervals");
    });
    assert!(done.is_some());
}
