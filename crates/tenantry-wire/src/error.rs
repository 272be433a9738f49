//! The three shapes of an error body.

use serde::{Deserialize, Serialize};

use super::lenient::or_default;

/// Codes of the application and validation shapes.
pub mod code {
    /// A field holds an invalid value; HTTP 400.
    pub const INVALID: &str = "0002";
    /// The entity does not exist; HTTP 404 here, documented with 500.
    pub const NOT_FOUND: &str = "0003";
    /// Internal failure of the platform; HTTP 500.
    pub const INTERNAL: &str = "0005";
}

/// Authentication, permission and throttling: `{"error":"invalid_token","error_description":"..."}`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct OAuthError {
    /// Machine-readable code.
    pub error: String,
    /// Sentence for a person.
    #[serde(default, deserialize_with = "or_default")]
    pub error_description: String,
}

/// Element of the validation shape, a JSON array with HTTP 400.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct FieldError {
    /// See [`code`].
    pub code: String,
    /// Name of the field on the wire, dotted where nested.
    #[serde(default, deserialize_with = "or_default")]
    pub field_name: String,
    /// Sentence for a person.
    pub message: String,
    /// Unique id of the tenant that already holds the name or the mark; extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
}

/// Application failure: `{"code":"0003","message":"..."}`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct PlatformError {
    /// See [`code`].
    pub code: String,
    /// Sentence for a person.
    #[serde(deserialize_with = "or_default")]
    pub message: String,
}
