//! The key of the audit log, and the seals made with it.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use crate::credential::{constant_time_eq, hex, random_token};
use crate::store::{ChainHead, SealedRow};

/// Number of digits of a key id.
const KEY_ID_DIGITS: usize = 12;

/// What a sealed statement says about a row, besides being the last of its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SealStatement {
    /// The rows up to it were erased by the retention.
    Checkpoint,
    /// The chain ended with it and was erased with its tenant.
    Purged,
}

impl SealStatement {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::Purged => "purged",
        }
    }
}

/// The key that seals the log. Without a key seals are empty, and anybody who can write the database can forge the
/// whole log.
#[derive(Clone)]
pub(crate) struct Seal(Arc<SealKey>);

struct SealKey {
    key: Option<SecretString>,
    id: String,
    /// Highest event count of the anchor. A lower count means that somebody restored an older anchor.
    max_event_count: AtomicI64,
}

impl Seal {
    /// Uses no key.
    pub(crate) fn without_key() -> Self {
        Self(Arc::new(SealKey { key: None, id: String::new(), max_event_count: AtomicI64::new(0) }))
    }

    pub(super) fn with_key(key: SecretString) -> Self {
        let id = hex(&hmac_or_hash(Some(&key), b"tenantry audit key"));
        let id = id.get(..KEY_ID_DIGITS).unwrap_or_default().to_owned();
        Self(Arc::new(SealKey { key: Some(key), id, max_event_count: AtomicI64::new(0) }))
    }

    /// Reads the key of a file, which is created if missing. Also returns whether it was created.
    pub(super) fn open_or_create(file: &Path) -> std::io::Result<(Self, bool)> {
        let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
        match made {
            Ok(mut target) => {
                let key = random_token();
                target.write_all(key.as_bytes())?;
                target.sync_all()?;
                Ok((Self::with_key(key.into()), true))
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok((Self::read_key_file(file)?, false)),
            Err(error) => Err(error),
        }
    }

    /// Reads the key of an existing file.
    pub(crate) fn read_key_file(file: &Path) -> std::io::Result<Self> {
        let key = std::fs::read_to_string(file)?;
        if key.trim().len() < 32 {
            return Err(std::io::Error::other(
                "the key has fewer than 32 characters; bring back the one that was there",
            ));
        }
        Ok(Self::with_key(key.trim().to_owned().into()))
    }

    /// Returns the key, from which others derive their own.
    pub(crate) fn key(&self) -> Option<&SecretString> {
        self.0.key.as_ref()
    }

    /// Returns an id that distinguishes keys without revealing them; empty without a key.
    pub(super) fn key_id(&self) -> &str {
        &self.0.id
    }

    /// Seals a row and the head that names it.
    pub(super) fn seal_row(&self, tenant: i64, number: i64, hash: &str) -> String {
        self.seal_text(&format!("{tenant}/{number}/{hash}"))
    }

    /// Seals a statement about a row.
    pub(super) fn seal_statement(
        &self,
        statement: SealStatement,
        tenant: i64,
        ChainHead { number, hash, .. }: &ChainHead,
    ) -> String {
        self.seal_text(&format!("{}/{tenant}/{number}/{hash}", statement.as_str()))
    }

    fn seal_text(&self, text: &str) -> String {
        if self.0.key.is_some() { hex(&hmac_or_hash(self.0.key.as_ref(), text.as_bytes())) } else { String::new() }
    }

    /// Verifies the seal of a chain's head. An empty head, before the first row, is valid.
    pub(super) fn verifies_head(&self, tenant: i64, head: &ChainHead) -> bool {
        *head == ChainHead::default() || constant_time_eq(&self.seal_row(tenant, head.number, &head.hash), &head.seal)
    }

    /// Verifies the seal of a row.
    pub(super) fn verifies_row(&self, SealedRow { row, hash, seal }: &SealedRow) -> bool {
        constant_time_eq(&self.seal_row(row.tenant, row.number, hash), seal)
    }

    /// Verifies the seal of a statement.
    pub(super) fn verifies_statement(&self, statement: SealStatement, tenant: i64, head: &ChainHead) -> bool {
        constant_time_eq(&self.seal_statement(statement, tenant, head), &head.seal)
    }

    /// Returns what a head adds to the sum of all heads. It cannot be computed without the key.
    pub(super) fn head_share(&self, tenant: i64, number: i64, hash: &str) -> [u8; 32] {
        if number == 0 && hash.is_empty() {
            return [0; 32];
        }
        hmac_or_hash(self.0.key.as_ref(), format!("head/{tenant}/{number}/{hash}").as_bytes())
    }

    /// Remembers the anchor's event count. Returns `false` if it was higher before.
    pub(super) fn record_event_count(&self, events: i64) -> bool {
        self.0.max_event_count.fetch_max(events, Ordering::Relaxed) <= events
    }
}

/// Returns the HMAC-SHA-256, or without a key the SHA-256, which anybody can compute.
fn hmac_or_hash(key: Option<&SecretString>, bytes: &[u8]) -> [u8; 32] {
    // HMAC accepts a key of any length.
    let mac = key.and_then(|key| Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes()).ok());
    match mac {
        Some(mut mac) => {
            mac.update(bytes);
            mac.finalize().into_bytes().into()
        }
        None => Sha256::digest(bytes).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal_from_text(text: &str) -> Seal {
        Seal::with_key(text.to_owned().into())
    }

    #[test]
    fn a_seal_holds_for_one_head_and_one_key() {
        let seal = seal_from_text("a").seal_row(1, 2, "h");
        let head = |number, seal: &str| ChainHead { number, hash: "h".to_owned(), seal: seal.to_owned() };
        assert!(seal_from_text("a").verifies_head(1, &head(2, &seal)));
        assert!(!seal_from_text("b").verifies_head(1, &head(2, &seal)));
        assert!(
            !seal_from_text("a").verifies_head(1, &head(3, &seal))
                && !seal_from_text("a").verifies_head(2, &head(2, &seal))
        );
        assert!(
            Seal::without_key().verifies_head(1, &head(2, ""))
                && !Seal::without_key().verifies_head(1, &head(2, &seal))
        );
    }

    #[test]
    fn a_statement_is_neither_another_one_nor_the_seal_of_a_row() {
        let seal = seal_from_text("a");
        let head = |seal: String| ChainHead { number: 2, hash: "h".to_owned(), seal };
        let checkpoint = head(seal.seal_statement(SealStatement::Checkpoint, 1, &head(String::new())));
        assert!(seal.verifies_statement(SealStatement::Checkpoint, 1, &checkpoint));
        assert!(!seal.verifies_statement(SealStatement::Purged, 1, &checkpoint) && !seal.verifies_head(1, &checkpoint));
        assert!(!seal.verifies_statement(SealStatement::Checkpoint, 1, &head(seal.seal_row(1, 2, "h"))));
        assert_ne!(seal_from_text("a").key_id(), seal_from_text("b").key_id());
    }
}
