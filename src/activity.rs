//! When the API server last sent something: the evidence of progress for the probes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::context::lock;

/// A request counts as stuck after this many times its own deadline.
const STUCK_AFTER_DEADLINES: u32 = 3;

/// The last activity of the API server. All clones share one state.
#[derive(Clone, Default)]
pub(crate) struct ApiServerActivity(Arc<ActivityState>);

#[derive(Default)]
struct ActivityState {
    /// When each watch last delivered something, by path.
    watches: Mutex<HashMap<String, Instant>>,
    /// When each request in flight counts as stuck.
    in_flight: Mutex<HashMap<u64, Instant>>,
    next: AtomicU64,
    /// When a drift check of all objects last ended.
    drift_checked_at: Mutex<Option<Instant>>,
}

/// A request in flight, until it is dropped.
pub(crate) struct InFlightRequest {
    number: u64,
    activity: ApiServerActivity,
}

impl Drop for InFlightRequest {
    fn drop(&mut self) {
        lock(&self.activity.0.in_flight).remove(&self.number);
    }
}

impl ApiServerActivity {
    /// Records that a watch of this path began or delivered something.
    pub(crate) fn record_watch_event(&self, path: &str) {
        lock(&self.0.watches).insert(path.to_owned(), Instant::now());
    }

    /// Returns how long the watches of a kind have delivered nothing; the quietest of them counts. `None` if none ever
    /// began.
    pub(crate) fn time_since_watch_event(&self, kind: &str) -> Option<Duration> {
        let watches = lock(&self.0.watches);
        let of_kind = watches.iter().filter(|(path, _)| watched_kind(path) == Some(kind));
        of_kind.map(|(_, at)| at.elapsed()).max()
    }

    /// Records that a drift check of all objects has ended.
    pub(crate) fn record_drift_check(&self) {
        *lock(&self.0.drift_checked_at) = Some(Instant::now());
    }

    /// Returns the time since the last drift check ended; `None` before the first.
    pub(crate) fn time_since_drift_check(&self) -> Option<Duration> {
        lock(&self.0.drift_checked_at).map(|at| at.elapsed())
    }

    /// Registers a request that must end within `limit`.
    pub(crate) fn begin_request(&self, limit: Duration) -> InFlightRequest {
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.0.in_flight).insert(number, Instant::now() + limit * STUCK_AFTER_DEADLINES);
        InFlightRequest { number, activity: self.clone() }
    }

    /// Returns whether a request is past three of its deadlines. The task that waits for it then no longer runs.
    pub(crate) fn has_overdue_request(&self) -> bool {
        let now = Instant::now();
        lock(&self.0.in_flight).values().any(|overdue| now > *overdue)
    }
}

/// Kinds that are watched.
pub(crate) const WATCHED_KINDS: [&str; 3] = ["Partner", "Client", "ConfigMap"];

fn watched_kind(path: &str) -> Option<&'static str> {
    match path.rsplit('/').next() {
        Some("partners") => Some("Partner"),
        Some("clients") => Some("Client"),
        Some("configmaps") => Some("ConfigMap"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn of_the_watches_of_a_kind_the_quietest_counts() {
        let activity = ApiServerActivity::default();
        assert_eq!(activity.time_since_watch_event("Client"), None);
        activity.record_watch_event("/apis/tenantry.dev/v1alpha1/namespaces/a/clients");
        activity.record_watch_event("/apis/tenantry.dev/v1alpha1/namespaces/b/clients");
        tokio::time::advance(Duration::from_secs(70)).await;
        activity.record_watch_event("/apis/tenantry.dev/v1alpha1/namespaces/b/clients");
        assert_eq!(
            (activity.time_since_watch_event("Client"), activity.time_since_watch_event("Partner")),
            (Some(Duration::from_secs(70)), None)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_past_three_of_its_deadlines_is_overdue_until_it_ends() {
        let activity = ApiServerActivity::default();
        let request = activity.begin_request(Duration::from_secs(30));
        tokio::time::advance(Duration::from_secs(90)).await;
        assert!(!activity.has_overdue_request());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(activity.has_overdue_request());
        drop(request);
        assert!(!activity.has_overdue_request());
    }
}
