//! Our finalizer: putting it on, and taking it off an object that somebody else may be writing to all the time.

use std::sync::Arc;

use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

use super::FIELD_MANAGER;
use super::context::Context;
use super::error::Stop;
use super::newer::written;
use super::object::{TenantObject, installation, is_deleting, is_held, namespace};
use crate::api::{ABANDON, FINALIZER, INTENT};
use crate::object::Reading;

/// Tries against another writer; between read and write of one there is a single round trip.
const TRIES: usize = 20;

/// Puts our finalizer on, together with an intent; others' finalizers stay.
pub(crate) async fn hold<K: TenantObject>(object: &K, intent: String, context: &Context) -> Result<Arc<K>, Stop> {
    let mut finalizers = object.finalizers().to_vec();
    if !is_held(object) {
        finalizers.push(FINALIZER.to_owned());
    }
    let mut patch = patch(object, &finalizers);
    patch["metadata"]["annotations"] = json!({ INTENT: intent });
    write(object, &patch, context).await
}

/// Takes our finalizer and intent off an object that is only observed from now on; the tenant keeps its mark.
pub(crate) async fn let_loose<K: TenantObject>(object: &K, context: &Context) -> Result<Arc<K>, Stop> {
    let mut patch = patch(object, &others(object));
    patch["metadata"]["annotations"] = json!({ INTENT: null });
    write(object, &patch, context).await
}

async fn write<K: TenantObject>(object: &K, patch: &Value, context: &Context) -> Result<Arc<K>, Stop> {
    let api = Api::<Reading<K>>::namespaced(context.client.clone(), &namespace(object));
    let answer = api.patch(&object.name_any(), &params(), &Patch::Merge(patch)).await?;
    Ok(K::room(context).wrote(written(answer, context)?))
}

/// A patch of finalizers that only succeeds on the object as it was read.
fn patch<K: TenantObject>(object: &K, finalizers: &[String]) -> Value {
    json!({"metadata": {
        "uid": object.uid(), "resourceVersion": object.resource_version(), "finalizers": finalizers,
    }})
}

fn others<K: TenantObject>(object: &K) -> Vec<String> {
    object.finalizers().iter().filter(|one| *one != FINALIZER).cloned().collect()
}

fn params() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}

/// Takes our finalizer off, and nobody else's. A write of somebody else that changes nothing of what the release was
/// decided on does not begin the whole decision anew: who writes without a pause would keep the object for ever.
pub(crate) async fn take_off<K: TenantObject>(object: &K, context: &Context) -> Result<(), Stop> {
    let api = Api::<Reading<K>>::namespaced(context.client.clone(), &namespace(object));
    let mut current = object.clone();
    for _ in 0..TRIES {
        let patch = patch(&current, &others(&current));
        match api.patch_metadata(&object.name_any(), &params(), &Patch::Merge(&patch)).await {
            Ok(_) => return Ok(()),
            Err(kube::Error::Api(status)) if status.is_conflict() => {}
            Err(error) => return Err(error.into()),
        }
        let Some(fresh) = api.get_opt(&object.name_any()).await? else { return Ok(()) };
        let Some(fresh) = K::room(context).newer.understand(fresh) else { break };
        if !is_same_wish(object, &fresh) {
            break;
        }
        current = fresh;
    }
    Err(Stop::Stale)
}

/// Whether the end was decided on the same spec, consent and record.
fn is_same_wish<K: TenantObject>(object: &K, fresh: &K) -> bool {
    let abandon = |object: &K| object.annotations().get(ABANDON).cloned();
    let record = |object: &K| object.status().and_then(|status| status.termination.clone());
    fresh.uid() == object.uid()
        && fresh.meta().generation == object.meta().generation
        && is_deleting(fresh)
        && is_held(fresh)
        && installation(fresh) == installation(object)
        && abandon(fresh) == abandon(object)
        && record(fresh) == record(object)
}
