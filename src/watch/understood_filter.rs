//! Splits the objects of a watch into those that this release understands and others. Only the former reach the store.

use std::collections::HashSet;

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::Event;
use tenantry_core::object::{NotUnderstoodObject, ParsedObject};

use crate::context::Context;
use crate::enqueue_related;
use crate::tenant_object::TenantObject;

/// Filters the events of one watch.
pub(super) struct UnderstoodFilter<K: TenantObject> {
    /// Its namespace; `None` if it watches all namespaces.
    namespace: Option<String>,
    /// Objects of the list in progress that are not understood.
    listed: HashSet<ObjectRef<K>>,
}

impl<K: TenantObject> UnderstoodFilter<K> {
    /// Builds a filter for the watch of a namespace, or of all.
    pub(super) fn new(namespace: Option<String>) -> Self {
        Self { namespace, listed: HashSet::new() }
    }

    /// Returns the event for the store, if any.
    pub(super) fn filter_event(&mut self, event: Event<ParsedObject<K>>, context: &Context) -> Option<Event<K>> {
        let newer = &K::kind_state(context).not_understood;
        match event {
            Event::Init => {
                self.listed.clear();
                Some(Event::Init)
            }
            Event::InitApply(ParsedObject::NotUnderstood(object)) => {
                self.listed.insert(object_key::<K>(&object));
                store_not_understood::<K>(*object, context);
                None
            }
            Event::InitDone => {
                newer.retain_listed(self.namespace.as_deref(), &std::mem::take(&mut self.listed));
                Some(Event::InitDone)
            }
            Event::InitApply(reading) => {
                let object = newer.accept_reading(reading)?;
                let was_kept = newer.remove(&ObjectRef::from_obj(&object));
                Some(Event::InitApply(accept_understood(object, was_kept, context)))
            }
            Event::Apply(ParsedObject::NotUnderstood(object)) => {
                let key = object_key::<K>(&object);
                store_not_understood::<K>(*object, context);
                // It leaves the store, so that no pass can see it.
                K::kind_state(context).store.get(&key).map(|before| Event::Delete(before.as_ref().clone()))
            }
            Event::Apply(reading) => {
                let object = newer.accept_reading(reading)?;
                let was_kept = newer.remove_older(&object);
                Some(Event::Apply(accept_understood(object, was_kept, context)))
            }
            Event::Delete(reading) => {
                let key = ObjectRef::new(&reading.name_any()).within(&reading.namespace().unwrap_or_default());
                newer.remove_with_status(&key);
                match reading {
                    ParsedObject::Understood(understood) => Some(Event::Delete(understood.object)),
                    ParsedObject::NotUnderstood(_) => {
                        K::kind_state(context).store.get(&key).map(|before| Event::Delete(before.as_ref().clone()))
                    }
                }
            }
        }
    }
}

fn object_key<K: TenantObject>(object: &NotUnderstoodObject) -> ObjectRef<K> {
    ObjectRef::new(object.name()).within(object.namespace())
}

/// Keeps an object apart, and enqueues the Clients of a Partner, since they wait from now on.
fn store_not_understood<K: TenantObject>(object: NotUnderstoodObject, context: &Context) {
    let key = object_key::<K>(&object);
    K::kind_state(context).not_understood.insert(object);
    enqueue_related::enqueue_clients_naming::<K>(&key, context);
}

fn accept_understood<K: TenantObject>(object: K, was_not_understood: bool, context: &Context) -> K {
    if was_not_understood {
        // Its Clients wait: the next pass over it must enqueue them.
        K::kind_state(context).with_memory(&object, |memory| memory.inherited_fingerprint = None);
    }
    object
}
