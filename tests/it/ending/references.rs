//! The Partner that a Client needs for its end: gone, closed, or waiting for it.

use serde_json::json;

use super::{blocked, end, family, state};
use crate::programs::PlatformOptions;
use crate::world::{Space, World};

/// Takes the Partner object away without its tenant, as a hand at the finalizer does.
fn strip_partner(space: &Space<'_>) {
    space.delete("partner/acme");
    space.gone("partner/acme");
}

#[test]
fn without_its_partner_object_suspend_and_terminate_hold_retain_completes_and_the_partner_back_goes_on() {
    let (space, partner, client) = family(World::shared(), "parentless", &json!({"policy": "Terminate"}));
    space.client("kept", &json!({}));
    let kept = space.ready("client/kept");
    space.patch("client/globex", &space.confirm("client/globex", 0));
    strip_partner(&space);
    space.delete("client/globex");
    space.delete("client/kept");
    space.gone("client/kept");
    assert_eq!(state(&space, &partner, &kept), "ACTIVE");
    let message = blocked(&space, "client/globex", "PartnerNotFound");
    assert!(message.contains("does not exist: create it"), "{message}");
    assert_eq!(state(&space, &partner, &client), "ACTIVE");
    space.partner("acme", &json!({}));
    assert_eq!(space.ready("partner/acme"), partner, "taken up again");
    space.gone("client/globex");
    assert_eq!(state(&space, &partner, &client), "TERMINATED");
}

#[test]
fn a_reference_that_is_no_longer_allowed_holds_until_it_is_allowed_again() {
    let world = World::shared();
    let (home, partner, _) = family(world, "closed", &json!({}));
    let other = world.namespace("guest");
    let allow = |from: &str| {
        home.patch("partner/acme", &json!({"spec": {"clients": {"allowedNamespaces": {"from": from}}}}));
        home.ready("partner/acme");
    };
    allow("All");
    let reference = json!({"partnerRef": {"namespace": home.name}, "deletion": {"policy": "Suspend"}});
    other.client("guest", &reference);
    let id = other.ready("client/guest");
    allow("Same");
    other.delete("client/guest");
    let message = blocked(&other, "client/guest", "NamespaceNotAllowed");
    assert!(message.contains("`clients.allowedNamespaces`"), "{message}");
    assert_eq!(state(&home, &partner, &id), "ACTIVE");
    allow("All");
    other.gone("client/guest");
    assert_eq!(state(&home, &partner, &id), "SUSPENDED");
}

#[test]
fn a_pause_holds_the_end_until_it_is_managed_again() {
    let (space, partner, client) = family(World::shared(), "pause", &json!({"policy": "Suspend"}));
    space.patch("client/globex", &json!({"spec": {"management": {"mode": "Paused"}}}));
    space.delete("client/globex");
    assert!(blocked(&space, "client/globex", "ManagementPaused").contains("`management.mode` to `Manage`"));
    assert_eq!(state(&space, &partner, &client), "ACTIVE");
    space.patch("client/globex", &json!({"spec": {"management": {"mode": "Manage"}}}));
    space.gone("client/globex");
    assert_eq!(state(&space, &partner, &client), "SUSPENDED");
}

#[test]
fn a_partner_with_retain_waits_for_clients_that_need_its_connection_for_their_end() {
    let (space, partner, client) = family(World::shared(), "leaving", &json!({"policy": "Terminate"}));
    space.delete("client/globex");
    blocked(&space, "client/globex", "ConfirmationNeeded");
    space.delete("partner/acme");
    let message = blocked(&space, "partner/acme", "ClientsRemain");
    assert!(message.contains("set their `deletion.policy` to `Retain`"), "{message}");
    space.patch("client/globex", &json!({"spec": {"deletion": {"policy": "Retain"}}}));
    space.gone("client/globex");
    space.gone("partner/acme");
    assert_eq!(state(&space, &partner, &client), "ACTIVE");
}

#[test]
fn under_a_suspended_partner_whose_end_is_held_nothing_is_asked_of_the_platform_for_a_client() {
    let (space, partner, client) = family(World::shared(), "held", &json!({"policy": "Retain"}));
    space.patch("partner/acme", &json!({"spec": {"deletion": {"policy": "Terminate"}}}));
    let path = format!("{}/msps/{partner}/suspend", space.world.tenancy.tenant());
    space.world.tenancy.change(&path, &json!({})).unwrap();
    space.delete("partner/acme");
    blocked(&space, "partner/acme", "ClientsRemain");
    space.until("the look at the end shows the suspension", || {
        Ok(space.get("partner/acme").is_some_and(|partner| partner["status"]["phase"] == "Suspended"))
    });
    space.patch("client/globex", &json!({"spec": {"details": {"city": "Berlin"}}}));
    let message = space.not_ready("client/globex", "PartnerSuspended");
    assert!(message.contains("is being deleted: delete this Client as well"), "{message}");
    space.delete("client/globex");
    space.gone("client/globex");
    space.patch("partner/acme", &json!({"spec": {"deletion": {"policy": "Retain"}}}));
    space.gone("partner/acme");
    assert_eq!(state(&space, &partner, &client), "ACTIVE");
}

#[test]
fn deleting_everything_unconfirmed_ends_nothing() {
    let (space, partner, client) = family(World::shared(), "all", &json!({"policy": "Terminate"}));
    space.patch("partner/acme", &json!({"spec": {"deletion": {"policy": "Terminate"}}}));
    space.confirm("partner/acme", 0);
    space.kubectl(&["delete", "partner,client", "--all", "--wait=false"]);
    blocked(&space, "client/globex", "ConfirmationNeeded");
    let message = blocked(&space, "partner/acme", "ClientsRemain");
    assert!(message.contains("delete it first"), "{message}");
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(state(&space, &partner, &client), "ACTIVE");
    let partners = space.world.tenancy.list(&format!("{}/msps", space.world.tenancy.tenant()), true).unwrap();
    assert!(partners.iter().any(|one| one["uniqueId"] == partner.as_str() && one["status"] == "ACTIVE"));
}

#[test]
fn where_no_mark_can_be_kept_a_tenant_is_neither_suspended_nor_ended_and_without_extensions_one_is_ended_by_its_mark() {
    let options = PlatformOptions { documented_only: true, ..PlatformOptions::default() };
    let world = World::start_with("unmarked", &options, |_| {}).unwrap();
    let space = world.namespace("unmarked");
    let partner = world.platform.credential.tenant_id.clone();
    let terminate = json!({"policy": "Terminate"});
    space.orphan(
        "numbered",
        &json!({"partnerUniqueId": partner, "details": {"externalId": "CRM-7"}, "deletion": terminate}),
    );
    space.orphan("marked", &json!({"partnerUniqueId": partner, "deletion": terminate}));
    let (numbered, marked) = (space.ready("client/numbered"), space.ready("client/marked"));
    end(&space, "client/numbered", 0);
    end(&space, "client/marked", 0);
    let message = blocked(&space, "client/numbered", "NotAdopted");
    assert!(message.contains(&format!("uniqueId: {numbered}")), "{message}");
    space.gone("client/marked");
    let gone = world.tenancy.call("GET", &space.client_path(&partner, &marked), None).unwrap();
    assert_eq!(gone.status, 404);
    assert_eq!(space.platform_client(&partner, &numbered)["activated"], true);
    let adoption = json!({"policy": "Adopt", "uniqueId": numbered});
    space.patch("client/numbered", &json!({"spec": {"adoption": adoption}}));
    space.gone("client/numbered");
    let gone = world.tenancy.call("GET", &space.client_path(&partner, &numbered), None).unwrap();
    assert_eq!(gone.status, 404);
}
