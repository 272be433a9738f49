//! The platform accounts that the connections of Partners lead to.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::StreamExt as _;
use tenantry_api::Partner;
use tenantry_client::{CallError, PlatformClient};
use tenantry_core::Digest;
use tenantry_core::object::TenantResource as _;

use super::cluster::Cluster;
use super::connection::ConnectionOverride;
use super::failure::Failure;
use super::inventory::object_label;
use super::object_arg::list_objects;
use super::object_platform::outcome_message;
use super::references::{ReferenceError, ReferenceReader};

/// Number of credentials that are checked at the same time.
const CONCURRENT_CHECKS: usize = 8;

/// The distinct connections of Partners.
#[derive(Default)]
pub(crate) struct PlatformAccounts {
    /// Connections by their fingerprint.
    connections: BTreeMap<Digest, AccountConnection>,
    unusable: Vec<UnusableConnection>,
}

/// A connection and its Partners.
struct AccountConnection {
    platform: PlatformClient,
    /// The Partners that use it.
    partners: Vec<String>,
}

/// A Partner whose connection cannot be used.
pub(crate) struct UnusableConnection {
    /// The Partner.
    pub(crate) partner: String,
    /// The reason.
    pub(crate) reason: String,
}

impl From<UnusableConnection> for Failure {
    fn from(UnusableConnection { partner, reason: why }: UnusableConnection) -> Self {
        Self::new(why).about(partner)
    }
}

/// The accounts that can be queried, and the Partners that have none.
pub(crate) struct UsableAccounts {
    /// One platform for each account.
    pub(crate) platforms: Vec<PlatformClient>,
    /// Partners whose connection cannot be used.
    pub(crate) unusable: Vec<UnusableConnection>,
}

/// What identifies an account.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct AccountId {
    host: String,
    tenant: String,
}

impl UsableAccounts {
    /// Collects the connections of all Partners in the cluster, or in one namespace.
    pub(crate) async fn from_cluster(
        connection_override: ConnectionOverride,
        cluster: &Cluster,
        namespace: Option<&str>,
    ) -> Result<Self, Failure> {
        let mut references = ReferenceReader::from_cluster_only(connection_override);
        let mut accounts = PlatformAccounts::default();
        let partners = list_objects::<Partner>(cluster, namespace).await?.understood;
        for partner in partners.iter().filter(|partner| partner.connection_secret().is_some()) {
            accounts.add_connection(partner, references.platform_of(partner, None, Some(cluster)).await);
        }
        Ok(accounts.check_credentials().await)
    }
}

impl PlatformAccounts {
    /// Adds the connection of a Partner, or the reason why it has none.
    pub(crate) fn add_connection(&mut self, partner: &Partner, found: Result<PlatformClient, ReferenceError>) {
        match found {
            Ok(platform) => {
                let known = self.connections.entry(platform.fingerprint());
                let known = known.or_insert_with(|| AccountConnection { platform, partners: Vec::new() });
                known.partners.push(object_label(partner));
            }
            Err(lack) => {
                let why = match lack {
                    ReferenceError::Failure(failure) => failure.message,
                    ReferenceError::Outcome(outcome) => outcome_message(outcome),
                };
                self.unusable.push(UnusableConnection { partner: object_label(partner), reason: why });
            }
        }
    }

    /// Checks each credential against its platform. If several credentials belong to one account, the first accepted
    /// one is used, and a refused one hides nothing. A host that does not answer is not queried with the remaining
    /// credentials.
    pub(crate) async fn check_credentials(self) -> UsableAccounts {
        let Self { connections, mut unusable } = self;
        let away = UnreachableHosts::default();
        let checks = connections.into_values().map(async |connection| {
            let checked = away.check(&connection.platform).await;
            (connection, checked)
        });
        // The order is fixed, so that the same credential is chosen each time.
        let mut checks = futures::stream::iter(checks).buffered(CONCURRENT_CHECKS);
        let mut platforms: BTreeMap<AccountId, PlatformClient> = BTreeMap::new();
        while let Some((AccountConnection { platform, partners }, checked)) = checks.next().await {
            match checked {
                Ok(()) => {
                    let account = AccountId { host: platform.host(), tenant: platform.tenant_id().to_owned() };
                    platforms.entry(account).or_insert(platform);
                }
                Err(error) => {
                    let of = |partner| UnusableConnection { partner, reason: error.to_string() };
                    unusable.extend(partners.into_iter().map(of));
                }
            }
        }
        UsableAccounts { platforms: platforms.into_values().collect(), unusable }
    }
}

/// Hosts that did not answer, each with its error.
#[derive(Default)]
struct UnreachableHosts(Mutex<BTreeMap<String, CallError>>);

impl UnreachableHosts {
    async fn check(&self, platform: &PlatformClient) -> Result<(), CallError> {
        let host = platform.host();
        if let Some(error) = self.hosts().get(&host) {
            return Err(error.clone());
        }
        let checked = platform.check_credential().await;
        if let Err(error @ CallError::Unavailable { .. }) = &checked {
            self.hosts().insert(host, error.clone());
        }
        checked
    }

    fn hosts(&self) -> MutexGuard<'_, BTreeMap<String, CallError>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
