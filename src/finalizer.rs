//! Adds our finalizer, and removes it from an object that somebody else may be writing to all the time.

use std::sync::Arc;

use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use tenantry_api::{ABANDON, FINALIZER, INTENT};
use tenantry_core::object::ParsedObject;

use super::FIELD_MANAGER;
use super::context::Context;
use super::not_understood::written_object;
use super::pass_stop::PassStop;
use super::tenant_object::{TenantObject, has_finalizer, installation, is_deleting, namespace};

/// Attempts against another writer; a single round trip lies between read and write.
const WRITE_ATTEMPTS: usize = 20;

/// Adds our finalizer together with an intent; other finalizers stay.
pub(crate) async fn add_finalizer_with_intent<K: TenantObject>(
    object: &K,
    intent: String,
    context: &Context,
) -> Result<Arc<K>, PassStop> {
    let mut finalizers = object.finalizers().to_vec();
    if !has_finalizer(object) {
        finalizers.push(FINALIZER.to_owned());
    }
    let mut patch = finalizer_patch(object, &finalizers);
    patch["metadata"]["annotations"] = json!({ INTENT: intent });
    patch_object(object, &patch, context).await
}

/// Removes our finalizer and intent from an object that is only observed from now on; the tenant keeps its mark.
pub(crate) async fn remove_finalizer_and_intent<K: TenantObject>(
    object: &K,
    context: &Context,
) -> Result<Arc<K>, PassStop> {
    let mut patch = finalizer_patch(object, &other_finalizers(object));
    patch["metadata"]["annotations"] = json!({ INTENT: null });
    patch_object(object, &patch, context).await
}

async fn patch_object<K: TenantObject>(object: &K, patch: &Value, context: &Context) -> Result<Arc<K>, PassStop> {
    let api = Api::<ParsedObject<K>>::namespaced(context.client.clone(), &namespace(object));
    let answer = api.patch(&object.name_any(), &patch_params(), &Patch::Merge(patch)).await?;
    Ok(K::kind_state(context).record_written(written_object(answer, context)?))
}

/// Builds a patch of the finalizers that only succeeds on the object as it was read.
fn finalizer_patch<K: TenantObject>(object: &K, finalizers: &[String]) -> Value {
    json!({"metadata": {
        "uid": object.uid(), "resourceVersion": object.resource_version(), "finalizers": finalizers,
    }})
}

fn other_finalizers<K: TenantObject>(object: &K) -> Vec<String> {
    object.finalizers().iter().filter(|one| *one != FINALIZER).cloned().collect()
}

fn patch_params() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}

/// Removes our finalizer, and nobody else's. A write of somebody else that changes nothing the release was decided on
/// does not restart the decision: a writer that never pauses would otherwise keep the object for ever.
pub(crate) async fn remove_finalizer<K: TenantObject>(object: &K, context: &Context) -> Result<(), PassStop> {
    let api = Api::<ParsedObject<K>>::namespaced(context.client.clone(), &namespace(object));
    let mut current = object.clone();
    for _ in 0..WRITE_ATTEMPTS {
        let patch = finalizer_patch(&current, &other_finalizers(&current));
        match api.patch_metadata(&object.name_any(), &patch_params(), &Patch::Merge(&patch)).await {
            Ok(_) => return Ok(()),
            Err(kube::Error::Api(status)) if status.is_conflict() => {}
            Err(error) => return Err(error.into()),
        }
        let Some(fresh) = api.get_opt(&object.name_any()).await? else { return Ok(()) };
        let Some(fresh) = K::kind_state(context).not_understood.accept_reading(fresh) else { break };
        if !same_deletion_request(object, &fresh) {
            break;
        }
        current = fresh;
    }
    Err(PassStop::Stale)
}

/// Returns whether spec, consent and record are those that the release was decided on.
fn same_deletion_request<K: TenantObject>(object: &K, fresh: &K) -> bool {
    let abandon = |object: &K| object.annotations().get(ABANDON).cloned();
    let record = |object: &K| object.status().and_then(|status| status.termination.clone());
    fresh.uid() == object.uid()
        && fresh.meta().generation == object.meta().generation
        && is_deleting(fresh)
        && has_finalizer(fresh)
        && installation(fresh) == installation(object)
        && abandon(fresh) == abandon(object)
        && record(fresh) == record(object)
}
