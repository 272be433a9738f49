//! `plan` against cluster and platform.

use serde_json::{Value, json};

use super::PluginRunner;
use super::golden::{compare_with_golden, test_specific_names};
use crate::world::{TestNamespace, TestWorld};

/// Returns a Partner with two Clients, as one file.
fn tenant_manifests(namespace: &TestNamespace<'_>) -> String {
    let name = |name: &str| namespace.tenant_name(name);
    format!(
        "apiVersion: tenantry.dev/v1alpha1
kind: Partner
metadata: {{name: acme, namespace: {namespace}}}
spec:
  connectionSecretRef: {{name: platform}}
  details: {{name: {acme}, city: Berlin}}
  packages: [EventAndIncidentManagement]
  clients:
    defaults: {{country: Germany}}
---
apiVersion: tenantry.dev/v1alpha1
kind: Client
metadata: {{name: globex, namespace: {namespace}}}
spec:
  partnerRef: {{name: acme}}
  details: {{name: {globex}, city: Bonn}}
---
apiVersion: tenantry.dev/v1alpha1
kind: Client
metadata: {{name: initech, namespace: {namespace}}}
spec:
  partnerRef: {{name: acme}}
  details: {{name: {initech}}}
  security: {{access: {{allowedIPs: [198.51.100.7]}}}}
",
        namespace = namespace.name,
        acme = name("acme"),
        globex = name("globex"),
        initech = name("initech"),
    )
}

/// Returns the row of an object in a plan.
fn plan_row(plan: &Value, name: &str) -> Value {
    let rows = plan["objects"].as_array().unwrap();
    rows.iter().find(|row| row["name"] == name).cloned().unwrap_or_default()
}

#[test]
fn a_plan_shows_a_life_before_it_happens() {
    let namespace = TestWorld::shared_world().create_namespace("planned");
    let plugin = PluginRunner::on_cluster_of(&namespace);
    let text = tenant_manifests(&namespace);
    plugin.write_file("tenants.yaml", &text);
    let plan = |more: &[&str]| plugin.run(&[&["plan", "-f", "tenants.yaml"], more].concat());
    let own = test_specific_names(&namespace);
    compare_with_golden("plan/create", &plan(&[]), &own);
    compare_with_golden("plan/create-markdown", &plan(&["-o", "markdown"]), &own);
    namespace.kubectl(&["apply", "-f", plugin.folder.join("tenants.yaml").to_str().unwrap()]);
    for object in ["partner/acme", "client/globex", "client/initech"] {
        namespace.wait_until_ready(object);
    }
    let ran = plan(&[]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    compare_with_golden("plan/nothing", &plan(&["--show-unchanged"]), &own);
    let edited = text
        .replace("city: Bonn", "city: Köln | `x`")
        .replace("[198.51.100.7]", "[198.51.100.8]")
        .replace("country: Germany", "country: France");
    plugin.write_file("tenants.yaml", &edited);
    compare_with_golden("plan/change", &plan(&[]), &own);
    compare_with_golden("plan/change-markdown", &plan(&["-o", "markdown"]), &own);
    compare_with_golden("plan/change-json", &plan(&["-o", "json"]), &own);
    compare_with_golden("plan/change-yaml", &plan(&["-o", "yaml"]), &own);
}

#[test]
fn the_hash_of_a_plan_is_the_one_that_the_operator_waits_for() {
    let namespace = TestWorld::shared_world().create_namespace("approve");
    let plugin = PluginRunner::on_cluster_of(&namespace);
    namespace.apply_partner("acme", &json!({"management": {"approval": {"mode": "ManualIfRisky"}}}));
    namespace.wait_until_ready("partner/acme");
    let manifest = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Partner",
        "metadata": {"name": "acme", "namespace": namespace.name},
        "spec": {
            "connectionSecretRef": {"name": "platform"},
            "details": {"name": namespace.tenant_name("acme")},
            "management": {"approval": {"mode": "ManualIfRisky"}},
            "security": {"access": {"allowedIPs": ["198.51.100.1"]}},
        },
    });
    let file = plugin.write_file("partner.json", &manifest.to_string()).display().to_string();
    let run = plugin.run(&["plan", "-f", &file, "-o", "json"]);
    assert_eq!(run.code, 2, "{run:?}");
    let row = plan_row(&run.json(), "acme");
    assert_eq!((&row["action"], &row["reason"]), (&json!("Wait"), &json!("ApprovalNeeded")), "{row}");
    namespace.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", &file]);
    let mut hash = Value::Null;
    namespace.wait_until("the operator waits for approval", || {
        hash = namespace.get("partner/acme").unwrap()["status"]["plan"]["hash"].clone();
        Ok(!hash.is_null())
    });
    assert_eq!(row["approvedPlan"], hash);
    // The object of the cluster has the same plan if it is named directly.
    let run = plugin.run(&["plan", "partner/acme", "-n", &namespace.name, "-o", "json"]);
    assert_eq!(super::plan::plan_row(&run.json(), "acme")["approvedPlan"], hash);
}

#[test]
fn what_cannot_be_is_refused_with_the_reason_of_the_condition() {
    let namespace = TestWorld::shared_world().create_namespace("refuse");
    let plugin = PluginRunner::on_cluster_of(&namespace);
    namespace.apply_partner("acme", &json!({"packages": ["EventAndIncidentManagement"]}));
    namespace.apply_client("globex", &json!({"packages": ["EventAndIncidentManagement"]}));
    namespace.wait_until_ready("partner/acme");
    let id = namespace.wait_until_ready("client/globex");
    let object = |kind: &str, name: &str, spec: Value| json!({"apiVersion": "tenantry.dev/v1alpha1", "kind": kind, "metadata": {"name": name, "namespace": namespace.name}, "spec": spec});
    let named = |name: &str| json!({"name": name});
    let objects = [
        // Drops what the Client in the cluster still uses.
        object(
            "Partner",
            "acme",
            json!({"connectionSecretRef": named("platform"), "details": named(&namespace.tenant_name("acme")), "packages": []}),
        ),
        // A name that the tenant of another object has.
        object(
            "Client",
            "twin",
            json!({"partnerRef": named("acme"), "details": named(&namespace.tenant_name("globex"))}),
        ),
        // Adopts a tenant that another object owns.
        object(
            "Client",
            "thief",
            json!({"partnerRef": named("acme"), "details": named("thief"), "adoption": {"policy": "Adopt", "uniqueId": id}}),
        ),
        object(
            "Client",
            "ghost",
            json!({"partnerRef": named("acme"), "details": named("ghost"), "adoption": {"policy": "Adopt", "uniqueId": "client_999999"}}),
        ),
        object("Client", "lost", json!({"partnerRef": named("nobody"), "details": named("lost")})),
        object(
            "Client",
            "greedy",
            json!({"partnerRef": named("acme"), "details": named("greedy"), "packages": ["RemediationAndAutomation"]}),
        ),
    ];
    plugin.write_file("all.json", &json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string());
    let run = plugin.run(&["plan", "-f", "all.json"]);
    compare_with_golden("plan/refused", &run, &test_specific_names(&namespace));
}

#[test]
fn clients_that_are_not_in_the_input_are_planned_with_their_partner() {
    let namespace = TestWorld::shared_world().create_namespace("reach");
    let plugin = PluginRunner::on_cluster_of(&namespace);
    namespace.apply_partner("acme", &json!({"clients": {"defaults": {"country": "Germany"}}}));
    namespace.apply_client("globex", &json!({}));
    namespace.wait_until_ready("partner/acme");
    namespace.wait_until_ready("client/globex");
    let partner = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Partner", "metadata": {"name": "acme", "namespace": namespace.name},
        "spec": {
            "connectionSecretRef": {"name": "platform"}, "details": {"name": namespace.tenant_name("acme")},
            "clients": {"defaults": {"country": "France"}},
        },
    });
    let run = plugin.run_with(&["plan", "-f", "-", "-o", "json"], &partner.to_string());
    assert_eq!(run.code, 2, "{run:?}");
    let setting = &plan_row(&run.json(), "globex")["requests"][0]["settings"][0];
    let expected = json!({"path": "details.country", "from": "Germany", "to": "France", "source": "PartnerDefault", "risk": "quiet"});
    assert_eq!(*setting, expected);
}
