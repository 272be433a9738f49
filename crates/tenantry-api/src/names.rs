//! Names as Kubernetes takes them. A name that is none would become another path of a request.

use schemars::{Schema, SchemaGenerator, json_schema};

/// Names of objects: DNS subdomains of RFC 1123.
pub const OBJECT_NAME_PATTERN: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// Names of namespaces: DNS labels of RFC 1123.
pub const NAMESPACE_PATTERN: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
/// Keys of Secrets and `ConfigMaps`.
pub const DATA_KEY_PATTERN: &str = "^[-._a-zA-Z0-9]+$";

/// Most characters of an object's name and of a key.
const MAX_NAME_LENGTH: usize = 253;
/// Most characters of a namespace's name.
const MAX_LABEL_LENGTH: usize = 63;

/// Schema of an object's name.
pub(super) fn object_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": MAX_NAME_LENGTH, "pattern": OBJECT_NAME_PATTERN})
}

/// Schema of a namespace's name.
pub(super) fn namespace_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": MAX_LABEL_LENGTH, "pattern": NAMESPACE_PATTERN})
}

/// Schema of a key in the data of a Secret or `ConfigMap`.
pub(super) fn data_key(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": MAX_NAME_LENGTH, "pattern": DATA_KEY_PATTERN})
}

/// Whether a text may be the name of an object.
pub fn is_object_name(text: &str) -> bool {
    text.len() <= MAX_NAME_LENGTH && text.split('.').all(is_label)
}

/// Whether a text may be the name of a namespace.
pub fn is_namespace_name(text: &str) -> bool {
    text.len() <= MAX_LABEL_LENGTH && is_label(text)
}

/// Whether a text may be a key in the data of a Secret or `ConfigMap`.
pub fn is_data_key(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (1..=MAX_NAME_LENGTH).contains(&text.len()) && text.bytes().all(fits)
}

/// Whether a text fits a pattern of these.
pub fn matches_pattern(pattern: &str, text: &str) -> bool {
    match pattern {
        OBJECT_NAME_PATTERN => is_object_name(text),
        NAMESPACE_PATTERN => is_namespace_name(text),
        DATA_KEY_PATTERN => is_data_key(text),
        _ => true,
    }
}

fn is_label(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let edges = [text.bytes().next(), text.bytes().next_back()];
    edges.iter().all(|edge| edge.is_some_and(is_inner)) && text.bytes().all(|byte| is_inner(byte) || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_elsewhere_in_a_path_is_no_name() {
        for name in ["a", "acme", "a-1.b-2", "0", &"x".repeat(253)] {
            assert!(is_object_name(name), "{name}");
        }
        let no_names = [
            "",
            "..",
            ".",
            "../../x",
            "%2e%2e%2f",
            "platform?x=1",
            "a/b",
            "a#b",
            "A",
            "a..b",
            "-a",
            "a-",
            "a ",
            "a\n",
            "\u{d7ff}",
            "ä",
        ];
        for name in no_names.into_iter().chain([&*"x".repeat(254)]) {
            assert!(!is_object_name(name) && !is_namespace_name(name), "{name}");
        }
        assert!(is_namespace_name(&"x".repeat(63)) && !is_namespace_name(&"x".repeat(64)) && !is_namespace_name("a.b"));
        for key in ["ikey", "ca.crt", "A_b-1"] {
            assert!(is_data_key(key), "{key}");
        }
        for key in ["", "a/b", "a b", "a\n", "ä"] {
            assert!(!is_data_key(key), "{key}");
        }
    }
}
