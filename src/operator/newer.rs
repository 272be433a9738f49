//! Objects that this release does not understand. They are kept apart from the store, so that no pass ever works on one;
//! they get a condition, and are let go only where that certainly ends nothing.

mod tell;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use serde_json::Value;
use tokio::sync::Notify;

use super::context::{Context, lock};
use super::error::{Stop, sentence};
use super::installation::is_elsewhere;
use super::object::{Parent, TenantObject, namespace};
use crate::object::{NotUnderstood, Reading, Understood};

/// Pause before an object is handled again that could not be, or that waits for something.
const RETRY: Duration = Duration::from_secs(30);

/// What newer releases left in the objects of one kind.
pub(crate) struct Newer<K: TenantObject> {
    objects: Mutex<HashMap<ObjectRef<K>, Entry>>,
    /// Members of status that this release does not know, to be kept when it writes status.
    statuses: Mutex<HashMap<ObjectRef<K>, Value>>,
    changed: Notify,
}

#[derive(Clone)]
struct Entry {
    object: Arc<NotUnderstood>,
    is_handled: bool,
}

/// What became of an object.
pub(super) enum Handled {
    /// Nothing is left to be done until it changes.
    Done,
    /// It waits for something that no watch tells of.
    Waits,
}

impl<K: TenantObject> Default for Newer<K> {
    fn default() -> Self {
        Self { objects: Mutex::default(), statuses: Mutex::default(), changed: Notify::new() }
    }
}

impl<K: TenantObject> Newer<K> {
    /// Takes in what was read of an object; nothing where this release does not understand it.
    pub(crate) fn understand(&self, reading: Reading<K>) -> Option<K> {
        match reading {
            Reading::Understood(understood) => Some(self.keep(*understood)),
            // A watch may have shown it without the fields that its definition had not yet then.
            Reading::NotUnderstood(object) => {
                self.put(*object);
                None
            }
        }
    }

    fn keep(&self, understood: Understood<K>) -> K {
        let Understood { object, unknown_status } = understood;
        let key = ObjectRef::from_obj(&object);
        let mut statuses = lock(&self.statuses);
        match unknown_status {
            Some(unknown) => drop(statuses.insert(key, unknown)),
            None => drop(statuses.remove(&key)),
        }
        object
    }

    /// Members of an object's status that this release does not know.
    pub(crate) fn unknown_status(&self, object: &K) -> Option<Value> {
        lock(&self.statuses).get(&ObjectRef::from_obj(object)).cloned()
    }

    /// Keeps an object that is not understood, unless a later version of it is kept already.
    pub(crate) fn put(&self, mut object: NotUnderstood) {
        object.metadata.managed_fields = None;
        let key = ObjectRef::new(object.name()).within(object.namespace());
        let mut objects = lock(&self.objects);
        let there = objects.get(&key).filter(|there| there.object.metadata.uid == object.metadata.uid);
        if there.is_some_and(|there| version(&there.object.metadata) > version(&object.metadata)) {
            return;
        }
        let is_same = |there: &Entry| there.object.metadata.resource_version == object.metadata.resource_version;
        let is_handled = there.is_some_and(|there| there.is_handled && is_same(there));
        objects.insert(key, Entry { object: Arc::new(object), is_handled });
        self.changed.notify_one();
    }

    /// Whether an object is kept apart although the store still has it.
    pub(crate) fn has(&self, object: &K) -> bool {
        lock(&self.objects).contains_key(&ObjectRef::from_obj(object))
    }

    /// Forgets an object that a list shows as one that is understood; whether there was one.
    pub(crate) fn forget(&self, key: &ObjectRef<K>) -> bool {
        lock(&self.objects).remove(key).is_some()
    }

    /// Forgets an object that a change made understood; whether there was one. A watch may be behind what was read.
    pub(crate) fn forget_older(&self, object: &K) -> bool {
        let key = ObjectRef::from_obj(object);
        let mut objects = lock(&self.objects);
        let is_older = |there: &Entry| {
            let there = &there.object.metadata;
            there.uid != object.meta().uid || version(there) < version(object.meta())
        };
        objects.get(&key).is_some_and(is_older) && objects.remove(&key).is_some()
    }

    /// Forgets everything of an object that is gone.
    pub(crate) fn forget_all(&self, key: &ObjectRef<K>) {
        self.forget(key);
        lock(&self.statuses).remove(key);
    }

    /// Forgets the objects of a namespace, or of all, that a list did not hold.
    pub(crate) fn keep_listed(&self, space: Option<&str>, listed: &HashSet<ObjectRef<K>>) {
        let is_elsewhere = |key: &ObjectRef<K>| space.is_some_and(|space| key.namespace.as_deref() != Some(space));
        lock(&self.objects).retain(|key, _| is_elsewhere(key) || listed.contains(key));
    }

    /// The object of a place, if it is not understood.
    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<Arc<NotUnderstood>> {
        let key = ObjectRef::new(name).within(namespace);
        lock(&self.objects).get(&key).map(|entry| Arc::clone(&entry.object))
    }

    /// All objects that are not understood.
    pub(crate) fn all(&self) -> Vec<Arc<NotUnderstood>> {
        lock(&self.objects).values().map(|entry| Arc::clone(&entry.object)).collect()
    }

    /// How many objects are not understood.
    pub(crate) fn count(&self) -> usize {
        lock(&self.objects).len()
    }

    fn due(&self) -> Vec<(ObjectRef<K>, Arc<NotUnderstood>)> {
        let objects = lock(&self.objects);
        let due = objects.iter().filter(|(_, entry)| !entry.is_handled);
        due.map(|(key, entry)| (key.clone(), Arc::clone(&entry.object))).collect()
    }

    fn handled(&self, key: &ObjectRef<K>, object: &Arc<NotUnderstood>) {
        if let Some(entry) = lock(&self.objects).get_mut(key) {
            entry.is_handled = Arc::ptr_eq(&entry.object, object);
        }
    }
}

/// Resource versions grow within one API server.
fn version(metadata: &ObjectMeta) -> Option<u64> {
    metadata.resource_version.as_ref()?.parse().ok()
}

/// Clients of a Partner that are not understood. One whose Partner cannot be read counts as everybody's.
pub(crate) fn clients_under(namespace: &str, name: &str, context: &Context) -> Vec<Arc<NotUnderstood>> {
    let mut clients = context.clients.newer.all();
    clients.retain(|client| match client.parent(crate::plan::Kind::Client) {
        Some(Parent::Object(in_namespace, named)) => in_namespace == namespace && named == name,
        Some(Parent::Provider | Parent::Id(_)) => false,
        None => true,
    });
    clients
}

/// Handles the objects of a kind, one after the other, while this process leads.
pub(crate) async fn work<K: TenantObject>(context: Arc<Context>) {
    context.claim.begun().await;
    let newer = &K::room(&context).newer;
    loop {
        let mut is_all_done = true;
        for (key, object) in newer.due() {
            let handled = tokio::time::timeout(context.settings.pass_timeout, tell::handle::<K>(&object, &context));
            match handled.await {
                Ok(Ok(Handled::Done)) => newer.handled(&key, &object),
                Ok(Ok(Handled::Waits)) | Err(_) => is_all_done = false,
                Ok(Err(error)) => {
                    is_all_done = false;
                    let (kind, object, error) = (K::KIND.name(), object.place(), sentence(&error));
                    tracing::warn!(kind, object, error, "an object that is not understood could not be told so");
                }
            }
        }
        tokio::select! {
            () = newer.changed.notified() => {}
            () = tokio::time::sleep(RETRY), if !is_all_done => {}
        }
    }
}

/// An object of a kind as the API server holds it now; nothing where it is not there, or not understood any more: the
/// watch brings it, and what is then to be done is done there.
pub(crate) async fn read_understood<K: TenantObject>(
    (namespace, name): (&str, &str),
    context: &Context,
) -> Result<Option<K>, kube::Error> {
    let found = kube::Api::<Reading<K>>::namespaced(context.client.clone(), namespace).get_opt(name).await?;
    Ok(found.and_then(|reading| K::room(context).newer.understand(reading)))
}

/// Stops a pass before it changes a tenant whose object is not understood, or was moved to another installation. A watch that
/// began under an earlier definition
/// shows the object without the fields that are new.
///
/// # Errors
/// The object is not understood, is managed elsewhere, has gone, or cannot be read.
pub(crate) async fn look_again<K: TenantObject>(object: &K, context: &Context) -> Result<(), Stop> {
    let place = (namespace(object), object.name_any());
    let found = read_understood::<K>((&place.0, &place.1), context).await?;
    found.filter(|found| !is_elsewhere(found, context)).map(drop).ok_or(Stop::Stale)
}

/// The answer to a write of an object, as the object. One that is not understood any more was changed meanwhile.
pub(crate) fn written<K: TenantObject>(reading: Reading<K>, context: &Context) -> Result<K, kube::Error> {
    let name = reading.name_any();
    K::room(context).newer.understand(reading).ok_or_else(|| {
        let message = format!("`{name}` was changed meanwhile and is not understood any more");
        kube::Error::Api(kube::core::Status::failure(&message, "Conflict").with_code(409).boxed())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::TenantClient;

    fn reading(version: u64, spec: &Value) -> Reading<TenantClient> {
        let metadata = json!({"name": "globex", "namespace": "a", "uid": "1", "resourceVersion": version.to_string()});
        let mut whole = json!({"partnerRef": {"name": "acme"}, "details": {"name": "Globex"}});
        crate::object::keep_unknown(&mut whole, spec);
        Reading::of(json!({"metadata": metadata, "spec": whole})).unwrap()
    }

    #[test]
    fn a_watch_that_is_behind_does_not_make_an_object_understood() {
        let newer = Newer::<TenantClient>::default();
        let old = newer.understand(reading(7, &json!({}))).unwrap();
        assert!(newer.understand(reading(8, &json!({"quota": 1}))).is_none());
        assert!(newer.has(&old) && !newer.forget_older(&old), "the watch shows an earlier version");
        let pruned = newer.understand(reading(8, &json!({}))).unwrap();
        assert!(!newer.forget_older(&pruned), "the same version, as an earlier definition shows it");
        assert!(newer.understand(reading(6, &json!({"other": 1}))).is_none());
        assert!(newer.get("a", "globex").unwrap().sentence().contains("quota"), "a later version stays");
        let corrected = newer.understand(reading(9, &json!({}))).unwrap();
        assert!(newer.forget_older(&corrected) && !newer.has(&corrected));
    }
}
