//! Tests of the operator against a platform that has only the documented API.

use serde_json::{Value, json};

use crate::programs::PlatformOptions;
use crate::world::{TestNamespace, TestWorld};

fn living_clients(namespace: &TestNamespace<'_>, partner: &str) -> Vec<Value> {
    namespace.world.tenancy.get(&format!("{partner}/clients/minimal")).unwrap().as_array().unwrap().clone()
}

#[test]
fn clients_are_made_marked_kept_and_taken_up_again_without_any_extension() {
    let options = PlatformOptions { documented_only: true, ..PlatformOptions::default() };
    let world = TestWorld::start_with("documented", &options, |_| {}).unwrap();
    let namespace = world.create_namespace("documented");
    let partner = world.platform.credential.tenant_id.clone();
    let spec = json!({"partnerUniqueId": partner, "details": {"city": "Berlin"}});
    namespace.apply_client_without_partner("globex", &spec);
    let client = namespace.wait_until_ready("client/globex");
    let tenant = namespace.read_client_tenant(&partner, &client);
    assert_eq!(tenant["managedBy"], Value::Null, "the platform has no such field");
    assert!(tenant["extOrgId"].as_str().unwrap().starts_with("tny:"), "the mark is in the external id");

    namespace.delete("client/globex");
    namespace.wait_until_gone("client/globex");
    namespace.apply_client_without_partner("globex", &spec);
    assert_eq!(namespace.wait_until_ready("client/globex"), client);
    assert_eq!(living_clients(&namespace, &partner).len(), 1);

    namespace.apply_client_without_partner(
        "numbered",
        &json!({"partnerUniqueId": partner, "details": {"externalId": "CRM-7"}}),
    );
    let numbered = namespace.wait_until_ready("client/numbered");
    assert_eq!(
        namespace.read_client_tenant(&partner, &numbered)["extOrgId"],
        "CRM-7",
        "a customer's number is never overwritten"
    );

    namespace.apply_client_without_partner(
        "strict",
        &json!({"partnerUniqueId": partner, "security": {"access": {"skipUserConsentForm": true}}}),
    );
    let message = namespace.wait_until_not_ready("client/strict", "SecuritySettingNotSupported");
    assert!(message.contains("security.access.skipUserConsentForm"), "{message}");
    let unsupported = namespace.get("client/strict").unwrap()["status"]["unsupported"].clone();
    assert_eq!(unsupported, json!(["security.access.skipUserConsentForm"]));

    namespace.apply_secret("provider", &namespace.credential());
    namespace.apply_partner("acme", &json!({}));
    namespace.wait_until_not_ready("partner/acme", "PartnerAPIUnavailable");
}
