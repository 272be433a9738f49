//! The key of the log, and what is sealed with it.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use crate::platform::credential::{hex, random_token, same};
use crate::platform::store::{Head, Kept};

/// Digits of a key's id.
const ID: usize = 12;

/// What a seal states of a row besides that it is the last of its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::platform) enum Statement {
    /// The rows up to it were erased because their time was over.
    Checkpoint,
    /// The chain ended with it, and went with its tenant.
    Purged,
}

impl Statement {
    const fn word(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::Purged => "purged",
        }
    }
}

/// The key that seals the log. Without one a seal is empty, and who writes the database can forge all of the log.
#[derive(Clone)]
pub(in crate::platform) struct Seal(Arc<Inner>);

struct Inner {
    key: Option<SecretString>,
    id: String,
    /// Most rows that the anchor counted so far: it never counts fewer, unless somebody put it back.
    seen: AtomicI64,
}

impl Seal {
    /// Without a key.
    pub(in crate::platform) fn none() -> Self {
        Self(Arc::new(Inner { key: None, id: String::new(), seen: AtomicI64::new(0) }))
    }

    pub(super) fn with(key: SecretString) -> Self {
        let id = hex(&keyed(Some(&key), b"tenantry audit key"));
        let id = id.get(..ID).unwrap_or_default().to_owned();
        Self(Arc::new(Inner { key: Some(key), id, seen: AtomicI64::new(0) }))
    }

    /// The key of a file, which is made where it is not there; and whether it was made.
    pub(super) fn open(file: &Path) -> std::io::Result<(Self, bool)> {
        let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
        match made {
            Ok(mut target) => {
                let key = random_token();
                target.write_all(key.as_bytes())?;
                target.sync_all()?;
                Ok((Self::with(key.into()), true))
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok((Self::read(file)?, false)),
            Err(error) => Err(error),
        }
    }

    /// The key of a file that must be there.
    pub(in crate::platform) fn read(file: &Path) -> std::io::Result<Self> {
        let key = std::fs::read_to_string(file)?;
        if key.trim().len() < 32 {
            return Err(std::io::Error::other(
                "the key has fewer than 32 characters; bring back the one that was there",
            ));
        }
        Ok(Self::with(key.trim().to_owned().into()))
    }

    /// The key itself, for others to derive theirs from.
    pub(in crate::platform) fn key(&self) -> Option<&SecretString> {
        self.0.key.as_ref()
    }

    /// What tells two keys apart and nothing of either; empty without a key.
    pub(super) fn id(&self) -> &str {
        &self.0.id
    }

    /// The seal of a row, and of the head that names it.
    pub(super) fn of(&self, tenant: i64, number: i64, hash: &str) -> String {
        self.seal(&format!("{tenant}/{number}/{hash}"))
    }

    /// The seal of a statement about a row.
    pub(super) fn states(&self, what: Statement, tenant: i64, Head { number, hash, .. }: &Head) -> String {
        self.seal(&format!("{}/{tenant}/{number}/{hash}", what.word()))
    }

    fn seal(&self, text: &str) -> String {
        if self.0.key.is_some() { hex(&keyed(self.0.key.as_ref(), text.as_bytes())) } else { String::new() }
    }

    /// Whether a chain's head has this key's seal; before the first row there is none.
    pub(super) fn holds_head(&self, tenant: i64, head: &Head) -> bool {
        *head == Head::default() || same(&self.of(tenant, head.number, &head.hash), &head.seal)
    }

    /// Whether a row has this key's seal.
    pub(super) fn holds_row(&self, Kept { row, hash, seal }: &Kept) -> bool {
        same(&self.of(row.tenant, row.number, hash), seal)
    }

    /// Whether a statement has this key's seal.
    pub(super) fn holds_statement(&self, what: Statement, tenant: i64, head: &Head) -> bool {
        same(&self.states(what, tenant, head), &head.seal)
    }

    /// What a head adds to the sum of all heads. Nobody without the key knows the numbers that are added.
    pub(super) fn share(&self, tenant: i64, number: i64, hash: &str) -> [u8; 32] {
        if number == 0 && hash.is_empty() {
            return [0; 32];
        }
        keyed(self.0.key.as_ref(), format!("head/{tenant}/{number}/{hash}").as_bytes())
    }

    /// Remembers how many rows the anchor counted; false where it counted more before.
    pub(super) fn saw(&self, events: i64) -> bool {
        self.0.seen.fetch_max(events, Ordering::Relaxed) <= events
    }
}

/// HMAC-SHA-256; without a key SHA-256, which anybody can make.
fn keyed(key: Option<&SecretString>, bytes: &[u8]) -> [u8; 32] {
    // A key of any length will do for HMAC.
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

    fn key(text: &str) -> Seal {
        Seal::with(text.to_owned().into())
    }

    #[test]
    fn a_seal_holds_for_one_head_and_one_key() {
        let seal = key("a").of(1, 2, "h");
        let head = |number, seal: &str| Head { number, hash: "h".to_owned(), seal: seal.to_owned() };
        assert!(key("a").holds_head(1, &head(2, &seal)));
        assert!(!key("b").holds_head(1, &head(2, &seal)));
        assert!(!key("a").holds_head(1, &head(3, &seal)) && !key("a").holds_head(2, &head(2, &seal)));
        assert!(Seal::none().holds_head(1, &head(2, "")) && !Seal::none().holds_head(1, &head(2, &seal)));
    }

    #[test]
    fn a_statement_is_neither_another_one_nor_the_seal_of_a_row() {
        let seal = key("a");
        let head = |seal: String| Head { number: 2, hash: "h".to_owned(), seal };
        let checkpoint = head(seal.states(Statement::Checkpoint, 1, &head(String::new())));
        assert!(seal.holds_statement(Statement::Checkpoint, 1, &checkpoint));
        assert!(!seal.holds_statement(Statement::Purged, 1, &checkpoint) && !seal.holds_head(1, &checkpoint));
        assert!(!seal.holds_statement(Statement::Checkpoint, 1, &head(seal.of(1, 2, "h"))));
        assert_ne!(key("a").id(), key("b").id());
    }
}
