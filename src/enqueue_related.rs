//! Which objects are enqueued when another object has changed.

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use tenantry_api::{ConditionType, Partner, Reason};
use tenantry_core::object::{hand_over_target, ready_reason};
use tenantry_core::{ConditionStatus, Digest, PassOutcome, TenantKind};

use super::context::Context;
use super::tenant_object::{ParentRef, TenantObject, TenantResource as _, as_partner, is_deleting, namespace};

/// Enqueues the Clients of a Partner when anything changed that they inherit from it.
pub(crate) fn enqueue_clients_on_change<K: TenantObject>(object: &K, context: &Context) {
    let Some(partner) = as_partner(object) else { return };
    let fingerprint = inherited_fingerprint(partner);
    let before =
        context.partners.with_memory(partner, |memory| memory.inherited_fingerprint.replace(fingerprint.clone()));
    if before.as_ref() == Some(&fingerprint) {
        return;
    }
    enqueue_clients_of(partner, context);
}

/// Enqueues the Clients of a Partner.
pub(crate) fn enqueue_clients_of(partner: &Partner, context: &Context) {
    for client in context.list_clients_of(partner) {
        context.clients.enqueue(ObjectRef::from_obj(client.as_ref()));
    }
}

/// Enqueues the other side of a hand-over: the receiver, or, once the tenant was taken, the objects that handed it
/// over. Each is enqueued once, since two objects that answer each other would loop for ever.
pub(crate) fn enqueue_hand_over_parties<K: TenantObject>(object: &K, has_taken: bool, context: &Context) {
    let kind_state = K::kind_state(context);
    let receiver_now = hand_over_target(object).filter(|_| ready_reason(object) != Some(Reason::HandedOver.name()));
    let (woken, has_woken) = kind_state.with_memory(object, |memory| {
        let notified = std::mem::replace(&mut memory.notified_receiver, receiver_now.clone());
        (notified, std::mem::replace(&mut memory.has_notified_givers, has_taken))
    });
    if let Some((space, name)) = receiver_now.filter(|now| woken.as_ref() != Some(now)) {
        kind_state.enqueue(ObjectRef::new(&name).within(&space));
    }
    if has_taken && !has_woken {
        let own = (namespace(object), object.name_any());
        for giver in
            kind_state.store.state().iter().filter(|other| hand_over_target(other.as_ref()).as_ref() == Some(&own))
        {
            kind_state.enqueue(ObjectRef::from_obj(giver.as_ref()));
        }
    }
}

/// Enqueues the Clients that name a Partner which is no longer understood.
pub(crate) fn enqueue_clients_naming<K: TenantObject>(partner: &ObjectRef<K>, context: &Context) {
    if K::KIND != TenantKind::Partner {
        return;
    }
    let wanted = ParentRef::Object(partner.namespace.clone().unwrap_or_default(), partner.name.clone());
    for client in context.clients.store.state().iter().filter(|client| client.parent() == wanted) {
        context.clients.enqueue(ObjectRef::from_obj(client.as_ref()));
    }
}

/// Enqueues the Partner of a Client that was released: its deletion may be waiting for that.
pub(crate) fn enqueue_deleting_partner<K: TenantObject>(object: &K, context: &Context) {
    if let ParentRef::Object(namespace, name) = object.parent()
        && context.find_partner(&namespace, &name).is_some_and(|partner| is_deleting(partner.as_ref()))
    {
        context.partners.enqueue(ObjectRef::new(&name).within(&namespace));
    }
}

fn inherited_fingerprint(partner: &Partner) -> String {
    let status = partner.status.as_ref();
    let text = serde_json::json!([
        status.and_then(|status| status.unique_id.as_ref()),
        status.map(|status| &status.effective),
        status.map(|status| {
            let ready = status.conditions.iter().find(|one| one.type_ == ConditionType::Ready.name());
            ready.map(|ready| ready.status == ConditionStatus::True.name())
        }),
        status.and_then(|status| status.phase),
        partner.spec.clients,
        partner.spec.connection_secret_ref,
        partner.spec.packages,
        partner.spec.add_ons,
        is_deleting(partner),
    ]);
    Digest::of_bytes(text.to_string().as_bytes()).hex().to_owned()
}

/// Returns the reason that an outcome is counted and logged under.
pub(crate) fn outcome_reason(outcome: &PassOutcome) -> Reason {
    match outcome {
        PassOutcome::Settled(situation) if situation.remaining_plan.is_empty() => Reason::AsDeclared,
        PassOutcome::Settled(_) => Reason::Drifted,
        PassOutcome::Paused(_) => Reason::ManagementPaused,
        PassOutcome::AwaitingApproval(_) => Reason::ApprovalNeeded,
        PassOutcome::Unresolved(reason, _)
        | PassOutcome::Unauthorised(reason, _)
        | PassOutcome::Refused(reason, _)
        | PassOutcome::Failed(reason, _)
        | PassOutcome::DeletionHeld(reason, _)
        | PassOutcome::Terminating(reason, _)
        | PassOutcome::Releasing(reason, _) => *reason,
    }
}
