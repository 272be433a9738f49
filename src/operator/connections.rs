//! Platforms by connection: one client each, and a gate that a refused credential closes for a while.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::context::lock;
use crate::api::Reason;
use crate::connect::{Connection, Guard, Platform};

/// A credential that was refused is tried at most this often.
const REFUSED_PAUSE: Duration = Duration::from_secs(30);

/// Why there is no connection: reason and sentence of the condition.
pub(crate) type NoConnection = (Reason, String);

/// Platforms by the fingerprint of their connection.
pub(crate) struct Connections {
    timeout: Duration,
    guard: Guard,
    platforms: Mutex<HashMap<String, Held>>,
}

struct Held {
    platform: Platform,
    refused: Option<(Instant, String)>,
}

impl Connections {
    /// Platforms on which changes are sent only while the guard gives leave.
    pub(crate) fn new(timeout: Duration, guard: Guard) -> Self {
        Self { timeout, guard, platforms: Mutex::default() }
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
        let platform = Platform::guarded(connection, self.timeout, self.guard.clone())
            .map_err(|error| (Reason::CredentialsUnavailable, error.to_string()))?;
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
