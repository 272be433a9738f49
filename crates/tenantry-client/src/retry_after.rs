//! Which tenants get no request after HTTP 503 with `Retry-After`. Pure: times are milliseconds since the epoch, passed
//! as arguments.
//!
//! Such an answer blocks only the tenant that it is about: one tenant that the platform cannot serve delays no other.
//! If several tenants in a row get the same answer, the platform as a whole is blocked.

use std::collections::{HashMap, HashSet};

use super::rate_limit_headers::MAX_WAIT_MS;

/// This many tenants in a row, without another answer between, block the platform.
const TENANTS_FOR_WHOLE_PLATFORM: usize = 3;
/// Above this number of tenants, expired blocks are dropped.
const MAX_TENANTS: usize = 1024;

/// The current blocks.
#[derive(Default)]
pub(super) struct RetryAfterHolds {
    until_by_tenant: HashMap<String, i64>,
    refused_in_a_row: HashSet<String>,
    platform_until: i64,
}

impl RetryAfterHolds {
    /// Returns when a request about this tenant may be sent; `None` if it may be sent now.
    pub(super) fn blocked_until(&self, subject: &str, now: i64) -> Option<i64> {
        let own = self.until_by_tenant.get(subject).copied().unwrap_or_default();
        // A clock that was set back does not extend a wait.
        Some(own.max(self.platform_until)).filter(|until| *until > now && *until <= now.saturating_add(MAX_WAIT_MS))
    }

    /// Records that the platform cannot serve this tenant before `until`.
    pub(super) fn block_tenant(&mut self, subject: &str, until: i64, now: i64) {
        if self.until_by_tenant.len() >= MAX_TENANTS {
            self.until_by_tenant.retain(|_, until| *until > now);
        }
        self.until_by_tenant.insert(subject.to_owned(), until);
        self.refused_in_a_row.insert(subject.to_owned());
        if self.refused_in_a_row.len() >= TENANTS_FOR_WHOLE_PLATFORM {
            self.refused_in_a_row.clear();
            self.platform_until = until;
        }
    }

    /// Records that the platform served this tenant.
    pub(super) fn unblock_tenant(&mut self, subject: &str) {
        self.until_by_tenant.remove(subject);
        self.refused_in_a_row.clear();
        self.platform_until = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000;
    const UNTIL: i64 = NOW + 30_000;

    #[test]
    fn one_tenant_delays_no_other_and_several_in_a_row_speak_for_the_platform() {
        let mut holds = RetryAfterHolds::default();
        holds.block_tenant("client_1", UNTIL, NOW);
        holds.block_tenant("client_2", UNTIL, NOW);
        assert_eq!(holds.blocked_until("client_1", NOW), Some(UNTIL));
        assert_eq!(holds.blocked_until("client_3", NOW), None);
        holds.unblock_tenant("client_3");
        holds.block_tenant("client_1", UNTIL, NOW);
        holds.block_tenant("client_1", UNTIL, NOW);
        holds.block_tenant("client_2", UNTIL, NOW);
        assert_eq!(holds.blocked_until("client_3", NOW), None);
        holds.block_tenant("client_3", UNTIL, NOW);
        assert_eq!(holds.blocked_until("client_4", NOW), Some(UNTIL));
        assert_eq!(holds.blocked_until("client_4", UNTIL), None);
        holds.unblock_tenant("client_1");
        assert_eq!((holds.blocked_until("client_1", NOW), holds.blocked_until("client_2", NOW)), (None, Some(UNTIL)));
        assert_eq!(holds.blocked_until("client_4", NOW), None);
    }

    #[test]
    fn a_hold_ends_with_a_clock_that_is_set_back_and_the_memory_has_an_end() {
        let mut holds = RetryAfterHolds::default();
        holds.block_tenant("client_1", UNTIL, NOW);
        assert_eq!(holds.blocked_until("client_1", NOW - 3_600_000), None);
        for number in 0..3 * MAX_TENANTS {
            let now = NOW + i64::try_from(number).unwrap() * 100_000;
            holds.block_tenant(&number.to_string(), now + 30_000, now);
        }
        assert!(holds.until_by_tenant.len() <= MAX_TENANTS);
    }
}
