//! A semaphore for each key: a task that finds no permit waits, and tasks with other keys do not.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The semaphores of all keys. A key takes memory only while a task has or awaits a permit of it.
pub(super) struct KeyedSemaphore<K: Eq + Hash> {
    each: usize,
    keys: Arc<KeyMap<K>>,
}

type KeyMap<K> = Mutex<HashMap<K, KeyEntry>>;

struct KeyEntry {
    semaphore: Arc<Semaphore>,
    /// How many tasks have or await a permit.
    users: usize,
}

/// A permit; dropping it releases it.
pub(super) struct KeyedPermit<K: Eq + Hash> {
    key: K,
    keys: Arc<KeyMap<K>>,
    permit: Option<OwnedSemaphorePermit>,
}

impl<K: Eq + Hash + Clone> KeyedSemaphore<K> {
    /// Returns a semaphore with `each` permits for each key, at least one.
    pub(super) fn new(each: usize) -> Self {
        Self { each: each.max(1), keys: Arc::default() }
    }

    /// Waits for a permit. Tasks get permits in the order in which they ask.
    pub(super) async fn acquire(&self, key: K) -> KeyedPermit<K> {
        let (mut keyed, semaphore) = self.join_queue(key);
        // The semaphore is never closed. If it were, this would neither limit nor refuse a task.
        keyed.permit = semaphore.acquire_owned().await.ok();
        keyed
    }

    /// Counts the task before it waits, so that a task that gives up the wait is no longer counted.
    fn join_queue(&self, key: K) -> (KeyedPermit<K>, Arc<Semaphore>) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || KeyEntry { semaphore: Arc::new(Semaphore::new(self.each)), users: 0 };
        let found = keys.entry(key.clone()).or_insert_with(new);
        found.users += 1;
        (KeyedPermit { key, keys: Arc::clone(&self.keys), permit: None }, Arc::clone(&found.semaphore))
    }
}

impl<K: Eq + Hash> Drop for KeyedPermit<K> {
    fn drop(&mut self) {
        // The next task may take the permit before the key can be removed.
        drop(self.permit.take());
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = keys.get_mut(&self.key) {
            key.users -= 1;
            if key.users == 0 {
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
    async fn a_key_has_its_permits_and_others_have_their_own() {
        let semaphore = KeyedSemaphore::new(2);
        let (first, second) = (semaphore.acquire("a").await, semaphore.acquire("a").await);
        assert!(semaphore.acquire("a").now_or_never().is_none());
        assert!(semaphore.acquire("b").now_or_never().is_some());
        drop(first);
        let third = semaphore.acquire("a").now_or_never();
        assert!(third.is_some());
        assert!(semaphore.acquire("a").now_or_never().is_none());
        drop((second, third));
        assert!(semaphore.keys.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_task_that_gives_up_the_wait_leaves_nothing_behind() {
        let semaphore = Arc::new(KeyedSemaphore::new(1));
        let permit = semaphore.acquire(7).await;
        let waits = {
            let semaphore = Arc::clone(&semaphore);
            tokio::spawn(async move { drop(semaphore.acquire(7).await) })
        };
        tokio::task::yield_now().await;
        drop(permit);
        waits.abort();
        let _ = waits.await;
        assert!(semaphore.keys.lock().unwrap().is_empty());
        assert!(semaphore.acquire(7).now_or_never().is_some());
    }
}
