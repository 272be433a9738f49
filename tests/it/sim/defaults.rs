//! Defaults: each one that the definitions promise, shown by the complete operator on objects that omit the setting.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use super::actions::SimActor;
use super::cluster::{CLIENTS, PARTNERS, SimObjectKey};
use super::crash_sweep::scenarios;
use super::exchange::{OperatorLife, SimWorld};
use super::idle::{condition, is_ready, new_default_world};
use super::operator_life::{run_life, settings, settings_with};
use super::user_actions::merge_spec;

/// Settings whose description promises a default, and the test that omits them.
const DEFAULTS_WITH_TEST: [(&str, &str); 20] = [
    ("Client.spec.addOns", "what_a_client_leaves_out_comes_from_its_partner"),
    ("Client.spec.adoption", "an_object_takes_nothing_over_that_it_does_not_name"),
    ("Client.spec.adoption.policy", "an_object_takes_nothing_over_that_it_does_not_name"),
    (
        "Client.spec.branding",
        "it::operator::reconcile::what_a_client_leaves_out_comes_from_the_defaults_and_status_says_from_where",
    ),
    ("Client.spec.connectionSecretRef", "what_a_client_leaves_out_comes_from_its_partner"),
    ("Client.spec.deletion", "a_deleted_object_leaves_its_tenant_in_service"),
    ("Client.spec.deletion.gracePeriodSeconds", "a_tenant_rests_a_day_before_it_is_ended"),
    ("Client.spec.deletion.policy", "a_deleted_object_leaves_its_tenant_in_service"),
    ("Client.spec.details.country", "what_a_client_leaves_out_comes_from_its_partner"),
    ("Client.spec.details.timezone", "what_a_client_leaves_out_comes_from_its_partner"),
    (
        "Client.spec.handOver.namespace",
        "tenantry_core::object::owner_search::tests::an_owner_hands_over_to_the_object_that_it_names_and_to_no_other",
    ),
    ("Client.spec.management", "an_object_is_written_corrected_and_not_asked_about"),
    ("Client.spec.management.approval.mode", "an_object_is_written_corrected_and_not_asked_about"),
    ("Client.spec.management.drift", "an_object_is_written_corrected_and_not_asked_about"),
    ("Client.spec.management.mode", "an_object_is_written_corrected_and_not_asked_about"),
    ("Client.spec.packages", "what_a_client_leaves_out_comes_from_its_partner"),
    ("Client.spec.partnerRef.namespace", "a_partner_takes_clients_of_its_own_namespace_alone"),
    ("Partner.spec.clients.allowedNamespaces", "a_partner_takes_clients_of_its_own_namespace_alone"),
    ("Partner.spec.clients.allowedNamespaces.from", "a_partner_takes_clients_of_its_own_namespace_alone"),
    ("Partner.spec.connectionSecretRef", "the_default_connection_serves_partners_of_its_namespaces_alone"),
];

/// Collects every path below a schema whose description promises a default.
fn collect_promised_defaults(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    let description = schema["description"].as_str().unwrap_or_default().replace('\n', " ");
    if description.to_ascii_lowercase().contains("default:") {
        found.insert(path.to_owned());
    }
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        collect_promised_defaults(child, &format!("{path}.{name}"), found);
    }
    collect_item_defaults(&schema["items"], path, found);
}

fn collect_item_defaults(items: &Value, path: &str, found: &mut BTreeSet<String>) {
    if items.is_object() {
        collect_promised_defaults(items, path, found);
    }
}

#[test]
fn every_default_that_a_definition_promises_is_left_out_by_a_test() {
    let mut found = BTreeSet::new();
    for definition in tenantry_api::crds() {
        let kind = definition.spec.names.kind.clone();
        let whole = serde_json::to_value(&definition).unwrap();
        let schema = whole.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec").unwrap();
        collect_promised_defaults(schema, &format!("{kind}.spec"), &mut found);
    }
    let shown: BTreeSet<&str> = DEFAULTS_WITH_TEST.iter().map(|(path, _)| *path).collect();
    // Both kinds share these: a test for a Client also covers a Partner, which uses the same code.
    let is_shown = |path: &String| {
        shown.contains(path.as_str())
            || path.strip_prefix("Partner.").is_some_and(|rest| shown.contains(format!("Client.{rest}").as_str()))
    };
    let missing: Vec<&String> = found.iter().filter(|path| !is_shown(path)).collect();
    assert!(missing.is_empty(), "no test leaves these out: {missing:#?}");
    let stale: Vec<&&str> = shown.iter().filter(|path| !found.contains(**path)).collect();
    assert!(stale.is_empty(), "no definition promises these: {stale:#?}");
    let tests = crate::test_index::all_test_names();
    for (path, test) in DEFAULTS_WITH_TEST {
        let name = if test.contains("::") { test.to_owned() } else { format!("it::sim::defaults::{test}") };
        assert!(tests.contains(&name), "{path}: there is no test `{name}`");
    }
}

fn acme() -> SimObjectKey {
    SimObjectKey::new(PARTNERS, "a", "acme")
}

fn globex() -> SimObjectKey {
    SimObjectKey::new(CLIENTS, "a", "globex")
}

/// Creates a Partner, and a Client with only the required members.
async fn create_minimal_objects(world: &SimWorld, partner: &Value) {
    world.create(&acme(), &scenarios::partner_spec(partner));
    wait_until_ready(world, &acme()).await;
    world.create(&globex(), &json!({"partnerRef": {"name": "acme"}, "details": {"name": "Globex"}}));
    wait_until_ready(world, &globex()).await;
}

async fn wait_until_ready(world: &SimWorld, key: &SimObjectKey) {
    let is_so = |world: &SimWorld| world.object(key).is_some_and(|object| is_ready(&object));
    world.wait_until(&format!("{} is Ready", key.name), is_so).await;
}

fn run_script(world: &SimWorld, script: impl AsyncFnOnce()) {
    assert!(run_life(world, &OperatorLife::new(1), settings(), script()).is_some());
    let violations = world.lock().oracle.violations.clone();
    assert!(violations.is_empty(), "{violations:#?}\n{}", world.lock().log.join("\n"));
}

#[test]
fn a_deleted_object_leaves_its_tenant_in_service() {
    let world = new_default_world();
    run_script(&world, async || {
        create_minimal_objects(&world, &json!({})).await;
        let tenant = world.tenant(&globex()).unwrap();
        world.delete(&globex());
        world.wait_until("the object is gone", |world| world.object(&globex()).is_none()).await;
        tokio::time::sleep(Duration::from_hours(48)).await;
        assert!(world.tenants().iter().any(|one| one.id == tenant.id && one.state == "ACTIVE"));
    });
}

#[test]
fn a_tenant_rests_a_day_before_it_is_ended() {
    let world = new_default_world();
    run_script(&world, async || {
        create_minimal_objects(&world, &json!({})).await;
        let mut consent = scenarios::confirmed_deletion(&world, &globex(), 0);
        consent["deletion"].as_object_mut().unwrap().remove("gracePeriodSeconds");
        world.edit(&globex(), &consent);
        world.delete(&globex());
        let id = world.tenant(&globex()).unwrap().id;
        let state = |world: &SimWorld| world.tenants().into_iter().find(|one| one.id == id).unwrap().state;
        world.wait_until("it is suspended", |world| state(world) == "SUSPENDED").await;
        tokio::time::sleep(Duration::from_hours(23)).await;
        assert_eq!(state(&world), "SUSPENDED", "a day is not over");
        tokio::time::sleep(Duration::from_hours(2)).await;
        assert_eq!(state(&world), "TERMINATED");
    });
}

#[test]
fn an_object_is_written_corrected_and_not_asked_about() {
    let world = new_default_world();
    run_script(&world, async || {
        create_minimal_objects(&world, &json!({})).await;
        // A disruptive change, without approval.
        world.edit(&globex(), &json!({"details": {"name": "Globex AG", "city": "Bonn"}}));
        wait_until_ready(&world, &globex()).await;
        let tenant = world.tenant(&globex()).unwrap();
        assert_eq!((tenant.name.as_str(), &tenant.settings["city"]), ("Globex AG", &json!("Bonn")));
        world.change_in_console(&tenant, &json!({"city": "Ulm"}));
        let is_back = |world: &SimWorld| world.tenant(&globex()).unwrap().settings["city"] == "Bonn";
        world.wait_until("it is corrected", is_back).await;
    });
}

#[test]
fn an_object_takes_nothing_over_that_it_does_not_name() {
    let world = new_default_world();
    run_script(&world, async || {
        world.create(&acme(), &scenarios::partner_spec(&json!({})));
        wait_until_ready(&world, &acme()).await;
        let partner = world.tenant(&acme()).unwrap().id;
        let body =
            json!({"name": "Globex", "city": "Ulm", "timeZone": "Europe/Berlin", "country": "Germany", "address": "x"});
        world.console(Method::POST, &format!("{partner}/clients"), &body);
        let before = world.tenants();
        for adoption in [Value::Null, json!({})] {
            world.create(
                &globex(),
                &merge_spec(
                    json!({"partnerRef": {"name": "acme"}, "details": {"name": "Globex"}}),
                    &json!({"adoption": adoption}),
                ),
            );
            let is_reported = |world: &SimWorld| {
                world
                    .object(&globex())
                    .and_then(|object| condition(&object, "Ready"))
                    .is_some_and(|(_, why)| why == "NameTaken")
            };
            world.wait_until("the name is taken", is_reported).await;
            world.delete(&globex());
            world.wait_until("the object is gone", |world| world.object(&globex()).is_none()).await;
        }
        assert_eq!(world.tenants(), before);
    });
}

#[test]
fn what_a_client_leaves_out_comes_from_its_partner() {
    let world = new_default_world();
    run_script(&world, async || {
        let defaults = json!({"timezone": "Europe/Paris", "country": "France", "packages": ["EventAndIncidentManagement"], "addOns": ["SLAManagement"]});
        let partner = json!({
            "packages": ["EventAndIncidentManagement"], "addOns": ["SLAManagement"], "clients": {"defaults": defaults},
        });
        create_minimal_objects(&world, &partner).await;
        let tenant = world.tenant(&globex()).unwrap();
        assert_eq!(tenant.parent, world.tenant(&acme()).unwrap().id, "by its Partner's connection");
        let object = world.object(&globex()).unwrap();
        let effective = object["status"]["effective"].as_array().unwrap().clone();
        for (path, value) in [
            ("details.timezone", json!("Europe/Paris")),
            ("details.country", json!("France")),
            ("packages", json!(["EventAndIncidentManagement", "HybridDiscoveryAndMonitoring"])),
            ("addOns", json!(["SLAManagement"])),
        ] {
            let one =
                effective.iter().find(|one| one["path"] == path).unwrap_or_else(|| panic!("{path}: {effective:?}"));
            assert_eq!(
                (one["source"].as_str(), one["value"].as_str()),
                (Some("PartnerDefault"), Some(value.to_string().as_str())),
                "{path}"
            );
        }
    });
}

#[test]
fn a_partner_takes_clients_of_its_own_namespace_alone() {
    let world = new_default_world();
    run_script(&world, async || {
        create_minimal_objects(&world, &json!({"clients": {"allowedNamespaces": {}}})).await;
        let other = SimObjectKey::new(CLIENTS, "b", "initech");
        let spec = json!({"partnerRef": {"name": "acme", "namespace": "a"}, "details": {"name": "Initech"}});
        world.create(&other, &spec);
        let reason = |world: &SimWorld, key: &SimObjectKey| {
            world.object(key).and_then(|object| condition(&object, "Ready")).map(|(_, why)| why)
        };
        world
            .wait_until("it is refused", |world| reason(world, &other).as_deref() == Some("NamespaceNotAllowed"))
            .await;
        // Without a namespace the reference is to a Partner in the Client's namespace.
        let hooli = SimActor::Hooli.key();
        world.create(&hooli, &json!({"partnerRef": {"name": "acme"}, "details": {"name": "Hooli"}}));
        world.wait_until("it is not found", |world| reason(world, &hooli).as_deref() == Some("PartnerNotFound")).await;
        world.edit(&acme(), &json!({"clients": {"allowedNamespaces": null}}));
        tokio::time::sleep(Duration::from_mins(30)).await;
        assert_eq!(reason(&world, &other).as_deref(), Some("NamespaceNotAllowed"));
        assert_eq!(world.tenants().len(), 2);
    });
}

#[test]
fn the_default_connection_serves_partners_of_its_namespaces_alone() {
    let world = new_default_world();
    let flags = settings_with(&["--default-connection", "b/platform", "--default-connection-namespaces", "b,c"]);
    let done = run_life(&world, &OperatorLife::new(1), flags, async {
        let mut spec = scenarios::partner_spec(&json!({}));
        spec.as_object_mut().unwrap().remove("connectionSecretRef");
        world.create(&acme(), &spec);
        spec["details"]["name"] = json!("Beta");
        let beta = SimActor::Beta.key();
        world.create(&beta, &spec);
        wait_until_ready(&world, &beta).await;
        let is_reported = |world: &SimWorld| {
            world
                .object(&acme())
                .and_then(|object| condition(&object, "Ready"))
                .is_some_and(|(_, why)| why == "NoConnection")
        };
        world.wait_until("another namespace is not served", is_reported).await;
        tokio::time::sleep(Duration::from_mins(30)).await;
        assert_eq!(world.tenants().len(), 1);
    });
    assert!(done.is_some());
}
