//! A platform that gets another host name.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Parser as _;
use serde_json::json;
use tenantry::operator::Settings;

use super::cluster::{CLIENTS, Key, PARTNERS, SECRETS};
use super::deeds::{Deed, Who};
use super::life::{HOME, HOST, live, settings};
use super::seam::{Life, World};
use super::settle::{condition, is_ready, rest, world};

const NEW: &str = "moved.example";

/// The flags of a life after the move; the old host is not on the list any more.
fn moved(more: &[&str]) -> Settings {
    let flags = ["tenantry-operator", "--platform-hosts", NEW, "--namespace", HOME, "--cluster-id", "sim"];
    let leases = ["--lease-duration", "30m", "--renew-deadline", "25m", "--retry-period", "12m"];
    Settings::parse_from(flags.iter().chain(&leases).chain(more))
}

fn host(world: &World, key: &Key) -> String {
    world.object(key).unwrap()["status"]["connection"]["host"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_platform_that_moved_keeps_its_objects_only_where_the_flag_names_both_hosts() {
    let (world, globex) = (world(), Key::new(CLIENTS, "a", "globex"));
    let keys = [Key::new(PARTNERS, "a", "acme"), globex.clone()];
    let all_ready = |world: &World| keys.iter().all(|key| world.object(key).is_some_and(|object| is_ready(&object)));
    let done = live(&world, &Life::new(1), settings(), async {
        world.happen(&Deed::Create(Who::Acme));
        world.happen(&Deed::Create(Who::Globex));
        world.until("both are Ready", all_ready).await;
    });
    assert!(done.is_some());
    let tenant = world.tenant(&globex).unwrap().id;
    let url = STANDARD.encode(format!("https://{NEW}"));
    world.patch(&Key::new(SECRETS, "a", "platform"), &json!({"data": {"url": url}}));

    let stopped = |world: &World| {
        keys.iter().all(|key| {
            let ready = condition(&world.object(key).unwrap(), "Ready");
            ready.is_some_and(|(_, reason)| reason == "ConnectionIdentityChanged")
        })
    };
    let done = live(&world, &Life::new(2), moved(&[]), async {
        world.until("both are stopped", stopped).await;
        assert_eq!(keys.each_ref().map(|key| host(&world, key)), [HOST, HOST]);
    });
    assert!(done.is_some());

    let done = live(&world, &Life::new(3), moved(&["--platform-moved", "platform.example=moved.example"]), async {
        world.until("both are Ready again", all_ready).await;
        world.until("the new host is recorded", |world| keys.iter().all(|key| host(world, key) == NEW)).await;
        rest(&world, 1).await;
    });
    assert!(done.is_some());
    assert_eq!(world.tenant(&globex).unwrap().id, tenant);
    assert_eq!(world.lock().oracle.created.values().map(Vec::len).sum::<usize>(), 2, "nothing was made a second time");
    let faults = world.faults();
    assert!(faults.is_empty(), "{faults:#?}");
}
