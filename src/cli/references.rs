//! What objects refer to: from the manifests first, since that is what will be there, then from the cluster.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt as _};

use super::cluster::Cluster;
use super::connection::{self, Given};
use super::failure::Failure;
use super::ground::Ground;
use super::manifest::Key;
use crate::api::{ConfigMapKeyRef, LabelSelector, Partner, Reason, SecretKeyRef};
use crate::connect::Platform;
use crate::object::{
    FoundSecret, Object, applied_images, applied_secrets, connection_secret, image_keys, namespace, secret_keys,
};
use crate::plan::{ImageRead, Material, Origin, Outcome, SecretRead};

type Data = Option<BTreeMap<String, ImageRead>>;

/// Why something is not there.
#[derive(Clone, Debug)]
pub(crate) enum Lack {
    /// What the operator would say of this object.
    Outcome(Outcome),
    /// It cannot be found out.
    Failure(Failure),
}

impl From<Outcome> for Lack {
    fn from(outcome: Outcome) -> Self {
        Self::Outcome(outcome)
    }
}

impl From<Failure> for Lack {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// What was read so far; many objects share a Secret.
pub(crate) struct References {
    given: Given,
    secrets: BTreeMap<Key, Option<FoundSecret>>,
    files: BTreeMap<Key, Data>,
    platforms: BTreeMap<Key, Platform>,
}

impl References {
    /// `given` is what flags name.
    pub(crate) fn new(ground: &Ground, given: Given) -> Self {
        let files = ground.files.iter().map(|(key, data)| (key.clone(), Some(data.clone()))).collect();
        let secrets = ground.secrets.iter().map(|(key, secret)| (key.clone(), Some(secret.clone()))).collect();
        Self { given, secrets, files, platforms: BTreeMap::new() }
    }

    /// With nothing from manifests.
    pub(crate) fn of_the_cluster(given: Given) -> Self {
        Self { given, secrets: BTreeMap::new(), files: BTreeMap::new(), platforms: BTreeMap::new() }
    }

    /// The platform of an object.
    pub(crate) async fn platform<K: Object>(
        &mut self,
        object: &K,
        partner: Option<&Partner>,
        cluster: Option<&Cluster>,
    ) -> Result<Platform, Lack> {
        if let Some(given) = &self.given.platform {
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
        let Some(secret) = self.secret(&key, cluster).await? else {
            let message = format!(
                "Secret `{namespace}/{name}` does not exist: create it with `url`, `tenantId`, `clientId` and `clientSecret`, or give the connection with `--connection FILE`"
            );
            return Err(Outcome::Unauthorised(Reason::CredentialsUnavailable, message).into());
        };
        let platform =
            connection::platform(&secret.data, &format!("Secret `{namespace}/{name}`"), self.given.proxy.as_ref())?;
        self.platforms.insert(key, platform.clone());
        Ok(platform)
    }

    /// Whether the connection is the one that a flag named.
    pub(crate) fn is_given(&self) -> bool {
        self.given.platform.is_some()
    }

    /// Secrets and images of an object.
    pub(crate) async fn material<K: Object>(
        &mut self,
        object: &K,
        cluster: Option<&Cluster>,
    ) -> Result<Material, Failure> {
        let own = namespace(object);
        let mut images = BTreeMap::new();
        for reference in image_keys(object.branding()) {
            let ConfigMapKeyRef { name, key } = &reference;
            let data = self.config_map(&(own.clone(), name.clone()), cluster).await?;
            if let Some(mut data) = data {
                let read = data.remove(key).unwrap_or(ImageRead::NoKey);
                images.insert(reference, read);
            }
        }
        let secrets = self.secret_values(secret_keys(object.access()), &own, cluster).await?;
        let (applied, applied_images) = (applied_secrets(object, Origin::Spec), applied_images(object));
        Ok(Material { namespace: own, images, secrets, applied, applied_images })
    }

    /// Secrets that a Partner's defaults name, for one of its Clients.
    pub(crate) async fn defaults_material<K: Object>(
        &mut self,
        object: &K,
        partner: Option<&Partner>,
        cluster: Option<&Cluster>,
    ) -> Result<Material, Failure> {
        let applied = applied_secrets(object, Origin::PartnerDefault);
        let mut material = Material { applied, ..Material::default() };
        if let Some(partner) = partner {
            let defaults = partner.spec.clients.as_ref().and_then(|clients| clients.defaults.as_ref());
            let keys = secret_keys(defaults.and_then(|defaults| defaults.access.as_ref()));
            material.secrets = self.secret_values(keys, &namespace(partner), cluster).await?;
        }
        Ok(material)
    }

    async fn secret_values(
        &mut self,
        keys: Vec<SecretKeyRef>,
        namespace: &str,
        cluster: Option<&Cluster>,
    ) -> Result<BTreeMap<SecretKeyRef, SecretRead>, Failure> {
        let mut values = BTreeMap::new();
        for key in keys {
            let place = (namespace.to_owned(), key.name.clone());
            let Some(mut secret) = self.secret(&place, cluster).await? else { continue };
            if let Some(cluster) = cluster.filter(|_| secret.version.is_empty()) {
                secret = applied(secret, &key, cluster.secret(namespace, &key.name).await.ok().flatten());
            }
            let read = secret.read(namespace, &key);
            values.insert(key, read);
        }
        Ok(values)
    }

    async fn secret(&mut self, key: &Key, cluster: Option<&Cluster>) -> Result<Option<FoundSecret>, Failure> {
        if let Some(data) = self.secrets.get(key) {
            return Ok(data.clone());
        }
        let Some(cluster) = cluster else { return Ok(None) };
        let found = cluster.secret(&key.0, &key.1).await?.map(FoundSecret::from);
        self.secrets.insert(key.clone(), found.clone());
        Ok(found)
    }

    async fn config_map(&mut self, key: &Key, cluster: Option<&Cluster>) -> Result<Data, Failure> {
        if let Some(data) = self.files.get(key) {
            return Ok(data.clone());
        }
        let Some(cluster) = cluster else { return Ok(None) };
        let found = cluster.config_map(&key.0, &key.1).await?;
        let data = found.map(|map| {
            let files = map.binary_data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect();
            ImageRead::all_of(files, map.data.unwrap_or_default().into_keys())
        });
        self.files.insert(key.clone(), data);
        Ok(self.files.get(key).cloned().flatten())
    }
}

/// A Secret of a manifest as it will be once it is applied over the one of the cluster: a key with the same value is the
/// same, and labels of others stay.
fn applied(declared: FoundSecret, SecretKeyRef { name: _, key }: &SecretKeyRef, there: Option<Secret>) -> FoundSecret {
    let Some(there) = there.map(FoundSecret::from) else { return declared };
    let FoundSecret { data, version: _, is_allowed } = declared;
    let version = if there.data.get(key) == data.get(key) { there.version } else { String::new() };
    FoundSecret { data, version, is_allowed: is_allowed || there.is_allowed }
}

/// Whether a namespace carries labels.
pub(crate) async fn is_labelled(cluster: &Cluster, namespace: &str, wanted: &LabelSelector) -> Result<bool, Failure> {
    let spaces = Api::<k8s_openapi::api::core::v1::Namespace>::all(cluster.client.clone());
    let Some(found) = spaces.get_metadata_opt(namespace).await? else { return Ok(false) };
    Ok(wanted.selects(found.labels()))
}
