//! Which passwords a policy takes.

use crate::platform::settings;
use crate::platform::store::{Kind, Record};
use crate::wire::PasswordPolicy;

/// Milliseconds that a password set by somebody else is good for: as long as the documented invitation.
pub(in crate::platform) const INVITATION: i64 = 10 * 24 * 60 * 60 * 1000;

/// Longest password in characters: far beyond any pass phrase, so that nothing is ever cut off.
const LONGEST: usize = 1024;

/// The policy of a tenant's people: a client's are held to its partner's.
pub(in crate::platform) fn policy(tenant: &Record) -> PasswordPolicy {
    let partner = tenant.parent.as_ref().filter(|_| tenant.kind == Kind::Client);
    settings::policy_of(partner.map_or(&tenant.settings, |partner| &partner.settings))
}

/// What is wrong with a password.
pub(in crate::platform) fn wrong(policy: &PasswordPolicy, password: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let length = password.chars().count();
    let least = policy.min_password_length.unwrap_or_default();
    if i64::try_from(length).is_ok_and(|length| length < least) {
        wrong.push(format!("The password needs at least {least} characters"));
    }
    if length > LONGEST {
        wrong.push(format!("The password has more than {LONGEST} characters"));
    }
    let has = |kind: fn(char) -> bool| password.chars().any(kind);
    if policy.default_policy == Some(true) {
        if !has(char::is_alphabetic) || !has(char::is_numeric) {
            wrong.push("The password needs letters and digits".to_owned());
        }
    } else if policy.enable_password_constraints == Some(true) {
        let special = |letter: char| !letter.is_alphanumeric();
        if !has(char::is_lowercase) || !has(char::is_uppercase) || !has(char::is_numeric) || !has(special) {
            wrong.push(
                "The password needs a lower and an upper case letter, a digit and a special character".to_owned(),
            );
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn custom(constraints: bool) -> PasswordPolicy {
        PasswordPolicy {
            default_policy: Some(false),
            min_password_length: Some(8),
            enable_password_constraints: Some(constraints),
            ..PasswordPolicy::default()
        }
    }

    #[test]
    fn pci_dss_wants_twelve_characters_with_letters_and_digits() {
        let pci = settings::policy_of(&crate::wire::Tenant::default());
        for (password, fits) in
            [("abcdefghij1", false), ("abcdefghijkl", false), ("123456789012", false), ("abcdefghijk1", true)]
        {
            assert_eq!(wrong(&pci, password).is_empty(), fits, "{password}");
        }
    }

    #[test]
    fn a_custom_policy_wants_what_it_says() {
        for (password, plain, classes) in
            [("abcdefg", false, false), ("abcdefgh", true, false), ("Abcdef1!", true, true), ("Abcdefg1", true, false)]
        {
            assert_eq!(wrong(&custom(false), password).is_empty(), plain, "{password}");
            assert_eq!(wrong(&custom(true), password).is_empty(), classes, "{password}");
        }
        assert!(!wrong(&custom(false), &"x".repeat(1025)).is_empty());
        assert!(wrong(&custom(false), &"x".repeat(1024)).is_empty());
    }
}
