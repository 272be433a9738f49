//! The pause of an object, and when it ends.

use jiff::Timestamp;

/// Why an object is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// `management.mode` is `Paused`.
    Indefinite,
    /// `management.pausedUntil` is in the future.
    Until(Timestamp),
    /// `management.pausedUntil` is not a time. It may have been meant as a future time, so nothing is written.
    Unreadable,
}

impl Pause {
    /// Returns the pause that applies now, from whether the mode is `Paused` and the declared time.
    pub fn from_spec(is_paused: bool, until: Option<&str>, now: Timestamp) -> Option<Self> {
        if is_paused {
            return Some(Self::Indefinite);
        }
        match until?.parse::<Timestamp>() {
            Ok(until) => (until > now).then_some(Self::Until(until)),
            Err(_) => Some(Self::Unreadable),
        }
    }

    /// Returns when the pause ends by itself.
    pub const fn ends_at(self) -> Option<Timestamp> {
        match self {
            Self::Until(until) => Some(until),
            Self::Indefinite | Self::Unreadable => None,
        }
    }

    /// Returns the message for the condition.
    pub fn message(self) -> String {
        match self {
            Self::Indefinite => {
                "`management.mode` is `Paused`: nothing is read, written or ended until it is `Manage` again".to_owned()
            }
            Self::Until(until) => {
                format!("`management.pausedUntil` is {until}: nothing is read, written or ended until then")
            }
            Self::Unreadable => {
                "`management.pausedUntil` is not a time: nothing is read, written or ended until it is one, such as `2026-12-01T12:00:00Z`, or is removed".to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_ends_at_its_time_and_one_without_a_readable_time_does_not_end() {
        let now: Timestamp = "2026-12-01T12:00:00Z".parse().unwrap();
        let later = now + jiff::SignedDuration::from_secs(1);
        for (is_paused, until, expected) in [
            (false, None, None),
            (true, None, Some(Pause::Indefinite)),
            (false, Some("2026-12-01T12:00:01Z"), Some(Pause::Until(later))),
            (false, Some("2026-12-01T13:00:01+01:00"), Some(Pause::Until(later))),
            (false, Some("2026-12-01T12:00:00Z"), None),
            (true, Some("2026-12-01T12:00:00Z"), Some(Pause::Indefinite)),
            (false, Some("tomorrow"), Some(Pause::Unreadable)),
        ] {
            assert_eq!(Pause::from_spec(is_paused, until, now), expected, "{is_paused} {until:?}");
        }
        assert_eq!(Pause::Until(later).ends_at(), Some(later));
    }
}
