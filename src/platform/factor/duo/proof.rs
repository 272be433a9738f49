//! What Duo says of a person who was at its prompt, and whether it says it of this one.

use secrecy::SecretString;
use serde::Deserialize;

use super::jwt;

/// Seconds by which Duo's clock may differ from ours.
const SKEW: f64 = 60.0;
/// The one result that lets somebody in.
const ALLOW: &str = "allow";

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::platform) enum Flaw {
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

impl Flaw {
    /// The word for it in the audit log.
    pub(super) const fn word(self) -> &'static str {
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

/// What a token must say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    /// The address that issues tokens.
    pub(super) issuer: &'a str,
    /// The integration key.
    pub(super) audience: &'a str,
    /// Login name of the person who was sent to Duo.
    pub(super) login_name: &'a str,
    /// What was sent along.
    pub(super) nonce: &'a str,
    /// Now, in seconds.
    pub(super) now: f64,
}

/// The claims that count; all of them must be there.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    exp: f64,
    iat: f64,
    preferred_username: String,
    nonce: String,
    auth_result: AuthResult,
}

/// One text, or a list of it alone: a token for somebody else too is none for us.
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

/// Holds a token against what was asked for.
pub(super) fn hold(token: &str, key: &SecretString, expected: Expected<'_>) -> Result<(), Flaw> {
    let Expected { issuer, audience, login_name, nonce, now } = expected;
    let Claims { iss, aud, exp, iat, preferred_username, nonce: returned, auth_result } = jwt::verify(token, key)?;
    let (Audience::One(aud) | Audience::List([aud])) = aud;
    for (fits, flaw) in [
        (iss == issuer, Flaw::Issuer),
        (aud == audience, Flaw::Audience),
        (now < exp + SKEW, Flaw::Expired),
        (iat <= now + SKEW, Flaw::Early),
        (preferred_username == login_name, Flaw::Person),
        (returned == nonce, Flaw::Nonce),
        (auth_result.result == ALLOW, Flaw::Result),
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

    fn judged(change: impl FnOnce(&mut Value)) -> Result<(), Flaw> {
        let issuer = "https://api-1.duosecurity.com/oauth/v1/token";
        let mut claims = json!({
            "iss": issuer, "aud": "DIKEY", "sub": "ada", "exp": 1_700_000_300, "iat": 1_700_000_000,
            "preferred_username": "ada", "nonce": "n-1", "auth_time": 1_700_000_000,
            "auth_result": { "result": "allow", "status": "allow", "status_msg": "Login Successful" },
            "auth_context": { "factor": "duo_push" },
        });
        change(&mut claims);
        let key = SecretString::from("secret".to_owned());
        let token = jwt::sign(&claims, &key).unwrap();
        hold(&token, &key, Expected { issuer, audience: "DIKEY", login_name: "ada", nonce: "n-1", now: NOW })
    }

    fn with(member: &str, value: Value) -> Result<(), Flaw> {
        judged(|claims| claims[member] = value)
    }

    fn without(member: &str) -> Result<(), Flaw> {
        judged(|claims| drop(claims.as_object_mut().unwrap().remove(member)))
    }

    #[test]
    fn the_token_that_was_asked_for_holds() {
        assert_eq!(judged(|_| ()), Ok(()));
        assert_eq!(with("aud", json!(["DIKEY"])), Ok(()));
        // The clocks differ a little, and Duo counts parts of seconds.
        assert_eq!(with("exp", json!(1_699_999_941)), Ok(()));
        assert_eq!(with("iat", json!(1_700_000_059.5)), Ok(()));
    }

    #[test]
    fn each_claim_that_differs_or_lacks_is_a_flaw() {
        for (member, value, flaw) in [
            ("iss", json!("https://api-2.duosecurity.com/oauth/v1/token"), Flaw::Issuer),
            ("iss", json!("https://api-1.duosecurity.com"), Flaw::Issuer),
            ("aud", json!("DIOTHER"), Flaw::Audience),
            ("aud", json!(["DIKEY", "DIOTHER"]), Flaw::Malformed),
            ("aud", json!([]), Flaw::Malformed),
            ("exp", json!(1_699_999_940), Flaw::Expired),
            ("exp", json!("1700000300"), Flaw::Malformed),
            ("iat", json!(1_700_000_061), Flaw::Early),
            ("preferred_username", json!("Ada"), Flaw::Person),
            ("preferred_username", json!(""), Flaw::Person),
            ("nonce", json!("n-2"), Flaw::Nonce),
            ("nonce", json!(null), Flaw::Malformed),
            ("auth_result", json!({ "result": "deny" }), Flaw::Result),
            ("auth_result", json!({ "result": "ALLOW" }), Flaw::Result),
            ("auth_result", json!({ "status": "allow" }), Flaw::Malformed),
            ("auth_result", json!("allow"), Flaw::Malformed),
        ] {
            assert_eq!(with(member, value.clone()), Err(flaw), "{member}: {value}");
        }
        for member in ["iss", "aud", "exp", "iat", "preferred_username", "nonce", "auth_result"] {
            assert_eq!(without(member), Err(Flaw::Malformed), "{member}");
        }
    }
}
