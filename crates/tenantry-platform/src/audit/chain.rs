//! An audit row and its hash.

use std::fmt::Write as _;

use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::credential::hex;

/// Maximum number of characters of a text in a row.
const MAX_TEXT_CHARS: usize = 300;

/// Lower-case hex SHA-256 of a row; empty before the first row.
pub(crate) type RowHash = String;

/// The row that was the last one of the whole log when another row was written. It may belong to another tenant.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PrecedingRow {
    /// 0 before the first row of the log.
    pub(crate) tenant: i64,
    pub(crate) number: i64,
    pub(crate) hash: RowHash,
}

/// A row of a chain. Its JSON together with the hash is a line of the export.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
pub(crate) struct AuditRow {
    pub(crate) tenant: i64,
    pub(crate) number: i64,
    /// Milliseconds since 1970.
    pub(crate) at: i64,
    /// Who acted, by id. Names are never stored here, so that erasing a person changes no row.
    pub(crate) actor: String,
    pub(crate) action: String,
    pub(crate) object: String,
    pub(crate) outcome: String,
    pub(crate) request: String,
    /// Source address of the request; empty if there was none.
    pub(crate) source: String,
    /// Hash of the previous row.
    pub(crate) previous: RowHash,
    /// Absent in rows from before the anchor existed.
    pub(crate) beside: Option<PrecedingRow>,
    /// Id of the key that it is sealed with.
    #[serde(rename = "keyId")]
    pub(crate) key_id: String,
}

impl AuditRow {
    /// Returns the SHA-256 of the row's JSON array, in which lengths and order are unambiguous.
    pub(crate) fn compute_hash(&self) -> RowHash {
        let Self { tenant, number, at, actor, action, object, outcome, request, source, previous, beside, key_id } =
            self;
        let first = (tenant, number, at, actor, action, object, outcome, request, previous);
        let bytes = match beside {
            None => serde_json::to_vec(&first),
            Some(beside) => serde_json::to_vec(&(first, source, key_id, beside)),
        };
        // Serializing numbers and texts cannot fail; an empty row would be reported as changed.
        hex(&Sha256::digest(bytes.unwrap_or_default()))
    }
}

/// Truncates a text for the log and escapes everything that a terminal or a reader could take for something other than
/// a visible character.
pub(super) fn sanitize_text(text: &str) -> String {
    text.chars().take(MAX_TEXT_CHARS).fold(String::with_capacity(text.len()), |mut plain, character| {
        if character.is_control() || is_invisible(character) {
            // Writing to a String cannot fail.
            let _ = write!(plain, "\\u{{{:x}}}", u32::from(character));
        } else {
            plain.push(character);
        }
        plain
    })
}

/// Matches line separators that are no control characters, zero-width characters and direction marks.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Returns 128 random bits as hex.
pub(super) fn random_request_id() -> String {
    hex(&rand::rng().random::<[u8; 16]>())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// shows: security/asvs/16.4.1
    #[test]
    fn what_is_no_character_is_escaped_and_long_texts_are_cut() {
        assert_eq!(sanitize_text("a\nb\u{1b}[31m\u{202e}c\u{2028}ä"), "a\\u{a}b\\u{1b}[31m\\u{202e}c\\u{2028}ä");
        assert_eq!(sanitize_text(&"x".repeat(1000)).len(), MAX_TEXT_CHARS);
    }

    #[test]
    fn each_member_of_a_row_changes_its_hash() {
        let row = |change: fn(&mut AuditRow)| {
            let text = || "a".to_owned();
            let mut row = AuditRow {
                tenant: 1,
                number: 2,
                at: 3,
                actor: text(),
                action: text(),
                object: text(),
                outcome: text(),
                request: text(),
                source: text(),
                previous: text(),
                beside: Some(PrecedingRow { tenant: 4, number: 5, hash: text() }),
                key_id: text(),
            };
            change(&mut row);
            row.compute_hash()
        };
        let changes: [fn(&mut AuditRow); 16] = [
            |_| (),
            |row| row.tenant = 9,
            |row| row.number = 9,
            |row| row.at = 9,
            |row| row.actor += "b",
            |row| row.action += "b",
            |row| row.object += "b",
            |row| row.outcome += "b",
            |row| row.request += "b",
            |row| row.previous += "b",
            |row| row.source += "b",
            |row| row.key_id += "b",
            |row| row.beside.as_mut().unwrap().tenant = 9,
            |row| row.beside.as_mut().unwrap().number = 9,
            |row| row.beside.as_mut().unwrap().hash += "b",
            |row| row.beside = None,
        ];
        let hashes: std::collections::BTreeSet<_> = changes.into_iter().map(row).collect();
        assert_eq!(hashes.len(), 16);
    }
}
