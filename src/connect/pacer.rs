//! The waiting half of the pacer: holds each request until its tenant's budget has room.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderMap;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::bucket::{Buckets, Route};
use super::budget::{Budget, Category, Lane, Leave};
use super::error::{Error, instant_text};
use super::headers::{self, Doubted, Reading};
use super::hold::Holds;

/// Budgets beyond which those that say nothing any more are forgotten.
const MANY: usize = 1024;

/// The budgets of a platform: by the bucket that answers name, and where they name none by the tenant of the path.
#[derive(Default)]
pub(super) struct Pacer {
    known: Mutex<Known>,
    answered: Notify,
    has_doubted: AtomicBool,
}

#[derive(Default)]
struct Known {
    budgets: HashMap<Key, Budget>,
    buckets: Buckets,
    holds: Holds,
}

/// What a budget belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Bucket(String),
    Tenant(String, Category),
}

/// A request that wants to be sent.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// What it is, for its bucket.
    pub(super) route: Route,
    /// Tenant that it is about.
    pub(super) subject: String,
    pub(super) category: Category,
    pub(super) lane: Lane,
}

/// Leave to send one request. Dropped without an answer it counts as sent.
pub(super) struct Pass<'a> {
    pacer: &'a Pacer,
    wanted: Wanted,
    key: Option<Key>,
}

/// What a request has to wait for.
enum Wait {
    Budget(Key, Leave),
    /// The platform asked to be left alone until then.
    Hold(i64),
}

impl Pacer {
    /// Waits until the request may be sent.
    ///
    /// # Errors
    /// `Throttled` or `Unavailable`, at once, where it may not be sent before the deadline, or not now for one that does
    /// not wait.
    pub(super) async fn enter(&self, wanted: Wanted, deadline: Instant) -> Result<Pass<'_>, Error> {
        let mut waiting: Option<Waiting<'_>> = None;
        loop {
            // Registered before asking, so that no answer in between is missed.
            let mut answered = std::pin::pin!(self.answered.notified());
            answered.as_mut().enable();
            let now = now();
            let (key, leave) = match self.ask(&wanted, now) {
                Wait::Budget(key, Leave::Go) => return Ok(Pass { pacer: self, wanted, key: Some(key) }),
                Wait::Budget(key, leave) => (key, leave),
                Wait::Hold(until) => {
                    let wake = instant(until, now);
                    if wanted.lane == Lane::AtOnce || wake > deadline {
                        return Err(held(until));
                    }
                    tokio::time::sleep_until(wake).await;
                    continue;
                }
            };
            let until = match leave {
                Leave::At(at) | Leave::Soon(Some(at)) => Some(at),
                Leave::Go | Leave::Soon(None) => None,
            };
            let wake = until.map_or(deadline, |at| instant(at, now));
            if wanted.lane == Lane::AtOnce
                || wake > deadline && !matches!(leave, Leave::Soon(_))
                || Instant::now() >= deadline
            {
                return Err(throttled(until));
            }
            if wanted.lane == Lane::Change && waiting.as_ref().is_none_or(|waiting| waiting.key != key) {
                waiting = Some(Waiting::begin(self, key));
            }
            let wake = wake.min(deadline);
            if matches!(leave, Leave::At(_)) {
                say_wait(&wanted.route.tenant, wake);
            }
            // An answer may tell of another window or bucket. The deadline ends the wait as well; the next round says so.
            let _ = tokio::time::timeout_at(wake, answered).await;
        }
    }

    fn ask(&self, wanted: &Wanted, now: i64) -> Wait {
        let mut known = self.lock();
        if let Some(until) = known.holds.held(&wanted.subject, now) {
            return Wait::Hold(until);
        }
        let key = known.key(wanted);
        let leave = known.budget(&key, now).ask(wanted.category, wanted.lane, now);
        Wait::Budget(key, leave)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One line is enough: such a server writes the same into each answer.
    fn say_doubt(&self, tenant: &str, doubted: Option<Doubted>) {
        let Some(Doubted { header, value }) = doubted else { return };
        if !self.has_doubted.swap(true, Ordering::Relaxed) {
            let seconds = headers::LONGEST_WAIT / 1000;
            tracing::warn!(
                target: "tenantry::pacer",
                tenant,
                header,
                value,
                "the platform sends a header that cannot be meant; it delays no request for more than {seconds} seconds"
            );
        }
    }
}

impl Known {
    fn key(&self, wanted: &Wanted) -> Key {
        let Wanted { route, category, subject: _, lane: _ } = wanted;
        let bucket = self.buckets.of(route).map(|bucket| Key::Bucket(bucket.to_owned()));
        bucket.unwrap_or_else(|| Key::Tenant(route.tenant.clone(), *category))
    }

    fn budget(&mut self, key: &Key, now: i64) -> &mut Budget {
        if self.budgets.len() >= MANY && !self.budgets.contains_key(key) {
            self.budgets.retain(|_, budget| !budget.is_idle(now));
        }
        self.budgets.entry(key.clone()).or_default()
    }

    /// The budget that an answer is about, which counts the request from now on.
    fn counted(&mut self, entered: &Key, bucket: Option<&str>, now: i64) -> &mut Budget {
        let named = bucket.map(|bucket| Key::Bucket(bucket.to_owned())).filter(|named| named != entered);
        let Some(named) = named else { return self.budget(entered, now) };
        self.budget(entered, now).lost(false);
        let budget = self.budget(&named, now);
        budget.take_over();
        budget
    }

    fn answered(&mut self, (wanted, entered): (&Wanted, &Key), (status, reading): (u16, &Reading), now: i64) {
        let Reading { told, bucket, retry_at, doubted: _ } = reading;
        if let Some(bucket) = bucket {
            self.buckets.learn(&wanted.route, bucket);
        }
        let budget = self.counted(entered, bucket.as_deref(), now);
        match status {
            429 => budget.refused(*told, *retry_at, now),
            _ => budget.told(*told, now),
        }
        match (status, retry_at) {
            (503, Some(until)) => self.holds.hold(&wanted.subject, *until, now),
            (200..=299, _) => self.holds.release(&wanted.subject),
            _ => {}
        }
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
        let mut reading = headers::read(headers, now);
        self.pacer.say_doubt(&self.wanted.route.tenant, reading.doubted.take());
        let wanted = self.wanted.clone();
        self.settle(|known, key| known.answered((&wanted, key), (status, &reading), now));
    }

    /// The request never left.
    pub(super) fn unsent(mut self) {
        self.settle(|known, key| known.budget(key, now()).lost(false));
    }

    fn settle(&mut self, act: impl FnOnce(&mut Known, &Key)) {
        if let Some(key) = self.key.take() {
            act(&mut self.pacer.lock(), &key);
            self.pacer.answered.notify_waiters();
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.settle(|known, key| known.budget(key, now()).lost(true));
    }
}

/// A change that waits, so that polling steps back.
struct Waiting<'a> {
    pacer: &'a Pacer,
    key: Key,
}

impl<'a> Waiting<'a> {
    fn begin(pacer: &'a Pacer, key: Key) -> Self {
        pacer.lock().budget(&key, now()).wait(true);
        Self { pacer, key }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.pacer.lock().budget(&self.key, now()).wait(false);
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

/// Nothing is sent before the given millisecond, as the platform asked for.
pub(super) fn held(until: i64) -> Error {
    let until = Timestamp::from_millisecond(until).map(instant_text).unwrap_or_default();
    Error::unsent(format!("it asked for no request before {until} (HTTP 503 with `Retry-After`)"))
}

#[cfg(test)]
mod tests;
