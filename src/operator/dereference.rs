//! Stage 1, IO that only reads: everything the spec refers to, or why it cannot be had.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{Api, ResourceExt};
use secrecy::{ExposeSecret, SecretString};

use super::context::Context;
use super::error::Stop;
use super::object::{Parent, TenantObject, image_keys, is_deleting, namespace, place, secret_keys, uid, unique_id};
use super::secrets::SecretData;
use crate::api::{AllowedNamespaces, ConditionType, ConnectionStatus, NamespacesFrom, Partner, Reason, SecretKeyRef};
use crate::connect::{Connection, Place, Platform};
use crate::plan::{Digest, Material, Outcome};

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
    /// Secrets and images of the object itself.
    pub(crate) material: Material,
    /// Secrets that the Partner's defaults name.
    pub(crate) defaults_material: Material,
}

/// Everything that an object refers to.
pub(crate) async fn dereference<K: TenantObject>(object: &K, context: &Context) -> Result<Referenced, Stop> {
    let (platform, place, partner) = tenancy(object, context).await?;
    let material = material(object, context).await?;
    let defaults_material = defaults_material(partner.as_deref(), object, context).await?;
    Ok(Referenced { platform, place, partner, material, defaults_material })
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
        Parent::Object(namespace, name) => {
            Api::<Partner>::namespaced(context.client.clone(), &namespace).get_opt(&name).await?.map(Arc::new)
        }
        Parent::Provider | Parent::Id(_) => None,
    };
    tenancy_with(object, (partner, Duration::ZERO), context).await
}

async fn tenancy_with<K: TenantObject>(
    object: &K,
    (partner, age): (Option<Arc<Partner>>, Duration),
    context: &Context,
) -> Result<(Platform, Place, Option<Arc<Partner>>), Stop> {
    let partner = usable(object, partner, context).await?;
    let (secret_namespace, secret_name) = connection_secret(object, partner.as_deref(), context)?;
    let platform = platform(context, (&secret_namespace, &secret_name), age).await?;
    let place = match object.parent() {
        Parent::Provider => Place::Partners { sp: platform.tenant_id().to_owned() },
        Parent::Id(id) => Place::Clients { msp: id },
        Parent::Object(..) => Place::Clients { msp: partner_id(partner.as_deref())?.to_owned() },
    };
    pinned(object, &platform, &place)?;
    Ok((platform, place, partner))
}

fn unresolved(reason: Reason, message: String) -> Stop {
    Outcome::Unresolved(reason, message).into()
}

/// The Partner object of a Client, if it may be used.
async fn usable<K: TenantObject>(
    object: &K,
    partner: Option<Arc<Partner>>,
    context: &Context,
) -> Result<Option<Arc<Partner>>, Stop> {
    let Parent::Object(partner_namespace, name) = object.parent() else { return Ok(None) };
    let own = namespace(object);
    let Some(partner) = partner else {
        return Err(unresolved(
            Reason::PartnerNotReady,
            format!("Partner `{partner_namespace}/{name}` does not exist: create it, or correct `partnerRef`"),
        ));
    };
    if !is_allowed(&partner, &own, context).await? {
        return Err(unresolved(
            Reason::NamespaceNotAllowed,
            format!(
                "Partner `{partner_namespace}/{name}` does not allow Clients from namespace `{own}`: allow it in the Partner's `clients.allowedNamespaces`"
            ),
        ));
    }
    Ok(Some(partner))
}

async fn is_allowed(partner: &Partner, own: &str, context: &Context) -> Result<bool, Stop> {
    if partner.namespace().as_deref() == Some(own) {
        return Ok(true);
    }
    let allowed = partner.spec.clients.as_ref().and_then(|clients| clients.allowed_namespaces.as_ref());
    let Some(AllowedNamespaces { from, selector }) = allowed else { return Ok(false) };
    match from.unwrap_or_default() {
        NamespacesFrom::Same => Ok(false),
        NamespacesFrom::All => Ok(true),
        NamespacesFrom::Selector => {
            let labels = Api::<Namespace>::all(context.client.clone()).get_metadata(own).await?;
            let wanted = selector.iter().flat_map(|selector| &selector.match_labels);
            Ok(wanted.into_iter().all(|(key, value)| labels.labels().get(key) == Some(value)))
        }
    }
}

fn partner_id(partner: Option<&Partner>) -> Result<&str, Stop> {
    let name = partner.map(place).unwrap_or_default();
    partner.and_then(unique_id).ok_or_else(|| {
        unresolved(
            Reason::PartnerNotReady,
            format!("Partner `{name}` is not on the platform yet: waiting for its `status.uniqueId`"),
        )
    })
}

/// Namespace and name of the Secret with the connection: the object's own, its Partner's, or the default one.
fn connection_secret<K: TenantObject>(
    object: &K,
    partner: Option<&Partner>,
    context: &Context,
) -> Result<(String, String), Stop> {
    if let Some(name) = object.connection_secret() {
        return Ok((namespace(object), name.to_owned()));
    }
    if let Some(partner) = partner
        && let Some(name) = partner.connection_secret()
    {
        return Ok((namespace(partner), name.to_owned()));
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

async fn platform(context: &Context, (namespace, name): (&str, &str), age: Duration) -> Result<Platform, Stop> {
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
    context.connections.platform(connection).map_err(|(reason, message)| refuse(reason, message))
}

/// A tenant stays with the account and the parent that it was made with: a Secret that leads elsewhere must not make
/// the operator look for it there, miss it, and make a second one.
fn pinned<K: TenantObject>(object: &K, platform: &Platform, place: &Place) -> Result<(), Stop> {
    let Some(ConnectionStatus { host, tenant_id, parent_id }) =
        object.status().and_then(|status| status.connection.as_ref())
    else {
        return Ok(());
    };
    if *host != platform.host() || tenant_id != platform.tenant_id() {
        return Err(Outcome::Unauthorised(
            Reason::ConnectionIdentityChanged,
            format!(
                "the connection leads to account `{}` on `{}`, and the tenant was made with `{tenant_id}` on `{host}`: restore the Secret",
                platform.tenant_id(),
                platform.host()
            ),
        )
        .into());
    }
    match parent_id {
        Some(parent) if parent != place.parent() => Err(unresolved(
            Reason::ParentChanged,
            format!(
                "the Partner is now tenant `{}`, and this client was made under `{parent}`: restore the Partner",
                place.parent()
            ),
        )),
        Some(_) | None => Ok(()),
    }
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
        let value = data.as_ref().and_then(|data| data.get(&key.key)).and_then(|bytes| std::str::from_utf8(bytes).ok());
        if let Some(value) = value {
            let value = SecretString::from(value.trim_end_matches(['\r', '\n']).to_owned());
            values.insert(key, value);
        }
    }
    Ok(values)
}

/// Digest of everything outside the object that its tenant is made of, to see whether a look at it is due.
pub(crate) async fn material_digest<K: TenantObject>(object: &K, context: &Context) -> Result<String, Stop> {
    Ok(digest_of(&material(object, context).await?))
}

/// Digest of Secrets and images.
pub(crate) fn digest_of(material: &Material) -> String {
    let Material { images, secrets, salt } = material;
    let files = images.iter().map(|(key, bytes)| format!("{}/{}={}", key.name, key.key, Digest::of(bytes)));
    let values = secrets.iter().map(|(key, secret)| {
        let digest = Digest::salted(salt, secret.expose_secret().as_bytes());
        format!("{}/{}={digest}", key.name, key.key)
    });
    let lines: Vec<String> = files.chain(values).collect();
    Digest::of(lines.join("\n").as_bytes()).hex().to_owned()
}

/// Whether the Partner is on its way out, so that nothing is created under it.
pub(crate) fn refuse_new_under(partner: Option<&Partner>) -> Result<(), Stop> {
    match partner.filter(|partner| is_deleting(*partner)) {
        None => Ok(()),
        Some(partner) => Err(unresolved(
            Reason::PartnerTerminating,
            format!("Partner `{}` is being deleted, so no client is created under it", place(partner)),
        )),
    }
}

/// Whether the Partner was last seen suspended, so that the platform takes no change under it.
pub(crate) fn refuse_under_suspended(partner: Option<&Partner>) -> Result<(), Stop> {
    let Some(partner) = partner else { return Ok(()) };
    let conditions = partner.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let ready = conditions.iter().find(|one| one.type_ == ConditionType::Ready.name());
    if ready.is_none_or(|ready| ready.reason != Reason::Suspended.name()) {
        return Ok(());
    }
    let message = format!(
        "Partner `{}` is suspended on the platform: activate it, for example with `tenantState: Active` on the Partner",
        place(partner)
    );
    Err(unresolved(Reason::PartnerSuspended, message))
}
