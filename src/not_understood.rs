//! Objects that this release does not understand. They are kept apart from the store, so that no pass ever works on
//! one. They get a condition, and are released only where that certainly terminates nothing.

mod handler;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use serde_json::Value;
use tenantry_core::object::{NotUnderstoodObject, ParsedObject, UnderstoodObject};
use tokio::sync::Notify;

use super::context::{Context, lock};
use super::installation::is_managed_elsewhere;
use super::pass_stop::{PassStop, api_error_message};
use super::tenant_object::{ParentRef, TenantObject, namespace};

/// Pause before an object is handled again that could not be handled, or that waits for something.
const RETRY_PAUSE: Duration = Duration::from_secs(30);

/// The objects of one kind that a newer release wrote.
pub(crate) struct NotUnderstoodStore<K: TenantObject> {
    objects: Mutex<HashMap<ObjectRef<K>, NotUnderstoodEntry>>,
    /// Members of status that this release does not know. They are kept when it writes status.
    statuses: Mutex<HashMap<ObjectRef<K>, Value>>,
    changed: Notify,
}

#[derive(Clone)]
struct NotUnderstoodEntry {
    object: Arc<NotUnderstoodObject>,
    is_handled: bool,
}

/// The result of handling an object.
pub(super) enum HandlingResult {
    /// Nothing remains to be done until the object changes.
    Done,
    /// The object waits for something that no watch reports.
    Waiting,
}

impl<K: TenantObject> Default for NotUnderstoodStore<K> {
    fn default() -> Self {
        Self { objects: Mutex::default(), statuses: Mutex::default(), changed: Notify::new() }
    }
}

impl<K: TenantObject> NotUnderstoodStore<K> {
    /// Records a parsed object; returns `None` if this release does not understand it.
    pub(crate) fn accept_reading(&self, reading: ParsedObject<K>) -> Option<K> {
        match reading {
            ParsedObject::Understood(understood) => Some(self.keep_unknown_status(*understood)),
            // A watch may have delivered it without the fields that its definition did not have then.
            ParsedObject::NotUnderstood(object) => {
                self.insert(*object);
                None
            }
        }
    }

    fn keep_unknown_status(&self, understood: UnderstoodObject<K>) -> K {
        let UnderstoodObject { object, unknown_status } = understood;
        let key = ObjectRef::from_obj(&object);
        let mut statuses = lock(&self.statuses);
        match unknown_status {
            Some(unknown) => drop(statuses.insert(key, unknown)),
            None => drop(statuses.remove(&key)),
        }
        object
    }

    /// Returns the members of an object's status that this release does not know.
    pub(crate) fn unknown_status(&self, object: &K) -> Option<Value> {
        lock(&self.statuses).get(&ObjectRef::from_obj(object)).cloned()
    }

    /// Keeps an object that is not understood, unless a later version of it is kept already.
    pub(crate) fn insert(&self, mut object: NotUnderstoodObject) {
        object.metadata.managed_fields = None;
        let key = ObjectRef::new(object.name()).within(object.namespace());
        let mut objects = lock(&self.objects);
        let there = objects.get(&key).filter(|there| there.object.metadata.uid == object.metadata.uid);
        if there.is_some_and(|there| version_number(&there.object.metadata) > version_number(&object.metadata)) {
            return;
        }
        let is_same =
            |there: &NotUnderstoodEntry| there.object.metadata.resource_version == object.metadata.resource_version;
        let is_handled = there.is_some_and(|there| there.is_handled && is_same(there));
        objects.insert(key, NotUnderstoodEntry { object: Arc::new(object), is_handled });
        self.changed.notify_one();
    }

    /// Returns whether an object is kept apart although the store still has it.
    pub(crate) fn contains(&self, object: &K) -> bool {
        lock(&self.objects).contains_key(&ObjectRef::from_obj(object))
    }

    /// Forgets an object that a list shows as understood; returns whether it was kept.
    pub(crate) fn remove(&self, key: &ObjectRef<K>) -> bool {
        lock(&self.objects).remove(key).is_some()
    }

    /// Forgets an object that became understood by a change; returns whether it was kept. A watch may lag behind a
    /// read.
    pub(crate) fn remove_older(&self, object: &K) -> bool {
        let key = ObjectRef::from_obj(object);
        let mut objects = lock(&self.objects);
        let is_older = |there: &NotUnderstoodEntry| {
            let there = &there.object.metadata;
            there.uid != object.meta().uid || version_number(there) < version_number(object.meta())
        };
        objects.get(&key).is_some_and(is_older) && objects.remove(&key).is_some()
    }

    /// Forgets everything about a removed object.
    pub(crate) fn remove_with_status(&self, key: &ObjectRef<K>) {
        self.remove(key);
        lock(&self.statuses).remove(key);
    }

    /// Forgets the objects of a namespace, or of all namespaces, that a list did not contain.
    pub(crate) fn retain_listed(&self, namespace: Option<&str>, listed: &HashSet<ObjectRef<K>>) {
        let is_elsewhere = |key: &ObjectRef<K>| namespace.is_some_and(|space| key.namespace.as_deref() != Some(space));
        lock(&self.objects).retain(|key, _| is_elsewhere(key) || listed.contains(key));
    }

    /// Returns the object of this namespace and name, if it is not understood.
    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<Arc<NotUnderstoodObject>> {
        let key = ObjectRef::new(name).within(namespace);
        lock(&self.objects).get(&key).map(|entry| Arc::clone(&entry.object))
    }

    /// Returns all objects that are not understood.
    pub(crate) fn list(&self) -> Vec<Arc<NotUnderstoodObject>> {
        lock(&self.objects).values().map(|entry| Arc::clone(&entry.object)).collect()
    }

    /// Returns how many objects are not understood.
    pub(crate) fn count(&self) -> usize {
        lock(&self.objects).len()
    }

    fn list_unhandled(&self) -> Vec<(ObjectRef<K>, Arc<NotUnderstoodObject>)> {
        let objects = lock(&self.objects);
        let due = objects.iter().filter(|(_, entry)| !entry.is_handled);
        due.map(|(key, entry)| (key.clone(), Arc::clone(&entry.object))).collect()
    }

    fn mark_handled(&self, key: &ObjectRef<K>, object: &Arc<NotUnderstoodObject>) {
        if let Some(entry) = lock(&self.objects).get_mut(key) {
            entry.is_handled = Arc::ptr_eq(&entry.object, object);
        }
    }
}

/// Returns the resource version as a number. Resource versions grow within one API server.
fn version_number(metadata: &ObjectMeta) -> Option<u64> {
    metadata.resource_version.as_ref()?.parse().ok()
}

/// Lists the Clients of a Partner that are not understood. One whose Partner cannot be read counts for every Partner.
pub(crate) fn list_clients_under(namespace: &str, name: &str, context: &Context) -> Vec<Arc<NotUnderstoodObject>> {
    let mut clients = context.clients.not_understood.list();
    clients.retain(|client| match client.parent(tenantry_core::TenantKind::Client) {
        Some(ParentRef::Object(in_namespace, named)) => in_namespace == namespace && named == name,
        Some(ParentRef::Provider | ParentRef::Id(_)) => false,
        None => true,
    });
    clients
}

/// Handles the objects of a kind, one after the other, while this process leads.
pub(crate) async fn handle_not_understood<K: TenantObject>(context: Arc<Context>) {
    context.claim.wait_until_leading().await;
    let newer = &K::kind_state(&context).not_understood;
    loop {
        let mut is_all_done = true;
        for (key, object) in newer.list_unhandled() {
            let handled =
                tokio::time::timeout(context.settings.pass_timeout, handler::handle_object::<K>(&object, &context));
            match handled.await {
                Ok(Ok(HandlingResult::Done)) => newer.mark_handled(&key, &object),
                Ok(Ok(HandlingResult::Waiting)) | Err(_) => is_all_done = false,
                Ok(Err(error)) => {
                    is_all_done = false;
                    let (kind, object, error) = (K::KIND.name(), object.namespaced_name(), api_error_message(&error));
                    tracing::warn!(kind, object, error, "an object that is not understood could not be told so");
                }
            }
        }
        tokio::select! {
            () = newer.changed.notified() => {}
            () = tokio::time::sleep(RETRY_PAUSE), if !is_all_done => {}
        }
    }
}

/// Reads an object of a kind from the API server; `None` if it does not exist or is not understood any more. The watch
/// then delivers that, and the object is handled there.
pub(crate) async fn read_understood<K: TenantObject>(
    namespace: &str,
    name: &str,
    context: &Context,
) -> Result<Option<K>, kube::Error> {
    let found = kube::Api::<ParsedObject<K>>::namespaced(context.client.clone(), namespace).get_opt(name).await?;
    Ok(found.and_then(|reading| K::kind_state(context).not_understood.accept_reading(reading)))
}

/// Stops a pass before it changes a tenant whose object is not understood, or was moved to another installation. A
/// watch that began under an earlier definition shows the object without the new fields.
///
/// # Errors
/// If the object is not understood, is managed elsewhere, was removed, or cannot be read.
pub(crate) async fn recheck_object<K: TenantObject>(object: &K, context: &Context) -> Result<(), PassStop> {
    let place = (namespace(object), object.name_any());
    let found = read_understood::<K>(&place.0, &place.1, context).await?;
    found.filter(|found| !is_managed_elsewhere(found, context)).map(drop).ok_or(PassStop::Stale)
}

/// Converts the answer to a write into the object. An object that is no longer understood was changed meanwhile.
pub(crate) fn written_object<K: TenantObject>(reading: ParsedObject<K>, context: &Context) -> Result<K, kube::Error> {
    let name = reading.name_any();
    K::kind_state(context).not_understood.accept_reading(reading).ok_or_else(|| {
        let message = format!("`{name}` was changed meanwhile and is not understood any more");
        kube::Error::Api(kube::core::Status::failure(&message, "Conflict").with_code(409).boxed())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tenantry_api::TenantClient;

    use super::*;

    fn client_reading(version: u64, spec: &Value) -> ParsedObject<TenantClient> {
        let metadata = json!({"name": "globex", "namespace": "a", "uid": "1", "resourceVersion": version.to_string()});
        let mut whole = json!({"partnerRef": {"name": "acme"}, "details": {"name": "Globex"}});
        tenantry_core::object::restore_unknown_members(&mut whole, spec);
        serde_json::from_value(json!({"metadata": metadata, "spec": whole})).unwrap()
    }

    #[test]
    fn a_watch_that_is_behind_does_not_make_an_object_understood() {
        let newer = NotUnderstoodStore::<TenantClient>::default();
        let old = newer.accept_reading(client_reading(7, &json!({}))).unwrap();
        assert!(newer.accept_reading(client_reading(8, &json!({"quota": 1}))).is_none());
        assert!(newer.contains(&old) && !newer.remove_older(&old), "the watch shows an earlier version");
        let pruned = newer.accept_reading(client_reading(8, &json!({}))).unwrap();
        assert!(!newer.remove_older(&pruned), "the same version, as an earlier definition shows it");
        assert!(newer.accept_reading(client_reading(6, &json!({"other": 1}))).is_none());
        assert!(newer.get("a", "globex").unwrap().unknown_summary().contains("quota"), "a later version stays");
        let corrected = newer.accept_reading(client_reading(9, &json!({}))).unwrap();
        assert!(newer.remove_older(&corrected) && !newer.contains(&corrected));
    }
}
