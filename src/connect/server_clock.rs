//! What a server says of the time.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use reqwest::header::HeaderValue;
use tokio::time::Instant;

use crate::plan::ClockReading;

/// The time of a server as the last answer that gave one said it.
#[derive(Debug, Default)]
pub struct ServerClock(Mutex<Option<Seen>>);

#[derive(Clone, Copy, Debug)]
struct Seen {
    reading: ClockReading,
    at: Instant,
}

impl ServerClock {
    /// An answer came now, with this `Date`, to a request of then.
    pub fn saw(&self, asked: Timestamp, date: Option<&HeaderValue>) {
        let Some(date) = date.and_then(|date| date.to_str().ok()).and_then(http_date) else { return };
        let reading = ClockReading { asked, date, answered: crate::clock::now() };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Seen { reading, at: Instant::now() });
    }

    /// What an answer that came since then said; nothing where none did.
    pub fn since(&self, begun: Instant) -> Option<ClockReading> {
        let seen = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.filter(|seen| seen.at >= begun).map(|seen| seen.reading)
    }
}

/// The time of an HTTP header.
fn http_date(text: &str) -> Option<Timestamp> {
    Timestamp::from_millisecond(super::headers::date(text)?).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_time_of_a_server_is_that_of_an_answer_since_then_and_an_answer_without_one_changes_nothing() {
        crate::clock::follow("1994-11-15T08:12:00Z".parse().unwrap());
        let (clock, begun) = (ServerClock::default(), Instant::now());
        clock.saw(crate::clock::now(), None);
        clock.saw(crate::clock::now(), Some(&HeaderValue::from_static("yesterday")));
        assert_eq!(clock.since(begun), None);
        let asked = crate::clock::now();
        tokio::time::sleep(Duration::from_secs(1)).await;
        clock.saw(asked, Some(&HeaderValue::from_static("Tue, 15 Nov 1994 08:12:01 GMT")));
        let reading = clock.since(begun).unwrap();
        assert_eq!((reading.asked, reading.date, reading.answered), (asked, crate::clock::now(), crate::clock::now()));
        clock.saw(asked, None);
        assert_eq!(clock.since(begun), Some(reading));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(clock.since(Instant::now()), None, "an answer of an earlier step");
    }
}
