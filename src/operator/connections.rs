//! Platforms by connection: one client each, and a gate that a refused credential closes for a while.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

use super::claim::Claim;
use super::context::lock;
use crate::api::Reason;
use crate::connect::{Connection, Dial, Guard, Platform};

/// A credential that was refused is tried at most this often.
const REFUSED_PAUSE: Duration = Duration::from_secs(30);

/// Why there is no connection: reason and sentence of the condition.
pub(crate) type NoConnection = (Reason, String);

/// Platforms by the fingerprint of their connection.
pub(crate) struct Connections {
    timeout: Duration,
    dial: Dial,
    guard: Guard,
    platforms: Mutex<HashMap<String, Held>>,
}

struct Held {
    platform: Platform,
    refused: Option<(Instant, String)>,
}

impl Connections {
    /// Platforms on which a change is sent only while the claim holds.
    pub(crate) fn new(timeout: Duration, dial: Dial, claim: Claim) -> Self {
        Self { timeout, dial, guard: Guard::new(move || claim.holds()), platforms: Mutex::default() }
    }

    /// The platform of a connection. One whose credential was refused a moment ago is not tried.
    pub(crate) fn platform(&self, connection: Connection) -> Result<Platform, NoConnection> {
        let mut platforms = lock(&self.platforms);
        let key = connection.fingerprint().hex().to_owned();
        if let Some(held) = platforms.get_mut(&key) {
            return match &held.refused {
                Some((at, message)) if at.elapsed() < REFUSED_PAUSE => {
                    Err((Reason::CredentialsRefused, message.clone()))
                }
                _ => {
                    held.refused = None;
                    Ok(held.platform.clone())
                }
            };
        }
        let wire = (self.dial)(&connection, self.timeout)
            .map_err(|error| (Reason::CredentialsUnavailable, error.to_string()))?;
        let platform = Platform::guarded(connection, self.timeout, (wire, self.guard.clone()));
        platforms.insert(key, Held { platform: platform.clone(), refused: None });
        Ok(platform)
    }

    /// Closes the gate for the credential of a platform.
    pub(crate) fn refused(&self, platform: &Platform, message: &str) {
        if let Some(held) = lock(&self.platforms).get_mut(platform.fingerprint().hex()) {
            held.refused = Some((Instant::now(), message.to_owned()));
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

    use super::*;
    use crate::connect::Place;

    /// A platform that counts changes; returns its URL.
    async fn platform(changes: Arc<AtomicUsize>) -> String {
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
        let url = platform(Arc::clone(&changes)).await;
        let data: BTreeMap<String, Vec<u8>> =
            [("url", url.as_str()), ("tenantId", "msp_1"), ("clientId", "a"), ("clientSecret", "b")]
                .map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec()))
                .into();
        let claim = Claim::default();
        let connections = Connections::new(Duration::from_secs(5), crate::connect::dial(None), claim.clone());
        let platform = connections.platform(Connection::from_secret(&data).unwrap()).unwrap();
        let place = Place::Clients { msp: "msp_1".to_owned() };
        let refused = platform.suspend(&place, "client_1").await.unwrap_err().to_string();
        assert!(refused.ends_with("this operator no longer leads"), "{refused}");
        assert_eq!(changes.load(Ordering::SeqCst), 0);
        claim.extend(claim.now() + Duration::from_mins(1));
        platform.suspend(&place, "client_1").await.unwrap();
        claim.end();
        platform.suspend(&place, "client_1").await.unwrap_err();
        assert_eq!(changes.load(Ordering::SeqCst), 1);
    }
}
