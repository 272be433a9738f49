//! Counts how often the events occurred that random runs are for, and records what tenants were last given.

use axum::http::Method;
use jiff::Timestamp;
use serde_json::Value;

use super::siblings::handover_targets;
use super::{Oracle, key_of_place};
use crate::sim::cluster::{SimCluster, SimObjectKey};
use crate::sim::platform::SimTenant;
use crate::sim::request::{SimReply, SimRequest, SimServer};

impl Oracle {
    fn count_occurrence(&mut self, what: &'static str, subject: String) {
        self.occurred.entry(what).or_default().insert(subject);
    }

    /// Records marks that moved from one object of this cluster to another.
    pub(super) fn record_moved_marks(&mut self, tenants: &[SimTenant], cluster: &SimCluster, at: Timestamp) {
        for tenant in tenants {
            let Some(before) = self.tenants.get(&tenant.id).map(|before| before.place.clone()) else { continue };
            if before == tenant.place {
                continue;
            }
            self.mark_moved_at.insert(tenant.id.clone(), at);
            let (Some(giver), Some(next)) =
                (before.as_deref().and_then(key_of_place), tenant.place.as_deref().and_then(key_of_place))
            else {
                continue;
            };
            let is_given =
                cluster.get(&giver).is_some() && handover_targets(cluster, &giver).any(|receiver| receiver == next);
            let what = if is_given { "hand-overs" } else { "tenants taken from owners that were gone" };
            self.count_occurrence(what, format!("{} {at}", tenant.id));
        }
    }

    /// Records the events that a status shows.
    pub(super) fn record_status(&mut self, object: &Value, cluster: &SimCluster) {
        let (uid, spec) = (object["metadata"]["uid"].as_str().unwrap_or_default(), &object["spec"]);
        let generation = &object["metadata"]["generation"];
        if object["status"]["applied"]["normalised"].is_array() {
            self.count_occurrence("values in the platform's own form", uid.to_owned());
        }
        for condition in object["status"]["conditions"].as_array().into_iter().flatten() {
            match condition["reason"].as_str().unwrap_or_default() {
                "OwnedElsewhere" => {
                    let asked = spec["adoption"]["uniqueId"].as_str().and_then(|id| self.tenants.get(id));
                    let owner = asked.and_then(|tenant| tenant.place.as_deref()).and_then(key_of_place);
                    if owner.is_some_and(|owner: SimObjectKey| cluster.get(&owner).is_some()) {
                        self.count_occurrence(
                            "tries to take a living neighbour's tenant, refused",
                            format!("{uid} {}", spec["adoption"]),
                        );
                    }
                }
                "NotUnderstood" => self.count_occurrence("newer objects", format!("{uid} {generation}")),
                "ApprovalNeeded" => {
                    self.count_occurrence("plans that waited", format!("{uid} {}", object["status"]["plan"]["hash"]));
                }
                "HandedOver" => self.count_occurrence("givers that say so", uid.to_owned()),
                "AsDeclared" if spec["management"]["mode"] == "Observe" => {
                    self.count_occurrence("tenants only read", uid.to_owned());
                }
                _ => {}
            }
        }
    }

    /// Records a change that the platform accepted.
    pub(super) fn record_written_settings(&mut self, request: &SimRequest, reply: &SimReply, at: Timestamp) {
        if request.side != SimServer::Platform || !request.is_write() || !reply.is_success() {
            return;
        }
        let body = request.json();
        let line = || format!("{} {at}", request.path);
        if request.method == Method::PUT {
            self.count_occurrence("branding written", line());
        }
        if body["addOns"].is_array() || body["packages"].is_array() {
            self.count_occurrence("packages and add-ons written", line());
        }
        let id = reply.json_body()["uniqueId"]
            .as_str()
            .map_or_else(|| request.path.rsplit('/').next().unwrap_or_default().to_owned(), str::to_owned);
        if let Some(key) = body["duoSecurity"]["secretKey"].as_str() {
            let before = self.keys.insert(id, key.to_owned());
            if before.is_some_and(|before| before != key) {
                self.count_occurrence("rotated values written", line());
            }
        }
    }
}
