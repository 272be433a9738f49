//! Whether the clock by which an end is judged is the time that others have.

use jiff::{SignedDuration, Timestamp};

use super::{DeletionStep, hold_step};
use crate::api::Reason;

/// How far apart clocks are said to be. Those that are no further apart than the least of these agree.
const SKEW_THRESHOLDS: [(SignedDuration, &str); 4] = [
    (SignedDuration::from_hours(24), "24 hours"),
    (SignedDuration::from_hours(1), "1 hour"),
    (SignedDuration::from_mins(10), "10 minutes"),
    (SignedDuration::from_secs(60), "60 s"),
];

/// The time of a server as one of its answers gave it, between two times of the clock of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClockReading {
    /// When the request was sent.
    pub sent_at: Timestamp,
    /// The server's time.
    pub server_time: Timestamp,
    /// When the answer came.
    pub received_at: Timestamp,
}

/// What the two servers said of the time within the step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerClocks {
    /// The API server.
    pub cluster: Option<ClockReading>,
    /// The platform, where it was reached.
    pub platform: Option<ClockReading>,
}

impl ClockReading {
    /// By how much the two clocks certainly differ, where they cannot be the same, and how. However long the answer took,
    /// the server's time lies in between.
    fn certain_skew(&self) -> Option<(&'static str, &'static str)> {
        let Self { sent_at: asked, server_time: date, received_at: answered } = *self;
        let (ahead, behind) = (asked.duration_since(date), date.duration_since(answered));
        let (by, direction) = if ahead > behind { (ahead, "ahead of") } else { (behind, "behind") };
        let known = SKEW_THRESHOLDS.iter().find(|(least, _)| by > *least);
        known.map(|(_, words)| (*words, direction))
    }
}

/// The hold where the clock of this process is not the time of a server. Nobody can tell which of them is wrong, so nothing
/// is decided by time alone.
pub(super) fn clock_skew_hold(clocks: &ServerClocks) -> Option<DeletionStep> {
    let ServerClocks { cluster, platform } = clocks;
    let readings = [("the API server", cluster), ("the platform", platform)];
    let apart = |(server, reading): (&str, &Option<ClockReading>)| {
        let (by, direction) = reading.and_then(|reading| reading.certain_skew())?;
        // Neither time nor the exact distance: they differ at each look, and each look would write status.
        let message = format!(
            "the operator's clock is more than {by} {direction} the one of {server}: nothing is ended by a clock that may be wrong; set the clocks of the nodes and of the platform, for example with NTP"
        );
        Some(hold_step(Reason::ClockDisagrees, message))
    };
    readings.into_iter().find_map(apart)
}
