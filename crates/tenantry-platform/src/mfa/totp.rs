//! Codes of an authenticator app: RFC 6238 with SHA-1, six digits and steps of 30 seconds, which every app supports.

use qrcode::{Color, QrCode};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use totp_rs::{Builder, Secret, Totp};

use crate::error::ApiError;

/// Bytes of a secret: the 160 bits that RFC 4226 recommends.
pub(super) const SECRET_BYTES: usize = 20;
/// Seconds per step.
const STEP_SECONDS: u64 = 30;
/// Tolerated clock difference in steps, in each direction.
const SKEW_STEPS: u16 = 1;
/// Maximum characters of a title and of a login name in the URI. Twice the longest title and one name, each with
/// four-byte characters and percent-encoded, stay below the 2,331 bytes of a QR code.
const MAX_LABEL_CHARS: usize = 48;

fn build_totp(secret: &SecretSlice<u8>, account: &str, issuer: &str) -> Result<Totp, ApiError> {
    // The URI separates the two with a colon, and a QR code limits its length.
    let plain = |text: &str| text.chars().take(MAX_LABEL_CHARS).collect::<String>().replace(':', " ");
    Builder::new()
        .with_secret(secret.expose_secret())
        .with_digits(6)
        .with_skew(SKEW_STEPS)
        .with_step_duration(STEP_SECONDS)
        .with_account_name(plain(account))
        .with_issuer(Some(plain(issuer)))
        .build()
        .map_err(|error| {
            tracing::error!(%error, "a secret of a second factor cannot be used");
            ApiError::Internal
        })
}

/// Returns the step of a code at a time in milliseconds; `None` if the code is not valid at this time.
pub(super) fn matching_step(secret: &SecretSlice<u8>, code: &str, now: i64) -> Result<Option<i64>, ApiError> {
    let seconds = u64::try_from(now / 1000).unwrap_or_default();
    let step = build_totp(secret, "account", "issuer")?.check(code, seconds);
    Ok(step.and_then(|step| i64::try_from(step).ok()))
}

/// Returns a secret in the form that people type.
pub(super) fn to_base32(secret: &[u8]) -> String {
    Secret::from(secret).to_base32()
}

/// Returns the URI that authenticator apps read.
pub(crate) fn otpauth_uri(secret: &SecretSlice<u8>, account: &str, issuer: &str) -> Result<SecretString, ApiError> {
    let url = build_totp(secret, account, issuer)?.to_url().map_err(|error| {
        tracing::error!(%error, "a secret of a second factor has no address");
        ApiError::Internal
    })?;
    Ok(url.into())
}

/// A QR code as an SVG: a square of `size` units with a path of its dark modules.
pub(crate) struct QrCodeSvg {
    /// Length of a side, including the quiet zone.
    pub(crate) size: usize,
    /// The dark modules as commands of an SVG path.
    pub(crate) path: String,
}

impl QrCodeSvg {
    /// The quiet zone that readers need.
    const MARGIN: usize = 4;

    /// Encodes a text.
    pub(crate) fn from_text(text: &SecretString) -> Result<Self, ApiError> {
        use std::fmt::Write as _;
        let code = QrCode::new(text.expose_secret()).map_err(|error| {
            tracing::error!(%error, "an address of a second factor does not fit a QR code");
            ApiError::Internal
        })?;
        let width = code.width();
        let mut path = String::new();
        for (at, _) in code.to_colors().into_iter().enumerate().filter(|(_, colour)| *colour == Color::Dark) {
            let (x, y) = (at % width + Self::MARGIN, at / width + Self::MARGIN);
            // Writing to a String cannot fail.
            let _ = write!(path, "M{x} {y}h1v1h-1z");
        }
        Ok(Self { size: width + 2 * Self::MARGIN, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rfc_secret() -> SecretSlice<u8> {
        SecretSlice::from(b"12345678901234567890".to_vec())
    }

    /// Appendix B of RFC 6238, the rows of SHA-1; six digits are the last six of its eight.
    #[test]
    fn the_codes_are_those_of_rfc_6238() {
        for (seconds, code) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            let step = matching_step(&rfc_secret(), &code[2..], seconds * 1000).unwrap();
            assert_eq!(step, Some(seconds / 30), "{seconds}");
        }
    }

    /// shows: security/asvs/6.5.2
    #[test]
    fn a_code_is_good_for_one_step_each_way_and_no_further() {
        let (code, at) = ("287082", 59_000);
        for (later, good) in [(-30_000, true), (0, true), (30_000, true), (60_000, false), (90_000, false)] {
            assert_eq!(matching_step(&rfc_secret(), code, at + later).unwrap().is_some(), good, "{later}");
        }
        let (code, at) = ("081804", 1_111_111_109_000);
        assert_eq!(matching_step(&rfc_secret(), code, at - 60_000).unwrap(), None);
    }

    #[test]
    fn nothing_but_six_digits_is_a_code() {
        for code in ["", "28708", "2870820", "94287082", "28708a", "+28708", " 287082", "２８７０８２"] {
            assert_eq!(matching_step(&rfc_secret(), code, 59_000).unwrap(), None, "{code:?}");
        }
    }

    #[test]
    fn an_address_names_product_and_login_and_a_qr_code_holds_it() {
        let uri = otpauth_uri(&rfc_secret(), "ada:b@example.org", "Acme & Co").unwrap();
        assert_eq!(
            uri.expose_secret(),
            "otpauth://totp/Acme%20%26%20Co:ada%20b%40example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=Acme%20%26%20Co"
        );
        let longest = super::otpauth_uri(&rfc_secret(), &"\u{1f512}".repeat(254), &"\u{1f512}".repeat(1024)).unwrap();
        assert!(QrCodeSvg::from_text(&longest).is_ok(), "{}", longest.expose_secret().len());
        let qr = QrCodeSvg::from_text(&uri).unwrap();
        assert!(qr.size > 29 && qr.path.starts_with("M4 4h1v1h-1z"), "{}", qr.size);
        assert!(qr.path.bytes().all(|byte| byte.is_ascii_digit() || b"Mhvz- ".contains(&byte)));
    }
}
