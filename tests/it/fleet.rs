//! Two hundred clients at once: as many creates, few writes, none afterwards, and none twice under SIGKILL.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{Space, World, short_lease};

const MANY: usize = 200;

fn apply_many(space: &Space<'_>) {
    let mut text = String::new();
    for number in 0..MANY {
        let client = json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client",
            "metadata": {"name": format!("c{number}")},
            "spec": {"partnerRef": {"name": "acme"}, "details": {"name": format!("Client {number}"), "city": "Berlin"}},
        });
        writeln!(text, "---\n{client}").unwrap();
    }
    space.world.kubectl.run_with(&["-n", &space.name, "apply", "--server-side", "-f", "-"], &text).unwrap();
}

fn all_ready(space: &Space<'_>) {
    space.until("all are Ready", || {
        let path = r#"jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}"#;
        let text = space.kubectl(&["get", "clients", "-o", path]);
        Ok(text.lines().filter(|line| *line == "True").count() == MANY)
    });
}

/// All living clients of a partner.
fn living(world: &World, partner: &str) -> Vec<Value> {
    world.tenancy.get(&format!("{partner}/clients/minimal")).unwrap().as_array().unwrap().clone()
}

/// Every tenant once: as many living clients as objects, each with its own name and owner.
fn each_once(space: &Space<'_>, partner: &str) {
    let living = living(space.world, partner);
    let names: BTreeSet<String> = living.iter().map(|one| one["name"].to_string()).collect();
    let owners: BTreeSet<String> = living.iter().map(|one| one["managedBy"]["uid"].to_string()).collect();
    assert_eq!((living.len(), names.len(), owners.len()), (MANY, MANY, MANY));
}

/// shows: seeds/partners/several-clients
/// shows: faults/6
#[test]
fn two_hundred_clients_cost_two_hundred_creates_and_two_writes_each_and_then_nothing() {
    let world = World::start("fleet", |_| {}).unwrap();
    let space = world.namespace("fleet");
    space.partner("acme", &json!({}));
    let partner = space.ready("partner/acme");
    let creates = world.tenancy.creates().unwrap().clients;
    let (writes, events) = (world.client_writes(), world.events());
    apply_many(&space);
    all_ready(&space);
    #[allow(clippy::cast_precision_loss, reason = "200 is exact")]
    let many = MANY as f64;
    // kubectl applies each object once; the rest is the operator's.
    let (writes, events) = (world.client_writes() - writes - many, world.events() - events);
    assert_eq!(world.tenancy.creates().unwrap().clients - creates, MANY);
    assert!(writes <= 2.0 * many, "{writes} object writes for {MANY} tenants");
    assert!(events <= many + 1.0, "{events} events for {MANY} tenants");
    each_once(&space, &partner);
    settle(&world);
    let before = (world.object_writes(), world.platform_writes(), world.events());
    std::thread::sleep(Duration::from_millis(3500));
    let after = (world.object_writes(), world.platform_writes(), world.events());
    assert_eq!(before, after, "something was written while nothing changed");
}

/// Two drift intervals: the Partner's counts of clients are written on its own drift pass.
fn settle(world: &World) {
    assert_eq!(world.options.drift_interval, "1s");
    std::thread::sleep(Duration::from_millis(2500));
}

/// shows: faults/2, faults/37
#[test]
fn killed_five_times_while_it_creates_it_still_makes_each_tenant_once() {
    let mut world = World::start("killed", |options| {
        options.flags.extend(["--request-timeout".to_owned(), "3s".to_owned()]);
        short_lease(options);
    })
    .unwrap();
    let partner = {
        let space = world.namespace("killed");
        space.partner("acme", &json!({}));
        space.ready("partner/acme")
    };
    let name = world.kubectl.run(&["get", "partners", "-A", "-o", "jsonpath={.items[0].metadata.namespace}"]).unwrap();
    // Declared while nobody works, so that each kill meets a full queue.
    world.operator.process().kill().unwrap();
    apply_many(&Space::at(&world, name.clone()));
    for kill in 1..=5_usize {
        world.operator.restart_now().unwrap();
        let enough = kill * MANY / 8;
        let begin = std::time::Instant::now();
        while living(&world, &partner).len() < enough {
            assert!(begin.elapsed() < Duration::from_mins(1), "kill {kill}: {enough} tenants did not come");
        }
        world.operator.process().kill().unwrap();
        let made = living(&world, &partner).len();
        println!("kill {kill} at {made} tenants");
        assert!(made < MANY, "the kill came too late to show anything");
    }
    world.operator.restart().unwrap();
    let space = Space::at(&world, name);
    all_ready(&space);
    each_once(&space, &partner);
}

/// shows: faults/37
#[test]
fn asked_to_end_it_finishes_what_it_has_begun_and_says_so() {
    let mut world = World::start("sigterm", short_lease).unwrap();
    let (name, partner) = {
        let space = world.namespace("sigterm");
        space.partner("acme", &json!({}));
        (space.name.clone(), space.ready("partner/acme"))
    };
    world.operator.process().kill().unwrap();
    apply_many(&Space::at(&world, name.clone()));
    world.operator.restart_now().unwrap();
    let begin = std::time::Instant::now();
    while living(&world, &partner).len() < 10 {
        assert!(begin.elapsed() < Duration::from_mins(1), "nothing was begun");
    }
    assert_eq!(world.operator.process().stop().unwrap(), 0);
    let made = living(&world, &partner).len();
    assert!(made < MANY, "it was asked too late to show anything");
    let recorded = world.kubectl.run(&["-n", &name, "get", "clients", "-o", "jsonpath={.items[*].status.uniqueId}"]);
    assert_eq!(recorded.unwrap().split_whitespace().count(), made, "each tenant that was made was recorded too");
}
