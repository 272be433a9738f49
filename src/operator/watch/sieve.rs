//! What a watch brings, parted into objects that this release understands and others. Only the former reach the store.

use std::collections::HashSet;

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::Event;

use crate::object::{NotUnderstood, Reading};
use crate::operator::context::Context;
use crate::operator::object::TenantObject;
use crate::operator::wake;

/// Parts the events of one watch.
pub(super) struct Sieve<K: TenantObject> {
    /// Its namespace; none where it watches all.
    space: Option<String>,
    /// Objects of the list under way that are not understood.
    listed: HashSet<ObjectRef<K>>,
}

impl<K: TenantObject> Sieve<K> {
    /// For the watch of a namespace, or of all.
    pub(super) fn new(space: Option<String>) -> Self {
        Self { space, listed: HashSet::new() }
    }

    /// What an event comes to for the store.
    pub(super) fn take(&mut self, event: Event<Reading<K>>, context: &Context) -> Option<Event<K>> {
        let newer = &K::room(context).newer;
        match event {
            Event::Init => {
                self.listed.clear();
                Some(Event::Init)
            }
            Event::InitApply(Reading::NotUnderstood(object)) => {
                self.listed.insert(key::<K>(&object));
                keep::<K>(*object, context);
                None
            }
            Event::InitDone => {
                newer.keep_listed(self.space.as_deref(), &std::mem::take(&mut self.listed));
                Some(Event::InitDone)
            }
            Event::InitApply(reading) => {
                let object = newer.understand(reading)?;
                let was_kept = newer.forget(&ObjectRef::from_obj(&object));
                Some(Event::InitApply(understood(object, was_kept, context)))
            }
            Event::Apply(Reading::NotUnderstood(object)) => {
                let key = key::<K>(&object);
                keep::<K>(*object, context);
                // It leaves the store, and with it every pass.
                K::room(context).store.get(&key).map(|before| Event::Delete(before.as_ref().clone()))
            }
            Event::Apply(reading) => {
                let object = newer.understand(reading)?;
                let was_kept = newer.forget_older(&object);
                Some(Event::Apply(understood(object, was_kept, context)))
            }
            Event::Delete(reading) => {
                let key = ObjectRef::new(&reading.name_any()).within(&reading.namespace().unwrap_or_default());
                newer.forget_all(&key);
                match reading {
                    Reading::Understood(understood) => Some(Event::Delete(understood.object)),
                    Reading::NotUnderstood(_) => {
                        K::room(context).store.get(&key).map(|before| Event::Delete(before.as_ref().clone()))
                    }
                }
            }
        }
    }
}

fn key<K: TenantObject>(object: &NotUnderstood) -> ObjectRef<K> {
    ObjectRef::new(object.name()).within(object.namespace())
}

/// Keeps an object apart. The Clients of a Partner learn of it, since they wait from now on.
fn keep<K: TenantObject>(object: NotUnderstood, context: &Context) {
    let key = key::<K>(&object);
    K::room(context).newer.put(object);
    wake::clients_under::<K>(&key, context);
}

fn understood<K: TenantObject>(object: K, was_kept: bool, context: &Context) -> K {
    if was_kept {
        // Its Clients wait: the next pass over it must wake them.
        K::room(context).remember(&object, |memory| memory.fingerprint = None);
    }
    object
}
