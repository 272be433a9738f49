//! Stage 1, which only reads: resolves everything the spec refers to, or returns why it cannot.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{Api, ResourceExt};
use tenantry_api::{Partner, Reason, SecretKeyRef, TenantStatus};
use tenantry_client::{Connection, PlatformClient};
use tenantry_core::object::{
    NamespacePermission, ParsedObject, SpecSources, applied_images, applied_secrets, check_connection_tenant,
    check_own_connection, check_pinned_connection, connection_secret, digest_references, ensure_valid_reference_names,
    namespace_not_allowed_outcome, namespace_permission, partner_id_not_allowed_outcome, partner_not_found_outcome,
    partner_not_understood_outcome, partners_of_tenant, resolve_place,
};
use tenantry_core::{ConfigMapEntry, PassOutcome, Place, ResolvedReferences, SecretLookup, ValueOrigin};

use super::account_bulkheads::{BulkheadKey, PassQueueKey, PlatformAccount};
use super::cached_reads::NamespacedName;
use super::context::Context;
use super::enqueue_related;
use super::pass_stop::PassStop;
use super::secrets::CachedSecret;
use super::tenant_object::{
    ParentRef, TenantObject, as_partner, image_references, namespace, namespaced_name, secret_references,
};

/// A Secret that blocks an object is read again after this time; many objects share the read.
const MAX_BLOCKED_AGE: Duration = Duration::from_secs(5);

/// Everything the spec refers to.
pub(crate) struct TenantReferences {
    /// The platform, with its credential.
    pub(crate) platform: PlatformClient,
    /// Where the tenant lives on the platform.
    pub(crate) place: Place,
    /// The Partner object above it.
    pub(crate) partner: Option<Arc<Partner>>,
    /// Where the connection comes from, for messages.
    source: String,
    /// Secrets and images of the object itself.
    pub(crate) material: ResolvedReferences,
    /// Secrets that the Partner's defaults name.
    pub(crate) defaults_material: ResolvedReferences,
}

impl TenantReferences {
    /// Returns the sources of the settings.
    pub(crate) fn sources(&self) -> SpecSources<'_> {
        let Self { partner, material, defaults_material, .. } = self;
        SpecSources { partner: partner.as_deref(), references: material, default_references: defaults_material }
    }

    /// Adds to the error of a refused credential where it comes from: a Client's spec does not show the Secret of its
    /// Partner.
    pub(crate) fn with_credential_source(&self, stop: PassStop) -> PassStop {
        match stop {
            PassStop::Outcome(PassOutcome::Unauthorised(Reason::CredentialsRefused, message)) => {
                PassOutcome::Unauthorised(
                    Reason::CredentialsRefused,
                    append_source(&message, &self.source, &self.platform.host()),
                )
                .into()
            }
            other => other,
        }
    }
}

/// Resolves everything that an object refers to.
pub(crate) async fn resolve_references<K: TenantObject>(
    object: &K,
    context: &Context,
) -> Result<TenantReferences, PassStop> {
    let (platform, place, partner) = locate_tenant(object, context).await?;
    let (space, name) = connection_or_default(object, partner.as_deref(), context)?;
    let source = connection_source(object, &space, &name, partner.as_deref());
    let material = read_material(object, Duration::ZERO, context).await?;
    let defaults_material = read_defaults_material(partner.as_deref(), object, context).await?;
    Ok(TenantReferences { platform, place, partner, source, material, defaults_material })
}

/// Resolves platform and place of the tenant from the watched objects.
pub(crate) async fn locate_tenant<K: TenantObject>(
    object: &K,
    context: &Context,
) -> Result<(PlatformClient, Place, Option<Arc<Partner>>), PassStop> {
    let partner = match object.parent() {
        ParentRef::Object(namespace, name) => context.find_partner(&namespace, &name),
        ParentRef::Provider | ParentRef::Id(_) => None,
    };
    locate_tenant_under(object, partner, MAX_BLOCKED_AGE, context).await
}

/// Resolves platform and place of the tenant for a deletion, with nothing from a cache.
pub(crate) async fn locate_tenant_uncached<K: TenantObject>(
    object: &K,
    context: &Context,
) -> Result<(PlatformClient, Place, Option<Arc<Partner>>), PassStop> {
    ensure_valid_reference_names(object, None)?;
    let partner = match object.parent() {
        ParentRef::Object(namespace, name) => read_partner(&namespace, &name, context).await?.map(Arc::new),
        ParentRef::Provider | ParentRef::Id(_) => None,
    };
    locate_tenant_under(object, partner, Duration::ZERO, context).await
}

/// Reads a Partner from the API server.
async fn read_partner(namespace: &str, name: &str, context: &Context) -> Result<Option<Partner>, PassStop> {
    let found = Api::<ParsedObject<Partner>>::namespaced(context.client.clone(), namespace).get_opt(name).await?;
    found.map(ParsedObject::into_understood).transpose().map_err(|other| partner_not_understood_outcome(&other).into())
}

async fn locate_tenant_under<K: TenantObject>(
    object: &K,
    partner: Option<Arc<Partner>>,
    age: Duration,
    context: &Context,
) -> Result<(PlatformClient, Place, Option<Arc<Partner>>), PassStop> {
    ensure_valid_reference_names(object, partner.as_deref())?;
    let partner = usable_partner(object, partner, context).await?;
    let (secret_namespace, secret_name) = connection_or_default(object, partner.as_deref(), context)?;
    let source = connection_source(object, &secret_namespace, &secret_name, partner.as_deref());
    let platform = connect_platform(&secret_namespace, &secret_name, &source, age, context).await?;
    let partner = match object.parent() {
        ParentRef::Id(id) => usable_partner_by_id(object, &id, (&platform, context)).await?,
        ParentRef::Provider | ParentRef::Object(..) => partner,
    };
    let place = resolve_place(object, platform.tenant_id(), partner.as_deref())?;
    let host = platform.host();
    let moved = &context.settings.platform_moved;
    let of_partner = partner.as_deref().and_then(|partner| recorded_host(partner.status.as_ref()));
    let own = (moved.resolve_recorded(&host, of_partner), platform.tenant_id());
    check_own_connection(object, own, partner.as_deref().filter(|_| matches!(object.parent(), ParentRef::Object(..))))?;
    let host = moved.resolve_recorded(&host, recorded_host(object.status()));
    check_pinned_connection(object, host, platform.tenant_id(), &place)?;
    Ok((platform, place, partner))
}

/// Returns the host on which a tenant was created.
fn recorded_host(status: Option<&TenantStatus>) -> Option<&str> {
    status?.connection.as_ref().map(|recorded| recorded.host.as_str())
}

/// Returns the Partner object of a Client, if the Client may use it.
async fn usable_partner<K: TenantObject>(
    object: &K,
    partner: Option<Arc<Partner>>,
    context: &Context,
) -> Result<Option<Arc<Partner>>, PassStop> {
    let ParentRef::Object(partner_namespace, name) = object.parent() else { return Ok(None) };
    let own = namespace(object);
    if let Some(other) = context.partners.not_understood.get(&partner_namespace, &name) {
        return Err(partner_not_understood_outcome(&other).into());
    }
    let Some(partner) = partner else {
        return Err(partner_not_found_outcome(object, &partner_namespace, &name).into());
    };
    if !is_namespace_allowed(&partner, &own, context).await? {
        return Err(namespace_not_allowed_outcome(&partner_namespace, &name, &own).into());
    }
    Ok(Some(partner))
}

/// Returns the Partner object of the tenant that a Client names by its id. If there is one, it decides who may use it,
/// as it does for Clients that name the object.
async fn usable_partner_by_id<K: TenantObject>(
    object: &K,
    id: &str,
    (platform, context): (&PlatformClient, &Context),
) -> Result<Option<Arc<Partner>>, PassStop> {
    check_connection_tenant(id, platform.tenant_id())?;
    let own = namespace(object);
    let known =
        context.partners.store.state().into_iter().map(|partner| context.partners.newest_version(partner)).collect();
    let partners = partners_of_tenant(known, id, &platform.host());
    for partner in &partners {
        if !is_namespace_allowed(partner, &own, context).await? {
            return Err(partner_id_not_allowed_outcome(id, &own).into());
        }
    }
    Ok(partners.into_iter().next())
}

async fn is_namespace_allowed(partner: &Partner, own: &str, context: &Context) -> Result<bool, PassStop> {
    match namespace_permission(partner, own) {
        NamespacePermission::Allowed => Ok(true),
        NamespacePermission::Denied => Ok(false),
        NamespacePermission::IfLabelled(wanted) => {
            let labels = Api::<Namespace>::all(context.client.clone()).get_metadata(own).await?;
            Ok(wanted.matches(labels.labels()))
        }
    }
}

/// Returns namespace and name of the connection Secret: the object's own, its Partner's, or the default one.
fn connection_or_default<K: TenantObject>(
    object: &K,
    partner: Option<&Partner>,
    context: &Context,
) -> Result<(String, String), PassStop> {
    if let Some(secret) = connection_secret(object, partner) {
        return Ok(secret);
    }
    let asking = partner.map_or_else(|| namespace(object), namespace);
    let serves = context.settings.default_connection_namespaces.contains(&asking);
    context.settings.default_connection.clone().filter(|_| serves).ok_or_else(|| {
        PassOutcome::Unauthorised(
            Reason::NoConnection,
            format!("no connection: set `connectionSecretRef`; the operator's default connection does not serve namespace `{asking}`"),
        )
        .into()
    })
}

/// Describes the connection Secret and its owner, for messages.
fn connection_source<K: TenantObject>(object: &K, namespace: &str, name: &str, partner: Option<&Partner>) -> String {
    match partner.filter(|_| object.connection_secret().is_none()) {
        Some(partner) => format!("Secret `{namespace}/{name}` of Partner `{}`", namespaced_name(partner)),
        None => format!("Secret `{namespace}/{name}`"),
    }
}

fn append_source(message: &str, source: &str, host: &str) -> String {
    format!("{message}: the connection is {source}, host `{host}`")
}

/// Returns the queue in which the passes over an object wait. A Secret that has not been read yet is read for this,
/// within the deadline of a request to the API server; no worker is held meanwhile.
pub(crate) async fn pass_queue_key<K: TenantObject>(object: &K, context: &Context) -> PassQueueKey {
    let (partner, parent) = match object.parent() {
        ParentRef::Object(namespace, name) => (context.find_partner(&namespace, &name), format!("{namespace}/{name}")),
        ParentRef::Id(id) => (None, id),
        ParentRef::Provider => (None, String::new()),
    };
    PassQueueKey { bulkhead_key: bulkhead_key(object, partner.as_deref(), context).await, parent }
}

async fn bulkhead_key<K: TenantObject>(object: &K, partner: Option<&Partner>, context: &Context) -> BulkheadKey {
    let Ok((namespace, name)) = connection_or_default(object, partner, context) else { return BulkheadKey::NoPlatform };
    let secret = NamespacedName { namespace, name };
    if let Some(account) = context.connections.account_of(&secret) {
        return BulkheadKey::Account(account);
    }
    let data = context.secrets.get_or_read(&secret.namespace, &secret.name, MAX_BLOCKED_AGE).await;
    match data.ok().flatten().map(|secret| Connection::from_secret(&secret.data)) {
        Some(Ok(connection)) => BulkheadKey::Account(PlatformAccount::new(connection.host(), connection.tenant_id())),
        // The pass reports what is wrong with it.
        Some(Err(_)) | None => BulkheadKey::Secret(secret),
    }
}

async fn connect_platform(
    namespace: &str,
    name: &str,
    source: &str,
    age: Duration,
    context: &Context,
) -> Result<PlatformClient, PassStop> {
    let refuse = |reason, message| PassStop::from(PassOutcome::Unauthorised(reason, message));
    let data: CachedSecret = context.secrets.get_or_read(namespace, name, age).await?;
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
    let secret = NamespacedName { namespace: namespace.to_owned(), name: name.to_owned() };
    let platform = context.connections.platform_for(&secret, connection, &context.accounts);
    platform.map_err(|(reason, message)| match reason {
        Reason::CredentialsRefused => refuse(reason, append_source(&message, source, &host)),
        _ => refuse(reason, message),
    })
}

/// Reads the Secrets and images of an object. Images may be `age` old.
async fn read_material<K: TenantObject>(
    object: &K,
    age: Duration,
    context: &Context,
) -> Result<ResolvedReferences, PassStop> {
    let mut images = BTreeMap::new();
    let mut files: BTreeMap<String, Option<Arc<ConfigMap>>> = BTreeMap::new();
    for key in image_references(object.branding()) {
        if !files.contains_key(&key.name) {
            let map = context.config_maps.get_or_read(&namespace(object), &key.name, age).await?;
            files.insert(key.name.clone(), map);
        }
        if let Some(map) = files.get(&key.name).and_then(Option::as_ref) {
            let file = map.binary_data.as_ref().and_then(|data| data.get(&key.key));
            let has_text = map.data.as_ref().is_some_and(|data| data.contains_key(&key.key));
            let without = if has_text { ConfigMapEntry::Text } else { ConfigMapEntry::NoKey };
            images.insert(key, file.map_or(without, |bytes| ConfigMapEntry::File(bytes.0.clone())));
        }
    }
    let secrets = read_secret_values(secret_references(object.access()), &namespace(object), context).await?;
    let (applied, applied_images) = (applied_secrets(object, ValueOrigin::Spec), applied_images(object));
    Ok(ResolvedReferences { namespace: namespace(object), images, secrets, applied_secrets: applied, applied_images })
}

/// Reads the Secrets that defaults name. A Client takes those of its Partner. A Partner reads its own too, since its
/// Clients must learn of a change.
async fn read_defaults_material<K: TenantObject>(
    partner: Option<&Partner>,
    object: &K,
    context: &Context,
) -> Result<ResolvedReferences, PassStop> {
    let Some(partner) = as_partner(object).or(partner) else { return Ok(ResolvedReferences::default()) };
    let defaults = partner.spec.clients.as_ref().and_then(|clients| clients.defaults.as_ref());
    let keys = secret_references(defaults.and_then(|defaults| defaults.access.as_ref()));
    let secrets = read_secret_values(keys, &namespace(partner), context).await?;
    let applied = applied_secrets(object, ValueOrigin::PartnerDefault);
    Ok(ResolvedReferences { secrets, applied_secrets: applied, ..ResolvedReferences::default() })
}

async fn read_secret_values(
    keys: Vec<SecretKeyRef>,
    namespace: &str,
    context: &Context,
) -> Result<BTreeMap<SecretKeyRef, SecretLookup>, PassStop> {
    let mut values = BTreeMap::new();
    for key in keys {
        if let Some(found) = context.secrets.get_or_read(namespace, &key.name, MAX_BLOCKED_AGE).await? {
            let read = found.read_key(namespace, &key);
            values.insert(key, read);
        }
    }
    Ok(values)
}

/// Returns whether an object's Secrets and images have changed since the last check. Objects that use the same
/// ConfigMap share one read of it in each check.
pub(crate) async fn has_new_material<K: TenantObject>(
    object: &K,
    partner: Option<&Partner>,
    context: &Context,
) -> Result<bool, PassStop> {
    ensure_valid_reference_names(object, as_partner(object).or(partner))?;
    let own = read_material(object, context.settings.drift_interval / 2, context).await?;
    let defaults = read_defaults_material(partner, object, context).await?;
    Ok(record_material(object, &digest_references(&own, &defaults), context))
}

/// Records the digest of an object's Secrets and images; returns whether it changed. The Clients of a Partner are
/// enqueued then, since they inherit its defaults.
pub(crate) fn record_material<K: TenantObject>(object: &K, digest: &str, context: &Context) -> bool {
    let before =
        K::kind_state(context).with_memory(object, |memory| memory.reference_digest.replace(digest.to_owned()));
    let has_moved = before.is_some_and(|before| before != digest);
    if has_moved && let Some(partner) = as_partner(object) {
        enqueue_related::enqueue_clients_of(partner, context);
    }
    has_moved
}
