//! Tests from `kubectl apply` to a tenant that stays as declared.

use serde_json::{Value, json};

use crate::world::TestWorld;

/// shows: seeds/clients/end-entities, seeds/clients/create, seeds/partners/deliver-services, seeds/account/name
/// shows: faults/65
#[test]
fn a_partner_and_its_clients_are_made_in_any_order_of_applying() {
    let namespace = TestWorld::shared_world().create_namespace("order");
    namespace.apply_client("globex", &json!({}));
    assert!(namespace.wait_until_not_ready("client/globex", "PartnerNotFound").contains("does not exist"));
    assert_eq!(namespace.condition("client/globex", "Reconciling").unwrap().1, "PartnerNotFound");
    namespace.wait_until("an event says so", || {
        Ok(namespace.event_reasons("globex").contains(&"PartnerNotFound".to_owned()))
    });
    namespace.apply_partner("acme", &json!({}));
    let partner = namespace.wait_until_ready("partner/acme");
    let client = namespace.wait_until_ready("client/globex");
    let tenant = namespace.read_client_tenant(&partner, &client);
    assert_eq!(tenant["name"], namespace.tenant_name("globex"));
    assert_eq!(tenant["managedBy"]["name"], "globex");
}

/// shows: seeds/clients/services, seeds/clients/inherit-policies, seeds/clients/own-policies, seeds/access/two-factor
/// shows: seeds/password/clients-users, seeds/branding/title
#[test]
fn what_a_client_leaves_out_comes_from_the_defaults_and_status_says_from_where() {
    let namespace = TestWorld::shared_world().create_namespace("defaults");
    namespace.apply_partner(
        "acme",
        &json!({
            "packages": ["EventAndIncidentManagement"],
            "addOns": ["SLAManagement", "KnowledgeBaseManagement"],
            "security": {"access": {"allowedIPs": ["198.51.100.*"]}, "passwordPolicy": {"pciDSS": {}}},
            "branding": {"websiteTitle": "Acme Console"},
            "clients": {"defaults": {
                "timezone": "Europe/Berlin", "country": "Germany", "packages": ["EventAndIncidentManagement"],
                "addOns": ["SLAManagement"], "access": {"twoFactorAuthentication": true},
            }},
        }),
    );
    namespace.apply_client("globex", &json!({"details": {"country": "France"}, "addOns": []}));
    let (partner, client) = (namespace.wait_until_ready("partner/acme"), namespace.wait_until_ready("client/globex"));
    let tenant = namespace.read_client_tenant(&partner, &client);
    assert_eq!(tenant["timeZone"], "Europe/Berlin");
    assert_eq!(tenant["country"], "France");
    assert_eq!(tenant["twoFactorAuthentication"], true);
    assert_eq!(tenant["addOns"].as_array().map(Vec::len).unwrap_or_default(), 0);
    // The Partner's own IP rule would lock out every customer.
    assert!(tenant["whiteListedIps"].as_str().unwrap_or_default().is_empty());
    namespace.wait_until("the cascade shows", || {
        Ok(effective_value_and_source(&namespace.get("client/globex").unwrap(), "branding.websiteTitle").is_some())
    });
    let object = namespace.get("client/globex").unwrap();
    for (path, value, from) in [
        ("details.country", "\"France\"", "Spec"),
        ("details.timezone", "\"Europe/Berlin\"", "PartnerDefault"),
        ("addOns", "null", "Spec"),
        ("branding.websiteTitle", "\"Acme Console\"", "Platform"),
        ("security.passwordPolicy.pciDSS", "true", "Platform"),
    ] {
        assert_eq!(effective_value_and_source(&object, path), Some((value.to_owned(), from.to_owned())), "{path}");
    }
    assert_eq!(effective_value_and_source(&object, "security.access.allowedIPs"), None);
}

fn effective_value_and_source(object: &Value, path: &str) -> Option<(String, String)> {
    let effective = object["status"]["effective"].as_array()?;
    let found = effective.iter().find(|one| one["path"] == path)?;
    Some((found["value"].as_str()?.to_owned(), found["source"].as_str()?.to_owned()))
}

#[test]
fn a_change_behind_its_back_is_put_right_and_what_is_not_declared_is_left_alone() {
    let namespace = TestWorld::shared_world().create_namespace("drift");
    namespace.apply_partner("acme", &json!({}));
    namespace.apply_client("globex", &json!({"details": {"city": "Berlin"}}));
    let (partner, client) = (namespace.wait_until_ready("partner/acme"), namespace.wait_until_ready("client/globex"));
    let path = namespace.client_path(&partner, &client);
    namespace.world.tenancy.change_tenant(&path, &json!({"city": "Bonn", "address": "Somewhere 1"})).unwrap();
    namespace.wait_until("the city is put right", || {
        Ok(namespace.read_client_tenant(&partner, &client)["city"] == "Berlin")
    });
    assert_eq!(namespace.read_client_tenant(&partner, &client)["address"], "Somewhere 1");
    namespace
        .wait_until("the event is there", || Ok(namespace.event_reasons("globex").contains(&"Updated".to_owned())));
}

/// shows: seeds/partners/account, seeds/account/city, seeds/account/state, seeds/details/account-tab
#[test]
fn an_edit_is_applied_and_an_empty_value_clears() {
    let namespace = TestWorld::shared_world().create_namespace("edit");
    namespace.apply_partner("acme", &json!({"details": {"city": "Munich"}}));
    let partner = namespace.wait_until_ready("partner/acme");
    let path = format!("{}/msps/{partner}", namespace.world.tenancy.provider_id());
    assert_eq!(namespace.world.tenancy.get(&path).unwrap()["city"], "Munich");
    namespace.merge_patch("partner/acme", &json!({"spec": {"details": {"city": "", "state": "Bavaria"}}}));
    namespace.wait_until("the edit is there", || {
        let tenant = namespace.world.tenancy.get(&path)?;
        Ok(tenant["state"] == "Bavaria" && tenant["city"].as_str().unwrap_or_default().is_empty())
    });
    namespace.wait_until_ready("partner/acme");
}

/// shows: seeds/details/dns
#[test]
fn a_new_application_server_is_told_to_need_a_dns_entry() {
    let namespace = TestWorld::shared_world().create_namespace("dns");
    namespace.apply_partner("plain", &json!({}));
    namespace.apply_partner("named", &json!({"details": {"applicationServer": "https://acme.app.example.com"}}));
    for name in ["plain", "named"] {
        namespace.wait_until_ready(&format!("partner/{name}"));
    }
    let is_told = |name: &str| namespace.event_reasons(name).contains(&"DNSRecordNeeded".to_owned());
    namespace.wait_until("it is told of the one that was made with a name", || Ok(is_told("named")));
    namespace.merge_patch("partner/plain", &json!({"spec": {"details": {"city": "Bonn"}}}));
    namespace
        .wait_until("the other edit is told", || Ok(namespace.event_reasons("plain").contains(&"Updated".to_owned())));
    assert!(!is_told("plain"), "no name, no entry");
    namespace.merge_patch(
        "partner/plain",
        &json!({"spec": {"details": {"applicationServer": "https://new.app.example.com"}}}),
    );
    namespace.wait_until("it is told of the one that got a name", || Ok(is_told("plain")));
}

#[test]
fn suspended_and_active_are_declared_and_suspended_is_ready() {
    let namespace = TestWorld::shared_world().create_namespace("state");
    namespace.apply_partner("acme", &json!({}));
    namespace.apply_client("globex", &json!({}));
    let (partner, client) = (namespace.wait_until_ready("partner/acme"), namespace.wait_until_ready("client/globex"));
    let status = || namespace.read_client_tenant(&partner, &client)["status"].clone();
    namespace.merge_patch("client/globex", &json!({"spec": {"tenantState": "Suspended"}}));
    namespace.wait_until("it is suspended", || Ok(status() == "SUSPENDED"));
    namespace.wait_until_ready("client/globex");
    let (_, reason, _) = namespace.condition("client/globex", "Ready").unwrap();
    assert_eq!(reason, "Suspended");
    namespace.merge_patch("client/globex", &json!({"spec": {"tenantState": "Active"}}));
    namespace.wait_until("it is active", || Ok(status() == "ACTIVE"));
    namespace.wait_until_ready("client/globex");
}

#[test]
fn a_request_to_look_now_is_acknowledged() {
    let namespace = TestWorld::shared_world().create_namespace("now");
    namespace.apply_partner("acme", &json!({}));
    namespace.wait_until_ready("partner/acme");
    namespace.kubectl(&["annotate", "partner/acme", "tenantry.dev/reconcile-requested-at=one"]);
    namespace.wait_until("it is acknowledged", || {
        Ok(namespace.get("partner/acme").unwrap()["status"]["lastHandledReconcileAt"] == "one")
    });
}

/// shows: seeds/without-remediation/patch-approvals
#[test]
fn a_changed_image_reaches_the_platform_and_a_partner_tells_its_modules() {
    let namespace = TestWorld::shared_world().create_namespace("image");
    let image = |name: &str| std::fs::read(crate::assets::root().join("examples/brand").join(name)).unwrap();
    let apply = |bytes: Vec<u8>| {
        use base64::Engine;
        namespace.apply(&json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "brand", "labels": {"tenantry.dev/watch": "true"}},
            "binaryData": {"logo.png": base64::engine::general_purpose::STANDARD.encode(bytes)},
        }));
    };
    apply(image("logo.png"));
    namespace.apply_partner(
        "acme",
        &json!({"branding": {"logo": {"configMapKeyRef": {"name": "brand", "key": "logo.png"}}}}),
    );
    let partner = namespace.wait_until_ready("partner/acme");
    let digest = || {
        let branding = namespace.world.tenancy.get(&format!("{partner}/customBranding"))?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(branding["logo"]["sha256"].clone())
    };
    let first = digest().unwrap();
    assert!(first.is_string());
    apply(image("favicon.png"));
    namespace.wait_until("the other image is there", || Ok(digest()? != first));
    let status = namespace.get("partner/acme").unwrap()["status"].clone();
    assert!(status["modules"].as_array().unwrap().contains(&json!("Dashboards")));
    assert!(status["unavailable"]["permissionSets"].as_array().unwrap().contains(&json!("Patch Approvals")));
}

#[test]
fn under_a_suspended_partner_nothing_is_written_and_it_heals() {
    let namespace = TestWorld::shared_world().create_namespace("parent");
    namespace.apply_partner("acme", &json!({}));
    namespace.apply_client("globex", &json!({}));
    let (partner, client) = (namespace.wait_until_ready("partner/acme"), namespace.wait_until_ready("client/globex"));
    namespace.merge_patch("partner/acme", &json!({"spec": {"tenantState": "Suspended"}}));
    namespace.wait_until_ready("partner/acme");
    namespace.merge_patch("client/globex", &json!({"spec": {"details": {"city": "Berlin"}}}));
    let message = namespace.wait_until_not_ready("client/globex", "PartnerSuspended");
    assert!(message.contains("suspended"), "{message}");
    namespace.merge_patch("partner/acme", &json!({"spec": {"tenantState": "Active"}}));
    namespace.wait_until_ready("client/globex");
    assert_eq!(namespace.read_client_tenant(&partner, &client)["city"], "Berlin");
}

#[test]
fn white_space_that_blocks_of_yaml_leave_is_no_difference() {
    let namespace = TestWorld::shared_world().create_namespace("white");
    namespace.apply_referenced_secret("duo", &json!({"ikey": "DIXXXXXXXXXXXXXXXXXX\n", "skey": "s".repeat(40)}));
    let reference = |key: &str| json!({"name": "duo", "key": key});
    let duo = json!({
        "integrationKeySecretRef": reference("ikey"), "secretKeySecretRef": reference("skey"),
        "apiHostname": "API-1.duo.example \n",
    });
    namespace.apply_partner(
        "acme",
        &json!({
            "details": {"applicationServer": "acme.app.example.org\n", "city": "Munich\n"},
            "clients": {"defaults": {"timezone": "Europe/Berlin \n", "access": {"duo": duo}}},
        }),
    );
    let blank = json!({
        "details": {"city": " ", "postalCode": " ", "externalId": " ", "address": "Hauptstr. 1\nHinterhaus\n", "phone": {"number": " "}},
        "branding": {"websiteTitle": " "},
    });
    namespace.apply_client("globex", &blank);
    let (partner, client) = (namespace.wait_until_ready("partner/acme"), namespace.wait_until_ready("client/globex"));
    let tenant = namespace.read_client_tenant(&partner, &client);
    assert_eq!(tenant["timeZone"], "Europe/Berlin");
    assert_eq!(tenant["address"], "Hauptstr. 1\nHinterhaus");
    assert_eq!(tenant["duoSecurity"]["apiHostName"], "api-1.duo.example");
    let revision = || namespace.read_client_tenant(&partner, &client)["revision"].clone();
    let (before, checks) = (revision(), drift_check_count(&namespace));
    namespace.wait_until("drift was looked for twice", || Ok(self::drift_check_count(&namespace) > checks + 2.5));
    assert_eq!(revision(), before, "nothing was written again");
    let (status, reason, _) = namespace.condition("client/globex", "InSync").unwrap();
    assert_eq!((status.as_str(), reason.as_str()), ("True", "AsDeclared"));
    namespace.merge_patch("client/globex", &json!({"spec": {"details": {"timezone": " \n"}}}));
    assert!(namespace.wait_until_not_ready("client/globex", "InvalidValue").contains("`details.timezone` is blank"));
}

/// Returns the number of drift checks that the operator has made.
fn drift_check_count(namespace: &crate::world::TestNamespace<'_>) -> f64 {
    namespace.world.operator.metric("tenantry_operator_drift_checks_total", &["kind=\"Client\""]).unwrap()
}
