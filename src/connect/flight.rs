//! Single flight: of many who want the same answer one asks, and the others get what it got.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::error::Error;

/// An answer that many want.
pub(super) struct Flight<T> {
    turn: tokio::sync::Mutex<()>,
    last: Mutex<Option<Landed<T>>>,
}

/// The last answer.
pub(super) struct Landed<T> {
    /// When it was asked for.
    pub(super) started: Instant,
    /// When it came.
    pub(super) ended: Instant,
    /// What it is.
    pub(super) outcome: Result<T, Error>,
}

impl<T> Default for Flight<T> {
    fn default() -> Self {
        Self { turn: tokio::sync::Mutex::default(), last: Mutex::default() }
    }
}

impl<T: Clone> Flight<T> {
    /// The last answer where `serves` takes it, else a new one. A failure that came while the caller waited serves it
    /// as well: otherwise each of many would fail in turn. `seal` completes a new answer before anybody sees it.
    pub(super) async fn fly(
        &self,
        serves: impl Fn(&Landed<T>) -> bool,
        ask: impl Future<Output = Result<T, Error>>,
        seal: impl FnOnce(&mut T, Instant),
    ) -> Result<T, Error> {
        let arrived = Instant::now();
        let taken = |landed: &Landed<T>| serves(landed) || (landed.outcome.is_err() && landed.ended >= arrived);
        if let Some(outcome) = self.look(taken) {
            return outcome;
        }
        let _turn = self.turn.lock().await;
        if let Some(outcome) = self.look(taken) {
            return outcome;
        }
        let started = Instant::now();
        let mut outcome = ask.await;
        let mut last = self.last();
        if let Ok(answer) = &mut outcome {
            seal(answer, started);
        }
        *last = Some(Landed { started, ended: Instant::now(), outcome: outcome.clone() });
        outcome
    }

    fn look(&self, taken: impl Fn(&Landed<T>) -> bool) -> Option<Result<T, Error>> {
        self.last().as_ref().filter(|landed| taken(landed)).map(|landed| landed.outcome.clone())
    }

    /// The last answer, to be edited or forgotten.
    pub(super) fn last(&self) -> MutexGuard<'_, Option<Landed<T>>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    async fn fly(flight: &Flight<usize>, asked: &AtomicUsize, fails: bool) -> Result<usize, Error> {
        let ask = async {
            let number = asked.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            if fails { Err(Error::unsent("down")) } else { Ok(number) }
        };
        flight.fly(|landed| landed.outcome.is_ok(), ask, |_, _| {}).await
    }

    #[tokio::test]
    async fn of_many_one_asks_and_all_share_the_answer_and_the_failure() {
        for fails in [false, true] {
            let (flight, asked) = (Flight::default(), AtomicUsize::new(0));
            let outcomes = futures::future::join_all((0..32).map(|_| fly(&flight, &asked, fails))).await;
            assert_eq!(asked.load(Ordering::SeqCst), 1);
            assert!(outcomes.iter().all(|outcome| outcome.is_err() == fails));
        }
    }

    #[tokio::test]
    async fn who_comes_after_a_failure_asks_again_and_a_dropped_one_hands_over() {
        let (flight, asked) = (Flight::default(), AtomicUsize::new(0));
        assert!(fly(&flight, &asked, true).await.is_err());
        assert_eq!(fly(&flight, &asked, false).await, Ok(1));
        let (flight, asked) = (Flight::default(), AtomicUsize::new(0));
        let dropped = tokio::time::timeout(Duration::from_millis(5), fly(&flight, &asked, false)).await;
        assert!(dropped.is_err());
        assert_eq!(fly(&flight, &asked, false).await, Ok(1));
    }
}
