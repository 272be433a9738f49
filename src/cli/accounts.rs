//! The accounts that the connections of Partners lead to.

use std::collections::BTreeMap;

use super::cluster::Cluster;
use super::connection::Given;
use super::failure::Failure;
use super::ground::named;
use super::one::every;
use super::reach::message;
use super::references::{Lack, References};
use crate::api::Partner;
use crate::connect::Platform;
use crate::object::Object as _;
use crate::plan::Digest;

/// Connections of Partners, each once.
#[derive(Default)]
pub(crate) struct Accounts {
    /// The platform and the Partners that lead to it, by the fingerprint of the connection.
    connections: BTreeMap<Digest, (Platform, Vec<String>)>,
    unusable: Vec<(String, String)>,
}

/// What can be asked, and what cannot.
pub(crate) struct Usable {
    /// One platform for each account.
    pub(crate) platforms: Vec<Platform>,
    /// Partners whose connection cannot be used, and why.
    pub(crate) unusable: Vec<(String, String)>,
}

impl Usable {
    /// What the Partners of the cluster, or of one namespace, lead to.
    pub(crate) async fn of_the_cluster(
        given: Given,
        cluster: &Cluster,
        namespace: Option<&str>,
    ) -> Result<Self, Failure> {
        let mut references = References::of_the_cluster(given);
        let mut accounts = Accounts::default();
        let partners = every::<Partner>(cluster, namespace).await?.understood;
        for partner in partners.iter().filter(|partner| partner.connection_secret().is_some()) {
            accounts.add(partner, references.platform(partner, None, Some(cluster)).await);
        }
        Ok(accounts.usable().await)
    }
}

impl Accounts {
    /// Adds the connection of a Partner.
    pub(crate) fn add(&mut self, partner: &Partner, found: Result<Platform, Lack>) {
        match found {
            Ok(platform) => {
                let entry = self.connections.entry(platform.fingerprint()).or_insert((platform, Vec::new()));
                entry.1.push(named(partner));
            }
            Err(Lack::Failure(failure)) => self.unusable.push((named(partner), failure.message)),
            Err(Lack::Outcome(outcome)) => self.unusable.push((named(partner), message(outcome))),
        }
    }

    /// Asks each platform whether it takes the credential: of several of one account the first that is taken serves, and
    /// one that is refused hides nothing.
    pub(crate) async fn usable(self) -> Usable {
        let Self { connections, mut unusable } = self;
        let mut platforms: BTreeMap<(String, String), Platform> = BTreeMap::new();
        for (platform, partners) in connections.into_values() {
            if let Err(error) = platform.check().await {
                unusable.extend(partners.into_iter().map(|partner| (partner, error.to_string())));
            } else {
                platforms.entry((platform.host(), platform.tenant_id().to_owned())).or_insert(platform);
            }
        }
        Usable { platforms: platforms.into_values().collect(), unusable }
    }
}
