//! Who else in this cluster owns a tenant. The owner's object is read from the API server; what another object claims
//! about it does not count.

use kube::{Api, ResourceExt};
use tenantry_api::Partner;
use tenantry_client::ListFreshness;
use tenantry_core::object::{
    ObjectName, OwnerSearchScope, ParsedObject, RequestedTenant, hand_over_target, has_adopted, judge_hand_over,
    tenant_handed_over_outcome,
};
use tenantry_core::{ObservedMark, ObservedTenant, OwnerStatus, Place};
use tenantry_wire::Mark;

use super::super::context::Context;
use super::super::not_understood::list_clients_under;
use super::super::pass_stop::PassStop;
use super::super::resolve_references::TenantReferences;
use super::super::tenant_object::{TenantObject, namespace};

/// An object that asks for a tenant, and that tenant.
pub(super) struct ClusterOwnerQuery<'a> {
    /// The tenant as it was read.
    pub(super) observed: &'a ObservedTenant,
    /// The mark of the object.
    pub(super) ours: &'a Mark,
    /// The owner from which the object asks to take the tenant.
    pub(super) take_from: Option<&'a str>,
    /// The resolved references of the object.
    pub(super) referenced: &'a TenantReferences,
}

/// Where another owner is.
enum LocatedOwner {
    /// Not in this cluster, and what that means.
    NotInCluster(OwnerStatus),
    /// An object of this cluster, which itself declares what it does with the tenant.
    Object(OwnerObject),
    /// An object in this namespace that cannot be read.
    Unreadable(String),
}

/// Namespace and name of an owner.
struct OwnerObject {
    namespace: String,
    name: String,
    /// What it means if this object does not exist.
    if_absent: OwnerStatus,
}

impl OwnerObject {
    fn as_key(&self) -> ObjectName<'_> {
        ObjectName { namespace: &self.namespace, name: &self.name }
    }
}

impl ClusterOwnerQuery<'_> {
    /// Returns who else owns the tenant. An owner that cannot be read counts as existing and handing nothing over.
    pub(super) async fn find_owner<K: TenantObject>(&self, context: &Context) -> OwnerStatus {
        match self.locate_owner::<K>(context) {
            LocatedOwner::NotInCluster(owner) => owner,
            LocatedOwner::Unreadable(_) => OwnerStatus::KeepsTenant,
            LocatedOwner::Object(at) => match self.read_owner_answer::<K>(at.as_key(), context).await {
                OwnerStatus::Gone => at.if_absent,
                answer => answer,
            },
        }
    }

    /// Returns whether an existing object in another namespace of this cluster owns the tenant. A user who may write
    /// the asking object must not learn from it what that tenant contains.
    pub(super) async fn is_owned_by_other_namespace<K: TenantObject>(&self, context: &Context) -> bool {
        let own = &self.ours.namespace;
        match self.locate_owner::<K>(context) {
            LocatedOwner::NotInCluster(_) => false,
            LocatedOwner::Unreadable(namespace) => namespace != *own,
            LocatedOwner::Object(at) if at.namespace == *own => false,
            LocatedOwner::Object(at) => self.read_owner_answer::<K>(at.as_key(), context).await != OwnerStatus::Gone,
        }
    }

    fn locate_owner<K: TenantObject>(&self, context: &Context) -> LocatedOwner {
        let Self { observed, ours, take_from, referenced } = self;
        let host = referenced.platform.host();
        let claimed = RequestedTenant {
            id: &observed.unique_id,
            host: &host,
            observed_mark: &observed.mark,
            ours,
            take_from: *take_from,
        };
        match claimed.owner_search_scope() {
            OwnerSearchScope::SameObject => LocatedOwner::NotInCluster(OwnerStatus::Nobody),
            OwnerSearchScope::OtherCluster => LocatedOwner::NotInCluster(OwnerStatus::OtherCluster),
            OwnerSearchScope::AtPlace(mark) if mark.kind != K::KIND.name() => {
                LocatedOwner::Unreadable(mark.namespace.clone())
            }
            OwnerSearchScope::AtPlace(Mark { namespace, name, .. }) => LocatedOwner::Object(OwnerObject {
                namespace: namespace.clone(),
                name: name.clone(),
                if_absent: OwnerStatus::Gone,
            }),
            OwnerSearchScope::AnyObject => {
                let newer = K::kind_state(context).not_understood.list();
                let held = newer.iter().find(|other| other.has_finalizer() && other.unique_id() == Some(claimed.id));
                if let Some(held) = held {
                    return LocatedOwner::Unreadable(held.namespace().to_owned());
                }
                let mut known = K::kind_state(context)
                    .store
                    .state()
                    .into_iter()
                    .map(|one| K::kind_state(context).newest_version(one));
                if let Some(other) = known.find(|other| claimed.is_owned_by(other.as_ref())) {
                    let (namespace, name) = (namespace(other.as_ref()), other.name_any());
                    return LocatedOwner::Object(OwnerObject { namespace, name, if_absent: OwnerStatus::Gone });
                }
                match claimed.take_from_object() {
                    None => LocatedOwner::NotInCluster(claimed.owner_if_not_found()),
                    Some(ObjectName { namespace, name }) => LocatedOwner::Object(OwnerObject {
                        namespace: namespace.to_owned(),
                        name: name.to_owned(),
                        if_absent: claimed.owner_if_not_found(),
                    }),
                }
            }
        }
    }

    async fn read_owner_answer<K: TenantObject>(&self, key: ObjectName<'_>, context: &Context) -> OwnerStatus {
        let found = Api::<ParsedObject<K>>::namespaced(context.client.clone(), key.namespace).get_opt(key.name).await;
        let answered = match found.map(|found| found.map(ParsedObject::into_understood)) {
            Ok(None) => return OwnerStatus::Gone,
            Ok(Some(Ok(owner))) => (judge_hand_over(&owner, self.ours), owner),
            Ok(Some(Err(_))) | Err(_) => return OwnerStatus::KeepsTenant,
        };
        match answered {
            (OwnerStatus::HandsOver, owner) if self.has_clients(&owner, context).await => OwnerStatus::HasClients,
            (answer, _) => answer,
        }
    }

    /// Returns whether the Partner that is handed over has Clients, declared or live; what cannot be read counts as one.
    async fn has_clients<K: TenantObject>(&self, owner: &K, context: &Context) -> bool {
        let Some(partner) = (owner as &dyn std::any::Any).downcast_ref::<Partner>() else { return false };
        let others = list_clients_under(&namespace(partner), &partner.name_any(), context);
        if !context.list_clients_of(partner).is_empty() || !others.is_empty() {
            return true;
        }
        let under = Place::Clients { msp: self.observed.unique_id.clone() };
        let active = self.referenced.platform.list_live_tenants(&under, ListFreshness::Current).await;
        !active.is_ok_and(|living| living.display_names().next().is_none())
    }
}

/// Stops a pass over an object whose tenant carries no mark, once the hand-over receiver has taken it. With a mark, the
/// mark shows that.
pub(super) async fn stop_if_handed_over<K: TenantObject>(
    object: &K,
    observed: &ObservedTenant,
    context: &Context,
) -> Result<(), PassStop> {
    if is_taken_without_mark(object, observed, context).await? {
        return Err(tenant_handed_over_outcome(object, &observed.unique_id).into());
    }
    Ok(())
}

/// Returns whether a tenant without a mark was taken by the hand-over receiver.
pub(crate) async fn is_taken_without_mark<K: TenantObject>(
    object: &K,
    observed: &ObservedTenant,
    context: &Context,
) -> Result<bool, kube::Error> {
    let Some((space, name)) = hand_over_target(object) else { return Ok(false) };
    let shows_nobody = matches!(observed.mark, ObservedMark::None | ObservedMark::Occupied | ObservedMark::Unreadable);
    if !shows_nobody {
        return Ok(false);
    }
    let found = Api::<ParsedObject<K>>::namespaced(context.client.clone(), &space).get_opt(&name).await?;
    let receiver = found.and_then(|found| found.into_understood().ok());
    Ok(receiver.is_some_and(|receiver| has_adopted(&receiver, &observed.unique_id)))
}
