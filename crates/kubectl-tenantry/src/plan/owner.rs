//! Finds other owners of a tenant in the cluster. Manifests take precedence, since they are applied next.

use kube::{Api, ResourceExt as _};
use tenantry_client::ListFreshness;
use tenantry_core::object::{
    ObjectName, OwnerSearchScope, ParentRef, ParsedObject, RequestedTenant, TenantResource, judge_hand_over, namespace,
};
use tenantry_core::{ObservedTenant, OwnerStatus, Place, TenantKind};
use tenantry_wire::Mark;

use super::evaluate::EvaluationContext;
use crate::inventory::InventoryObject;

/// An object that claims a tenant.
pub(super) struct OwnershipQuery<'a> {
    /// The tenant as it was read.
    pub(super) observed: &'a ObservedTenant,
    /// The mark of the object.
    pub(super) ours: &'a Mark,
    /// The owner that the object names in `takeFrom`.
    pub(super) take_from: Option<&'a str>,
    /// The context of the tenant.
    pub(super) site: &'a EvaluationContext<'a>,
}

impl OwnershipQuery<'_> {
    /// Finds the other owner of the tenant. An owner that cannot be read counts as an existing one that hands nothing
    /// over.
    pub(super) async fn find_owner<K: TenantResource>(&self) -> OwnerStatus {
        let Self { observed, ours, take_from, site } = self;
        let host = site.platform.host();
        let claimed = RequestedTenant {
            id: &observed.unique_id,
            host: &host,
            observed_mark: &observed.mark,
            ours,
            take_from: *take_from,
        };
        match claimed.owner_search_scope() {
            OwnerSearchScope::SameObject => OwnerStatus::Nobody,
            OwnerSearchScope::OtherCluster => OwnerStatus::OtherCluster,
            OwnerSearchScope::AtPlace(mark) if mark.kind != K::KIND.name() => OwnerStatus::KeepsTenant,
            OwnerSearchScope::AtPlace(mark) => self.check_owner_at::<K>(mark_place(mark)).await,
            OwnerSearchScope::AnyObject => {
                let mut known = site.ground.objects_of_kind::<K>().into_iter().flatten().map(|(_, subject)| subject);
                match known.find(|subject| claimed.is_owned_by(&subject.object)) {
                    Some(InventoryObject { object, .. }) => self.check_existing_owner(object).await,
                    None => match claimed.take_from_object() {
                        None => claimed.owner_if_not_found(),
                        Some(spot) => match self.check_owner_at::<K>(spot).await {
                            OwnerStatus::Gone => claimed.owner_if_not_found(),
                            answer => answer,
                        },
                    },
                }
            }
        }
    }

    /// Returns whether an existing object of another namespace owns the tenant. The operator then shows nothing of it.
    pub(super) async fn is_owned_in_other_namespace<K: TenantResource>(&self) -> bool {
        let Self { observed, ours, take_from, site } = self;
        let host = site.platform.host();
        let claimed = RequestedTenant {
            id: &observed.unique_id,
            host: &host,
            observed_mark: &observed.mark,
            ours,
            take_from: *take_from,
        };
        match claimed.owner_search_scope() {
            OwnerSearchScope::SameObject | OwnerSearchScope::OtherCluster => false,
            OwnerSearchScope::AtPlace(mark) if mark.namespace == ours.namespace => false,
            OwnerSearchScope::AtPlace(mark) => self.check_owner_at::<K>(mark_place(mark)).await != OwnerStatus::Gone,
            OwnerSearchScope::AnyObject => {
                let mut known = site.ground.objects_of_kind::<K>().into_iter().flatten().map(|(_, subject)| subject);
                let owner = known.find(|subject| claimed.is_owned_by(&subject.object));
                owner.is_some_and(|subject| namespace(&subject.object) != ours.namespace)
            }
        }
    }

    async fn check_owner_at<K: TenantResource>(&self, object_name: ObjectName<'_>) -> OwnerStatus {
        let ObjectName { namespace, name } = object_name;
        let key = (namespace.to_owned(), name.to_owned());
        if let Some(subject) = self.site.ground.objects_of_kind::<K>().and_then(|subjects| subjects.get(&key)) {
            return self.check_existing_owner(&subject.object).await;
        }
        let Some(cluster) = self.site.cluster else { return OwnerStatus::KeepsTenant };
        let found = Api::<ParsedObject<K>>::namespaced(cluster.client.clone(), namespace).get_opt(name).await;
        match found.map(|found| found.map(ParsedObject::into_understood)) {
            Ok(None) => OwnerStatus::Gone,
            Ok(Some(Ok(owner))) => self.check_existing_owner(&owner).await,
            Ok(Some(Err(_))) | Err(_) => OwnerStatus::KeepsTenant,
        }
    }

    async fn check_existing_owner<K: TenantResource>(&self, owner: &K) -> OwnerStatus {
        match judge_hand_over(owner, self.ours) {
            OwnerStatus::HandsOver if self.has_clients(owner).await => OwnerStatus::HasClients,
            answer => answer,
        }
    }

    /// Returns whether Clients belong to the Partner that is handed over, declared or existing. What cannot be read
    /// counts as a Client.
    async fn has_clients<K: TenantResource>(&self, owner: &K) -> bool {
        if K::KIND == TenantKind::Client {
            return false;
        }
        let Self { observed, ours: _, take_from: _, site } = self;
        let parents =
            [ParentRef::Object(namespace(owner), owner.name_any()), ParentRef::Id(observed.unique_id.clone())];
        if site.ground.clients.values().any(|client| parents.contains(&client.object.parent())) {
            return true;
        }
        let under = Place::Clients { msp: observed.unique_id.clone() };
        !site
            .platform
            .list_live_tenants(&under, ListFreshness::Recent)
            .await
            .is_ok_and(|living| living.display_names().next().is_none())
    }
}

/// Returns the name of the object that a mark names.
fn mark_place(mark: &Mark) -> ObjectName<'_> {
    ObjectName { namespace: &mark.namespace, name: &mark.name }
}
