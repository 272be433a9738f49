//! Values as status shows them: short values in full, long ones as size and digest.

use serde_json::json;

use super::Digest;

/// Maximum length of a text in status, in bytes. A longer text is shown as its size and digest, as in the evidence.
pub const MAX_STATUS_VALUE_BYTES: usize = 8 * 1024;

/// Converts the JSON of a value to the form that status shows.
pub fn to_status_value(json: String) -> String {
    if json.len() > MAX_STATUS_VALUE_BYTES { summarise_long_value(&json) } else { json }
}

/// Returns size and digest as a JSON object. No setting has an object as its value, so the two cannot be confused.
pub fn summarise_long_value(text: &str) -> String {
    json!({"bytes": text.len(), "digest": Digest::of_bytes(text.as_bytes()).to_string()}).to_string()
}

/// Returns whether two values of status are equal; either may be in the shortened form.
pub fn is_same_status_value(one: &str, other: &str) -> bool {
    let cut = |text: &str| if text.starts_with('{') { text.to_owned() } else { summarise_long_value(text) };
    one == other || cut(one) == cut(other)
}
