//! What an object refers to, and whether the reference is allowed. Pure: the caller has read the objects.

use std::ops::Deref;

use kube::ResourceExt;
use tenantry_api::{
    AllowedNamespaces, ConditionType, ConnectionStatus, LabelSelector, NamespacesFrom, Partner, Reason, TenantPhase,
    TenantStatus,
};
use tenantry_wire::EXTENSIONS_HEADER;

use super::{
    NotUnderstoodObject, ParentRef, TenantResource, has_finalizer, intent, is_deleting, namespace, namespaced_name,
    unique_id,
};
use crate::{ConfigMapEntry, Digest, PassOutcome, Place, ResolvedReferences};

/// Whether a Partner accepts Clients from a namespace.
pub enum NamespacePermission {
    /// The Partner accepts them.
    Allowed,
    /// The Partner does not accept them.
    Denied,
    /// The Partner accepts them if the selector matches the namespace's labels.
    IfLabelled(LabelSelector),
}

/// Returns whether a Partner accepts Clients from a namespace.
pub fn namespace_permission(partner: &Partner, own: &str) -> NamespacePermission {
    if partner.namespace().as_deref() == Some(own) {
        return NamespacePermission::Allowed;
    }
    let allowed = partner.spec.clients.as_ref().and_then(|clients| clients.allowed_namespaces.as_ref());
    let Some(AllowedNamespaces { from, selector }) = allowed else { return NamespacePermission::Denied };
    match from.unwrap_or_default() {
        NamespacesFrom::Same => NamespacePermission::Denied,
        NamespacesFrom::All => NamespacePermission::Allowed,
        NamespacesFrom::Selector => NamespacePermission::IfLabelled(selector.clone().unwrap_or_default()),
    }
}

/// Returns the outcome for a Client whose Partner does not exist. A reference is immutable, so a wrong one needs a new
/// object. The tenant of a Client whose Partner was released is unchanged.
pub fn partner_not_found_outcome<K: TenantResource>(object: &K, namespace: &str, name: &str) -> PassOutcome {
    let advice = match unique_id(object) {
        Some(id) => format!("create it again with the same name; until then nothing is written to tenant `{id}`"),
        // A manifest that has not been applied yet.
        None if object.uid().is_none() => "create it, or correct `partnerRef`".to_owned(),
        None => format!("create it, or {RECREATE_CLIENT_ADVICE}"),
    };
    PassOutcome::Unresolved(Reason::PartnerNotFound, format!("Partner `{namespace}/{name}` does not exist: {advice}"))
}

/// Advice for a reference to the wrong Partner, which cannot be changed.
const RECREATE_CLIENT_ADVICE: &str = "delete this Client and create it with the right `partnerRef`";

/// Returns the outcome for a Client whose Partner has members that this release does not know.
pub fn partner_not_understood_outcome(partner: &NotUnderstoodObject) -> PassOutcome {
    PassOutcome::Unresolved(
        Reason::PartnerNotReady,
        format!(
            "Partner `{}` is not understood: {}: upgrade the operator or correct the value there",
            partner.namespaced_name(),
            partner.unknown_summary()
        ),
    )
}

/// Returns the outcome for a Partner that does not accept Clients from this namespace.
pub fn namespace_not_allowed_outcome(partner_namespace: &str, name: &str, own: &str) -> PassOutcome {
    PassOutcome::Unresolved(
        Reason::NamespaceNotAllowed,
        format!(
            "Partner `{partner_namespace}/{name}` does not allow Clients from namespace `{own}`: allow it in the Partner's `clients.allowedNamespaces`"
        ),
    )
}

/// Returns the Partners of a tenant, given its id and host: the ones that manage it or, if there are none, the ones
/// that observe it.
pub fn partners_of_tenant<P: Deref<Target = Partner>>(partners: Vec<P>, id: &str, host: &str) -> Vec<P> {
    let is_of = |partner: &Partner| {
        let connection = partner.status.as_ref().and_then(|status| status.connection.as_ref());
        let has_lost = [Reason::HandedOver, Reason::OwnedElsewhere, Reason::NotAdopted];
        unique_id(partner) == Some(id)
            && connection.is_none_or(|connection| connection.host == host)
            && has_lost.iter().all(|reason| super::ready_reason(partner) != Some(reason.name()))
    };
    let (managing, observing): (Vec<P>, Vec<P>) =
        partners.into_iter().filter(|partner| is_of(partner)).partition(|partner| has_finalizer::<Partner>(partner));
    if managing.is_empty() { observing } else { managing }
}

/// Checks the connection of an object that names a partner by its id: it must belong to exactly that tenant. `account`
/// is the tenant of the credential.
///
/// # Errors
///
/// Fails for the connection of another tenant.
pub fn check_connection_tenant(id: &str, account: &str) -> Result<(), PassOutcome> {
    if account == id {
        return Ok(());
    }
    Err(PassOutcome::Unauthorised(
        Reason::ConnectionMismatch,
        format!(
            "`partnerUniqueId` is `{id}` and the connection is one of tenant `{account}`: name a Secret with a credential of `{id}` and that id as `tenantId`"
        ),
    ))
}

/// Checks the own connection of a Client: it must belong to exactly its Partner's tenant, on its Partner's platform.
///
/// # Errors
///
/// Fails for the connection of another tenant or platform.
pub fn check_own_connection<K: TenantResource>(
    object: &K,
    (host, account): (&str, &str),
    partner: Option<&Partner>,
) -> Result<(), PassOutcome> {
    let Some((partner, secret)) = partner.zip(object.connection_secret()) else { return Ok(()) };
    let Some(id) = unique_id(partner) else { return Ok(()) };
    let status = partner.status.as_ref().and_then(|status| status.connection.as_ref());
    let platform = status.map_or(host, |connection| connection.host.as_str());
    if account == id && host == platform {
        return Ok(());
    }
    Err(PassOutcome::Unauthorised(
        Reason::ConnectionMismatch,
        format!(
            "Secret `{secret}` is a connection of tenant `{account}` on `{host}`, and the Partner is `{id}` on `{platform}`: name a Secret with a credential of `{id}` and that id as `tenantId`, or remove `connectionSecretRef` to use the Partner's connection"
        ),
    ))
}

/// Returns the outcome if the Partner object of a tenant that is named by its id does not accept Clients from this
/// namespace.
pub fn partner_id_not_allowed_outcome(id: &str, own: &str) -> PassOutcome {
    PassOutcome::Unresolved(
        Reason::NamespaceNotAllowed,
        format!(
            "the Partner object of tenant `{id}` does not allow Clients from namespace `{own}`: its owner must allow it in `clients.allowedNamespaces`"
        ),
    )
}

/// Returns the place of the tenant; `account` is the tenant of the credential.
///
/// # Errors
///
/// Fails if the Partner is not on the platform yet.
pub fn resolve_place<K: TenantResource>(
    object: &K,
    account: &str,
    partner: Option<&Partner>,
) -> Result<Place, PassOutcome> {
    Ok(match object.parent() {
        ParentRef::Provider => Place::Partners { sp: account.to_owned() },
        ParentRef::Id(id) => Place::Clients { msp: id },
        ParentRef::Object(..) => Place::Clients { msp: partner_id(partner)?.to_owned() },
    })
}

fn partner_id(partner: Option<&Partner>) -> Result<&str, PassOutcome> {
    let name = partner.map(namespaced_name).unwrap_or_default();
    if partner.and_then(super::ready_reason) == Some(Reason::HandedOver.name()) {
        return Err(PassOutcome::Unresolved(
            Reason::PartnerNotReady,
            format!("Partner `{name}` has handed its tenant over: {RECREATE_CLIENT_ADVICE}"),
        ));
    }
    partner.and_then(unique_id).ok_or_else(|| {
        PassOutcome::Unresolved(
            Reason::PartnerNotReady,
            format!("Partner `{name}` is not on the platform yet: waiting for its `status.uniqueId`"),
        )
    })
}

/// Returns the namespace and name of the connection Secret: the object's own, or its Partner's.
pub fn connection_secret<K: TenantResource>(object: &K, partner: Option<&Partner>) -> Option<(String, String)> {
    if let Some(name) = object.connection_secret() {
        return Some((namespace(object), name.to_owned()));
    }
    let partner = partner?;
    partner.connection_secret().map(|name| (namespace(partner), name.to_owned()))
}

/// Checks that a tenant keeps the account and the parent that it was created with. Otherwise a Secret for another
/// account would make the operator search there, not find the tenant, and create a second one.
///
/// # Errors
///
/// Returns what the connection or the Partner refers to instead.
pub fn check_pinned_connection<K: TenantResource>(
    object: &K,
    seen_host: &str,
    seen_tenant: &str,
    place: &Place,
) -> Result<(), PassOutcome> {
    let Some(ConnectionStatus { host, tenant_id, parent_id, extensions: _ }) =
        object.status().and_then(|status| status.connection.as_ref())
    else {
        return Ok(());
    };
    // A Client with its own connection may use any connection that belongs to exactly its parent's tenant.
    let is_of_parent = object.connection_secret().is_some()
        && place.parent_id() == seen_tenant
        && parent_id.as_deref() == Some(seen_tenant);
    if host != seen_host || tenant_id != seen_tenant && !is_of_parent {
        let moved = if tenant_id == seen_tenant {
            format!(
                "; where that platform itself has moved, start the operator with `--platform-moved {host}={seen_host}`"
            )
        } else {
            String::new()
        };
        return Err(PassOutcome::Unauthorised(
            Reason::ConnectionIdentityChanged,
            format!(
                "the connection leads to account `{seen_tenant}` on `{seen_host}`, and the tenant was made with `{tenant_id}` on `{host}`: restore the Secret{moved}"
            ),
        ));
    }
    match parent_id {
        Some(parent) if parent != place.parent_id() => Err(PassOutcome::Unresolved(
            Reason::ParentChanged,
            format!(
                "the Partner is now tenant `{}`, and this client was made under `{parent}`: restore the Partner",
                place.parent_id()
            ),
        )),
        Some(_) | None => Ok(()),
    }
}

/// Checks that the platform still reports its extensions if it reported them when the object or its Partner was last
/// seen there. If it no longer does, something between the operator and the platform hides them. The answers would then
/// be read by other rules: the owner of a tenant would be invisible, and our mark would be written over the customer's
/// own number.
///
/// # Errors
///
/// Returns what the platform reported before, and that nothing is written.
pub fn ensure_extensions_not_hidden<K: TenantResource>(
    object: &K,
    partner: Option<&Partner>,
    (host, extensions): (&str, bool),
) -> Result<(), PassOutcome> {
    let of_status = |status: Option<&TenantStatus>| {
        let connection = status?.connection.as_ref().filter(|connection| connection.host == host)?;
        connection.extensions
    };
    let known = [
        of_status(object.status()),
        intent(object).and_then(|intent| intent.extensions),
        of_status(partner.and_then(|partner| partner.status.as_ref())),
    ];
    if extensions || !known.contains(&Some(true)) {
        return Ok(());
    }
    Err(PassOutcome::Refused(
        Reason::ExtensionsMissing,
        format!(
            "`{host}` had Tenantry's extensions and its answers no longer say so, so nothing is written: let the header `{EXTENSIONS_HEADER}` of its answers pass through every proxy on the way"
        ),
    ))
}

/// Returns the digest of the images and of the versions of the Secrets that an object and its inherited defaults refer
/// to.
pub fn digest_references(own: &ResolvedReferences, defaults: &ResolvedReferences) -> String {
    let lines = [own, defaults].into_iter().flat_map(
        |ResolvedReferences { namespace: _, images, secrets, applied_secrets: _, applied_images: _ }| {
            let files = images.iter().map(|(key, read)| match read {
                ConfigMapEntry::File(bytes) => format!("{}/{}={}", key.name, key.key, Digest::of_bytes(bytes)),
                ConfigMapEntry::Text | ConfigMapEntry::NoKey => format!("{}/{}={read:?}", key.name, key.key),
            });
            // The version identifies the value of a Secret without revealing anything about it.
            let versions = secrets.values().map(|read| format!("{}/{}", read.source.namespace, read.source));
            files.chain(versions).chain(["-".to_owned()]).collect::<Vec<_>>()
        },
    );
    Digest::of_bytes(lines.collect::<Vec<_>>().join("\n").as_bytes()).hex().to_owned()
}

/// Refuses to create a tenant under a Partner that is being deleted.
pub fn ensure_partner_not_deleting(partner: Option<&Partner>) -> Result<(), PassOutcome> {
    match partner.filter(|partner| is_deleting(*partner)) {
        None => Ok(()),
        Some(partner) => Err(PassOutcome::Unresolved(
            Reason::PartnerTerminating,
            format!("Partner `{}` is being deleted, so no client is created under it", namespaced_name(partner)),
        )),
    }
}

/// Refuses changes under a Partner that was last seen suspended, because the platform rejects them.
pub fn ensure_partner_not_suspended(partner: Option<&Partner>) -> Result<(), PassOutcome> {
    let Some((partner, status)) = partner.and_then(|partner| Some((partner, partner.status.as_ref()?))) else {
        return Ok(());
    };
    let ready = status.conditions.iter().find(|one| one.type_ == ConditionType::Ready.name());
    let is_suspended = ready.is_some_and(|ready| ready.reason == Reason::Suspended.name());
    // While the deletion is held, Ready shows the cause and each check updates the phase.
    let rests = matches!(status.phase, Some(TenantPhase::Suspended | TenantPhase::Terminating));
    let takes_changes = !is_suspended && (!is_deleting(partner) || !rests);
    if takes_changes {
        return Ok(());
    }
    let place = namespaced_name(partner);
    let advice = if is_deleting(partner) {
        " and its object is being deleted: delete this Client as well, or set `deletion.policy: Retain` on the Partner to cancel its end"
    } else {
        ": activate it, for example with `tenantState: Active` on the Partner"
    };
    let message = format!("Partner `{place}` is suspended on the platform{advice}");
    Err(PassOutcome::Unresolved(Reason::PartnerSuspended, message))
}
