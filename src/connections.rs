//! Platforms by connection: one client for each, and a block on refused credentials for a while.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;
use tenantry_api::Reason;
use tenantry_client::{ChangeGuard, Connection, Connector, PlatformClient};
use tokio::time::Instant;

use super::account_bulkheads::{AccountBulkheads, PlatformAccount};
use super::cached_reads::NamespacedName;
use super::context::lock;
use super::leadership_claim::LeadershipClaim;

/// A refused credential is retried at most this often.
const REFUSED_CREDENTIAL_PAUSE: Duration = Duration::from_secs(30);

/// A connection that nobody has used for this long is dropped.
const IDLE_LIMIT: Duration = Duration::from_hours(1);

/// Why there is no connection: reason and message of the condition.
pub(crate) type NoConnection = (Reason, String);

/// Platform clients by the fingerprint of their connection.
pub(crate) struct PlatformConnections {
    timeout: Duration,
    connector: Connector,
    guard: ChangeGuard,
    known: Mutex<KnownPlatforms>,
}

#[derive(Default)]
struct KnownPlatforms {
    platforms: HashMap<String, PlatformEntry>,
    /// The connection of each Secret. A new connection replaces the one that the Secret named before.
    secrets: HashMap<NamespacedName, String>,
}

struct PlatformEntry {
    platform: PlatformClient,
    refusal: Option<(Instant, String)>,
    last_used: Instant,
}

impl KnownPlatforms {
    /// Records the connection of a Secret. Its previous connection is dropped, unless another Secret uses it.
    fn record_secret(&mut self, secret: &NamespacedName, key: &str) {
        let before = self.secrets.insert(secret.clone(), key.to_owned());
        if let Some(before) = before.filter(|before| before != key)
            && !self.secrets.values().any(|other| *other == before)
        {
            self.platforms.remove(&before);
        }
    }

    fn remove_idle(&mut self) {
        self.platforms.retain(|_, line| line.last_used.elapsed() < IDLE_LIMIT);
        let Self { platforms, secrets } = self;
        secrets.retain(|_, key| platforms.contains_key(key));
    }
}

impl PlatformConnections {
    /// Builds an empty set. Changes are sent only while the claim holds.
    pub(crate) fn new(timeout: Duration, connector: Connector, claim: LeadershipClaim) -> Self {
        Self { timeout, connector, guard: ChangeGuard::new(move || claim.is_leading()), known: Mutex::default() }
    }

    /// Returns the platform for the connection in a Secret. A credential that was refused a moment ago is not tried.
    pub(crate) fn platform_for(
        &self,
        secret: &NamespacedName,
        connection: Connection,
        accounts: &AccountBulkheads,
    ) -> Result<PlatformClient, NoConnection> {
        let mut held = lock(&self.known);
        let key = connection.fingerprint().hex().to_owned();
        let is_new = !held.platforms.contains_key(&key);
        if is_new {
            held.remove_idle();
            let platform = self.connect_platform(connection, accounts)?;
            held.platforms.insert(key.clone(), PlatformEntry { platform, refusal: None, last_used: Instant::now() });
        }
        held.record_secret(secret, &key);
        if is_new {
            accounts.remove_unused(|account| {
                held.platforms.values().any(|line| PlatformAccount::of_platform(&line.platform) == *account)
            });
        }
        let Some(line) = held.platforms.get_mut(&key) else {
            return Err((Reason::InternalError, "the connection was forgotten: trying again".to_owned()));
        };
        line.last_used = Instant::now();
        match &line.refusal {
            Some((at, message)) if at.elapsed() < REFUSED_CREDENTIAL_PAUSE => {
                Err((Reason::CredentialsRefused, message.clone()))
            }
            _ => {
                line.refusal = None;
                Ok(line.platform.clone())
            }
        }
    }

    fn connect_platform(
        &self,
        connection: Connection,
        accounts: &AccountBulkheads,
    ) -> Result<PlatformClient, NoConnection> {
        let account = PlatformAccount::new(connection.host(), connection.tenant_id());
        let wire = (self.connector)(&connection, self.timeout)
            .map_err(|error| (Reason::CredentialsUnavailable, error.to_string()))?;
        // The breaker wraps the metrics layer: a request that the breaker holds back is not counted.
        let wire = accounts.breaker_for(&account).wrap_service(wire, self.timeout);
        Ok(PlatformClient::from_service(connection, self.timeout, wire, self.guard.clone()))
    }

    /// Returns the account to which a Secret led when it was last read.
    pub(crate) fn account_of(&self, secret: &NamespacedName) -> Option<PlatformAccount> {
        let held = lock(&self.known);
        held.secrets
            .get(secret)
            .and_then(|key| held.platforms.get(key))
            .map(|line| PlatformAccount::of_platform(&line.platform))
    }

    /// Blocks the credential of a platform after a refusal.
    pub(crate) fn block_refused_credential(&self, platform: &PlatformClient, message: &str) {
        if let Some(line) = lock(&self.known).platforms.get_mut(platform.fingerprint().hex()) {
            line.refusal = Some((Instant::now(), message.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::routing::post;
    use axum::{Json, Router};
    use serde_json::json;
    use tenantry_core::Place;

    use super::super::account_bulkheads::ConcurrencyLimits;
    use super::*;

    /// Starts a platform that counts changes; returns its URL.
    async fn counting_platform(changes: Arc<AtomicUsize>) -> String {
        let change = move || {
            changes.fetch_add(1, Ordering::SeqCst);
            std::future::ready(Json(json!({})))
        };
        let router = Router::new()
            .route("/tenancy/auth/oauth/token", post(|| async { Json(json!({"access_token": "t", "expires_in": 60})) }))
            .fallback(post(change));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    #[tokio::test]
    async fn a_platform_is_changed_only_while_the_claim_holds() {
        let changes = Arc::new(AtomicUsize::new(0));
        let url = counting_platform(Arc::clone(&changes)).await;
        let data: BTreeMap<String, Vec<u8>> =
            [("url", url.as_str()), ("tenantId", "msp_1"), ("clientId", "a"), ("clientSecret", "b")]
                .map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec()))
                .into();
        let claim = LeadershipClaim::default();
        let connections =
            PlatformConnections::new(Duration::from_secs(5), tenantry_client::network_connector(None), claim.clone());
        let accounts = AccountBulkheads::new(ConcurrencyLimits { total: 8, per_account: 4 });
        let secret = NamespacedName { namespace: "a".to_owned(), name: "platform".to_owned() };
        let platform = connections.platform_for(&secret, Connection::from_secret(&data).unwrap(), &accounts).unwrap();
        let place = Place::Clients { msp: "msp_1".to_owned() };
        let refused = platform.suspend_tenant(&place, "client_1").await.unwrap_err().to_string();
        assert!(refused.ends_with("this operator no longer leads"), "{refused}");
        assert_eq!(changes.load(Ordering::SeqCst), 0);
        claim.extend_until(claim.process_time() + Duration::from_mins(1));
        platform.suspend_tenant(&place, "client_1").await.unwrap();
        claim.revoke();
        platform.suspend_tenant(&place, "client_1").await.unwrap_err();
        assert_eq!(changes.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_credential_that_was_refused_is_tried_again_only_after_a_pause() {
        let connections = PlatformConnections::new(
            Duration::from_secs(5),
            tenantry_client::network_connector(None),
            LeadershipClaim::default(),
        );
        let accounts = AccountBulkheads::new(ConcurrencyLimits { total: 8, per_account: 4 });
        let secret = NamespacedName { namespace: "a".to_owned(), name: "platform".to_owned() };
        let connect = || {
            let pairs =
                [("url", "https://acme.example"), ("tenantId", "msp_1"), ("clientId", "a"), ("clientSecret", "b")];
            let data = pairs.map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec())).into();
            connections.platform_for(&secret, Connection::from_secret(&data).unwrap(), &accounts)
        };
        connections.block_refused_credential(&connect().unwrap(), "it was revoked");
        assert_eq!(connect().err(), Some((Reason::CredentialsRefused, "it was revoked".to_owned())));
        tokio::time::advance(REFUSED_CREDENTIAL_PAUSE).await;
        connect().unwrap();
    }

    /// shows: faults/75
    #[tokio::test(start_paused = true)]
    async fn a_hundred_rotations_leave_one_connection_for_each_living_secret() {
        let connections = PlatformConnections::new(
            Duration::from_secs(5),
            tenantry_client::network_connector(None),
            LeadershipClaim::default(),
        );
        let accounts = AccountBulkheads::new(ConcurrencyLimits { total: 8, per_account: 4 });
        let secret = |name: &str| NamespacedName { namespace: "a".to_owned(), name: name.to_owned() };
        let connect = |name: &str, tenant: &str, key: usize| {
            let key = key.to_string();
            let pairs =
                [("url", "https://acme.example"), ("tenantId", tenant), ("clientId", "a"), ("clientSecret", &key)];
            let data = pairs.map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec())).into();
            connections.platform_for(&secret(name), Connection::from_secret(&data).unwrap(), &accounts).unwrap();
        };
        let count = || {
            let held = lock(&connections.known);
            (held.platforms.len(), held.secrets.len(), accounts.len())
        };
        for key in 0..100 {
            connect("one", "msp_1", key);
            connect("two", "msp_1", key);
            connect("other", "msp_2", key);
        }
        assert_eq!(count(), (2, 3, 2), "two Secrets with the same content share a connection");
        connect("one", "msp_1", 100);
        assert_eq!(count(), (3, 3, 2), "the other Secret still names the one before");
        tokio::time::advance(IDLE_LIMIT).await;
        connect("two", "msp_1", 101);
        assert_eq!(count(), (1, 1, 1), "what nobody asks for is forgotten");
        assert_eq!(
            connections.account_of(&secret("two")),
            Some(PlatformAccount::new("acme.example".to_owned(), "msp_1"))
        );
        assert_eq!(connections.account_of(&secret("one")), None);
    }
}
