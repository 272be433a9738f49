//! Rules of a password policy. Time and facts are arguments: this module uses neither clock nor database.

use tenantry_wire::PasswordPolicy;

use crate::limits::MAX_PASSWORD_CHARS;

/// Milliseconds per minute and per day.
const MINUTE: i64 = 60 * 1000;
const DAY: i64 = 24 * 60 * MINUTE;

/// How long an account stays locked for a source: PCI DSS 4.0.1, 8.3.4.
const LOCKOUT_DURATION: i64 = 30 * MINUTE;
/// Number of passwords that may not be reused: PCI DSS 8.3.7, and the number of the documented field.
const HISTORY_LENGTH: i64 = 4;

/// Character classes that a password needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CharacterRule {
    /// Any characters.
    Any,
    /// Letters and digits: PCI DSS 4.0.1, 8.3.6.
    LettersAndDigits,
    /// Lower and upper case, digit, special character.
    FourClasses,
}

/// The effective rules of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PasswordRules {
    min_length: i64,
    character_rule: CharacterRule,
    /// Days after which a password expires; never if `None`.
    valid_days: Option<i64>,
    /// Whether only the current password is refused as the new one.
    allows_reuse: bool,
    /// Failed logins until the account is locked; never if `None`.
    max_attempts: Option<i64>,
    /// Whether a password that somebody else set may only be used to change it.
    pub(crate) requires_first_change: bool,
}

/// Consecutive failed logins of an account from one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FailedAttempts {
    /// Number of failures.
    pub(crate) failures: i64,
    /// Time of the last failure, in milliseconds.
    pub(crate) last: i64,
}

impl PasswordRules {
    /// Returns the rules of a policy. Members without a value are not enforced.
    pub(crate) fn from_policy(policy: &PasswordPolicy) -> Self {
        let PasswordPolicy {
            default_policy,
            min_password_length,
            enable_password_constraints,
            change_password_at_first_login,
            password_validity,
            allow_last_four_passwords,
            max_attempts_to_lockout,
        } = policy;
        let needs = match (default_policy, enable_password_constraints) {
            (Some(true), _) => CharacterRule::LettersAndDigits,
            (_, Some(true)) => CharacterRule::FourClasses,
            _ => CharacterRule::Any,
        };
        Self {
            min_length: min_password_length.unwrap_or_default(),
            character_rule: needs,
            valid_days: *password_validity,
            allows_reuse: *allow_last_four_passwords == Some(true),
            max_attempts: *max_attempts_to_lockout,
            requires_first_change: *change_password_at_first_login != Some(false),
        }
    }

    /// Returns what is wrong with a password.
    pub(crate) fn find_problems(&self, password: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        let length = password.chars().count();
        if i64::try_from(length).is_ok_and(|length| length < self.min_length) {
            wrong.push(format!("The password needs at least {} characters", self.min_length));
        }
        if length > MAX_PASSWORD_CHARS {
            wrong.push(format!("The password has more than {MAX_PASSWORD_CHARS} characters"));
        }
        let has = |kind: fn(char) -> bool| password.chars().any(kind);
        let special = |letter: char| !letter.is_alphanumeric();
        match self.character_rule {
            CharacterRule::LettersAndDigits if !has(char::is_alphabetic) || !has(char::is_numeric) => {
                wrong.push("The password needs letters and digits".to_owned());
            }
            CharacterRule::FourClasses
                if !has(char::is_lowercase) || !has(char::is_uppercase) || !has(char::is_numeric) || !has(special) =>
            {
                wrong.push(
                    "The password needs a lower and an upper case letter, a digit and a special character".to_owned(),
                );
            }
            CharacterRule::Any | CharacterRule::LettersAndDigits | CharacterRule::FourClasses => {}
        }
        wrong
    }

    /// Returns how many previous passwords, including the current one, a new password must differ from.
    pub(crate) fn history_length(&self) -> i64 {
        if self.allows_reuse { 1 } else { HISTORY_LENGTH }
    }

    /// Returns whether a password set at `set_at` must be replaced.
    pub(crate) fn is_expired(&self, set_at: i64, now: i64) -> bool {
        self.valid_days.is_some_and(|days| now - set_at > days * DAY)
    }

    /// Returns the count to store before a password is compared. Returns `None` while the account is locked for the
    /// source: nothing is stored then, so that further attempts do not extend the lock.
    pub(crate) fn next_failed_attempts(&self, before: FailedAttempts, now: i64) -> Option<FailedAttempts> {
        let full = self.max_attempts.is_some_and(|most| before.failures >= most);
        match (full, now - before.last < LOCKOUT_DURATION) {
            (true, true) => None,
            (true, false) => Some(FailedAttempts { failures: 1, last: now }),
            (false, _) => Some(FailedAttempts { failures: before.failures + 1, last: now }),
        }
    }
}

/// Returns whether a policy change newly requires everyone to choose a new password: the switch must have been off
/// before.
pub(crate) fn is_change_newly_required(before: &PasswordPolicy, after: &PasswordPolicy) -> bool {
    let on = |policy: &PasswordPolicy| policy.change_password_at_first_login == Some(true);
    on(after) && !on(before)
}

/// Returns whether a browser session is idle for too long.
pub(crate) fn is_idle(seen_at: i64, now: i64, longest: i64) -> bool {
    now - seen_at > longest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings;

    const SECOND: i64 = 1000;

    fn pci_rules() -> PasswordRules {
        PasswordRules::from_policy(&settings::password_policy_of(&tenantry_wire::Tenant::default()))
    }

    fn custom_rules(change: impl FnOnce(&mut PasswordPolicy)) -> PasswordRules {
        let mut policy = PasswordPolicy { default_policy: Some(false), ..PasswordPolicy::default() };
        change(&mut policy);
        PasswordRules::from_policy(&policy)
    }

    /// shows: security/asvs/6.2.1, security/pci/8.3.6
    #[test]
    fn pci_dss_wants_twelve_characters_with_letters_and_digits() {
        for (password, fits) in
            [("abcdefghij1", false), ("abcdefghijkl", false), ("123456789012", false), ("abcdefghijk1", true)]
        {
            assert_eq!(pci_rules().find_problems(password).is_empty(), fits, "{password}");
        }
    }

    /// shows: security/pci/8.3.9
    #[test]
    fn pci_dss_ends_a_password_after_the_ninetieth_day() {
        let set = 1_700_000_000_000;
        assert!(!pci_rules().is_expired(set, set + 90 * DAY));
        assert!(pci_rules().is_expired(set, set + 90 * DAY + 1));
        assert!(pci_rules().is_expired(set, set + 91 * DAY));
    }

    /// shows: security/pci/8.3.4
    #[test]
    fn pci_dss_locks_at_the_tenth_failure_for_thirty_minutes() {
        let start = 1_700_000_000_000;
        let mut attempts = FailedAttempts::default();
        for number in 1..=10 {
            attempts = pci_rules()
                .next_failed_attempts(attempts, start + number)
                .expect("nobody is locked out by fewer than ten");
        }
        let tenth = start + 10;
        assert_eq!(attempts, FailedAttempts { failures: 10, last: tenth });
        for later in [1, 29 * MINUTE + 59 * SECOND] {
            assert_eq!(pci_rules().next_failed_attempts(attempts, tenth + later), None, "{later} ms later");
        }
        let open = tenth + 30 * MINUTE;
        assert_eq!(pci_rules().next_failed_attempts(attempts, open), Some(FailedAttempts { failures: 1, last: open }));
    }

    #[test]
    fn pci_dss_looks_four_passwords_back() {
        assert_eq!(pci_rules().history_length(), 4);
        assert!(pci_rules().requires_first_change);
    }

    /// shows: security/pci/8.2.8
    #[test]
    fn fifteen_silent_minutes_are_borne_and_a_second_more_is_not() {
        let longest = 15 * MINUTE;
        assert!(!is_idle(0, 15 * MINUTE, longest));
        assert!(is_idle(0, 15 * MINUTE + SECOND, longest));
    }

    /// shows: security/asvs/6.2.8
    #[test]
    fn each_field_of_a_custom_policy_does_what_it_says() {
        let eight = |constraints| {
            custom_rules(|policy| {
                (policy.min_password_length, policy.enable_password_constraints) = (Some(8), Some(constraints));
            })
        };
        for (password, plain, classes) in
            [("abcdefg", false, false), ("abcdefgh", true, false), ("Abcdef1!", true, true), ("Abcdefg1", true, false)]
        {
            assert_eq!(eight(false).find_problems(password).is_empty(), plain, "{password}");
            assert_eq!(eight(true).find_problems(password).is_empty(), classes, "{password}");
        }
        assert!(!eight(false).find_problems(&"x".repeat(1025)).is_empty());
        assert!(eight(false).find_problems(&"x".repeat(1024)).is_empty());
        let days = custom_rules(|policy| policy.password_validity = Some(1));
        assert!(!days.is_expired(0, DAY) && days.is_expired(0, DAY + 1));
        assert!(
            !custom_rules(|_| ()).is_expired(0, 1000 * DAY),
            "without a number of days a password is good for ever"
        );
        assert_eq!(custom_rules(|policy| policy.allow_last_four_passwords = Some(true)).history_length(), 1);
        assert_eq!(custom_rules(|policy| policy.allow_last_four_passwords = Some(false)).history_length(), 4);
        let once = custom_rules(|policy| policy.max_attempts_to_lockout = Some(1));
        let failed = once.next_failed_attempts(FailedAttempts::default(), 7).unwrap();
        assert_eq!(once.next_failed_attempts(failed, 8), None);
        let never = custom_rules(|_| ());
        assert!(never.next_failed_attempts(FailedAttempts { failures: 1000, last: 7 }, 8).is_some());
        assert!(!custom_rules(|policy| policy.change_password_at_first_login = Some(false)).requires_first_change);
    }

    #[test]
    fn only_a_switch_that_was_off_is_turned_on() {
        let policy = |on| PasswordPolicy { change_password_at_first_login: on, ..PasswordPolicy::default() };
        for (before, after, turned) in [
            (Some(false), Some(true), true),
            (None, Some(true), true),
            (Some(true), Some(true), false),
            (Some(true), Some(false), false),
            (Some(false), Some(false), false),
        ] {
            assert_eq!(is_change_newly_required(&policy(before), &policy(after)), turned, "{before:?} {after:?}");
        }
    }
}
