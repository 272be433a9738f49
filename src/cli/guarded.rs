//! Writes on an object as it was read: of two who write, one reads again and judges anew.

use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use serde_json::Value;

use super::cluster::Cluster;
use super::failure::Failure;
use super::ground::named;
use crate::object::{Object, namespace, uid};

/// Who writes, as managedFields show it.
pub(crate) const FIELD_MANAGER: &str = "kubectl-tenantry";

/// Tries against another writer; the operator writes status while a person decides.
const TRIES: usize = 20;

/// What became of a write.
pub(crate) enum Written<K> {
    /// It was done, on the object as it was just before.
    On(Box<K>),
    /// The object has gone.
    Gone,
    /// There is nothing to write any more.
    Needless,
}

/// Writes a merge patch that `decide` makes from the object as it is, anew for each try.
///
/// # Errors
/// `decide` refuses, the API server does, or somebody else writes without a pause.
pub(crate) async fn merge<K: Object>(
    object: &K,
    cluster: &Cluster,
    decide: impl Fn(&K) -> Result<Option<Value>, Failure>,
) -> Result<Written<K>, Failure> {
    let objects = Api::<K>::namespaced(cluster.client.clone(), &namespace(object));
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let mut current = object.clone();
    for _ in 0..TRIES {
        let Some(mut patch) = decide(&current)? else { return Ok(Written::Needless) };
        patch["metadata"]["uid"] = uid(&current).into();
        patch["metadata"]["resourceVersion"] = current.resource_version().into();
        match objects.patch_metadata(&current.name_any(), &params, &Patch::Merge(&patch)).await {
            Ok(_) => return Ok(Written::On(Box::new(current))),
            Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(Written::Gone),
            Err(kube::Error::Api(status)) if status.is_conflict() => {}
            Err(error) => return Err(Failure::from(error).about(named(object))),
        }
        match objects.get_opt(&object.name_any()).await?.filter(|fresh| fresh.uid() == object.uid()) {
            Some(fresh) => current = fresh,
            None => return Ok(Written::Gone),
        }
    }
    Err(Failure::new("somebody else writes the object without a pause: try again").about(named(object)))
}
