//! The platform behind one object, and the tenant's place on it.

use std::collections::BTreeMap;

use kube::Api;

use super::cluster::Cluster;
use super::connection::{self, ConnectionFlags};
use super::failure::Failure;
use super::one::shown;
use crate::api::Partner;
use crate::connect::{Error, Place, Platform};
use crate::object::{Object, Parent, connection_secret, no_partner, outcome, pinned, stands_in};
use crate::plan::Outcome;

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
    let about = |failure: Failure| failure.about(shown(object));
    let refused = |outcome: Outcome| about(Failure::new(message(outcome)));
    let partner = match object.parent() {
        Parent::Object(namespace, name) => {
            let found = Api::<Partner>::namespaced(cluster.client.clone(), &namespace).get_opt(&name).await?;
            Some(found.ok_or_else(|| refused(no_partner(&namespace, &name)))?)
        }
        Parent::Provider | Parent::Id(_) => None,
    };
    let given = flags.platform()?;
    let is_given = given.is_some();
    let platform = match given {
        Some(platform) => platform,
        None => by_secret(object, partner.as_ref(), cluster).await.map_err(about)?,
    };
    let place = stands_in(object, platform.tenant_id(), partner.as_ref()).map_err(refused)?;
    // A connection from a file is often the service provider's where the object's own is its Partner's: only the host
    // must be the same.
    let recorded = object.status().and_then(|status| status.connection.as_ref());
    let tenant = recorded.filter(|_| is_given).map_or(platform.tenant_id(), |recorded| &recorded.tenant_id);
    pinned(object, (&platform.host(), tenant), &place).map_err(refused)?;
    Ok(Reached { platform, place })
}

async fn by_secret<K: Object>(object: &K, partner: Option<&Partner>, cluster: &Cluster) -> Result<Platform, Failure> {
    let Some((namespace, name)) = connection_secret(object, partner) else {
        let message = "the object names no connection, and which one the operator takes is not known here: give it with `--connection FILE`";
        return Err(Failure::new(message));
    };
    let Some(secret) = cluster.secret(&namespace, &name).await? else {
        let message = format!(
            "Secret `{namespace}/{name}` does not exist: create it with `url`, `tenantId`, `clientId` and `clientSecret`, or give the connection with `--connection FILE`"
        );
        return Err(Failure::new(message));
    };
    let data: BTreeMap<String, Vec<u8>> =
        secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect();
    connection::platform(&data, &format!("Secret `{namespace}/{name}`"))
}

/// What an answer of the platform means for an object.
pub(crate) fn unanswered<K: Object>(object: &K, error: &Error) -> Failure {
    Failure::new(message(outcome(K::KIND, error))).about(shown(object))
}

/// The sentence of an outcome that is in the way.
fn message(outcome: Outcome) -> String {
    match outcome {
        Outcome::Unresolved(_, message)
        | Outcome::Unauthorised(_, message)
        | Outcome::Refused(_, message)
        | Outcome::Failed(_, message)
        | Outcome::Held(_, message)
        | Outcome::Ending(_, message)
        | Outcome::Leaving(_, message) => message,
        Outcome::Settled(_) | Outcome::Paused | Outcome::Awaiting(_) => "the operator would not act on it".to_owned(),
    }
}
