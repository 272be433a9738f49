//! Objects of one cluster do not touch each other's tenants: each value that is written to a tenant was declared by the
//! object whose mark it carries, and the mark only moves to an object that it is handed over to, or when its object is
//! gone.

use jiff::Timestamp;
use serde_json::Value;

use super::{Oracle, RequestSubject, key_of_place, subject_of_request};
use crate::sim::cluster::{SimCluster, SimObjectKey};
use crate::sim::newer_release::MAX_PASS_TIME;
use crate::sim::platform::SimTenant;
use crate::sim::request::SimRequest;

/// Settings that runs declare, by member of the wire and path of the spec.
const SETTINGS: [(&str, &str); 3] =
    [("name", "/details/name"), ("city", "/details/city"), ("address", "/details/address")];

pub(super) fn is_deleting(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// Returns the objects to which an object ever handed its tenant over.
pub(super) fn handover_targets<'a>(
    cluster: &'a SimCluster,
    giver: &'a SimObjectKey,
) -> impl Iterator<Item = SimObjectKey> + 'a {
    cluster.versions(giver, 0).filter_map(move |object| {
        let named = &object["spec"]["handOver"];
        let namespace = named["namespace"].as_str().unwrap_or(&giver.namespace);
        Some(SimObjectKey::new(giver.resource, namespace, named["name"].as_str()?))
    })
}

impl Oracle {
    /// Returns why a change of a tenant, as the life has read it, was not declared by its owner.
    pub(super) fn foreign_change(
        &self,
        life: usize,
        request: &SimRequest,
        tenant: &SimTenant,
        cluster: &SimCluster,
        at: Timestamp,
    ) -> Option<String> {
        let now = self.tenants.get(&tenant.id);
        let owner =
            now.unwrap_or(tenant).place.as_deref().and_then(key_of_place).filter(|owner| cluster.has_existed(owner))?;
        let body = request.json();
        let marked = body["managedBy"].as_object().map(|mark| {
            let text = |member: &str| mark[member].as_str().unwrap_or_default();
            SimObjectKey::new(owner.resource, text("namespace"), text("name"))
        });
        if let Some(next) = marked.filter(|next| *next != owner) {
            let is_given = handover_targets(cluster, &owner).any(|receiver| receiver == next);
            return (!is_given && !self.was_absent_since_read(life, &owner, cluster))
                .then(|| format!("{next:?} takes the tenant of {owner:?}, which lives and hands nothing over"));
        }
        let mut owners = vec![owner];
        // A recent owner may have decided while it was the owner.
        if self.mark_moved_at.get(&tenant.id).is_none_or(|moved| at.duration_since(*moved) <= MAX_PASS_TIME) {
            owners.extend(tenant.place.as_deref().and_then(key_of_place));
        }
        let given: Vec<SimObjectKey> = owners.iter().flat_map(|owner| handover_targets(cluster, owner)).collect();
        owners.extend(given);
        let versions = || owners.iter().flat_map(|owner| cluster.versions(owner, 0));
        let is_declared = match subject_of_request(request) {
            RequestSubject::Update(_) => SETTINGS.iter().all(|(member, path)| {
                let sent = &body[*member];
                sent.is_null() || versions().any(|object| object["spec"].pointer(path) == Some(sent))
            }),
            RequestSubject::Act(_, "suspend") => {
                versions().any(|object| object["spec"]["tenantState"] == "Suspended" || is_deleting(object))
            }
            RequestSubject::Act(_, "activate") => {
                versions().any(|object| object["spec"]["tenantState"] == "Active" || is_deleting(object))
            }
            RequestSubject::Act(..) | RequestSubject::Create | RequestSubject::Read(_) | RequestSubject::Nothing => {
                true
            }
        };
        (!is_declared).then(|| format!("{body} was declared by none of {owners:?}, whose tenant it is"))
    }

    /// Returns whether an object was absent at some time since a life last read it.
    fn was_absent_since_read(&self, life: usize, key: &SimObjectKey, cluster: &SimCluster) -> bool {
        let path = key.resource.path(&key.namespace, &key.name);
        let Some(since) = self.read.get(&(life, path)) else { return false };
        (*since..=cluster.version()).any(|version| cluster.object_at_version(key, version).is_none())
    }
}
