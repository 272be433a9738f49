//! JSON Web Tokens with HS512, the only algorithm that Duo uses.
//!
//! This is written here instead of taken from a crate: the maintained crates bring RSA and elliptic curves, or a second
//! crypto stack in C, for a MAC over two texts. The header of a token names the algorithm for its verification. This
//! module always verifies HS512, independently of the header, and refuses a token that names another algorithm.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha512;

use super::id_token::IdTokenError;

/// Header of every token created here.
const HEADER: &str = r#"{"alg":"HS512","typ":"JWT"}"#;
/// The only accepted algorithm.
const ALGORITHM: &str = "HS512";

/// The relevant members of a header.
#[derive(Deserialize)]
struct JwtHeader {
    alg: String,
    /// Extensions that must be understood; none is supported.
    crit: Option<serde_json::Value>,
}

/// Signs claims as a token.
pub(super) fn sign_claims(claims: &impl Serialize, key: &SecretString) -> Result<String, IdTokenError> {
    let claims = serde_json::to_vec(claims).map_err(|_| IdTokenError::Malformed)?;
    let text = format!("{}.{}", encode_base64url(HEADER.as_bytes()), encode_base64url(&claims));
    let signature = encode_base64url(&hmac_of(key, &text)?.finalize().into_bytes());
    Ok(format!("{text}.{signature}"))
}

/// Verifies a token and returns its claims. Nothing in the token is read before its signature is verified.
pub(super) fn verify_claims<T: DeserializeOwned>(token: &str, key: &SecretString) -> Result<T, IdTokenError> {
    let (text, signature) = token.rsplit_once('.').ok_or(IdTokenError::Malformed)?;
    let (header, claims) = text.split_once('.').ok_or(IdTokenError::Malformed)?;
    let signature = decode_base64url(signature)?;
    // Compares the whole MAC in constant time; a truncated MAC is refused.
    hmac_of(key, text)?.verify_slice(&signature).map_err(|_| IdTokenError::Signature)?;
    let header: JwtHeader = serde_json::from_slice(&decode_base64url(header)?).map_err(|_| IdTokenError::Malformed)?;
    if header.alg != ALGORITHM || header.crit.is_some() {
        return Err(IdTokenError::Algorithm);
    }
    serde_json::from_slice(&decode_base64url(claims)?).map_err(|_| IdTokenError::Malformed)
}

fn hmac_of(key: &SecretString, text: &str) -> Result<Hmac<Sha512>, IdTokenError> {
    // HMAC accepts a key of any length.
    let mut mac =
        Hmac::<Sha512>::new_from_slice(key.expose_secret().as_bytes()).map_err(|_| IdTokenError::Signature)?;
    mac.update(text.as_bytes());
    Ok(mac)
}

fn encode_base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Strict decoding: neither padding nor unused bits, so that each token has exactly one spelling.
fn decode_base64url(text: &str) -> Result<Vec<u8>, IdTokenError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| IdTokenError::Malformed)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn secret_from(text: &str) -> SecretString {
        text.to_owned().into()
    }

    /// Builds a token with any header, always signed with HS512.
    fn token_with_header(header: &str, claims: &str, secret: &str) -> String {
        let text = format!("{}.{}", encode_base64url(header.as_bytes()), encode_base64url(claims.as_bytes()));
        let signature = encode_base64url(&hmac_of(&secret_from(secret), &text).unwrap().finalize().into_bytes());
        format!("{text}.{signature}")
    }

    #[test]
    fn the_mac_is_that_of_rfc_4231() {
        let found = hmac_of(&secret_from("Jefe"), "what do ya want for nothing?").unwrap().finalize().into_bytes();
        let expected = "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737";
        assert_eq!(crate::credential::hex(&found), expected);
    }

    #[test]
    fn a_token_is_the_one_that_others_make() {
        // The sample that jwt.io shows for HS512, and one of Duo's claims made with `openssl dgst -sha512 -hmac`.
        let sample = "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiYWRtaW4iOnRydWUs\
                      ImlhdCI6MTUxNjIzOTAyMn0.VFb0qJ1LRg_4ujbZoRMXnVkUgiuKq5KxWqNdbKq_G9Vvz-S1zZa9LPxtHWKa64zDl2ofkT8F6jBt_K4riU-fPg";
        let claims = json!({ "sub": "1234567890", "name": "John Doe", "admin": true, "iat": 1_516_239_022 });
        assert_eq!(verify_claims::<Value>(sample, &secret_from("your-512-bit-secret")), Ok(claims));
        let assertion = "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJhdWQiOiJodHRwczovL2FwaS0xLmR1b3NlY3VyaXR5LmNvbS9vYXV0aC92MS90b2tlbiIs\
                         ImV4cCI6MTcwMDAwMDMwMCwiaXNzIjoiREkwMTIzNDU2Nzg5QUJDREVGR0gifQ.t4Na2J8zgYQYEr7D7A3yQQ9w_gpVedeZnX-dwqug11Wp\
                         68F07RKtiTetYBPQEkweKGLCh33F6QWY8qTOE05zog";
        let (aud, iss) = ("https://api-1.duosecurity.com/oauth/v1/token", "DI0123456789ABCDEFGH");
        let claims = json!({ "aud": aud, "exp": 1_700_000_300, "iss": iss });
        assert_eq!(sign_claims(&claims, &secret_from("deadbeefdeadbeefdeadbeefdeadbeefdeadbeef")).unwrap(), assertion);
    }

    #[test]
    fn only_the_keys_holder_makes_tokens() {
        let token = sign_claims(&json!({ "a": 1 }), &secret_from("right")).unwrap();
        assert_eq!(verify_claims::<Value>(&token, &secret_from("right")), Ok(json!({ "a": 1 })));
        assert_eq!(verify_claims::<Value>(&token, &secret_from("wrong")), Err(IdTokenError::Signature));
        let parts: Vec<&str> = token.split('.').collect();
        let other = encode_base64url(br#"{"a":2}"#);
        for (wrong, flaw) in [
            (format!("{}.{other}.{}", parts[0], parts[2]), IdTokenError::Signature),
            // Part of the signature, no signature, and extra characters.
            (format!("{}.{}.{}", parts[0], parts[1], &parts[2][..40]), IdTokenError::Signature),
            (format!("{}.{}.", parts[0], parts[1]), IdTokenError::Signature),
            (format!("{token}AAAA"), IdTokenError::Signature),
            (format!("{token}.{}", parts[2]), IdTokenError::Signature),
            (format!("{}.{}", parts[0], parts[1]), IdTokenError::Malformed),
            (format!("{token}="), IdTokenError::Malformed),
            (format!(" {token}"), IdTokenError::Signature),
            (String::new(), IdTokenError::Malformed),
            ("..".to_owned(), IdTokenError::Signature),
        ] {
            assert_eq!(verify_claims::<Value>(&wrong, &secret_from("right")), Err(flaw), "{wrong}");
        }
    }

    #[test]
    fn no_other_algorithm_is_taken_even_with_a_good_signature() {
        for (header, flaw) in [
            (r#"{"alg":"none"}"#, IdTokenError::Algorithm),
            (r#"{"alg":"HS256","typ":"JWT"}"#, IdTokenError::Algorithm),
            (r#"{"alg":"hs512"}"#, IdTokenError::Algorithm),
            (r#"{"alg":"HS512","crit":["exp"]}"#, IdTokenError::Algorithm),
            (r#"{"alg":"HS512","crit":[]}"#, IdTokenError::Algorithm),
            (r#"{"alg":"none","alg":"HS512"}"#, IdTokenError::Malformed),
            (r#"{"typ":"JWT"}"#, IdTokenError::Malformed),
            ("[]", IdTokenError::Malformed),
            ("", IdTokenError::Malformed),
        ] {
            assert_eq!(
                verify_claims::<Value>(&token_with_header(header, "{}", "k"), &secret_from("k")),
                Err(flaw),
                "{header}"
            );
        }
        assert_eq!(
            verify_claims::<Value>(&token_with_header(r#"{"alg":"HS512","kid":"x"}"#, "{}", "k"), &secret_from("k")),
            Ok(json!({}))
        );
        assert_eq!(
            verify_claims::<Value>(&token_with_header(HEADER, "{", "k"), &secret_from("k")),
            Err(IdTokenError::Malformed)
        );
        // The classic attack: no signature, and a header with `none`.
        let unsigned = format!("{}.{}.", encode_base64url(br#"{"alg":"none"}"#), encode_base64url(b"{}"));
        assert_eq!(verify_claims::<Value>(&unsigned, &secret_from("k")), Err(IdTokenError::Signature));
    }
}
