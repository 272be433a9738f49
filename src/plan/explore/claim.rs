//! The lease as worlds of two operators have it: kept as one fact, judged by the real contender.

use std::time::Duration;

use crate::plan::lease::{Contender, Decision, Record, Terms, decide};

const TICK: Duration = Duration::from_secs(1);
/// Ticks after which a claim that was not renewed has ended.
const LAPSED: u8 = 2;
/// Ticks after which another may take the lease; more make no difference.
const TAKEN: u8 = 3;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(in crate::plan) enum Lease {
    Free,
    /// By a process, renewed so many ticks ago.
    Held(u8, u8),
    /// By one that is no more.
    Left(u8),
}

fn terms() -> Terms {
    Terms::new(TICK * u32::from(TAKEN), TICK * u32::from(LAPSED), TICK).unwrap()
}

impl Lease {
    /// Whether a process holds the claim.
    pub(in crate::plan) fn is_of(self, process: u8) -> bool {
        let Self::Held(by, age) = self else { return false };
        let mut contender = Contender::new(String::new(), terms());
        contender.granted(Duration::ZERO, Duration::ZERO);
        by == process && contender.holds(TICK * u32::from(age))
    }

    /// Whether a process that never led may take it.
    pub(in crate::plan) fn may_be_taken(self) -> bool {
        let (holder, age) = match self {
            Self::Free => (None, 0),
            Self::Held(_, age) | Self::Left(age) => (Some("other".to_owned()), age),
        };
        let record =
            Record { holder, duration: terms().lease_duration(), acquired: None, renewed: None, transitions: 0 };
        decide(Some(&record), "me", TICK * u32::from(age), &terms()) == Decision::Take
    }

    /// Whether the claim lapses with the next tick.
    pub(in crate::plan) fn lapses_next(self) -> bool {
        matches!(self, Self::Held(_, age) if age + 1 == LAPSED)
    }

    /// A tick; answers whose claim has just lapsed.
    pub(in crate::plan) fn tick(&mut self) -> Option<u8> {
        if let Self::Held(_, age) | Self::Left(age) = self {
            *age = (*age + 1).min(TAKEN);
        }
        match *self {
            Self::Held(by, LAPSED) => Some(by),
            Self::Free | Self::Held(..) | Self::Left(_) => None,
        }
    }

    /// A process is no more and has said nothing.
    pub(in crate::plan) fn left_by(&mut self, process: u8) {
        if let Self::Held(by, age) = *self
            && by == process
        {
            *self = Self::Left(age);
        }
    }
}
