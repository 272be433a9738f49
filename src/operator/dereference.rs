//! Stage 1, IO that only reads: everything the spec refers to, or why it cannot be had.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{Api, ResourceExt};
use secrecy::SecretString;

use super::context::Context;
use super::error::Stop;
use super::object::{Parent, TenantObject, image_keys, namespace, place, secret_keys, uid};
use super::secrets::SecretData;
use crate::api::{Partner, Reason, SecretKeyRef};
use crate::connect::{Connection, Place, Platform};
use crate::object::{
    Allows, Reading, Sources, allows, connection_secret, digest_of, is_connection_of, no_partner, not_allowed,
    not_allowed_by_id, of_id, partner_not_understood, pinned, secret_text, stands_in,
};
use crate::plan::{Material, Outcome};

/// A Secret that an object is blocked on is read again this often; many objects share the read.
const BLOCKED_AGE: Duration = Duration::from_secs(5);

/// Everything the spec refers to.
pub(crate) struct Referenced {
    /// The platform, with its credential.
    pub(crate) platform: Platform,
    /// Where the tenant stands.
    pub(crate) place: Place,
    /// The Partner object above it.
    pub(crate) partner: Option<Arc<Partner>>,
    /// Where the connection comes from, as messages name it.
    source: String,
    /// Secrets and images of the object itself.
    pub(crate) material: Material,
    /// Secrets that the Partner's defaults name.
    pub(crate) defaults_material: Material,
}

impl Referenced {
    /// What the settings are made of.
    pub(crate) fn sources(&self) -> Sources<'_> {
        let Self { partner, material, defaults_material, .. } = self;
        Sources { partner: partner.as_deref(), material, defaults_material }
    }

    /// Says of a refused credential where it comes from: the Secret of a Partner is not seen in a Client's spec.
    pub(crate) fn name_credential(&self, stop: Stop) -> Stop {
        match stop {
            Stop::Outcome(Outcome::Unauthorised(Reason::CredentialsRefused, message)) => Outcome::Unauthorised(
                Reason::CredentialsRefused,
                with_source(&message, &self.source, &self.platform.host()),
            )
            .into(),
            other => other,
        }
    }
}

/// Everything that an object refers to.
pub(crate) async fn dereference<K: TenantObject>(object: &K, context: &Context) -> Result<Referenced, Stop> {
    let (platform, place, partner) = tenancy(object, context).await?;
    let (space, name) = connection_or_default(object, partner.as_deref(), context)?;
    let source = source(object, (&space, &name), partner.as_deref());
    let material = material(object, context).await?;
    let defaults_material = defaults_material(partner.as_deref(), object, context).await?;
    Ok(Referenced { platform, place, partner, source, material, defaults_material })
}

/// The platform and the place of the tenant, from what the watches brought.
pub(crate) async fn tenancy<K: TenantObject>(
    object: &K,
    context: &Context,
) -> Result<(Platform, Place, Option<Arc<Partner>>), Stop> {
    let partner = match object.parent() {
        Parent::Object(namespace, name) => context.partner(&namespace, &name),
        Parent::Provider | Parent::Id(_) => None,
    };
    tenancy_with(object, (partner, BLOCKED_AGE), context).await
}

/// The platform and the place of the tenant: all that a deletion needs, with nothing from a cache.
pub(crate) async fn tenancy_anew<K: TenantObject>(
    object: &K,
    context: &Context,
) -> Result<(Platform, Place, Option<Arc<Partner>>), Stop> {
    let partner = match object.parent() {
        Parent::Object(namespace, name) => anew(&namespace, &name, context).await?.map(Arc::new),
        Parent::Provider | Parent::Id(_) => None,
    };
    tenancy_with(object, (partner, Duration::ZERO), context).await
}

/// A Partner as the API server holds it now.
async fn anew(namespace: &str, name: &str, context: &Context) -> Result<Option<Partner>, Stop> {
    let found = Api::<Reading<Partner>>::namespaced(context.client.clone(), namespace).get_opt(name).await?;
    found.map(Reading::understood).transpose().map_err(|other| partner_not_understood(&other).into())
}

async fn tenancy_with<K: TenantObject>(
    object: &K,
    (partner, age): (Option<Arc<Partner>>, Duration),
    context: &Context,
) -> Result<(Platform, Place, Option<Arc<Partner>>), Stop> {
    let partner = usable(object, partner, context).await?;
    let (secret_namespace, secret_name) = connection_or_default(object, partner.as_deref(), context)?;
    let source = source(object, (&secret_namespace, &secret_name), partner.as_deref());
    let platform = platform((&secret_namespace, &secret_name), (&source, age), context).await?;
    let partner = match object.parent() {
        Parent::Id(id) => usable_by_id(object, &id, (&platform, context)).await?,
        Parent::Provider | Parent::Object(..) => partner,
    };
    let place = stands_in(object, platform.tenant_id(), partner.as_deref())?;
    let host = platform.host();
    let recorded = object.status().and_then(|status| status.connection.as_ref()).map(|recorded| recorded.host.as_str());
    let host = context.settings.platform_moved.recorded(&host, recorded);
    pinned(object, (host, platform.tenant_id()), &place)?;
    Ok((platform, place, partner))
}

/// The Partner object of a Client, if it may be used.
async fn usable<K: TenantObject>(
    object: &K,
    partner: Option<Arc<Partner>>,
    context: &Context,
) -> Result<Option<Arc<Partner>>, Stop> {
    let Parent::Object(partner_namespace, name) = object.parent() else { return Ok(None) };
    let own = namespace(object);
    if let Some(other) = context.partners.newer.get(&partner_namespace, &name) {
        return Err(partner_not_understood(&other).into());
    }
    let Some(partner) = partner else {
        return Err(no_partner(&partner_namespace, &name).into());
    };
    if !is_allowed(&partner, &own, context).await? {
        return Err(not_allowed(&partner_namespace, (&name, &own)).into());
    }
    Ok(Some(partner))
}

/// The Partner object of the tenant that a Client names by its id: where there is one, it says who may stand under it, as
/// it does to those who name the object.
async fn usable_by_id<K: TenantObject>(
    object: &K,
    id: &str,
    (platform, context): (&Platform, &Context),
) -> Result<Option<Arc<Partner>>, Stop> {
    is_connection_of(id, platform.tenant_id())?;
    let own = namespace(object);
    let known = context.partners.store.state().into_iter().map(|partner| context.partners.current(partner)).collect();
    let partners = of_id(known, (id, &platform.host()));
    for partner in &partners {
        if !is_allowed(partner, &own, context).await? {
            return Err(not_allowed_by_id(id, &own).into());
        }
    }
    Ok(partners.into_iter().next())
}

async fn is_allowed(partner: &Partner, own: &str, context: &Context) -> Result<bool, Stop> {
    match allows(partner, own) {
        Allows::Yes => Ok(true),
        Allows::No => Ok(false),
        Allows::Labelled(wanted) => {
            let labels = Api::<Namespace>::all(context.client.clone()).get_metadata(own).await?;
            Ok(wanted.selects(labels.labels()))
        }
    }
}

/// Namespace and name of the Secret with the connection: the object's own, its Partner's, or the default one.
fn connection_or_default<K: TenantObject>(
    object: &K,
    partner: Option<&Partner>,
    context: &Context,
) -> Result<(String, String), Stop> {
    if let Some(secret) = connection_secret(object, partner) {
        return Ok(secret);
    }
    let asking = partner.map_or_else(|| namespace(object), namespace);
    let serves = context.settings.default_connection_namespaces.contains(&asking);
    context.settings.default_connection.clone().filter(|_| serves).ok_or_else(|| {
        Outcome::Unauthorised(
            Reason::NoConnection,
            format!("no connection: set `connectionSecretRef`; the operator's default connection does not serve namespace `{asking}`"),
        )
        .into()
    })
}

/// The Secret with the connection, and whose it is.
fn source<K: TenantObject>(object: &K, (space, name): (&str, &str), partner: Option<&Partner>) -> String {
    match partner.filter(|_| object.connection_secret().is_none()) {
        Some(partner) => format!("Secret `{space}/{name}` of Partner `{}`", place(partner)),
        None => format!("Secret `{space}/{name}`"),
    }
}

fn with_source(message: &str, source: &str, host: &str) -> String {
    format!("{message}: the connection is {source}, host `{host}`")
}

async fn platform(
    (namespace, name): (&str, &str),
    (source, age): (&str, Duration),
    context: &Context,
) -> Result<Platform, Stop> {
    let refuse = |reason, message| Stop::from(Outcome::Unauthorised(reason, message));
    let data: SecretData = context.secrets.get(namespace, name, age).await?;
    let Some(data) = data else {
        return Err(refuse(
            Reason::CredentialsUnavailable,
            format!(
                "Secret `{namespace}/{name}` does not exist: create it with `url`, `tenantId`, `clientId` and `clientSecret`"
            ),
        ));
    };
    let connection = Connection::from_secret(&data)
        .map_err(|error| refuse(Reason::CredentialsUnavailable, format!("Secret `{namespace}/{name}`: {error}")))?;
    let host = connection.host();
    if !context.settings.allows_host(&host) {
        return Err(refuse(
            Reason::HostNotAllowed,
            format!(
                "host `{host}` of Secret `{namespace}/{name}` is not on the operator's list: add it to `--platform-hosts`, or correct `url`"
            ),
        ));
    }
    context.connections.platform(connection).map_err(|(reason, message)| match reason {
        Reason::CredentialsRefused => refuse(reason, with_source(&message, source, &host)),
        _ => refuse(reason, message),
    })
}

async fn material<K: TenantObject>(object: &K, context: &Context) -> Result<Material, Stop> {
    let mut images = BTreeMap::new();
    let mut files: BTreeMap<String, Option<ConfigMap>> = BTreeMap::new();
    for key in image_keys(object.branding()) {
        if !files.contains_key(&key.name) {
            let maps = Api::<ConfigMap>::namespaced(context.client.clone(), &namespace(object));
            files.insert(key.name.clone(), maps.get_opt(&key.name).await?);
        }
        let data = files.get(&key.name).and_then(Option::as_ref).and_then(|map| map.binary_data.as_ref());
        if let Some(bytes) = data.and_then(|data| data.get(&key.key)) {
            images.insert(key, bytes.0.clone());
        }
    }
    let secrets = secret_values(secret_keys(object.access()), &namespace(object), context).await?;
    Ok(Material { images, secrets, salt: uid(object) })
}

async fn defaults_material<K: TenantObject>(
    partner: Option<&Partner>,
    object: &K,
    context: &Context,
) -> Result<Material, Stop> {
    let salt = uid(object);
    let Some(partner) = partner else { return Ok(Material { salt, ..Material::default() }) };
    let defaults = partner.spec.clients.as_ref().and_then(|clients| clients.defaults.as_ref());
    let keys = secret_keys(defaults.and_then(|defaults| defaults.access.as_ref()));
    let secrets = secret_values(keys, &namespace(partner), context).await?;
    Ok(Material { secrets, salt, ..Material::default() })
}

async fn secret_values(
    keys: Vec<SecretKeyRef>,
    namespace: &str,
    context: &Context,
) -> Result<BTreeMap<SecretKeyRef, SecretString>, Stop> {
    let mut values = BTreeMap::new();
    for key in keys {
        let data = context.secrets.get(namespace, &key.name, BLOCKED_AGE).await?;
        let value = data.as_ref().and_then(|data| data.get(&key.key)).and_then(|bytes| secret_text(bytes));
        if let Some(value) = value {
            values.insert(key, value);
        }
    }
    Ok(values)
}

/// Digest of everything outside the object that its tenant is made of, to see whether a look at it is due.
pub(crate) async fn material_digest<K: TenantObject>(object: &K, context: &Context) -> Result<String, Stop> {
    Ok(digest_of(&material(object, context).await?))
}
