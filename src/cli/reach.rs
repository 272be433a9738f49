//! The platform behind one object, and the tenant's place on it.

use kube::Api;

use super::cluster::Cluster;
use super::connection::ConnectionFlags;
use super::failure::Failure;
use super::ground::{named, not_understood};
use super::references::{Lack, References};
use crate::api::{Partner, Reason};
use crate::connect::{Error, Place, Platform};
use crate::object::{Object, Parent, Reading, no_partner, outcome, pinned, stands_in};
use crate::plan::{Kind, Outcome};

/// The platform of an object.
pub(crate) struct Reached {
    /// The platform.
    pub(crate) platform: Platform,
    /// Where the tenant stands.
    pub(crate) place: Place,
}

/// Reaches the platform of an object as the operator would; a connection that a flag names serves instead of the Secret.
///
/// # Errors
/// Its Partner or its Secret is missing, or it leads elsewhere than to where the tenant was made.
pub(crate) async fn reach<K: Object>(
    object: &K,
    flags: &ConnectionFlags,
    cluster: &Cluster,
) -> Result<Reached, Failure> {
    let about = |failure: Failure| failure.about(named(object));
    let refused = |outcome: Outcome| about(Failure::new(message(outcome)));
    let partner = match object.parent() {
        Parent::Object(namespace, name) => {
            let partners = Api::<Reading<Partner>>::namespaced(cluster.client.clone(), &namespace);
            let found = partners.get_opt(&name).await?.ok_or_else(|| refused(no_partner(object, &namespace, &name)))?;
            Some(found.understood().map_err(|other| not_understood(Kind::Partner, &other))?)
        }
        Parent::Provider | Parent::Id(_) => None,
    };
    let mut references = References::of_the_cluster(flags.given(Some(cluster)).await?);
    let platform = match references.platform(object, partner.as_ref(), Some(cluster)).await {
        Ok(platform) => platform,
        Err(Lack::Outcome(outcome)) => return Err(refused(outcome)),
        Err(Lack::Failure(failure)) => return Err(about(failure)),
    };
    let place = stands_in(object, platform.tenant_id(), partner.as_ref()).map_err(refused)?;
    // A connection from a file is often the service provider's where the object's own is its Partner's: only the host
    // must be the same.
    let recorded = object.status().and_then(|status| status.connection.as_ref());
    let tenant =
        recorded.filter(|_| references.is_given()).map_or(platform.tenant_id(), |recorded| &recorded.tenant_id);
    pinned(object, (&platform.host(), tenant), &place).map_err(refused)?;
    Ok(Reached { platform, place })
}

/// What an answer of the platform means for an object.
pub(crate) fn unanswered<K: Object>(object: &K, error: &Error) -> Failure {
    Failure::new(message(outcome(K::KIND, error))).about(named(object))
}

/// Whether a reason says that the platform could not be asked, which is no property of the object.
pub(crate) const fn is_of_connection(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::PlatformUnavailable
            | Reason::RateLimited
            | Reason::CredentialsRefused
            | Reason::CredentialsUnavailable
            | Reason::ConnectionIdentityChanged
    )
}

/// Whether an answer to a list says that the platform could not be asked, and not that this one list is missing.
pub(crate) fn breaks_connection(kind: Kind, error: &Error) -> bool {
    match outcome(kind, error) {
        Outcome::Unresolved(reason, _)
        | Outcome::Unauthorised(reason, _)
        | Outcome::Refused(reason, _)
        | Outcome::Failed(reason, _) => is_of_connection(reason),
        Outcome::Settled(_)
        | Outcome::Paused(_)
        | Outcome::Awaiting(_)
        | Outcome::Held(..)
        | Outcome::Ending(..)
        | Outcome::Leaving(..) => false,
    }
}

/// The sentence of an outcome that is in the way.
pub(crate) fn message(outcome: Outcome) -> String {
    outcome.into_message().unwrap_or_else(|| "the operator would not act on it".to_owned())
}
