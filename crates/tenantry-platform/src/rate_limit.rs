//! Rate limits: requests per caller, tenant, category and minute.
//!
//! Each caller has the full budget of a tenant: no caller uses up another's. Permitted calls are charged to it; refused
//! calls have a separate budget, because each is a row of the audit log.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};

/// Milliseconds of a window.
const MINUTE: i64 = 60_000;

/// Requests that a tenant has per minute.
#[derive(Clone, Copy, Debug)]
pub struct RateLimits {
    /// POST, PUT, DELETE.
    pub writes: u32,
    /// Paginated reads.
    pub pages: u32,
    /// Other reads.
    pub reads: u32,
}

impl Default for RateLimits {
    /// Returns the limits of the commercial platform.
    fn default() -> Self {
        Self { writes: 50, pages: 50, reads: 500 }
    }
}

/// Kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum RateLimitCategory {
    Writes,
    Pages,
    Reads,
    /// Calls that the caller may not make.
    Refusals,
}

impl RateLimitCategory {
    /// Returns the category of a route.
    pub(super) fn for_request(method: &Method, template: &str) -> Self {
        match *method {
            Method::GET | Method::HEAD
                if ["/search", "/records/{category}", "/audit"].iter().any(|end| template.ends_with(end)) =>
            {
                Self::Pages
            }
            Method::GET | Method::HEAD => Self::Reads,
            _ => Self::Writes,
        }
    }
}

/// Decision on a request, and what is left of its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RateLimitDecision {
    limit: u32,
    remaining: u32,
    /// UTC epoch seconds at which the full budget is available again.
    reset: i64,
    /// Whether the request may pass.
    pub(super) is_granted: bool,
}

impl RateLimitDecision {
    /// Returns the seconds until the full budget is available again.
    pub(super) fn seconds_to_reset(self, now: i64) -> i64 {
        (self.reset - now.div_euclid(1000)).max(1)
    }

    /// Writes the three rate-limit headers.
    pub(super) fn write_headers(self, headers: &mut HeaderMap) {
        let mut put = |name, value: HeaderValue| headers.insert(HeaderName::from_static(name), value);
        put("x-ratelimit-limit", self.limit.into());
        put("x-ratelimit-remaining", self.remaining.into());
        put("x-ratelimit-reset", self.reset.into());
    }
}

/// Counters of the current minute.
pub(super) struct RateLimiter {
    limits: RateLimits,
    window: Mutex<RateLimitWindow>,
}

#[derive(Default)]
struct RateLimitWindow {
    start: i64,
    used: HashMap<(String, i64, RateLimitCategory), u32>,
}

impl RateLimiter {
    /// Returns a limiter with full budgets.
    pub(super) fn new(limits: RateLimits) -> Self {
        Self { limits, window: Mutex::default() }
    }

    /// Charges a caller with a request under a tenant, unless the budget of this minute is used up.
    pub(super) fn charge_request(
        &self,
        caller: String,
        tenant: i64,
        category: RateLimitCategory,
        now: i64,
    ) -> RateLimitDecision {
        let limit = match category {
            RateLimitCategory::Writes => self.limits.writes,
            RateLimitCategory::Pages => self.limits.pages,
            RateLimitCategory::Reads => self.limits.reads,
            RateLimitCategory::Refusals => self.limits.writes.min(self.limits.reads),
        };
        let start = now - now.rem_euclid(MINUTE);
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.start != start {
            // Every budget is full again, so the counters of earlier tenants can be dropped.
            *window = RateLimitWindow { start, used: HashMap::new() };
        }
        let used = window.used.entry((caller, tenant, category)).or_default();
        let granted = *used < limit;
        *used += u32::from(granted);
        RateLimitDecision { limit, remaining: limit - *used, reset: (start + MINUTE) / 1000, is_granted: granted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_per_tenant_and_category_and_whole_again_each_minute() {
        let limiter = RateLimiter::new(RateLimits { writes: 2, pages: 1, reads: 9 });
        let charge = |tenant, category, now| limiter.charge_request("ada".to_owned(), tenant, category, now);
        assert_eq!(
            charge(1, RateLimitCategory::Writes, 61_000),
            RateLimitDecision { limit: 2, remaining: 1, reset: 120, is_granted: true }
        );
        assert!(charge(1, RateLimitCategory::Writes, 62_000).is_granted);
        assert!(!charge(1, RateLimitCategory::Writes, 63_000).is_granted);
        assert!(charge(2, RateLimitCategory::Writes, 63_000).is_granted);
        assert!(
            limiter.charge_request("bob".to_owned(), 1, RateLimitCategory::Writes, 63_000).is_granted,
            "each caller has a budget"
        );
        assert!(charge(1, RateLimitCategory::Refusals, 63_000).is_granted);
        assert_eq!(charge(1, RateLimitCategory::Writes, 63_000).seconds_to_reset(63_000), 57);
        assert!(charge(1, RateLimitCategory::Pages, 63_000).is_granted);
        assert!(charge(1, RateLimitCategory::Writes, 120_000).is_granted);
    }

    #[test]
    fn only_search_is_paginated() {
        assert_eq!(
            RateLimitCategory::for_request(&Method::GET, "/api/v2/tenants/{tenant}/clients/search"),
            RateLimitCategory::Pages
        );
        assert_eq!(
            RateLimitCategory::for_request(&Method::GET, "/api/v2/tenants/{tenant}/clients/minimal"),
            RateLimitCategory::Reads
        );
        assert_eq!(
            RateLimitCategory::for_request(&Method::PUT, "/api/v2/tenants/{tenant}/customBranding"),
            RateLimitCategory::Writes
        );
    }
}
