//! `plan` against cluster and platform.

use serde_json::{Value, json};

use super::PluginFolder;
use super::golden::{compare_with_golden, test_specific_names};
use crate::world::{TestNamespace, TestWorld};

/// Returns a Partner with two Clients, as one file.
fn tenant_manifests(space: &TestNamespace<'_>) -> String {
    let name = |name: &str| space.tenant_name(name);
    format!(
        "apiVersion: tenantry.dev/v1alpha1
kind: Partner
metadata: {{name: acme, namespace: {space}}}
spec:
  connectionSecretRef: {{name: platform}}
  details: {{name: {acme}, city: Berlin}}
  packages: [EventAndIncidentManagement]
  clients:
    defaults: {{country: Germany}}
---
apiVersion: tenantry.dev/v1alpha1
kind: Client
metadata: {{name: globex, namespace: {space}}}
spec:
  partnerRef: {{name: acme}}
  details: {{name: {globex}, city: Bonn}}
---
apiVersion: tenantry.dev/v1alpha1
kind: Client
metadata: {{name: initech, namespace: {space}}}
spec:
  partnerRef: {{name: acme}}
  details: {{name: {initech}}}
  security: {{access: {{allowedIPs: [198.51.100.7]}}}}
",
        space = space.name,
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
    let space = TestWorld::shared_world().create_namespace("planned");
    let desk = PluginFolder::on_cluster_of(&space);
    let text = tenant_manifests(&space);
    desk.write_file("tenants.yaml", &text);
    let plan = |more: &[&str]| desk.run(&[&["plan", "-f", "tenants.yaml"], more].concat());
    let own = test_specific_names(&space);
    compare_with_golden("plan/create", &plan(&[]), &own);
    compare_with_golden("plan/create-markdown", &plan(&["-o", "markdown"]), &own);
    space.kubectl(&["apply", "-f", desk.folder.join("tenants.yaml").to_str().unwrap()]);
    for object in ["partner/acme", "client/globex", "client/initech"] {
        space.wait_until_ready(object);
    }
    let ran = plan(&[]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    compare_with_golden("plan/nothing", &plan(&["--show-unchanged"]), &own);
    let edited = text
        .replace("city: Bonn", "city: Köln | `x`")
        .replace("[198.51.100.7]", "[198.51.100.8]")
        .replace("country: Germany", "country: France");
    desk.write_file("tenants.yaml", &edited);
    compare_with_golden("plan/change", &plan(&[]), &own);
    compare_with_golden("plan/change-markdown", &plan(&["-o", "markdown"]), &own);
    compare_with_golden("plan/change-json", &plan(&["-o", "json"]), &own);
    compare_with_golden("plan/change-yaml", &plan(&["-o", "yaml"]), &own);
}

#[test]
fn the_hash_of_a_plan_is_the_one_that_the_operator_waits_for() {
    let space = TestWorld::shared_world().create_namespace("approve");
    let desk = PluginFolder::on_cluster_of(&space);
    space.apply_partner("acme", &json!({"management": {"approval": {"mode": "ManualIfRisky"}}}));
    space.wait_until_ready("partner/acme");
    let manifest = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Partner",
        "metadata": {"name": "acme", "namespace": space.name},
        "spec": {
            "connectionSecretRef": {"name": "platform"},
            "details": {"name": space.tenant_name("acme")},
            "management": {"approval": {"mode": "ManualIfRisky"}},
            "security": {"access": {"allowedIPs": ["198.51.100.1"]}},
        },
    });
    let file = desk.write_file("partner.json", &manifest.to_string()).display().to_string();
    let ran = desk.run(&["plan", "-f", &file, "-o", "json"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    let row = plan_row(&ran.json(), "acme");
    assert_eq!((&row["action"], &row["reason"]), (&json!("Wait"), &json!("ApprovalNeeded")), "{row}");
    space.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", &file]);
    let mut hash = Value::Null;
    space.wait_until("the operator waits for approval", || {
        hash = space.get("partner/acme").unwrap()["status"]["plan"]["hash"].clone();
        Ok(!hash.is_null())
    });
    assert_eq!(row["approvedPlan"], hash);
    // The object of the cluster has the same plan if it is named directly.
    let ran = desk.run(&["plan", "partner/acme", "-n", &space.name, "-o", "json"]);
    assert_eq!(super::plan::plan_row(&ran.json(), "acme")["approvedPlan"], hash);
}

#[test]
fn what_cannot_be_is_refused_with_the_reason_of_the_condition() {
    let space = TestWorld::shared_world().create_namespace("refuse");
    let desk = PluginFolder::on_cluster_of(&space);
    space.apply_partner("acme", &json!({"packages": ["EventAndIncidentManagement"]}));
    space.apply_client("globex", &json!({"packages": ["EventAndIncidentManagement"]}));
    space.wait_until_ready("partner/acme");
    let id = space.wait_until_ready("client/globex");
    let object = |kind: &str, name: &str, spec: Value| json!({"apiVersion": "tenantry.dev/v1alpha1", "kind": kind, "metadata": {"name": name, "namespace": space.name}, "spec": spec});
    let named = |name: &str| json!({"name": name});
    let objects = [
        // Drops what the Client in the cluster still uses.
        object(
            "Partner",
            "acme",
            json!({"connectionSecretRef": named("platform"), "details": named(&space.tenant_name("acme")), "packages": []}),
        ),
        // A name that the tenant of another object has.
        object("Client", "twin", json!({"partnerRef": named("acme"), "details": named(&space.tenant_name("globex"))})),
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
    desk.write_file("all.json", &json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string());
    let ran = desk.run(&["plan", "-f", "all.json"]);
    compare_with_golden("plan/refused", &ran, &test_specific_names(&space));
}

#[test]
fn clients_that_are_not_in_the_input_are_planned_with_their_partner() {
    let space = TestWorld::shared_world().create_namespace("reach");
    let desk = PluginFolder::on_cluster_of(&space);
    space.apply_partner("acme", &json!({"clients": {"defaults": {"country": "Germany"}}}));
    space.apply_client("globex", &json!({}));
    space.wait_until_ready("partner/acme");
    space.wait_until_ready("client/globex");
    let partner = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Partner", "metadata": {"name": "acme", "namespace": space.name},
        "spec": {
            "connectionSecretRef": {"name": "platform"}, "details": {"name": space.tenant_name("acme")},
            "clients": {"defaults": {"country": "France"}},
        },
    });
    let ran = desk.run_with(&["plan", "-f", "-", "-o", "json"], &partner.to_string());
    assert_eq!(ran.code, 2, "{ran:?}");
    let setting = &plan_row(&ran.json(), "globex")["requests"][0]["settings"][0];
    let expected = json!({"path": "details.country", "from": "Germany", "to": "France", "source": "PartnerDefault", "risk": "quiet"});
    assert_eq!(*setting, expected);
}
