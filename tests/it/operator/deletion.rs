//! Tests of deletion: tenants are retained, suspended, or terminated with consent, and never terminated by accident.

use serde_json::{Value, json};

use crate::world::{TestNamespace, TestWorld};

fn create_partner_and_client(prefix: &str, deletion: &Value) -> (TestNamespace<'static>, String, String) {
    let namespace = TestWorld::shared_world().create_namespace(prefix);
    namespace.apply_partner("acme", &json!({}));
    namespace.apply_client("globex", &json!({"deletion": deletion}));
    let (partner, client) = (namespace.wait_until_ready("partner/acme"), namespace.wait_until_ready("client/globex"));
    (namespace, partner, client)
}

fn tenant_state(namespace: &TestNamespace<'_>, partner: &str, client: &str) -> Value {
    namespace.read_client_tenant(partner, client)["status"].clone()
}

/// Returns whether a client is a tombstone. Only a search for inactive tenants returns tombstones.
fn is_tombstone(namespace: &TestNamespace<'_>, partner: &str, client: &str) -> bool {
    let path = format!("{partner}/clients");
    let dead = namespace.world.tenancy.list_tenants(&path, false).unwrap();
    dead.iter().any(|one| one["uniqueId"] == client && one["status"] == "TERMINATED")
}

/// shows: faults/10
#[test]
fn retain_leaves_the_tenant_and_the_same_object_again_takes_it_up() {
    let (space, partner, client) = create_partner_and_client("retain", &json!({}));
    space.delete("client/globex");
    space.wait_until_gone("client/globex");
    assert_eq!(tenant_state(&space, &partner, &client), "ACTIVE");
    space.apply_client("globex", &json!({}));
    assert_eq!(space.wait_until_ready("client/globex"), client);
    space.wait_until("the event is there", || Ok(space.event_reasons("globex").contains(&"Reattached".to_owned())));
}

#[test]
fn suspend_suspends_and_lets_go() {
    let (space, partner, client) = create_partner_and_client("suspend", &json!({"policy": "Suspend"}));
    space.delete("client/globex");
    space.wait_until_gone("client/globex");
    assert_eq!(tenant_state(&space, &partner, &client), "SUSPENDED");
}

/// shows: seeds/termination/confirm, seeds/termination/back-up, seeds/termination/terminate
/// shows: faults/29
#[test]
fn terminate_waits_for_consent_then_for_the_grace_period_then_ends_the_tenant() {
    let (space, partner, client) = create_partner_and_client("terminate", &json!({"policy": "Terminate"}));
    space.delete("client/globex");
    let message = space.wait_until_not_ready("client/globex", "ConfirmationNeeded");
    assert!(message.contains("status.termination.howToConfirm"), "{message}");
    assert_eq!(space.condition("client/globex", "DeletionBlocked").unwrap().0, "True");
    assert_eq!(tenant_state(&space, &partner, &client), "ACTIVE");
    space.merge_patch("client/globex", &space.offered_confirmation("client/globex", 2));
    space.wait_until("it is suspended first", || {
        Ok(is_tombstone(&space, &partner, &client) || tenant_state(&space, &partner, &client) == "SUSPENDED")
    });
    space.wait_until_gone("client/globex");
    assert!(is_tombstone(&space, &partner, &client));
}

/// shows: seeds/termination/mandatory
/// shows: faults/29
#[test]
fn a_confirmation_that_names_another_tenant_is_not_accepted() {
    let (space, partner, client) = create_partner_and_client("wrong", &json!({"policy": "Terminate"}));
    let mut confirm = space.offered_confirmation("client/globex", 0);
    confirm["spec"]["deletion"]["confirm"]["uniqueId"] = json!("client_999999");
    space.merge_patch("client/globex", &confirm);
    space.delete("client/globex");
    let message = space.wait_until_not_ready("client/globex", "ConfirmationInvalid");
    assert!(message.contains("client_999999") && message.contains(&client), "{message}");
    assert_eq!(tenant_state(&space, &partner, &client), "ACTIVE");
}

#[test]
fn removing_the_consent_cancels_and_the_tenant_is_active_again() {
    let (space, partner, client) = create_partner_and_client("cancel", &json!({"policy": "Terminate"}));
    space.merge_patch("client/globex", &space.offered_confirmation("client/globex", 3600));
    space.delete("client/globex");
    space.wait_until("it is suspended", || Ok(tenant_state(&space, &partner, &client) == "SUSPENDED"));
    space.merge_patch("client/globex", &json!({"spec": {"deletion": {"confirm": null}}}));
    space.wait_until_gone("client/globex");
    assert_eq!(tenant_state(&space, &partner, &client), "ACTIVE");
}

/// shows: seeds/termination/terminated-state, seeds/termination/terminate
/// shows: faults/34
#[test]
fn a_partner_waits_for_its_clients_declared_and_living() {
    let (space, partner, client) = create_partner_and_client("children", &json!({}));
    space.merge_patch("partner/acme", &json!({"spec": {"deletion": {"policy": "Terminate"}}}));
    space.merge_patch("partner/acme", &space.offered_confirmation("partner/acme", 0));
    space.delete("partner/acme");
    assert!(space.wait_until_not_ready("partner/acme", "ClientsRemain").contains("Client object"));
    space.delete("client/globex");
    space.wait_until_gone("client/globex");
    let name = space.tenant_name("globex");
    space.wait_until("it waits for the living client", || {
        let message = space.condition("partner/acme", "DeletionBlocked").map(|(_, _, message)| message);
        Ok(message.unwrap_or_default().contains(&format!("`{name}`")))
    });
    space.apply_client("globex", &json!({"deletion": {"policy": "Terminate"}}));
    assert_eq!(
        space.wait_until_ready("client/globex"),
        client,
        "an object of a Partner that goes takes its tenant up again"
    );
    space.merge_patch("client/globex", &space.offered_confirmation("client/globex", 0));
    space.delete("client/globex");
    space.wait_until_gone("client/globex");
    space.wait_until_gone("partner/acme");
    let path = format!("{}/msps", space.world.tenancy.provider_id());
    let dead = space.world.tenancy.list_tenants(&path, false).unwrap();
    assert!(dead.iter().any(|one| one["uniqueId"] == partner.as_str() && one["status"] == "TERMINATED"));
}

/// shows: faults/29
#[test]
fn deleting_the_namespace_ends_no_tenant_even_a_confirmed_one() {
    let (space, partner, client) = create_partner_and_client("namespace", &json!({"policy": "Terminate"}));
    space.merge_patch("client/globex", &space.offered_confirmation("client/globex", 0));
    space.wait_until_ready("client/globex");
    space.world.kubectl.run(&["delete", "namespace", &space.name, "--timeout=60s"]).unwrap();
    assert_eq!(tenant_state(&space, &partner, &client), "ACTIVE");
}

/// shows: faults/35
#[test]
fn a_tenant_that_has_gone_from_the_platform_is_never_created_again() {
    let (space, partner, client) = create_partner_and_client("missing", &json!({"policy": "Terminate"}));
    space
        .world
        .tenancy
        .change_tenant(&format!("{}/terminate", space.client_path(&partner, &client)), &json!({}))
        .unwrap();
    assert!(space.wait_until_not_ready("client/globex", "TenantMissing").contains(&client));
    space.delete("client/globex");
    space.wait_until_gone("client/globex");
    let active_clients = space.world.tenancy.list_tenants(&format!("{partner}/clients"), true).unwrap();
    assert!(active_clients.is_empty(), "{active_clients:?}");
}
