//! Logs refused requests in the program's log: who was refused what, and from where. Of equal refusals within a minute,
//! the first twenty are logged, and then one of every hundred, which names how many were left out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;

use super::audit::RequestId;
use super::login_policy::request_source::RequestSource;
use super::{App, time};

/// Milliseconds for which equal refusals are counted together.
pub(super) const MINUTE: i64 = 60_000;
/// Lines of a minute, and the sampling rate after them.
const FIRST_LINES: u64 = 20;
const SAMPLE_RATE: u64 = 100;
/// Keys that are counted separately. Later keys of the minute share one counter.
pub(super) const MAX_KEYS: usize = 10_000;

/// Counters of the refusals of the current minute.
#[derive(Default)]
pub(super) struct RefusalCounter {
    window: Mutex<RefusalWindow>,
}

#[derive(Default)]
struct RefusalWindow {
    start: i64,
    counters: HashMap<(String, String), SampleCounter>,
}

/// Counter of equal refusals within one minute.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SampleCounter {
    count: u64,
    /// Refusals since the last logged one.
    omitted: u64,
}

impl SampleCounter {
    /// Counts a refusal. If it must be logged, returns how many before it were left out.
    pub(super) fn count_one(&mut self) -> Option<u64> {
        self.count += 1;
        if self.count <= FIRST_LINES || self.count.is_multiple_of(SAMPLE_RATE) {
            return Some(std::mem::take(&mut self.omitted));
        }
        self.omitted += 1;
        None
    }

    /// Begins a new minute. The number of refusals left out is kept for the next line.
    pub(super) const fn reset_for_minute(&mut self) {
        self.count = 0;
    }

    /// Returns how many refusals were left out since the last logged one.
    pub(super) const fn omitted_count(self) -> u64 {
        self.omitted
    }
}

impl RefusalCounter {
    /// Counts a refusal of a source. If it must be logged, returns how many before it were left out.
    pub(super) fn count_refusal(&self, (source, what): (RequestSource, &str), now: i64) -> Option<u64> {
        let start = now - now.rem_euclid(MINUTE);
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.start != start {
            *window = RefusalWindow { start, counters: HashMap::new() };
        }
        let mut key = (source.network_key(), what.to_owned());
        if window.counters.len() >= MAX_KEYS && !window.counters.contains_key(&key) {
            key = ("others".to_owned(), String::new());
        }
        window.counters.entry(key).or_default().count_one()
    }
}

/// Returns the name of a refusal in the log; `None` if the status is not a refusal.
const fn refusal_name(status: StatusCode) -> Option<&'static str> {
    Some(match status.as_u16() {
        400 => "not acceptable",
        401 => "not authenticated",
        403 => "not allowed",
        404 | 405 | 410 => "not there",
        408 => "too slow",
        409 => "changed meanwhile",
        413 | 414 | 431 => "too long",
        429 => "too often",
        503 => "busy",
        _ => return None,
    })
}

/// Logs refused requests, as a middleware.
pub(super) async fn log_refusals(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let source = RequestSource::from_request(request.extensions(), request.headers(), &app.proxies);
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let method = request.method().clone();
    let id = request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    let response = next.run(request).await;
    let status = response.status();
    if let Some(refused) = refusal_name(status)
        && let Some(left_out) = app.refusals.count_refusal((source, refused), time::now())
    {
        let status = status.as_u16();
        tracing::info!(target: "refused", %source, %method, route, status, request = id, left_out, "{refused}");
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_lines_and_of_many_one_of_a_hundred_that_says_how_many_were_none() {
        let refusals = RefusalCounter::default();
        let source = RequestSource::from_address("198.51.100.1".parse().unwrap());
        let lines: Vec<u64> = (0..1000).filter_map(|_| refusals.count_refusal((source, "busy"), 60_000)).collect();
        assert_eq!(lines.len(), 30);
        assert_eq!(lines.iter().sum::<u64>() + 30, 1000, "each is a line or counted by one");
        assert_eq!(refusals.count_refusal((source, "too often"), 60_000), Some(0));
        assert_eq!(refusals.count_refusal((source, "busy"), 120_000), Some(0));
    }
}
