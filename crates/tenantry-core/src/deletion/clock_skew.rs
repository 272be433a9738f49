//! Checks whether the clock that times a deletion agrees with the clocks of the servers.

use jiff::{SignedDuration, Timestamp};
use tenantry_api::Reason;

use super::{DeletionStep, hold_step};

/// Reported sizes of a clock difference. Clocks that differ by no more than the smallest of them agree.
const SKEW_THRESHOLDS: [(SignedDuration, &str); 4] = [
    (SignedDuration::from_hours(24), "24 hours"),
    (SignedDuration::from_hours(1), "1 hour"),
    (SignedDuration::from_mins(10), "10 minutes"),
    (SignedDuration::from_secs(60), "60 s"),
];

/// The time that a server reported in one of its answers, between two times of this process's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClockReading {
    /// When the request was sent.
    pub sent_at: Timestamp,
    /// Time of the server.
    pub server_time: Timestamp,
    /// When the answer was received.
    pub received_at: Timestamp,
}

/// The times that the two servers reported during the step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerClocks {
    /// The API server.
    pub cluster: Option<ClockReading>,
    /// The platform, if it was reached.
    pub platform: Option<ClockReading>,
}

impl ClockReading {
    /// Returns the difference that is certain, and its direction; `None` if the clocks may agree. However long the
    /// answer took, the server read its clock between the two times.
    fn certain_skew(&self) -> Option<(&'static str, &'static str)> {
        let Self { sent_at: asked, server_time: date, received_at: answered } = *self;
        let (ahead, behind) = (asked.duration_since(date), date.duration_since(answered));
        let (by, direction) = if ahead > behind { (ahead, "ahead of") } else { (behind, "behind") };
        let known = SKEW_THRESHOLDS.iter().find(|(least, _)| by > *least);
        known.map(|(_, words)| (*words, direction))
    }
}

/// Returns a hold if the clock of this process differs from the time of a server. It is not known which of them is
/// wrong, so no decision may depend on time alone.
pub(super) fn clock_skew_hold(clocks: &ServerClocks) -> Option<DeletionStep> {
    let ServerClocks { cluster, platform } = clocks;
    let readings = [("the API server", cluster), ("the platform", platform)];
    let apart = |(server, reading): (&str, &Option<ClockReading>)| {
        let (by, direction) = reading.and_then(|reading| reading.certain_skew())?;
        // The message contains neither the time nor the exact difference. They change with each check, and each change
        // would write status.
        let message = format!(
            "the operator's clock is more than {by} {direction} the one of {server}: nothing is ended by a clock that may be wrong; set the clocks of the nodes and of the platform, for example with NTP"
        );
        Some(hold_step(Reason::ClockDisagrees, message))
    };
    readings.into_iter().find_map(apart)
}
