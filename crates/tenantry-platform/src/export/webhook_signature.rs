//! Signature of a webhook delivery, which proves its origin and time. The format is Standard Webhooks: `webhook-id`,
//! `webhook-timestamp` and `webhook-signature`, an HMAC-SHA-256 over `id.timestamp.body` with the secret of the stream.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::RngExt as _;
use secrecy::{ExposeSecret as _, SecretSlice};
use sha2::Sha256;

/// Prefix of a secret in readable form.
const PREFIX: &str = "whsec_";

/// The secret of a stream.
pub(super) struct StreamSecret(SecretSlice<u8>);

impl StreamSecret {
    /// Draws a random secret.
    pub(super) fn random() -> Self {
        Self(SecretSlice::from(rand::rng().random::<[u8; 32]>().to_vec()))
    }

    /// Wraps the bytes of an opened secret.
    pub(super) const fn from_bytes(bytes: SecretSlice<u8>) -> Self {
        Self(bytes)
    }

    /// Returns the bytes, for sealing.
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.expose_secret()
    }

    /// Returns the text that the receiver gets once.
    pub(super) fn to_display_text(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(self.bytes()))
    }

    /// Returns the value of `webhook-signature`.
    pub(super) fn sign(&self, id: &str, timestamp: i64, body: &str) -> Option<String> {
        // HMAC accepts a key of any length.
        let mut mac = Hmac::<Sha256>::new_from_slice(self.bytes()).ok()?;
        mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
        Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected value comes from `openssl dgst -sha256 -mac HMAC`.
    #[test]
    fn a_signature_covers_id_time_and_body() {
        let secret = StreamSecret::from_bytes(SecretSlice::from(vec![7_u8; 32]));
        assert_eq!(secret.to_display_text(), "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
        let signed = secret.sign("42", 1_614_265_330, r#"{"test":1}"#).unwrap();
        assert_eq!(signed, "v1,uvcVq65HW8rZ43jhusIP3f9tC61AFdbVKHXDryNyotU=");
        for other in
            [secret.sign("43", 1_614_265_330, r#"{"test":1}"#), secret.sign("42", 1_614_265_331, r#"{"test":1}"#)]
        {
            assert_ne!(other.unwrap(), signed);
        }
        assert_ne!(StreamSecret::random().to_display_text(), StreamSecret::random().to_display_text());
    }
}
