//! The waiting half of the rate limiter: holds each request until its budget allows it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderMap;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::error::{CallError, format_instant};
use super::rate_limit_bucket::{RateLimitBuckets, RateLimitRoute};
use super::rate_limit_budget::{BudgetCategory, BudgetDecision, RequestBudget, RequestPriority};
use super::rate_limit_headers::{self, HeaderReading, ImplausibleHeader};
use super::retry_after::RetryAfterHolds;

/// Above this number of budgets, idle ones are dropped.
const MAX_BUDGETS: usize = 1024;

/// The budgets of a platform: by the bucket that answers name, or else by the tenant in the path.
#[derive(Default)]
pub(super) struct RequestRateLimiter {
    state: Mutex<LimiterState>,
    answer_arrived: Notify,
    has_warned: AtomicBool,
}

#[derive(Default)]
struct LimiterState {
    budgets: HashMap<BudgetKey, RequestBudget>,
    buckets: RateLimitBuckets,
    holds: RetryAfterHolds,
}

/// The owner of a budget.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum BudgetKey {
    Bucket(String),
    Tenant(String, BudgetCategory),
}

/// A request to be sent.
#[derive(Clone, Debug)]
pub(super) struct RateLimitRequest {
    /// Its route, which determines the bucket.
    pub(super) route: RateLimitRoute,
    /// The tenant that it is about.
    pub(super) subject: String,
    pub(super) category: BudgetCategory,
    pub(super) priority: RequestPriority,
}

/// The permit to send one request. If it is dropped without an answer, the request counts as sent.
pub(super) struct RateLimitPermit<'a> {
    limiter: &'a RequestRateLimiter,
    request: RateLimitRequest,
    key: Option<BudgetKey>,
}

/// What a request has to wait for.
enum SendDecision {
    Budget(BudgetKey, BudgetDecision),
    /// The platform asked for no request before this time, in milliseconds since the epoch.
    RetryAfter(i64),
}

impl RequestRateLimiter {
    /// Waits until the request may be sent.
    ///
    /// # Errors
    /// `Throttled` or `Unavailable`, at once: if it may not be sent before the deadline, or, for a caller that does not
    /// wait, if it may not be sent now.
    pub(super) async fn acquire_permit(
        &self,
        request: RateLimitRequest,
        deadline: Instant,
    ) -> Result<RateLimitPermit<'_>, CallError> {
        let mut waiting: Option<WaitingChange<'_>> = None;
        loop {
            // Registered before the check, so that no answer in between is missed.
            let mut answered = std::pin::pin!(self.answer_arrived.notified());
            answered.as_mut().enable();
            let now = now_ms();
            let (key, leave) = match self.decide_send(&request, now) {
                SendDecision::Budget(key, BudgetDecision::Send) => {
                    return Ok(RateLimitPermit { limiter: self, request, key: Some(key) });
                }
                SendDecision::Budget(key, leave) => (key, leave),
                SendDecision::RetryAfter(until) => {
                    let wake_at = instant_at(until, now);
                    if request.priority == RequestPriority::NoWait || wake_at > deadline {
                        return Err(retry_after_error(until));
                    }
                    tokio::time::sleep_until(wake_at).await;
                    continue;
                }
            };
            let until = match leave {
                BudgetDecision::WaitUntil(at) | BudgetDecision::AwaitAnswer(Some(at)) => Some(at),
                BudgetDecision::Send | BudgetDecision::AwaitAnswer(None) => None,
            };
            let wake_at = until.map_or(deadline, |at| instant_at(at, now));
            if request.priority == RequestPriority::NoWait
                || wake_at > deadline && !matches!(leave, BudgetDecision::AwaitAnswer(_))
                || Instant::now() >= deadline
            {
                return Err(throttled_error(until));
            }
            if request.priority == RequestPriority::Change && waiting.as_ref().is_none_or(|waiting| waiting.key != key)
            {
                waiting = Some(WaitingChange::begin(self, key));
            }
            let wake_at = wake_at.min(deadline);
            if matches!(leave, BudgetDecision::WaitUntil(_)) {
                log_wait(&request.route.tenant, wake_at);
            }
            // An answer may report another window or bucket. The deadline ends the wait as well, and the next round
            // reports that.
            let _ = tokio::time::timeout_at(wake_at, answered).await;
        }
    }

    fn decide_send(&self, request: &RateLimitRequest, now: i64) -> SendDecision {
        let mut known = self.lock_state();
        if let Some(until) = known.holds.blocked_until(&request.subject, now) {
            return SendDecision::RetryAfter(until);
        }
        let key = known.budget_key(request);
        let decision = known.budget_for(&key, now).try_acquire(request.category, request.priority, now);
        SendDecision::Budget(key, decision)
    }

    fn lock_state(&self) -> MutexGuard<'_, LimiterState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs an implausible header once: such a server sends the same in each answer.
    fn warn_implausible_header(&self, tenant: &str, implausible: Option<ImplausibleHeader>) {
        let Some(ImplausibleHeader { header, value }) = implausible else { return };
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            let seconds = rate_limit_headers::MAX_WAIT_MS / 1000;
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

impl LimiterState {
    fn budget_key(&self, request: &RateLimitRequest) -> BudgetKey {
        let RateLimitRequest { route, category, subject: _, priority: _ } = request;
        let bucket = self.buckets.bucket_for(route).map(|bucket| BudgetKey::Bucket(bucket.to_owned()));
        bucket.unwrap_or_else(|| BudgetKey::Tenant(route.tenant.clone(), *category))
    }

    fn budget_for(&mut self, key: &BudgetKey, now: i64) -> &mut RequestBudget {
        if self.budgets.len() >= MAX_BUDGETS && !self.budgets.contains_key(key) {
            self.budgets.retain(|_, budget| !budget.is_idle(now));
        }
        self.budgets.entry(key.clone()).or_default()
    }

    /// Returns the budget that an answer is about. That budget counts the request from now on.
    fn budget_counting_answer(&mut self, entered: &BudgetKey, bucket: Option<&str>, now: i64) -> &mut RequestBudget {
        let named = bucket.map(|bucket| BudgetKey::Bucket(bucket.to_owned())).filter(|named| named != entered);
        let Some(named) = named else { return self.budget_for(entered, now) };
        self.budget_for(entered, now).record_lost_request(false);
        let budget = self.budget_for(&named, now);
        budget.record_uncounted_request();
        budget
    }

    fn record_answer(
        &mut self,
        (wanted, entered): (&RateLimitRequest, &BudgetKey),
        (status, reading): (u16, &HeaderReading),
        now: i64,
    ) {
        let HeaderReading { rate_limit: told, bucket, retry_at, implausible: _ } = reading;
        if let Some(bucket) = bucket {
            self.buckets.record_bucket(&wanted.route, bucket);
        }
        let budget = self.budget_counting_answer(entered, bucket.as_deref(), now);
        match status {
            429 => budget.record_rejection(*told, *retry_at, now),
            _ => budget.record_answer(*told, now),
        }
        match (status, retry_at) {
            (503, Some(until)) => self.holds.block_tenant(&wanted.subject, *until, now),
            (200..=299, _) => self.holds.unblock_tenant(&wanted.subject),
            _ => {}
        }
    }
}

/// Logs the wait, so that a person who runs a command knows why it waits.
fn log_wait(tenant: &str, until: Instant) {
    let seconds = until.saturating_duration_since(Instant::now()).as_secs();
    if seconds > 0 {
        tracing::debug!(target: "tenantry::pacer", tenant, seconds, "waiting for the platform's rate limit");
    }
}

impl RateLimitPermit<'_> {
    /// Records the answer to the request, with these headers.
    pub(super) fn record_answer(mut self, status: u16, headers: &HeaderMap) {
        let now = now_ms();
        let mut reading = rate_limit_headers::read_headers(headers, now);
        self.limiter.warn_implausible_header(&self.request.route.tenant, reading.implausible.take());
        let wanted = self.request.clone();
        self.finish_with(|known, key| known.record_answer((&wanted, key), (status, &reading), now));
    }

    /// Records that the request was never sent.
    pub(super) fn release_unsent(mut self) {
        self.finish_with(|known, key| known.budget_for(key, now_ms()).record_lost_request(false));
    }

    fn finish_with(&mut self, action: impl FnOnce(&mut LimiterState, &BudgetKey)) {
        if let Some(key) = self.key.take() {
            action(&mut self.limiter.lock_state(), &key);
            self.limiter.answer_arrived.notify_waiters();
        }
    }
}

impl Drop for RateLimitPermit<'_> {
    fn drop(&mut self) {
        self.finish_with(|known, key| known.budget_for(key, now_ms()).record_lost_request(true));
    }
}

/// A waiting change; polling gives way to it.
struct WaitingChange<'a> {
    limiter: &'a RequestRateLimiter,
    key: BudgetKey,
}

impl<'a> WaitingChange<'a> {
    fn begin(limiter: &'a RequestRateLimiter, key: BudgetKey) -> Self {
        limiter.lock_state().budget_for(&key, now_ms()).count_waiting_change(true);
        Self { limiter, key }
    }
}

impl Drop for WaitingChange<'_> {
    fn drop(&mut self) {
        self.limiter.lock_state().budget_for(&self.key, now_ms()).count_waiting_change(false);
        self.limiter.answer_arrived.notify_waiters();
    }
}

fn now_ms() -> i64 {
    tenantry_runtime::clock::now().as_millisecond()
}

fn instant_at(at: i64, now: i64) -> Instant {
    Instant::now() + Duration::from_millis(u64::try_from(at - now).unwrap_or_default())
}

/// Builds `Throttled` until the given millisecond.
pub(super) fn throttled_error(until: Option<i64>) -> CallError {
    CallError::Throttled { retry_at: until.and_then(|at| Timestamp::from_millisecond(at).ok()) }
}

/// Builds the error of a request that is not sent before the given millisecond, as the platform asked.
pub(super) fn retry_after_error(until: i64) -> CallError {
    let until = Timestamp::from_millisecond(until).map(format_instant).unwrap_or_default();
    CallError::not_sent(format!("it asked for no request before {until} (HTTP 503 with `Retry-After`)"))
}

#[cfg(test)]
mod tests;
