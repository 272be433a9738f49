//! Tokens of OAuth2: client credentials and, as an extension, passwords.

use serde::{Deserialize, Deserializer, Serialize};

use serde_json::Value;

use super::HiddenText;
use super::lenient::or_default;

/// Form of a token request.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub struct TokenRequest {
    /// `client_credentials`, or `password` for a person (extension).
    pub grant_type: String,
    /// The key.
    pub client_id: String,
    /// The secret.
    pub client_secret: String,
    /// Login name of a person; extension.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub username: String,
    /// Password of a person; extension.
    #[serde(skip_serializing)]
    pub password: HiddenText,
    /// Code of a person's second factor, or a recovery code; extension.
    #[serde(skip_serializing)]
    pub otp: HiddenText,
}

/// Answer with a token.
#[derive(Serialize, Deserialize, Clone)]
pub struct TokenResponse {
    /// The bearer token.
    pub access_token: String,
    /// `bearer`, in any case of letters.
    #[serde(default, deserialize_with = "or_default")]
    pub token_type: String,
    /// Seconds until the token expires. It is documented as a number and as a string, and is optional in RFC 6749.
    /// `None` if the server does not send a number above zero.
    #[serde(default, deserialize_with = "seconds", skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
    /// `global:manage`; `password:change` where a person must change the password first.
    #[serde(default, deserialize_with = "text")]
    pub scope: String,
}

fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let number = match Value::deserialize(from)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float that is cast saturates")]
    Ok(number.filter(|seconds: &f64| *seconds >= 1.0 && seconds.is_finite()).map(|seconds| seconds as u64))
}

/// Reads a text, and any other form as an empty one: nothing is decided by the scope, so another form of it must not
/// make the token unusable.
fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(Value::deserialize(from)?.as_str().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse_token_response(members: &Value) -> TokenResponse {
        let mut body = json!({"access_token": "t"});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn expires_in_is_read_in_each_form_and_what_is_no_time_is_unknown() {
        for form in [json!(7199), json!("7199"), json!(7199.0), json!(7199.9), json!("7199.0"), json!(" 7199 ")] {
            assert_eq!(parse_token_response(&json!({"expires_in": form})).expires_in, Some(7199), "{form}");
        }
        for form in [
            json!(null),
            json!(""),
            json!("never"),
            json!(0),
            json!(-1),
            json!("NaN"),
            json!("inf"),
            json!(true),
            json!({}),
        ] {
            assert_eq!(parse_token_response(&json!({"expires_in": form})).expires_in, None, "{form}");
        }
        assert_eq!(parse_token_response(&json!({})).expires_in, None);
        assert_eq!(parse_token_response(&json!({"expires_in": 1e300})).expires_in, Some(u64::MAX));
    }

    #[test]
    fn members_that_nobody_needs_may_be_null_or_of_another_form() {
        for members in
            [json!({"scope": null, "token_type": null}), json!({"scope": ["a", "b"]}), json!({"refresh_token": null})]
        {
            assert_eq!(parse_token_response(&members).scope, "");
        }
        assert_eq!(parse_token_response(&json!({"scope": "global:manage"})).scope, "global:manage");
    }
}
