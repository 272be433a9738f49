//! Tests of what the platform refuses, cannot do, or does differently.

use serde_json::json;

use super::{assert_message_contains, create_ready_partner};
use crate::programs::PlatformOptions;
use crate::proxy::rules::{CannedAnswer, FaultRule, ProxyFault};
use crate::world::TestWorld;

#[test]
fn an_add_on_that_support_must_permit_goes_on_once_it_did() {
    let world = TestWorld::shared_world();
    let refusal = json!([{
        "code": "0002", "fieldName": "addOns",
        "message": "The add-on is not permitted. Contact Support to change the add-on permission.",
    }]);
    let answer = CannedAnswer { status: 400, body: refusal.to_string(), ..CannedAnswer::default() };
    let mut rule = FaultRule::new("POST", "/msps$", ProxyFault::Answer(answer));
    "Offline Alerts".clone_into(&mut rule.body);
    let proxy = world.start_proxy(vec![rule]);
    let namespace = world.namespace_behind(&proxy, "support");
    namespace.apply_partner("acme", &json!({"packages": ["EventAndIncidentManagement"], "addOns": ["OfflineAlerts"]}));
    assert_message_contains(
        &namespace.wait_until_not_ready("partner/acme", "AddOnNotPermitted"),
        &["`addOns`", "ontact Support"],
    );
    proxy.set_rules(Vec::new());
    request_reconcile(&namespace, "partner/acme");
    namespace.wait_until_ready("partner/acme");
}

#[test]
fn a_credential_of_another_tenant_is_replaced() {
    let (space, partner) = create_ready_partner("above");
    let mut beside = space.credential();
    beside["tenantId"] = json!(partner);
    space.apply_secret("beside", &beside);
    space.apply_partner("second", &json!({"connectionSecretRef": {"name": "beside"}}));
    space.wait_until("it is refused", || {
        let found = space.condition("partner/second", "Stalled");
        let refused = ["RefusedByPlatform", "CredentialsRefused"];
        Ok(found.is_some_and(|(status, reason, _)| status == "True" && refused.contains(&reason.as_str())))
    });
    let message = space.condition("partner/second", "Ready").unwrap().2;
    assert_message_contains(&message, &["`tenantId`"]);
    space.merge_patch("partner/second", &json!({"spec": {"connectionSecretRef": {"name": "platform"}}}));
    space.wait_until_ready("partner/second");
}

/// shows: faults/71
#[test]
fn a_permission_that_is_missing_for_one_tenant_is_given_and_no_other_object_waits_meanwhile() {
    let world = TestWorld::shared_world();
    let proxy = world.start_proxy(Vec::new());
    let namespace = world.namespace_behind(&proxy, "permission");
    namespace.apply_partner("acme", &json!({}));
    namespace.wait_until_ready("partner/acme");
    for name in ["globex", "initech"] {
        namespace.apply_client(name, &json!({"details": {"city": "Berlin"}}));
    }
    let (globex, _) = (namespace.wait_until_ready("client/globex"), namespace.wait_until_ready("client/initech"));
    let refusal = json!({"code": "0004", "message": "You are not allowed to do this"}).to_string();
    let answer = CannedAnswer { status: 403, body: refusal, ..CannedAnswer::default() };
    proxy.set_rules(vec![FaultRule::new("POST", &format!("/clients/{globex}$"), ProxyFault::Answer(answer))]);
    let city = |name: &str| namespace.merge_patch(name, &json!({"spec": {"details": {"city": "Bonn"}}}));
    let valid_since = || {
        let conditions = namespace.get("client/initech").unwrap()["status"]["conditions"].as_array().unwrap().clone();
        let valid = conditions.into_iter().find(|one| one["type"] == "CredentialsValid").unwrap();
        (valid["status"].clone(), valid["lastTransitionTime"].clone())
    };
    let before = valid_since();
    city("client/globex");
    assert_message_contains(
        &namespace.wait_until_not_ready("client/globex", "PermissionMissing"),
        &["give the credential a role"],
    );
    city("client/initech");
    namespace.apply_client("umbrella", &json!({}));
    namespace.wait_until_ready("client/initech");
    namespace.wait_until_ready("client/umbrella");
    assert!(proxy.seen_requests().iter().any(|seen| seen.is_faulty));
    assert_eq!(valid_since(), before, "the credential was never taken for refused");
    assert_eq!(namespace.condition("client/globex", "Ready").unwrap().1, "PermissionMissing");
    proxy.set_rules(Vec::new());
    request_reconcile(&namespace, "client/globex");
    namespace.wait_until_ready("client/globex");
}

#[test]
fn a_host_that_is_not_allowed_is_corrected() {
    let world = TestWorld::shared_world();
    let namespace = world.create_namespace("host");
    let mut data = namespace.credential();
    data["url"] = json!("https://elsewhere.example");
    namespace.apply_secret("elsewhere", &data);
    namespace.apply_partner("acme", &json!({"connectionSecretRef": {"name": "elsewhere"}}));
    assert_message_contains(
        &namespace.wait_until_not_ready("partner/acme", "HostNotAllowed"),
        &["`--platform-hosts`", "or correct `url`"],
    );
    namespace.apply_secret("elsewhere", &namespace.credential());
    namespace.wait_until_ready("partner/acme");
}

#[test]
fn what_somebody_keeps_changing_back_is_only_reported_on_request() {
    let (space, partner) = create_ready_partner("fight");
    space.apply_client("globex", &json!({"details": {"city": "Berlin"}}));
    let client = space.wait_until_ready("client/globex");
    let path = space.client_path(&partner, &client);
    for _ in 0..3 {
        space.world.tenancy.change_tenant(&path, &json!({"city": "Bonn"})).unwrap();
        space.wait_until("it is put right", || Ok(space.read_client_tenant(&partner, &client)["city"] == "Berlin"));
    }
    space.world.tenancy.change_tenant(&path, &json!({"city": "Bonn"})).unwrap();
    assert_message_contains(
        &space.wait_until_not_ready("client/globex", "ConflictingWriter"),
        &["`details.city`", "set `management.drift: Report`"],
    );
    space.merge_patch("client/globex", &json!({"spec": {"management": {"drift": "Report"}}}));
    space.wait_until_ready("client/globex");
    assert_eq!(space.get("client/globex").unwrap()["status"]["drift"][0]["path"], "details.city");
    assert_eq!(space.read_client_tenant(&partner, &client)["city"], "Bonn");
}

#[test]
fn without_extensions_a_setting_that_cannot_be_held_is_removed_and_a_partner_is_named_by_its_id() {
    let options = PlatformOptions { documented_only: true, ..PlatformOptions::default() };
    let world = TestWorld::start_with("bare", &options, |_| {}).unwrap();
    let space = world.create_namespace("bare");
    let id = world.platform.credential.tenant_id.clone();
    space.apply_partner("acme", &json!({}));
    let message = space.wait_until_not_ready("partner/acme", "PartnerAPIUnavailable");
    assert_message_contains(&message, &["declare Clients with `partnerUniqueId` instead"]);
    let access = json!({"partnerUniqueId": id, "security": {"access": {"skipUserConsentForm": true}}});
    space.apply_client_without_partner("globex", &access);
    let message = space.wait_until_not_ready("client/globex", "SecuritySettingNotSupported");
    assert_message_contains(&message, &["`security.access.skipUserConsentForm`", "remove it from the spec"]);
    space.merge_patch("client/globex", &json!({"spec": {"security": null}}));
    space.wait_until_ready("client/globex");
}

/// Requests a pass now. Without a change in the cluster the operator checks again only after a while.
fn request_reconcile(space: &crate::world::TestNamespace<'_>, object: &str) {
    space.kubectl(&["annotate", object, "tenantry.dev/reconcile-requested-at=now", "--overwrite"]);
}
