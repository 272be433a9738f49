//! The time of day for all modules that are not pure.

use std::cell::Cell;

use jiff::Timestamp;
use tokio::time::Instant;

thread_local! {
    static SIMULATED_START: Cell<Option<(Timestamp, Instant)>> = const { Cell::new(None) };
}

/// Returns the current time.
pub fn now() -> Timestamp {
    SIMULATED_START.get().map_or_else(Timestamp::now, |(start, since)| start + since.elapsed())
}

/// Starts this thread's clock at `start` and lets it follow tokio's clock. Where tokio's clock is paused, a month
/// passes in a moment. Only simulations call this.
pub fn follow_tokio_clock(start: Timestamp) {
    SIMULATED_START.set(Some((start, Instant::now())));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_time_of_day_follows_a_paused_clock_where_it_is_told_to() {
        let start = Timestamp::UNIX_EPOCH;
        follow_tokio_clock(start);
        tokio::time::sleep(Duration::from_hours(24)).await;
        assert_eq!(now(), start + Duration::from_hours(24));
        let elsewhere = std::thread::spawn(now).join().unwrap();
        assert!(elsewhere > now(), "another thread has the machine's time");
    }
}
