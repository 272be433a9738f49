//! Two managers that apply the same values do not conflict.

use std::time::Duration;

use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use serde_json::{Value, json};

use super::shared_fixture;
use crate::world::TestNamespace;

const SYNC_COUNT: usize = 480;

fn manifests(namespace: &TestNamespace<'_>) -> [(&'static str, Value); 2] {
    let partner = json!({
        "connectionSecretRef": {"name": "platform"}, "details": {"name": namespace.tenant_name("acme")},
        "packages": ["EventAndIncidentManagement", "HybridDiscoveryAndMonitoring"],
        "clients": {"defaults": {"timezone": "Asia/Calcutta"}},
    });
    let client =
        json!({"partnerRef": {"name": "acme"}, "details": {"name": namespace.tenant_name("globex"), "city": "Bonn"}});
    [("Partner", ("acme", partner)), ("Client", ("globex", client))].map(|(kind, (name, spec))| {
        let meta = json!({"name": name, "namespace": namespace.name});
        (kind, json!({"apiVersion": "tenantry.dev/v1alpha1", "kind": kind, "metadata": meta, "spec": spec}))
    })
}

fn resource_versions(namespace: &TestNamespace<'_>) -> [Value; 2] {
    ["partner/acme", "client/globex"]
        .map(|object| namespace.get(object).unwrap()["metadata"]["resourceVersion"].clone())
}

/// Runs one sync: applies both objects as this manager.
async fn apply_as_manager(client: &kube::Client, namespace: &TestNamespace<'_>, manager: &str) {
    for (kind, manifest) in manifests(namespace) {
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("tenantry.dev", "v1alpha1", kind));
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace.name, &kind);
        let name = manifest["metadata"]["name"].as_str().unwrap();
        let params = PatchParams::apply(manager).force();
        api.patch(name, &params, &Patch::Apply(&manifest)).await.unwrap();
    }
}

#[tokio::test]
async fn four_hundred_and_eighty_syncs_by_two_managers_leave_the_objects_as_they_are() {
    let fixture = shared_fixture();
    let namespace = fixture.world.create_namespace("managers");
    let kubeconfig = fixture.world.control_plane.kubeconfig("admin");
    let config = kube::config::Kubeconfig::read_from(kubeconfig).unwrap();
    let options = kube::config::KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(config, &options).await.unwrap();
    let client = kube::Client::try_from(config).unwrap();
    let managers = ["kustomize-controller", "argocd-controller"];
    for manager in managers {
        apply_as_manager(&client, &namespace, manager).await;
    }
    namespace.wait_until_ready("partner/acme");
    namespace.wait_until_ready("client/globex");
    // The Partner counts its clients once in its own drift check.
    let counted = json!({"declared": 1, "live": 1, "unmanaged": 0});
    namespace.wait_until("the Partner has counted", || {
        Ok(namespace.get("partner/acme").unwrap()["status"]["clients"] == counted)
    });
    let before = resource_versions(&namespace);
    for round in 0..SYNC_COUNT {
        apply_as_manager(&client, &namespace, managers[round % 2]).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(resource_versions(&namespace), before);
}
