//! Taking our finalizer off an object that somebody else may be writing to all the time.

use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use super::FIELD_MANAGER;
use super::context::Context;
use super::error::Stop;
use super::object::{TenantObject, is_deleting, is_held, namespace};
use crate::api::{ABANDON, FINALIZER};

/// Tries against another writer; between read and write of one there is a single round trip.
const TRIES: usize = 20;

/// Takes our finalizer off, and nobody else's. A write of somebody else that changes nothing of what the release was
/// decided on does not begin the whole decision anew: who writes without a pause would keep the object for ever.
pub(crate) async fn take_off<K: TenantObject>(object: &K, context: &Context) -> Result<(), Stop> {
    let api = Api::<K>::namespaced(context.client.clone(), &namespace(object));
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let mut current = object.clone();
    for _ in 0..TRIES {
        let finalizers: Vec<&String> = current.finalizers().iter().filter(|one| *one != FINALIZER).collect();
        let patch = json!({"metadata": {
            "uid": current.uid(), "resourceVersion": current.resource_version(), "finalizers": finalizers,
        }});
        match api.patch_metadata(&object.name_any(), &params, &Patch::Merge(&patch)).await {
            Ok(_) => return Ok(()),
            Err(kube::Error::Api(status)) if status.is_conflict() => {}
            Err(error) => return Err(error.into()),
        }
        let Some(fresh) = api.get_opt(&object.name_any()).await? else { return Ok(()) };
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
        && abandon(fresh) == abandon(object)
        && record(fresh) == record(object)
}
