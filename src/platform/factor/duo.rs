//! Duo's Universal Prompt as the second factor: the code flow of Duo's OIDC Auth API.
//!
//! Duo is asked whether it works, the person goes to its prompt with a signed request, comes back with a code, and Duo says
//! for the code, in a token that it signed, whether it let this person in. Whatever goes wrong on that way lets nobody in.

mod client;
mod host;
mod jwt;
mod keys;
mod proof;
mod trouble;

use std::net::SocketAddr;
use std::time::Duration;

pub(in crate::platform) use client::{CALLBACK, Client, Sent};
pub use host::DuoDomain;
pub(in crate::platform) use keys::{DuoSettings, seal};
pub(in crate::platform) use trouble::Trouble;

/// How Duo is reached.
#[derive(Clone, Debug)]
pub struct Duo {
    /// Domains that the API hosts of tenants must lie in.
    pub domains: Vec<DuoDomain>,
    /// Longest wait for a connection.
    pub connect: Duration,
    /// Longest wait for an answer, to its last byte.
    pub answer: Duration,
    /// A stand-in on this machine that is spoken to by plain HTTP, for tests. No flag sets it, and a tenant whose API host
    /// is anything else never reaches it.
    pub stand_in: Option<SocketAddr>,
}

impl Default for Duo {
    fn default() -> Self {
        Self {
            domains: DuoDomain::known(),
            connect: Duration::from_secs(3),
            answer: Duration::from_secs(10),
            stand_in: None,
        }
    }
}
