//! Tests of the breaker: no single mistake ends all tenants at once.

use std::time::Duration;

use serde_json::{Value, json};

use super::{OPERATOR_NAMESPACE, config_map_at_home, confirm_and_delete, uid, wait_until_blocked};
use crate::world::{TestNamespace, TestWorld};

const LEDGER: &str = "tenantry-terminations";

fn create_partner(namespace: &TestNamespace<'_>, name: &str) -> String {
    namespace.apply_partner(name, &json!({"deletion": {"policy": "Terminate"}}));
    namespace.wait_until_ready(&format!("partner/{name}"))
}

fn is_tenant_alive(namespace: &TestNamespace<'_>, id: &str) -> bool {
    let active_clients =
        namespace.world.tenancy.list_tenants(&format!("{}/msps", namespace.world.tenancy.provider_id()), true).unwrap();
    let stopped = namespace
        .world
        .tenancy
        .list_tenants(&format!("{}/msps", namespace.world.tenancy.provider_id()), false)
        .unwrap();
    [active_clients, stopped].concat().iter().any(|one| one["uniqueId"] == id && one["status"] != "TERMINATED")
}

fn ledger_entries(world: &TestWorld) -> Vec<Value> {
    let map = config_map_at_home(world, LEDGER).unwrap();
    serde_json::from_str(map["data"]["terminations.json"].as_str().unwrap()).unwrap()
}

/// shows: security/credential/terminate
#[test]
fn a_fourth_partner_within_the_hour_is_held_also_by_the_next_operator_until_the_limit_is_raised() {
    let mut world = TestWorld::start("breaker", |_| {}).unwrap();
    let namespace = world.create_namespace("breaker");
    let names = ["p0", "p1", "p2", "p3"];
    let ids = names.map(|name| create_partner(&namespace, name));
    for name in names {
        namespace
            .merge_patch(&format!("partner/{name}"), &namespace.offered_confirmation(&format!("partner/{name}"), 0));
    }
    namespace.kubectl(&["delete", "partners", "--all", "--wait=false"]);
    let left = || -> Vec<&str> {
        names.into_iter().filter(|name| namespace.get(&format!("partner/{name}")).is_some()).collect()
    };
    namespace.wait_until("three are gone", || Ok(left().len() == 1));
    let last = left()[0];
    let object = format!("partner/{last}");
    namespace.wait_until("the limit holds the fourth", || {
        let message = wait_until_blocked(&namespace, &object, "BreakerOpen");
        Ok(message.contains("at most 3 Partners") && message.contains("goes on at 20"))
    });
    assert_eq!(ledger_entries(&world).len(), 3);
    assert_eq!(ids.iter().filter(|id| is_tenant_alive(&namespace, id)).count(), 1);

    let name = namespace.name.clone();
    world.restart_operator().unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let namespace = TestNamespace::existing(&world, name.clone());
    assert!(wait_until_blocked(&namespace, &object, "BreakerOpen").contains("--max-partner-terminations-per-hour"));
    assert_eq!(
        ids.iter().filter(|id| is_tenant_alive(&namespace, id)).count(),
        1,
        "the next operator counts what the first ended"
    );

    world.options.flags.extend(["--max-partner-terminations-per-hour".to_owned(), "4".to_owned()]);
    world.restart_operator().unwrap();
    let namespace = TestNamespace::existing(&world, name);
    namespace.wait_until_gone(&object);
    assert!(ids.iter().all(|id| !is_tenant_alive(&namespace, id)));
}

/// shows: seeds/partners/several-partners, seeds/termination/one-at-a-time
#[test]
fn partners_are_ended_one_at_a_time_and_a_ledger_that_is_not_understood_ends_none() {
    let world = TestWorld::start("open", |_| {}).unwrap();
    let namespace = world.create_namespace("open");
    let (first, second) = (create_partner(&namespace, "first"), create_partner(&namespace, "second"));
    namespace.delete("partner/first");
    wait_until_blocked(&namespace, "partner/first", "ConfirmationNeeded");
    let entry = json!([{
        "uid": uid(&namespace, "partner/first"), "kind": "Partner", "object": format!("{}/first", namespace.name),
        "id": first, "time": "2026-01-01T00:00:00Z",
    }]);
    let literal = format!("--from-literal=terminations.json={entry}");
    world.kubectl.run(&["-n", OPERATOR_NAMESPACE, "create", "configmap", LEDGER, &literal]).unwrap();
    confirm_and_delete(&namespace, "partner/second", 0);
    let message = wait_until_blocked(&namespace, "partner/second", "BreakerOpen");
    assert!(message.contains(&format!("`{}/first`", namespace.name)) && message.contains("Retain"), "{message}");
    assert!(is_tenant_alive(&namespace, &second));
    namespace.merge_patch("partner/first", &json!({"spec": {"deletion": {"policy": "Retain"}}}));
    namespace.wait_until_gone("partner/first");
    namespace.wait_until_gone("partner/second");
    assert!(is_tenant_alive(&namespace, &first) && !is_tenant_alive(&namespace, &second));

    let third = create_partner(&namespace, "third");
    let patch = json!({"data": {"terminations.json": "three, I think"}}).to_string();
    world.kubectl.run(&["-n", OPERATOR_NAMESPACE, "patch", "configmap", LEDGER, "--type=merge", "-p", &patch]).unwrap();
    confirm_and_delete(&namespace, "partner/third", 0);
    let message = wait_until_blocked(&namespace, "partner/third", "LedgerUnusable");
    assert!(message.contains("delete the ConfigMap"), "{message}");
    assert!(is_tenant_alive(&namespace, &third));
    world.kubectl.run(&["-n", OPERATOR_NAMESPACE, "delete", "configmap", LEDGER]).unwrap();
    namespace.wait_until_gone("partner/third");
    assert!(!is_tenant_alive(&namespace, &third));
    assert_eq!(ledger_entries(&world).len(), 1);
}
