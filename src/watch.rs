//! Watches: enqueue an object when something relevant to it changes.

mod merged_watches;
mod understood_filter;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::select_all;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::api::{Api, PartialObjectMeta};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::reflector::store::Writer;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{Config, DefaultBackoff, Event};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource, ResourceExt};
use tenantry_api::{ABANDON, RECONCILE_REQUESTED_AT, WATCH_LABEL};
use tenantry_core::object::ParsedObject;

use merged_watches::MergedWatches;
use understood_filter::UnderstoodFilter;

use super::FIELD_MANAGER;
use super::context::Context;
use super::enqueue_related;
use super::installation::is_managed_elsewhere;
use super::tenant_object::{TenantObject, has_finalizer, image_references, is_status_current, namespace};

/// Keeps the store of a kind, and enqueues an object when something changed that a pass reads. Our own writes to
/// status, finalizer and intent do not count.
pub(crate) async fn watch_kind<K: TenantObject>(client: Client, writer: Writer<K>, context: Arc<Context>) {
    let spaces = &context.settings.namespaces;
    let mut joined = MergedWatches::new(spaces, K::kind_state(&context).store.clone());
    // Each object is parsed on its own, so that an object of a newer release does not break a list.
    let watched = namespaced_apis::<ParsedObject<K>>(&client, spaces).into_iter().map(|(space, api)| {
        let (mut sieve, context) = (UnderstoodFilter::new(space.clone()), Arc::clone(&context));
        let events = watcher(api, Config::default()).backoff(CappedBackoff::default());
        let understood = events.filter_map(move |event| {
            std::future::ready(match event {
                Ok(event) => sieve.filter_event(event, &context).map(Ok),
                Err(error) => Some(Err(error)),
            })
        });
        understood.map(move |event| (space.clone(), event))
    });
    let ordered = select_all(watched.map(StreamExt::boxed)).flat_map(|(space, event)| {
        // Without a list of namespaces there is one watch, whose events are in order already.
        let events = match (space, event) {
            (Some(space), Ok(event)) => {
                let late = joined.late_deletions().into_iter();
                late.chain(joined.merge_event(&space, event)).map(Ok).collect()
            }
            (_, event) => vec![event],
        };
        futures::stream::iter(events)
    });
    let events = ordered.modify(|object| trim_managed_fields(object.managed_fields_mut())).reflect(writer);
    let mut events = pin!(events);
    let mut seen: HashMap<ObjectRef<K>, WatchedState> = HashMap::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => {
                K::kind_state(&context).clear_superseded_write(&object);
                let key = ObjectRef::from_obj(&object);
                let now = WatchedState::of_object(&object, &context);
                let before = seen.insert(key.clone(), now);
                if before.is_none_or(|before| before.is_due(now)) {
                    K::kind_state(&context).enqueue(key);
                }
            }
            Ok(Event::Delete(object)) => {
                seen.remove(&ObjectRef::from_obj(&object));
                K::kind_state(&context).remove_memory(&object);
                enqueue_related::enqueue_deleting_partner(&object, &context);
            }
            Ok(Event::Init | Event::InitDone) => {}
            Err(error) => {
                context.metrics.count_watch_failure(K::KIND.name());
                tracing::warn!(kind = K::KIND.name(), %error, "the watch failed and is begun again");
            }
        }
    }
}

/// Returns an API for all namespaces, or one for each of the namespaces in the flags.
pub(crate) fn namespaced_apis<K>(client: &Client, namespaces: &[String]) -> Vec<(Option<String>, Api<K>)>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    if namespaces.is_empty() {
        return vec![(None, Api::all(client.clone()))];
    }
    namespaces.iter().map(|space| (Some(space.clone()), Api::namespaced(client.clone(), space))).collect()
}

/// Keeps of the managed fields only the last writer, for the audit log: the rest is the larger part of an object.
fn trim_managed_fields(entries: &mut Vec<ManagedFieldsEntry>) {
    entries.retain(|entry| {
        entry.subresource.as_deref().is_none_or(str::is_empty) && entry.manager.as_deref() != Some(FIELD_MANAGER)
    });
    let last = entries.iter().map(|entry| entry.time.as_ref().map(|time| time.0)).max().flatten();
    entries.retain(|entry| entry.time.as_ref().map(|time| time.0) == last);
    entries.truncate(1);
    for entry in entries {
        entry.fields_v1 = None;
    }
}

/// Backoff between the attempts of a watch. It is capped, so that the operator does not still sleep when the API server
/// is back or the kinds exist: three watches of one process are no load.
#[derive(Default)]
struct CappedBackoff(DefaultBackoff);

/// Longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

impl Iterator for CappedBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0.next().map(|pause| pause.min(LONGEST_PAUSE))
    }
}

impl Backoff for CappedBackoff {
    fn reset(&mut self) {
        self.0.reset();
    }
}

/// The state of a watched object, as far as a change of it makes the object due.
#[derive(Clone, Copy)]
struct WatchedState {
    relevance: u64,
    is_held: bool,
    is_settled: bool,
    is_elsewhere: bool,
}

impl WatchedState {
    fn of_object<K: TenantObject>(object: &K, context: &Context) -> Self {
        Self {
            relevance: relevance_hash(object),
            is_held: has_finalizer(object),
            is_settled: is_status_current(object),
            is_elsewhere: is_managed_elsewhere(object, context),
        }
    }

    /// Returns whether the change to `now` makes the object due. Our own writes add the finalizer and fill status, so
    /// only their loss comes from somebody else. Only others change which installation manages the object.
    const fn is_due(self, now: Self) -> bool {
        self.relevance != now.relevance
            || self.is_held && !now.is_held
            || self.is_settled && !now.is_settled
            || self.is_elsewhere != now.is_elsewhere
    }
}

fn relevance_hash<K: TenantObject>(object: &K) -> u64 {
    let mut hasher = DefaultHasher::new();
    object.uid().hash(&mut hasher);
    object.meta().generation.hash(&mut hasher);
    object.meta().deletion_timestamp.is_some().hash(&mut hasher);
    for annotation in [RECONCILE_REQUESTED_AT, ABANDON] {
        object.annotations().get(annotation).hash(&mut hasher);
    }
    hasher.finish()
}

/// Enqueues the objects that use an image of a labelled ConfigMap. Only names are watched, never contents.
pub(crate) async fn watch_images(client: Client, context: Arc<Context>) {
    let config = Config::default().labels(&format!("{WATCH_LABEL}=true"));
    let maps = namespaced_apis::<PartialObjectMeta<ConfigMap>>(&client, &context.settings.namespaces).into_iter();
    let mut events =
        select_all(maps.map(|(_, api)| watcher(api, config.clone()).backoff(CappedBackoff::default()).boxed()));
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(map) | Event::Delete(map)) => {
                let place = (map.namespace().unwrap_or_default(), map.name_any());
                enqueue_image_users(&context.partners, &place);
                enqueue_image_users(&context.clients, &place);
            }
            // Objects are enqueued anyway when the operator starts.
            Ok(Event::Init | Event::InitApply(_) | Event::InitDone) => {}
            Err(error) => {
                context.metrics.count_watch_failure("ConfigMap");
                tracing::warn!(%error, "the watch of ConfigMaps failed and is begun again");
            }
        }
    }
}

fn enqueue_image_users<K: TenantObject>(
    kind_state: &super::context::KindState<K>,
    (map_namespace, name): &(String, String),
) {
    for object in kind_state.store.state() {
        let uses = image_references(object.branding()).iter().any(|key| key.name == *name);
        if uses && namespace(object.as_ref()) == *map_namespace {
            kind_state.enqueue(ObjectRef::from_obj(object.as_ref()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_try_of_a_watch_comes_after_a_pause_that_grows_up_to_its_bound() {
        let pauses: Vec<Duration> = CappedBackoff::default().take(20).collect();
        assert!(pauses.iter().all(|pause| !pause.is_zero() && *pause <= LONGEST_PAUSE), "{pauses:?}");
        assert!(pauses[0] < LONGEST_PAUSE && pauses[19] == LONGEST_PAUSE, "{pauses:?}");
    }
}
