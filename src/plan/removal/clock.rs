//! Whether the clock by which an end is judged is the time that others have.

use jiff::{SignedDuration, Timestamp};

use super::{Removal, hold};
use crate::api::Reason;

/// Clocks that are further apart than this do not agree.
const APART: SignedDuration = SignedDuration::from_secs(60);

/// The time of a server as one of its answers gave it, between two times of the clock of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClockReading {
    /// When the request was sent.
    pub asked: Timestamp,
    /// The server's time.
    pub date: Timestamp,
    /// When the answer came.
    pub answered: Timestamp,
}

/// What the two servers said of the time within the step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clocks {
    /// The API server.
    pub cluster: Option<ClockReading>,
    /// The platform, where it was reached.
    pub platform: Option<ClockReading>,
}

impl ClockReading {
    /// Whether the two clocks cannot be the same. However long the answer took, the server's time lies in between.
    fn is_apart(&self) -> bool {
        let Self { asked, date, answered } = *self;
        asked.duration_since(date) > APART || date.duration_since(answered) > APART
    }
}

/// The hold where the clock of this process is not the time of a server. Nobody can tell which of them is wrong, so nothing
/// is decided by time alone.
pub(super) fn disagreement(clocks: &Clocks) -> Option<Removal> {
    if crate::muted("clocks") {
        return None;
    }
    let Clocks { cluster, platform } = clocks;
    let readings = [("the API server", cluster), ("the platform", platform)];
    let apart = |(server, reading): (&str, &Option<ClockReading>)| {
        reading.filter(ClockReading::is_apart).map(|ClockReading { date, answered, .. }| {
            let (ours, theirs) = (answered.strftime("%FT%TZ"), date.strftime("%FT%TZ"));
            let message = format!(
                "the operator's clock says {ours} and the one of {server} says {theirs}: nothing is ended by a clock that may be wrong; set the clocks of the nodes and of the platform, for example with NTP"
            );
            hold(Reason::ClockDisagrees, message)
        })
    };
    readings.into_iter().find_map(apart)
}
