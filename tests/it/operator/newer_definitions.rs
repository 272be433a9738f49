//! Tests of definitions of a newer release on the API server, and of objects that use them: this release does not
//! understand those objects, reports this, and continues with all others.

use std::fs;

use serde_json::{Value, json};

use crate::assets;
use crate::cli::PluginRunner;
use crate::world::{TestNamespace, TestWorld};

/// Returns the definition of Clients as the next release might have it: with one more add-on and one more field.
fn newer_definition() -> Value {
    let text = fs::read_to_string(assets::root().join("crds/clients.yaml")).unwrap();
    let mut definition: Value = serde_yaml::from_str(&text).unwrap();
    let spec = definition.pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties").unwrap();
    spec["addOns"]["items"]["enum"].as_array_mut().unwrap().push(json!("BrandNewAddOn"));
    spec["quota"] = json!({"type": "object", "properties": {"users": {"type": "integer"}}});
    definition
}

/// Retries until the API server accepts an object of the newer definition.
fn apply_newer(namespace: &TestNamespace<'_>, name: &str, more: &Value) {
    let mut spec = json!({"partnerRef": {"name": "acme"}, "details": {"name": namespace.tenant_name(name)}});
    crate::world::merge_json(&mut spec, more);
    let object =
        json!({"apiVersion": "tenantry.dev/v1alpha1", "kind": "Client", "metadata": {"name": name}, "spec": spec});
    namespace.wait_until(&format!("the newer definition takes `{name}`"), || {
        let args = ["-n", &namespace.name, "apply", "--server-side", "-f", "-"];
        Ok(namespace.world.kubectl.run_with(&args, &object.to_string()).is_ok())
    });
}

/// Both objects report what is unknown, while another object is changed and reconciled.
fn check_others_continue(namespace: &TestNamespace<'_>, city: &str) {
    let value = namespace.wait_until_not_ready("client/value", "NotUnderstood");
    assert!(value.contains("the value `BrandNewAddOn` of `addOns[0]`"), "{value}");
    assert!(value.contains("upgrade the operator or correct the value"), "{value}");
    let field = namespace.wait_until_not_ready("client/field", "NotUnderstood");
    assert!(field.contains("the field `quota` (`{\"users\":3}`)"), "{field}");
    let stalled = namespace.condition("client/field", "Stalled").unwrap();
    assert_eq!((stalled.0.as_str(), stalled.1.as_str()), ("True", "NotUnderstood"));
    namespace.merge_patch("client/globex", &json!({"spec": {"details": {"city": city}}}));
    let client = namespace.wait_until_ready("client/globex");
    let partner = namespace.wait_until_ready("partner/acme");
    assert_eq!(namespace.read_client_tenant(&partner, &client)["city"], city);
    let operator = &namespace.world.operator;
    namespace.wait_until("the metric counts both", || {
        let count = |kind: &str| {
            let label = format!("kind=\"{kind}\"");
            operator.metric("tenantry_operator_objects_not_understood", &[&label])
        };
        Ok((count("Client")?, count("Partner")?) == (2.0, 0.0))
    });
}

/// shows: faults/84
#[test]
fn an_object_of_a_newer_definition_stops_itself_and_no_other_across_restarts() {
    let mut world = TestWorld::start("newer", |_| {}).unwrap();
    let name = {
        let namespace = world.create_namespace("newer");
        namespace.apply_partner("acme", &json!({"packages": ["EventAndIncidentManagement"]}));
        for client in ["globex", "field"] {
            namespace.apply_client(client, &json!({"deletion": {"policy": "Suspend"}}));
            namespace.wait_until_ready(&format!("client/{client}"));
        }
        world.kubectl.run_with(&["apply", "--server-side", "-f", "-"], &newer_definition().to_string()).unwrap();
        let suspend = json!({"deletion": {"policy": "Suspend"}});
        apply_newer(&namespace, "value", &json!({"addOns": ["BrandNewAddOn"], "deletion": suspend["deletion"]}));
        // From now on the watch returns objects of the newer definition.
        namespace.wait_until_not_ready("client/value", "NotUnderstood");
        namespace.merge_patch("client/field", &json!({"spec": {"quota": {"users": 3}, "tenantState": "Suspended"}}));
        check_others_continue(&namespace, "Bonn");
        namespace.name
    };
    // Each watch begins with a list: once over all namespaces and once over this one.
    for (city, flag) in [("Ulm", None), ("Trier", Some(format!("--namespaces={name}")))] {
        world.options.flags.extend(flag);
        world.restart_operator().unwrap();
        check_others_continue(&TestNamespace::existing(&world, name.clone()), city);
    }
    let namespace = TestNamespace::existing(&world, name);
    check_plugin_reads(&namespace);
    let (partner, field) = (namespace.wait_until_ready("partner/acme"), namespace.get("client/field").unwrap());
    let id = field["status"]["uniqueId"].as_str().unwrap();
    assert_eq!(namespace.read_client_tenant(&partner, id)["status"], "ACTIVE", "nothing was written to it");
    let active_clients = world.tenancy.list_tenants(&format!("{partner}/clients"), true).unwrap();
    assert_eq!(active_clients.len(), 2, "the new object made no tenant: {active_clients:?}");
    let log = world.operator.log().unwrap();
    assert!(!log.contains("BrandNewAddOn"), "no values in the log:\n{log}");
    check_ways_out(&namespace, &partner, id);
}

/// The plugin shows the other objects, and reports what is unknown in these two.
fn check_plugin_reads(namespace: &TestNamespace<'_>) {
    let plugin = PluginRunner::on_cluster_of(namespace);
    let status = plugin.run(&["status", "-n", &namespace.name, "-o", "json"]);
    let rows = status.json();
    let of = |name: &str| rows.as_array().unwrap().iter().find(|row| row["name"] == name).unwrap().clone();
    assert_eq!(of("globex")["ready"], "True");
    assert!(of("value")["attention"].as_str().unwrap().contains("`addOns[0]`"), "{rows}");
    let plan = plugin.run(&["plan", "-n", &namespace.name]);
    assert_eq!(plan.code, 1, "{plan:?}");
    assert!(plan.err.contains("Client `") && plan.err.contains("field `quota`"), "{plan:?}");
    let typed = namespace.tenant_name("field");
    let accept = "DataErased,NotRecoverable,UsersDeactivated";
    let args = ["terminate", "client/field", "-n", &namespace.name, "--yes-i-typed", &typed, "--accept", accept];
    let terminate = plugin.run(&args);
    assert!(terminate.code == 1 && terminate.err.contains("upgrade `kubectl tenantry`"), "{terminate:?}");
}

/// A deleted object is blocked until `Retain` releases it. A corrected object is reconciled again.
fn check_ways_out(namespace: &TestNamespace<'_>, partner: &str, id: &str) {
    namespace.delete("client/field");
    namespace.wait_until("the deletion is held", || {
        let held = namespace.condition("client/field", "DeletionBlocked");
        Ok(held.is_some_and(|(status, reason, _)| status == "True" && reason == "NotUnderstood"))
    });
    namespace.merge_patch("client/value", &json!({"spec": {"addOns": []}}));
    namespace.wait_until_ready("client/value");
    assert!(namespace.get("client/field").is_some());
    namespace.merge_patch("client/field", &json!({"spec": {"deletion": {"policy": "Retain"}}}));
    namespace.wait_until_gone("client/field");
    assert_eq!(namespace.read_client_tenant(partner, id)["status"], "ACTIVE");
    assert!(namespace.event_reasons("field").iter().any(|reason| reason == "NotUnderstood"));
}
