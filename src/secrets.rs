//! Secrets and ConfigMaps, read by name and never listed.

use std::sync::Arc;

use futures::FutureExt;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client};
use tenantry_api::{is_namespace_name, is_object_name};
use tenantry_core::object::SecretSnapshot;

use super::cached_reads::{CachedReads, NamespacedName};

/// A Secret; `None` if it does not exist.
pub(crate) type CachedSecret = Option<Arc<SecretSnapshot>>;

/// Secrets by namespace and name.
pub(crate) type SecretReads = CachedReads<CachedSecret>;
/// ConfigMaps by namespace and name.
pub(crate) type ConfigMapReads = CachedReads<Option<Arc<ConfigMap>>>;

/// Builds a cache that reads Secrets.
pub(crate) fn secret_reads(client: Client) -> SecretReads {
    CachedReads::new(move |NamespacedName { namespace, name }| {
        let client = client.clone();
        async move {
            if !is_valid_object_path(&namespace, &name) {
                return Ok(None);
            }
            let secret = Api::<Secret>::namespaced(client, &namespace).get_opt(&name).await?;
            Ok(secret.map(|secret| Arc::new(SecretSnapshot::from(secret))))
        }
        .boxed()
    })
}

/// Builds a cache that reads ConfigMaps.
pub(crate) fn config_map_reads(client: Client) -> ConfigMapReads {
    CachedReads::new(move |NamespacedName { namespace, name }| {
        let client = client.clone();
        async move {
            if !is_valid_object_path(&namespace, &name) {
                return Ok(None);
            }
            Ok(Api::<ConfigMap>::namespaced(client, &namespace).get_opt(&name).await?.map(Arc::new))
        }
        .boxed()
    })
}

/// Returns whether namespace and name form a valid path. Older definitions accept other names, which would change the
/// path of the request; no object can exist under them.
fn is_valid_object_path(namespace: &str, name: &str) -> bool {
    is_namespace_name(namespace) && is_object_name(name)
}
