//! Digests for comparing long values that need not be shown. A Secret's value never gets a digest, because an attacker
//! could use it to check guesses.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// Lower-case hex SHA-256.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(String);

impl Digest {
    /// Returns the digest of bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(to_hex(&Sha256::digest(bytes)))
    }

    /// Returns the digest of salted bytes, so that equal values of two objects have different digests.
    pub fn of_salted_bytes(salt: &str, bytes: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update((salt.len() as u64).to_be_bytes());
        hash.update(salt.as_bytes());
        hash.update(bytes);
        Self(to_hex(&hash.finalize()))
    }

    /// Makes a digest from the hex text that the platform returned.
    pub fn from_hex(text: &str) -> Self {
        Self(text.to_ascii_lowercase())
    }

    /// Returns all 64 hex digits.
    pub fn hex(&self) -> &str {
        &self.0
    }
}

/// Returns lower-case hex digits.
pub(super) fn to_hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_salt_changes_the_digest_and_cannot_be_shifted_into_the_value() {
        assert_eq!(Digest::of_bytes(b"abc").hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_ne!(Digest::of_salted_bytes("a", b"x"), Digest::of_salted_bytes("b", b"x"));
        assert_ne!(Digest::of_salted_bytes("ab", b"c"), Digest::of_salted_bytes("a", b"bc"));
    }
}
