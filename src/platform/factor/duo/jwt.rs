//! JSON Web Tokens with HS512 and nothing else, which is all that Duo speaks.
//!
//! Written here and not taken from a crate: the kept ones bring RSA and elliptic curves, or a second stack in C, for what
//! is a MAC over two texts. A token says in its header how it is to be verified; ours are verified as HS512 whatever they
//! say, and refused where they say anything else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha512;

use super::proof::Flaw;

/// The header of every token that is made here.
const HEADER: &str = r#"{"alg":"HS512","typ":"JWT"}"#;
/// The one algorithm.
const ALGORITHM: &str = "HS512";

/// What a header says that matters.
#[derive(Deserialize)]
struct Header {
    alg: String,
    /// Extensions that must be understood; none is.
    crit: Option<serde_json::Value>,
}

/// Claims as a signed token.
pub(super) fn sign(claims: &impl Serialize, key: &SecretString) -> Result<String, Flaw> {
    let claims = serde_json::to_vec(claims).map_err(|_| Flaw::Malformed)?;
    let text = format!("{}.{}", encoded(HEADER.as_bytes()), encoded(&claims));
    let signature = encoded(&mac(key, &text)?.finalize().into_bytes());
    Ok(format!("{text}.{signature}"))
}

/// The claims of a token that the key's holder signed. Nothing of it is read before its signature holds.
pub(super) fn verify<T: DeserializeOwned>(token: &str, key: &SecretString) -> Result<T, Flaw> {
    let (text, signature) = token.rsplit_once('.').ok_or(Flaw::Malformed)?;
    let (header, claims) = text.split_once('.').ok_or(Flaw::Malformed)?;
    let signature = decoded(signature)?;
    // The whole MAC in constant time: a shortened one does not hold.
    mac(key, text)?.verify_slice(&signature).map_err(|_| Flaw::Signature)?;
    let header: Header = serde_json::from_slice(&decoded(header)?).map_err(|_| Flaw::Malformed)?;
    if header.alg != ALGORITHM || header.crit.is_some() {
        return Err(Flaw::Algorithm);
    }
    serde_json::from_slice(&decoded(claims)?).map_err(|_| Flaw::Malformed)
}

fn mac(key: &SecretString, text: &str) -> Result<Hmac<Sha512>, Flaw> {
    // A key of any length will do for HMAC.
    let mut mac = Hmac::<Sha512>::new_from_slice(key.expose_secret().as_bytes()).map_err(|_| Flaw::Signature)?;
    mac.update(text.as_bytes());
    Ok(mac)
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Strict: neither padding nor bits that mean nothing, so that one token has one spelling.
fn decoded(text: &str) -> Result<Vec<u8>, Flaw> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Flaw::Malformed)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn key(text: &str) -> SecretString {
        text.to_owned().into()
    }

    /// A token with any header, signed as HS512 all the same.
    fn forged(header: &str, claims: &str, secret: &str) -> String {
        let text = format!("{}.{}", encoded(header.as_bytes()), encoded(claims.as_bytes()));
        let signature = encoded(&mac(&key(secret), &text).unwrap().finalize().into_bytes());
        format!("{text}.{signature}")
    }

    #[test]
    fn the_mac_is_that_of_rfc_4231() {
        let found = mac(&key("Jefe"), "what do ya want for nothing?").unwrap().finalize().into_bytes();
        let expected = "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737";
        assert_eq!(crate::platform::credential::hex(&found), expected);
    }

    #[test]
    fn a_token_is_the_one_that_others_make() {
        // The sample that jwt.io shows for HS512, and one of Duo's claims made with `openssl dgst -sha512 -hmac`.
        let sample = "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiYWRtaW4iOnRydWUs\
                      ImlhdCI6MTUxNjIzOTAyMn0.VFb0qJ1LRg_4ujbZoRMXnVkUgiuKq5KxWqNdbKq_G9Vvz-S1zZa9LPxtHWKa64zDl2ofkT8F6jBt_K4riU-fPg";
        let claims = json!({ "sub": "1234567890", "name": "John Doe", "admin": true, "iat": 1_516_239_022 });
        assert_eq!(verify::<Value>(sample, &key("your-512-bit-secret")), Ok(claims));
        let assertion = "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJhdWQiOiJodHRwczovL2FwaS0xLmR1b3NlY3VyaXR5LmNvbS9vYXV0aC92MS90b2tlbiIs\
                         ImV4cCI6MTcwMDAwMDMwMCwiaXNzIjoiREkwMTIzNDU2Nzg5QUJDREVGR0gifQ.t4Na2J8zgYQYEr7D7A3yQQ9w_gpVedeZnX-dwqug11Wp\
                         68F07RKtiTetYBPQEkweKGLCh33F6QWY8qTOE05zog";
        let (aud, iss) = ("https://api-1.duosecurity.com/oauth/v1/token", "DI0123456789ABCDEFGH");
        let claims = json!({ "aud": aud, "exp": 1_700_000_300, "iss": iss });
        assert_eq!(sign(&claims, &key("deadbeefdeadbeefdeadbeefdeadbeefdeadbeef")).unwrap(), assertion);
    }

    #[test]
    fn only_the_keys_holder_makes_tokens() {
        let token = sign(&json!({ "a": 1 }), &key("right")).unwrap();
        assert_eq!(verify::<Value>(&token, &key("right")), Ok(json!({ "a": 1 })));
        assert_eq!(verify::<Value>(&token, &key("wrong")), Err(Flaw::Signature));
        let parts: Vec<&str> = token.split('.').collect();
        let other = encoded(br#"{"a":2}"#);
        for (wrong, flaw) in [
            (format!("{}.{other}.{}", parts[0], parts[2]), Flaw::Signature),
            // A part of the signature, none, and more than it.
            (format!("{}.{}.{}", parts[0], parts[1], &parts[2][..40]), Flaw::Signature),
            (format!("{}.{}.", parts[0], parts[1]), Flaw::Signature),
            (format!("{token}AAAA"), Flaw::Signature),
            (format!("{token}.{}", parts[2]), Flaw::Signature),
            (format!("{}.{}", parts[0], parts[1]), Flaw::Malformed),
            (format!("{token}="), Flaw::Malformed),
            (format!(" {token}"), Flaw::Signature),
            (String::new(), Flaw::Malformed),
            ("..".to_owned(), Flaw::Signature),
        ] {
            assert_eq!(verify::<Value>(&wrong, &key("right")), Err(flaw), "{wrong}");
        }
    }

    #[test]
    fn no_other_algorithm_is_taken_even_with_a_good_signature() {
        for (header, flaw) in [
            (r#"{"alg":"none"}"#, Flaw::Algorithm),
            (r#"{"alg":"HS256","typ":"JWT"}"#, Flaw::Algorithm),
            (r#"{"alg":"hs512"}"#, Flaw::Algorithm),
            (r#"{"alg":"HS512","crit":["exp"]}"#, Flaw::Algorithm),
            (r#"{"alg":"HS512","crit":[]}"#, Flaw::Algorithm),
            (r#"{"alg":"none","alg":"HS512"}"#, Flaw::Malformed),
            (r#"{"typ":"JWT"}"#, Flaw::Malformed),
            ("[]", Flaw::Malformed),
            ("", Flaw::Malformed),
        ] {
            assert_eq!(verify::<Value>(&forged(header, "{}", "k"), &key("k")), Err(flaw), "{header}");
        }
        assert_eq!(verify::<Value>(&forged(r#"{"alg":"HS512","kid":"x"}"#, "{}", "k"), &key("k")), Ok(json!({})));
        assert_eq!(verify::<Value>(&forged(HEADER, "{", "k"), &key("k")), Err(Flaw::Malformed));
        // The classic: no signature at all, and a header that says so.
        let unsigned = format!("{}.{}.", encoded(br#"{"alg":"none"}"#), encoded(b"{}"));
        assert_eq!(verify::<Value>(&unsigned, &key("k")), Err(Flaw::Signature));
    }
}
