//! Who else of this cluster owns a tenant: read from the API server itself, since a stranger's word counts for nothing.

use kube::{Api, ResourceExt};

use super::super::context::Context;
use super::super::dereference::Referenced;
use super::super::error::Stop;
use super::super::newer::clients_under;
use super::super::object::{TenantObject, namespace};
use crate::api::Partner;
use crate::connect::{Freshness, Place};
use crate::object::{Claimant, Claimed, Reading, Spot, answer, handed_over, has_taken, receiver};
use crate::plan::{MarkSeen, Observed, Owner};
use crate::wire::Mark;

/// An object that asks for a tenant.
pub(super) struct Asking<'a> {
    /// The tenant as it was read.
    pub(super) observed: &'a Observed,
    /// Mark of the object.
    pub(super) ours: &'a Mark,
    /// Owner that it names to take the tenant from.
    pub(super) take_from: Option<&'a str>,
    /// What it refers to.
    pub(super) referenced: &'a Referenced,
}

/// Where another owner stands.
enum Standing {
    /// Nowhere in this cluster, and what that means.
    Nowhere(Owner),
    /// An object of this cluster, which says itself what it does with the tenant.
    At(Standpoint),
    /// One that cannot be asked, in this namespace.
    Silent(String),
}

/// Namespace and name of an owner.
struct Standpoint {
    namespace: String,
    name: String,
    /// What its absence means.
    unless: Owner,
}

impl Standpoint {
    fn spot(&self) -> Spot<'_> {
        Spot { namespace: &self.namespace, name: &self.name }
    }
}

impl Asking<'_> {
    /// Who else owns the tenant. What cannot be read counts as a living owner that hands nothing over.
    pub(super) async fn owner<K: TenantObject>(&self, context: &Context) -> Owner {
        match self.standing::<K>(context) {
            Standing::Nowhere(owner) => owner,
            Standing::Silent(_) => Owner::Keeps,
            Standing::At(at) => match self.answer_of::<K>(at.spot(), context).await {
                Owner::Gone => at.unless,
                answer => answer,
            },
        }
    }

    /// Whether a living object of another namespace of this cluster owns the tenant: who may write the one that asks must
    /// not read from it what stands there.
    pub(super) async fn is_anothers<K: TenantObject>(&self, context: &Context) -> bool {
        let own = &self.ours.namespace;
        match self.standing::<K>(context) {
            Standing::Nowhere(_) => false,
            Standing::Silent(namespace) => namespace != *own,
            Standing::At(at) if at.namespace == *own => false,
            Standing::At(at) => self.answer_of::<K>(at.spot(), context).await != Owner::Gone,
        }
    }

    fn standing<K: TenantObject>(&self, context: &Context) -> Standing {
        let Self { observed, ours, take_from, referenced } = self;
        let host = referenced.platform.host();
        let claimed =
            Claimed { id: &observed.unique_id, host: &host, seen: &observed.mark, ours, take_from: *take_from };
        match claimed.claimant() {
            Claimant::This => Standing::Nowhere(Owner::Nobody),
            Claimant::Elsewhere => Standing::Nowhere(Owner::Elsewhere),
            Claimant::At(mark) if mark.kind != K::KIND.name() => Standing::Silent(mark.namespace.clone()),
            Claimant::At(Mark { namespace, name, .. }) => {
                Standing::At(Standpoint { namespace: namespace.clone(), name: name.clone(), unless: Owner::Gone })
            }
            Claimant::Among => {
                let newer = K::room(context).newer.all();
                let held = newer.iter().find(|other| other.is_held() && other.unique_id() == Some(claimed.id));
                if let Some(held) = held {
                    return Standing::Silent(held.namespace().to_owned());
                }
                let mut known = K::room(context).store.state().into_iter().map(|one| K::room(context).current(one));
                if let Some(other) = known.find(|other| claimed.is_owned_by(other.as_ref())) {
                    let (namespace, name) = (namespace(other.as_ref()), other.name_any());
                    return Standing::At(Standpoint { namespace, name, unless: Owner::Gone });
                }
                match claimed.named_here() {
                    None => Standing::Nowhere(claimed.unfound()),
                    Some(Spot { namespace, name }) => Standing::At(Standpoint {
                        namespace: namespace.to_owned(),
                        name: name.to_owned(),
                        unless: claimed.unfound(),
                    }),
                }
            }
        }
    }

    async fn answer_of<K: TenantObject>(&self, spot: Spot<'_>, context: &Context) -> Owner {
        let found = Api::<Reading<K>>::namespaced(context.client.clone(), spot.namespace).get_opt(spot.name).await;
        let answered = match found.map(|found| found.map(Reading::understood)) {
            Ok(None) => return Owner::Gone,
            Ok(Some(Ok(owner))) => (answer(&owner, self.ours), owner),
            Ok(Some(Err(_))) | Err(_) => return Owner::Keeps,
        };
        match answered {
            (Owner::HandsOver, owner) if self.has_clients(&owner, context).await => Owner::HasClients,
            (answer, _) => answer,
        }
    }

    /// Whether Clients belong to the Partner that is handed over, declared or living; what cannot be read counts as one.
    async fn has_clients<K: TenantObject>(&self, owner: &K, context: &Context) -> bool {
        let Some(partner) = (owner as &dyn std::any::Any).downcast_ref::<Partner>() else { return false };
        let others = clients_under(&namespace(partner), &partner.name_any(), context);
        if !context.clients_of(partner).is_empty() || !others.is_empty() {
            return true;
        }
        let under = Place::Clients { msp: self.observed.unique_id.clone() };
        let living = self.referenced.platform.living(&under, Freshness::Now).await;
        !living.is_ok_and(|living| living.names().next().is_none())
    }
}

/// Stops a pass over an object whose tenant carries no mark, once the object that it is handed over to has taken it.
/// Where there is a mark, the mark says so.
pub(super) async fn keep_if_handed_over<K: TenantObject>(
    object: &K,
    observed: &Observed,
    context: &Context,
) -> Result<(), Stop> {
    if is_taken_unmarked(object, observed, context).await? {
        return Err(handed_over(object, &observed.unique_id).into());
    }
    Ok(())
}

/// Whether a tenant without a mark was taken by the object that it is handed over to.
pub(in crate::operator) async fn is_taken_unmarked<K: TenantObject>(
    object: &K,
    observed: &Observed,
    context: &Context,
) -> Result<bool, kube::Error> {
    let Some((space, name)) = receiver(object) else { return Ok(false) };
    let shows_nobody = matches!(observed.mark, MarkSeen::None | MarkSeen::Occupied | MarkSeen::Unreadable);
    if !shows_nobody {
        return Ok(false);
    }
    let found = Api::<Reading<K>>::namespaced(context.client.clone(), &space).get_opt(&name).await?;
    let receiver = found.and_then(|found| found.understood().ok());
    Ok(receiver.is_some_and(|receiver| has_taken(&receiver, &observed.unique_id)))
}
