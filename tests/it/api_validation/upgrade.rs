//! Rules that are newer than an object: existing violations may stay while other fields are edited.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::wait::{await_condition, conditions::is_crd_established};
use serde_json::{Value, json};

use super::to_rejection;
use crate::support::{create_namespace, shared_cluster};

const DEFINITION_NAME: &str = "oldclients.upgrade.example";

/// Returns the definition of Clients in a separate group, so that rules can be added later.
fn test_definition(has_rules: bool) -> CustomResourceDefinition {
    let crd = tenantry_api::crds().into_iter().find(|crd| crd.spec.names.kind == "Client").unwrap();
    let mut crd = serde_json::to_value(crd).unwrap();
    crd["metadata"] = json!({ "name": DEFINITION_NAME });
    crd["spec"]["group"] = json!("upgrade.example");
    // `kubectl get clients` of other tests must not find these.
    crd["spec"]["names"] = json!({"kind": "OldClient", "plural": "oldclients", "singular": "oldclient"});
    if !has_rules {
        let spec = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        spec.as_object_mut().unwrap().remove("x-kubernetes-validations");
    }
    serde_json::from_value(crd).unwrap()
}

/// Returns the message with which a change of the spec is refused, or `None` if it is accepted.
async fn edit_rejection(objects: &Api<DynamicObject>, name: &str, spec: Value) -> Option<String> {
    let patch = Patch::Merge(json!({ "spec": spec }));
    let params = PatchParams { dry_run: true, ..PatchParams::default() };
    objects.patch(name, &params, &patch).await.err().map(|error| format!("{:?}", to_rejection(error)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_that_is_on_without_its_add_on_stays_and_the_rest_can_be_edited() {
    let client = shared_cluster().client().await;
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    crds.create(&PostParams::default(), &test_definition(false)).await.unwrap();
    await_condition(crds.clone(), DEFINITION_NAME, is_crd_established()).await.unwrap();
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("upgrade.example", tenantry_api::VERSION, "OldClient"));
    let objects: Api<DynamicObject> = Api::namespaced_with(client, &create_namespace("upgrade"), &resource);
    let object = |name: &str, add_ons: Value| {
        let details = json!({"name": "G", "remoteAccess": true, "smsVoiceNotification": true});
        let spec = json!({"partnerRef": {"name": "acme"}, "details": details, "addOns": add_ons});
        let (api, metadata) = (format!("upgrade.example/{}", tenantry_api::VERSION), json!({ "name": name }));
        serde_json::from_value(json!({"apiVersion": api, "kind": "OldClient", "metadata": metadata, "spec": spec}))
            .unwrap()
    };
    let params = PostParams::default();
    let made: DynamicObject = objects.create(&params, &object("old", json!(["OfflineAlerts"]))).await.unwrap();
    crds.patch(DEFINITION_NAME, &PatchParams::default(), &Patch::Merge(test_definition(true))).await.unwrap();
    // The API server applies a new definition with a short delay.
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    while objects.create(&dry, &object("new", json!([]))).await.is_ok() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(edit_rejection(&objects, "old", json!({"details": {"city": "Bonn"}})).await, None);
    assert_eq!(edit_rejection(&objects, "old", json!({"addOns": []})).await, None);
    let off = json!({"details": {"remoteAccess": false, "smsVoiceNotification": false}});
    assert_eq!(edit_rejection(&objects, "old", off.clone()).await, None);
    let mut corrected = made;
    corrected.data["spec"]["details"] = json!({"name": "G"});
    corrected.data["spec"]["details"].as_object_mut().unwrap().extend(off["details"].as_object().unwrap().clone());
    objects.replace("old", &params, &corrected).await.unwrap();
    for (switch, add_on) in [("remoteAccess", "RemoteAccessManagement"), ("smsVoiceNotification", "SMSAndVoice")] {
        let refusal = edit_rejection(&objects, "old", json!({"details": {switch: true}})).await.unwrap_or_default();
        assert!(refusal.contains(&format!("needs the add-on {add_on}")), "{refusal}");
    }
    crds.delete(DEFINITION_NAME, &kube::api::DeleteParams::default()).await.unwrap();
}
