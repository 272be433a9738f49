//! So many seats for each key: whoever finds none waits for one, and those who ask for another key do not.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The seats of all keys. A key takes memory only while somebody has or awaits a seat of it.
pub(super) struct Seats<K: Eq + Hash> {
    each: usize,
    keys: Arc<Keys<K>>,
}

type Keys<K> = Mutex<HashMap<K, Key>>;

struct Key {
    seats: Arc<Semaphore>,
    /// How many have or await a seat.
    asked: usize,
}

/// A seat, until it is dropped.
pub(super) struct Seat<K: Eq + Hash> {
    key: K,
    keys: Arc<Keys<K>>,
    permit: Option<OwnedSemaphorePermit>,
}

impl<K: Eq + Hash + Clone> Seats<K> {
    /// So many for each key, one at least.
    pub(super) fn new(each: usize) -> Self {
        Self { each: each.max(1), keys: Arc::default() }
    }

    /// A seat, in the order of asking.
    pub(super) async fn take(&self, key: K) -> Seat<K> {
        let (mut seat, seats) = self.ask(key);
        // Nobody closes it; without a permit the seat would bound nothing and refuse nobody.
        seat.permit = seats.acquire_owned().await.ok();
        seat
    }

    /// Noted before the wait, so that whoever gives it up takes the note along.
    fn ask(&self, key: K) -> (Seat<K>, Arc<Semaphore>) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Key { seats: Arc::new(Semaphore::new(self.each)), asked: 0 };
        let found = keys.entry(key.clone()).or_insert_with(new);
        found.asked += 1;
        (Seat { key, keys: Arc::clone(&self.keys), permit: None }, Arc::clone(&found.seats))
    }
}

impl<K: Eq + Hash> Drop for Seat<K> {
    fn drop(&mut self) {
        // The next one may sit down before the key can be forgotten.
        drop(self.permit.take());
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = keys.get_mut(&self.key) {
            key.asked -= 1;
            if key.asked == 0 {
                keys.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    #[tokio::test]
    async fn a_key_has_its_seats_and_others_have_their_own() {
        let seats = Seats::new(2);
        let (first, second) = (seats.take("a").await, seats.take("a").await);
        assert!(seats.take("a").now_or_never().is_none());
        assert!(seats.take("b").now_or_never().is_some());
        drop(first);
        let third = seats.take("a").now_or_never();
        assert!(third.is_some());
        assert!(seats.take("a").now_or_never().is_none());
        drop((second, third));
        assert!(seats.keys.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn whoever_gives_up_the_wait_leaves_nothing_behind() {
        let seats = Arc::new(Seats::new(1));
        let seat = seats.take(7).await;
        let waits = {
            let seats = Arc::clone(&seats);
            tokio::spawn(async move { drop(seats.take(7).await) })
        };
        tokio::task::yield_now().await;
        drop(seat);
        waits.abort();
        let _ = waits.await;
        assert!(seats.keys.lock().unwrap().is_empty());
        assert!(seats.take(7).now_or_never().is_some());
    }
}
