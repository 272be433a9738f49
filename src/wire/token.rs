//! OAuth2 client credentials.

use serde::{Deserialize, Deserializer, Serialize};

use super::Hidden;

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
    pub password: Hidden,
    /// Code of a person's second factor, or a recovery code; extension.
    #[serde(skip_serializing)]
    pub otp: Hidden,
}

/// Answer with a token.
#[derive(Serialize, Deserialize, Clone)]
pub struct TokenResponse {
    /// The bearer token.
    pub access_token: String,
    /// `bearer`.
    #[serde(default)]
    pub token_type: String,
    /// Seconds until it ends; documented as a number and as a string.
    #[serde(deserialize_with = "number_or_text")]
    pub expires_in: i64,
    /// `global:manage`; `password:change` where a person must change the password first.
    #[serde(default)]
    pub scope: String,
}

fn number_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(i64),
        Text(String),
    }
    match Either::deserialize(deserializer)? {
        Either::Number(number) => Ok(number),
        Either::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expires_in_is_read_as_number_and_as_text() {
        for body in [r#"{"access_token":"t","expires_in":7199}"#, r#"{"access_token":"t","expires_in":"7199"}"#] {
            let response: TokenResponse = serde_json::from_str(body).unwrap();
            assert_eq!(response.expires_in, 7199);
        }
    }
}
