//! Tests of specs at the limits of the resource definitions, on a real API server.

use serde_json::{Value, json};

use crate::world::TestWorld;

/// shows: faults/77
#[test]
fn a_thousand_addresses_are_in_force_and_status_is_written_and_says_how_much_they_are() {
    let namespace = TestWorld::shared_world().create_namespace("thousand");
    namespace.apply_partner("acme", &json!({}));
    namespace.apply_client("globex", &json!({}));
    namespace.wait_until_ready("client/globex");
    let addresses = |count: usize| -> Vec<String> {
        (0..count).map(|number| format!("2001:db8:{number:x}:ffff:ffff:ffff:0:0/96")).collect()
    };
    let declare =
        |name: &str| namespace.apply_client(name, &json!({"security": {"access": {"allowedIPs": addresses(1000)}}}));
    // One Client that already has a status, and one that starts with such a long list.
    for name in ["globex", "initech"] {
        declare(name);
        let client = namespace.wait_until_ready(&format!("client/{name}"));
        let object = namespace.get(&format!("client/{name}")).unwrap();
        let shown = object["status"]["effective"].as_array().unwrap();
        let value = shown.iter().find(|one| one["path"] == "security.access.allowedIPs").unwrap()["value"].as_str();
        let value: Value = serde_json::from_str(value.unwrap()).unwrap();
        assert!(value["bytes"].as_u64().unwrap() > 32_768 && value["digest"].is_string(), "{value}");
        let partner = namespace.wait_until_ready("partner/acme");
        let tenant = namespace.read_client_tenant(&partner, &client);
        assert_eq!(tenant["whiteListedIps"].as_str().unwrap().split(',').count(), 1000);
    }
}

#[test]
fn an_object_with_the_longest_name_gets_its_events() {
    let namespace = TestWorld::shared_world().create_namespace("longest");
    let name = "n".repeat(253);
    namespace.apply_partner(&name, &json!({"details": {"name": namespace.tenant_name("longest")}}));
    namespace.wait_until_ready(&format!("partner/{name}"));
    namespace.wait_until("its event is there", || Ok(namespace.event_reasons(&name).contains(&"Created".to_owned())));
}
