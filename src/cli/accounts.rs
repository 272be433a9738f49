//! The accounts that the connections of Partners lead to.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::StreamExt as _;

use super::cluster::Cluster;
use super::connection::Given;
use super::failure::Failure;
use super::ground::named;
use super::one::every;
use super::reach::message;
use super::references::{Lack, References};
use crate::api::Partner;
use crate::connect::{Error, Platform};
use crate::object::Object as _;
use crate::plan::Digest;

/// Credentials that are tried at the same time.
const AT_ONCE: usize = 8;

/// Connections of Partners, each once.
#[derive(Default)]
pub(crate) struct Accounts {
    /// By the fingerprint of the connection.
    connections: BTreeMap<Digest, Connection>,
    unusable: Vec<Unusable>,
}

/// A connection.
struct Connection {
    platform: Platform,
    /// The Partners that lead to it.
    partners: Vec<String>,
}

/// A Partner whose connection cannot be used.
pub(crate) struct Unusable {
    /// The Partner.
    pub(crate) partner: String,
    /// Why.
    pub(crate) why: String,
}

impl From<Unusable> for Failure {
    fn from(Unusable { partner, why }: Unusable) -> Self {
        Self::new(why).about(partner)
    }
}

/// What can be asked, and what cannot.
pub(crate) struct Usable {
    /// One platform for each account.
    pub(crate) platforms: Vec<Platform>,
    /// Partners whose connection cannot be used.
    pub(crate) unusable: Vec<Unusable>,
}

/// What is one account.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Account {
    host: String,
    tenant: String,
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
                let known = self.connections.entry(platform.fingerprint());
                let known = known.or_insert_with(|| Connection { platform, partners: Vec::new() });
                known.partners.push(named(partner));
            }
            Err(lack) => {
                let why = match lack {
                    Lack::Failure(failure) => failure.message,
                    Lack::Outcome(outcome) => message(outcome),
                };
                self.unusable.push(Unusable { partner: named(partner), why });
            }
        }
    }

    /// Asks each platform whether it takes the credential: of several of one account the first that is taken serves, and
    /// one that is refused hides nothing. A host that does not answer is not asked with the credentials that are left.
    pub(crate) async fn usable(self) -> Usable {
        let Self { connections, mut unusable } = self;
        let away = Away::default();
        let checks = connections.into_values().map(async |connection| {
            let checked = away.check(&connection.platform).await;
            (connection, checked)
        });
        // In their order, so that the same credential serves each time.
        let mut checks = futures::stream::iter(checks).buffered(AT_ONCE);
        let mut platforms: BTreeMap<Account, Platform> = BTreeMap::new();
        while let Some((Connection { platform, partners }, checked)) = checks.next().await {
            match checked {
                Ok(()) => {
                    let account = Account { host: platform.host(), tenant: platform.tenant_id().to_owned() };
                    platforms.entry(account).or_insert(platform);
                }
                Err(error) => {
                    let of = |partner| Unusable { partner, why: error.to_string() };
                    unusable.extend(partners.into_iter().map(of));
                }
            }
        }
        Usable { platforms: platforms.into_values().collect(), unusable }
    }
}

/// Hosts that did not answer.
#[derive(Default)]
struct Away(Mutex<BTreeMap<String, Error>>);

impl Away {
    async fn check(&self, platform: &Platform) -> Result<(), Error> {
        let host = platform.host();
        if let Some(error) = self.hosts().get(&host) {
            return Err(error.clone());
        }
        let checked = platform.check().await;
        if let Err(error @ Error::Unavailable { .. }) = &checked {
            self.hosts().insert(host, error.clone());
        }
        checked
    }

    fn hosts(&self) -> MutexGuard<'_, BTreeMap<String, Error>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
