//! What the platform refuses, cannot do, or does differently.

use serde_json::json;

use super::{acme, asks};
use crate::programs::PlatformOptions;
use crate::proxy::rules::{Answer, Fault, Rule};
use crate::world::World;

#[test]
fn an_add_on_that_support_must_permit_goes_on_once_it_did() {
    let world = World::shared();
    let refusal = json!([{
        "code": "0002", "fieldName": "addOns",
        "message": "The add-on is not permitted. Contact Support to change the add-on permission.",
    }]);
    let answer = Answer { status: 400, body: refusal.to_string(), ..Answer::default() };
    let mut rule = Rule::new("POST", "/msps$", Fault::Answer(answer));
    "Offline Alerts".clone_into(&mut rule.body);
    let proxy = world.proxy(vec![rule]);
    let space = world.behind(&proxy, "support");
    space.partner("acme", &json!({"packages": ["EventAndIncidentManagement"], "addOns": ["OfflineAlerts"]}));
    asks(&space.not_ready("partner/acme", "AddOnNotPermitted"), &["`addOns`", "ontact Support"]);
    proxy.set(Vec::new());
    look_again(&space, "partner/acme");
    space.ready("partner/acme");
}

#[test]
fn a_credential_of_another_tenant_is_replaced() {
    let (space, partner) = acme("above");
    let mut beside = space.credential();
    beside["tenantId"] = json!(partner);
    space.secret("beside", &beside);
    space.partner("second", &json!({"connectionSecretRef": {"name": "beside"}}));
    space.until("it is refused", || {
        let found = space.condition("partner/second", "Stalled");
        let refused = ["RefusedByPlatform", "CredentialsRefused"];
        Ok(found.is_some_and(|(status, reason, _)| status == "True" && refused.contains(&reason.as_str())))
    });
    let message = space.condition("partner/second", "Ready").unwrap().2;
    asks(&message, &["`tenantId`"]);
    space.patch("partner/second", &json!({"spec": {"connectionSecretRef": {"name": "platform"}}}));
    space.ready("partner/second");
}

/// shows: faults/71
#[test]
fn a_permission_that_is_missing_for_one_tenant_is_given_and_no_other_object_waits_meanwhile() {
    let world = World::shared();
    let proxy = world.proxy(Vec::new());
    let space = world.behind(&proxy, "permission");
    space.partner("acme", &json!({}));
    space.ready("partner/acme");
    for name in ["globex", "initech"] {
        space.client(name, &json!({"details": {"city": "Berlin"}}));
    }
    let (globex, _) = (space.ready("client/globex"), space.ready("client/initech"));
    let refusal = json!({"code": "0004", "message": "You are not allowed to do this"}).to_string();
    let answer = Answer { status: 403, body: refusal, ..Answer::default() };
    proxy.set(vec![Rule::new("POST", &format!("/clients/{globex}$"), Fault::Answer(answer))]);
    let city = |name: &str| space.patch(name, &json!({"spec": {"details": {"city": "Bonn"}}}));
    let valid_since = || {
        let conditions = space.get("client/initech").unwrap()["status"]["conditions"].as_array().unwrap().clone();
        let valid = conditions.into_iter().find(|one| one["type"] == "CredentialsValid").unwrap();
        (valid["status"].clone(), valid["lastTransitionTime"].clone())
    };
    let before = valid_since();
    city("client/globex");
    asks(&space.not_ready("client/globex", "PermissionMissing"), &["give the credential a role"]);
    city("client/initech");
    space.client("umbrella", &json!({}));
    space.ready("client/initech");
    space.ready("client/umbrella");
    assert!(proxy.seen().iter().any(|seen| seen.is_faulty));
    assert_eq!(valid_since(), before, "the credential was never taken for refused");
    assert_eq!(space.condition("client/globex", "Ready").unwrap().1, "PermissionMissing");
    proxy.set(Vec::new());
    look_again(&space, "client/globex");
    space.ready("client/globex");
}

#[test]
fn a_host_that_is_not_allowed_is_corrected() {
    let world = World::shared();
    let space = world.namespace("host");
    let mut data = space.credential();
    data["url"] = json!("https://elsewhere.example");
    space.secret("elsewhere", &data);
    space.partner("acme", &json!({"connectionSecretRef": {"name": "elsewhere"}}));
    asks(&space.not_ready("partner/acme", "HostNotAllowed"), &["`--platform-hosts`", "or correct `url`"]);
    space.secret("elsewhere", &space.credential());
    space.ready("partner/acme");
}

#[test]
fn what_somebody_keeps_changing_back_is_only_reported_on_request() {
    let (space, partner) = acme("fight");
    space.client("globex", &json!({"details": {"city": "Berlin"}}));
    let client = space.ready("client/globex");
    let path = space.client_path(&partner, &client);
    for _ in 0..3 {
        space.world.tenancy.change(&path, &json!({"city": "Bonn"})).unwrap();
        space.until("it is put right", || Ok(space.platform_client(&partner, &client)["city"] == "Berlin"));
    }
    space.world.tenancy.change(&path, &json!({"city": "Bonn"})).unwrap();
    asks(&space.not_ready("client/globex", "ConflictingWriter"), &["`details.city`", "set `management.drift: Report`"]);
    space.patch("client/globex", &json!({"spec": {"management": {"drift": "Report"}}}));
    space.ready("client/globex");
    assert_eq!(space.get("client/globex").unwrap()["status"]["drift"][0]["path"], "details.city");
    assert_eq!(space.platform_client(&partner, &client)["city"], "Bonn");
}

#[test]
fn without_extensions_a_setting_that_cannot_be_held_is_removed_and_a_partner_is_named_by_its_id() {
    let options = PlatformOptions { documented_only: true, ..PlatformOptions::default() };
    let world = World::start_with("bare", &options, |_| {}).unwrap();
    let space = world.namespace("bare");
    let id = world.platform.credential.tenant_id.clone();
    space.partner("acme", &json!({}));
    let message = space.not_ready("partner/acme", "PartnerAPIUnavailable");
    asks(&message, &["declare Clients with `partnerUniqueId` instead"]);
    let access = json!({"partnerUniqueId": id, "security": {"access": {"skipUserConsentForm": true}}});
    space.orphan("globex", &access);
    let message = space.not_ready("client/globex", "SecuritySettingNotSupported");
    asks(&message, &["`security.access.skipUserConsentForm`", "remove it from the spec"]);
    space.patch("client/globex", &json!({"spec": {"security": null}}));
    space.ready("client/globex");
}

/// Without a change in the cluster it looks again by itself after a while; this is how to ask for it now.
fn look_again(space: &crate::world::Space<'_>, object: &str) {
    space.kubectl(&["annotate", object, "tenantry.dev/reconcile-requested-at=now", "--overwrite"]);
}
