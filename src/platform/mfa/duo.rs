//! Duo's Universal Prompt as the second factor: the code flow of Duo's OIDC Auth API.
//!
//! Duo is asked whether it works, the person goes to its prompt with a signed request, comes back with a code, and Duo says
//! for the code, in a token that it signed, whether it let this person in. Whatever goes wrong on that way lets nobody in.

mod api_host;
mod client;
mod error;
mod id_token;
mod jwt;
mod secret_key;

use std::net::SocketAddr;
use std::time::Duration;

pub use api_host::DuoDomain;
pub(in crate::platform) use client::{CALLBACK, DuoClient, DuoPrompt};
pub(in crate::platform) use error::DuoError;
pub(in crate::platform) use secret_key::{DuoSettings, seal_secret_key};

/// How Duo is reached.
#[derive(Clone, Debug)]
pub struct DuoConfig {
    /// Domains that the API hosts of tenants must lie in.
    pub domains: Vec<DuoDomain>,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for an answer, to its last byte.
    pub answer_timeout: Duration,
    /// A stand-in on this machine that is spoken to by plain HTTP, for tests. No flag sets it, and a tenant whose API host
    /// is anything else never reaches it.
    pub stand_in: Option<SocketAddr>,
}

impl Default for DuoConfig {
    fn default() -> Self {
        Self {
            domains: DuoDomain::known_domains(),
            connect_timeout: Duration::from_secs(3),
            answer_timeout: Duration::from_secs(10),
            stand_in: None,
        }
    }
}
