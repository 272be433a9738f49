//! Tests of a cluster that is lost and restored from a backup: objects return with finalizers and annotations, and
//! without status and UIDs.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::world::{TestNamespace, TestWorld};

/// Objects of the backup, by kind and name.
const BACKED_UP_OBJECTS: [&str; 6] =
    ["partner/acme", "client/plain", "client/branded", "client/resting", "client/taken", "client/keyed"];

/// Creates the objects with everything that is not stored on the platform. Returns their tenants' ids.
fn create_objects(namespace: &TestNamespace<'_>) -> BTreeMap<&'static str, String> {
    namespace.apply_referenced_secret(
        "duo",
        &json!({"key": "DIXXXXXXXXXXXXXXXXXX", "secret": "aSecretKeyOfDuoThatIsFortyCharactersLong0"}),
    );
    namespace.apply_partner(
        "acme",
        &json!({"branding": {"websiteTitle": "Acme"}, "clients": {"defaults": {"country": "Germany"}}}),
    );
    let partner = namespace.wait_until_ready("partner/acme");
    let path = format!("{partner}/clients");
    namespace.world.tenancy.change_tenant(&path, &json!({"name": "Clicked", "country": "Germany"})).unwrap();
    let clicked =
        namespace.world.tenancy.list_tenants(&path, true).unwrap()[0]["uniqueId"].as_str().unwrap().to_owned();
    let taken = json!({"details": {"name": "Clicked"}, "adoption": {"policy": "IfIdentical", "uniqueId": clicked}});
    let key = |key: &str| json!({"name": "duo", "key": key});
    let duo = json!({"integrationKeySecretRef": key("key"), "secretKeySecretRef": key("secret"), "apiHostname": "a.duo.example"});
    namespace.apply_client("plain", &json!({"details": {"city": "Berlin"}, "deletion": {"policy": "Terminate"}}));
    namespace.apply_client("branded", &json!({"branding": {"websiteTitle": "Globex"}}));
    namespace.apply_client("resting", &json!({"tenantState": "Suspended"}));
    namespace.apply_client("taken", &taken);
    namespace.apply_client("keyed", &json!({"security": {"access": {"duo": duo}}}));
    BACKED_UP_OBJECTS.into_iter().map(|object| (object, namespace.wait_until_ready(object))).collect()
}

/// Returns the manifests that a backup tool restores.
fn export_objects(namespace: &TestNamespace<'_>) -> String {
    let mut list: Value = serde_json::from_str(&namespace.kubectl(&["get", "partners,clients", "-o", "json"])).unwrap();
    for object in list["items"].as_array_mut().unwrap() {
        object.as_object_mut().unwrap().remove("status");
        let metadata = object["metadata"].as_object_mut().unwrap();
        metadata.retain(|key, _| ["name", "namespace", "annotations", "labels", "finalizers"].contains(&key.as_str()));
        assert!(metadata["annotations"]["tenantry.dev/intent"].is_string(), "{metadata:?}");
    }
    list.to_string()
}

/// Deletes the objects without any operator observing it.
fn delete_without_operator(namespace: &TestNamespace<'_>) {
    for object in BACKED_UP_OBJECTS {
        namespace.merge_patch(object, &json!({"metadata": {"finalizers": []}}));
        namespace.kubectl(&["delete", object]);
    }
}

/// Returns the operator's changes by object, as operation and settings.
fn audited_changes(world: &TestWorld, namespace: &str) -> BTreeMap<String, Vec<(String, String)>> {
    let mut changes: BTreeMap<String, Vec<_>> = BTreeMap::new();
    let log = world.operator.log().unwrap();
    for line in log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if line["target"] == "audit" {
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            let object = format!("{}{}", text("kind").to_lowercase(), text("object").replace(namespace, ""));
            changes.entry(object).or_default().push((text("operation"), text("settings")));
        }
    }
    changes
}

#[test]
fn objects_of_a_restored_cluster_take_their_tenants_up_again_and_write_nothing_but_marks_and_what_is_never_shown() {
    let mut world = TestWorld::start("restored", |_| {}).unwrap();
    let cluster = world.kubectl.run(&["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"]).unwrap();
    let (name, ids, backup) = {
        let namespace = world.create_namespace("restored");
        let ids = create_objects(&namespace);
        (namespace.name.clone(), ids, export_objects(&namespace))
    };
    world.operator.process().stop().unwrap();
    delete_without_operator(&TestNamespace::existing(&world, name.clone()));
    let before = world.platform_writes();
    let written = |world: &TestWorld| world.platform_writes() - before;

    // The new cluster has another id, so for the operator the tenants belong to another cluster.
    world.kubectl.run_with(&["apply", "-f", "-"], &backup).unwrap();
    let flags = world.options.flags.clone();
    world.options.flags.extend(["--cluster-id".to_owned(), "new".to_owned()]);
    world.restart_operator().unwrap();
    {
        let namespace = TestNamespace::existing(&world, name.clone());
        let message = namespace.wait_until_not_ready("partner/acme", "NameTaken");
        assert!(message.contains(&ids["partner/acme"]), "{message}");
        assert!(message.contains(&format!("`--cluster-id {cluster}`")), "it does not say how: {message}");
        namespace.wait_until_not_ready("client/plain", "PartnerNotReady");
    }
    assert!(written(&world) < 0.5, "{} writes under another id", written(&world));

    world.options.flags = [flags, vec!["--cluster-id".to_owned(), cluster]].concat();
    world.restart_operator().unwrap();
    let namespace = TestNamespace::existing(&world, name.clone());
    for (object, id) in &ids {
        assert_eq!(namespace.wait_until_ready(object), *id, "{object}");
    }
    let mark = || vec![("mark".to_owned(), String::new())];
    let mut wanted: BTreeMap<String, _> =
        BACKED_UP_OBJECTS.into_iter().map(|object| (object.to_owned(), mark())).collect();
    // The keys of Duo are never shown, and the lost status recorded what was last written.
    let keys = "security.access.duo.integrationKeySecretRef,security.access.duo.secretKeySecretRef";
    wanted.get_mut("client/keyed").unwrap().push(("update".to_owned(), keys.to_owned()));
    assert_eq!(audited_changes(&world, &name), wanted);
    assert!((written(&world) - 7.0).abs() < 0.5, "{} writes", written(&world));
    namespace
        .wait_until("the event is there", || Ok(namespace.event_reasons("plain").contains(&"Reattached".to_owned())));
    // If a restored object is deleted, the lost object's consent does not end its tenant: it waits for a new
    // confirmation.
    namespace.delete("client/plain");
    namespace.wait_until("the end waits for consent", || {
        Ok(namespace
            .condition("client/plain", "DeletionBlocked")
            .is_some_and(|(_, reason, _)| reason == "ConfirmationNeeded"))
    });
    assert_eq!(namespace.read_client_tenant(&ids["partner/acme"], &ids["client/plain"])["status"], "ACTIVE");
}
