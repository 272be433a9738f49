//! What objects of one cluster want of each other's tenants, and what their owners say to it.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Who, who};
use crate::sim::people::with;
use crate::sim::seam::World;

/// Whom an object names as the owner from whom it takes a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    Nobody,
    /// The owner, as `cluster/kind/namespace/name`.
    Owner,
    /// An object of another cluster of the same name.
    OtherCluster,
}

/// An object asks for the tenant of another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    pub(crate) by: Who,
    pub(crate) of: Who,
    pub(crate) from: From,
}

/// What goes on between two objects.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Neighbour {
    Claim(Claim),
    /// The owner hands its tenant over; the receiver names the id, or does not.
    HandOver {
        of: Who,
        to: Who,
        is_named: bool,
    },
    /// The hand-over is withdrawn.
    Keep(Who),
    /// An object only reads a tenant: its own, or that of another where it has none.
    Observe {
        by: Who,
        of: Who,
    },
    /// Somebody approves the plan that waits.
    Approve(Who),
}

/// Settings that inherit, that wait for a person, or that the platform keeps apart from the others.
pub(super) fn setting(who: Who) -> impl Strategy<Value = Value> {
    let is_partner = [Who::Acme, Who::Beta, Who::Upstart].contains(&who);
    let packages = |more: &[&str], add_ons: &[&str]| {
        let all: Vec<&str> = ["HybridDiscoveryAndMonitoring"].iter().chain(more).copied().collect();
        json!({"packages": all, "addOns": add_ons})
    };
    let subscribed = if is_partner {
        [json!({"branding": {"websiteTitle": format!("The {who:?}")}}), json!({"clients": {"defaults": null}})]
    } else {
        [packages(&["EventAndIncidentManagement"], &["SLAManagement"]), packages(&[], &[])]
    };
    prop_oneof![
        2 => prop::sample::select(subscribed.to_vec()),
        1 => Just(json!({"branding": {"websiteTitle": format!("{who:?}")}})),
        // With something to approve.
        4 => (prop::sample::select(vec![json!("Manual"), json!("ManualIfRisky"), Value::Null]), 0..9).prop_map(
            move |(mode, number)| {
                let approval = json!({"mode": mode, "approvedPlan": null});
                json!({
                    "management": {"mode": "Manage", "approval": approval},
                    "details": {"city": format!("City {number} of {who:?}")},
                })
            }
        ),
    ]
}

/// Two objects of one kind.
fn pair() -> impl Strategy<Value = (Who, Who)> {
    use Who::{Acme, Beta, Globex, Hooli, Initech, Rival, Upstart};
    prop_oneof![
        6 => prop::sample::select(vec![(Rival, Globex), (Rival, Initech), (Upstart, Beta), (Upstart, Acme)]),
        2 => prop::sample::select(vec![(Globex, Rival), (Globex, Initech), (Initech, Globex), (Initech, Rival)]),
        1 => prop::sample::select(vec![(Hooli, Globex), (Rival, Hooli), (Beta, Upstart), (Acme, Beta)]),
    ]
}

pub(super) fn neighbour() -> impl Strategy<Value = Neighbour> {
    let from = prop_oneof![2 => Just(From::Nobody), 2 => Just(From::Owner), 1 => Just(From::OtherCluster)];
    prop_oneof![
        5 => (pair(), from).prop_map(|((by, of), from)| Neighbour::Claim(Claim { by, of, from })),
        5 => (pair(), prop::bool::weighted(0.8))
            .prop_map(|((to, of), is_named)| Neighbour::HandOver { of, to, is_named }),
        2 => who().prop_map(Neighbour::Keep),
        2 => pair().prop_map(|(by, of)| Neighbour::Observe { by, of }),
        3 => who().prop_map(Neighbour::Approve),
    ]
}

impl World {
    pub(super) fn neighbour(&self, neighbour: Neighbour) {
        match neighbour {
            Neighbour::Claim(Claim { by, of, from }) => {
                let Some(tenant) = self.owned(of) else { return };
                let place = tenant.place.unwrap_or_default();
                let (_, rest) = place.split_once('/').unwrap_or_default();
                let from = match from {
                    From::Nobody => Value::Null,
                    From::Owner => json!(place),
                    From::OtherCluster => json!(format!("other/{rest}")),
                };
                self.ask_for(by, &tenant.id, &json!({"takeFrom": from}));
            }
            Neighbour::HandOver { of, to, is_named } => {
                let Some(tenant) = self.owned(of) else { return };
                let receiver = to.key();
                let named = json!({"namespace": receiver.namespace, "name": receiver.name});
                self.edit(&of.key(), &json!({"handOver": named}));
                if is_named {
                    self.ask_for(to, &tenant.id, &json!({"takeFrom": null}));
                }
            }
            Neighbour::Keep(who) => drop(self.edit(&who.key(), &json!({"handOver": null}))),
            Neighbour::Observe { by, of } => self.observe(by, of),
            Neighbour::Approve(who) => {
                let object = self.object(&who.key()).unwrap_or_default();
                if let Some(hash) = object["status"]["plan"]["hash"].as_str() {
                    self.lock().troubles.count("plans approved");
                    self.edit(&who.key(), &json!({"management": {"approval": {"approvedPlan": hash}}}));
                }
            }
        }
    }

    /// Whether the API server would let an object name this tenant: an object stays with its tenant.
    fn may_name(&self, who: Who, id: &str) -> bool {
        let object = self.object(&who.key()).unwrap_or_default();
        object["status"]["uniqueId"].as_str().is_none_or(|own| own == id)
    }

    /// An object names a tenant to be taken over. One that has another goes, and asks when it is made anew.
    pub(super) fn ask_for(&self, who: Who, id: &str, more: &Value) {
        let adoption = with(json!({"policy": "Adopt", "uniqueId": id}), more);
        if self.object(&who.key()).is_none() {
            self.create(&who.key(), &with(who.spec(), &json!({"adoption": adoption})));
        } else if self.may_name(who, id) {
            self.edit(&who.key(), &json!({"adoption": adoption, "handOver": null, "management": {"mode": "Manage"}}));
        } else if [Who::Rival, Who::Upstart].contains(&who) {
            self.edit(&who.key(), &json!({"deletion": null}));
            self.delete(&who.key());
        }
    }

    fn observe(&self, by: Who, of: Who) {
        let Some(tenant) = self.owned(by).or_else(|| self.owned(of)) else { return };
        let spec = json!({"management": {"mode": "Observe"}, "adoption": {"uniqueId": tenant.id}});
        if self.object(&by.key()).is_none() {
            self.create(&by.key(), &with(by.spec(), &spec));
        } else if self.may_name(by, &tenant.id) {
            self.edit(&by.key(), &spec);
        }
    }

    /// It is managed again. An id that was only named to be read is none to be taken over.
    pub(super) fn resume(&self, who: Who) {
        let object = self.object(&who.key()).unwrap_or_default();
        let adoption = &object["spec"]["adoption"];
        let kept = if adoption["policy"] == "Adopt" { adoption.clone() } else { Value::Null };
        self.edit(&who.key(), &json!({"management": {"mode": "Manage"}, "adoption": kept}));
    }
}
