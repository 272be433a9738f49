//! Names and passwords in one normal form, in which they are compared, hashed and held to be unique: login names as RFC 8265's
//! `UsernameCaseMapped`, passwords as its `OpaqueString`, other names in NFC and without invisible characters.

mod command;

use precis_profiles::precis_core::profile::Profile as _;
use precis_profiles::{OpaqueString, UsernameCaseMapped, UsernameCasePreserved};
use unicode_normalization::{UnicodeNormalization as _, is_nfc};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};
use unicode_security::MixedScript as _;

use super::bounds;
use super::error::{Error, quote};

pub use command::{NamesCommand, NamesError};

/// A login name that may be given to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LoginName(String);

impl LoginName {
    /// A login name as it was typed: blanks at its ends do not count, and letters keep their case where it is shown.
    pub(super) fn read(typed: &str) -> Result<Self, &'static str> {
        let name = typed.trim();
        if name.is_empty() {
            return Err("The text is required");
        }
        if name.chars().count() > bounds::EMAIL
            || name.chars().any(|letter| letter.is_control() || letter.is_whitespace())
        {
            return Err("The login name must have 1 to 254 characters and no blanks");
        }
        let (Ok(shown), Ok(key)) =
            (UsernameCasePreserved::new().enforce(name), UsernameCaseMapped::new().enforce(name))
        else {
            return Err("The login name has invisible characters or signs that are neither letters, digits nor ASCII");
        };
        refused(&key).map_or_else(|| Ok(Self(shown.into_owned())), Err)
    }

    /// As it is shown.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why nobody gets a name of a normal form, if that is so.
fn refused(key: &str) -> Option<&'static str> {
    if is_reserved(key) {
        // Answers and logs name credentials and people so.
        return Some("Login names that begin with api@, api#, user: or are USR and digits are reserved; take another");
    }
    // Of an e-mail address each part is a word.
    let words = key.split(|letter: char| letter.is_ascii_punctuation());
    words.into_iter().any(|word| !word.is_single_script()).then_some(
        "A word of the login name has letters of several scripts, such as Latin and Cyrillic; write it in one",
    )
}

/// Whether a name has a form in which the platform itself names somebody.
fn is_reserved(key: &str) -> bool {
    let is_id = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    ["api@", "api#", "user:"].iter().any(|start| key.starts_with(start)) || key.strip_prefix("usr").is_some_and(is_id)
}

/// The form in which login names are compared. A text that can be no login name is compared as one was before there was a
/// normal form, so that names from then still log in.
pub(super) fn login_key(name: &str) -> String {
    let name = name.trim();
    let mapped = UsernameCaseMapped::new().enforce(name);
    // At the end of a word the small sigma has another form of the same letter.
    mapped.map_or_else(|_| name.to_lowercase(), std::borrow::Cow::into_owned).replace('ς', "σ")
}

/// The form in which login names were compared before there was a normal form. Of two names that collided then each still logs in.
pub(super) fn former_login_key(name: &str) -> String {
    name.trim().to_lowercase()
}

/// The key of a person whose login name a mask took: no login name has a blank, so nobody can have it first.
pub(super) fn masked_login_key(unique_id: &str) -> String {
    format!(" {unique_id}")
}

/// A password in the form in which it is hashed; none where it has characters that no password may have.
pub(super) fn password(typed: &str) -> Option<String> {
    OpaqueString::new().enforce(typed).ok().map(std::borrow::Cow::into_owned)
}

/// The name of a tenant, a role or a permission set, without blanks at its ends.
///
/// One that is not in NFC is refused and not changed: its sender would find another name than the one that was sent.
pub(super) fn name(name: &str) -> Result<String, Error> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > bounds::NAME || name.chars().any(char::is_control) {
        return Err(Error::field("name", "The name must have 1 to 255 printable characters"));
    }
    if let Some(hidden) = name.chars().find(|letter| is_invisible(*letter)) {
        let message = format!("The name has the invisible character U+{:04X}; take it out", u32::from(hidden));
        return Err(Error::field("name", message));
    }
    if !is_nfc(name) {
        let normal: String = name.nfc().collect();
        let message = format!("The name is not in the normal form NFC of Unicode; send {}", quote(&normal));
        return Err(Error::field("name", message));
    }
    Ok(name.to_owned())
}

/// Whether nobody sees a character: marks of format and direction, fillers, and selectors but for the one of emoji.
fn is_invisible(letter: char) -> bool {
    letter.general_category() == GeneralCategory::Format
        || matches!(letter,
            '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2800}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0e}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sigma_at_the_end_of_a_word_is_the_letter_that_it_is_elsewhere() {
        let forms = ["ΟΔΟΣ", "οδος", "οδοσ", "Οδος"].map(login_key);
        assert!(forms.iter().all(|form| *form == forms[0]), "{forms:?}");
        assert_eq!(login_key("ΣΑΣ.ΣΑΣ@example.org"), login_key("σας.σας@example.org"));
    }

    #[test]
    fn a_login_name_is_compared_by_its_normal_form_and_shown_with_its_case() {
        for (typed, shown, key) in [
            (" Ada ", "Ada", "ada"),
            ("\u{ff21}da", "Ada", "ada"),
            ("ada@Example.org", "ada@Example.org", "ada@example.org"),
            ("A\u{30a}sa", "\u{c5}sa", "\u{e5}sa"),
            ("\u{430}\u{43d}\u{43d}\u{430}", "\u{430}\u{43d}\u{43d}\u{430}", "\u{430}\u{43d}\u{43d}\u{430}"),
        ] {
            assert_eq!(LoginName::read(typed).unwrap().as_str(), shown, "{typed:?}");
            assert_eq!(login_key(typed), key, "{typed:?}");
        }
    }

    #[test]
    fn a_login_name_that_looks_like_another_or_like_the_platforms_own_is_refused() {
        for typed in [
            "ada\u{200b}",
            "ada\u{202e}",
            "\u{430}da",
            "ada\u{455}",
            "USR0000000009",
            "usr1",
            "\u{ff35}SR0000000009",
            "API@sp_1",
            "api#3f",
            "user:ada",
            "",
            " ",
            "a b",
            "a\u{a0}b",
            "\u{2665}",
        ] {
            assert!(LoginName::read(typed).is_err(), "{typed:?}");
        }
        for typed in
            ["usr", "usra1", "user", "api", "\u{430}\u{43d}\u{43d}\u{430}@ada.example", "\u{5c71}\u{7530}\u{306e}"]
        {
            assert!(LoginName::read(typed).is_ok(), "{typed:?}");
        }
    }

    #[test]
    fn a_password_is_hashed_in_its_normal_form() {
        assert_eq!(password("pa\u{a0}ss").as_deref(), Some("pa ss"));
        assert_eq!(password("u\u{308}ber").as_deref(), Some("\u{fc}ber"));
        assert_eq!(password("Case Stays").as_deref(), Some("Case Stays"));
        assert_eq!((password(""), password("a\u{7}b")), (None, None));
    }

    #[test]
    fn a_name_is_visible_and_has_one_form() {
        for wrong in
            ["", " ", "\u{200b}", "Ac\u{200b}me", "Acme\u{202e}", "\u{3164}", "u\u{308}ber", "a\nb", "\u{2800}"]
        {
            assert!(name(wrong).is_err(), "{wrong:?}");
        }
        for right in ["Acme", "\u{fc}ber", "\u{65e5}\u{672c}", "I \u{2764}\u{fe0f} NY"] {
            assert_eq!(name(right).unwrap(), right);
        }
        assert_eq!(name("  Acme ").unwrap(), "Acme");
    }
}
