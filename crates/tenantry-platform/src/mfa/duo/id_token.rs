//! Verification of the ID token that Duo issues for a person after its prompt.

use secrecy::SecretString;
use serde::Deserialize;

use super::jwt;

/// Tolerated clock difference between Duo and this platform, in seconds.
const SKEW: f64 = 60.0;
/// The only result that grants access.
const ALLOW: &str = "allow";

/// Why a token is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdTokenError {
    Malformed,
    Algorithm,
    Signature,
    Issuer,
    Audience,
    Expired,
    Early,
    Person,
    Nonce,
    Result,
}

impl IdTokenError {
    /// Returns the name in the audit log.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::Signature => "signature",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Expired => "expired",
            Self::Early => "early",
            Self::Person => "person",
            Self::Nonce => "nonce",
            Self::Result => "result",
        }
    }
}

/// Claims that a token must have.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExpectedClaims<'a> {
    /// URL of the issuer.
    pub(super) issuer: &'a str,
    /// The integration key.
    pub(super) audience: &'a str,
    /// Login name of the person who was redirected to Duo.
    pub(super) login_name: &'a str,
    /// Nonce of the prompt.
    pub(super) nonce: &'a str,
    /// Current time in seconds.
    pub(super) now: f64,
}

/// The claims that are checked; all of them are required.
#[derive(Deserialize)]
struct IdTokenClaims {
    iss: String,
    aud: Audience,
    exp: f64,
    iat: f64,
    preferred_username: String,
    nonce: String,
    auth_result: AuthResult,
}

/// One text, or a list with exactly one: a token that is also issued for another audience is refused.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    List([String; 1]),
}

#[derive(Deserialize)]
struct AuthResult {
    result: String,
}

/// Verifies a token against the expected claims.
pub(super) fn verify_id_token(
    token: &str,
    key: &SecretString,
    expected: ExpectedClaims<'_>,
) -> Result<(), IdTokenError> {
    let ExpectedClaims { issuer, audience, login_name, nonce, now } = expected;
    let IdTokenClaims { iss, aud, exp, iat, preferred_username, nonce: returned, auth_result } =
        jwt::verify_claims(token, key)?;
    let (Audience::One(aud) | Audience::List([aud])) = aud;
    for (fits, flaw) in [
        (iss == issuer, IdTokenError::Issuer),
        (aud == audience, IdTokenError::Audience),
        (now < exp + SKEW, IdTokenError::Expired),
        (iat <= now + SKEW, IdTokenError::Early),
        (preferred_username == login_name, IdTokenError::Person),
        (returned == nonce, IdTokenError::Nonce),
        (auth_result.result == ALLOW, IdTokenError::Result),
    ] {
        if !fits {
            return Err(flaw);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: f64 = 1_700_000_000.0;

    fn verify_changed(change: impl FnOnce(&mut Value)) -> Result<(), IdTokenError> {
        let issuer = "https://api-1.duosecurity.com/oauth/v1/token";
        let mut claims = json!({
            "iss": issuer, "aud": "DIKEY", "sub": "ada", "exp": 1_700_000_300, "iat": 1_700_000_000,
            "preferred_username": "ada", "nonce": "n-1", "auth_time": 1_700_000_000,
            "auth_result": { "result": "allow", "status": "allow", "status_msg": "Login Successful" },
            "auth_context": { "factor": "duo_push" },
        });
        change(&mut claims);
        let key = SecretString::from("secret".to_owned());
        let token = jwt::sign_claims(&claims, &key).unwrap();
        verify_id_token(
            &token,
            &key,
            ExpectedClaims { issuer, audience: "DIKEY", login_name: "ada", nonce: "n-1", now: NOW },
        )
    }

    fn verify_with(member: &str, value: Value) -> Result<(), IdTokenError> {
        verify_changed(|claims| claims[member] = value)
    }

    fn verify_without(member: &str) -> Result<(), IdTokenError> {
        verify_changed(|claims| drop(claims.as_object_mut().unwrap().remove(member)))
    }

    #[test]
    fn the_token_that_was_asked_for_holds() {
        assert_eq!(verify_changed(|_| ()), Ok(()));
        assert_eq!(verify_with("aud", json!(["DIKEY"])), Ok(()));
        // The clocks differ a little, and Duo uses fractions of seconds.
        assert_eq!(verify_with("exp", json!(1_699_999_941)), Ok(()));
        assert_eq!(verify_with("iat", json!(1_700_000_059.5)), Ok(()));
    }

    #[test]
    fn each_claim_that_differs_or_lacks_is_a_flaw() {
        for (member, value, flaw) in [
            ("iss", json!("https://api-2.duosecurity.com/oauth/v1/token"), IdTokenError::Issuer),
            ("iss", json!("https://api-1.duosecurity.com"), IdTokenError::Issuer),
            ("aud", json!("DIOTHER"), IdTokenError::Audience),
            ("aud", json!(["DIKEY", "DIOTHER"]), IdTokenError::Malformed),
            ("aud", json!([]), IdTokenError::Malformed),
            ("exp", json!(1_699_999_940), IdTokenError::Expired),
            ("exp", json!("1700000300"), IdTokenError::Malformed),
            ("iat", json!(1_700_000_061), IdTokenError::Early),
            ("preferred_username", json!("Ada"), IdTokenError::Person),
            ("preferred_username", json!(""), IdTokenError::Person),
            ("nonce", json!("n-2"), IdTokenError::Nonce),
            ("nonce", json!(null), IdTokenError::Malformed),
            ("auth_result", json!({ "result": "deny" }), IdTokenError::Result),
            ("auth_result", json!({ "result": "ALLOW" }), IdTokenError::Result),
            ("auth_result", json!({ "status": "allow" }), IdTokenError::Malformed),
            ("auth_result", json!("allow"), IdTokenError::Malformed),
        ] {
            assert_eq!(verify_with(member, value.clone()), Err(flaw), "{member}: {value}");
        }
        for member in ["iss", "aud", "exp", "iat", "preferred_username", "nonce", "auth_result"] {
            assert_eq!(verify_without(member), Err(IdTokenError::Malformed), "{member}");
        }
    }
}
