//! Tests two hundred clients at once: one create each, few writes, none afterwards, and no duplicates after SIGKILL.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{TestNamespace, TestWorld, use_short_lease};

const CLIENT_COUNT: usize = 200;

fn apply_clients(namespace: &TestNamespace<'_>) {
    let mut text = String::new();
    for number in 0..CLIENT_COUNT {
        let client = json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client",
            "metadata": {"name": format!("c{number}")},
            "spec": {"partnerRef": {"name": "acme"}, "details": {"name": format!("Client {number}"), "city": "Berlin"}},
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

/// Returns all living clients of a partner.
fn living_clients(world: &TestWorld, partner: &str) -> Vec<Value> {
    world.tenancy.get(&format!("{partner}/clients/minimal")).unwrap().as_array().unwrap().clone()
}

/// Asserts that every tenant exists once: as many living clients as objects, each with a different name and owner.
fn assert_each_once(namespace: &TestNamespace<'_>, partner: &str) {
    let active_clients = living_clients(namespace.world, partner);
    let names: BTreeSet<String> = active_clients.iter().map(|one| one["name"].to_string()).collect();
    let owners: BTreeSet<String> = active_clients.iter().map(|one| one["managedBy"]["uid"].to_string()).collect();
    assert_eq!((active_clients.len(), names.len(), owners.len()), (CLIENT_COUNT, CLIENT_COUNT, CLIENT_COUNT));
}

/// shows: seeds/partners/several-clients
/// shows: faults/6
#[test]
fn two_hundred_clients_cost_two_hundred_creates_and_two_writes_each_and_then_nothing() {
    let world = TestWorld::start("fleet", |_| {}).unwrap();
    let namespace = world.create_namespace("fleet");
    namespace.apply_partner("acme", &json!({}));
    let partner = namespace.wait_until_ready("partner/acme");
    let creates = world.tenancy.create_counts().unwrap().clients;
    let (writes, events) = (world.client_writes(), world.count_events());
    apply_clients(&namespace);
    wait_until_all_ready(&namespace);
    #[allow(clippy::cast_precision_loss, reason = "200 is exact")]
    let many = CLIENT_COUNT as f64;
    // kubectl applies each object once. The other writes are the operator's.
    let (writes, events) = (world.client_writes() - writes - many, world.count_events() - events);
    assert_eq!(world.tenancy.create_counts().unwrap().clients - creates, CLIENT_COUNT);
    assert!(writes <= 2.0 * many, "{writes} object writes for {CLIENT_COUNT} tenants");
    assert!(events <= many + 1.0, "{events} events for {CLIENT_COUNT} tenants");
    assert_each_once(&namespace, &partner);
    wait_two_drift_intervals(&world);
    let before = (world.object_writes(), world.platform_writes(), world.count_events());
    std::thread::sleep(Duration::from_millis(3500));
    let after = (world.object_writes(), world.platform_writes(), world.count_events());
    assert_eq!(before, after, "something was written while nothing changed");
}

/// Waits two drift intervals: the Partner's counts of clients are written on its own drift pass.
fn wait_two_drift_intervals(world: &TestWorld) {
    assert_eq!(world.options.drift_interval, "1s");
    std::thread::sleep(Duration::from_millis(2500));
}

/// shows: faults/2, faults/37
#[test]
fn killed_five_times_while_it_creates_it_still_makes_each_tenant_once() {
    let mut world = TestWorld::start("killed", |options| {
        options.flags.extend(["--request-timeout".to_owned(), "3s".to_owned()]);
        use_short_lease(options);
    })
    .unwrap();
    let partner = {
        let namespace = world.create_namespace("killed");
        namespace.apply_partner("acme", &json!({}));
        namespace.wait_until_ready("partner/acme")
    };
    let name = world.kubectl.run(&["get", "partners", "-A", "-o", "jsonpath={.items[0].metadata.namespace}"]).unwrap();
    // These are declared while no operator runs, so that each kill meets a full queue.
    world.operator.process().kill().unwrap();
    apply_clients(&TestNamespace::existing(&world, name.clone()));
    for kill in 1..=5_usize {
        world.operator.restart_now().unwrap();
        let enough = kill * CLIENT_COUNT / 8;
        let begin = std::time::Instant::now();
        while living_clients(&world, &partner).len() < enough {
            assert!(begin.elapsed() < Duration::from_mins(1), "kill {kill}: {enough} tenants did not come");
        }
        world.operator.process().kill().unwrap();
        let made = living_clients(&world, &partner).len();
        println!("kill {kill} at {made} tenants");
        assert!(made < CLIENT_COUNT, "the kill came too late to show anything");
    }
    world.operator.restart().unwrap();
    let namespace = TestNamespace::existing(&world, name);
    wait_until_all_ready(&namespace);
    assert_each_once(&namespace, &partner);
}

/// shows: faults/37
#[test]
fn asked_to_end_it_finishes_what_it_has_begun_and_says_so() {
    let mut world = TestWorld::start("sigterm", use_short_lease).unwrap();
    let (name, partner) = {
        let namespace = world.create_namespace("sigterm");
        namespace.apply_partner("acme", &json!({}));
        (namespace.name.clone(), namespace.wait_until_ready("partner/acme"))
    };
    world.operator.process().kill().unwrap();
    apply_clients(&TestNamespace::existing(&world, name.clone()));
    world.operator.restart_now().unwrap();
    let begin = std::time::Instant::now();
    while living_clients(&world, &partner).len() < 10 {
        assert!(begin.elapsed() < Duration::from_mins(1), "nothing was begun");
    }
    assert_eq!(world.operator.process().stop().unwrap(), 0);
    let made = living_clients(&world, &partner).len();
    assert!(made < CLIENT_COUNT, "it was asked too late to show anything");
    let recorded = world.kubectl.run(&["-n", &name, "get", "clients", "-o", "jsonpath={.items[*].status.uniqueId}"]);
    assert_eq!(recorded.unwrap().split_whitespace().count(), made, "each tenant that was made was recorded too");
}
