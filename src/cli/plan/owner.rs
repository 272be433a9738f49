//! Who else of the cluster owns a tenant, from the manifests first, since they say what will be there.

use kube::{Api, ResourceExt as _};

use super::judge::Site;
use crate::cli::ground::Subject;
use crate::connect::{Freshness, Place};
use crate::object::{Claimant, Claimed, Object, Parent, Reading, Spot, answer, namespace};
use crate::plan::{Kind, Observed, Owner};
use crate::wire::Mark;

/// An object that asks for a tenant.
pub(super) struct Asking<'a> {
    /// The tenant as it was read.
    pub(super) observed: &'a Observed,
    /// Mark of the object.
    pub(super) ours: &'a Mark,
    /// Owner that the object names to take the tenant from.
    pub(super) take_from: Option<&'a str>,
    /// Where the tenant stands.
    pub(super) site: &'a Site<'a>,
}

impl Asking<'_> {
    /// Who else owns the tenant. What cannot be read counts as a living owner that hands nothing over.
    pub(super) async fn owner<K: Object>(&self) -> Owner {
        let Self { observed, ours, take_from, site } = self;
        let host = site.platform.host();
        let claimed =
            Claimed { id: &observed.unique_id, host: &host, seen: &observed.mark, ours, take_from: *take_from };
        match claimed.claimant() {
            Claimant::This => Owner::Nobody,
            Claimant::Elsewhere => Owner::Elsewhere,
            Claimant::At(mark) if mark.kind != K::KIND.name() => Owner::Keeps,
            Claimant::At(mark) => self.answer_of::<K>(spot(mark)).await,
            Claimant::Among => {
                let mut known = site.ground.subjects::<K>().into_iter().flatten().map(|(_, subject)| subject);
                match known.find(|subject| claimed.is_owned_by(&subject.object)) {
                    Some(Subject { object, .. }) => self.of_living(object).await,
                    None => match claimed.named_here() {
                        None => claimed.unfound(),
                        Some(spot) => match self.answer_of::<K>(spot).await {
                            Owner::Gone => claimed.unfound(),
                            answer => answer,
                        },
                    },
                }
            }
        }
    }

    /// Whether a living object of another namespace owns the tenant, so that the operator shows nothing of it.
    pub(super) async fn is_anothers<K: Object>(&self) -> bool {
        let Self { observed, ours, take_from, site } = self;
        let host = site.platform.host();
        let claimed =
            Claimed { id: &observed.unique_id, host: &host, seen: &observed.mark, ours, take_from: *take_from };
        match claimed.claimant() {
            Claimant::This | Claimant::Elsewhere => false,
            Claimant::At(mark) if mark.namespace == ours.namespace => false,
            Claimant::At(mark) => self.answer_of::<K>(spot(mark)).await != Owner::Gone,
            Claimant::Among => {
                let mut known = site.ground.subjects::<K>().into_iter().flatten().map(|(_, subject)| subject);
                let owner = known.find(|subject| claimed.is_owned_by(&subject.object));
                owner.is_some_and(|subject| namespace(&subject.object) != ours.namespace)
            }
        }
    }

    async fn answer_of<K: Object>(&self, spot: Spot<'_>) -> Owner {
        let Spot { namespace, name } = spot;
        let key = (namespace.to_owned(), name.to_owned());
        if let Some(subject) = self.site.ground.subjects::<K>().and_then(|subjects| subjects.get(&key)) {
            return self.of_living(&subject.object).await;
        }
        let Some(cluster) = self.site.cluster else { return Owner::Keeps };
        let found = Api::<Reading<K>>::namespaced(cluster.client.clone(), namespace).get_opt(name).await;
        match found.map(|found| found.map(Reading::understood)) {
            Ok(None) => Owner::Gone,
            Ok(Some(Ok(owner))) => self.of_living(&owner).await,
            Ok(Some(Err(_))) | Err(_) => Owner::Keeps,
        }
    }

    async fn of_living<K: Object>(&self, owner: &K) -> Owner {
        match answer(owner, self.ours) {
            Owner::HandsOver if self.has_clients(owner).await => Owner::HasClients,
            answer => answer,
        }
    }

    /// Whether Clients belong to the Partner that is handed over, declared or living; what cannot be read counts as one.
    async fn has_clients<K: Object>(&self, owner: &K) -> bool {
        if K::KIND == Kind::Client {
            return false;
        }
        let Self { observed, ours: _, take_from: _, site } = self;
        let parents = [Parent::Object(namespace(owner), owner.name_any()), Parent::Id(observed.unique_id.clone())];
        if site.ground.clients.values().any(|client| parents.contains(&client.object.parent())) {
            return true;
        }
        let under = Place::Clients { msp: observed.unique_id.clone() };
        !site.platform.living(&under, Freshness::Burst).await.is_ok_and(|living| living.names().next().is_none())
    }
}

/// Where the object of a mark stands.
fn spot(mark: &Mark) -> Spot<'_> {
    Spot { namespace: &mark.namespace, name: &mark.name }
}
