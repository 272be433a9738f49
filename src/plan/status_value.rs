//! Values as status shows them: whole where they are short, else by their size and digest.

use serde_json::json;

use super::Digest;

/// Longest text of status, in bytes; a longer one is shown as its size and digest, as in the evidence.
pub const MAX_STATUS_VALUE_BYTES: usize = 8 * 1024;

/// A value as status shows it, from its JSON.
pub fn to_status_value(json: String) -> String {
    if json.len() > MAX_STATUS_VALUE_BYTES { size_and_digest(&json) } else { json }
}

/// Size and digest. No value of a setting is an object, so it is never taken for one.
pub fn size_and_digest(text: &str) -> String {
    json!({"bytes": text.len(), "digest": Digest::of_bytes(text.as_bytes()).to_string()}).to_string()
}

/// Whether two values of status are the same one, of which either may be cut.
pub fn is_same_status_value(one: &str, other: &str) -> bool {
    let cut = |text: &str| if text.starts_with('{') { text.to_owned() } else { size_and_digest(text) };
    one == other || cut(one) == cut(other)
}
