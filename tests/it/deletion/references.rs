//! Tests of the Partner that a Client needs for its deletion: missing, closed to it, or waiting for it.

use serde_json::json;

use super::{confirm_and_delete, create_partner_and_client, tenant_state, wait_until_blocked};
use crate::programs::PlatformOptions;
use crate::world::{TestNamespace, TestWorld};

/// Removes the Partner object without its tenant, as an administrator who edits the finalizers does.
fn remove_partner_object(namespace: &TestNamespace<'_>) {
    namespace.delete("partner/acme");
    namespace.wait_until_gone("partner/acme");
}

#[test]
fn without_its_partner_object_suspend_and_terminate_hold_retain_completes_and_the_partner_back_goes_on() {
    let (space, partner, client) =
        create_partner_and_client(TestWorld::shared_world(), "parentless", &json!({"policy": "Terminate"}));
    space.apply_client("kept", &json!({}));
    let kept = space.wait_until_ready("client/kept");
    space.merge_patch("client/globex", &space.offered_confirmation("client/globex", 0));
    remove_partner_object(&space);
    space.delete("client/globex");
    space.delete("client/kept");
    space.wait_until_gone("client/kept");
    assert_eq!(tenant_state(&space, &partner, &kept), "ACTIVE");
    let message = wait_until_blocked(&space, "client/globex", "PartnerNotFound");
    assert!(message.contains("does not exist: create it"), "{message}");
    assert_eq!(tenant_state(&space, &partner, &client), "ACTIVE");
    space.apply_partner("acme", &json!({}));
    assert_eq!(space.wait_until_ready("partner/acme"), partner, "taken up again");
    space.wait_until_gone("client/globex");
    assert_eq!(tenant_state(&space, &partner, &client), "TERMINATED");
}

#[test]
fn a_reference_that_is_no_longer_allowed_holds_until_it_is_allowed_again() {
    let world = TestWorld::shared_world();
    let (home, partner, _) = create_partner_and_client(world, "closed", &json!({}));
    let other = world.create_namespace("guest");
    let allow = |from: &str| {
        home.merge_patch("partner/acme", &json!({"spec": {"clients": {"allowedNamespaces": {"from": from}}}}));
        home.wait_until_ready("partner/acme");
    };
    allow("All");
    let reference = json!({"partnerRef": {"namespace": home.name}, "deletion": {"policy": "Suspend"}});
    other.apply_client("guest", &reference);
    let id = other.wait_until_ready("client/guest");
    allow("Same");
    other.delete("client/guest");
    let message = wait_until_blocked(&other, "client/guest", "NamespaceNotAllowed");
    assert!(message.contains("`clients.allowedNamespaces`"), "{message}");
    assert_eq!(tenant_state(&home, &partner, &id), "ACTIVE");
    allow("All");
    other.wait_until_gone("client/guest");
    assert_eq!(tenant_state(&home, &partner, &id), "SUSPENDED");
}

#[test]
fn a_pause_holds_the_end_until_it_is_managed_again() {
    let (space, partner, client) =
        create_partner_and_client(TestWorld::shared_world(), "pause", &json!({"policy": "Suspend"}));
    space.merge_patch("client/globex", &json!({"spec": {"management": {"mode": "Paused"}}}));
    space.delete("client/globex");
    assert!(wait_until_blocked(&space, "client/globex", "ManagementPaused").contains("`management.mode` to `Manage`"));
    assert_eq!(tenant_state(&space, &partner, &client), "ACTIVE");
    space.merge_patch("client/globex", &json!({"spec": {"management": {"mode": "Manage"}}}));
    space.wait_until_gone("client/globex");
    assert_eq!(tenant_state(&space, &partner, &client), "SUSPENDED");
}

#[test]
fn a_partner_with_retain_waits_for_clients_that_need_its_connection_for_their_end() {
    let (space, partner, client) =
        create_partner_and_client(TestWorld::shared_world(), "leaving", &json!({"policy": "Terminate"}));
    space.delete("client/globex");
    wait_until_blocked(&space, "client/globex", "ConfirmationNeeded");
    space.delete("partner/acme");
    let message = wait_until_blocked(&space, "partner/acme", "ClientsRemain");
    assert!(message.contains("set their `deletion.policy` to `Retain`"), "{message}");
    space.merge_patch("client/globex", &json!({"spec": {"deletion": {"policy": "Retain"}}}));
    space.wait_until_gone("client/globex");
    space.wait_until_gone("partner/acme");
    assert_eq!(tenant_state(&space, &partner, &client), "ACTIVE");
}

#[test]
fn under_a_suspended_partner_whose_end_is_held_nothing_is_asked_of_the_platform_for_a_client() {
    let (space, partner, client) =
        create_partner_and_client(TestWorld::shared_world(), "held", &json!({"policy": "Retain"}));
    space.merge_patch("partner/acme", &json!({"spec": {"deletion": {"policy": "Terminate"}}}));
    let path = format!("{}/msps/{partner}/suspend", space.world.tenancy.provider_id());
    space.world.tenancy.change_tenant(&path, &json!({})).unwrap();
    space.delete("partner/acme");
    wait_until_blocked(&space, "partner/acme", "ClientsRemain");
    space.wait_until("the look at the end shows the suspension", || {
        Ok(space.get("partner/acme").is_some_and(|partner| partner["status"]["phase"] == "Suspended"))
    });
    space.merge_patch("client/globex", &json!({"spec": {"details": {"city": "Berlin"}}}));
    let message = space.wait_until_not_ready("client/globex", "PartnerSuspended");
    assert!(message.contains("is being deleted: delete this Client as well"), "{message}");
    space.delete("client/globex");
    space.wait_until_gone("client/globex");
    space.merge_patch("partner/acme", &json!({"spec": {"deletion": {"policy": "Retain"}}}));
    space.wait_until_gone("partner/acme");
    assert_eq!(tenant_state(&space, &partner, &client), "ACTIVE");
}

#[test]
fn deleting_everything_unconfirmed_ends_nothing() {
    let (space, partner, client) =
        create_partner_and_client(TestWorld::shared_world(), "all", &json!({"policy": "Terminate"}));
    space.merge_patch("partner/acme", &json!({"spec": {"deletion": {"policy": "Terminate"}}}));
    space.offered_confirmation("partner/acme", 0);
    space.kubectl(&["delete", "partner,client", "--all", "--wait=false"]);
    wait_until_blocked(&space, "client/globex", "ConfirmationNeeded");
    let message = wait_until_blocked(&space, "partner/acme", "ClientsRemain");
    assert!(message.contains("delete it first"), "{message}");
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(tenant_state(&space, &partner, &client), "ACTIVE");
    let partners =
        space.world.tenancy.list_tenants(&format!("{}/msps", space.world.tenancy.provider_id()), true).unwrap();
    assert!(partners.iter().any(|one| one["uniqueId"] == partner.as_str() && one["status"] == "ACTIVE"));
}

#[test]
fn where_no_mark_can_be_kept_a_tenant_is_neither_suspended_nor_ended_and_without_extensions_one_is_ended_by_its_mark() {
    let options = PlatformOptions { documented_only: true, ..PlatformOptions::default() };
    let world = TestWorld::start_with("unmarked", &options, |_| {}).unwrap();
    let namespace = world.create_namespace("unmarked");
    let partner = world.platform.credential.tenant_id.clone();
    let terminate = json!({"policy": "Terminate"});
    namespace.apply_client_without_partner(
        "numbered",
        &json!({"partnerUniqueId": partner, "details": {"externalId": "CRM-7"}, "deletion": terminate}),
    );
    namespace.apply_client_without_partner("marked", &json!({"partnerUniqueId": partner, "deletion": terminate}));
    let (numbered, marked) =
        (namespace.wait_until_ready("client/numbered"), namespace.wait_until_ready("client/marked"));
    confirm_and_delete(&namespace, "client/numbered", 0);
    confirm_and_delete(&namespace, "client/marked", 0);
    let message = wait_until_blocked(&namespace, "client/numbered", "NotAdopted");
    assert!(message.contains(&format!("uniqueId: {numbered}")), "{message}");
    namespace.wait_until_gone("client/marked");
    let gone = world.tenancy.call("GET", &namespace.client_path(&partner, &marked), None).unwrap();
    assert_eq!(gone.status, 404);
    assert_eq!(namespace.read_client_tenant(&partner, &numbered)["activated"], true);
    let adoption = json!({"policy": "Adopt", "uniqueId": numbered});
    namespace.merge_patch("client/numbered", &json!({"spec": {"adoption": adoption}}));
    namespace.wait_until_gone("client/numbered");
    let gone = world.tenancy.call("GET", &namespace.client_path(&partner, &numbered), None).unwrap();
    assert_eq!(gone.status, 404);
}
