//! Merges the watches of several namespaces into one, for an operator that may not watch all namespaces.

use std::collections::{BTreeMap, HashSet};

use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::Event;

use crate::tenant_object::{TenantObject, namespace};

/// Orders the events of several watches as one store expects them: one begin, one end of the first list, and after that
/// only changes.
pub(super) struct MergedWatches<K: TenantObject> {
    parts: BTreeMap<String, NamespaceWatch<K>>,
    /// The store. It supplies the objects for deletions that a list shows only by their absence.
    store: Store<K>,
    has_started: bool,
    is_complete: bool,
    /// Objects that were removed before the first list was complete.
    early_deletions: HashSet<ObjectRef<K>>,
}

/// The state of one namespace.
struct NamespaceWatch<K: TenantObject> {
    known: HashSet<ObjectRef<K>>,
    listed: HashSet<ObjectRef<K>>,
    is_done: bool,
}

impl<K: TenantObject> Default for NamespaceWatch<K> {
    fn default() -> Self {
        Self { known: HashSet::new(), listed: HashSet::new(), is_done: false }
    }
}

impl<K: TenantObject> MergedWatches<K> {
    /// Builds a merger for these namespaces and this store.
    pub(super) fn new(namespaces: &[String], store: Store<K>) -> Self {
        let parts = namespaces.iter().map(|name| (name.clone(), NamespaceWatch::default())).collect();
        Self { parts, store, has_started: false, is_complete: false, early_deletions: HashSet::new() }
    }

    /// Converts an event of the watch of a namespace into events for the store.
    pub(super) fn merge_event(&mut self, namespace: &str, event: Event<K>) -> Vec<Event<K>> {
        let Some(part) = self.parts.get_mut(namespace) else { return Vec::new() };
        match event {
            Event::Init => {
                part.listed.clear();
                let begins = !std::mem::replace(&mut self.has_started, true);
                if begins { vec![Event::Init] } else { Vec::new() }
            }
            Event::InitApply(object) => {
                part.listed.insert(ObjectRef::from_obj(&object));
                self.object_event(object)
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut part.listed);
                let gone: Vec<ObjectRef<K>> = part.known.difference(&listed).cloned().collect();
                part.known = listed;
                part.is_done = true;
                self.finish_list(gone)
            }
            Event::Apply(object) => {
                part.known.insert(ObjectRef::from_obj(&object));
                self.object_event(object)
            }
            Event::Delete(object) => {
                let key = ObjectRef::from_obj(&object);
                part.known.remove(&key);
                if self.is_complete {
                    return vec![Event::Delete(object)];
                }
                self.early_deletions.insert(key);
                Vec::new()
            }
        }
    }

    /// Records that an object exists. An object that reappears no longer counts as removed.
    fn object_event(&mut self, object: K) -> Vec<Event<K>> {
        debug_assert!(self.parts.contains_key(&namespace(&object)), "a watch brings what it was asked for");
        if self.is_complete {
            return vec![Event::Apply(object)];
        }
        self.early_deletions.remove(&ObjectRef::from_obj(&object));
        vec![Event::InitApply(object)]
    }

    /// Ends the list of one namespace, which lacks the objects in `gone`.
    fn finish_list(&mut self, gone: Vec<ObjectRef<K>>) -> Vec<Event<K>> {
        if self.is_complete {
            return self.deletion_events(&gone);
        }
        self.early_deletions.extend(gone);
        if !self.parts.values().all(|part| part.is_done) {
            return Vec::new();
        }
        self.is_complete = true;
        // The store may still hold objects that were removed meanwhile. The next event deletes them first.
        vec![Event::InitDone]
    }

    /// Returns the deletions of objects that were removed before the first list was complete, once the store holds
    /// them.
    pub(super) fn late_deletions(&mut self) -> Vec<Event<K>> {
        if !self.is_complete || self.early_deletions.is_empty() {
            return Vec::new();
        }
        let early: Vec<ObjectRef<K>> = std::mem::take(&mut self.early_deletions).into_iter().collect();
        self.deletion_events(&early)
    }

    fn deletion_events(&self, gone: &[ObjectRef<K>]) -> Vec<Event<K>> {
        gone.iter().filter_map(|key| self.store.get(key)).map(|object| Event::Delete(object.as_ref().clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use kube::runtime::reflector::store;
    use tenantry_api::TenantClient;

    use super::*;

    fn new_client(space: &str, name: &str) -> TenantClient {
        let text = format!(
            r#"{{"apiVersion": "tenantry.dev/v1alpha1", "kind": "Client", "metadata": {{"namespace": "{space}", "name": "{name}"}},
                "spec": {{"partnerRef": {{"name": "acme"}}, "details": {{"name": "{name}"}}}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    /// Plays events of two namespaces into a store; returns the names in it at the end, and whether it was ever ready.
    async fn play_events(events: Vec<(&str, Event<TenantClient>)>) -> (Vec<String>, bool) {
        let (reader, mut writer) = store();
        let mut joined = MergedWatches::new(&["a".to_owned(), "b".to_owned()], reader.clone());
        for (space, event) in events {
            for event in joined.merge_event(space, event) {
                writer.apply_watcher_event(&event);
            }
            for event in joined.late_deletions() {
                writer.apply_watcher_event(&event);
            }
        }
        let mut names: Vec<String> =
            reader.state().iter().map(|one| one.metadata.name.clone().unwrap_or_default()).collect();
        names.sort();
        let ready = tokio::time::timeout(std::time::Duration::from_millis(1), reader.wait_until_ready()).await;
        (names, ready.is_ok())
    }

    #[tokio::test]
    async fn the_store_is_ready_once_every_namespace_was_listed_and_then_follows_each() {
        use Event::{Apply, Delete, Init, InitApply, InitDone};
        let half = vec![("a", Init), ("a", InitApply(new_client("a", "one"))), ("a", InitDone), ("b", Init)];
        assert!(!play_events(half.clone()).await.1, "one namespace is not all");
        let both = [half, vec![("b", InitApply(new_client("b", "two"))), ("b", InitDone)]].concat();
        assert_eq!(play_events(both.clone()).await, (vec!["one".to_owned(), "two".to_owned()], true));
        let more = vec![("a", Apply(new_client("a", "three"))), ("b", Delete(new_client("b", "two")))];
        assert_eq!(play_events([both.clone(), more].concat()).await.0, ["one", "three"]);
        // After a lost watch, a namespace is listed again: the other namespace stays, and objects that are not listed
        // are removed.
        let anew = vec![("a", Init), ("a", InitApply(new_client("a", "four"))), ("a", InitDone)];
        assert_eq!(play_events([both, anew].concat()).await.0, ["four", "two"]);
    }

    #[tokio::test]
    async fn what_goes_before_the_first_list_is_whole_is_not_kept() {
        use Event::{Apply, Delete, Init, InitApply, InitDone};
        let events = vec![
            ("a", Init),
            ("a", InitApply(new_client("a", "one"))),
            ("a", InitApply(new_client("a", "again"))),
            ("a", InitDone),
            ("a", Delete(new_client("a", "one"))),
            ("a", Delete(new_client("a", "again"))),
            ("a", Apply(new_client("a", "again"))),
            ("b", Init),
            ("b", InitDone),
        ];
        assert_eq!(play_events(events).await, (vec!["again".to_owned()], true));
    }
}
