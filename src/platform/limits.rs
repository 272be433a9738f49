//! Rate limits: requests per caller, tenant, category and minute.
//!
//! Each caller has the whole budget of a tenant: nobody uses up somebody else's. Only what a caller may do is charged to it;
//! refusals have a budget of their own, since each is a row of the audit log.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};

/// Milliseconds of a window.
const MINUTE: i64 = 60_000;

/// Requests that a tenant has per minute.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// POST, PUT, DELETE.
    pub writes: u32,
    /// Paginated reads.
    pub pages: u32,
    /// Other reads.
    pub reads: u32,
}

impl Default for Limits {
    /// The commercial platform's.
    fn default() -> Self {
        Self { writes: 50, pages: 50, reads: 500 }
    }
}

/// Kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Category {
    Writes,
    Pages,
    Reads,
    /// Whatever the caller may not do.
    Refusals,
}

impl Category {
    /// The category of a route.
    pub(super) fn of(method: &Method, template: &str) -> Self {
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

/// What is left of a budget after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    limit: u32,
    remaining: u32,
    /// UTC epoch seconds at which the budget is whole again.
    reset: i64,
    /// Whether the request may pass.
    pub(super) granted: bool,
}

impl Budget {
    /// Seconds until the budget is whole again.
    pub(super) fn wait(self, now: i64) -> i64 {
        (self.reset - now.div_euclid(1000)).max(1)
    }

    /// Puts the three headers on an answer.
    pub(super) fn announce(self, headers: &mut HeaderMap) {
        let mut put = |name, value: HeaderValue| headers.insert(HeaderName::from_static(name), value);
        put("x-ratelimit-limit", self.limit.into());
        put("x-ratelimit-remaining", self.remaining.into());
        put("x-ratelimit-reset", self.reset.into());
    }
}

/// Counts of the current minute.
pub(super) struct Limiter {
    limits: Limits,
    window: Mutex<Window>,
}

#[derive(Default)]
struct Window {
    start: i64,
    used: HashMap<(String, i64, Category), u32>,
}

impl Limiter {
    /// Nothing used yet.
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, window: Mutex::default() }
    }

    /// Charges a caller with a request under a tenant, unless the budget of this minute is used up.
    pub(super) fn charge(&self, (caller, tenant): (String, i64), category: Category, now: i64) -> Budget {
        let limit = match category {
            Category::Writes => self.limits.writes,
            Category::Pages => self.limits.pages,
            Category::Reads => self.limits.reads,
            Category::Refusals => self.limits.writes.min(self.limits.reads),
        };
        let start = now - now.rem_euclid(MINUTE);
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.start != start {
            // Every budget is whole again, so yesterday's tenants take no memory.
            *window = Window { start, used: HashMap::new() };
        }
        let used = window.used.entry((caller, tenant, category)).or_default();
        let granted = *used < limit;
        *used += u32::from(granted);
        Budget { limit, remaining: limit - *used, reset: (start + MINUTE) / 1000, granted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_per_tenant_and_category_and_whole_again_each_minute() {
        let limiter = Limiter::new(Limits { writes: 2, pages: 1, reads: 9 });
        let charge = |tenant, category, now| limiter.charge(("ada".to_owned(), tenant), category, now);
        assert_eq!(charge(1, Category::Writes, 61_000), Budget { limit: 2, remaining: 1, reset: 120, granted: true });
        assert!(charge(1, Category::Writes, 62_000).granted);
        assert!(!charge(1, Category::Writes, 63_000).granted);
        assert!(charge(2, Category::Writes, 63_000).granted);
        assert!(limiter.charge(("bob".to_owned(), 1), Category::Writes, 63_000).granted, "each caller has a budget");
        assert!(charge(1, Category::Refusals, 63_000).granted);
        assert_eq!(charge(1, Category::Writes, 63_000).wait(63_000), 57);
        assert!(charge(1, Category::Pages, 63_000).granted);
        assert!(charge(1, Category::Writes, 120_000).granted);
    }

    #[test]
    fn only_search_is_paginated() {
        assert_eq!(Category::of(&Method::GET, "/api/v2/tenants/{tenant}/clients/search"), Category::Pages);
        assert_eq!(Category::of(&Method::GET, "/api/v2/tenants/{tenant}/clients/minimal"), Category::Reads);
        assert_eq!(Category::of(&Method::PUT, "/api/v2/tenants/{tenant}/customBranding"), Category::Writes);
    }
}
