//! Tests of deleting a namespace or a resource definition: neither ever ends a tenant, even with a confirmation.

use serde_json::json;

use super::{OPERATOR_NAMESPACE, confirm_and_delete, create_partner_and_client, tenant_state, wait_until_blocked};
use crate::programs::PlatformOptions;
use crate::world::TestWorld;

#[test]
fn deleting_the_namespace_ends_nothing_and_says_so_in_the_operator_s_own() {
    let world = TestWorld::shared_world();
    let (space, partner, client) = create_partner_and_client(world, "namespace", &json!({"policy": "Terminate"}));
    space.apply_client("waiting", &json!({"deletion": {"policy": "Terminate"}}));
    let waiting = space.wait_until_ready("client/waiting");
    confirm_and_delete(&space, "client/waiting", 3600);
    space.wait_until("it is suspended", || Ok(tenant_state(&space, &partner, &waiting) == "SUSPENDED"));
    space.merge_patch("client/globex", &space.offered_confirmation("client/globex", 0));
    // Another finalizer keeps the object, so that the test can read the last status.
    let mut finalizers = space.get("client/globex").unwrap()["metadata"]["finalizers"].clone();
    finalizers.as_array_mut().unwrap().push(json!("example.com/later"));
    space.merge_patch("client/globex", &json!({"metadata": {"finalizers": finalizers}}));
    world.kubectl.run(&["delete", "namespace", &space.name, "--wait=false"]).unwrap();
    let message = space.wait_until_not_ready("client/globex", "Retained");
    assert!(message.contains("namespace"), "{message}");
    space.wait_until("ours is off", || {
        let found = space.get("client/globex").unwrap();
        Ok(found["metadata"]["finalizers"] == json!(["example.com/later"]))
    });
    space.merge_patch("client/globex", &json!({"metadata": {"finalizers": null}}));
    world.kubectl.run(&["wait", "--for=delete", "namespace", &space.name, "--timeout=60s"]).unwrap();
    assert_eq!(tenant_state(&space, &partner, &client), "ACTIVE");
    assert_eq!(tenant_state(&space, &partner, &waiting), "SUSPENDED", "what was suspended waits for a person");
    space.wait_until("the operator's namespace has the event", || {
        let notes = world.kubectl.run(&[
            "-n",
            OPERATOR_NAMESPACE,
            "get",
            "events.v1.events.k8s.io",
            "-o",
            "jsonpath={.items[*].note}",
        ]);
        Ok(notes?.contains(&format!("Client `{}/globex`: the namespace is being deleted", space.name)))
    });
    let log = world.operator.log().unwrap();
    assert!(log.lines().any(|line| line.contains("released") && line.contains(&format!("{}/globex", space.name))));
}

#[test]
fn deleting_the_definitions_ends_nothing_even_for_an_operator_that_may_do_everything() {
    let world = TestWorld::start("definitions", |_| {}).unwrap();
    let (space, partner, client) = create_partner_and_client(&world, "definitions", &json!({"policy": "Terminate"}));
    space.apply_client("waiting", &json!({"deletion": {"policy": "Terminate"}}));
    let waiting = space.wait_until_ready("client/waiting");
    confirm_and_delete(&space, "client/waiting", 3600);
    space.wait_until("it is suspended", || Ok(tenant_state(&space, &partner, &waiting) == "SUSPENDED"));
    for object in ["client/globex", "partner/acme"] {
        space.merge_patch(object, &json!({"spec": {"deletion": {"policy": "Terminate"}}}));
        space.merge_patch(object, &space.offered_confirmation(object, 0));
    }
    world.kubectl.run(&["delete", "crd", "clients.tenantry.dev", "partners.tenantry.dev", "--timeout=90s"]).unwrap();
    assert_eq!(tenant_state(&space, &partner, &client), "ACTIVE");
    assert_eq!(tenant_state(&space, &partner, &waiting), "SUSPENDED");
    let partners = world.tenancy.list_tenants(&format!("{}/msps", world.tenancy.provider_id()), true).unwrap();
    assert!(partners.iter().any(|one| one["uniqueId"] == partner.as_str() && one["status"] == "ACTIVE"));
}

#[test]
fn without_extensions_too_neither_all_objects_nor_the_namespace_nor_the_definitions_end_a_tenant() {
    let options = PlatformOptions { documented_only: true, ..PlatformOptions::default() };
    let world = TestWorld::start_with("bare-whole", &options, |_| {}).unwrap();
    let partner = world.platform.credential.tenant_id.clone();
    let is_active = |id: &str| world.tenancy.get(&format!("{partner}/clients/{id}")).unwrap()["activated"] == true;
    let spec = json!({"partnerUniqueId": partner, "deletion": {"policy": "Terminate", "gracePeriodSeconds": 0}});

    let namespace = world.create_namespace("bare-all");
    namespace.apply_client_without_partner("unconfirmed", &spec);
    let unconfirmed = namespace.wait_until_ready("client/unconfirmed");
    namespace.kubectl(&["delete", "clients", "--all", "--wait=false"]);
    wait_until_blocked(&namespace, "client/unconfirmed", "ConfirmationNeeded");
    namespace.apply_client_without_partner("confirmed", &spec);
    let confirmed = namespace.wait_until_ready("client/confirmed");
    namespace.merge_patch("client/confirmed", &namespace.offered_confirmation("client/confirmed", 0));
    world.kubectl.run(&["delete", "namespace", &namespace.name, "--timeout=90s"]).unwrap();
    assert!(is_active(&unconfirmed) && is_active(&confirmed), "the namespace took a tenant along");

    let namespace = world.create_namespace("bare-kinds");
    namespace.apply_client_without_partner("globex", &spec);
    let globex = namespace.wait_until_ready("client/globex");
    namespace.merge_patch("client/globex", &namespace.offered_confirmation("client/globex", 0));
    world.kubectl.run(&["delete", "crd", "clients.tenantry.dev", "partners.tenantry.dev", "--timeout=90s"]).unwrap();
    assert!(is_active(&globex), "the definitions took a tenant along");
}
