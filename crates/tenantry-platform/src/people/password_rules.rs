//! The password policy that applies to a person.

use zxcvbn::{Score, zxcvbn};

use crate::limits::STRENGTH_CHECK_CHARS;
use crate::login_policy::password_policy::PasswordRules;
use crate::settings;
use crate::store::{TenantLevel, TenantRecord};

/// Milliseconds for which a password set by somebody else is valid: as long as the documented invitation.
pub(crate) const INVITATION_LIFETIME: i64 = 10 * 24 * 60 * 60 * 1000;

/// Message for a password without a normal form.
pub(crate) const UNACCEPTABLE_PASSWORD_MESSAGE: &str =
    "The password has control characters or signs that no keyboard has; take others";

/// Returns the problem of a password that a guesser tries early, or that contains what is known about its owner. It
/// applies under every policy (ASVS 5.0 6.2.4, 6.2.11): fewer than a million guesses, as `zxcvbn` counts them.
pub(crate) fn guessability_problem(password: &str, about: &[&str]) -> Option<String> {
    // The rest of a long password cannot make its beginning easier to guess, and checking it would be expensive.
    let password: String = password.chars().take(STRENGTH_CHECK_CHARS).collect();
    let about: Vec<String> = about.iter().map(|word| word.to_lowercase()).collect();
    let about: Vec<&str> = about.iter().map(String::as_str).collect();
    (zxcvbn(&password, &about).score() < Score::Two).then(|| {
        "The password is easily guessed; take some words that do not belong together, or let a password manager make one"
            .to_owned()
    })
}

/// Returns the rules for a tenant's people. A client follows the policy of its partner.
pub(crate) fn rules_of_tenant(tenant: &TenantRecord) -> PasswordRules {
    let partner = tenant.parent.as_ref().filter(|_| tenant.kind == TenantLevel::Client);
    PasswordRules::from_policy(&settings::password_policy_of(
        partner.map_or(&tenant.settings, |partner| &partner.settings),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// shows: security/asvs/6.2.4
    #[test]
    fn what_everybody_tries_first_is_easily_guessed_whatever_the_policy_says_of_it() {
        for password in [
            "password1234",
            "Password12345",
            "qwertyuiop12",
            "abcdefgh1234",
            "aaaaaaaaaaa1",
            "P@ssword1",
            "111111111111",
        ] {
            assert!(guessability_problem(password, &[]).is_some(), "{password}");
        }
        for password in ["correct horse battery", "Second-Passw0rd!", "nine lives of a cat 9"] {
            assert_eq!(guessability_problem(password, &[]), None, "{password}");
        }
    }

    #[test]
    fn what_is_known_of_the_owner_is_easily_guessed() {
        let about = ["Wolpertinger", "Quillfeather", "ada@example.org"];
        for password in ["Wolpertinger1", "quillfeather2", "ADA@example.org"] {
            assert!(guessability_problem(password, &about).is_some(), "{password}");
            assert!(guessability_problem(password, &[]).is_none(), "{password}");
        }
    }
}
