//! The waiting half of the pacer: holds each request until its tenant's budget has room.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::budget::{Budget, Category, Lane, Leave, Told};
use super::error::Error;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Budgets beyond which those that say nothing any more are forgotten.
const MANY: usize = 1024;

/// Clocks that differ by less are taken to be the same: `Date` has no fractions of a second.
const SAME_CLOCK: i64 = 2_000;

/// The budgets of every tenant that stood in a path.
#[derive(Default)]
pub(super) struct Pacer {
    budgets: Mutex<HashMap<Key, Budget>>,
    answered: Notify,
}

type Key = (String, Category);

/// Leave to send one request. Dropped without an answer it counts as sent.
pub(super) struct Pass<'a> {
    pacer: &'a Pacer,
    key: Option<Key>,
}

impl Pacer {
    /// Waits until the request may be sent.
    ///
    /// # Errors
    /// `Throttled`, at once, where it may not be sent before the deadline, or not now for one that does not wait.
    pub(super) async fn enter(
        &self,
        tenant: &str,
        (category, lane): (Category, Lane),
        deadline: Instant,
    ) -> Result<Pass<'_>, Error> {
        let key = (tenant.to_owned(), category);
        let mut waiting = None;
        loop {
            // Registered before asking, so that no answer in between is missed.
            let mut answered = std::pin::pin!(self.answered.notified());
            answered.as_mut().enable();
            let now = now();
            let leave = self.with(&key, |budget| budget.ask(category, lane, now));
            let until = match leave {
                Leave::Go => return Ok(Pass { pacer: self, key: Some(key) }),
                Leave::At(at) | Leave::Soon(Some(at)) => Some(at),
                Leave::Soon(None) => None,
            };
            let wake = until.map_or(deadline, |at| instant(at, now));
            if lane == Lane::AtOnce || wake > deadline && !matches!(leave, Leave::Soon(_)) || Instant::now() >= deadline
            {
                return Err(throttled(until));
            }
            if lane == Lane::Change && waiting.is_none() {
                waiting = Some(Waiting::begin(self, key.clone()));
            }
            let wake = wake.min(deadline);
            if matches!(leave, Leave::At(_)) {
                say_wait(tenant, wake);
                tokio::time::sleep_until(wake).await;
            } else {
                // The deadline ends the wait as well; the next round says so.
                let _ = tokio::time::timeout_at(wake, answered).await;
            }
        }
    }

    fn with<T>(&self, key: &Key, act: impl FnOnce(&mut Budget) -> T) -> T {
        let mut budgets = self.lock();
        if let Some(budget) = budgets.get_mut(key) {
            return act(budget);
        }
        if budgets.len() >= MANY {
            let now = now();
            budgets.retain(|_, budget| !budget.is_idle(now));
        }
        act(budgets.entry(key.clone()).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Budget>> {
        self.budgets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A person who waits for a command wants to know for what.
fn say_wait(tenant: &str, until: Instant) {
    let seconds = until.saturating_duration_since(Instant::now()).as_secs();
    if seconds > 0 {
        tracing::debug!(target: "tenantry::pacer", tenant, seconds, "waiting for the platform's rate limit");
    }
}

impl Pass<'_> {
    /// The request was answered, with these headers.
    pub(super) fn answered(mut self, status: u16, headers: &HeaderMap) {
        let now = now();
        let told = told(headers, now);
        self.settle(|budget| match status {
            429 => budget.refused(told, retry_after(headers, now), now),
            _ => budget.told(told, now),
        });
    }

    /// The request never left.
    pub(super) fn unsent(mut self) {
        self.settle(|budget| budget.lost(false));
    }

    fn settle(&mut self, act: impl FnOnce(&mut Budget)) {
        if let Some(key) = self.key.take() {
            self.pacer.with(&key, act);
            self.pacer.answered.notify_waiters();
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.settle(|budget| budget.lost(true));
    }
}

/// A change that waits, so that polling steps back.
struct Waiting<'a> {
    pacer: &'a Pacer,
    key: Key,
}

impl<'a> Waiting<'a> {
    fn begin(pacer: &'a Pacer, key: Key) -> Self {
        pacer.with(&key, |budget| budget.wait(true));
        Self { pacer, key }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.pacer.with(&self.key, |budget| budget.wait(false));
        self.pacer.answered.notify_waiters();
    }
}

fn now() -> i64 {
    crate::clock::now().as_millisecond()
}

fn instant(at: i64, now: i64) -> Instant {
    Instant::now() + Duration::from_millis(u64::try_from(at - now).unwrap_or_default())
}

/// `Throttled` until the given millisecond.
pub(super) fn throttled(until: Option<i64>) -> Error {
    Error::Throttled { retry_at: until.and_then(|at| Timestamp::from_millisecond(at).ok()) }
}

fn number(headers: &HeaderMap, name: HeaderName) -> Option<i64> {
    headers.get(name)?.to_str().ok()?.trim().trim_matches('"').parse().ok()
}

fn told(headers: &HeaderMap, now: i64) -> Told {
    Told {
        limit: number(headers, LIMIT),
        remaining: number(headers, REMAINING),
        reset: number(headers, RESET).map(|seconds| seconds.saturating_mul(1000) + skew(headers, now)),
    }
}

/// What the headers say is left of a budget.
pub(super) fn remaining(headers: &HeaderMap) -> Option<u64> {
    number(headers, REMAINING).and_then(|left| u64::try_from(left).ok())
}

/// When a 429 says that it may be tried again: `Retry-After` in seconds.
pub(super) fn retry_after(headers: &HeaderMap, now: i64) -> Option<i64> {
    number(headers, RETRY_AFTER).map(|seconds| now + seconds.clamp(0, 86_400) * 1000)
}

/// How far our clock is ahead of the platform's: `Reset` is a time of its clock, the wait is one of ours.
fn skew(headers: &HeaderMap, now: i64) -> i64 {
    let date = headers.get(DATE).and_then(|date| jiff::fmt::rfc2822::parse(date.to_str().ok()?).ok());
    let ahead = date.map_or(0, |date| now - date.timestamp().as_millisecond());
    if ahead.abs() < SAME_CLOCK { 0 } else { ahead }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn headers_are_read_with_quotes_and_moved_to_our_clock() {
        let plain = headers(&[
            ("x-ratelimit-limit", "\"50\""),
            ("x-ratelimit-remaining", "7"),
            ("x-ratelimit-reset", "784887151"),
            ("date", "Tue, 15 Nov 1994 08:12:01 GMT"),
        ]);
        let server = 784_887_121_000;
        let expected = Told { limit: Some(50), remaining: Some(7), reset: Some(server + 30_000) };
        assert_eq!(told(&plain, server + 900), expected);
        assert_eq!(told(&plain, server + 60_000).reset, Some(server + 90_000));
        assert_eq!(told(&headers(&[("x-ratelimit-limit", "many")]), 0), Told::default());
        assert_eq!(retry_after(&headers(&[("retry-after", "3")]), 1000), Some(4000));
    }

    #[tokio::test]
    async fn what_cannot_be_sent_before_the_deadline_is_refused_at_once() {
        let pacer = Pacer::default();
        let deadline = Instant::now() + Duration::from_secs(5);
        let ask = (Category::Write, Lane::Change);
        let pass = pacer.enter("msp_1", ask, deadline).await.unwrap();
        pass.answered(429, &headers(&[("retry-after", "60")]));
        let begun = Instant::now();
        let Err(Error::Throttled { retry_at: Some(at) }) = pacer.enter("msp_1", ask, deadline).await else {
            panic!("not throttled")
        };
        assert!(begun.elapsed() < Duration::from_secs(1) && at > Timestamp::now());
        assert!(pacer.enter("msp_2", ask, deadline).await.is_ok(), "another tenant has a budget of its own");
        assert!(pacer.enter("msp_1", (Category::Read, Lane::Change), deadline).await.is_ok());
    }

    #[tokio::test]
    async fn budgets_that_say_nothing_any_more_are_forgotten() {
        let pacer = Pacer::default();
        let deadline = Instant::now() + Duration::from_secs(5);
        for tenant in 0..3 * MANY {
            drop(pacer.enter(&tenant.to_string(), (Category::Read, Lane::Change), deadline).await.unwrap());
        }
        assert!(pacer.lock().len() <= MANY);
    }
}
