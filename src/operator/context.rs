//! What every pass shares: the cluster, the stores, the queues, the connections.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::channel::mpsc::UnboundedSender;
use jiff::Timestamp;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, ResourceExt};
use tokio::time::Instant;

use super::accounts::Accounts;
use super::activity::Activity;
use super::claim::Claim;
use super::connections::Connections;
use super::events::Events;
use super::metrics::Metrics;
use super::newer::Newer;
use super::object::{Object as _, Parent, TenantObject, unique_id};
use super::records::RecordKeys;
use super::secrets::{ConfigMaps, Secrets};
use super::settings::Settings;
use crate::api::{Partner, TenantClient};
use crate::connect::ServerClock;
use crate::plan::{Creates, Digest, Field, OwnWrite, Part};

/// What every pass shares.
pub(crate) struct Context {
    /// The API server.
    pub(crate) client: Client,
    /// What the API server says of the time.
    pub(crate) clock: Arc<ServerClock>,
    /// Flags.
    pub(crate) settings: Settings,
    /// Cluster id in every mark.
    pub(crate) cluster: String,
    /// This installation, as namespace and name of its Lease.
    pub(crate) installation: String,
    /// Whether this process leads.
    pub(crate) claim: Claim,
    /// Partners.
    pub(crate) partners: Room<Partner>,
    /// Clients.
    pub(crate) clients: Room<TenantClient>,
    /// What each account may cost the others.
    pub(crate) accounts: Accounts,
    /// Platforms by connection.
    pub(crate) connections: Connections,
    /// Secrets by name.
    pub(crate) secrets: Secrets,
    /// ConfigMaps by name.
    pub(crate) config_maps: ConfigMaps,
    /// The key of the records of write-only settings.
    pub(crate) record_keys: RecordKeys,
    /// Events, best effort.
    pub(crate) events: Events,
    /// Counters.
    pub(crate) metrics: Arc<Metrics>,
    /// When the API server was last heard of.
    pub(crate) activity: Activity,
    /// One create at a time for a name under a parent.
    pub(crate) creating: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// Whether both kinds have been listed once.
    pub(crate) ready: tokio::sync::watch::Sender<bool>,
}

impl Context {
    /// Whether both kinds have been listed once.
    pub(crate) fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Waits until both kinds have been listed once: a Client looks its Partner up in the other store.
    pub(crate) async fn synced(&self) {
        // The sender lives in this very context.
        let _ = self.ready.subscribe().wait_for(|is_ready| *is_ready).await;
    }

    /// The Partner as far as this process knows it: its own last write counts before the watch has brought it.
    pub(crate) fn partner(&self, namespace: &str, name: &str) -> Option<Arc<Partner>> {
        let key = ObjectRef::new(name).within(namespace);
        self.partners.store.get(&key).map(|partner| self.partners.current(partner))
    }

    /// Clients that name a Partner, as an object or by the id of its tenant.
    pub(crate) fn clients_of(&self, partner: &Partner) -> Vec<Arc<TenantClient>> {
        let wanted = Parent::Object(partner.namespace().unwrap_or_default(), partner.name_any());
        let by_id = unique_id(partner).map(|id| Parent::Id(id.to_owned()));
        let mut clients = self.clients.store.state();
        clients.retain(|client| client.parent() == wanted || by_id.as_ref() == Some(&client.parent()));
        clients.into_iter().map(|client| self.clients.current(client)).collect()
    }

    /// The lock under which a name is looked up and created.
    pub(crate) fn create_lock(&self, key: String) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = lock(&self.creating);
        locks.retain(|_, held| Arc::strong_count(held) > 1);
        Arc::clone(locks.entry(key).or_default())
    }
}

/// Store, queue and memory of one kind.
pub(crate) struct Room<K: TenantObject> {
    /// What the watch brought.
    pub(crate) store: Store<K>,
    /// Asks for a pass.
    pub(crate) queue: UnboundedSender<ObjectRef<K>>,
    /// Objects that this release does not understand; none of them is in the store.
    pub(crate) newer: Newer<K>,
    memory: Mutex<HashMap<ObjectRef<K>, Memory<K>>>,
    /// Since when objects are due.
    due: Mutex<HashMap<ObjectRef<K>, Instant>>,
}

/// What this process remembers of an object; everything here may be lost without harm.
pub(crate) struct Memory<K> {
    newest: Option<Arc<K>>,
    /// Creates that may still be carried out.
    pub(crate) creates: Creates,
    /// Failures in a row.
    pub(crate) failures: u32,
    /// Refusals in a row.
    pub(crate) refusals: u32,
    /// Passes in a row that ended because something had changed meanwhile.
    pub(crate) stale: u32,
    /// Whether the last status could not be written.
    pub(crate) is_unwritten: bool,
    /// The tenant as it was read last.
    pub(crate) verified: Option<Verified>,
    /// Digest of what other objects take from this one.
    pub(crate) fingerprint: Option<String>,
    /// When settings were put right after somebody else had changed them.
    pub(crate) corrections: BTreeMap<Field, Vec<Timestamp>>,
    /// Digest of the Secrets' versions and the images that it refers to.
    pub(crate) material: Option<String>,
    /// When its tenant was created by this process.
    pub(crate) created: Option<Timestamp>,
    /// Whether a platform that counts revisions has shown its tenant to this process.
    pub(crate) is_visible: bool,
    /// The receiver of a hand-over that was woken for it.
    pub(crate) woken_receiver: Option<(String, String)>,
    /// Whether the givers of its tenant were woken for the pass that took it.
    pub(crate) has_woken_givers: bool,
    /// What this process wrote and when, to be read back.
    pub(crate) own_writes: BTreeMap<Part, OwnWrite>,
    /// Digest of the status that the API server refused for good, as far as it is not conditions.
    pub(crate) refused_status: Option<Digest>,
    /// What was warned of already.
    pub(crate) tolerated: Vec<String>,
    /// When a pause ended after which the tenant was not read yet.
    pub(crate) resumed: Option<Instant>,
    /// Since when its Partner is not there, where nobody was warned of that yet.
    pub(crate) unfound_since: Option<Instant>,
    /// When it was last told that another installation manages the object.
    pub(crate) stood_aside: Option<Instant>,
    /// Whether the platform said that it has the extensions.
    pub(crate) extensions: Option<bool>,
    /// What the platform said when it refused a change because the tenant above is out of service.
    pub(crate) refused_above: Option<String>,
}

/// What says whether a tenant has changed since it was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verified {
    /// Counter of its changes, where the platform has one.
    pub(crate) revision: Option<i64>,
    /// The platform's `updatedTime`.
    pub(crate) updated: Option<Timestamp>,
    /// When it was read, by the clock of this process.
    pub(crate) read: Timestamp,
}

impl<K> Default for Memory<K> {
    fn default() -> Self {
        Self {
            newest: None,
            creates: Creates::default(),
            failures: 0,
            refusals: 0,
            stale: 0,
            is_unwritten: false,
            verified: None,
            fingerprint: None,
            corrections: BTreeMap::new(),
            material: None,
            created: None,
            is_visible: false,
            woken_receiver: None,
            has_woken_givers: false,
            own_writes: BTreeMap::new(),
            refused_status: None,
            tolerated: Vec::new(),
            resumed: None,
            unfound_since: None,
            stood_aside: None,
            extensions: None,
            refused_above: None,
        }
    }
}

impl<K: TenantObject> Room<K> {
    pub(crate) fn new(store: Store<K>, queue: UnboundedSender<ObjectRef<K>>) -> Self {
        Self { store, queue, newer: Newer::default(), memory: Mutex::default(), due: Mutex::default() }
    }

    /// Works on what is remembered of an object.
    pub(crate) fn remember<T>(&self, object: &K, act: impl FnOnce(&mut Memory<K>) -> T) -> T {
        act(lock(&self.memory).entry(ObjectRef::from_obj(object)).or_default())
    }

    /// The newer of what the watch brought and what this process wrote: without it the pass after a write would work
    /// on what was before and create a second time.
    #[allow(clippy::needless_pass_by_value, reason = "the caller has no other use for what is stale")]
    pub(crate) fn current(&self, stored: Arc<K>) -> Arc<K> {
        self.remember(&stored, |memory| {
            match &memory.newest {
                Some(newest) if is_newer(newest.as_ref(), stored.as_ref()) => return Arc::clone(newest),
                Some(_) => memory.newest = None,
                None => {}
            }
            Arc::clone(&stored)
        })
    }

    /// The watch has brought an object: what this process wrote is kept only while it is newer.
    pub(crate) fn caught_up(&self, object: &K) {
        if let Some(memory) = lock(&self.memory).get_mut(&ObjectRef::from_obj(object)) {
            memory.newest = memory.newest.take().filter(|newest| is_newer(newest.as_ref(), object));
        }
    }

    /// Forgets what a pass remembered of an object that went while the pass was made.
    pub(crate) fn forget_gone(&self, object: &K) {
        if self.store.get(&ObjectRef::from_obj(object)).is_none() {
            self.forget(object);
        }
    }

    /// Forgets all that have gone, also those that somebody remembered after they went.
    pub(crate) fn sweep(&self) {
        lock(&self.memory).retain(|key, _| self.store.get(key).is_some());
        lock(&self.due).retain(|key, _| self.store.get(key).is_some());
    }

    /// Keeps what the API server answered to a write.
    pub(crate) fn wrote(&self, object: K) -> Arc<K> {
        let object = Arc::new(object);
        self.remember(&object, |memory| memory.newest = Some(Arc::clone(&object)));
        object
    }

    /// Forgets an object that is gone.
    pub(crate) fn forget(&self, object: &K) {
        let key = ObjectRef::from_obj(object);
        lock(&self.memory).remove(&key);
        lock(&self.due).remove(&key);
    }

    /// Asks for a pass.
    pub(crate) fn wake(&self, key: ObjectRef<K>) {
        lock(&self.due).entry(key.clone()).or_insert_with(Instant::now);
        // The queue ends only with the process.
        let _ = self.queue.unbounded_send(key);
    }

    /// A pass begins: the time since it was asked for, unless it is one that the object asked for itself.
    pub(crate) fn begin(&self, object: &K) -> Option<Duration> {
        lock(&self.due).remove(&ObjectRef::from_obj(object)).map(|since| since.elapsed())
    }

    /// A leader begins with every object: what was asked for while another led was done by that one.
    pub(crate) fn begin_anew(&self) {
        lock(&self.due).clear();
    }

    /// How many objects are due, and for how long the oldest of them has been.
    pub(crate) fn queue(&self) -> (usize, Duration) {
        let due = lock(&self.due);
        // One that has gone since gets no pass any more.
        let waiting = due.iter().filter(|(key, _)| self.store.get(key).is_some()).map(|(_, since)| since.elapsed());
        waiting.fold((0, Duration::ZERO), |(count, oldest), age| (count + 1, oldest.max(age)))
    }

    /// The pause before the next try after failures in a row: doubling from `first` to `most`, moved by up to a tenth
    /// by the object's UID so that many objects do not come at once.
    pub(crate) fn pause(&self, object: &K, first: Duration, most: Duration) -> Duration {
        let failures = self.remember(object, |memory| {
            memory.failures = memory.failures.saturating_add(1);
            memory.failures
        });
        grown(object, failures, first, most)
    }

    /// The same after a refusal. It ends the failures in a row: one that comes after hours of refusals is the first.
    pub(crate) fn pause_refused(&self, object: &K, first: Duration, most: Duration) -> Duration {
        let refusals = self.remember(object, |memory| {
            memory.failures *= u32::from(memory.is_unwritten);
            memory.refusals = memory.refusals.saturating_add(1);
            memory.refusals
        });
        grown(object, refusals, first, most)
    }
}

/// A pause that doubles from `first` to `most` with each of `times` in a row, moved by up to a tenth by the object's UID.
fn grown<K: TenantObject>(object: &K, times: u32, first: Duration, most: Duration) -> Duration {
    let pause = first.saturating_mul(1 << (times - 1).min(16)).min(most);
    pause + pause.mul_f64(f64::from(jitter(&object.uid().unwrap_or_default())) / 1000.0)
}

/// A number from 0 to 99 that is always the same for the same text.
pub(crate) fn jitter(text: &str) -> u8 {
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

    fn partner(name: &str) -> Partner {
        let spec = serde_json::json!({"details": {"name": name}});
        let mut partner = Partner::new(name, serde_json::from_value(spec).unwrap());
        partner.metadata.namespace = Some("acme".to_owned());
        partner
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_counts_what_is_due_since_it_became_so_and_not_what_has_gone() {
        let (store, mut writer) = kube::runtime::reflector::store();
        let (queue, _wakes) = futures::channel::mpsc::unbounded();
        let room: Room<Partner> = Room::new(store, queue);
        let [one, two, gone] = ["one", "two", "gone"].map(partner);
        for object in [&one, &two] {
            writer.apply_watcher_event(&Event::Apply(object.clone()));
        }
        let wake = |object: &Partner| room.wake(ObjectRef::from_obj(object));
        wake(&gone);
        tokio::time::advance(Duration::from_secs(5)).await;
        wake(&one);
        tokio::time::advance(Duration::from_secs(2)).await;
        wake(&one);
        wake(&two);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(room.queue(), (2, Duration::from_secs(3)));
        assert_eq!(room.begin(&one), Some(Duration::from_secs(3)));
        assert_eq!(room.queue(), (1, Duration::from_secs(1)));
        room.begin_anew();
        assert_eq!((room.queue(), room.begin(&two)), ((0, Duration::ZERO), None), "another leader has seen to it");
    }

    #[test]
    fn an_object_that_went_leaves_nothing_to_the_next_one_of_its_name() {
        let (store, mut writer) = kube::runtime::reflector::store();
        let (queue, _wakes) = futures::channel::mpsc::unbounded();
        let room: Room<Partner> = Room::new(store, queue);
        let one = partner("one");
        room.remember(&one, |memory| memory.failures = 3);
        room.wake(ObjectRef::from_obj(&one));
        room.forget(&one);
        writer.apply_watcher_event(&Event::Apply(one.clone()));
        assert_eq!((room.queue().0, room.remember(&one, |memory| memory.failures)), (0, 0));
    }
}
