//! The anchor: the sealed sum of all heads of the log.
//!
//! Each head maps to a number that only the key yields, and the anchor stores the exclusive or of these numbers. A new
//! row removes the number of the old head and adds the one of the new head. If somebody restores an older state of one
//! tenant's log, the sum no longer matches: the next row removes the restored head, and the difference remains. The sum
//! is encrypted, so that nobody learns what a head contributes and searches for other heads with the same sum.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use super::chain::PrecedingRow;
use super::seal::Seal;
use crate::store::{ChainHead, StoredAnchor};

/// Purpose of the derived key; another purpose yields another key from the same file.
const PURPOSE: &str = "tenantry audit anchor 1";

/// Sum of the heads.
pub(super) type HeadSum = [u8; 32];

/// Content of the anchor.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Anchor {
    /// Number of rows ever written.
    pub(super) events: i64,
    /// Sum of all heads.
    pub(super) sum: HeadSum,
    /// The last row of the whole log.
    pub(super) last: PrecedingRow,
    /// An earlier anchor was replaced or restored by somebody else. This flag is never cleared.
    pub(super) broken: bool,
}

impl Anchor {
    /// Returns the anchor that replaces a missing one or one without our seal. The stored count may be forged, so it is
    /// clamped to leave space for all future rows.
    pub(super) fn new_broken(events: i64) -> Self {
        Self { events: events.clamp(0, i64::MAX / 2), broken: true, ..Self::default() }
    }

    /// Adds a head's number to the sum or removes it; both are the same operation.
    pub(super) fn toggle_head(&mut self, seal: &Seal, tenant: i64, head: &ChainHead) {
        xor_into_sum(&mut self.sum, seal.head_share(tenant, head.number, &head.hash));
    }

    /// Encrypts the anchor for the database.
    pub(super) fn encrypt_for_storage(&self, seal: &Seal) -> Result<StoredAnchor, sqlx::Error> {
        let failed = || sqlx::Error::Configuration("the anchor of the audit log cannot be sealed".into());
        let text = serde_json::to_vec(self).map_err(|_| failed())?;
        let state = match state_key(seal, self.events) {
            None => String::from_utf8(text).map_err(|_| failed())?,
            Some(key) => encrypt(&key, text).ok_or_else(failed)?,
        };
        Ok(StoredAnchor { events: self.events, key_id: seal.key_id().to_owned(), state })
    }

    /// Decrypts the stored anchor; `None` if it does not have our seal.
    pub(super) fn decrypt_stored(seal: &Seal, stored: &StoredAnchor) -> Option<Self> {
        let StoredAnchor { events, state, .. } = stored;
        let anchor: Self = match state_key(seal, *events) {
            None => serde_json::from_str(state).ok()?,
            Some(key) => serde_json::from_slice(&decrypt(&key, state)?).ok()?,
        };
        (anchor.events == *events).then_some(anchor)
    }
}

/// Adds a share to a sum.
pub(super) fn xor_into_sum(sum: &mut HeadSum, share: HeadSum) {
    sum.iter_mut().zip(share).for_each(|(byte, other)| *byte ^= other);
}

/// Derives the key of one state. Each key encrypts only a few states, however long the log grows.
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
        // Tenant 2 is restored to its first row and continues from there.
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
