//! The platform of one object, and the tenant's place on it.

use kube::Api;
use tenantry_api::{Partner, Reason};
use tenantry_client::{CallError, PlatformClient, platform_error_outcome};
use tenantry_core::object::{
    ParentRef, ParsedObject, TenantResource, check_pinned_connection, partner_not_found_outcome, resolve_place,
};
use tenantry_core::{PassOutcome, Place, TenantKind};

use super::cluster::Cluster;
use super::connection::ConnectionFlags;
use super::failure::Failure;
use super::inventory::{not_understood_failure, object_label};
use super::references::{ReferenceError, ReferenceReader};

/// The platform of an object.
pub(crate) struct ObjectPlatform {
    /// The platform.
    pub(crate) platform: PlatformClient,
    /// The tenant's place.
    pub(crate) place: Place,
}

/// Resolves the platform of an object as the operator would. A connection that a flag names replaces the Secret.
///
/// # Errors
/// Fails if its Partner or its Secret is missing, or if the connection leads to another platform than the tenant's.
pub(crate) async fn resolve_object_platform<K: TenantResource>(
    object: &K,
    flags: &ConnectionFlags,
    cluster: &Cluster,
) -> Result<ObjectPlatform, Failure> {
    let about = |failure: Failure| failure.about(object_label(object));
    let refused = |outcome: PassOutcome| about(Failure::new(outcome_message(outcome)));
    let partner = match object.parent() {
        ParentRef::Object(namespace, name) => {
            let partners = Api::<ParsedObject<Partner>>::namespaced(cluster.client.clone(), &namespace);
            let found = partners
                .get_opt(&name)
                .await?
                .ok_or_else(|| refused(partner_not_found_outcome(object, &namespace, &name)))?;
            Some(found.into_understood().map_err(|other| not_understood_failure(TenantKind::Partner, &other))?)
        }
        ParentRef::Provider | ParentRef::Id(_) => None,
    };
    let mut references = ReferenceReader::from_cluster_only(flags.connection_override(Some(cluster)).await?);
    let platform = match references.platform_of(object, partner.as_ref(), Some(cluster)).await {
        Ok(platform) => platform,
        Err(ReferenceError::Outcome(outcome)) => return Err(refused(outcome)),
        Err(ReferenceError::Failure(failure)) => return Err(about(failure)),
    };
    let place = resolve_place(object, platform.tenant_id(), partner.as_ref()).map_err(refused)?;
    // A connection from a file is often the service provider's while the object uses its Partner's: only the host must
    // match.
    let recorded = object.status().and_then(|status| status.connection.as_ref());
    let tenant = recorded
        .filter(|_| references.has_connection_override())
        .map_or(platform.tenant_id(), |recorded| &recorded.tenant_id);
    check_pinned_connection(object, &platform.host(), tenant, &place).map_err(refused)?;
    Ok(ObjectPlatform { platform, place })
}

/// Translates an error of the platform into a failure about an object.
pub(crate) fn platform_failure<K: TenantResource>(object: &K, error: &CallError) -> Failure {
    Failure::new(outcome_message(platform_error_outcome(K::KIND, error))).about(object_label(object))
}

/// Returns whether a reason means that the platform could not be reached, which is not a property of the object.
pub(crate) const fn is_connection_reason(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::PlatformUnavailable
            | Reason::RateLimited
            | Reason::CredentialsRefused
            | Reason::CredentialsUnavailable
            | Reason::ConnectionIdentityChanged
    )
}

/// Returns whether an error of a list means that the platform could not be reached, and not that this one list is
/// unavailable. A list whose body cannot be parsed counts as unreachable.
pub(crate) const fn is_connection_error(error: &CallError) -> bool {
    error.is_connection_error() || matches!(error, CallError::Malformed { .. })
}

/// Returns the message of an outcome that blocks the verb.
pub(crate) fn outcome_message(outcome: PassOutcome) -> String {
    outcome.into_message().unwrap_or_else(|| "the operator would not act on it".to_owned())
}
