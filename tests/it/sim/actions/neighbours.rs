//! Claims of objects on each other's tenants in one cluster, and the reactions of their owners.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{SimActor, any_actor};
use crate::sim::exchange::SimWorld;
use crate::sim::user_actions::merge_spec;

/// The owner that an object names to take a tenant from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClaimedOwner {
    Nobody,
    /// The owner, as `cluster/kind/namespace/name`.
    Owner,
    /// An object with the same name in another cluster.
    OtherCluster,
}

/// An object that claims the tenant of another one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TenantClaim {
    pub(crate) by: SimActor,
    pub(crate) of: SimActor,
    pub(crate) from: ClaimedOwner,
}

/// An action between two objects.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NeighbourAction {
    Claim(TenantClaim),
    /// The owner hands its tenant over. The receiver may or may not name the id.
    HandOver {
        of: SimActor,
        to: SimActor,
        is_named: bool,
    },
    /// The hand-over is withdrawn.
    Keep(SimActor),
    /// An object only observes a tenant: its own, or that of another object if it has none.
    Observe {
        by: SimActor,
        of: SimActor,
    },
    /// Somebody approves the waiting plan.
    Approve(SimActor),
}

/// Generates settings that are inherited, that need an approval, or that the platform stores separately.
pub(super) fn any_setting(actor: SimActor) -> impl Strategy<Value = Value> {
    let is_partner = [SimActor::Acme, SimActor::Beta, SimActor::Upstart].contains(&actor);
    let packages = |more: &[&str], add_ons: &[&str]| {
        let all: Vec<&str> = ["HybridDiscoveryAndMonitoring"].iter().chain(more).copied().collect();
        json!({"packages": all, "addOns": add_ons})
    };
    let subscribed = if is_partner {
        [json!({"branding": {"websiteTitle": format!("The {actor:?}")}}), json!({"clients": {"defaults": null}})]
    } else {
        [packages(&["EventAndIncidentManagement"], &["SLAManagement"]), packages(&[], &[])]
    };
    prop_oneof![
        2 => prop::sample::select(subscribed.to_vec()),
        1 => Just(json!({"branding": {"websiteTitle": format!("{actor:?}")}})),
        // Includes something to approve.
        4 => (prop::sample::select(vec![json!("Manual"), json!("ManualIfRisky"), Value::Null]), 0..9).prop_map(
            move |(mode, number)| {
                let approval = json!({"mode": mode, "approvedPlan": null});
                json!({
                    "management": {"mode": "Manage", "approval": approval},
                    "details": {"city": format!("City {number} of {actor:?}")},
                })
            }
        ),
    ]
}

/// Generates two objects of one kind.
fn any_pair() -> impl Strategy<Value = (SimActor, SimActor)> {
    use SimActor::{Acme, Beta, Globex, Hooli, Initech, Rival, Upstart};
    prop_oneof![
        6 => prop::sample::select(vec![(Rival, Globex), (Rival, Initech), (Upstart, Beta), (Upstart, Acme)]),
        2 => prop::sample::select(vec![(Globex, Rival), (Globex, Initech), (Initech, Globex), (Initech, Rival)]),
        1 => prop::sample::select(vec![(Hooli, Globex), (Rival, Hooli), (Beta, Upstart), (Acme, Beta)]),
    ]
}

pub(super) fn any_neighbour_action() -> impl Strategy<Value = NeighbourAction> {
    let from = prop_oneof![2 => Just(ClaimedOwner::Nobody), 2 => Just(ClaimedOwner::Owner), 1 => Just(ClaimedOwner::OtherCluster)];
    prop_oneof![
        5 => (any_pair(), from).prop_map(|((by, of), from)| NeighbourAction::Claim(TenantClaim { by, of, from })),
        5 => (any_pair(), prop::bool::weighted(0.8))
            .prop_map(|((to, of), is_named)| NeighbourAction::HandOver { of, to, is_named }),
        2 => any_actor().prop_map(NeighbourAction::Keep),
        2 => any_pair().prop_map(|(by, of)| NeighbourAction::Observe { by, of }),
        3 => any_actor().prop_map(NeighbourAction::Approve),
    ]
}

impl SimWorld {
    pub(super) fn perform_neighbour_action(&self, action: NeighbourAction) {
        match action {
            NeighbourAction::Claim(TenantClaim { by, of, from }) => {
                let Some(tenant) = self.owned_tenant(of) else { return };
                let place = tenant.place.unwrap_or_default();
                let (_, rest) = place.split_once('/').unwrap_or_default();
                let from = match from {
                    ClaimedOwner::Nobody => Value::Null,
                    ClaimedOwner::Owner => json!(place),
                    ClaimedOwner::OtherCluster => json!(format!("other/{rest}")),
                };
                self.claim_tenant(by, &tenant.id, &json!({"takeFrom": from}));
            }
            NeighbourAction::HandOver { of, to, is_named } => {
                let Some(tenant) = self.owned_tenant(of) else { return };
                let receiver = to.key();
                let named = json!({"namespace": receiver.namespace, "name": receiver.name});
                self.edit(&of.key(), &json!({"handOver": named}));
                if is_named {
                    self.claim_tenant(to, &tenant.id, &json!({"takeFrom": null}));
                }
            }
            NeighbourAction::Keep(who) => drop(self.edit(&who.key(), &json!({"handOver": null}))),
            NeighbourAction::Observe { by, of } => self.observe_tenant(by, of),
            NeighbourAction::Approve(who) => {
                let object = self.object(&who.key()).unwrap_or_default();
                if let Some(hash) = object["status"]["plan"]["hash"].as_str() {
                    self.lock().lasting_faults.count("plans approved");
                    self.edit(&who.key(), &json!({"management": {"approval": {"approvedPlan": hash}}}));
                }
            }
        }
    }

    /// Returns whether the API server accepts this tenant id for an object: an object cannot change its tenant.
    fn may_claim_tenant(&self, actor: SimActor, id: &str) -> bool {
        let object = self.object(&actor.key()).unwrap_or_default();
        object["status"]["uniqueId"].as_str().is_none_or(|own| own == id)
    }

    /// Lets an object claim a tenant by its id. An object with another tenant is deleted, and claims it when it is
    /// created again.
    pub(super) fn claim_tenant(&self, actor: SimActor, id: &str, more: &Value) {
        let adoption = merge_spec(json!({"policy": "Adopt", "uniqueId": id}), more);
        if self.object(&actor.key()).is_none() {
            self.create(&actor.key(), &merge_spec(actor.spec(), &json!({"adoption": adoption})));
        } else if self.may_claim_tenant(actor, id) {
            self.edit(&actor.key(), &json!({"adoption": adoption, "handOver": null, "management": {"mode": "Manage"}}));
        } else if [SimActor::Rival, SimActor::Upstart].contains(&actor) {
            self.edit(&actor.key(), &json!({"deletion": null}));
            self.delete(&actor.key());
        }
    }

    fn observe_tenant(&self, by: SimActor, of: SimActor) {
        let Some(tenant) = self.owned_tenant(by).or_else(|| self.owned_tenant(of)) else { return };
        let spec = json!({"management": {"mode": "Observe"}, "adoption": {"uniqueId": tenant.id}});
        if self.object(&by.key()).is_none() {
            self.create(&by.key(), &merge_spec(by.spec(), &spec));
        } else if self.may_claim_tenant(by, &tenant.id) {
            self.edit(&by.key(), &spec);
        }
    }

    /// Lets an object manage its tenant again. An id that was only named for observation is removed, so that its tenant
    /// is not adopted.
    pub(super) fn resume_management(&self, actor: SimActor) {
        let object = self.object(&actor.key()).unwrap_or_default();
        let adoption = &object["spec"]["adoption"];
        let kept = if adoption["policy"] == "Adopt" { adoption.clone() } else { Value::Null };
        self.edit(&actor.key(), &json!({"management": {"mode": "Manage"}, "adoption": kept}));
    }
}
