//! Tests of a leader whose process is paused while another one takes over.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{audited_changes, pass_count, start_world, use_short_lease, wait_for_leadership};
use crate::world::{TestNamespace, TestWorld};

const CLIENT_COUNT: usize = 50;

/// Returns all living clients of a partner.
fn living_clients(world: &TestWorld, partner: &str) -> Vec<Value> {
    world.tenancy.get(&format!("{partner}/clients/minimal")).unwrap().as_array().unwrap().clone()
}

fn apply_clients(namespace: &TestNamespace<'_>, city: &str) {
    let mut text = String::new();
    for number in 0..CLIENT_COUNT {
        let client = json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client",
            "metadata": {"name": format!("c{number}")},
            "spec": {"partnerRef": {"name": "acme"}, "details": {"name": format!("Client {number}"), "city": city}},
        });
        writeln!(text, "---\n{client}").unwrap();
    }
    namespace.world.kubectl.run_with(&["-n", &namespace.name, "apply", "--server-side", "-f", "-"], &text).unwrap();
}

fn wait_until_all_ready(namespace: &TestNamespace<'_>) {
    namespace.wait_until("all are Ready", || {
        let path = r#"jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}"#;
        let text = namespace.kubectl(&["get", "clients", "-o", path]);
        Ok(text.lines().filter(|line| *line == "True").count() == CLIENT_COUNT)
    });
}

/// Waits until nothing is written any more: a Partner's counts of clients follow on its own drift pass.
fn wait_until_no_writes(world: &TestWorld) -> (f64, f64) {
    let counts = || (world.platform_writes(), world.object_writes());
    let mut before = counts();
    for _ in 0..40 {
        std::thread::sleep(Duration::from_millis(2500));
        let now = counts();
        if before == now {
            return now;
        }
        before = now;
    }
    panic!("it goes on writing: {before:?}");
}

/// shows: faults/25
#[test]
fn a_leader_stopped_in_the_middle_of_fifty_creates_sends_no_change_after_another_took_over_and_ends() {
    let mut world = start_world("stopped", |options| {
        options.flags.extend(["--request-timeout".to_owned(), "3s".to_owned()]);
        use_short_lease(options);
    });
    wait_for_leadership(&world.operator, Instant::now());
    let second = world.start_another_operator("standby", "second").unwrap();
    let namespace = world.create_namespace("stopped");
    let name = namespace.name.clone();
    namespace.apply_partner("acme", &json!({}));
    let partner = namespace.wait_until_ready("partner/acme");
    apply_clients(&namespace, "Berlin");
    // This polls without a pause, so that the process is stopped in time.
    assert!((0..10_000).any(|_| living_clients(&world, &partner).len() >= 10), "no ten tenants came");
    world.operator.process().signal("STOP").unwrap();
    let made = living_clients(&world, &partner).len();
    assert!(made < CLIENT_COUNT, "it was stopped too late to show anything");
    println!("stopped at {made} tenants, taken over after {:?}", wait_for_leadership(&second, Instant::now()));
    let namespace = TestNamespace::existing(&world, name);
    wait_until_all_ready(&namespace);
    let active_clients = living_clients(&world, &partner);
    let owners: BTreeSet<String> = active_clients.iter().map(|one| one["managedBy"]["uid"].to_string()).collect();
    assert_eq!((active_clients.len(), owners.len()), (CLIENT_COUNT, CLIENT_COUNT));
    assert_eq!(world.tenancy.create_counts().unwrap().clients, CLIENT_COUNT);

    // It finds its own changes half done, and each object changed since.
    apply_clients(&namespace, "Bonn");
    let before = wait_until_no_writes(&world);
    let own = audited_changes(&world, "first").len();
    let passed = pass_count(&second);
    world.operator.process().signal("CONT").unwrap();
    let ended = world.operator.process().wait(Duration::from_secs(10)).unwrap();
    assert_eq!(ended, Some(1), "it does not end as failed:\n{}", world.operator.log().unwrap());
    assert!(world.operator.log().unwrap().contains("no longer leads"));
    assert_eq!(wait_until_no_writes(&world), before, "something was written after it went on");
    assert_eq!(audited_changes(&world, "first").len(), own, "it wrote after it went on");
    assert!(pass_count(&second) >= passed);
}
