//! The normal form of names and passwords, in which they are compared, hashed and checked for uniqueness: login names
//! as RFC 8265's `UsernameCaseMapped`, passwords as its `OpaqueString`, other names in NFC and without invisible
//! characters.

mod command;

use precis_profiles::precis_core::profile::Profile as _;
use precis_profiles::{OpaqueString, UsernameCaseMapped, UsernameCasePreserved};
use unicode_normalization::{UnicodeNormalization as _, is_nfc};
use unicode_properties::UnicodeEmoji as _;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};
use unicode_security::{MixedScript as _, skeleton};

use super::error::{ApiError, quote};
use super::limits;

pub use command::{NamesCommand, NamesError};

/// An acceptable login name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LoginName(String);

impl LoginName {
    /// Parses a login name as it was typed. Blanks at its ends are dropped; letters keep their case where the name is
    /// shown. The error says what is not acceptable.
    pub(super) fn parse(typed: &str) -> Result<Self, &'static str> {
        let name = typed.trim();
        if name.is_empty() {
            return Err("The text is required");
        }
        if name.chars().count() > limits::MAX_EMAIL_CHARS
            || name.chars().any(|letter| letter.is_control() || letter.is_whitespace())
        {
            return Err("The login name must have 1 to 254 characters and no blanks");
        }
        let (Ok(shown), Ok(key)) =
            (UsernameCasePreserved::new().enforce(name), UsernameCaseMapped::new().enforce(name))
        else {
            return Err("The login name has invisible characters or signs that are neither letters, digits nor ASCII");
        };
        refusal_reason(&key).map_or_else(|| Ok(Self(shown.into_owned())), Err)
    }

    /// Returns the login name as it is shown.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns why a name, given in its normal form, is refused; `None` if it is acceptable.
fn refusal_reason(key: &str) -> Option<&'static str> {
    if is_reserved(key) {
        // Answers and logs use these forms for credentials and people.
        return Some("Login names that begin with api@, api#, user: or are USR and digits are reserved; take another");
    }
    // Each part of an e-mail address is a word.
    let words = key.split(|letter: char| letter.is_ascii_punctuation());
    words.into_iter().any(|word| !word.is_single_script()).then_some(
        "A word of the login name has letters of several scripts, such as Latin and Cyrillic; write it in one",
    )
}

/// Returns whether a name has a form that the platform itself uses to name a credential or a person.
fn is_reserved(key: &str) -> bool {
    let is_id = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    ["api@", "api#", "user:"].iter().any(|start| key.starts_with(start)) || key.strip_prefix("usr").is_some_and(is_id)
}

/// Returns the form in which login names are compared. A text that is not a valid login name is compared as before the
/// normal form existed, so that people with such old names can still log in.
pub(super) fn login_key(name: &str) -> String {
    let name = name.trim();
    let mapped = UsernameCaseMapped::new().enforce(name);
    // The small sigma has another form at the end of a word.
    mapped.map_or_else(|_| name.to_lowercase(), std::borrow::Cow::into_owned).replace('ς', "σ")
}

/// Returns the form in which login names were compared before the normal form existed. If two old names collide in the
/// normal form, both can still log in.
pub(super) fn former_login_key(name: &str) -> String {
    name.trim().to_lowercase()
}

/// Returns the key of a person whose login name was masked. No login name has a blank, so nobody can take it first.
pub(super) fn masked_login_key(unique_id: &str) -> String {
    format!(" {unique_id}")
}

/// Returns the form in which a password is hashed; `None` if it has characters that no password may have.
pub(super) fn normalize_password(typed: &str) -> Option<String> {
    OpaqueString::new().enforce(typed).ok().map(std::borrow::Cow::into_owned)
}

/// Validates the name of a tenant, a role or a permission set and trims blanks at its ends.
///
/// A name that is not in NFC is refused rather than changed: its sender would find another name than the one that was
/// sent.
pub(super) fn validate_name(name: &str) -> Result<String, ApiError> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > limits::MAX_NAME_CHARS || name.chars().any(char::is_control) {
        return Err(ApiError::field("name", "The name must have 1 to 255 printable characters"));
    }
    if let Some(why) = unreadable_character(name) {
        return Err(ApiError::field("name", why));
    }
    if !is_nfc(name) {
        let normal: String = name.nfc().collect();
        let message = format!("The name is not in the normal form NFC of Unicode; send {}", quote(&normal));
        return Err(ApiError::field("name", message));
    }
    Ok(name.to_owned())
}

/// Returns the form in which tenant names must be unique: two names that cannot be distinguished by eye are the same.
pub(super) fn name_claim(name: &str) -> String {
    name.chars().filter(|letter| !is_ignorable(*letter)).collect()
}

/// Returns the message about the first character of a name that is invisible or has no assigned meaning; `None` if
/// there is none.
pub(super) fn unreadable_character(text: &str) -> Option<String> {
    let found = char_pairs(text).find(|(before, letter)| !is_readable(*letter) && !shows_emoji(*before, *letter));
    found.map(|(_, letter)| unreadable_advice(letter))
}

/// Returns the same for a person's name, where scripts such as Arabic join and separate letters by characters without
/// width.
pub(super) fn unreadable_in_person_name(text: &str) -> Option<String> {
    let joins = |before: char, letter: char| matches!(letter, '\u{200c}' | '\u{200d}') && !before.is_ascii();
    let found = char_pairs(text)
        .find(|(before, letter)| !is_readable(*letter) && !shows_emoji(*before, *letter) && !joins(*before, *letter));
    found.map(|(_, letter)| unreadable_advice(letter))
}

/// Returns each character with the one before it.
fn char_pairs(text: &str) -> impl Iterator<Item = (char, char)> {
    std::iter::once(' ').chain(text.chars()).zip(text.chars())
}

fn unreadable_advice(letter: char) -> String {
    let what = match letter.general_category() {
        GeneralCategory::Unassigned | GeneralCategory::PrivateUse => "that stands for nothing",
        _ => "that nobody sees",
    };
    format!("The text has the character U+{:04X} {what}; take it out", u32::from(letter))
}

/// Returns whether a character is the selector after an emoji, which shows it in colour.
fn shows_emoji(before: char, letter: char) -> bool {
    letter == '\u{fe0f}' && before.is_emoji_char()
}

fn is_readable(letter: char) -> bool {
    // The Braille blank has a width but no ink.
    letter != '\u{2800}'
        && !is_ignorable(letter)
        && !matches!(
            letter.general_category(),
            GeneralCategory::Format
                | GeneralCategory::LineSeparator
                | GeneralCategory::ParagraphSeparator
                | GeneralCategory::PrivateUse
                | GeneralCategory::Unassigned
        )
}

/// Returns whether a character is invisible (`Default_Ignorable_Code_Point`). The skeleton of UTS 39 leaves these out.
fn is_ignorable(letter: char) -> bool {
    !letter.is_ascii() && skeleton(letter.encode_utf8(&mut [0; 4])).next().is_none()
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
            assert_eq!(LoginName::parse(typed).unwrap().as_str(), shown, "{typed:?}");
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
            assert!(LoginName::parse(typed).is_err(), "{typed:?}");
        }
        for typed in
            ["usr", "usra1", "user", "api", "\u{430}\u{43d}\u{43d}\u{430}@ada.example", "\u{5c71}\u{7530}\u{306e}"]
        {
            assert!(LoginName::parse(typed).is_ok(), "{typed:?}");
        }
    }

    /// shows: security/asvs/6.2.8
    #[test]
    fn a_password_is_hashed_in_its_normal_form() {
        assert_eq!(normalize_password("pa\u{a0}ss").as_deref(), Some("pa ss"));
        assert_eq!(normalize_password("u\u{308}ber").as_deref(), Some("\u{fc}ber"));
        assert_eq!(normalize_password("Case Stays").as_deref(), Some("Case Stays"));
        assert_eq!((normalize_password(""), normalize_password("a\u{7}b")), (None, None));
    }

    #[test]
    fn a_name_is_visible_and_has_one_form() {
        for wrong in
            ["", " ", "\u{200b}", "Ac\u{200b}me", "Acme\u{202e}", "\u{3164}", "u\u{308}ber", "a\nb", "\u{2800}"]
        {
            assert!(validate_name(wrong).is_err(), "{wrong:?}");
        }
        for mark in [
            '\u{fe0f}',
            '\u{fe0e}',
            '\u{378}',
            '\u{e000}',
            '\u{115f}',
            '\u{1160}',
            '\u{34f}',
            '\u{17b4}',
            '\u{180b}',
            '\u{180f}',
            '\u{ffa0}',
            '\u{e0100}',
            '\u{2065}',
            '\u{fff0}',
            '\u{1d173}',
            '\u{f0000}',
            '\u{ad}',
        ] {
            for wrong in [mark.to_string(), format!("Ac{mark}me"), format!("Acme{mark}")] {
                assert!(validate_name(&wrong).is_err(), "{wrong:?}");
                assert!(unreadable_in_person_name(&wrong).is_some(), "{wrong:?}");
            }
        }
        for right in ["Acme", "\u{fc}ber", "\u{65e5}\u{672c}", "I \u{2764}\u{fe0f} NY"] {
            assert_eq!(validate_name(right).unwrap(), right);
        }
        assert_eq!(validate_name("  Acme ").unwrap(), "Acme");
    }

    #[test]
    fn a_name_is_unique_without_what_nobody_sees() {
        assert_eq!(name_claim("I \u{2764}\u{fe0f} NY"), name_claim("I \u{2764} NY"));
        assert_eq!(name_claim("Acme \u{fc}ber \u{65e5}"), "Acme \u{fc}ber \u{65e5}");
        assert_ne!(name_claim("Acme"), name_claim("acme"));
    }

    #[test]
    fn what_a_person_is_called_may_join_letters_and_not_be_blank() {
        for right in
            ["Zo\u{eb}", "\u{639}\u{644}\u{6cc}\u{200c}\u{631}\u{636}\u{627}", "\u{915}\u{94d}\u{200d}\u{937}", ""]
        {
            assert_eq!(unreadable_in_person_name(right), None, "{right:?}");
        }
        for wrong in ["\u{3164}", "\u{2800}", "\u{200c}", "A\u{200d}da", "\u{202e}adA"] {
            assert!(unreadable_in_person_name(wrong).is_some(), "{wrong:?}");
        }
    }
}
