//! Argo CD's scripts of the example, run on objects in the state in which the operator left them.

use std::fs;

use serde_json::{Value, json};

use super::{example_path, lua, shared_fixture};
use crate::page_commands::external_commands::{ARGO_CONFIG, strs};
use crate::world::TestNamespace;

/// Returns the value of a key in the example's ConfigMap.
fn example_script(kind: &str, name: &str) -> String {
    let map: Value = serde_yaml::from_str(&fs::read_to_string(example_path("argocd/argocd-cm.yaml")).unwrap()).unwrap();
    map["data"][format!("resource.customizations.{kind}.tenantry.dev_{name}")].as_str().unwrap().to_owned()
}

fn run_health_script(object: &Value) -> (String, String) {
    let said = lua::run_script(&example_script("health", object["kind"].as_str().unwrap()), object);
    let text = |key: &str| said[key].as_str().unwrap_or_default().to_owned();
    (text("status"), text("message"))
}

fn example_actions(object: &Value) -> Value {
    serde_yaml::from_str(&example_script("actions", object["kind"].as_str().unwrap())).unwrap()
}

/// Returns the names of the enabled actions.
fn offered_actions(object: &Value) -> Vec<String> {
    let found = lua::run_script(example_actions(object)["discovery.lua"].as_str().unwrap(), object);
    let found = found.as_object().unwrap().iter();
    found.filter(|(_, action)| action["disabled"] == false).map(|(name, _)| name.clone()).collect()
}

/// Runs an action as Argo CD does: its script, and its changes as a merge patch.
fn run_action(namespace: &TestNamespace<'_>, object: &str, name: &str) {
    let before = namespace.get(object).unwrap();
    assert!(
        offered_actions(&before).contains(&name.to_owned()),
        "{name} is not offered: {:?}",
        offered_actions(&before)
    );
    let definitions = example_actions(&before)["definitions"].as_array().unwrap().clone();
    let action = definitions.iter().find(|definition| definition["name"] == name).unwrap();
    let patch = lua::merge_patch(&before, &lua::run_script(action["action.lua"].as_str().unwrap(), &before));
    assert!(patch.as_object().unwrap().keys().all(|key| ["metadata", "spec"].contains(&key.as_str())), "{patch}");
    namespace.merge_patch(object, &patch);
}

#[test]
fn health_follows_the_conditions_of_each_situation() {
    let fixture = shared_fixture();
    let namespace = fixture.world.create_namespace("argo-health");
    namespace.apply_client("early", &json!({}));
    namespace.wait_until_not_ready("client/early", "PartnerNotFound");
    let early = namespace.get("client/early").unwrap();
    namespace.apply_partner("acme", &json!({}));
    namespace.apply_client("globex", &json!({"tenantState": "Suspended"}));
    namespace.apply_client("stalled", &json!({"details": {"timezone": "Mars/Olympus"}}));
    namespace.apply_client("paused", &json!({"management": {"mode": "Paused"}}));
    namespace.apply_client("drifts", &json!({"details": {"city": "Bonn"}, "management": {"drift": "Report"}}));
    namespace.apply_client("asks", &json!({"management": {"approval": {"mode": "Manual"}}}));
    let partner = namespace.wait_until_ready("partner/acme");
    let drifts = namespace.client_path(&partner, &namespace.wait_until_ready("client/drifts"));
    namespace.world.tenancy.change_tenant(&drifts, &json!({"city": "Bremen"})).unwrap();
    namespace.wait_until_ready("client/early");
    namespace.wait_until_ready("client/globex");
    namespace.wait_until_not_ready("client/stalled", "InvalidValue");
    for (object, kind) in [("client/paused", "Paused"), ("client/asks", "AwaitingApproval")] {
        namespace
            .wait_until(kind, || Ok(namespace.condition(object, kind).is_some_and(|(status, ..)| status == "True")));
    }
    let differs = || Ok(namespace.condition("client/drifts", "InSync").is_some_and(|(status, ..)| status == "False"));
    namespace.wait_until("the drift is reported", differs);
    let get = |object: &str| namespace.get(object).unwrap();
    let mut unseen = get("client/early");
    unseen["metadata"]["generation"] = json!(unseen["metadata"]["generation"].as_i64().unwrap() + 1);
    let mut new = unseen.clone();
    new["status"] = json!({"observedGeneration": -1});
    let table = [
        (new, "Progressing", "has not seen"),
        (unseen, "Progressing", "has not seen"),
        (early, "Progressing", "PartnerNotFound: "),
        (get("client/early"), "Healthy", "AsDeclared: "),
        (get("partner/acme"), "Healthy", "AsDeclared: "),
        (get("client/globex"), "Healthy", "Suspended: "),
        (get("client/drifts"), "Healthy", "AsDeclared: "),
        (get("client/stalled"), "Degraded", "InvalidValue: "),
        (get("client/paused"), "Suspended", "ManagementPaused: "),
        (get("client/asks"), "Suspended", "ApprovalNeeded: "),
    ];
    for (object, status, begin) in table {
        let (found, message) = run_health_script(&object);
        assert!(found == status && message.contains(begin), "{found} ({message}) is not {status} of {object:#}");
    }
}

#[test]
fn actions_do_what_they_say() {
    let fixture = shared_fixture();
    let namespace = fixture.world.create_namespace("argo-actions");
    namespace.apply_partner("acme", &json!({"security": {"passwordPolicy": {"pciDSS": {}}}}));
    namespace.apply_client("globex", &json!({"deletion": {"policy": "Terminate"}}));
    let (partner, client) = (namespace.wait_until_ready("partner/acme"), namespace.wait_until_ready("client/globex"));
    let on_platform = || namespace.read_client_tenant(&partner, &client)["status"].clone();
    assert_eq!(offered_actions(&namespace.get("client/globex").unwrap()), ["reconcile", "suspend"]);

    run_action(&namespace, "partner/acme", "reconcile");
    namespace.wait_until("it is acknowledged", || {
        let found = namespace.get("partner/acme").unwrap();
        let asked = &found["metadata"]["annotations"]["tenantry.dev/reconcile-requested-at"];
        Ok(asked.is_string() && found["status"]["lastHandledReconcileAt"] == *asked)
    });
    run_action(&namespace, "client/globex", "suspend");
    namespace.wait_until("it is suspended", || Ok(on_platform() == "SUSPENDED"));
    assert_eq!(offered_actions(&namespace.get("client/globex").unwrap()), ["activate", "reconcile"]);
    run_action(&namespace, "client/globex", "activate");
    namespace.wait_until("it is active", || Ok(on_platform() == "ACTIVE"));

    namespace.merge_patch("client/globex", &namespace.offered_confirmation("client/globex", 3600));
    assert!(offered_actions(&namespace.get("client/globex").unwrap()).contains(&"cancel-termination".to_owned()));
    namespace.delete("client/globex");
    namespace.wait_until("it is suspended for its end", || Ok(on_platform() == "SUSPENDED"));
    run_action(&namespace, "client/globex", "cancel-termination");
    namespace.wait_until_gone("client/globex");
    assert_eq!(on_platform(), "ACTIVE");
}

#[test]
fn the_example_is_merged_into_the_config_map_that_is_there() {
    let kubectl = &shared_fixture().world.kubectl;
    kubectl.run(&["create", "namespace", "argocd"]).unwrap();
    kubectl
        .run(&["-n", "argocd", "create", "configmap", "argocd-cm", "--from-literal=url=https://cd.example"])
        .unwrap();
    let patch = ARGO_CONFIG.words("kubectl", &[]);
    kubectl.run(&strs(&patch)).unwrap();
    let text = kubectl.run(&["-n", "argocd", "get", "configmap", "argocd-cm", "-o", "json"]).unwrap();
    let data: Value = serde_json::from_str::<Value>(&text).unwrap()["data"].clone();
    assert_eq!(data["url"], "https://cd.example");
    for (kind, name) in [("health", "Partner"), ("health", "Client"), ("actions", "Partner"), ("actions", "Client")] {
        assert_eq!(data[format!("resource.customizations.{kind}.tenantry.dev_{name}")], example_script(kind, name));
    }
}

#[test]
fn a_script_has_no_library_that_argo_cd_withholds() {
    let has = lua::run_script(
        "return {string ~= nil, os ~= nil, io ~= nil, require('os').date ~= nil, _VERSION}",
        &json!({}),
    );
    assert_eq!(has, json!([false, false, false, true, "Lua 5.1"]));
}
