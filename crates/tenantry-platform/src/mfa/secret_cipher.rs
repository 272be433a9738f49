//! Secrets in the database, sealed with a key that is derived from the platform's key file.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};

use crate::error::ApiError;

/// Purpose of the derived key; another purpose yields another key from the same file.
const SECOND_FACTOR_PURPOSE: &[u8] = b"tenantry second factors 1";
const STREAM_PURPOSE: &[u8] = b"tenantry streams 1";

/// Seals and opens secrets.
pub(crate) struct SecretCipher {
    key: LessSafeKey,
    random: SystemRandom,
}

impl SecretCipher {
    /// Creates the vault for second factors, with a separate derived key. Without a key file a random key is used for
    /// this run: what it seals is lost with it, and cannot be read from the database.
    pub(crate) fn for_second_factors(file: Option<&SecretString>) -> Result<Self, ring::error::Unspecified> {
        Self::with_purpose(file, SECOND_FACTOR_PURPOSE)
    }

    /// Creates the vault for the secrets of streams.
    pub(crate) fn for_streams(file: Option<&SecretString>) -> Result<Self, ring::error::Unspecified> {
        Self::with_purpose(file, STREAM_PURPOSE)
    }

    fn with_purpose(file: Option<&SecretString>, purpose: &[u8]) -> Result<Self, ring::error::Unspecified> {
        let random = SystemRandom::new();
        let mut drawn = [0_u8; 32];
        random.fill(&mut drawn)?;
        let drawn = SecretSlice::from(drawn.to_vec());
        let material = file.map_or_else(|| drawn.expose_secret(), |file| file.expose_secret().as_bytes());
        let derived = Salt::new(HKDF_SHA256, &[]).extract(material);
        let key = UnboundKey::from(derived.expand(&[purpose], &AES_256_GCM)?);
        Ok(Self { key: LessSafeKey::new(key), random })
    }

    /// Returns random bytes from the operating system.
    pub(super) fn random_bytes<const N: usize>(&self) -> Result<[u8; N], ApiError> {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes).map_err(|_| ApiError::Internal)?;
        Ok(bytes)
    }

    /// Seals a secret for a person or a stream. It cannot be opened for any other owner.
    pub(crate) fn encrypt_secret(&self, person: &str, secret: &[u8]) -> Result<String, ApiError> {
        let nonce = self.random_bytes::<NONCE_LEN>()?;
        let mut sealed = secret.to_vec();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(person.as_bytes()), &mut sealed)
            .map_err(|_| ApiError::Internal)?;
        Ok(STANDARD.encode([&nonce[..], &sealed].concat()))
    }

    /// Opens a secret that was sealed for a person or a stream. Returns `None` if it was sealed with another key or
    /// changed.
    pub(crate) fn decrypt_secret(&self, person: &str, sealed: &str) -> Option<SecretSlice<u8>> {
        let bytes = STANDARD.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut opened = sealed.to_vec();
        let opened = self.key.open_in_place(nonce, Aad::from(person.as_bytes()), &mut opened).ok()?;
        Some(SecretSlice::from(opened.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault_with_key(key: &str) -> SecretCipher {
        SecretCipher::for_second_factors(Some(&key.to_owned().into())).unwrap()
    }

    #[test]
    fn a_secret_opens_with_its_key_for_its_person_and_untouched_only() {
        let (one, other) = (vault_with_key("a"), vault_with_key("b"));
        let sealed = one.encrypt_secret("USR1", b"secret").unwrap();
        let opened = |vault: &SecretCipher, person, text: &str| {
            vault.decrypt_secret(person, text).map(|secret| secret.expose_secret().to_vec())
        };
        assert_eq!(opened(&one, "USR1", &sealed).as_deref(), Some(&b"secret"[..]));
        assert_eq!(
            opened(&vault_with_key("a"), "USR1", &sealed).as_deref(),
            Some(&b"secret"[..]),
            "the file is the key"
        );
        assert_eq!(opened(&one, "USR2", &sealed), None);
        assert_eq!(opened(&other, "USR1", &sealed), None);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(opened(&one, "USR1", &String::from_utf8(changed).unwrap()), None, "{at}");
        }
        for broken in ["", "AAAA", "no base64"] {
            assert_eq!(opened(&one, "USR1", broken), None, "{broken}");
        }
        assert_ne!(sealed, one.encrypt_secret("USR1", b"secret").unwrap(), "no nonce is used twice");
    }

    #[test]
    fn without_a_key_file_each_run_has_a_key_of_its_own() {
        let (one, other) =
            (SecretCipher::for_second_factors(None).unwrap(), SecretCipher::for_second_factors(None).unwrap());
        let sealed = one.encrypt_secret("USR1", b"secret").unwrap();
        assert!(one.decrypt_secret("USR1", &sealed).is_some() && other.decrypt_secret("USR1", &sealed).is_none());
    }
}
