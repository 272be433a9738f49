//! Who must look again when an object has changed.

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use super::context::Context;
use super::object::{Object as _, Parent, TenantObject, as_partner, is_deleting, namespace};
use crate::api::{ConditionType, Partner, Reason};
use crate::object::{ready_reason, receiver};
use crate::plan::{Digest, Kind, Outcome, Truth};

/// Wakes the Clients of a Partner when anything changed that they take from it.
pub(crate) fn users_of<K: TenantObject>(object: &K, context: &Context) {
    let Some(partner) = as_partner(object) else { return };
    let fingerprint = fingerprint(partner);
    let before = context.partners.remember(partner, |memory| memory.fingerprint.replace(fingerprint.clone()));
    if before.as_ref() == Some(&fingerprint) {
        return;
    }
    clients_of(partner, context);
}

/// Wakes the Clients of a Partner.
pub(crate) fn clients_of(partner: &Partner, context: &Context) {
    for client in context.clients_of(partner) {
        context.clients.wake(ObjectRef::from_obj(client.as_ref()));
    }
}

/// Wakes the other side of a hand-over: who is to take the tenant, or, once it was taken, who handed it over. Each is woken
/// once, since two that answer each other would never rest.
pub(crate) fn hand_over<K: TenantObject>(object: &K, has_taken: bool, context: &Context) {
    let room = K::room(context);
    let receiver_now = receiver(object).filter(|_| ready_reason(object) != Some(Reason::HandedOver.name()));
    let (woken, has_woken) = room.remember(object, |memory| {
        let woken = std::mem::replace(&mut memory.woken_receiver, receiver_now.clone());
        (woken, std::mem::replace(&mut memory.has_woken_givers, has_taken))
    });
    if let Some((space, name)) = receiver_now.filter(|now| woken.as_ref() != Some(now)) {
        room.wake(ObjectRef::new(&name).within(&space));
    }
    if has_taken && !has_woken {
        let own = (namespace(object), object.name_any());
        for giver in room.store.state().iter().filter(|other| receiver(other.as_ref()).as_ref() == Some(&own)) {
            room.wake(ObjectRef::from_obj(giver.as_ref()));
        }
    }
}

/// Wakes the Clients that name a Partner which is not understood any more.
pub(crate) fn clients_under<K: TenantObject>(partner: &ObjectRef<K>, context: &Context) {
    if K::KIND != Kind::Partner {
        return;
    }
    let wanted = Parent::Object(partner.namespace.clone().unwrap_or_default(), partner.name.clone());
    for client in context.clients.store.state().iter().filter(|client| client.parent() == wanted) {
        context.clients.wake(ObjectRef::from_obj(client.as_ref()));
    }
}

/// Wakes the Partner of a Client that has been let go: it may be waiting for that.
pub(crate) fn parent_of<K: TenantObject>(object: &K, context: &Context) {
    if let Parent::Object(namespace, name) = object.parent()
        && context.partner(&namespace, &name).is_some_and(|partner| is_deleting(partner.as_ref()))
    {
        context.partners.wake(ObjectRef::new(&name).within(&namespace));
    }
}

fn fingerprint(partner: &Partner) -> String {
    let status = partner.status.as_ref();
    let text = serde_json::json!([
        status.and_then(|status| status.unique_id.as_ref()),
        status.map(|status| &status.effective),
        status.map(|status| {
            let ready = status.conditions.iter().find(|one| one.type_ == ConditionType::Ready.name());
            ready.map(|ready| ready.status == Truth::True.name())
        }),
        status.and_then(|status| status.phase),
        partner.spec.clients,
        partner.spec.connection_secret_ref,
        partner.spec.packages,
        partner.spec.add_ons,
        is_deleting(partner),
    ]);
    Digest::of(text.to_string().as_bytes()).hex().to_owned()
}

/// The reason that an outcome is counted and logged under.
pub(crate) fn reason(outcome: &Outcome) -> Reason {
    match outcome {
        Outcome::Settled(situation) if situation.rest.is_empty() => Reason::AsDeclared,
        Outcome::Settled(_) => Reason::Drifted,
        Outcome::Paused(_) => Reason::ManagementPaused,
        Outcome::Awaiting(_) => Reason::ApprovalNeeded,
        Outcome::Unresolved(reason, _)
        | Outcome::Unauthorised(reason, _)
        | Outcome::Refused(reason, _)
        | Outcome::Failed(reason, _)
        | Outcome::Held(reason, _)
        | Outcome::Ending(reason, _)
        | Outcome::Leaving(reason, _) => *reason,
    }
}
