//! `check`: reports what exists and what is missing.

use serde_json::{Value, json};

use super::{PluginRun, PluginRunner};
use crate::world::{TestNamespace, TestWorld};

/// Returns result and message of each check with this name.
fn results_of_check(checked: &Value, what: &str) -> Vec<(String, String)> {
    let text = |one: &Value, key: &str| one[key].as_str().unwrap().to_owned();
    let all = checked.as_array().unwrap().iter().filter(|one| one["what"] == what);
    all.map(|one| (text(one, "result"), text(one, "message"))).collect()
}

#[test]
fn what_is_there_is_told_from_what_is_missing() {
    let namespace = TestWorld::shared_world().create_namespace("checked");
    let plugin = PluginRunner::on_cluster_of(&namespace);
    namespace.apply_partner("acme", &json!({}));
    namespace.wait_until_ready("partner/acme");
    let check =
        |args: &[&str]| -> PluginRun { plugin.run(&[&["check", "-n", &namespace.name, "-o", "json"], args].concat()) };
    let ran = check(&[]);
    let checked = ran.json();
    assert_eq!(ran.code, 0, "{ran:?}");
    for what in ["API server", "definitions", "leader", "platform"] {
        let all = results_of_check(&checked, what);
        assert!(!all.is_empty() && all.iter().all(|(result, _)| result == "Well"), "{what}: {checked}");
    }
    assert_eq!(results_of_check(&checked, "definitions").len(), 2);
    assert_eq!(results_of_check(&checked, "operator")[0].0, "Unknown", "no Deployment runs here");
    let ran = check(&["--operator-service-account", "default/nobody"]);
    let rights = results_of_check(&ran.json(), "rights");
    assert_eq!((ran.code, rights[0].0.as_str()), (2, "Wrong"));
    assert!(rights[0].1.contains("patch `clients.tenantry.dev/status`"), "{rights:?}");
    namespace.apply_partner("lost", &json!({"connectionSecretRef": {"name": "nowhere"}}));
    let data = namespace.credential();
    let wrong = json!({"url": data["url"], "tenantId": data["tenantId"], "clientId": "x", "clientSecret": "y"});
    namespace.apply_secret("wrong", &wrong);
    namespace.apply_partner("refused", &json!({"connectionSecretRef": {"name": "wrong"}}));
    let ran = check(&[]);
    let checked = ran.json();
    assert_eq!(ran.code, 2);
    let missing = format!("Secret `{0}/nowhere` of Partner `{0}/lost`", namespace.name);
    assert!(results_of_check(&checked, "connection")[0].1.starts_with(&missing), "{checked}");
    let refused = results_of_check(&checked, "platform").into_iter().find(|(result, _)| result == "Wrong").unwrap();
    assert!(refused.1.contains("refuses the credential"), "{checked}");
    let text = plugin.run(&["check", "-n", &namespace.name]).out;
    assert!(text.contains("\nWRONG    connection   Secret `"), "{text}");
}

/// Creates the permissions that the chart grants to an operator for all namespaces, with these verbs on status and on
/// the definitions.
fn create_operator_rights(namespace: &TestNamespace<'_>, status: &[&str], definitions: &[&str]) {
    let granted = |group: &str, resources: Value, verbs: Value| json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
    let watched = json!(["get", "list", "watch"]);
    let mut rules = vec![
        granted("tenantry.dev", json!(["partners", "clients"]), json!(["get", "list", "watch", "patch"])),
        granted("tenantry.dev", json!(["clients/status"]), json!(["patch"])),
        granted("", json!(["secrets", "namespaces"]), json!(["get"])),
        granted("", json!(["configmaps"]), watched),
        granted("events.k8s.io", json!(["events"]), json!(["create", "patch"])),
        granted("coordination.k8s.io", json!(["leases"]), json!(["create", "get", "update"])),
        granted("", json!(["configmaps", "secrets"]), json!(["create", "update"])),
    ];
    for (group, resources, verbs) in [
        ("tenantry.dev", json!(["partners/status"]), status),
        ("apiextensions.k8s.io", json!(["customresourcedefinitions"]), definitions),
    ] {
        if !verbs.is_empty() {
            rules.push(granted(group, resources, json!(verbs)));
        }
    }
    let named = |kind: &str| json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": namespace.name}});
    let mut role = named("ClusterRole");
    role["rules"] = json!(rules);
    namespace.apply(&role);
    let mut binding = named("ClusterRoleBinding");
    binding["roleRef"] =
        json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": namespace.name});
    binding["subjects"] = json!([{"kind": "ServiceAccount", "name": "operator", "namespace": namespace.name}]);
    namespace.apply(&binding);
}

#[test]
fn a_right_that_an_operator_for_all_namespaces_lacks_is_wrong() {
    let namespace = TestWorld::shared_world().create_namespace("rights");
    let account = format!("{}/operator", namespace.name);
    let plugin = PluginRunner::on_cluster_of(&namespace);
    let check = |result: &str, said: &str| {
        namespace.wait_until(&format!("the rights are {result}"), || {
            let run =
                plugin.run(&["check", "-n", &namespace.name, "-o", "json", "--operator-service-account", &account]);
            let found = results_of_check(&run.json(), "rights");
            let is_so = found[0].0 == result && found[0].1.contains(said);
            Ok(is_so && found.len() == 1 && (result != "Wrong" || run.code == 2))
        });
    };
    create_operator_rights(&namespace, &[], &["get"]);
    check("Wrong", "may not patch `partners.tenantry.dev/status` in every namespace: give it");
    create_operator_rights(&namespace, &["patch"], &[]);
    let definition = |name: &str| format!("get `customresourcedefinitions.apiextensions.k8s.io {name}.tenantry.dev`");
    check("Wrong", &format!("may not {}, {}: give it", definition("partners"), definition("clients")));
    create_operator_rights(&namespace, &["patch"], &["get"]);
    check("Well", "may do everything");
    namespace.kubectl(&["delete", "clusterrole,clusterrolebinding", &namespace.name]);
}

#[test]
fn colours_stand_where_they_are_asked_for_and_in_no_pipe() {
    let namespace = TestWorld::shared_world().create_namespace("coloured");
    let plugin = PluginRunner::on_cluster_of(&namespace);
    let check = |args: &[&str]| plugin.run(&[&["check", "-n", &namespace.name], args].concat()).out;
    let (plain, coloured) = (check(&[]), check(&["--color", "always"]));
    assert!(!plain.contains('\u{1b}') && coloured.contains("\u{1b}[32mok     \u{1b}[0m"), "{plain}{coloured}");
    assert!(!check(&["--color", "always", "-o", "json"]).contains('\u{1b}'));
}
