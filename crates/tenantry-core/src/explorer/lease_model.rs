//! The lease in models with two operators: one shared fact, checked with the real elector.

use std::time::Duration;

use crate::leader_election::{LeaderElector, LeaseDecision, LeaseRecord, LeaseTerms, decide_lease};

const TICK: Duration = Duration::from_secs(1);
/// Ticks after which a claim that was not renewed has expired.
const LAPSE_TICKS: u8 = 2;
/// Ticks after which another process may take the lease; more ticks make no difference.
const TAKEOVER_TICKS: u8 = 3;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum LeaseModel {
    Free,
    /// Held by a process that renewed it this many ticks ago.
    Held(u8, u8),
    /// Held by a process that no longer exists.
    Orphaned(u8),
}

fn model_terms() -> LeaseTerms {
    LeaseTerms::new(TICK * u32::from(TAKEOVER_TICKS), TICK * u32::from(LAPSE_TICKS), TICK).unwrap()
}

impl LeaseModel {
    /// Returns whether a process holds the claim.
    pub(crate) fn is_held_by(self, process: u8) -> bool {
        let Self::Held(by, age) = self else { return false };
        let mut contender = LeaderElector::new(String::new(), model_terms());
        contender.confirm_claim(Duration::ZERO, Duration::ZERO);
        by == process && contender.is_leading(TICK * u32::from(age))
    }

    /// Returns whether a process that never led may take the lease.
    pub(crate) fn can_be_taken(self) -> bool {
        let (holder, age) = match self {
            Self::Free => (None, 0),
            Self::Held(_, age) | Self::Orphaned(age) => (Some("other".to_owned()), age),
        };
        let record = LeaseRecord {
            holder,
            duration: model_terms().lease_duration(),
            acquired: None,
            renewed: None,
            transitions: 0,
        };
        decide_lease(Some(&record), "me", TICK * u32::from(age), &model_terms()) == LeaseDecision::Acquire
    }

    /// Returns whether the claim expires with the next tick.
    pub(crate) fn is_about_to_lapse(self) -> bool {
        matches!(self, Self::Held(_, age) if age + 1 == LAPSE_TICKS)
    }

    /// Advances by one tick. Returns the process whose claim has just expired.
    pub(crate) fn tick(&mut self) -> Option<u8> {
        if let Self::Held(_, age) | Self::Orphaned(age) = self {
            *age = (*age + 1).min(TAKEOVER_TICKS);
        }
        match *self {
            Self::Held(by, LAPSE_TICKS) => Some(by),
            Self::Free | Self::Held(..) | Self::Orphaned(_) => None,
        }
    }

    /// Records that a process ended without releasing the lease.
    pub(crate) fn orphan_if_held_by(&mut self, process: u8) {
        if let Self::Held(by, age) = *self
            && by == process
        {
            *self = Self::Orphaned(age);
        }
    }
}
