//! Values as status shows them: whole where they are short, else by their size and digest.

use serde_json::json;

use super::Digest;

/// Longest text of status, in bytes; a longer one is shown as its size and digest, as in the evidence.
pub const LONGEST_SHOWN: usize = 8 * 1024;

/// A value as status shows it, from its JSON.
pub fn shown(json: String) -> String {
    if json.len() > LONGEST_SHOWN { summary(&json) } else { json }
}

/// Size and digest. No value of a setting is an object, so it is never taken for one.
pub fn summary(text: &str) -> String {
    json!({"bytes": text.len(), "digest": Digest::of(text.as_bytes()).to_string()}).to_string()
}

/// Whether two values of status are the same one, of which either may be cut.
pub fn is_same_shown(one: &str, other: &str) -> bool {
    let cut = |text: &str| if text.starts_with('{') { text.to_owned() } else { summary(text) };
    one == other || cut(one) == cut(other)
}
