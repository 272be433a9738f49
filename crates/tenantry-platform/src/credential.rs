//! API credentials and tokens: random, stored only as SHA-256, compared in constant time.

mod command;
mod first_credential;
mod routes;
mod show_command;

use rand::RngExt as _;
use rand::distr::Alphanumeric;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

pub(super) use command::CredentialFiles;
pub use command::{CredentialCommand, CredentialError};
pub(super) use first_credential::load_or_create_first;
pub(super) use routes::{create, list, revoke, rotate};
pub(super) use show_command::FirstCredential;

/// Characters of a key, a secret and a token; each of the 62 is worth 5.95 bits.
const KEY_CHARS: usize = 32;
const SECRET_CHARS: usize = 64;
const TOKEN_CHARS: usize = 40;
/// Characters of a person's session key: more than 256 bits.
const SESSION_KEY_CHARS: usize = 44;
/// Characters of a first password.
const GENERATED_PASSWORD_CHARS: usize = 24;

/// An API credential of a tenant.
#[derive(Serialize, Deserialize, Clone)]
#[serde(rename_all = "camelCase")]
pub struct Credential {
    /// Unique id of the tenant.
    pub tenant_id: String,
    /// The key.
    pub client_id: String,
    /// The secret.
    pub client_secret: String,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("tenant_id", &self.tenant_id).finish_non_exhaustive()
    }
}

impl Credential {
    /// Returns a new credential. The caller must store its hashes.
    pub(super) fn random(tenant_id: &str) -> Self {
        Self {
            tenant_id: tenant_id.to_owned(),
            client_id: random_text(KEY_CHARS),
            client_secret: random_text(SECRET_CHARS),
        }
    }

    /// Returns the hashes that the store keeps.
    fn hashes(&self) -> CredentialHashes {
        CredentialHashes::from_key_and_secret(&self.client_id, &self.client_secret)
    }
}

/// SHA-256 of a credential's key and secret.
pub(super) struct CredentialHashes {
    /// Of the key.
    pub(super) key: String,
    /// Of the secret.
    pub(super) secret: String,
}

impl CredentialHashes {
    /// Hashes a key and a secret that somebody claims to have.
    pub(super) fn from_key_and_secret(key: &str, secret: &str) -> Self {
        Self { key: sha256_hex(key), secret: sha256_hex(secret) }
    }
}

/// Returns a new secret.
fn random_secret() -> String {
    random_text(SECRET_CHARS)
}

/// Returns a new bearer token.
pub(super) fn random_token() -> String {
    random_text(TOKEN_CHARS)
}

/// Returns a new key of a person's session.
pub(super) fn random_session_key() -> String {
    random_text(SESSION_KEY_CHARS)
}

/// Returns a new first password: long, and with the character classes that policies require.
pub(super) fn random_password() -> SecretString {
    format!("{}-a1A!", random_text(GENERATED_PASSWORD_CHARS)).into()
}

/// Returns a new version 4 UUID.
pub(super) fn random_uuid() -> String {
    let mut bytes: [u8; 16] = rand::rng().random();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let text = hex(&bytes);
    [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
}

fn random_text(length: usize) -> String {
    rand::rng().sample_iter(Alphanumeric).take(length).map(char::from).collect()
}

/// Returns the SHA-256 of a text in lower-case hex. The input has full entropy, so no slow hash is needed.
pub(super) fn sha256_hex(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// Encodes bytes in lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Returns whether two hashes are equal. The time does not reveal where they differ.
pub(super) fn constant_time_eq(left: &str, right: &str) -> bool {
    left.as_bytes().ct_eq(right.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// shows: security/asvs/11.2.4
    #[test]
    fn hashes_are_hex_and_compare() {
        assert_eq!(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(constant_time_eq("ab", "ab") && !constant_time_eq("ab", "ac") && !constant_time_eq("ab", "abc"));
    }

    #[test]
    fn a_credential_is_never_printed() {
        let credential = Credential::random("sp_1");
        let text = format!("{credential:?}");
        assert!(!text.contains(&credential.client_id) && !text.contains(&credential.client_secret), "{text}");
        assert_eq!((credential.client_id.len(), credential.client_secret.len()), (32, 64));
    }
}
