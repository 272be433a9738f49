//! Finds values that should be texts but are not, because they lack quotes: a colour that is a comment, a postal code
//! that is a number, Norway's code that is `false`.
//!
//! kubectl, kustomize, Helm and the GitOps tools read YAML 1.1, in which more plain words are not texts than in YAML
//! 1.2. This module follows their reading.

use super::schema::{KindSchema, is_int_or_string};
use crate::manifest::{ScalarPosition, YamlDocument};

/// A scalar that is not read as a text.
pub(super) struct MisreadScalar {
    pub(super) path: String,
    pub(super) line: u64,
    pub(super) column: u64,
    pub(super) message: String,
}

/// Finds every scalar of a document that should be a text and is not read as one.
pub(super) fn find_misread_scalars(document: &YamlDocument, schema: &KindSchema, source: &str) -> Vec<MisreadScalar> {
    let lines: Vec<&str> = source.lines().collect();
    let judge = |(path, scalar): (&String, &ScalarPosition)| {
        let ScalarPosition { line, column, is_null } = *scalar;
        schema.schema_at(path).filter(|node| node["type"] == "string" || is_int_or_string(node))?;
        let text = *lines.get(usize::try_from(line).ok()?.checked_sub(1)?)?;
        let word = if is_null { comment_value(text, path) } else { Some(token_at(text, column)) }?;
        let what = if is_null { "a comment" } else { yaml_1_1_meaning(&word)? };
        let message = format!("`{word}` without quotes is {what}: write `\"{word}\"`");
        Some(MisreadScalar { path: path.clone(), line, column, message })
    };
    document.scalars().iter().filter_map(judge).collect()
}

/// Returns the text behind a `#` that begins a comment where the value of a member should be.
fn comment_value(line: &str, path: &str) -> Option<String> {
    let name = path.rsplit('.').next().unwrap_or(path);
    let (_, after) = line.split_once(&format!("{name}:"))?;
    let word: String = after.trim_start().split([',', '}', ' ']).next().unwrap_or_default().to_owned();
    word.starts_with('#').then_some(word)
}

/// Returns the plain word at a column; empty for quoted words, blocks, aliases and tags.
fn token_at(line: &str, column: u64) -> String {
    let skipped = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    let rest: String = line.chars().skip(skipped).collect();
    if rest.starts_with(['"', '\'', '|', '>', '*', '&', '!']) {
        return String::new();
    }
    let end = [" #", ", ", ",\t", "}", "]"].iter().filter_map(|end| rest.find(end)).min().unwrap_or(rest.len());
    rest[..end].trim_end_matches([',', ' ', '\t', '\r']).to_owned()
}

/// Returns what YAML 1.1 reads a plain word as, if not as a text.
fn yaml_1_1_meaning(word: &str) -> Option<&'static str> {
    match word {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "true" | "True" | "TRUE" => Some("the flag `true`"),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "false" | "False" | "FALSE" => {
            Some("the flag `false`")
        }
        "~" | "null" | "Null" | "NULL" => Some("nothing at all"),
        _ => is_number(word).then_some("a number"),
    }
}

fn is_number(word: &str) -> bool {
    let unsigned = word.strip_prefix(['+', '-']).unwrap_or(word);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let digits = unsigned.replace('_', "");
    let of_base = |prefix: &str, is_digit: fn(&char) -> bool| {
        digits.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.chars().all(|one| is_digit(&one)))
    };
    if of_base("0x", char::is_ascii_hexdigit)
        || of_base("0o", |one| ('0'..='7').contains(one))
        || of_base("0b", |one| ['0', '1'].contains(one))
    {
        return true;
    }
    digits.starts_with(|one: char| one.is_ascii_digit() || one == '.')
        && digits.contains(|one: char| one.is_ascii_digit())
        && digits.chars().all(|one| one.is_ascii_digit() || ".eE+-".contains(one))
        // A number that overflows is read as a text.
        && digits.parse::<f64>().is_ok_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_yaml_1_1_are_no_texts() {
        for (word, what) in [
            ("no", Some("the flag `false`")),
            ("NO", Some("the flag `false`")),
            ("y", Some("the flag `true`")),
            ("on", Some("the flag `true`")),
            ("~", Some("nothing at all")),
            ("10117", Some("a number")),
            ("01067", Some("a number")),
            ("0x1F", Some("a number")),
            ("1_000", Some("a number")),
            ("1E29", Some("a number")),
            ("1E2937", None),
            ("-.5", Some("a number")),
            (".inf", Some("a number")),
            ("Norway", None),
            ("1F2937", None),
            ("nope", None),
            ("10.0.0.1", None),
            ("12-34", None),
            ("09:30", None),
            ("+49 30 1234", None),
            ("2026-12-01T12:00:00Z", None),
            ("e10", None),
            (".", None),
            ("inf", None),
            ("", None),
        ] {
            assert_eq!(yaml_1_1_meaning(word), what, "{word}");
        }
    }

    #[test]
    fn a_word_ends_where_yaml_ends_it() {
        for (line, column, word) in [
            ("  city: no", 9, "no"),
            ("  city: no # really", 9, "no"),
            ("details: {country: no, city: Oslo}", 20, "no"),
            ("details: {country: no}", 20, "no"),
            ("  - 10117", 5, "10117"),
            ("  city: \"no\"", 9, ""),
            ("  city: 'no'", 9, ""),
            ("  city: |", 9, ""),
            ("  city: *one", 9, ""),
        ] {
            assert_eq!(token_at(line, column), word, "{line}");
        }
    }
}
