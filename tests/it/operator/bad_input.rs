//! Tests of input that the API server accepts and the operator cannot apply: a condition reports it, and it causes no
//! flood of requests.

use serde_json::{Value, json};

use crate::world::{TestNamespace, TestWorld};

const IMAGE: &str = "iVBORw0KGgo=";

fn assert_partner_refused(prefix: &str, spec: &Value, reason: &str, words: &[&str]) -> TestNamespace<'static> {
    let namespace = TestWorld::shared_world().create_namespace(prefix);
    namespace.apply_partner("acme", spec);
    let message = namespace.wait_until_not_ready("partner/acme", reason);
    for word in words {
        assert!(message.contains(word), "`{message}` does not say `{word}`");
    }
    namespace
}

#[test]
fn a_secret_that_is_not_there_heals_when_it_comes() {
    let spec = json!({"connectionSecretRef": {"name": "later"}});
    let space =
        assert_partner_refused("nosecret", &spec, "CredentialsUnavailable", &["later", "create it", "clientSecret"]);
    assert_eq!(space.condition("partner/acme", "CredentialsValid").unwrap().0, "False");
    space.apply_secret("later", &space.credential());
    space.wait_until_ready("partner/acme");
}

#[test]
fn a_secret_without_a_key_names_the_key() {
    let namespace = TestWorld::shared_world().create_namespace("nokey");
    let mut data = namespace.credential();
    data.as_object_mut().unwrap().remove("tenantId");
    namespace.apply_secret("half", &data);
    namespace.apply_partner("acme", &json!({"connectionSecretRef": {"name": "half"}}));
    assert!(namespace.wait_until_not_ready("partner/acme", "CredentialsUnavailable").contains("`tenantId`"));
    namespace.apply_secret("half", &namespace.credential());
    namespace.wait_until_ready("partner/acme");
}

/// shows: security/credential/platform-credential
#[test]
fn a_host_that_is_not_allowed_is_never_talked_to() {
    let test_namespace = TestWorld::shared_world().create_namespace("host");
    let mut data = test_namespace.credential();
    data["url"] = json!("https://metadata.internal.example");
    test_namespace.apply_secret("evil", &data);
    test_namespace.apply_partner("acme", &json!({"connectionSecretRef": {"name": "evil"}}));
    let message = test_namespace.wait_until_not_ready("partner/acme", "HostNotAllowed");
    assert!(message.contains("metadata.internal.example") && message.contains("--platform-hosts"), "{message}");
}

/// shows: seeds/branding/logo-format, seeds/branding/favicon-format, seeds/branding/background-format
#[test]
fn images_are_judged_by_their_bytes() {
    let logo = |image: &Value| json!({"branding": {"logo": image}});
    assert_partner_refused(
        "noimage",
        &logo(&json!({"configMapKeyRef": {"name": "brand", "key": "logo.png"}})),
        "ImageNotFound",
        &["branding.logo", "brand", "logo.png"],
    );
    assert_partner_refused(
        "text",
        &logo(&json!({"inline": "PHN2Zy8+"})),
        "ImageInvalid",
        &["branding.logo", "neither PNG nor JPEG"],
    );
    assert_partner_refused("cut", &logo(&json!({"inline": IMAGE})), "ImageInvalid", &["branding.logo"]);
}

/// shows: seeds/account/timezone
#[test]
fn a_value_that_the_platform_does_not_know_is_named() {
    let spec = json!({"details": {"timezone": "Mars/Olympus"}});
    let space =
        assert_partner_refused("mars", &spec, "InvalidValue", &["`spec.details.timezone`", "`Mars/Olympus`", "IANA"]);
    assert_eq!(space.condition("partner/acme", "Stalled").unwrap().0, "True");
    space.merge_patch("partner/acme", &json!({"spec": {"details": {"timezone": "Europe/Berlin"}}}));
    space.wait_until_ready("partner/acme");
    assert_eq!(space.condition("partner/acme", "Stalled"), None);
}

#[test]
fn a_misspelt_country_is_named_as_in_the_spec_with_the_one_that_was_meant() {
    let spec = json!({"details": {"country": "Germny"}});
    let words = ["`spec.details.country`", "`Germny`", "did you mean `Germany`?"];
    let space = assert_partner_refused("germny", &spec, "InvalidValue", &words);
    assert!(!space.wait_until_not_ready("partner/acme", "InvalidValue").contains("/api/"), "no route of the platform");
    let desk = crate::cli::PluginRunner::on_cluster_of(&space);
    let ran = desk.run(&["plan", "-n", &space.name, "partner/acme"]);
    for word in words {
        assert!(ran.out.contains(word), "`{word}` is not in {ran:?}");
    }
}

/// shows: seeds/partners/add-ons, seeds/details/add-ons-tab
#[test]
fn a_client_stays_within_its_partner_and_a_partner_keeps_what_clients_use() {
    let space = TestWorld::shared_world().create_namespace("within");
    space.apply_partner("acme", &json!({"packages": ["EventAndIncidentManagement"], "addOns": []}));
    space.apply_client("globex", &json!({"packages": ["RemediationAndAutomation"]}));
    let message = space.wait_until_not_ready("client/globex", "PackageNotAvailable");
    assert!(message.contains("RemediationAndAutomation") && message.contains("packages"), "{message}");
    space.merge_patch("client/globex", &json!({"spec": {"packages": ["EventAndIncidentManagement"]}}));
    space.wait_until_ready("client/globex");
    space.merge_patch("partner/acme", &json!({"spec": {"packages": []}}));
    let message = space.wait_until_not_ready("partner/acme", "ClientsStillUse");
    assert!(message.contains(&format!("`{}/globex`", space.name)), "{message}");
    space.merge_patch("partner/acme", &json!({"spec": {"packages": ["EventAndIncidentManagement"]}}));
    space.wait_until_ready("partner/acme");
}

/// shows: security/credential/client-writer
#[test]
fn a_partner_of_another_namespace_must_allow_it() {
    let space = TestWorld::shared_world().create_namespace("owner");
    let other = TestWorld::shared_world().create_namespace("guest");
    space.apply_partner("acme", &json!({}));
    space.wait_until_ready("partner/acme");
    other.apply_client("globex", &json!({"partnerRef": {"name": "acme", "namespace": space.name}}));
    assert!(other.wait_until_not_ready("client/globex", "NamespaceNotAllowed").contains("allowedNamespaces"));
    let label = json!({"clients": {"allowedNamespaces": {"from": "Selector", "selector": {"matchLabels": {"guests": other.name}}}}});
    space.merge_patch("partner/acme", &json!({"spec": label}));
    space.wait_until_ready("partner/acme");
    other.wait_until_not_ready("client/globex", "NamespaceNotAllowed");
    space.world.kubectl.run(&["label", "namespace", &other.name, &format!("guests={}", other.name)]).unwrap();
    other.wait_until_ready("client/globex");
}

#[test]
fn a_name_that_is_taken_is_neither_taken_over_nor_doubled() {
    let space = TestWorld::shared_world().create_namespace("taken");
    space.apply_partner("acme", &json!({}));
    let partner = space.wait_until_ready("partner/acme");
    let path = format!("{partner}/clients");
    space.world.tenancy.change_tenant(&path, &json!({"name": space.tenant_name("globex")})).unwrap();
    space.apply_client("globex", &json!({"details": {"city": "Berlin"}}));
    let message = space.wait_until_not_ready("client/globex", "NameTaken");
    let living = space.world.tenancy.list_tenants(&path, true).unwrap();
    assert_eq!(living.len(), 1);
    let id = living[0]["uniqueId"].as_str().unwrap();
    assert!(message.contains(id), "{message}");
    assert_ne!(space.read_client_tenant(&partner, id)["city"], "Berlin");
}
