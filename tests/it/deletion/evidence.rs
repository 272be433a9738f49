//! Tests that no tenant is purged without evidence.

use serde_json::{Value, json};
use tenantry_core::Digest;

use super::{
    OPERATOR_NAMESPACE, config_map_at_home, confirm_and_delete, create_partner_and_client, tenant_state, uid,
    wait_until_blocked,
};
use crate::world::TestWorld;

/// shows: security/credential/service-account
#[test]
fn the_record_of_what_was_ended_is_kept_and_nobody_can_change_it() {
    let world = TestWorld::shared_world();
    let (space, partner, client) = create_partner_and_client(world, "evidence", &json!({"policy": "Terminate"}));
    space.merge_patch(
        "client/globex",
        &json!({"spec": {"details": {"city": "Berlin"}, "branding": {"websiteTitle": "Globex Console"}}}),
    );
    space.wait_until_ready("client/globex");
    let uid = uid(&space, "client/globex");
    confirm_and_delete(&space, "client/globex", 0);
    space.wait_until_gone("client/globex");
    assert_eq!(tenant_state(&space, &partner, &client), "TERMINATED");

    let map = config_map_at_home(world, &format!("terminated-{uid}")).unwrap();
    assert_eq!(map["immutable"], true);
    assert_eq!(map["metadata"]["labels"]["tenantry.dev/unique-id"], client);
    assert_eq!(map["metadata"]["ownerReferences"], Value::Null, "nothing takes it along");
    let text = map["data"]["evidence.json"].as_str().unwrap();
    assert_eq!(map["data"]["digest"], Digest::of_bytes(text.as_bytes()).to_string());
    let said: Value = serde_json::from_str(text).unwrap();
    assert_eq!(said["settings"]["details.city"], "Berlin");
    assert_eq!(said["settings"]["branding.websiteTitle"], "Globex Console");
    assert_eq!(said["object"]["place"], format!("{}/globex", space.name));
    assert_eq!(said["tenant"]["parentId"], partner);
    assert_eq!(said["confirmation"]["uniqueId"], client);
    assert_eq!(said["confirmedBy"][0]["manager"], "kubectl-patch", "{text}");
    assert!(said["impact"]["clients"].is_number(), "{text}");
    assert_eq!(said["suspendedForIt"], true);
    for time in ["deletionAsked", "confirmed", "graceOver", "written"] {
        assert!(said["times"][time].is_string(), "{time}: {text}");
    }
    assert!(!text.contains(&world.platform.credential.client_secret));

    let patch = json!({"data": {"evidence.json": "{}"}}).to_string();
    let name = format!("terminated-{uid}");
    let changed =
        world.kubectl.run(&["-n", OPERATOR_NAMESPACE, "patch", "configmap", &name, "--type=merge", "-p", &patch]);
    assert!(changed.unwrap_err().to_string().contains("immutable"));
    assert_eq!(
        config_map_at_home(world, "tenantry-terminations").unwrap()["immutable"],
        Value::Null,
        "the ledger is written often"
    );
}

#[test]
fn what_stands_under_the_name_of_a_record_is_left_alone_and_serves_nobody() {
    let world = TestWorld::shared_world();
    let (space, partner, client) = create_partner_and_client(world, "occupied", &json!({"policy": "Terminate"}));
    let name = format!("terminated-{}", uid(&space, "client/globex"));
    world
        .kubectl
        .run(&["-n", OPERATOR_NAMESPACE, "create", "configmap", &name, "--from-literal=evidence.json={}"])
        .unwrap();
    confirm_and_delete(&space, "client/globex", 0);
    space.wait_until_gone("client/globex");
    assert_eq!(tenant_state(&space, &partner, &client), "TERMINATED");
    assert_eq!(config_map_at_home(world, &name).unwrap()["data"]["evidence.json"], "{}");
    let label = format!("tenantry.dev/unique-id={client}");
    let names =
        world.kubectl.run(&["-n", OPERATOR_NAMESPACE, "get", "configmaps", "-l", &label, "-o", "name"]).unwrap();
    assert!(names.trim().starts_with(&format!("configmap/{name}-")), "{names}");
}

/// All permissions that the operator needs, except reading namespaces and writing ConfigMaps in its own namespace.
const RIGHTS: &str = r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: operator}
rules:
- {apiGroups: [tenantry.dev], resources: ["*"], verbs: ["*"]}
- {apiGroups: [""], resources: [secrets], verbs: [get]}
- {apiGroups: [""], resources: [namespaces], verbs: [get], resourceNames: [kube-system]}
- {apiGroups: [""], resources: [configmaps], verbs: [get, list, watch]}
- {apiGroups: ["", events.k8s.io], resources: [events], verbs: [create, patch]}
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: ["*"]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: operator}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: operator}
subjects: [{kind: ServiceAccount, name: operator, namespace: tenantry-system}]
"#;

fn grant_config_map_verb(world: &TestWorld, verb: &str) {
    let role = format!("{verb}-maps");
    let whole = format!("--verb={verb}");
    world.kubectl.run(&["-n", OPERATOR_NAMESPACE, "create", "role", &role, &whole, "--resource=configmaps"]).unwrap();
    let account = format!("--serviceaccount={OPERATOR_NAMESPACE}:operator");
    let role_flag = format!("--role={role}");
    world.kubectl.run(&["-n", OPERATOR_NAMESPACE, "create", "rolebinding", &role, &role_flag, &account]).unwrap();
}

#[test]
fn without_a_look_at_the_namespace_evidence_or_ledger_nothing_is_ended_and_the_rights_that_the_message_names_heal_it() {
    let mut world = TestWorld::start("rights", |_| {}).unwrap();
    world.kubectl.run(&["-n", OPERATOR_NAMESPACE, "create", "serviceaccount", "operator"]).unwrap();
    world.kubectl.run_with(&["apply", "-f", "-"], RIGHTS).unwrap();
    let token = world.kubectl.run(&["-n", OPERATOR_NAMESPACE, "create", "token", "operator", "--duration=2h"]).unwrap();
    world.options.kubeconfig = world.control_plane.add_kubeconfig("operator", token.trim()).unwrap();
    world.restart_operator().unwrap();
    let world = world;
    let (space, partner, client) = create_partner_and_client(&world, "rights", &json!({"policy": "Terminate"}));
    confirm_and_delete(&space, "client/globex", 0);
    let message = wait_until_blocked(&space, "client/globex", "CannotTellWhy");
    assert!(message.contains("grant the operator `get` on both"), "{message}");
    assert_eq!(tenant_state(&space, &partner, &client), "ACTIVE");
    let both = "--resource=namespaces,customresourcedefinitions.apiextensions.k8s.io";
    world.kubectl.run(&["create", "clusterrole", "look", "--verb=get", both]).unwrap();
    let account = format!("--serviceaccount={OPERATOR_NAMESPACE}:operator");
    world.kubectl.run(&["create", "clusterrolebinding", "look", "--clusterrole=look", &account]).unwrap();
    let message = wait_until_blocked(&space, "client/globex", "EvidenceMissing");
    assert!(message.contains("`get` and `create` `configmaps`") && message.contains(OPERATOR_NAMESPACE), "{message}");
    assert_eq!(tenant_state(&space, &partner, &client), "SUSPENDED");
    grant_config_map_verb(&world, "create");
    space.wait_until_gone("client/globex");
    assert_eq!(tenant_state(&space, &partner, &client), "TERMINATED");

    // The ledger exists by now, so it must be updated.
    space.apply_client("initech", &json!({"deletion": {"policy": "Terminate"}}));
    let second = space.wait_until_ready("client/initech");
    confirm_and_delete(&space, "client/initech", 0);
    let message = wait_until_blocked(&space, "client/initech", "LedgerUnusable");
    assert!(message.contains("`update` `configmaps`") && message.contains("tenantry-terminations"), "{message}");
    assert_eq!(tenant_state(&space, &partner, &second), "SUSPENDED");
    let evidence = space.get("client/initech").unwrap()["status"]["termination"]["evidence"].clone();
    assert_eq!(
        evidence,
        format!("{OPERATOR_NAMESPACE}/terminated-{}", uid(&space, "client/initech")),
        "the first half is done"
    );
    grant_config_map_verb(&world, "update");
    space.wait_until_gone("client/initech");
    assert_eq!(tenant_state(&space, &partner, &second), "TERMINATED");
}
