//! What every pass shares: the cluster, the stores, the queues, the connections.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::channel::mpsc::UnboundedSender;
use jiff::Timestamp;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, ResourceExt};
use tokio::time::Instant;

use super::activity::ApiServerActivity;
use super::bulkheads::AccountBulkheads;
use super::claim::LeadershipClaim;
use super::connections::PlatformConnections;
use super::events::Events;
use super::flags::OperatorFlags;
use super::metrics::OperatorMetrics;
use super::not_understood::NotUnderstoodStore;
use super::object::{ParentRef, TenantObject, TenantResource as _, unique_id};
use super::record_key::RecordKeyStore;
use super::secrets::{ConfigMapReads, SecretReads};
use crate::api::{Partner, TenantClient};
use crate::connect::ServerClock;
use crate::plan::{CreateGuard, Digest, Field, OwnWrite, TenantProperty};

/// What every pass shares.
pub(crate) struct Context {
    /// The API server.
    pub(crate) client: Client,
    /// What the API server says of the time.
    pub(crate) clock: Arc<ServerClock>,
    /// Flags.
    pub(crate) settings: OperatorFlags,
    /// Cluster id in every mark.
    pub(crate) cluster: String,
    /// This installation, as namespace and name of its Lease.
    pub(crate) installation: String,
    /// Whether this process leads.
    pub(crate) claim: LeadershipClaim,
    /// Partners.
    pub(crate) partners: KindState<Partner>,
    /// Clients.
    pub(crate) clients: KindState<TenantClient>,
    /// What each account may cost the others.
    pub(crate) accounts: AccountBulkheads,
    /// Platforms by connection.
    pub(crate) connections: PlatformConnections,
    /// Secrets by name.
    pub(crate) secrets: SecretReads,
    /// ConfigMaps by name.
    pub(crate) config_maps: ConfigMapReads,
    /// The key of the records of write-only settings.
    pub(crate) record_keys: RecordKeyStore,
    /// Events, best effort.
    pub(crate) events: Events,
    /// Counters.
    pub(crate) metrics: Arc<OperatorMetrics>,
    /// When the API server was last heard of.
    pub(crate) activity: ApiServerActivity,
    /// One create at a time for a name under a parent.
    pub(crate) create_locks: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// Whether both kinds have been listed once.
    pub(crate) ready: tokio::sync::watch::Sender<bool>,
}

impl Context {
    /// Whether both kinds have been listed once.
    pub(crate) fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Waits until both kinds have been listed once: a Client looks its Partner up in the other store.
    pub(crate) async fn wait_until_synced(&self) {
        // The sender lives in this very context.
        let _ = self.ready.subscribe().wait_for(|is_ready| *is_ready).await;
    }

    /// The Partner as far as this process knows it: its own last write counts before the watch has brought it.
    pub(crate) fn find_partner(&self, namespace: &str, name: &str) -> Option<Arc<Partner>> {
        let key = ObjectRef::new(name).within(namespace);
        self.partners.store.get(&key).map(|partner| self.partners.newest_version(partner))
    }

    /// Clients that name a Partner, as an object or by the id of its tenant.
    pub(crate) fn list_clients_of(&self, partner: &Partner) -> Vec<Arc<TenantClient>> {
        let wanted = ParentRef::Object(partner.namespace().unwrap_or_default(), partner.name_any());
        let by_id = unique_id(partner).map(|id| ParentRef::Id(id.to_owned()));
        let mut clients = self.clients.store.state();
        clients.retain(|client| client.parent() == wanted || by_id.as_ref() == Some(&client.parent()));
        clients.into_iter().map(|client| self.clients.newest_version(client)).collect()
    }

    /// The lock under which a name is looked up and created.
    pub(crate) fn create_lock(&self, key: String) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = lock(&self.create_locks);
        locks.retain(|_, held| Arc::strong_count(held) > 1);
        Arc::clone(locks.entry(key).or_default())
    }
}

/// Store, queue and memory of one kind.
pub(crate) struct KindState<K: TenantObject> {
    /// What the watch brought.
    pub(crate) store: Store<K>,
    /// Asks for a pass.
    pub(crate) queue: UnboundedSender<ObjectRef<K>>,
    /// Objects that this release does not understand; none of them is in the store.
    pub(crate) not_understood: NotUnderstoodStore<K>,
    memory: Mutex<HashMap<ObjectRef<K>, ObjectMemory<K>>>,
    /// Since when objects are due.
    due_since: Mutex<HashMap<ObjectRef<K>, Instant>>,
}

/// What this process remembers of an object; everything here may be lost without harm.
pub(crate) struct ObjectMemory<K> {
    newest_write: Option<Arc<K>>,
    /// Creates that may still be carried out.
    pub(crate) creates: CreateGuard,
    /// Failures in a row.
    pub(crate) failures: u32,
    /// Refusals in a row.
    pub(crate) refusals: u32,
    /// Passes in a row that ended because something had changed meanwhile.
    pub(crate) stale_passes: u32,
    /// Whether the last status could not be written.
    pub(crate) is_status_unwritten: bool,
    /// The tenant as it was read last.
    pub(crate) verified: Option<VerifiedVersion>,
    /// Digest of what other objects take from this one.
    pub(crate) inherited_fingerprint: Option<String>,
    /// When settings were put right after somebody else had changed them.
    pub(crate) corrections: BTreeMap<Field, Vec<Timestamp>>,
    /// Digest of the Secrets' versions and the images that it refers to.
    pub(crate) material: Option<String>,
    /// When its tenant was created by this process.
    pub(crate) created_at: Option<Timestamp>,
    /// Whether a platform that counts revisions has shown its tenant to this process.
    pub(crate) is_visible: bool,
    /// The receiver of a hand-over that was woken for it.
    pub(crate) notified_receiver: Option<(String, String)>,
    /// Whether the givers of its tenant were woken for the pass that took it.
    pub(crate) has_notified_givers: bool,
    /// What this process wrote and when, to be read back.
    pub(crate) own_writes: BTreeMap<TenantProperty, OwnWrite>,
    /// Digest of the status that the API server refused for good, as far as it is not conditions.
    pub(crate) refused_status: Option<Digest>,
    /// What was warned of already.
    pub(crate) tolerated: Vec<String>,
    /// When a pause ended after which the tenant was not read yet.
    pub(crate) resumed_at: Option<Instant>,
    /// Since when its Partner is not there, where nobody was warned of that yet.
    pub(crate) partner_missing_since: Option<Instant>,
    /// When it was last told that another installation manages the object.
    pub(crate) elsewhere_reported_at: Option<Instant>,
    /// Whether the platform said that it has the extensions.
    pub(crate) extensions: Option<bool>,
    /// What the platform said when it refused a change because the tenant above is out of service.
    pub(crate) parent_refusal: Option<String>,
}

/// What says whether a tenant has changed since it was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VerifiedVersion {
    /// Counter of its changes, where the platform has one.
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
            creates: CreateGuard::default(),
            failures: 0,
            refusals: 0,
            stale_passes: 0,
            is_status_unwritten: false,
            verified: None,
            inherited_fingerprint: None,
            corrections: BTreeMap::new(),
            material: None,
            created_at: None,
            is_visible: false,
            notified_receiver: None,
            has_notified_givers: false,
            own_writes: BTreeMap::new(),
            refused_status: None,
            tolerated: Vec::new(),
            resumed_at: None,
            partner_missing_since: None,
            elsewhere_reported_at: None,
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

    /// Works on what is remembered of an object.
    pub(crate) fn with_memory<T>(&self, object: &K, act: impl FnOnce(&mut ObjectMemory<K>) -> T) -> T {
        act(lock(&self.memory).entry(ObjectRef::from_obj(object)).or_default())
    }

    /// The newer of what the watch brought and what this process wrote: without it the pass after a write would work
    /// on what was before and create a second time.
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

    /// The watch has brought an object: what this process wrote is kept only while it is newer.
    pub(crate) fn forget_older_write(&self, object: &K) {
        if let Some(memory) = lock(&self.memory).get_mut(&ObjectRef::from_obj(object)) {
            memory.newest_write = memory.newest_write.take().filter(|newest| is_newer(newest.as_ref(), object));
        }
    }

    /// Forgets what a pass remembered of an object that went while the pass was made.
    pub(crate) fn forget_if_gone(&self, object: &K) {
        if self.store.get(&ObjectRef::from_obj(object)).is_none() {
            self.forget_object(object);
        }
    }

    /// Forgets all that have gone, also those that somebody remembered after they went.
    pub(crate) fn forget_all_gone(&self) {
        lock(&self.memory).retain(|key, _| self.store.get(key).is_some());
        lock(&self.due_since).retain(|key, _| self.store.get(key).is_some());
    }

    /// Keeps what the API server answered to a write.
    pub(crate) fn record_written(&self, object: K) -> Arc<K> {
        let object = Arc::new(object);
        self.with_memory(&object, |memory| memory.newest_write = Some(Arc::clone(&object)));
        object
    }

    /// Forgets an object that is gone.
    pub(crate) fn forget_object(&self, object: &K) {
        let key = ObjectRef::from_obj(object);
        lock(&self.memory).remove(&key);
        lock(&self.due_since).remove(&key);
    }

    /// Asks for a pass.
    pub(crate) fn enqueue(&self, key: ObjectRef<K>) {
        lock(&self.due_since).entry(key.clone()).or_insert_with(Instant::now);
        // The queue ends only with the process.
        let _ = self.queue.unbounded_send(key);
    }

    /// A pass begins: the time since it was asked for, unless it is one that the object asked for itself.
    pub(crate) fn take_due_time(&self, object: &K) -> Option<Duration> {
        lock(&self.due_since).remove(&ObjectRef::from_obj(object)).map(|since| since.elapsed())
    }

    /// A leader begins with every object: what was asked for while another led was done by that one.
    pub(crate) fn clear_due(&self) {
        lock(&self.due_since).clear();
    }

    /// How many objects are due, and for how long the oldest of them has been.
    pub(crate) fn queue_stats(&self) -> (usize, Duration) {
        let due = lock(&self.due_since);
        // One that has gone since gets no pass any more.
        let waiting = due.iter().filter(|(key, _)| self.store.get(key).is_some()).map(|(_, since)| since.elapsed());
        waiting.fold((0, Duration::ZERO), |(count, oldest), age| (count + 1, oldest.max(age)))
    }

    /// The pause before the next try after failures in a row: doubling from `first` to `most`, moved by up to a tenth
    /// by the object's UID so that many objects do not come at once.
    pub(crate) fn failure_backoff(&self, object: &K, first: Duration, most: Duration) -> Duration {
        let failures = self.with_memory(object, |memory| {
            memory.failures = memory.failures.saturating_add(1);
            memory.failures
        });
        exponential_backoff(object, failures, first, most)
    }

    /// The same after a refusal. It ends the failures in a row: one that comes after hours of refusals is the first.
    pub(crate) fn refusal_backoff(&self, object: &K, first: Duration, most: Duration) -> Duration {
        let refusals = self.with_memory(object, |memory| {
            memory.failures *= u32::from(memory.is_status_unwritten);
            memory.refusals = memory.refusals.saturating_add(1);
            memory.refusals
        });
        exponential_backoff(object, refusals, first, most)
    }
}

/// A pause that doubles from `first` to `most` with each of `times` in a row, moved by up to a tenth by the object's UID.
fn exponential_backoff<K: TenantObject>(object: &K, times: u32, first: Duration, most: Duration) -> Duration {
    let pause = first.saturating_mul(1 << (times - 1).min(16)).min(most);
    pause + pause.mul_f64(f64::from(stable_jitter(&object.uid().unwrap_or_default())) / 1000.0)
}

/// A number from 0 to 99 that is always the same for the same text.
pub(crate) fn stable_jitter(text: &str) -> u8 {
    let sum = text.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    u8::try_from(sum % 100).unwrap_or_default()
}

/// Resource versions grow within one API server; another UID is another object.
fn is_newer<K: TenantObject>(one: &K, other: &K) -> bool {
    let version = |object: &K| object.resource_version().and_then(|text| text.parse::<u64>().ok());
    one.uid() == other.uid() && version(one) > version(other)
}

/// A lock whose holder panicked still guards data that is whole: every change under it is one assignment.
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
        let room: KindState<Partner> = KindState::new(store, queue);
        let [one, two, gone] = ["one", "two", "gone"].map(new_partner);
        for object in [&one, &two] {
            writer.apply_watcher_event(&Event::Apply(object.clone()));
        }
        let wake = |object: &Partner| room.enqueue(ObjectRef::from_obj(object));
        wake(&gone);
        tokio::time::advance(Duration::from_secs(5)).await;
        wake(&one);
        tokio::time::advance(Duration::from_secs(2)).await;
        wake(&one);
        wake(&two);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(room.queue_stats(), (2, Duration::from_secs(3)));
        assert_eq!(room.take_due_time(&one), Some(Duration::from_secs(3)));
        assert_eq!(room.queue_stats(), (1, Duration::from_secs(1)));
        room.clear_due();
        assert_eq!(
            (room.queue_stats(), room.take_due_time(&two)),
            ((0, Duration::ZERO), None),
            "another leader has seen to it"
        );
    }

    #[test]
    fn an_object_that_went_leaves_nothing_to_the_next_one_of_its_name() {
        let (store, mut writer) = kube::runtime::reflector::store();
        let (queue, _wakes) = futures::channel::mpsc::unbounded();
        let room: KindState<Partner> = KindState::new(store, queue);
        let one = new_partner("one");
        room.with_memory(&one, |memory| memory.failures = 3);
        room.enqueue(ObjectRef::from_obj(&one));
        room.forget_object(&one);
        writer.apply_watcher_event(&Event::Apply(one.clone()));
        assert_eq!((room.queue_stats().0, room.with_memory(&one, |memory| memory.failures)), (0, 0));
    }
}
