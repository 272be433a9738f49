//! Tests of the breaker: no single mistake ends all tenants at once.

use std::time::Duration;

use serde_json::{Value, json};

use super::{OPERATOR_NAMESPACE, config_map_at_home, confirm_and_delete, uid, wait_until_blocked};
use crate::world::{TestNamespace, TestWorld};

const LEDGER: &str = "tenantry-terminations";

fn create_partner(space: &TestNamespace<'_>, name: &str) -> String {
    space.apply_partner(name, &json!({"deletion": {"policy": "Terminate"}}));
    space.wait_until_ready(&format!("partner/{name}"))
}

fn is_tenant_alive(space: &TestNamespace<'_>, id: &str) -> bool {
    let living =
        space.world.tenancy.list_tenants(&format!("{}/msps", space.world.tenancy.provider_id()), true).unwrap();
    let stopped =
        space.world.tenancy.list_tenants(&format!("{}/msps", space.world.tenancy.provider_id()), false).unwrap();
    [living, stopped].concat().iter().any(|one| one["uniqueId"] == id && one["status"] != "TERMINATED")
}

fn ledger_entries(world: &TestWorld) -> Vec<Value> {
    let map = config_map_at_home(world, LEDGER).unwrap();
    serde_json::from_str(map["data"]["terminations.json"].as_str().unwrap()).unwrap()
}

/// shows: security/credential/terminate
#[test]
fn a_fourth_partner_within_the_hour_is_held_also_by_the_next_operator_until_the_limit_is_raised() {
    let mut world = TestWorld::start("breaker", |_| {}).unwrap();
    let space = world.create_namespace("breaker");
    let names = ["p0", "p1", "p2", "p3"];
    let ids = names.map(|name| create_partner(&space, name));
    for name in names {
        space.merge_patch(&format!("partner/{name}"), &space.offered_confirmation(&format!("partner/{name}"), 0));
    }
    space.kubectl(&["delete", "partners", "--all", "--wait=false"]);
    let left =
        || -> Vec<&str> { names.into_iter().filter(|name| space.get(&format!("partner/{name}")).is_some()).collect() };
    space.wait_until("three are gone", || Ok(left().len() == 1));
    let last = left()[0];
    let object = format!("partner/{last}");
    space.wait_until("the limit holds the fourth", || {
        let message = wait_until_blocked(&space, &object, "BreakerOpen");
        Ok(message.contains("at most 3 Partners") && message.contains("goes on at 20"))
    });
    assert_eq!(ledger_entries(&world).len(), 3);
    assert_eq!(ids.iter().filter(|id| is_tenant_alive(&space, id)).count(), 1);

    let name = space.name.clone();
    world.restart_operator().unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let space = TestNamespace::existing(&world, name.clone());
    assert!(wait_until_blocked(&space, &object, "BreakerOpen").contains("--max-partner-terminations-per-hour"));
    assert_eq!(
        ids.iter().filter(|id| is_tenant_alive(&space, id)).count(),
        1,
        "the next operator counts what the first ended"
    );

    world.options.flags.extend(["--max-partner-terminations-per-hour".to_owned(), "4".to_owned()]);
    world.restart_operator().unwrap();
    let space = TestNamespace::existing(&world, name);
    space.wait_until_gone(&object);
    assert!(ids.iter().all(|id| !is_tenant_alive(&space, id)));
}

/// shows: seeds/partners/several-partners, seeds/termination/one-at-a-time
#[test]
fn partners_are_ended_one_at_a_time_and_a_ledger_that_is_not_understood_ends_none() {
    let world = TestWorld::start("open", |_| {}).unwrap();
    let space = world.create_namespace("open");
    let (first, second) = (create_partner(&space, "first"), create_partner(&space, "second"));
    space.delete("partner/first");
    wait_until_blocked(&space, "partner/first", "ConfirmationNeeded");
    let entry = json!([{
        "uid": uid(&space, "partner/first"), "kind": "Partner", "object": format!("{}/first", space.name),
        "id": first, "time": "2026-01-01T00:00:00Z",
    }]);
    let literal = format!("--from-literal=terminations.json={entry}");
    world.kubectl.run(&["-n", OPERATOR_NAMESPACE, "create", "configmap", LEDGER, &literal]).unwrap();
    confirm_and_delete(&space, "partner/second", 0);
    let message = wait_until_blocked(&space, "partner/second", "BreakerOpen");
    assert!(message.contains(&format!("`{}/first`", space.name)) && message.contains("Retain"), "{message}");
    assert!(is_tenant_alive(&space, &second));
    space.merge_patch("partner/first", &json!({"spec": {"deletion": {"policy": "Retain"}}}));
    space.wait_until_gone("partner/first");
    space.wait_until_gone("partner/second");
    assert!(is_tenant_alive(&space, &first) && !is_tenant_alive(&space, &second));

    let third = create_partner(&space, "third");
    let patch = json!({"data": {"terminations.json": "three, I think"}}).to_string();
    world.kubectl.run(&["-n", OPERATOR_NAMESPACE, "patch", "configmap", LEDGER, "--type=merge", "-p", &patch]).unwrap();
    confirm_and_delete(&space, "partner/third", 0);
    let message = wait_until_blocked(&space, "partner/third", "LedgerUnusable");
    assert!(message.contains("delete the ConfigMap"), "{message}");
    assert!(is_tenant_alive(&space, &third));
    world.kubectl.run(&["-n", OPERATOR_NAMESPACE, "delete", "configmap", LEDGER]).unwrap();
    space.wait_until_gone("partner/third");
    assert!(!is_tenant_alive(&space, &third));
    assert_eq!(ledger_entries(&world).len(), 1);
}
