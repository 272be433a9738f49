//! Against a platform that has nothing but what is documented.

use serde_json::{Value, json};

use crate::programs::PlatformOptions;
use crate::world::{Space, World};

fn tenants(space: &Space<'_>, partner: &str) -> Vec<Value> {
    space.world.tenancy.get(&format!("{partner}/clients/minimal")).unwrap().as_array().unwrap().clone()
}

#[test]
fn clients_are_made_marked_kept_and_taken_up_again_without_any_extension() {
    let options = PlatformOptions { documented_only: true, ..PlatformOptions::default() };
    let world = World::start_with("documented", &options, |_| {}).unwrap();
    let space = world.namespace("documented");
    let partner = world.platform.credential.tenant_id.clone();
    let spec = json!({"partnerUniqueId": partner, "details": {"city": "Berlin"}});
    space.orphan("globex", &spec);
    let client = space.ready("client/globex");
    let tenant = space.platform_client(&partner, &client);
    assert_eq!(tenant["managedBy"], Value::Null, "the platform has no such field");
    assert!(tenant["extOrgId"].as_str().unwrap().starts_with("tny:"), "the mark is in the external id");

    space.delete("client/globex");
    space.gone("client/globex");
    space.orphan("globex", &spec);
    assert_eq!(space.ready("client/globex"), client);
    assert_eq!(tenants(&space, &partner).len(), 1);

    space.orphan("numbered", &json!({"partnerUniqueId": partner, "details": {"externalId": "CRM-7"}}));
    let numbered = space.ready("client/numbered");
    assert_eq!(
        space.platform_client(&partner, &numbered)["extOrgId"],
        "CRM-7",
        "a customer's number is never overwritten"
    );

    space.orphan("strict", &json!({"partnerUniqueId": partner, "security": {"access": {"skipUserConsentForm": true}}}));
    let message = space.not_ready("client/strict", "SecuritySettingNotSupported");
    assert!(message.contains("security.access.skipUserConsentForm"), "{message}");
    let unsupported = space.get("client/strict").unwrap()["status"]["unsupported"].clone();
    assert_eq!(unsupported, json!(["security.access.skipUserConsentForm"]));

    space.secret("provider", &space.credential());
    space.partner("acme", &json!({}));
    space.not_ready("partner/acme", "PartnerAPIUnavailable");
}
