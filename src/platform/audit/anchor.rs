//! The anchor: what all heads of the log add up to, sealed.
//!
//! Each head has a number that only the key gives, and the anchor keeps their sum (exclusive or). A row takes the head's old
//! number off and puts the new one on. So the log of one tenant that is put back to an earlier day no longer adds up: what is
//! written after that takes off the head that was put back, and the difference stays. The sum is encrypted, so that nobody
//! learns what a head adds to it and looks for other heads that add up to the same.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use super::chain::PrecedingRow;
use super::seal::Seal;
use crate::platform::store::{ChainHead, StoredAnchor};

/// What the key is for: another use of the same file gives another key.
const PURPOSE: &str = "tenantry audit anchor 1";

/// What the heads add up to.
pub(super) type HeadSum = [u8; 32];

/// What the anchor says.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Anchor {
    /// Rows that were ever written.
    pub(super) events: i64,
    /// What all heads add up to.
    pub(super) sum: HeadSum,
    /// The last row of the whole log.
    pub(super) last: PrecedingRow,
    /// An anchor before this one was replaced or put back by somebody else; nothing takes that away again.
    pub(super) broken: bool,
}

impl Anchor {
    /// Where there is none that has our seal, and where one had to be. The count that stands there may be anybody's: it leaves
    /// room for all rows to come.
    pub(super) fn new_broken(events: i64) -> Self {
        Self { events: events.clamp(0, i64::MAX / 2), broken: true, ..Self::default() }
    }

    /// Puts a head's number on, or takes it off: both are the same.
    pub(super) fn toggle_head(&mut self, seal: &Seal, tenant: i64, head: &ChainHead) {
        xor_into_sum(&mut self.sum, seal.head_share(tenant, head.number, &head.hash));
    }

    /// As the database keeps it.
    pub(super) fn encrypt_for_storage(&self, seal: &Seal) -> Result<StoredAnchor, sqlx::Error> {
        let failed = || sqlx::Error::Configuration("the anchor of the audit log cannot be sealed".into());
        let text = serde_json::to_vec(self).map_err(|_| failed())?;
        let state = match state_key(seal, self.events) {
            None => String::from_utf8(text).map_err(|_| failed())?,
            Some(key) => encrypt(&key, text).ok_or_else(failed)?,
        };
        Ok(StoredAnchor { events: self.events, key_id: seal.key_id().to_owned(), state })
    }

    /// Of the database; none where it does not have our seal.
    pub(super) fn decrypt_stored(seal: &Seal, stored: &StoredAnchor) -> Option<Self> {
        let StoredAnchor { events, state, .. } = stored;
        let anchor: Self = match state_key(seal, *events) {
            None => serde_json::from_str(state).ok()?,
            Some(key) => serde_json::from_slice(&decrypt(&key, state)?).ok()?,
        };
        (anchor.events == *events).then_some(anchor)
    }
}

/// Adds to a sum.
pub(super) fn xor_into_sum(sum: &mut HeadSum, share: HeadSum) {
    sum.iter_mut().zip(share).for_each(|(byte, other)| *byte ^= other);
}

/// The key of one state: no key encrypts more than a few, however long the log grows.
fn state_key(seal: &Seal, events: i64) -> Option<LessSafeKey> {
    let derived = Salt::new(HKDF_SHA256, &[]).extract(seal.key()?.expose_secret().as_bytes());
    let key = derived.expand(&[PURPOSE.as_bytes(), &events.to_be_bytes()], &AES_256_GCM).map(UnboundKey::from).ok()?;
    Some(LessSafeKey::new(key))
}

fn encrypt(key: &LessSafeKey, mut text: Vec<u8>) -> Option<String> {
    let mut nonce = [0; NONCE_LEN];
    SystemRandom::new().fill(&mut nonce).ok()?;
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut text).ok()?;
    Some(STANDARD.encode([&nonce[..], &text].concat()))
}

fn decrypt(key: &LessSafeKey, state: &str) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(state).ok()?;
    let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut opened = sealed.to_vec();
    Some(key.open_in_place(nonce, Aad::empty(), &mut opened).ok()?.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test_head(number: i64) -> ChainHead {
        ChainHead { number, hash: format!("h{number}"), seal: String::new() }
    }

    #[test]
    fn a_head_that_was_put_back_never_adds_up_again() {
        let seal = Seal::with_key("a".repeat(40).into());
        let total = |heads: &[(i64, i64)]| {
            let mut anchor = Anchor::default();
            for (tenant, number) in heads {
                anchor.toggle_head(&seal, *tenant, &test_head(*number));
            }
            anchor.sum
        };
        let mut anchor = Anchor::default();
        for (tenant, before, after) in [(1, 0, 1), (2, 0, 1), (1, 1, 2), (2, 1, 2)] {
            if before > 0 {
                anchor.toggle_head(&seal, tenant, &test_head(before));
            }
            anchor.toggle_head(&seal, tenant, &test_head(after));
        }
        assert_eq!(anchor.sum, total(&[(1, 2), (2, 2)]));
        // Tenant 2 is put back to its first row and goes on from there.
        for (before, after) in [(1, 2), (2, 3), (3, 4)] {
            let mut put_back = anchor.clone();
            put_back.toggle_head(&seal, 2, &test_head(before));
            put_back.toggle_head(&seal, 2, &test_head(after + 10));
            assert_ne!(put_back.sum, total(&[(1, 2), (2, after + 10)]), "from {before}");
            anchor = if before == 1 { put_back } else { anchor };
        }
    }

    #[test]
    fn an_anchor_opens_with_its_key_and_untouched_only() {
        let seal = Seal::with_key("a".repeat(40).into());
        let anchor = Anchor { events: 7, sum: [3; 32], broken: false, last: PrecedingRow::default() };
        let stored = anchor.encrypt_for_storage(&seal).unwrap();
        assert!(!stored.state.contains("events"));
        assert_eq!(Anchor::decrypt_stored(&seal, &stored), Some(anchor.clone()));
        assert_eq!(Anchor::decrypt_stored(&Seal::with_key("b".repeat(40).into()), &stored), None);
        assert_eq!(Anchor::decrypt_stored(&Seal::without_key(), &stored), None);
        assert_eq!(Anchor::decrypt_stored(&seal, &StoredAnchor { events: 6, ..stored }), None);
        assert_eq!(
            Anchor::decrypt_stored(&seal, &anchor.encrypt_for_storage(&Seal::without_key()).unwrap()),
            None,
            "a text without a seal is none"
        );
    }
}
