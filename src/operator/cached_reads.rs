//! Objects that are read by name and never listed, such as Secrets: one read serves many.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use tokio::time::Instant;

use super::context::lock;

/// What a read comes to; many may wait for one.
pub(crate) type ReadResult<T> = Result<T, Arc<kube::Error>>;

/// Namespace and name of an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NamespacedName {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

type SharedRead<T> = Shared<BoxFuture<'static, ReadResult<T>>>;

/// A failure serves those that ask so soon after it: otherwise each of many objects would wait for a deadline of its own.
const FAILURE_AGE: Duration = Duration::from_secs(1);
/// An object that nobody has asked for for so long is forgotten.
const IDLE_LIMIT: Duration = Duration::from_mins(30);

/// Objects by namespace and name. Many others share one, so a read serves all that ask within its age, and of those that
/// ask at the same time one reads for all. No lock is held meanwhile.
pub(crate) struct CachedReads<T> {
    read: Box<dyn Fn(NamespacedName) -> BoxFuture<'static, ReadResult<T>> + Send + Sync>,
    slots: Arc<Mutex<HashMap<NamespacedName, ReadSlot<T>>>>,
}

struct ReadSlot<T> {
    /// When somebody asked last.
    last_used: Instant,
    /// The last answer, and when it was asked for (where it failed: when it failed).
    last: Option<(Instant, ReadResult<T>)>,
    /// The read that is under way.
    in_flight: Option<SharedRead<T>>,
}

impl<T: Clone + Send + Sync + 'static> CachedReads<T> {
    /// Objects that are read like this.
    pub(crate) fn new(
        read: impl Fn(NamespacedName) -> BoxFuture<'static, ReadResult<T>> + Send + Sync + 'static,
    ) -> Self {
        Self { read: Box::new(read), slots: Arc::default() }
    }

    /// An object, at most `age` old. With no age at all it is read for this caller alone.
    pub(crate) async fn get(&self, namespace: &str, name: &str, age: Duration) -> ReadResult<T> {
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

    /// A read that goes on when its callers are gone, so that nobody waits for one that nobody drives.
    fn start_read(&self, place: NamespacedName) -> SharedRead<T> {
        let (slots, started) = (Arc::clone(&self.slots), Instant::now());
        let read = (self.read)(place.clone());
        let flight = async move {
            let outcome = read.await;
            let at = if outcome.is_ok() { started } else { Instant::now() };
            if let Some(slot) = lock(&slots).get_mut(&place) {
                slot.last = Some((at, outcome.clone()));
                slot.in_flight = None;
            }
            outcome
        };
        let flight = flight.boxed().shared();
        tokio::spawn(flight.clone());
        flight
    }

    /// Forgets what is not being read at this moment.
    pub(crate) fn clear(&self) {
        lock(&self.slots).retain(|_, slot| slot.in_flight.is_some());
    }

    /// How many objects are remembered.
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

    /// A server that counts what it is asked for and answers nothing about `silent` for ten seconds.
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
        let waiting = futures::future::join_all((0..40).map(|_| reads.get("a", "silent", AGE)));
        let other = async {
            assert!(reads.get("a", "other", AGE).await.is_ok());
            begun.elapsed()
        };
        let (failed, took) = tokio::join!(waiting, other);
        assert!(failed.iter().all(Result::is_err));
        assert_eq!((asked.load(Ordering::SeqCst), took), (2, Duration::ZERO));
        assert_eq!(begun.elapsed(), Duration::from_secs(10), "all failed with the one read");
        reads.get("a", "silent", AGE).await.unwrap_err();
        assert_eq!(asked.load(Ordering::SeqCst), 2, "the failure serves who asks right after it");
        tokio::time::advance(FAILURE_AGE).await;
        reads.get("a", "silent", AGE).await.unwrap_err();
        assert_eq!(asked.load(Ordering::SeqCst), 3, "and later it is asked again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_goes_away_leaves_the_read_under_way_and_idle_objects_are_forgotten() {
        let (reads, asked) = counting_reads();
        tokio::time::timeout(Duration::from_secs(1), reads.get("a", "silent", AGE)).await.unwrap_err();
        tokio::time::sleep(Duration::from_millis(9500)).await;
        let is_under_way = lock(&reads.slots).values().any(|slot| slot.in_flight.is_some());
        assert!(!is_under_way, "it has ended although nobody waited for it");
        assert!(reads.get("a", "silent", AGE).await.is_err());
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        for number in 0..100 {
            reads.get("a", &number.to_string(), AGE).await.unwrap();
        }
        assert_eq!(reads.len(), 101);
        tokio::time::advance(IDLE_LIMIT).await;
        reads.get("a", "platform", AGE).await.unwrap();
        assert_eq!(reads.len(), 1);
    }
}
