//! A platform whose host name changes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Parser as _;
use serde_json::json;
use tenantry_operator::OperatorFlags;

use super::actions::{SimAction, SimActor};
use super::cluster::{CLIENTS, PARTNERS, SECRETS, SimObjectKey};
use super::exchange::{OperatorLife, SimWorld};
use super::idle::{condition, is_ready, new_default_world, wait_until_idle};
use super::operator_life::{OPERATOR_NAMESPACE, PLATFORM_HOST, run_life, settings};

const NEW: &str = "moved.example";

/// Returns the flags of a life after the move, in which the old host is not allowed any more.
fn settings_after_move(more: &[&str]) -> OperatorFlags {
    let flags =
        ["tenantry-operator", "--platform-hosts", NEW, "--namespace", OPERATOR_NAMESPACE, "--cluster-id", "sim"];
    let leases = ["--lease-duration", "30m", "--renew-deadline", "25m", "--retry-period", "12m"];
    OperatorFlags::parse_from(flags.iter().chain(&leases).chain(more))
}

fn connection_host(world: &SimWorld, key: &SimObjectKey) -> String {
    world.object(key).unwrap()["status"]["connection"]["host"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_platform_that_moved_keeps_its_objects_only_where_the_flag_names_both_hosts() {
    let (world, globex) = (new_default_world(), SimObjectKey::new(CLIENTS, "a", "globex"));
    let keys = [SimObjectKey::new(PARTNERS, "a", "acme"), globex.clone()];
    let all_ready = |world: &SimWorld| keys.iter().all(|key| world.object(key).is_some_and(|object| is_ready(&object)));
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        world.perform_action(&SimAction::Create(SimActor::Acme));
        world.perform_action(&SimAction::Create(SimActor::Globex));
        world.wait_until("both are Ready", all_ready).await;
    });
    assert!(done.is_some());
    let tenant = world.tenant(&globex).unwrap().id;
    let url = STANDARD.encode(format!("https://{NEW}"));
    world.patch(&SimObjectKey::new(SECRETS, "a", "platform"), &json!({"data": {"url": url}}));

    let stopped = |world: &SimWorld| {
        keys.iter().all(|key| {
            let ready = condition(&world.object(key).unwrap(), "Ready");
            ready.is_some_and(|(_, reason)| reason == "ConnectionIdentityChanged")
        })
    };
    let done = run_life(&world, &OperatorLife::new(2), settings_after_move(&[]), async {
        world.wait_until("both are stopped", stopped).await;
        assert_eq!(keys.each_ref().map(|key| connection_host(&world, key)), [PLATFORM_HOST, PLATFORM_HOST]);
    });
    assert!(done.is_some());

    let done = run_life(
        &world,
        &OperatorLife::new(3),
        settings_after_move(&["--platform-moved", "platform.example=moved.example"]),
        async {
            world.wait_until("both are Ready again", all_ready).await;
            world
                .wait_until("the new host is recorded", |world| {
                    keys.iter().all(|key| connection_host(world, key) == NEW)
                })
                .await;
            wait_until_idle(&world, 1).await;
        },
    );
    assert!(done.is_some());
    assert_eq!(world.tenant(&globex).unwrap().id, tenant);
    assert_eq!(world.lock().oracle.created.values().map(Vec::len).sum::<usize>(), 2, "nothing was made a second time");
    let faults = world.idle_faults();
    assert!(faults.is_empty(), "{faults:#?}");
}
