//! Tests of an operator that is restricted to some namespaces, and has permissions only in these.

use serde_json::json;

use crate::cli::PluginRunner;
use crate::page_commands::external_commands::{RELEASE_OF_A_NAMESPACE, strs};
use crate::world::{TestNamespace, TestWorld};

const HOME: &str = "tenantry-system";

/// Returns the manifests of a Role and its `RoleBinding` in one namespace.
fn role_manifest(namespace: &str) -> String {
    format!(
        r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: operator, namespace: {namespace}}}
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
metadata: {{name: operator, namespace: {namespace}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: operator}}
subjects: [{{kind: ServiceAccount, name: operator, namespace: {HOME}}}]
---
"#
    )
}

const OWN_NAMESPACE_ROLE: &str = r#"
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

/// Returns the names of two namespaces in which the operator has permissions, and of one in which it has none.
fn limit_to_namespaces(world: &mut TestWorld) -> [String; 3] {
    let names = ["first", "second", "other"].map(|name| world.create_namespace(name).name);
    let [first, second, _] = &names;
    world.kubectl.run(&["-n", HOME, "create", "serviceaccount", "operator"]).unwrap();
    let rights = format!("{}{}{OWN_NAMESPACE_ROLE}", role_manifest(first), role_manifest(second));
    world.kubectl.run_with(&["apply", "-f", "-"], &rights).unwrap();
    let token = world.kubectl.run(&["-n", HOME, "create", "token", "operator", "--duration=2h"]).unwrap();
    world.options.kubeconfig = world.control_plane.add_kubeconfig("operator", token.trim()).unwrap();
    let told = [format!("--namespaces={first},{second}"), "--cluster-id=c1".to_owned()];
    world.options.flags.extend(told);
    world.restart_operator().unwrap();
    names
}

#[test]
fn with_rights_in_its_namespaces_alone_it_keeps_what_is_there_ends_what_is_confirmed_and_sees_nothing_else() {
    let mut world = TestWorld::start("namespaces", |_| {}).unwrap();
    let [first, second, other] = limit_to_namespaces(&mut world).map(|name| TestNamespace::existing(&world, name));

    other.apply_partner("acme", &json!({}));
    first.apply_partner("acme", &json!({"clients": {"allowedNamespaces": {"from": "All"}}}));
    second
        .apply_client("globex", &json!({"partnerRef": {"namespace": first.name}, "deletion": {"policy": "Terminate"}}));
    let (partner, client) = (first.wait_until_ready("partner/acme"), second.wait_until_ready("client/globex"));
    assert_eq!(first.read_client_tenant(&partner, &client)["managedBy"]["cluster"], "c1");

    // The operator cannot read the definitions. Discovery is sufficient.
    second.merge_patch("client/globex", &second.offered_confirmation("client/globex", 0));
    second.delete("client/globex");
    second.wait_until_gone("client/globex");
    let active_clients = world.tenancy.list_tenants(&format!("{partner}/clients"), true).unwrap();
    assert!(active_clients.is_empty(), "{active_clients:?}");
    assert!(other.get("partner/acme").unwrap()["status"]["uniqueId"].is_null(), "it looked where it was not told to");
}

#[test]
fn a_namespace_that_took_the_rights_along_hangs_until_its_objects_are_released() {
    let mut world = TestWorld::start("rights-gone", |_| {}).unwrap();
    let [first, second, _] = limit_to_namespaces(&mut world).map(|name| TestNamespace::existing(&world, name));
    let plugin = PluginRunner::on_cluster_of(&first);
    let release = |space: &TestNamespace<'_>| {
        let page = RELEASE_OF_A_NAMESPACE.words("kubectl tenantry", &[("acme", &space.name)]);
        let ran = plugin.run(&[&strs(&page)[..], &["--yes"]].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
    };
    let finalizers = |space: &TestNamespace<'_>| space.get("partner/acme").unwrap()["metadata"]["finalizers"].clone();
    for space in [&first, &second] {
        space.apply_partner("acme", &json!({"deletion": {"policy": "Terminate"}}));
    }
    let (partner, kept) = (first.wait_until_ready("partner/acme"), second.wait_until_ready("partner/acme"));

    // The namespace controller may delete in this order: the RoleBinding first.
    world.kubectl.run(&["-n", &first.name, "delete", "rolebinding", "operator"]).unwrap();
    world.kubectl.run(&["delete", "namespace", &first.name, "--wait=false"]).unwrap();
    first.wait_until("the deletion reached the Partner", || {
        Ok(first.get("partner/acme").unwrap()["metadata"]["deletionTimestamp"].is_string())
    });
    assert_eq!(finalizers(&first), json!(["tenantry.dev/tenant"]), "nobody could take it off");
    release(&first);
    second.wait_until("the namespace is gone", || {
        Ok(world.kubectl.run(&["get", "namespace", &first.name, "--ignore-not-found"])?.is_empty())
    });

    // Where the operator has its permissions, the removal does not last: the page says to stop the operator first.
    release(&second);
    second.wait_until("the finalizer is back", || Ok(finalizers(&second) == json!(["tenantry.dev/tenant"])));
    for id in [&partner, &kept] {
        assert_eq!(world.tenancy.get(&world.tenancy.partner_path(id)).unwrap()["status"], json!("ACTIVE"));
    }
}
