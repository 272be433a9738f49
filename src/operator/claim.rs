//! The claim to lead, as everything that changes something asks for it.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::time::Instant;

use tokio::sync::watch;

/// Whether this process leads, by its own monotonic clock. All clones are one.
#[derive(Clone)]
pub(crate) struct Claim(Arc<Shared>);

struct Shared {
    origin: Instant,
    /// Microseconds after the origin; 0 is before the claim and after it was given up.
    until: AtomicU64,
    has_begun: watch::Sender<bool>,
}

impl Default for Claim {
    fn default() -> Self {
        let shared = Shared { origin: Instant::now(), until: AtomicU64::new(0), has_begun: watch::Sender::new(false) };
        Self(Arc::new(shared))
    }
}

impl Claim {
    /// The process's own clock.
    pub(crate) fn now(&self) -> Duration {
        self.0.origin.elapsed()
    }

    /// Whether this process leads at this moment.
    pub(crate) fn holds(&self) -> bool {
        self.now() < Duration::from_micros(self.0.until.load(Ordering::Acquire))
    }

    /// Holds until then.
    pub(crate) fn extend(&self, until: Duration) {
        self.0.until.store(u64::try_from(until.as_micros()).unwrap_or(u64::MAX), Ordering::Release);
        self.0.has_begun.send_if_modified(|has_begun| !std::mem::replace(has_begun, true));
    }

    /// Holds no more.
    pub(crate) fn end(&self) {
        self.0.until.store(0, Ordering::Release);
    }

    /// Waits until this process leads for the first time.
    pub(crate) async fn begun(&self) {
        // The sender lives as long as this claim.
        let _ = self.0.has_begun.subscribe().wait_for(|has_begun| *has_begun).await;
    }

    /// Carries something out while the claim holds; nothing once it does not. The claim is asked again whenever the
    /// work goes on, so that a request which still waits for its connection is not sent after its time.
    pub(crate) async fn during<F: Future>(&self, work: F) -> Option<F::Output> {
        let mut work = pin!(work);
        std::future::poll_fn(
            |context| {
                if self.holds() { work.as_mut().poll(context).map(Some) } else { Poll::Ready(None) }
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
        let claim = Claim::default();
        assert_eq!(claim.during(async { 1 }).await, None, "before the claim");
        claim.extend(claim.now() + Duration::from_mins(1));
        assert_eq!(claim.during(async { 2 }).await, Some(2));
        let ended = claim.during(async {
            claim.end();
            tokio::task::yield_now().await;
            3
        });
        assert_eq!(ended.await, None, "after it was given up");
        claim.extend(claim.now() + Duration::from_millis(20));
        assert!(claim.holds());
        std::thread::sleep(Duration::from_millis(25));
        assert!(!claim.holds(), "after it lapsed");
    }
}
