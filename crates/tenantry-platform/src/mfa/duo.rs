//! Duo's Universal Prompt as the second factor: the code flow of Duo's OIDC Auth API.
//!
//! The platform checks that Duo is available and redirects the person to its prompt with a signed request. The person
//! returns with a code, and the platform exchanges the code for a signed token that confirms this person. Any failure
//! in this flow denies access.

mod api_host;
mod client;
mod error;
mod id_token;
mod jwt;
mod secret_key;

use std::net::SocketAddr;
use std::time::Duration;

pub use api_host::DuoDomain;
pub(crate) use client::{CALLBACK, DuoClient, DuoPrompt};
pub(crate) use error::DuoError;
pub(crate) use secret_key::{DuoSettings, seal_secret_key};

/// Configuration of the connection to Duo.
#[derive(Clone, Debug)]
pub struct DuoConfig {
    /// Domains that the API hosts of tenants must belong to.
    pub domains: Vec<DuoDomain>,
    /// Timeout of a connection attempt.
    pub connect_timeout: Duration,
    /// Timeout of a complete response.
    pub answer_timeout: Duration,
    /// A mock server on this machine that is reached over plain HTTP, for tests. No flag sets it, and only a tenant
    /// with this API host reaches it.
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
