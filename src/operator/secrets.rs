//! Secrets and ConfigMaps, read by name and never listed.

use std::sync::Arc;

use futures::FutureExt;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client};

use super::reads::{Place, Reads};
use crate::object::FoundSecret;

/// A Secret; nothing where it does not exist.
pub(crate) type SecretData = Option<Arc<FoundSecret>>;

/// Secrets by namespace and name.
pub(crate) type Secrets = Reads<SecretData>;
/// ConfigMaps by namespace and name.
pub(crate) type ConfigMaps = Reads<Option<Arc<ConfigMap>>>;

/// Reads Secrets.
pub(crate) fn secrets(client: Client) -> Secrets {
    Reads::new(move |Place { namespace, name }| {
        let client = client.clone();
        async move {
            let secret = Api::<Secret>::namespaced(client, &namespace).get_opt(&name).await?;
            Ok(secret.map(|secret| Arc::new(FoundSecret::from(secret))))
        }
        .boxed()
    })
}

/// Reads ConfigMaps.
pub(crate) fn config_maps(client: Client) -> ConfigMaps {
    Reads::new(move |Place { namespace, name }| {
        let client = client.clone();
        async move { Ok(Api::<ConfigMap>::namespaced(client, &namespace).get_opt(&name).await?.map(Arc::new)) }.boxed()
    })
}
