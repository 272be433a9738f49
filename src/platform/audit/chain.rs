//! A row, its hash, and the seal of the last one.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::RngExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::platform::credential::{hex, random_token, same};
use crate::platform::store::Head;

/// Characters of a text in a row at most.
const MOST: usize = 300;

/// Lower-case hex SHA-256 of a row; empty before the first one.
pub(in crate::platform) type Hash = String;

/// A row of a chain. Its JSON with the hash behind it is a line of the export.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub(in crate::platform) struct Row {
    pub(in crate::platform) tenant: i64,
    pub(in crate::platform) number: i64,
    /// Milliseconds since 1970.
    pub(in crate::platform) at: i64,
    pub(in crate::platform) actor: String,
    pub(in crate::platform) action: String,
    pub(in crate::platform) object: String,
    pub(in crate::platform) outcome: String,
    pub(in crate::platform) request: String,
    /// Hash of the row before.
    pub(in crate::platform) previous: Hash,
}

impl Row {
    /// SHA-256 of the row's JSON as an array: lengths and order are unmistakable in it.
    pub(in crate::platform) fn hash(&self) -> Hash {
        let Self { tenant, number, at, actor, action, object, outcome, request, previous } = self;
        let bytes = serde_json::to_vec(&(tenant, number, at, actor, action, object, outcome, request, previous));
        // Numbers and texts always are JSON; an empty row would be found as changed.
        hex(&Sha256::digest(bytes.unwrap_or_default()))
    }
}

/// A text as the log keeps it: cut short, and with everything escaped that a terminal or a reader could take for something
/// else than a character.
pub(super) fn plain(text: &str) -> String {
    text.chars().take(MOST).fold(String::with_capacity(text.len()), |mut plain, character| {
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

/// The key that seals the heads. Without one a seal is empty, and a head that was forged along with its chain passes.
#[derive(Clone)]
pub(in crate::platform) struct Seal(Option<SecretString>);

impl Seal {
    /// Without a key.
    pub(in crate::platform) const fn none() -> Self {
        Self(None)
    }

    /// The key of a file, which is made where it is not there; and whether it was made.
    pub(super) fn open(file: &Path) -> std::io::Result<(Self, bool)> {
        let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
        match made {
            Ok(mut target) => {
                let key = random_token();
                target.write_all(key.as_bytes())?;
                target.sync_all()?;
                Ok((Self(Some(key.into())), true))
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok((Self::read(file)?, false)),
            Err(error) => Err(error),
        }
    }

    /// The key of a file that must be there.
    pub(in crate::platform) fn read(file: &Path) -> std::io::Result<Self> {
        let key = std::fs::read_to_string(file)?;
        if key.trim().len() < 32 {
            return Err(std::io::Error::other(
                "the key has fewer than 32 characters; bring back the one that was there",
            ));
        }
        Ok(Self(Some(key.trim().to_owned().into())))
    }

    /// The key itself, for others to derive theirs from.
    pub(in crate::platform) fn key(&self) -> Option<&SecretString> {
        self.0.as_ref()
    }

    /// The seal of a head.
    pub(in crate::platform) fn of(&self, tenant: i64, number: i64, hash: &str) -> String {
        let Some(key) = &self.0 else { return String::new() };
        // A key of any length will do for HMAC.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes()) else { return String::new() };
        mac.update(format!("{tenant}/{number}/{hash}").as_bytes());
        hex(&mac.finalize().into_bytes())
    }

    /// Whether a chain's head has this key's seal; before the first row there is none.
    pub(super) fn holds_head(&self, tenant: i64, head: &Head) -> bool {
        *head == Head::default() || self.holds(tenant, (head.number, &head.hash), &head.seal)
    }

    /// Whether a head has this key's seal.
    pub(super) fn holds(&self, tenant: i64, (number, hash): (i64, &str), seal: &str) -> bool {
        same(&self.of(tenant, number, hash), seal)
    }
}

/// 128 bits by chance, as hex.
pub(super) fn random_id() -> String {
    hex(&rand::rng().random::<[u8; 16]>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_character_is_escaped_and_long_texts_are_cut() {
        assert_eq!(plain("a\nb\u{1b}[31m\u{202e}c\u{2028}ä"), "a\\u{a}b\\u{1b}[31m\\u{202e}c\\u{2028}ä");
        assert_eq!(plain(&"x".repeat(1000)).len(), MOST);
    }

    #[test]
    fn each_member_of_a_row_changes_its_hash() {
        let row = |change: fn(&mut Row)| {
            let text = || "a".to_owned();
            let mut row = Row {
                tenant: 1,
                number: 2,
                at: 3,
                actor: text(),
                action: text(),
                object: text(),
                outcome: text(),
                request: text(),
                previous: text(),
            };
            change(&mut row);
            row.hash()
        };
        let changes: [fn(&mut Row); 10] = [
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
        ];
        let hashes: std::collections::BTreeSet<_> = changes.into_iter().map(row).collect();
        assert_eq!(hashes.len(), 10);
    }

    #[test]
    fn a_seal_holds_for_one_head_and_one_key() {
        let key = |text: &str| Seal(Some(text.to_owned().into()));
        let seal = key("a").of(1, 2, "h");
        assert!(key("a").holds(1, (2, "h"), &seal));
        assert!(!key("b").holds(1, (2, "h"), &seal));
        assert!(!key("a").holds(1, (3, "h"), &seal) && !key("a").holds(2, (2, "h"), &seal));
        assert!(Seal(None).holds(1, (2, "h"), "") && !Seal(None).holds(1, (2, "h"), &seal));
    }
}
