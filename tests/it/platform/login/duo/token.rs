//! Tokens as the fake Duo makes and reads them, without the platform's code.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::{Sha256, Sha512};

pub(crate) const HS512: &str = r#"{"alg":"HS512","typ":"JWT"}"#;

/// Signs a token with the algorithm of its header.
pub(crate) fn sign_token(header: &str, claims: &Value, key: &str) -> String {
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = if header.contains("none") {
        Vec::new()
    } else if header.contains("HS256") {
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    } else {
        hs512(&text, key)
    };
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Returns the claims of a token, whose header and signature must be those of HS512.
pub(crate) fn verified_claims(token: &str, key: &str) -> Result<Value, String> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else { return Err(format!("`{token}` is no token")) };
    let part = |text| URL_SAFE_NO_PAD.decode(text).map_err(|error| format!("{error}: {token}"));
    let header: Value = serde_json::from_slice(&part(header)?).map_err(|error| error.to_string())?;
    if header["alg"] != "HS512" {
        return Err(format!("the header is {header}"));
    }
    if part(signature)? != hs512(&format!("{}.{claims}", parts[0]), key) {
        return Err("the signature is another one".to_owned());
    }
    serde_json::from_slice(&part(claims)?).map_err(|error| error.to_string())
}

fn hs512(text: &str, key: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha512>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
