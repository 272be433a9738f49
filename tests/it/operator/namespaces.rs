//! An operator that is told some namespaces, and has rights in these alone.

use serde_json::json;

use crate::world::{Space, World};

const HOME: &str = "tenantry-system";

/// Rights in one namespace.
fn role(space: &str) -> String {
    format!(
        r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: operator, namespace: {space}}}
rules:
- {{apiGroups: [tenantry.dev], resources: [partners, clients], verbs: [get, list, watch, patch]}}
- {{apiGroups: [tenantry.dev], resources: [partners/status, clients/status], verbs: [patch, update]}}
- {{apiGroups: [""], resources: [secrets], verbs: [get]}}
- {{apiGroups: [""], resources: [configmaps], verbs: [get, list, watch]}}
- {{apiGroups: [""], resources: [namespaces], verbs: [get]}}
- {{apiGroups: [events.k8s.io], resources: [events], verbs: [create, patch]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: operator, namespace: {space}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: operator}}
subjects: [{{kind: ServiceAccount, name: operator, namespace: {HOME}}}]
---
"#
    )
}

const OWN: &str = r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: own, namespace: tenantry-system}
rules:
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, create, update]}
- {apiGroups: [""], resources: [configmaps], verbs: [get, create, update]}
- {apiGroups: [events.k8s.io], resources: [events], verbs: [create, patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: own, namespace: tenantry-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: own}
subjects: [{kind: ServiceAccount, name: operator, namespace: tenantry-system}]
"#;

#[test]
fn with_rights_in_its_namespaces_alone_it_keeps_what_is_there_ends_what_is_confirmed_and_sees_nothing_else() {
    let mut world = World::start("namespaces", |_| {}).unwrap();
    let [first, second, other] = ["first", "second", "other"].map(|name| world.namespace(name).name);
    world.kubectl.run(&["-n", HOME, "create", "serviceaccount", "operator"]).unwrap();
    let rights = format!("{}{}{OWN}", role(&first), role(&second));
    world.kubectl.run_with(&["apply", "-f", "-"], &rights).unwrap();
    let token = world.kubectl.run(&["-n", HOME, "create", "token", "operator", "--duration=2h"]).unwrap();
    world.options.kubeconfig = world.control_plane.add_kubeconfig("operator", token.trim()).unwrap();
    let told = [format!("--namespaces={first},{second}"), "--cluster-id=c1".to_owned()];
    world.options.flags.extend(told);
    world.restart_operator().unwrap();
    let space = |name: &str| Space::at(&world, name.to_owned());
    let (first, second, other) = (space(&first), space(&second), space(&other));

    other.partner("acme", &json!({}));
    first.partner("acme", &json!({"clients": {"allowedNamespaces": {"from": "All"}}}));
    second.client("globex", &json!({"partnerRef": {"namespace": first.name}, "deletion": {"policy": "Terminate"}}));
    let (partner, client) = (first.ready("partner/acme"), second.ready("client/globex"));
    assert_eq!(first.platform_client(&partner, &client)["managedBy"]["cluster"], "c1");

    // The definitions are out of its sight, and discovery tells enough.
    second.patch("client/globex", &second.confirm("client/globex", 0));
    second.delete("client/globex");
    second.gone("client/globex");
    let living = world.tenancy.list(&format!("{partner}/clients"), true).unwrap();
    assert!(living.is_empty(), "{living:?}");
    assert!(other.get("partner/acme").unwrap()["status"]["uniqueId"].is_null(), "it looked where it was not told to");
}
