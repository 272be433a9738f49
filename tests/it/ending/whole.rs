//! More than the object goes: its namespace, its kind. That never ends a tenant, however well confirmed.

use serde_json::json;

use super::{HOME, blocked, end, family, state};
use crate::programs::PlatformOptions;
use crate::world::World;

#[test]
fn deleting_the_namespace_ends_nothing_and_says_so_in_the_operator_s_own() {
    let world = World::shared();
    let (space, partner, client) = family(world, "namespace", &json!({"policy": "Terminate"}));
    space.client("waiting", &json!({"deletion": {"policy": "Terminate"}}));
    let waiting = space.ready("client/waiting");
    end(&space, "client/waiting", 3600);
    space.until("it is suspended", || Ok(state(&space, &partner, &waiting) == "SUSPENDED"));
    space.patch("client/globex", &space.confirm("client/globex", 0));
    // Held by somebody else, so that the last status can be read.
    let mut finalizers = space.get("client/globex").unwrap()["metadata"]["finalizers"].clone();
    finalizers.as_array_mut().unwrap().push(json!("example.com/later"));
    space.patch("client/globex", &json!({"metadata": {"finalizers": finalizers}}));
    world.kubectl.run(&["delete", "namespace", &space.name, "--wait=false"]).unwrap();
    let said = space.not_ready("client/globex", "Retained");
    assert!(said.contains("namespace"), "{said}");
    space.until("ours is off", || {
        let found = space.get("client/globex").unwrap();
        Ok(found["metadata"]["finalizers"] == json!(["example.com/later"]))
    });
    space.patch("client/globex", &json!({"metadata": {"finalizers": null}}));
    world.kubectl.run(&["wait", "--for=delete", "namespace", &space.name, "--timeout=60s"]).unwrap();
    assert_eq!(state(&space, &partner, &client), "ACTIVE");
    assert_eq!(state(&space, &partner, &waiting), "SUSPENDED", "what was suspended waits for a person");
    space.until("the operator's namespace has the event", || {
        let notes =
            world.kubectl.run(&["-n", HOME, "get", "events.v1.events.k8s.io", "-o", "jsonpath={.items[*].note}"]);
        Ok(notes?.contains(&format!("Client `{}/globex`: the namespace is being deleted", space.name)))
    });
    let log = world.operator.log().unwrap();
    assert!(log.lines().any(|line| line.contains("released") && line.contains(&format!("{}/globex", space.name))));
}

#[test]
fn deleting_the_definitions_ends_nothing_even_for_an_operator_that_may_do_everything() {
    let world = World::start("definitions", |_| {}).unwrap();
    let (space, partner, client) = family(&world, "definitions", &json!({"policy": "Terminate"}));
    space.client("waiting", &json!({"deletion": {"policy": "Terminate"}}));
    let waiting = space.ready("client/waiting");
    end(&space, "client/waiting", 3600);
    space.until("it is suspended", || Ok(state(&space, &partner, &waiting) == "SUSPENDED"));
    for object in ["client/globex", "partner/acme"] {
        space.patch(object, &json!({"spec": {"deletion": {"policy": "Terminate"}}}));
        space.patch(object, &space.confirm(object, 0));
    }
    world.kubectl.run(&["delete", "crd", "clients.tenantry.dev", "partners.tenantry.dev", "--timeout=90s"]).unwrap();
    assert_eq!(state(&space, &partner, &client), "ACTIVE");
    assert_eq!(state(&space, &partner, &waiting), "SUSPENDED");
    let partners = world.tenancy.list(&format!("{}/msps", world.tenancy.tenant()), true).unwrap();
    assert!(partners.iter().any(|one| one["uniqueId"] == partner.as_str() && one["status"] == "ACTIVE"));
}

#[test]
fn without_extensions_too_neither_all_objects_nor_the_namespace_nor_the_definitions_end_a_tenant() {
    let options = PlatformOptions { documented_only: true, ..PlatformOptions::default() };
    let world = World::start_with("bare-whole", &options, |_| {}).unwrap();
    let partner = world.platform.credential.tenant_id.clone();
    let is_active = |id: &str| world.tenancy.get(&format!("{partner}/clients/{id}")).unwrap()["activated"] == true;
    let spec = json!({"partnerUniqueId": partner, "deletion": {"policy": "Terminate", "gracePeriodSeconds": 0}});

    let space = world.namespace("bare-all");
    space.orphan("unconfirmed", &spec);
    let unconfirmed = space.ready("client/unconfirmed");
    space.kubectl(&["delete", "clients", "--all", "--wait=false"]);
    blocked(&space, "client/unconfirmed", "ConfirmationNeeded");
    space.orphan("confirmed", &spec);
    let confirmed = space.ready("client/confirmed");
    space.patch("client/confirmed", &space.confirm("client/confirmed", 0));
    world.kubectl.run(&["delete", "namespace", &space.name, "--timeout=90s"]).unwrap();
    assert!(is_active(&unconfirmed) && is_active(&confirmed), "the namespace took a tenant along");

    let space = world.namespace("bare-kinds");
    space.orphan("globex", &spec);
    let globex = space.ready("client/globex");
    space.patch("client/globex", &space.confirm("client/globex", 0));
    world.kubectl.run(&["delete", "crd", "clients.tenantry.dev", "partners.tenantry.dev", "--timeout=90s"]).unwrap();
    assert!(is_active(&globex), "the definitions took a tenant along");
}
