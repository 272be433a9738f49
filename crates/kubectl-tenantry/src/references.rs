//! References of objects: from the manifests first, since they are applied next, then from the cluster.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt as _};
use tenantry_api::{ConfigMapKeyRef, LabelSelector, Partner, Reason, SecretKeyRef};
use tenantry_client::PlatformClient;
use tenantry_core::object::{
    SecretSnapshot, TenantResource, applied_images, applied_secrets, connection_secret, image_references, namespace,
    secret_references,
};
use tenantry_core::{ConfigMapEntry, PassOutcome, ResolvedReferences, SecretLookup, ValueOrigin};

use super::cluster::Cluster;
use super::connection::{self, ConnectionOverride};
use super::failure::Failure;
use super::inventory::Inventory;
use super::manifest::ObjectKey;

type ConfigMapFiles = Option<BTreeMap<String, ConfigMapEntry>>;

/// Why a reference cannot be resolved.
#[derive(Clone, Debug)]
pub(crate) enum ReferenceError {
    /// The outcome that the operator would publish for this object.
    Outcome(PassOutcome),
    /// It could not be read.
    Failure(Failure),
}

impl From<PassOutcome> for ReferenceError {
    fn from(outcome: PassOutcome) -> Self {
        Self::Outcome(outcome)
    }
}

impl From<Failure> for ReferenceError {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// The references that were read. Many objects share a Secret.
pub(crate) struct ReferenceReader {
    connection: ConnectionOverride,
    secrets: BTreeMap<ObjectKey, Option<SecretSnapshot>>,
    files: BTreeMap<ObjectKey, ConfigMapFiles>,
    platforms: BTreeMap<ObjectKey, PlatformClient>,
}

impl ReferenceReader {
    /// Creates an empty cache. `given` is what flags override.
    pub(crate) fn new(inventory: &Inventory, connection_override: ConnectionOverride) -> Self {
        let files = inventory.files.iter().map(|(key, data)| (key.clone(), Some(data.clone()))).collect();
        let secrets = inventory.secrets.iter().map(|(key, secret)| (key.clone(), Some(secret.clone()))).collect();
        Self { connection: connection_override, secrets, files, platforms: BTreeMap::new() }
    }

    /// Creates a cache that reads no manifests.
    pub(crate) fn from_cluster_only(connection_override: ConnectionOverride) -> Self {
        Self {
            connection: connection_override,
            secrets: BTreeMap::new(),
            files: BTreeMap::new(),
            platforms: BTreeMap::new(),
        }
    }

    /// Returns the platform of an object.
    pub(crate) async fn platform_of<K: TenantResource>(
        &mut self,
        object: &K,
        partner: Option<&Partner>,
        cluster: Option<&Cluster>,
    ) -> Result<PlatformClient, ReferenceError> {
        if let Some(given) = &self.connection.platform {
            return Ok(given.clone());
        }
        let Some(key) = connection_secret(object, partner) else {
            let message = "the object names no connection, and which one the operator takes is not known here: give it with `--connection FILE`";
            return Err(Failure::new(message).into());
        };
        if let Some(platform) = self.platforms.get(&key) {
            return Ok(platform.clone());
        }
        let (namespace, name) = &key;
        let Some(secret) = self.read_secret(&key, cluster).await? else {
            let message = format!(
                "Secret `{namespace}/{name}` does not exist: create it with `url`, `tenantId`, `clientId` and `clientSecret`, or give the connection with `--connection FILE`"
            );
            return Err(PassOutcome::Unauthorised(Reason::CredentialsUnavailable, message).into());
        };
        let platform = connection::platform_from_secret(
            &secret.data,
            &format!("Secret `{namespace}/{name}`"),
            self.connection.proxy.as_ref(),
        )?;
        self.platforms.insert(key, platform.clone());
        Ok(platform)
    }

    /// Returns whether a flag named the connection.
    pub(crate) fn has_connection_override(&self) -> bool {
        self.connection.platform.is_some()
    }

    /// Loads the Secrets and images of an object.
    pub(crate) async fn load_material<K: TenantResource>(
        &mut self,
        object: &K,
        cluster: Option<&Cluster>,
    ) -> Result<ResolvedReferences, Failure> {
        let own = namespace(object);
        let mut images = BTreeMap::new();
        for reference in image_references(object.branding()) {
            let ConfigMapKeyRef { name, key } = &reference;
            let data = self.read_config_map(&(own.clone(), name.clone()), cluster).await?;
            if let Some(mut data) = data {
                let read = data.remove(key).unwrap_or(ConfigMapEntry::NoKey);
                images.insert(reference, read);
            }
        }
        let secrets = self.read_secret_values(secret_references(object.access()), &own, cluster).await?;
        let (applied, applied_images) = (applied_secrets(object, ValueOrigin::Spec), applied_images(object));
        Ok(ResolvedReferences { namespace: own, images, secrets, applied_secrets: applied, applied_images })
    }

    /// Loads the Secrets that a Partner's defaults name, for one of its Clients.
    pub(crate) async fn load_defaults_material<K: TenantResource>(
        &mut self,
        object: &K,
        partner: Option<&Partner>,
        cluster: Option<&Cluster>,
    ) -> Result<ResolvedReferences, Failure> {
        let applied = applied_secrets(object, ValueOrigin::PartnerDefault);
        let mut material = ResolvedReferences { applied_secrets: applied, ..ResolvedReferences::default() };
        if let Some(partner) = partner {
            let defaults = partner.spec.clients.as_ref().and_then(|clients| clients.defaults.as_ref());
            let keys = secret_references(defaults.and_then(|defaults| defaults.access.as_ref()));
            material.secrets = self.read_secret_values(keys, &namespace(partner), cluster).await?;
        }
        Ok(material)
    }

    async fn read_secret_values(
        &mut self,
        keys: Vec<SecretKeyRef>,
        namespace: &str,
        cluster: Option<&Cluster>,
    ) -> Result<BTreeMap<SecretKeyRef, SecretLookup>, Failure> {
        let mut values = BTreeMap::new();
        for key in keys {
            let place = (namespace.to_owned(), key.name.clone());
            let Some(mut secret) = self.read_secret(&place, cluster).await? else { continue };
            if let Some(cluster) = cluster.filter(|_| secret.version.is_empty()) {
                secret =
                    merge_applied_secret(secret, &key, cluster.read_secret(namespace, &key.name).await.ok().flatten());
            }
            let read = secret.read_key(namespace, &key);
            values.insert(key, read);
        }
        Ok(values)
    }

    async fn read_secret(
        &mut self,
        key: &ObjectKey,
        cluster: Option<&Cluster>,
    ) -> Result<Option<SecretSnapshot>, Failure> {
        if let Some(data) = self.secrets.get(key) {
            return Ok(data.clone());
        }
        let Some(cluster) = cluster else { return Ok(None) };
        let found = cluster.read_secret(&key.0, &key.1).await?.map(SecretSnapshot::from);
        self.secrets.insert(key.clone(), found.clone());
        Ok(found)
    }

    async fn read_config_map(&mut self, key: &ObjectKey, cluster: Option<&Cluster>) -> Result<ConfigMapFiles, Failure> {
        if let Some(data) = self.files.get(key) {
            return Ok(data.clone());
        }
        let Some(cluster) = cluster else { return Ok(None) };
        let found = cluster.read_config_map(&key.0, &key.1).await?;
        let data = found.map(|map| {
            let files = map.binary_data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect();
            ConfigMapEntry::entries_by_key(files, map.data.unwrap_or_default().into_keys())
        });
        self.files.insert(key.clone(), data);
        Ok(self.files.get(key).cloned().flatten())
    }
}

/// Merges a Secret of a manifest with the one in the cluster, as an apply does. A key with the same value is unchanged,
/// and labels of other managers are kept.
fn merge_applied_secret(
    declared: SecretSnapshot,
    SecretKeyRef { name: _, key }: &SecretKeyRef,
    secret: Option<Secret>,
) -> SecretSnapshot {
    let Some(there) = secret.map(SecretSnapshot::from) else { return declared };
    let SecretSnapshot { data, version: _, is_allowed } = declared;
    let version = if there.data.get(key) == data.get(key) { there.version } else { String::new() };
    SecretSnapshot { data, version, is_allowed: is_allowed || there.is_allowed }
}

/// Returns whether a namespace has the labels.
pub(crate) async fn has_namespace_labels(
    cluster: &Cluster,
    namespace: &str,
    wanted: &LabelSelector,
) -> Result<bool, Failure> {
    let spaces = Api::<k8s_openapi::api::core::v1::Namespace>::all(cluster.client.clone());
    let Some(found) = spaces.get_metadata_opt(namespace).await? else { return Ok(false) };
    Ok(wanted.matches(found.labels()))
}
