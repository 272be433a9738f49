//! Single flight: of concurrent callers for the same answer one sends the request, and the others share its result.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::error::CallError;

/// An answer that concurrent callers share.
pub(super) struct SingleFlight<T> {
    running: tokio::sync::Mutex<()>,
    last: Mutex<Option<Completed<T>>>,
}

/// The last answer.
pub(super) struct Completed<T> {
    /// When its request began.
    pub(super) started: Instant,
    /// When it arrived.
    pub(super) ended: Instant,
    /// The result.
    pub(super) outcome: Result<T, CallError>,
}

impl<T> Default for SingleFlight<T> {
    fn default() -> Self {
        Self { running: tokio::sync::Mutex::default(), last: Mutex::default() }
    }
}

impl<T: Clone> SingleFlight<T> {
    /// Returns the last answer if `serves` accepts it, otherwise a new one. A failure that arrived while the caller
    /// waited is shared as well: otherwise each of many callers would fail in turn. `finish` completes a new answer
    /// before anybody sees it.
    pub(super) async fn run(
        &self,
        serves: impl Fn(&Completed<T>) -> bool,
        fetch: impl Future<Output = Result<T, CallError>>,
        finish: impl FnOnce(&mut T, Instant),
    ) -> Result<T, CallError> {
        let arrived = Instant::now();
        let taken = |landed: &Completed<T>| serves(landed) || (landed.outcome.is_err() && landed.ended >= arrived);
        if let Some(outcome) = self.find_reusable(taken) {
            return outcome;
        }
        let _running = self.running.lock().await;
        if let Some(outcome) = self.find_reusable(taken) {
            return outcome;
        }
        let started = Instant::now();
        let mut outcome = fetch.await;
        let mut last = self.lock_last();
        if let Ok(answer) = &mut outcome {
            finish(answer, started);
        }
        *last = Some(Completed { started, ended: Instant::now(), outcome: outcome.clone() });
        outcome
    }

    fn find_reusable(&self, taken: impl Fn(&Completed<T>) -> bool) -> Option<Result<T, CallError>> {
        self.lock_last().as_ref().filter(|landed| taken(landed)).map(|landed| landed.outcome.clone())
    }

    /// Locks the last answer, to update or remove it.
    pub(super) fn lock_last(&self) -> MutexGuard<'_, Option<Completed<T>>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    async fn run_numbered(
        flight: &SingleFlight<usize>,
        request_count: &AtomicUsize,
        fails: bool,
    ) -> Result<usize, CallError> {
        let ask = async {
            let number = request_count.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            if fails { Err(CallError::not_sent("down")) } else { Ok(number) }
        };
        flight.run(|landed| landed.outcome.is_ok(), ask, |_, _| {}).await
    }

    #[tokio::test]
    async fn of_many_one_asks_and_all_share_the_answer_and_the_failure() {
        for fails in [false, true] {
            let (flight, asked) = (SingleFlight::default(), AtomicUsize::new(0));
            let outcomes = futures::future::join_all((0..32).map(|_| run_numbered(&flight, &asked, fails))).await;
            assert_eq!(asked.load(Ordering::SeqCst), 1);
            assert!(outcomes.iter().all(|outcome| outcome.is_err() == fails));
        }
    }

    #[tokio::test]
    async fn who_comes_after_a_failure_asks_again_and_a_dropped_one_hands_over() {
        let (flight, asked) = (SingleFlight::default(), AtomicUsize::new(0));
        assert!(run_numbered(&flight, &asked, true).await.is_err());
        assert_eq!(run_numbered(&flight, &asked, false).await, Ok(1));
        let (flight, asked) = (SingleFlight::default(), AtomicUsize::new(0));
        let dropped = tokio::time::timeout(Duration::from_millis(5), run_numbered(&flight, &asked, false)).await;
        assert!(dropped.is_err());
        assert_eq!(run_numbered(&flight, &asked, false).await, Ok(1));
    }
}
