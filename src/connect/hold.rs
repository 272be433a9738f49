//! Who is left alone after HTTP 503 with `Retry-After`. Pure: times are milliseconds since the epoch, and arguments.
//!
//! Such an answer holds back what it is about, and nothing else: one tenant that the platform cannot serve delays no
//! other. Where several in a row say the same, the platform as a whole is meant.

use std::collections::{HashMap, HashSet};

use super::headers::LONGEST_WAIT;

/// So many tenants in a row, without another answer between, speak for the platform.
const SEVERAL: usize = 3;
/// Tenants beyond which those whose time is over are forgotten.
const MANY: usize = 1024;

/// What is held back.
#[derive(Default)]
pub(super) struct Holds {
    until: HashMap<String, i64>,
    in_a_row: HashSet<String>,
    everything: i64,
}

impl Holds {
    /// When a request about this tenant may be sent; nothing where that is now.
    pub(super) fn held(&self, subject: &str, now: i64) -> Option<i64> {
        let own = self.until.get(subject).copied().unwrap_or_default();
        // A clock that was set back makes nobody wait for longer.
        Some(own.max(self.everything)).filter(|until| *until > now && *until <= now.saturating_add(LONGEST_WAIT))
    }

    /// The platform cannot serve this tenant before `until`.
    pub(super) fn hold(&mut self, subject: &str, until: i64, now: i64) {
        if self.until.len() >= MANY {
            self.until.retain(|_, until| *until > now);
        }
        self.until.insert(subject.to_owned(), until);
        self.in_a_row.insert(subject.to_owned());
        if self.in_a_row.len() >= SEVERAL {
            self.in_a_row.clear();
            self.everything = until;
        }
    }

    /// The platform served this tenant.
    pub(super) fn release(&mut self, subject: &str) {
        self.until.remove(subject);
        self.in_a_row.clear();
        self.everything = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000;
    const UNTIL: i64 = NOW + 30_000;

    #[test]
    fn one_tenant_delays_no_other_and_several_in_a_row_speak_for_the_platform() {
        let mut holds = Holds::default();
        holds.hold("client_1", UNTIL, NOW);
        holds.hold("client_2", UNTIL, NOW);
        assert_eq!(holds.held("client_1", NOW), Some(UNTIL));
        assert_eq!(holds.held("client_3", NOW), None);
        holds.release("client_3");
        holds.hold("client_1", UNTIL, NOW);
        holds.hold("client_1", UNTIL, NOW);
        holds.hold("client_2", UNTIL, NOW);
        assert_eq!(holds.held("client_3", NOW), None);
        holds.hold("client_3", UNTIL, NOW);
        assert_eq!(holds.held("client_4", NOW), Some(UNTIL));
        assert_eq!(holds.held("client_4", UNTIL), None);
        holds.release("client_1");
        assert_eq!((holds.held("client_1", NOW), holds.held("client_2", NOW)), (None, Some(UNTIL)));
        assert_eq!(holds.held("client_4", NOW), None);
    }

    #[test]
    fn a_hold_ends_with_a_clock_that_is_set_back_and_the_memory_has_an_end() {
        let mut holds = Holds::default();
        holds.hold("client_1", UNTIL, NOW);
        assert_eq!(holds.held("client_1", NOW - 3_600_000), None);
        for number in 0..3 * MANY {
            let now = NOW + i64::try_from(number).unwrap() * 100_000;
            holds.hold(&number.to_string(), now + 30_000, now);
        }
        assert!(holds.until.len() <= MANY);
    }
}
