//! Argo CD's scripts of the example, run on objects as the operator left them.

use std::fs;

use serde_json::{Value, json};

use super::{example, lua, stage};
use crate::consoles::apart::{ARGO_CONFIG, strs};
use crate::world::Space;

/// What the example's ConfigMap holds under a key.
fn script(kind: &str, name: &str) -> String {
    let map: Value = serde_yaml::from_str(&fs::read_to_string(example("argocd/argocd-cm.yaml")).unwrap()).unwrap();
    map["data"][format!("resource.customizations.{kind}.tenantry.dev_{name}")].as_str().unwrap().to_owned()
}

fn health(object: &Value) -> (String, String) {
    let said = lua::run(&script("health", object["kind"].as_str().unwrap()), object);
    let text = |key: &str| said[key].as_str().unwrap_or_default().to_owned();
    (text("status"), text("message"))
}

fn actions(object: &Value) -> Value {
    serde_yaml::from_str(&script("actions", object["kind"].as_str().unwrap())).unwrap()
}

/// The names of the actions that may be done.
fn offered(object: &Value) -> Vec<String> {
    let found = lua::run(actions(object)["discovery.lua"].as_str().unwrap(), object);
    let found = found.as_object().unwrap().iter();
    found.filter(|(_, action)| action["disabled"] == false).map(|(name, _)| name.clone()).collect()
}

/// Does an action as Argo CD does: its script, and what that changed as a merge patch.
fn act(space: &Space<'_>, object: &str, name: &str) {
    let before = space.get(object).unwrap();
    assert!(offered(&before).contains(&name.to_owned()), "{name} is not offered: {:?}", offered(&before));
    let definitions = actions(&before)["definitions"].as_array().unwrap().clone();
    let action = definitions.iter().find(|definition| definition["name"] == name).unwrap();
    let patch = lua::patch(&before, &lua::run(action["action.lua"].as_str().unwrap(), &before));
    assert!(patch.as_object().unwrap().keys().all(|key| ["metadata", "spec"].contains(&key.as_str())), "{patch}");
    space.patch(object, &patch);
}

#[test]
fn health_follows_the_conditions_of_each_situation() {
    let stage = stage();
    let space = stage.world.namespace("argo-health");
    space.client("early", &json!({}));
    space.not_ready("client/early", "PartnerNotFound");
    let early = space.get("client/early").unwrap();
    space.partner("acme", &json!({}));
    space.client("globex", &json!({"tenantState": "Suspended"}));
    space.client("stalled", &json!({"details": {"timezone": "Mars/Olympus"}}));
    space.client("paused", &json!({"management": {"mode": "Paused"}}));
    space.client("drifts", &json!({"details": {"city": "Bonn"}, "management": {"drift": "Report"}}));
    space.client("asks", &json!({"management": {"approval": {"mode": "Manual"}}}));
    let partner = space.ready("partner/acme");
    let drifts = space.client_path(&partner, &space.ready("client/drifts"));
    space.world.tenancy.change(&drifts, &json!({"city": "Bremen"})).unwrap();
    space.ready("client/early");
    space.ready("client/globex");
    space.not_ready("client/stalled", "InvalidValue");
    for (object, kind) in [("client/paused", "Paused"), ("client/asks", "AwaitingApproval")] {
        space.until(kind, || Ok(space.condition(object, kind).is_some_and(|(status, ..)| status == "True")));
    }
    let differs = || Ok(space.condition("client/drifts", "InSync").is_some_and(|(status, ..)| status == "False"));
    space.until("the drift is reported", differs);
    let get = |object: &str| space.get(object).unwrap();
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
        let (found, message) = health(&object);
        assert!(found == status && message.contains(begin), "{found} ({message}) is not {status} of {object:#}");
    }
}

#[test]
fn actions_do_what_they_say() {
    let stage = stage();
    let space = stage.world.namespace("argo-actions");
    space.partner("acme", &json!({"security": {"passwordPolicy": {"pciDSS": {}}}}));
    space.client("globex", &json!({"deletion": {"policy": "Terminate"}}));
    let (partner, client) = (space.ready("partner/acme"), space.ready("client/globex"));
    let on_platform = || space.platform_client(&partner, &client)["status"].clone();
    assert_eq!(offered(&space.get("client/globex").unwrap()), ["reconcile", "suspend"]);

    act(&space, "partner/acme", "reconcile");
    space.until("it is acknowledged", || {
        let found = space.get("partner/acme").unwrap();
        let asked = &found["metadata"]["annotations"]["tenantry.dev/reconcile-requested-at"];
        Ok(asked.is_string() && found["status"]["lastHandledReconcileAt"] == *asked)
    });
    act(&space, "client/globex", "suspend");
    space.until("it is suspended", || Ok(on_platform() == "SUSPENDED"));
    assert_eq!(offered(&space.get("client/globex").unwrap()), ["activate", "reconcile"]);
    act(&space, "client/globex", "activate");
    space.until("it is active", || Ok(on_platform() == "ACTIVE"));

    space.patch("client/globex", &space.confirm("client/globex", 3600));
    assert!(offered(&space.get("client/globex").unwrap()).contains(&"cancel-termination".to_owned()));
    space.delete("client/globex");
    space.until("it is suspended for its end", || Ok(on_platform() == "SUSPENDED"));
    act(&space, "client/globex", "cancel-termination");
    space.gone("client/globex");
    assert_eq!(on_platform(), "ACTIVE");
}

#[test]
fn the_example_is_merged_into_the_config_map_that_is_there() {
    let kubectl = &stage().world.kubectl;
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
        assert_eq!(data[format!("resource.customizations.{kind}.tenantry.dev_{name}")], script(kind, name));
    }
}

#[test]
fn a_script_has_no_library_that_argo_cd_withholds() {
    let has = lua::run("return {string ~= nil, os ~= nil, io ~= nil, require('os').date ~= nil, _VERSION}", &json!({}));
    assert_eq!(has, json!([false, false, false, true, "Lua 5.1"]));
}
