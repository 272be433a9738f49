//! What a password policy asks for. Time and facts are arguments: nothing here has a clock or a database.

use crate::platform::bounds::PASSWORD;
use crate::wire::PasswordPolicy;

/// Milliseconds of a minute and of a day.
const MINUTE: i64 = 60 * 1000;
const DAY: i64 = 24 * 60 * MINUTE;

/// How long an account stays locked for a source: PCI DSS 4.0.1, 8.3.4.
const LOCKED: i64 = 30 * MINUTE;
/// How many passwords back nothing may be used again: 8.3.7, and the documented field's own number.
const BACK: i64 = 4;

/// Which characters a password needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    /// Any will do.
    Nothing,
    /// PCI DSS 4.0.1, 8.3.6.
    LettersAndDigits,
    /// Lower and upper case, digit, special character.
    FourClasses,
}

/// A policy as it is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::platform) struct Rules {
    least: i64,
    needs: Needs,
    /// Days that a password is good for; without it for ever.
    days: Option<i64>,
    /// Whether only today's password is refused as the new one.
    reuse: bool,
    /// Failed logins until the account is locked; without it never.
    attempts: Option<i64>,
    /// Whether a password that somebody else set is good for one change only.
    pub(in crate::platform) change_first: bool,
}

/// Failed logins of an account from one source, one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::platform) struct Attempts {
    /// How many.
    pub(in crate::platform) failures: i64,
    /// When the last one was.
    pub(in crate::platform) last: i64,
}

impl Rules {
    /// Of a policy; what it leaves open is not asked for.
    pub(in crate::platform) fn of(policy: &PasswordPolicy) -> Self {
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
            (Some(true), _) => Needs::LettersAndDigits,
            (_, Some(true)) => Needs::FourClasses,
            _ => Needs::Nothing,
        };
        Self {
            least: min_password_length.unwrap_or_default(),
            needs,
            days: *password_validity,
            reuse: *allow_last_four_passwords == Some(true),
            attempts: *max_attempts_to_lockout,
            change_first: *change_password_at_first_login != Some(false),
        }
    }

    /// What is wrong with a password.
    pub(in crate::platform) fn wrong(&self, password: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        let length = password.chars().count();
        if i64::try_from(length).is_ok_and(|length| length < self.least) {
            wrong.push(format!("The password needs at least {} characters", self.least));
        }
        if length > PASSWORD {
            wrong.push(format!("The password has more than {PASSWORD} characters"));
        }
        let has = |kind: fn(char) -> bool| password.chars().any(kind);
        let special = |letter: char| !letter.is_alphanumeric();
        match self.needs {
            Needs::LettersAndDigits if !has(char::is_alphabetic) || !has(char::is_numeric) => {
                wrong.push("The password needs letters and digits".to_owned());
            }
            Needs::FourClasses
                if !has(char::is_lowercase) || !has(char::is_uppercase) || !has(char::is_numeric) || !has(special) =>
            {
                wrong.push(
                    "The password needs a lower and an upper case letter, a digit and a special character".to_owned(),
                );
            }
            Needs::Nothing | Needs::LettersAndDigits | Needs::FourClasses => {}
        }
        wrong
    }

    /// How many passwords, today's first, a new one must differ from.
    pub(in crate::platform) fn back(&self) -> i64 {
        if self.reuse { 1 } else { BACK }
    }

    /// Whether a password that was set then must be replaced.
    pub(in crate::platform) fn ended(&self, set_at: i64, now: i64) -> bool {
        self.days.is_some_and(|days| now - set_at > days * DAY)
    }

    /// What is noted before a password is compared; none where the account is locked for the source, in which case
    /// nothing is noted, so that trying on does not make it longer.
    pub(in crate::platform) fn attempt(&self, before: Attempts, now: i64) -> Option<Attempts> {
        let full = self.attempts.is_some_and(|most| before.failures >= most);
        match (full, now - before.last < LOCKED) {
            (true, true) => None,
            (true, false) => Some(Attempts { failures: 1, last: now }),
            (false, _) => Some(Attempts { failures: before.failures + 1, last: now }),
        }
    }
}

/// Whether everybody must choose a new password because of a change: only where the switch was not on before.
pub(in crate::platform) fn turned_on(before: &PasswordPolicy, after: &PasswordPolicy) -> bool {
    let on = |policy: &PasswordPolicy| policy.change_password_at_first_login == Some(true);
    on(after) && !on(before)
}

/// Whether a browser was silent for too long.
pub(in crate::platform) fn idle(seen_at: i64, now: i64, longest: i64) -> bool {
    now - seen_at > longest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::settings;

    const SECOND: i64 = 1000;

    fn pci() -> Rules {
        Rules::of(&settings::policy_of(&crate::wire::Tenant::default()))
    }

    fn custom(change: impl FnOnce(&mut PasswordPolicy)) -> Rules {
        let mut policy = PasswordPolicy { default_policy: Some(false), ..PasswordPolicy::default() };
        change(&mut policy);
        Rules::of(&policy)
    }

    /// shows: security/asvs/6.2.1, security/pci/8.3.6
    #[test]
    fn pci_dss_wants_twelve_characters_with_letters_and_digits() {
        for (password, fits) in
            [("abcdefghij1", false), ("abcdefghijkl", false), ("123456789012", false), ("abcdefghijk1", true)]
        {
            assert_eq!(pci().wrong(password).is_empty(), fits, "{password}");
        }
    }

    /// shows: security/pci/8.3.9
    #[test]
    fn pci_dss_ends_a_password_after_the_ninetieth_day() {
        let set = 1_700_000_000_000;
        assert!(!pci().ended(set, set + 90 * DAY));
        assert!(pci().ended(set, set + 90 * DAY + 1));
        assert!(pci().ended(set, set + 91 * DAY));
    }

    /// shows: security/pci/8.3.4
    #[test]
    fn pci_dss_locks_at_the_tenth_failure_for_thirty_minutes() {
        let start = 1_700_000_000_000;
        let mut attempts = Attempts::default();
        for number in 1..=10 {
            attempts = pci().attempt(attempts, start + number).expect("nobody is locked out by fewer than ten");
        }
        let tenth = start + 10;
        assert_eq!(attempts, Attempts { failures: 10, last: tenth });
        for later in [1, 29 * MINUTE + 59 * SECOND] {
            assert_eq!(pci().attempt(attempts, tenth + later), None, "{later} ms later");
        }
        let open = tenth + 30 * MINUTE;
        assert_eq!(pci().attempt(attempts, open), Some(Attempts { failures: 1, last: open }));
    }

    #[test]
    fn pci_dss_looks_four_passwords_back() {
        assert_eq!(pci().back(), 4);
        assert!(pci().change_first);
    }

    /// shows: security/pci/8.2.8
    #[test]
    fn fifteen_silent_minutes_are_borne_and_a_second_more_is_not() {
        let longest = 15 * MINUTE;
        assert!(!idle(0, 15 * MINUTE, longest));
        assert!(idle(0, 15 * MINUTE + SECOND, longest));
    }

    /// shows: security/asvs/6.2.8
    #[test]
    fn each_field_of_a_custom_policy_does_what_it_says() {
        let eight = |constraints| {
            custom(|policy| {
                (policy.min_password_length, policy.enable_password_constraints) = (Some(8), Some(constraints));
            })
        };
        for (password, plain, classes) in
            [("abcdefg", false, false), ("abcdefgh", true, false), ("Abcdef1!", true, true), ("Abcdefg1", true, false)]
        {
            assert_eq!(eight(false).wrong(password).is_empty(), plain, "{password}");
            assert_eq!(eight(true).wrong(password).is_empty(), classes, "{password}");
        }
        assert!(!eight(false).wrong(&"x".repeat(1025)).is_empty());
        assert!(eight(false).wrong(&"x".repeat(1024)).is_empty());
        let days = custom(|policy| policy.password_validity = Some(1));
        assert!(!days.ended(0, DAY) && days.ended(0, DAY + 1));
        assert!(!custom(|_| ()).ended(0, 1000 * DAY), "without a number of days a password is good for ever");
        assert_eq!(custom(|policy| policy.allow_last_four_passwords = Some(true)).back(), 1);
        assert_eq!(custom(|policy| policy.allow_last_four_passwords = Some(false)).back(), 4);
        let once = custom(|policy| policy.max_attempts_to_lockout = Some(1));
        let failed = once.attempt(Attempts::default(), 7).unwrap();
        assert_eq!(once.attempt(failed, 8), None);
        let never = custom(|_| ());
        assert!(never.attempt(Attempts { failures: 1000, last: 7 }, 8).is_some());
        assert!(!custom(|policy| policy.change_password_at_first_login = Some(false)).change_first);
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
            assert_eq!(turned_on(&policy(before), &policy(after)), turned, "{before:?} {after:?}");
        }
    }
}
