//! Tests that following a message's instructions exactly moves the object on.

use serde_json::json;

use super::{annotate, confirm_and_delete, create_partner_and_client, tenant_state, wait_until_blocked};
use crate::world::TestWorld;

#[test]
fn consent_that_is_asked_for_and_pasted_ends_the_tenant() {
    let (space, partner, client) =
        create_partner_and_client(TestWorld::shared_world(), "paste", &json!({"policy": "Terminate"}));
    space.delete("client/globex");
    assert!(wait_until_blocked(&space, "client/globex", "ConfirmationNeeded").contains("paste the block"));
    // Before a confirmation is accepted, an edit is evaluated again.
    let mut wrong = space.offered_confirmation("client/globex", 0);
    wrong["spec"]["deletion"]["confirm"]["name"] = json!("Somebody Else");
    space.merge_patch("client/globex", &wrong);
    assert!(wait_until_blocked(&space, "client/globex", "ConfirmationInvalid").contains("paste the block"));
    assert_eq!(tenant_state(&space, &partner, &client), "ACTIVE");
    space.merge_patch("client/globex", &space.offered_confirmation("client/globex", 0));
    space.wait_until_gone("client/globex");
    assert_eq!(tenant_state(&space, &partner, &client), "TERMINATED");
}

#[test]
fn a_deletion_that_waits_for_consent_goes_on_with_retain() {
    let (space, partner, client) =
        create_partner_and_client(TestWorld::shared_world(), "retained", &json!({"policy": "Terminate"}));
    space.delete("client/globex");
    assert!(
        wait_until_blocked(&space, "client/globex", "ConfirmationNeeded").contains("`deletion.policy` to `Retain`")
    );
    space.merge_patch("client/globex", &json!({"spec": {"deletion": {"policy": "Retain"}}}));
    space.wait_until_gone("client/globex");
    assert_eq!(tenant_state(&space, &partner, &client), "ACTIVE");
}

#[test]
fn credentials_that_are_missing_hold_the_end_and_it_goes_on_when_they_are_back() {
    let (space, partner, client) =
        create_partner_and_client(TestWorld::shared_world(), "secret", &json!({"policy": "Terminate"}));
    space.merge_patch("client/globex", &space.offered_confirmation("client/globex", 0));
    space.kubectl(&["delete", "secret", "platform"]);
    space.delete("client/globex");
    let message = wait_until_blocked(&space, "client/globex", "CredentialsUnavailable");
    assert!(message.contains("create it with `url`, `tenantId`, `clientId` and `clientSecret`"), "{message}");
    assert_eq!(tenant_state(&space, &partner, &client), "ACTIVE");
    assert_eq!(space.condition("client/globex", "Stalled").unwrap().0, "True");
    space.apply_secret("platform", &space.credential());
    space.wait_until_gone("client/globex");
    assert_eq!(tenant_state(&space, &partner, &client), "TERMINATED");
}

#[test]
fn without_credentials_a_cancel_waits_for_them_rather_than_leave_the_tenant_suspended() {
    let (space, partner, client) =
        create_partner_and_client(TestWorld::shared_world(), "owed", &json!({"policy": "Terminate"}));
    confirm_and_delete(&space, "client/globex", 3600);
    space.wait_until("it is suspended", || Ok(tenant_state(&space, &partner, &client) == "SUSPENDED"));
    space.kubectl(&["delete", "secret", "platform"]);
    space.merge_patch("client/globex", &json!({"spec": {"deletion": {"policy": "Retain"}}}));
    let message = wait_until_blocked(&space, "client/globex", "CredentialsUnavailable");
    assert!(!message.contains("Retain"), "{message}");
    space.apply_secret("platform", &space.credential());
    space.wait_until_gone("client/globex");
    assert_eq!(tenant_state(&space, &partner, &client), "ACTIVE");
}

#[test]
fn the_annotation_that_the_message_names_lets_go_and_another_does_not() {
    let (space, partner, client) =
        create_partner_and_client(TestWorld::shared_world(), "abandon", &json!({"policy": "Terminate"}));
    space.kubectl(&["delete", "secret", "platform"]);
    space.delete("client/globex");
    let message = wait_until_blocked(&space, "client/globex", "CredentialsUnavailable");
    let annotation = format!("tenantry.dev/abandon: {client}");
    assert!(message.contains(&format!("`{annotation}`")), "{message}");
    annotate(&space, "client/globex", "tenantry.dev/abandon: client_999999");
    std::thread::sleep(std::time::Duration::from_secs(2));
    wait_until_blocked(&space, "client/globex", "CredentialsUnavailable");
    space.kubectl(&["annotate", "client/globex", "--overwrite", &annotation.replace(": ", "=")]);
    space.wait_until_gone("client/globex");
    assert_eq!(tenant_state(&space, &partner, &client), "ACTIVE");
    space.wait_until("the event is there", || Ok(space.event_reasons("globex").contains(&"Abandoned".to_owned())));
}

#[test]
fn a_refused_credential_holds_and_the_right_one_goes_on() {
    let (space, partner, client) =
        create_partner_and_client(TestWorld::shared_world(), "refused", &json!({"policy": "Suspend"}));
    let mut wrong = space.credential();
    wrong["clientSecret"] = json!("not-the-secret");
    space.apply_secret("platform", &wrong);
    space.delete("client/globex");
    let message = wait_until_blocked(&space, "client/globex", "CredentialsRefused");
    assert!(message.contains("`clientId` and `clientSecret`"), "{message}");
    space.apply_secret("platform", &space.credential());
    space.wait_until_gone("client/globex");
    assert_eq!(tenant_state(&space, &partner, &client), "SUSPENDED");
}

#[test]
fn a_host_that_is_not_allowed_holds_and_the_corrected_url_goes_on() {
    let (space, partner, client) =
        create_partner_and_client(TestWorld::shared_world(), "host", &json!({"policy": "Suspend"}));
    let mut elsewhere = space.credential();
    elsewhere["url"] = json!("https://elsewhere.example");
    space.apply_secret("platform", &elsewhere);
    space.delete("client/globex");
    assert!(wait_until_blocked(&space, "client/globex", "HostNotAllowed").contains("correct `url`"));
    space.apply_secret("platform", &space.credential());
    space.wait_until_gone("client/globex");
    assert_eq!(tenant_state(&space, &partner, &client), "SUSPENDED");
}

#[test]
fn a_connection_that_leads_to_another_account_holds_and_the_secret_restored_goes_on() {
    let (space, partner, client) =
        create_partner_and_client(TestWorld::shared_world(), "account", &json!({"policy": "Suspend"}));
    let mut other = space.credential();
    other["tenantId"] = json!("sp_999");
    space.apply_secret("platform", &other);
    space.delete("client/globex");
    assert!(wait_until_blocked(&space, "client/globex", "ConnectionIdentityChanged").contains("restore the Secret"));
    assert_eq!(tenant_state(&space, &partner, &client), "ACTIVE");
    space.apply_secret("platform", &space.credential());
    space.wait_until_gone("client/globex");
    assert_eq!(tenant_state(&space, &partner, &client), "SUSPENDED");
}

#[test]
fn a_tenant_that_carries_another_owner_s_mark_is_held_and_retain_lets_go() {
    let world = TestWorld::shared_world();
    let (space, partner, client) = create_partner_and_client(world, "owned", &json!({"policy": "Terminate"}));
    space.merge_patch("client/globex", &space.offered_confirmation("client/globex", 0));
    let mark = json!({
        "cluster": "elsewhere", "kind": "Client", "namespace": "other", "name": "globex",
        "uid": "11111111-2222-3333-4444-555555555555",
    });
    world.tenancy.change_tenant(&space.client_path(&partner, &client), &json!({"managedBy": mark})).unwrap();
    space.delete("client/globex");
    let message = wait_until_blocked(&space, "client/globex", "OwnedElsewhere");
    assert!(message.contains("`deletion.policy` to `Retain`"), "{message}");
    assert_eq!(tenant_state(&space, &partner, &client), "ACTIVE");
    space.merge_patch("client/globex", &json!({"spec": {"deletion": {"policy": "Retain"}}}));
    space.wait_until_gone("client/globex");
    assert_eq!(tenant_state(&space, &partner, &client), "ACTIVE");
}

#[test]
fn other_finalizers_are_left_alone() {
    let (space, partner, client) = create_partner_and_client(TestWorld::shared_world(), "finalizers", &json!({}));
    let both = json!({"metadata": {"finalizers": ["example.com/first", "tenantry.dev/tenant", "example.com/last"]}});
    let ours = space.get("client/globex").unwrap()["metadata"]["finalizers"][0].clone();
    let mut patch = both;
    patch["metadata"]["finalizers"][1] = ours;
    space.merge_patch("client/globex", &patch);
    space.delete("client/globex");
    space.wait_until("ours is off", || {
        let found = space.get("client/globex").unwrap();
        Ok(found["metadata"]["finalizers"] == json!(["example.com/first", "example.com/last"]))
    });
    space.merge_patch("client/globex", &json!({"metadata": {"finalizers": null}}));
    space.wait_until_gone("client/globex");
    assert_eq!(tenant_state(&space, &partner, &client), "ACTIVE");
}
