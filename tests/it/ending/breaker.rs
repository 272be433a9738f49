//! The breaker: no mistake ends everything at once.

use std::time::Duration;

use serde_json::{Value, json};

use super::{HOME, blocked, end, kept, uid};
use crate::world::{Space, World};

const LEDGER: &str = "tenantry-terminations";

fn partner(space: &Space<'_>, name: &str) -> String {
    space.partner(name, &json!({"deletion": {"policy": "Terminate"}}));
    space.ready(&format!("partner/{name}"))
}

fn lives(space: &Space<'_>, id: &str) -> bool {
    let living = space.world.tenancy.list(&format!("{}/msps", space.world.tenancy.tenant()), true).unwrap();
    let stopped = space.world.tenancy.list(&format!("{}/msps", space.world.tenancy.tenant()), false).unwrap();
    [living, stopped].concat().iter().any(|one| one["uniqueId"] == id && one["status"] != "TERMINATED")
}

fn entries(world: &World) -> Vec<Value> {
    let map = kept(world, LEDGER).unwrap();
    serde_json::from_str(map["data"]["terminations.json"].as_str().unwrap()).unwrap()
}

/// shows: security/credential/terminate
#[test]
fn a_fourth_partner_within_the_hour_is_held_also_by_the_next_operator_until_the_limit_is_raised() {
    let mut world = World::start("breaker", |_| {}).unwrap();
    let space = world.namespace("breaker");
    let names = ["p0", "p1", "p2", "p3"];
    let ids = names.map(|name| partner(&space, name));
    for name in names {
        space.patch(&format!("partner/{name}"), &space.confirm(&format!("partner/{name}"), 0));
    }
    space.kubectl(&["delete", "partners", "--all", "--wait=false"]);
    let left =
        || -> Vec<&str> { names.into_iter().filter(|name| space.get(&format!("partner/{name}")).is_some()).collect() };
    space.until("three are gone", || Ok(left().len() == 1));
    let last = left()[0];
    let object = format!("partner/{last}");
    space.until("the limit holds the fourth", || {
        let message = blocked(&space, &object, "BreakerOpen");
        Ok(message.contains("at most 3 Partners") && message.contains("goes on at 20"))
    });
    assert_eq!(entries(&world).len(), 3);
    assert_eq!(ids.iter().filter(|id| lives(&space, id)).count(), 1);

    let name = space.name.clone();
    world.restart_operator().unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let space = Space::at(&world, name.clone());
    assert!(blocked(&space, &object, "BreakerOpen").contains("--max-partner-terminations-per-hour"));
    assert_eq!(ids.iter().filter(|id| lives(&space, id)).count(), 1, "the next operator counts what the first ended");

    world.options.flags.extend(["--max-partner-terminations-per-hour".to_owned(), "4".to_owned()]);
    world.restart_operator().unwrap();
    let space = Space::at(&world, name);
    space.gone(&object);
    assert!(ids.iter().all(|id| !lives(&space, id)));
}

/// shows: seeds/partners/several-partners, seeds/termination/one-at-a-time
#[test]
fn partners_are_ended_one_at_a_time_and_a_ledger_that_is_not_understood_ends_none() {
    let world = World::start("open", |_| {}).unwrap();
    let space = world.namespace("open");
    let (first, second) = (partner(&space, "first"), partner(&space, "second"));
    space.delete("partner/first");
    blocked(&space, "partner/first", "ConfirmationNeeded");
    let entry = json!([{
        "uid": uid(&space, "partner/first"), "kind": "Partner", "object": format!("{}/first", space.name),
        "id": first, "time": "2026-01-01T00:00:00Z",
    }]);
    let literal = format!("--from-literal=terminations.json={entry}");
    world.kubectl.run(&["-n", HOME, "create", "configmap", LEDGER, &literal]).unwrap();
    end(&space, "partner/second", 0);
    let message = blocked(&space, "partner/second", "BreakerOpen");
    assert!(message.contains(&format!("`{}/first`", space.name)) && message.contains("Retain"), "{message}");
    assert!(lives(&space, &second));
    space.patch("partner/first", &json!({"spec": {"deletion": {"policy": "Retain"}}}));
    space.gone("partner/first");
    space.gone("partner/second");
    assert!(lives(&space, &first) && !lives(&space, &second));

    let third = partner(&space, "third");
    let patch = json!({"data": {"terminations.json": "three, I think"}}).to_string();
    world.kubectl.run(&["-n", HOME, "patch", "configmap", LEDGER, "--type=merge", "-p", &patch]).unwrap();
    end(&space, "partner/third", 0);
    let message = blocked(&space, "partner/third", "LedgerUnusable");
    assert!(message.contains("delete the ConfigMap"), "{message}");
    assert!(lives(&space, &third));
    world.kubectl.run(&["-n", HOME, "delete", "configmap", LEDGER]).unwrap();
    space.gone("partner/third");
    assert!(!lives(&space, &third));
    assert_eq!(entries(&world).len(), 1);
}
