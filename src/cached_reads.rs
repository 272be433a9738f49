//! Objects that are read by name and never listed, such as Secrets: one read serves many callers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use tokio::time::Instant;

use super::context::lock;

/// The result of a read, shared by all that wait for it.
pub(crate) type ReadResult<T> = Result<T, Arc<kube::Error>>;

/// Namespace and name of an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NamespacedName {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

type SharedRead<T> = Shared<BoxFuture<'static, ReadResult<T>>>;

/// A failure serves callers for this long. Otherwise each of many objects would wait for a deadline of its own.
const FAILURE_AGE: Duration = Duration::from_secs(1);
/// An object that nobody has read for this long is dropped from the cache.
const IDLE_LIMIT: Duration = Duration::from_mins(30);

/// A cache of objects by namespace and name. One read serves all callers within its age, and concurrent callers share a
/// read (single flight). No lock is held during a read.
pub(crate) struct CachedReads<T> {
    read: Box<dyn Fn(NamespacedName) -> BoxFuture<'static, ReadResult<T>> + Send + Sync>,
    slots: Arc<Mutex<HashMap<NamespacedName, ReadSlot<T>>>>,
}

struct ReadSlot<T> {
    /// When it was last requested.
    last_used: Instant,
    /// The last answer, and when its read started (for a failure: when it failed).
    last: Option<(Instant, ReadResult<T>)>,
    /// The read in flight.
    in_flight: Option<SharedRead<T>>,
}

impl<T: Clone + Send + Sync + 'static> CachedReads<T> {
    /// Builds a cache that reads objects with this function.
    pub(crate) fn new(
        read: impl Fn(NamespacedName) -> BoxFuture<'static, ReadResult<T>> + Send + Sync + 'static,
    ) -> Self {
        Self { read: Box::new(read), slots: Arc::default() }
    }

    /// Returns an object that is at most `age` old. With an age of zero it is read for this caller alone.
    pub(crate) async fn get_or_read(&self, namespace: &str, name: &str, age: Duration) -> ReadResult<T> {
        let place = NamespacedName { namespace: namespace.to_owned(), name: name.to_owned() };
        if age.is_zero() {
            return (self.read)(place).await;
        }
        let flight = {
            let mut slots = lock(&self.slots);
            slots.retain(|_, slot| slot.in_flight.is_some() || slot.last_used.elapsed() < IDLE_LIMIT);
            let now = Instant::now();
            let slot = slots.entry(place.clone()).or_insert(ReadSlot { last_used: now, last: None, in_flight: None });
            slot.last_used = now;
            match (&slot.last, &slot.in_flight) {
                (Some((at, Ok(found))), _) if at.elapsed() < age => return Ok(found.clone()),
                (Some((at, Err(error))), _) if at.elapsed() < age.min(FAILURE_AGE) => return Err(Arc::clone(error)),
                (_, Some(flight)) => flight.clone(),
                (_, None) => {
                    let flight = self.start_read(place);
                    slot.in_flight = Some(flight.clone());
                    flight
                }
            }
        };
        flight.await
    }

    /// Starts a read as a task of its own. It continues when its callers are gone, so that no other caller waits for a
    /// future that nobody polls.
    fn start_read(&self, key: NamespacedName) -> SharedRead<T> {
        let (slots, started) = (Arc::clone(&self.slots), Instant::now());
        let read = (self.read)(key.clone());
        let flight = async move {
            let outcome = read.await;
            let at = if outcome.is_ok() { started } else { Instant::now() };
            if let Some(slot) = lock(&slots).get_mut(&key) {
                slot.last = Some((at, outcome.clone()));
                slot.in_flight = None;
            }
            outcome
        };
        let flight = flight.boxed().shared();
        tokio::spawn(flight.clone());
        flight
    }

    /// Drops all entries that are not being read at this moment.
    pub(crate) fn clear(&self) {
        lock(&self.slots).retain(|_, slot| slot.in_flight.is_some());
    }

    /// Returns how many objects are cached.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        lock(&self.slots).len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const AGE: Duration = Duration::from_secs(5);

    /// Returns a cache over a server that counts its reads and does not answer for `silent` for ten seconds.
    fn counting_reads() -> (CachedReads<()>, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let read = move |place: NamespacedName| {
            count.fetch_add(1, Ordering::SeqCst);
            async move {
                if place.name == "silent" {
                    tokio::time::sleep(Duration::from_secs(10)).await;
                    return Err(Arc::new(kube::Error::Service("no answer".into())));
                }
                Ok(())
            }
            .boxed()
        };
        (CachedReads::new(read), asked)
    }

    #[tokio::test(start_paused = true)]
    async fn one_read_that_is_not_answered_serves_all_that_wait_and_holds_up_no_other_object() {
        let (reads, asked) = counting_reads();
        let begun = Instant::now();
        let waiting = futures::future::join_all((0..40).map(|_| reads.get_or_read("a", "silent", AGE)));
        let other = async {
            assert!(reads.get_or_read("a", "other", AGE).await.is_ok());
            begun.elapsed()
        };
        let (failed, took) = tokio::join!(waiting, other);
        assert!(failed.iter().all(Result::is_err));
        assert_eq!((asked.load(Ordering::SeqCst), took), (2, Duration::ZERO));
        assert_eq!(begun.elapsed(), Duration::from_secs(10), "all failed with the one read");
        reads.get_or_read("a", "silent", AGE).await.unwrap_err();
        assert_eq!(asked.load(Ordering::SeqCst), 2, "the failure serves who asks right after it");
        tokio::time::advance(FAILURE_AGE).await;
        reads.get_or_read("a", "silent", AGE).await.unwrap_err();
        assert_eq!(asked.load(Ordering::SeqCst), 3, "and later it is asked again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_goes_away_leaves_the_read_under_way_and_idle_objects_are_forgotten() {
        let (reads, asked) = counting_reads();
        tokio::time::timeout(Duration::from_secs(1), reads.get_or_read("a", "silent", AGE)).await.unwrap_err();
        tokio::time::sleep(Duration::from_millis(9500)).await;
        let is_under_way = lock(&reads.slots).values().any(|slot| slot.in_flight.is_some());
        assert!(!is_under_way, "it has ended although nobody waited for it");
        assert!(reads.get_or_read("a", "silent", AGE).await.is_err());
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        for number in 0..100 {
            reads.get_or_read("a", &number.to_string(), AGE).await.unwrap();
        }
        assert_eq!(reads.len(), 101);
        tokio::time::advance(IDLE_LIMIT).await;
        reads.get_or_read("a", "platform", AGE).await.unwrap();
        assert_eq!(reads.len(), 1);
    }
}
