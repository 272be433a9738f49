//! A row and its hash.

use std::fmt::Write as _;

use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::platform::credential::hex;

/// Characters of a text in a row at most.
const MAX_TEXT_CHARS: usize = 300;

/// Lower-case hex SHA-256 of a row; empty before the first one.
pub(in crate::platform) type RowHash = String;

/// The row that was the last one of the whole log before another: of another tenant, or of the same one.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::platform) struct PrecedingRow {
    /// 0 before the first row of all.
    pub(in crate::platform) tenant: i64,
    pub(in crate::platform) number: i64,
    pub(in crate::platform) hash: RowHash,
}

/// A row of a chain. Its JSON with the hash behind it is a line of the export.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
pub(in crate::platform) struct AuditRow {
    pub(in crate::platform) tenant: i64,
    pub(in crate::platform) number: i64,
    /// Milliseconds since 1970.
    pub(in crate::platform) at: i64,
    /// Who did it, by id: a name is never here, so that the erasure of a person changes no row.
    pub(in crate::platform) actor: String,
    pub(in crate::platform) action: String,
    pub(in crate::platform) object: String,
    pub(in crate::platform) outcome: String,
    pub(in crate::platform) request: String,
    /// Address that the request came from; empty where there was none.
    pub(in crate::platform) source: String,
    /// Hash of the row before.
    pub(in crate::platform) previous: RowHash,
    /// Absent in rows of before there was an anchor.
    pub(in crate::platform) beside: Option<PrecedingRow>,
    /// Id of the key that it is sealed with.
    #[serde(rename = "keyId")]
    pub(in crate::platform) key_id: String,
}

impl AuditRow {
    /// SHA-256 of the row's JSON as an array: lengths and order are unmistakable in it.
    pub(in crate::platform) fn compute_hash(&self) -> RowHash {
        let Self { tenant, number, at, actor, action, object, outcome, request, source, previous, beside, key_id } =
            self;
        let first = (tenant, number, at, actor, action, object, outcome, request, previous);
        let bytes = match beside {
            None => serde_json::to_vec(&first),
            Some(beside) => serde_json::to_vec(&(first, source, key_id, beside)),
        };
        // Numbers and texts always are JSON; an empty row would be found as changed.
        hex(&Sha256::digest(bytes.unwrap_or_default()))
    }
}

/// A text as the log keeps it: cut short, and with everything escaped that a terminal or a reader could take for something
/// else than a character.
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

/// Line ends that are no control characters, marks without width and marks of direction.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// 128 bits by chance, as hex.
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
