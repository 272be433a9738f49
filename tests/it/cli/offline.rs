//! `plan` without a cluster: the marks on the platform show which tenant belongs to which object.

use serde_json::json;

use super::PluginRunner;
use crate::world::TestWorld;

#[test]
fn the_same_plan_without_the_cluster() {
    let namespace = TestWorld::shared_world().create_namespace("offline");
    let plugin = PluginRunner::on_cluster_of(&namespace);
    let connection = plugin.write_connection_file(&namespace);
    namespace.apply_partner("acme", &json!({"details": {"city": "Berlin"}}));
    namespace.apply_client("globex", &json!({"details": {"city": "Bonn"}}));
    namespace.wait_until_ready("partner/acme");
    let id = namespace.wait_until_ready("client/globex");
    let manifests = |city: &str| {
        let object = |kind: &str, name: &str, spec: serde_json::Value| json!({"apiVersion": "tenantry.dev/v1alpha1", "kind": kind, "metadata": {"name": name, "namespace": namespace.name}, "spec": spec});
        let partner =
            object("Partner", "acme", json!({"details": {"name": namespace.tenant_name("acme"), "city": "Berlin"}}));
        let client = object(
            "Client",
            "globex",
            json!({"partnerRef": {"name": "acme"}, "details": {"name": namespace.tenant_name("globex"), "city": city}}),
        );
        format!("{partner}\n---\n{client}\n")
    };
    let plan = |city: &str, how: &[&str]| {
        plugin.write_file("tenants.yaml", &manifests(city));
        plugin.run(&[&["plan", "-f", "tenants.yaml", "-o", "json"], how].concat())
    };
    let offline = ["--offline", "--connection", connection.as_str()];
    let ran = plan("Bonn", &offline);
    assert_eq!(ran.code, 0, "{ran:?}");
    let (with, without) = (plan("Köln", &["--connection", &connection]), plan("Köln", &offline));
    assert_eq!((with.code, without.code), (2, 2), "{with:?} {without:?}");
    // The hash is the same too, since the mark holds the UID.
    assert_eq!(with.json(), without.json());
    assert_eq!(without.json()["objects"][1]["uniqueId"], json!(id));
}

#[test]
fn what_is_written_and_never_shown_is_left_open_without_the_cluster_and_is_no_secret_that_leaks() {
    let namespace = TestWorld::shared_world().create_namespace("hidden");
    let plugin = PluginRunner::on_cluster_of(&namespace);
    let connection = plugin.write_connection_file(&namespace);
    let keys = json!({"integrationKey": "geheim-integration", "secretKey": "geheim-secret"});
    namespace.apply_referenced_secret("duo", &keys);
    let reference = |key: &str| json!({"name": "duo", "key": key});
    let duo = json!({
        "integrationKeySecretRef": reference("integrationKey"), "secretKeySecretRef": reference("secretKey"),
        "apiHostname": "api.duo.example",
    });
    let partner = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Partner", "metadata": {"name": "acme", "namespace": namespace.name},
        "spec": {
            "connectionSecretRef": {"name": "platform"}, "details": {"name": namespace.tenant_name("acme")},
            "security": {"access": {"duo": duo}},
        },
    });
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "duo", "namespace": namespace.name, "labels": {"tenantry.dev/allow-reference": "true"}}, "stringData": keys,
    });
    let plan = |how: &[&str]| {
        let run = plugin
            .run_with(&[&["plan", "-f", "-", "-o", "json"], how].concat(), &format!("{partner}\n---\n{secret}\n"));
        assert!(!run.out.contains("geheim-") && !run.err.contains("geheim-"), "{run:?}");
        run
    };
    let offline = ["--offline", "--connection", connection.as_str()];
    let settings = plan(&offline).json()["objects"][0]["requests"][0]["settings"].clone();
    let shown: Vec<_> = settings.as_array().unwrap().iter().filter(|one| one["to"] == "(secret)").collect();
    assert_eq!(shown.len(), 2, "{settings}");
    namespace.apply(&partner);
    namespace.wait_until_ready("partner/acme");
    assert_eq!(plan(&[]).code, 0);
    let ran = plan(&offline);
    let notes = ran.json()["objects"][0]["notes"].to_string();
    assert!(
        ran.code == 0 && notes.contains("secretKeySecretRef` changes cannot be told without the cluster"),
        "{ran:?}"
    );
}
