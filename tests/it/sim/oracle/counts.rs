//! How often it came to what the random runs are for, and what tenants were last given.

use axum::http::Method;
use jiff::Timestamp;
use serde_json::Value;

use super::siblings::receivers;
use super::{Oracle, key_of};
use crate::sim::ask::{Ask, Reply, Side};
use crate::sim::cluster::{Cluster, Key};
use crate::sim::platform::Tenant;

impl Oracle {
    fn saw(&mut self, what: &'static str, whom: String) {
        self.occurred.entry(what).or_default().insert(whom);
    }

    /// Marks that moved from one object of this cluster to another.
    pub(super) fn moved(&mut self, tenants: &[Tenant], cluster: &Cluster, at: Timestamp) {
        for tenant in tenants {
            let Some(before) = self.tenants.get(&tenant.id).map(|before| before.place.clone()) else { continue };
            if before == tenant.place {
                continue;
            }
            self.moved.insert(tenant.id.clone(), at);
            let (Some(giver), Some(next)) =
                (before.as_deref().and_then(key_of), tenant.place.as_deref().and_then(key_of))
            else {
                continue;
            };
            let is_given = cluster.get(&giver).is_some() && receivers(cluster, &giver).any(|receiver| receiver == next);
            let what = if is_given { "hand-overs" } else { "tenants taken from owners that were gone" };
            self.saw(what, format!("{} {at}", tenant.id));
        }
    }

    /// What a status tells of.
    pub(super) fn told(&mut self, object: &Value, cluster: &Cluster) {
        let (uid, spec) = (object["metadata"]["uid"].as_str().unwrap_or_default(), &object["spec"]);
        let generation = &object["metadata"]["generation"];
        if object["status"]["applied"]["normalised"].is_array() {
            self.saw("values in the platform's own form", uid.to_owned());
        }
        for condition in object["status"]["conditions"].as_array().into_iter().flatten() {
            match condition["reason"].as_str().unwrap_or_default() {
                "OwnedElsewhere" => {
                    let asked = spec["adoption"]["uniqueId"].as_str().and_then(|id| self.tenants.get(id));
                    let owner = asked.and_then(|tenant| tenant.place.as_deref()).and_then(key_of);
                    if owner.is_some_and(|owner: Key| cluster.get(&owner).is_some()) {
                        self.saw(
                            "tries to take a living neighbour's tenant, refused",
                            format!("{uid} {}", spec["adoption"]),
                        );
                    }
                }
                "NotUnderstood" => self.saw("newer objects", format!("{uid} {generation}")),
                "ApprovalNeeded" => {
                    self.saw("plans that waited", format!("{uid} {}", object["status"]["plan"]["hash"]));
                }
                "HandedOver" => self.saw("givers that say so", uid.to_owned()),
                "AsDeclared" if spec["management"]["mode"] == "Observe" => {
                    self.saw("tenants only read", uid.to_owned());
                }
                _ => {}
            }
        }
    }

    /// A change that the platform took.
    pub(super) fn given(&mut self, ask: &Ask, reply: &Reply, at: Timestamp) {
        if ask.side != Side::Platform || !ask.is_write() || !reply.is_success() {
            return;
        }
        let body = ask.json();
        let line = || format!("{} {at}", ask.path);
        if ask.method == Method::PUT {
            self.saw("branding written", line());
        }
        if body["addOns"].is_array() || body["packages"].is_array() {
            self.saw("packages and add-ons written", line());
        }
        let id = reply.value()["uniqueId"]
            .as_str()
            .map_or_else(|| ask.path.rsplit('/').next().unwrap_or_default().to_owned(), str::to_owned);
        if let Some(key) = body["duoSecurity"]["secretKey"].as_str() {
            let before = self.keys.insert(id, key.to_owned());
            if before.is_some_and(|before| before != key) {
                self.saw("rotated values written", line());
            }
        }
    }
}
