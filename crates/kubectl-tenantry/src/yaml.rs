//! Writes YAML that every reader parses alike: a text that a reader could parse as another type is quoted.

use std::fmt::Write as _;

use serde_json::Value;

/// Renders a document in block style, with members in the order of their names.
pub(crate) fn to_block_yaml(value: &Value) -> String {
    let mut text = String::new();
    write_block(value, 0, &mut text);
    text
}

fn write_block(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let _ = write!(text, "{:1$}{2}:", "", depth * 2, plain_or_quoted(key));
                write_member(value, depth, text);
            }
        }
        Value::Array(items) => {
            for item in items {
                // Lists of manifests hold texts or, in a list of objects, complete documents. Flow style is right for
                // both.
                let _ = writeln!(text, "{:1$}- {2}", "", depth * 2, flow_value(item));
            }
        }
        value => {
            let _ = writeln!(text, "{:1$}{2}", "", depth * 2, flow_value(value));
        }
    }
}

fn write_member(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            text.push('\n');
            write_block(value, depth + 1, text);
        }
        Value::Array(items) if !items.is_empty() => {
            text.push('\n');
            write_block(value, depth, text);
        }
        value => {
            let _ = writeln!(text, " {}", flow_value(value));
        }
    }
}

/// Renders a value as JSON, which is also YAML. Only plain texts are unquoted, for readability.
fn flow_value(value: &Value) -> String {
    match value {
        Value::String(text) => plain_or_quoted(text),
        value => value.to_string(),
    }
}

/// Renders a text, quoted unless every version of YAML reads it as that text.
fn plain_or_quoted(text: &str) -> String {
    let quoted = || escape_invisible(&Value::from(text).to_string());
    let is_plain = text.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || " ._/@-+".contains(letter))
        && !text.ends_with(' ');
    let words = ["true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf"];
    let is_word = words.iter().any(|word| text.eq_ignore_ascii_case(word));
    // A colour of six hex digits, such as `F9E100`, is one letter away from a number.
    let is_hex = text.len() <= 8 && text.chars().all(|letter| letter.is_ascii_hexdigit());
    if is_plain && !is_word && !is_hex { text.to_owned() } else { quoted() }
}

/// Escapes invisible characters that JSON allows and that YAML reads as a line break or refuses.
fn escape_invisible(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            '\u{7f}'..='\u{9f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{ffff}' => {
                let _ = write!(text, "\\u{:04x}", u32::from(letter));
            }
            letter => text.push(letter),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::manifest::YamlDocument;

    #[test]
    fn what_could_be_a_number_or_a_switch_is_quoted() {
        for text in [
            "01067", "1F2937", "E10000", "no", "Yes", "null", "", " a", "a ", "a: b", "a #b", "- a", "12:30", "*a",
            "0x1f", "1_000", ".5", "~", "=", "a\nb", "é",
        ] {
            assert!(plain_or_quoted(text).starts_with('"'), "{text}");
        }
        for text in ["Berlin", "Hauptstr. 1", "Europe/Berlin", "noc@acme.example", "logo.png"] {
            assert_eq!(plain_or_quoted(text), text);
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
            "[\u{0}-\u{ff}\u{2000}-\u{206f}\u{feff}\u{fff0}-\u{fffd}]{0,6}".prop_map(Value::from),
            "[ -~]{0,8}".prop_map(Value::from),
            Just(json!({})),
            Just(json!([])),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec("\\PC{0,8}".prop_map(Value::from), 1..4).prop_map(Value::from),
                prop::collection::btree_map("[a-zA-Z.-]{1,6}", inner, 1..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in any_value()) {
            let value = json!({"spec": value});
            let text = to_block_yaml(&value);
            let read = YamlDocument::parse_all(&text).map_err(|(line, why)| TestCaseError::fail(format!("{line}: {why}\n{text}")))?;
            prop_assert_eq!(&read[0].value, &value, "{}", text);
        }
    }
}
