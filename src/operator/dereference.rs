//! Stage 1, IO that only reads: everything the spec refers to, or why it cannot be had.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{Api, ResourceExt};

use super::accounts::{Account, Lane, Queue};
use super::context::Context;
use super::error::Stop;
use super::object::{Parent, TenantObject, as_partner, image_keys, namespace, place, secret_keys};
use super::reads::Place;
use super::secrets::SecretData;
use super::wake;
use crate::api::{Partner, Reason, SecretKeyRef, TenantStatus};
use crate::connect::{Connection, Place as Stands, Platform};
use crate::object::{
    Allows, Reading, Sources, allows, applied_images, applied_secrets, connection_secret, digest_of, is_connection_of,
    is_own_connection, no_partner, not_allowed, not_allowed_by_id, of_id, partner_not_understood, pinned, refuse_names,
    stands_in,
};
use crate::plan::{ImageRead, Material, Origin, Outcome, SecretRead};

/// A Secret that an object is blocked on is read again this often; many objects share the read.
const BLOCKED_AGE: Duration = Duration::from_secs(5);

/// Everything the spec refers to.
pub(crate) struct Referenced {
    /// The platform, with its credential.
    pub(crate) platform: Platform,
    /// Where the tenant stands.
    pub(crate) place: Stands,
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
    let material = material(object, Duration::ZERO, context).await?;
    let defaults_material = defaults_material(partner.as_deref(), object, context).await?;
    Ok(Referenced { platform, place, partner, source, material, defaults_material })
}

/// The platform and the place of the tenant, from what the watches brought.
pub(crate) async fn tenancy<K: TenantObject>(
    object: &K,
    context: &Context,
) -> Result<(Platform, Stands, Option<Arc<Partner>>), Stop> {
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
) -> Result<(Platform, Stands, Option<Arc<Partner>>), Stop> {
    refuse_names(object, None)?;
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
) -> Result<(Platform, Stands, Option<Arc<Partner>>), Stop> {
    refuse_names(object, partner.as_deref())?;
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
    let moved = &context.settings.platform_moved;
    let of_partner = partner.as_deref().and_then(|partner| recorded_host(partner.status.as_ref()));
    let own = (moved.recorded(&host, of_partner), platform.tenant_id());
    is_own_connection(object, own, partner.as_deref().filter(|_| matches!(object.parent(), Parent::Object(..))))?;
    let host = moved.recorded(&host, recorded_host(object.status()));
    pinned(object, (host, platform.tenant_id()), &place)?;
    Ok((platform, place, partner))
}

/// The host with which a tenant was made.
fn recorded_host(status: Option<&TenantStatus>) -> Option<&str> {
    status?.connection.as_ref().map(|recorded| recorded.host.as_str())
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
        return Err(no_partner(object, &partner_namespace, &name).into());
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

/// Where the passes over an object wait. A Secret that nobody has read yet is read for that, at most as long as a request
/// to the API server takes; no worker is held meanwhile.
pub(crate) async fn queue<K: TenantObject>(object: &K, context: &Context) -> Queue {
    let (partner, parent) = match object.parent() {
        Parent::Object(namespace, name) => (context.partner(&namespace, &name), format!("{namespace}/{name}")),
        Parent::Id(id) => (None, id),
        Parent::Provider => (None, String::new()),
    };
    Queue { lane: lane(object, partner.as_deref(), context).await, parent }
}

async fn lane<K: TenantObject>(object: &K, partner: Option<&Partner>, context: &Context) -> Lane {
    let Ok((namespace, name)) = connection_or_default(object, partner, context) else { return Lane::Alone };
    let secret = Place { namespace, name };
    if let Some(account) = context.connections.account(&secret) {
        return Lane::Account(account);
    }
    let data = context.secrets.get(&secret.namespace, &secret.name, BLOCKED_AGE).await;
    match data.ok().flatten().map(|secret| Connection::from_secret(&secret.data)) {
        Some(Ok(connection)) => Lane::Account(Account::new(connection.host(), connection.tenant_id())),
        // The pass says what is wrong with it.
        Some(Err(_)) | None => Lane::Secret(secret),
    }
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
    let connection = Connection::from_secret(&data.data)
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
    let secret = Place { namespace: namespace.to_owned(), name: name.to_owned() };
    let platform = context.connections.platform(&secret, connection, &context.accounts);
    platform.map_err(|(reason, message)| match reason {
        Reason::CredentialsRefused => refuse(reason, with_source(&message, source, &host)),
        _ => refuse(reason, message),
    })
}

/// Images may be `age` old.
async fn material<K: TenantObject>(object: &K, age: Duration, context: &Context) -> Result<Material, Stop> {
    let mut images = BTreeMap::new();
    let mut files: BTreeMap<String, Option<Arc<ConfigMap>>> = BTreeMap::new();
    for key in image_keys(object.branding()) {
        if !files.contains_key(&key.name) {
            let map = context.config_maps.get(&namespace(object), &key.name, age).await?;
            files.insert(key.name.clone(), map);
        }
        if let Some(map) = files.get(&key.name).and_then(Option::as_ref) {
            let file = map.binary_data.as_ref().and_then(|data| data.get(&key.key));
            let has_text = map.data.as_ref().is_some_and(|data| data.contains_key(&key.key));
            let without = if has_text { ImageRead::Text } else { ImageRead::NoKey };
            images.insert(key, file.map_or(without, |bytes| ImageRead::File(bytes.0.clone())));
        }
    }
    let secrets = secret_values(secret_keys(object.access()), &namespace(object), context).await?;
    let (applied, applied_images) = (applied_secrets(object, Origin::Spec), applied_images(object));
    Ok(Material { namespace: namespace(object), images, secrets, applied, applied_images })
}

/// Secrets that defaults name: a Client's are its Partner's, and a Partner has its own, since its Clients must hear of them.
async fn defaults_material<K: TenantObject>(
    partner: Option<&Partner>,
    object: &K,
    context: &Context,
) -> Result<Material, Stop> {
    let Some(partner) = as_partner(object).or(partner) else { return Ok(Material::default()) };
    let defaults = partner.spec.clients.as_ref().and_then(|clients| clients.defaults.as_ref());
    let keys = secret_keys(defaults.and_then(|defaults| defaults.access.as_ref()));
    let secrets = secret_values(keys, &namespace(partner), context).await?;
    let applied = applied_secrets(object, Origin::PartnerDefault);
    Ok(Material { secrets, applied, ..Material::default() })
}

async fn secret_values(
    keys: Vec<SecretKeyRef>,
    namespace: &str,
    context: &Context,
) -> Result<BTreeMap<SecretKeyRef, SecretRead>, Stop> {
    let mut values = BTreeMap::new();
    for key in keys {
        if let Some(found) = context.secrets.get(namespace, &key.name, BLOCKED_AGE).await? {
            let read = found.read(namespace, &key);
            values.insert(key, read);
        }
    }
    Ok(values)
}

/// Whether what an object takes from Secrets and images has changed since that was last asked. Objects that share a
/// ConfigMap share one read of it for each look.
pub(crate) async fn has_new_material<K: TenantObject>(
    object: &K,
    partner: Option<&Partner>,
    context: &Context,
) -> Result<bool, Stop> {
    refuse_names(object, as_partner(object).or(partner))?;
    let own = material(object, context.settings.drift_interval / 2, context).await?;
    let defaults = defaults_material(partner, object, context).await?;
    Ok(note_material(object, &digest_of(&own, &defaults), context))
}

/// Keeps the digest of what an object takes from Secrets and images; says whether it moved. The Clients of a Partner are
/// woken then, since they take its defaults.
pub(crate) fn note_material<K: TenantObject>(object: &K, digest: &str, context: &Context) -> bool {
    let before = K::room(context).remember(object, |memory| memory.material.replace(digest.to_owned()));
    let has_moved = before.is_some_and(|before| before != digest);
    if has_moved && let Some(partner) = as_partner(object) {
        wake::clients_of(partner, context);
    }
    has_moved
}
