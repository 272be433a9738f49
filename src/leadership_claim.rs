//! The claim to lead, which every change checks before it is sent.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::time::Instant;

use tokio::sync::watch;

/// Whether this process leads, by its own monotonic clock. All clones share one state.
#[derive(Clone)]
pub(crate) struct LeadershipClaim(Arc<ClaimState>);

struct ClaimState {
    origin: Instant,
    /// Microseconds after the origin; 0 before the claim and after it was revoked.
    until: AtomicU64,
    has_led: watch::Sender<bool>,
}

impl Default for LeadershipClaim {
    fn default() -> Self {
        let shared =
            ClaimState { origin: Instant::now(), until: AtomicU64::new(0), has_led: watch::Sender::new(false) };
        Self(Arc::new(shared))
    }
}

impl LeadershipClaim {
    /// Returns the process's own monotonic time.
    pub(crate) fn process_time(&self) -> Duration {
        self.0.origin.elapsed()
    }

    /// Returns whether this process leads at this moment.
    pub(crate) fn is_leading(&self) -> bool {
        self.process_time() < Duration::from_micros(self.0.until.load(Ordering::Acquire))
    }

    /// Extends the claim until this time.
    pub(crate) fn extend_until(&self, until: Duration) {
        self.0.until.store(u64::try_from(until.as_micros()).unwrap_or(u64::MAX), Ordering::Release);
        self.0.has_led.send_if_modified(|has_begun| !std::mem::replace(has_begun, true));
    }

    /// Ends the claim at once.
    pub(crate) fn revoke(&self) {
        self.0.until.store(0, Ordering::Release);
    }

    /// Waits until this process leads for the first time.
    pub(crate) async fn wait_until_leading(&self) {
        // The sender lives as long as this claim.
        let _ = self.0.has_led.subscribe().wait_for(|has_begun| *has_begun).await;
    }

    /// Runs a future while the claim holds; returns `None` once it does not. The claim is checked at each poll, so that
    /// a request that still waits for its connection is not sent too late.
    pub(crate) async fn run_while_leading<F: Future>(&self, work: F) -> Option<F::Output> {
        let mut work = pin!(work);
        std::future::poll_fn(
            |context| {
                if self.is_leading() { work.as_mut().poll(context).map(Some) } else { Poll::Ready(None) }
            },
        )
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_goes_on_only_while_the_claim_holds() {
        let claim = LeadershipClaim::default();
        assert_eq!(claim.run_while_leading(async { 1 }).await, None, "before the claim");
        claim.extend_until(claim.process_time() + Duration::from_mins(1));
        assert_eq!(claim.run_while_leading(async { 2 }).await, Some(2));
        let ended = claim.run_while_leading(async {
            claim.revoke();
            tokio::task::yield_now().await;
            3
        });
        assert_eq!(ended.await, None, "after it was given up");
        claim.extend_until(claim.process_time() + Duration::from_millis(20));
        assert!(claim.is_leading());
        std::thread::sleep(Duration::from_millis(25));
        assert!(!claim.is_leading(), "after it lapsed");
    }
}
