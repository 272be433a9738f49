//! The time of a server.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use reqwest::header::HeaderValue;
use tenantry_core::ClockReading;
use tokio::time::Instant;

/// The time of a server, from its last answer that had one.
#[derive(Debug, Default)]
pub struct ServerClock(Mutex<Option<TimedReading>>);

#[derive(Clone, Copy, Debug)]
struct TimedReading {
    reading: ClockReading,
    at: Instant,
}

impl ServerClock {
    /// Records an answer that arrived now with this `Date`; the request was sent at `asked`.
    pub fn record_date(&self, sent_at: Timestamp, date: Option<&HeaderValue>) {
        let Some(date) = date.and_then(|date| date.to_str().ok()).and_then(parse_http_date) else { return };
        let reading = ClockReading { sent_at, server_time: date, received_at: tenantry_runtime::clock::now() };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(TimedReading { reading, at: Instant::now() });
    }

    /// Returns the time from an answer since then; `None` if there was none.
    pub fn reading_since(&self, started_at: Instant) -> Option<ClockReading> {
        let seen = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.filter(|seen| seen.at >= started_at).map(|seen| seen.reading)
    }
}

/// Parses the time of an HTTP header.
fn parse_http_date(text: &str) -> Option<Timestamp> {
    Timestamp::from_millisecond(super::rate_limit_headers::parse_date(text)?).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_time_of_a_server_is_that_of_an_answer_since_then_and_an_answer_without_one_changes_nothing() {
        tenantry_runtime::clock::follow_tokio_clock("1994-11-15T08:12:00Z".parse().unwrap());
        let (clock, begun) = (ServerClock::default(), Instant::now());
        clock.record_date(tenantry_runtime::clock::now(), None);
        clock.record_date(tenantry_runtime::clock::now(), Some(&HeaderValue::from_static("yesterday")));
        assert_eq!(clock.reading_since(begun), None);
        let asked = tenantry_runtime::clock::now();
        tokio::time::sleep(Duration::from_secs(1)).await;
        clock.record_date(asked, Some(&HeaderValue::from_static("Tue, 15 Nov 1994 08:12:01 GMT")));
        let reading = clock.reading_since(begun).unwrap();
        assert_eq!(
            (reading.sent_at, reading.server_time, reading.received_at),
            (asked, tenantry_runtime::clock::now(), tenantry_runtime::clock::now())
        );
        clock.record_date(asked, None);
        assert_eq!(clock.reading_since(begun), Some(reading));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(clock.reading_since(Instant::now()), None, "an answer of an earlier step");
    }
}
