//! The bare load generator: for each Client it sends the requests that the operator sends, and decides nothing.

use std::sync::Arc;

use futures::StreamExt;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, ResourceExt};
use serde_json::{Value, json};
use tenantry_api::TenantClient;

use super::process::Result;
use super::round::cpu_and_peak_memory;

/// Number of concurrent requests.
const WORKERS: usize = 16;

struct BenchPlatform {
    http: reqwest::Client,
    base: String,
    token: String,
}

/// Runs the generator. Its arguments are: kubeconfig, platform URL, partner id, client id, client secret, file for CPU
/// and memory.
pub fn run_generator(arguments: &[String]) -> Result<()> {
    let [kubeconfig, url, partner, id, secret, report] = arguments else {
        return Err("the generator is started by the benchmark alone".into());
    };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(Kubeconfig::read_from(kubeconfig)?, &options).await?;
        let client = Client::try_from(config)?;
        let http = reqwest::Client::new();
        let form = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];
        let answer: Value =
            http.post(format!("{url}/tenancy/auth/oauth/token")).form(&form).send().await?.json().await?;
        let token = answer["access_token"].as_str().unwrap_or_default().to_owned();
        let platform = Arc::new(BenchPlatform { http, base: format!("{url}/api/v2/tenants/{partner}/clients"), token });
        let list = Api::<TenantClient>::all(client.clone()).list(&ListParams::default()).await?;
        let done: Vec<Result<()>> = futures::stream::iter(list.items)
            .map(|object| process_client(client.clone(), Arc::clone(&platform), object))
            .buffer_unordered(WORKERS)
            .collect()
            .await;
        done.into_iter().collect::<Result<Vec<()>>>()
    })?;
    let (cpu, memory) = cpu_and_peak_memory(std::process::id())?;
    std::fs::write(report, serde_json::to_string(&[cpu, memory])?)?;
    Ok(())
}

async fn process_client(client: Client, platform: Arc<BenchPlatform>, object: TenantClient) -> Result<()> {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let api = Api::<TenantClient>::namespaced(client.clone(), &namespace);
    let metadata = json!({"metadata": {
        "uid": object.uid(), "resourceVersion": object.resource_version(),
        "finalizers": ["tenantry.dev/tenant"], "annotations": {"tenantry.dev/intent": "{\"uid\":\"u\",\"nonce\":\"n\"}"},
    }});
    api.patch(&name, &PatchParams::default(), &Patch::Merge(&metadata)).await?;
    let body = json!({
        "name": object.spec.details.name, "city": "Berlin",
        "managedBy": {"cluster": "c", "kind": "Client", "namespace": namespace, "name": name, "uid": object.uid()},
    });
    let BenchPlatform { http, base, token } = platform.as_ref();
    let created: Value =
        http.post(base).bearer_auth(token).json(&body).send().await?.error_for_status()?.json().await?;
    let id = created["uniqueId"].as_str().unwrap_or_default();
    let read: Value =
        http.get(format!("{base}/{id}")).bearer_auth(token).send().await?.error_for_status()?.json().await?;
    let condition = |kind: &str| {
        json!({
            "type": kind, "status": "True", "reason": "AsDeclared", "message": "the tenant is as declared",
            "observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    };
    let conditions = ["Ready", "InSync", "CredentialsValid", "ReferencesResolved"].map(condition);
    let status = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client", "metadata": {"name": name, "uid": object.uid()},
        "status": {
            "observedGeneration": 1, "uniqueId": id, "phase": "Active", "createdTime": read["createdTime"],
            "effective": [
                {"path": "details.name", "value": "\"n\"", "source": "Spec"},
                {"path": "details.city", "value": "\"Berlin\"", "source": "Spec"},
            ],
            "conditions": conditions,
        },
    });
    api.patch_status(&name, &PatchParams::apply("generator").force(), &Patch::Apply(&status)).await?;
    let event = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"generateName": "generator-"},
        "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "generator", "reportingInstance": "one",
        "action": "Reconcile", "reason": "Created", "type": "Normal", "note": "created",
        "regarding": {"kind": "Client", "name": name, "namespace": namespace, "uid": object.uid()},
    });
    let events = Api::<k8s_openapi::api::events::v1::Event>::namespaced(client, &namespace);
    events.create(&PostParams::default(), &serde_json::from_value(event)?).await?;
    Ok(())
}
