//! What every pass shares: the API server client, the stores, the queues, the platform connections.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::channel::mpsc::UnboundedSender;
use jiff::Timestamp;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, ResourceExt};
use tenantry_api::{Partner, TenantClient};
use tenantry_client::ServerClock;
use tenantry_core::{CreateGuard, Digest, Field, OwnWrite, TenantProperty};
use tokio::time::Instant;

use super::account_bulkheads::AccountBulkheads;
use super::activity::ApiServerActivity;
use super::connections::PlatformConnections;
use super::events::Events;
use super::flags::OperatorFlags;
use super::leadership_claim::LeadershipClaim;
use super::metrics::OperatorMetrics;
use super::not_understood::NotUnderstoodStore;
use super::record_key::RecordKeyStore;
use super::secrets::{ConfigMapReads, SecretReads};
use super::tenant_object::{ParentRef, TenantObject, TenantResource as _, unique_id};

/// What every pass shares.
pub(crate) struct Context {
    /// The client of the API server.
    pub(crate) client: Client,
    /// The API server's time.
    pub(crate) clock: Arc<ServerClock>,
    /// The flags.
    pub(crate) settings: OperatorFlags,
    /// Id of the cluster, which is part of every mark.
    pub(crate) cluster: String,
    /// This installation, as namespace and name of its Lease.
    pub(crate) installation: String,
    /// Whether this process leads.
    pub(crate) claim: LeadershipClaim,
    /// State of the Partners.
    pub(crate) partners: KindState<Partner>,
    /// State of the Clients.
    pub(crate) clients: KindState<TenantClient>,
    /// Limits on what each account may cost the others.
    pub(crate) accounts: AccountBulkheads,
    /// Platform clients by connection.
    pub(crate) connections: PlatformConnections,
    /// Secrets by namespace and name.
    pub(crate) secrets: SecretReads,
    /// ConfigMaps by namespace and name.
    pub(crate) config_maps: ConfigMapReads,
    /// The key of the records of write-only settings.
    pub(crate) record_keys: RecordKeyStore,
    /// Events, published with best effort.
    pub(crate) events: Events,
    /// Metrics.
    pub(crate) metrics: Arc<OperatorMetrics>,
    /// When the API server last sent something.
    pub(crate) activity: ApiServerActivity,
    /// Locks that allow one create at a time for a name under a parent.
    pub(crate) create_locks: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// Whether both kinds have been listed once.
    pub(crate) ready: tokio::sync::watch::Sender<bool>,
}

impl Context {
    /// Returns whether both kinds have been listed once.
    pub(crate) fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Waits until both kinds have been listed once: a pass over a Client needs its Partner from the other store.
    pub(crate) async fn wait_until_synced(&self) {
        // The sender lives in this context.
        let _ = self.ready.subscribe().wait_for(|is_ready| *is_ready).await;
    }

    /// Returns the Partner as this process knows it: its own last write counts before the watch delivers it.
    pub(crate) fn find_partner(&self, namespace: &str, name: &str) -> Option<Arc<Partner>> {
        let key = ObjectRef::new(name).within(namespace);
        self.partners.store.get(&key).map(|partner| self.partners.newest_version(partner))
    }

    /// Lists the Clients that name a Partner, as an object or by the id of its tenant.
    pub(crate) fn list_clients_of(&self, partner: &Partner) -> Vec<Arc<TenantClient>> {
        let wanted = ParentRef::Object(partner.namespace().unwrap_or_default(), partner.name_any());
        let by_id = unique_id(partner).map(|id| ParentRef::Id(id.to_owned()));
        let mut clients = self.clients.store.state();
        clients.retain(|client| client.parent() == wanted || by_id.as_ref() == Some(&client.parent()));
        clients.into_iter().map(|client| self.clients.newest_version(client)).collect()
    }

    /// Returns the lock that is held from the lookup of a name to its create.
    pub(crate) fn create_lock(&self, key: String) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = lock(&self.create_locks);
        locks.retain(|_, held| Arc::strong_count(held) > 1);
        Arc::clone(locks.entry(key).or_default())
    }
}

/// Store, queue and memory of one kind.
pub(crate) struct KindState<K: TenantObject> {
    /// The informer's store.
    pub(crate) store: Store<K>,
    /// The sender of the queue.
    pub(crate) queue: UnboundedSender<ObjectRef<K>>,
    /// Objects that this release does not understand; none of them is in the store.
    pub(crate) not_understood: NotUnderstoodStore<K>,
    memory: Mutex<HashMap<ObjectRef<K>, ObjectMemory<K>>>,
    /// When each waiting object became due.
    due_since: Mutex<HashMap<ObjectRef<K>, Instant>>,
}

/// What this process remembers of an object. All of it may be lost without harm.
pub(crate) struct ObjectMemory<K> {
    newest_write: Option<Arc<K>>,
    /// Creates that may still be carried out.
    pub(crate) create_guard: CreateGuard,
    /// Failures in a row.
    pub(crate) failures: u32,
    /// Refusals in a row.
    pub(crate) refusals: u32,
    /// Passes in a row that ended because something changed meanwhile.
    pub(crate) stale_passes: u32,
    /// Whether the last status write failed.
    pub(crate) is_status_unwritten: bool,
    /// The version of the tenant that was read last.
    pub(crate) verified: Option<VerifiedVersion>,
    /// Digest of what other objects inherit from this one.
    pub(crate) inherited_fingerprint: Option<String>,
    /// When settings were corrected after somebody else had changed them.
    pub(crate) corrections: BTreeMap<Field, Vec<Timestamp>>,
    /// Digest of the versions of the Secrets and the images that the object refers to.
    pub(crate) reference_digest: Option<String>,
    /// When this process created its tenant.
    pub(crate) created_at: Option<Timestamp>,
    /// Whether this process has read the tenant from a platform that counts revisions.
    pub(crate) is_visible: bool,
    /// The hand-over receiver that was enqueued for this object.
    pub(crate) notified_receiver: Option<(String, String)>,
    /// Whether the objects that hand the tenant over were enqueued for the pass that took it.
    pub(crate) has_notified_givers: bool,
    /// What this process wrote and when, to be verified by a later read.
    pub(crate) own_writes: BTreeMap<TenantProperty, OwnWrite>,
    /// Digest, without conditions, of a status that the API server refused for good.
    pub(crate) refused_status: Option<Digest>,
    /// The tolerated settings that a warning was already published for.
    pub(crate) tolerated: Vec<String>,
    /// When a pause ended, while the tenant has not been read since.
    pub(crate) resumed_at: Option<Instant>,
    /// When its Partner was first found missing, while no warning about that has been published.
    pub(crate) partner_missing_since: Option<Instant>,
    /// When an event last reported that another installation manages the object.
    pub(crate) other_installation_reported_at: Option<Instant>,
    /// Whether the platform reported that it has the extensions.
    pub(crate) extensions: Option<bool>,
    /// The platform's message when it refused a change because the parent tenant is out of service.
    pub(crate) parent_refusal: Option<String>,
}

/// The version of a tenant, to detect a change since it was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VerifiedVersion {
    /// The change counter of the tenant, where the platform has one.
    pub(crate) revision: Option<i64>,
    /// The platform's `updatedTime`.
    pub(crate) updated: Option<Timestamp>,
    /// When it was read, by the clock of this process.
    pub(crate) read_at: Timestamp,
}

impl<K> Default for ObjectMemory<K> {
    fn default() -> Self {
        Self {
            newest_write: None,
            create_guard: CreateGuard::default(),
            failures: 0,
            refusals: 0,
            stale_passes: 0,
            is_status_unwritten: false,
            verified: None,
            inherited_fingerprint: None,
            corrections: BTreeMap::new(),
            reference_digest: None,
            created_at: None,
            is_visible: false,
            notified_receiver: None,
            has_notified_givers: false,
            own_writes: BTreeMap::new(),
            refused_status: None,
            tolerated: Vec::new(),
            resumed_at: None,
            partner_missing_since: None,
            other_installation_reported_at: None,
            extensions: None,
            parent_refusal: None,
        }
    }
}

impl<K: TenantObject> KindState<K> {
    pub(crate) fn new(store: Store<K>, queue: UnboundedSender<ObjectRef<K>>) -> Self {
        Self {
            store,
            queue,
            not_understood: NotUnderstoodStore::default(),
            memory: Mutex::default(),
            due_since: Mutex::default(),
        }
    }

    /// Runs a closure on what is remembered of an object.
    pub(crate) fn with_memory<T>(&self, object: &K, action: impl FnOnce(&mut ObjectMemory<K>) -> T) -> T {
        action(lock(&self.memory).entry(ObjectRef::from_obj(object)).or_default())
    }

    /// Returns the newer of the watched object and this process's last write. Otherwise the pass after a write would
    /// see the former object and create a second time.
    #[allow(clippy::needless_pass_by_value, reason = "the caller has no other use for what is stale")]
    pub(crate) fn newest_version(&self, stored: Arc<K>) -> Arc<K> {
        self.with_memory(&stored, |memory| {
            match &memory.newest_write {
                Some(newest) if is_newer(newest.as_ref(), stored.as_ref()) => return Arc::clone(newest),
                Some(_) => memory.newest_write = None,
                None => {}
            }
            Arc::clone(&stored)
        })
    }

    /// Drops this process's own write once the watch has delivered an object that is not older.
    pub(crate) fn clear_superseded_write(&self, object: &K) {
        if let Some(memory) = lock(&self.memory).get_mut(&ObjectRef::from_obj(object)) {
            memory.newest_write = memory.newest_write.take().filter(|newest| is_newer(newest.as_ref(), object));
        }
    }

    /// Drops what is remembered of an object that was removed during its pass.
    pub(crate) fn remove_memory_if_deleted(&self, object: &K) {
        if self.store.get(&ObjectRef::from_obj(object)).is_none() {
            self.remove_memory(object);
        }
    }

    /// Drops what is remembered of all removed objects, also if it was recorded after their removal.
    pub(crate) fn remove_memory_of_deleted(&self) {
        lock(&self.memory).retain(|key, _| self.store.get(key).is_some());
        lock(&self.due_since).retain(|key, _| self.store.get(key).is_some());
    }

    /// Records the API server's answer to a write.
    pub(crate) fn record_written(&self, object: K) -> Arc<K> {
        let object = Arc::new(object);
        self.with_memory(&object, |memory| memory.newest_write = Some(Arc::clone(&object)));
        object
    }

    /// Drops everything about a removed object.
    pub(crate) fn remove_memory(&self, object: &K) {
        let key = ObjectRef::from_obj(object);
        lock(&self.memory).remove(&key);
        lock(&self.due_since).remove(&key);
    }

    /// Enqueues an object for a pass.
    pub(crate) fn enqueue(&self, key: ObjectRef<K>) {
        lock(&self.due_since).entry(key.clone()).or_insert_with(Instant::now);
        // The queue closes only with the process.
        let _ = self.queue.unbounded_send(key);
    }

    /// Takes the time for which an object was due when its pass begins; `None` where the object requeued itself.
    pub(crate) fn take_due_time(&self, object: &K) -> Option<Duration> {
        lock(&self.due_since).remove(&ObjectRef::from_obj(object)).map(|since| since.elapsed())
    }

    /// Clears the due times. A new leader enqueues every object, and its predecessor handled earlier requests.
    pub(crate) fn clear_due(&self) {
        lock(&self.due_since).clear();
    }

    /// Returns how many objects are due, and for how long the oldest of them has been.
    pub(crate) fn queue_stats(&self) -> (usize, Duration) {
        let due = lock(&self.due_since);
        // An object that was removed since gets no further pass.
        let waiting = due.iter().filter(|(key, _)| self.store.get(key).is_some()).map(|(_, since)| since.elapsed());
        waiting.fold((0, Duration::ZERO), |(count, oldest), age| (count + 1, oldest.max(age)))
    }

    /// Counts a failure and returns the pause before the next retry: exponential from `first` to `most`, with up to a
    /// tenth of jitter by the object's UID so that many objects do not retry at once.
    pub(crate) fn failure_backoff(&self, object: &K, first: Duration, max: Duration) -> Duration {
        let failures = self.with_memory(object, |memory| {
            memory.failures = memory.failures.saturating_add(1);
            memory.failures
        });
        exponential_backoff(object, failures, first, max)
    }

    /// Counts a refusal and returns the pause, as for failures. A refusal resets the failures in a row: a failure after
    /// hours of refusals counts as the first.
    pub(crate) fn refusal_backoff(&self, object: &K, first: Duration, max: Duration) -> Duration {
        let refusals = self.with_memory(object, |memory| {
            memory.failures *= u32::from(memory.is_status_unwritten);
            memory.refusals = memory.refusals.saturating_add(1);
            memory.refusals
        });
        exponential_backoff(object, refusals, first, max)
    }
}

/// Returns a pause that doubles from `first` to `most` with each of `times` in a row, plus up to a tenth of jitter by
/// the object's UID.
fn exponential_backoff<K: TenantObject>(object: &K, times: u32, first: Duration, max: Duration) -> Duration {
    let pause = first.saturating_mul(1 << (times - 1).min(16)).min(max);
    pause + pause.mul_f64(f64::from(stable_jitter(&object.uid().unwrap_or_default())) / 1000.0)
}

/// Returns a number from 0 to 99 that is always the same for the same text.
pub(crate) fn stable_jitter(text: &str) -> u8 {
    let sum = text.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    u8::try_from(sum % 100).unwrap_or_default()
}

/// Returns whether `one` is a newer version of `other`. Resource versions grow within one API server; another UID is
/// another object.
fn is_newer<K: TenantObject>(one: &K, other: &K) -> bool {
    let version = |object: &K| object.resource_version().and_then(|text| text.parse::<u64>().ok());
    one.uid() == other.uid() && version(one) > version(other)
}

/// Locks a mutex, also after a panic of its holder. The data is still consistent: every change under it is one
/// assignment.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use kube::runtime::watcher::Event;

    use super::*;

    fn new_partner(name: &str) -> Partner {
        let spec = serde_json::json!({"details": {"name": name}});
        let mut partner = Partner::new(name, serde_json::from_value(spec).unwrap());
        partner.metadata.namespace = Some("acme".to_owned());
        partner
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_counts_what_is_due_since_it_became_so_and_not_what_has_gone() {
        let (store, mut writer) = kube::runtime::reflector::store();
        let (queue, _wakes) = futures::channel::mpsc::unbounded();
        let kind_state: KindState<Partner> = KindState::new(store, queue);
        let [one, two, gone] = ["one", "two", "gone"].map(new_partner);
        for object in [&one, &two] {
            writer.apply_watcher_event(&Event::Apply(object.clone()));
        }
        let wake = |object: &Partner| kind_state.enqueue(ObjectRef::from_obj(object));
        wake(&gone);
        tokio::time::advance(Duration::from_secs(5)).await;
        wake(&one);
        tokio::time::advance(Duration::from_secs(2)).await;
        wake(&one);
        wake(&two);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(kind_state.queue_stats(), (2, Duration::from_secs(3)));
        assert_eq!(kind_state.take_due_time(&one), Some(Duration::from_secs(3)));
        assert_eq!(kind_state.queue_stats(), (1, Duration::from_secs(1)));
        kind_state.clear_due();
        assert_eq!(
            (kind_state.queue_stats(), kind_state.take_due_time(&two)),
            ((0, Duration::ZERO), None),
            "another leader has seen to it"
        );
    }

    #[test]
    fn an_object_that_went_leaves_nothing_to_the_next_one_of_its_name() {
        let (store, mut writer) = kube::runtime::reflector::store();
        let (queue, _wakes) = futures::channel::mpsc::unbounded();
        let kind_state: KindState<Partner> = KindState::new(store, queue);
        let one = new_partner("one");
        kind_state.with_memory(&one, |memory| memory.failures = 3);
        kind_state.enqueue(ObjectRef::from_obj(&one));
        kind_state.remove_memory(&one);
        writer.apply_watcher_event(&Event::Apply(one.clone()));
        assert_eq!((kind_state.queue_stats().0, kind_state.with_memory(&one, |memory| memory.failures)), (0, 0));
    }
}
