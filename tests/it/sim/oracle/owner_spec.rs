//! What an owner's spec allows an operator to do with its tenant. The spec may be up to six minutes old, since a
//! decision may be that much older than its request.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::siblings::is_deleting;
use super::{Oracle, RequestSubject, key_of_place, subject_of_request};
use crate::sim::cluster::{SimCluster, SimObjectKey};
use crate::sim::newer_release::MAX_PASS_TIME;
use crate::sim::platform::SimTenant;
use crate::sim::request::SimRequest;

/// Longest time between the last check of a clock and the call that terminates a tenant.
const MAX_CLOCK_CHECK_AGE: jiff::SignedDuration = jiff::SignedDuration::from_secs(6);

/// Returns each version of an object on which an operator may still act.
fn recent_versions(cluster: &SimCluster, key: &SimObjectKey, at: Timestamp) -> Vec<Arc<Value>> {
    let then = cluster.version_at(at - MAX_PASS_TIME);
    let later = cluster.versions(key, then + 1).map(|object| Arc::new(object.clone()));
    cluster.object_at_version(key, then).into_iter().chain(later).collect()
}

/// Returns what an operator may do with the tenant at a time.
pub(in crate::sim) fn management_mode(object: &Value, at: Timestamp) -> &str {
    let management = &object["spec"]["management"];
    let until = management["pausedUntil"].as_str().map(|until| until.parse::<Timestamp>().unwrap());
    if until.is_some_and(|until| until > at) { "Paused" } else { management["mode"].as_str().unwrap_or("Manage") }
}

/// Returns whether the plans of an object need an approval, and none was given.
fn waits_for_approval(object: &Value) -> bool {
    let approval = &object["spec"]["management"]["approval"];
    approval["mode"] == "Manual" && approval["approvedPlan"].is_null() && !is_deleting(object)
}

impl Oracle {
    /// Returns why the owner does not allow a change of its tenant.
    pub(super) fn forbidden_change(
        &self,
        request: &SimRequest,
        tenant: &SimTenant,
        cluster: &SimCluster,
        at: Timestamp,
    ) -> Option<String> {
        if matches!(subject_of_request(request), RequestSubject::Act(_, "terminate"))
            && self.clocks_differ_since.is_some_and(|since| at.duration_since(since) > MAX_CLOCK_CHECK_AGE)
        {
            return Some(format!("ended although clocks have been apart since {:?}", self.clocks_differ_since));
        }
        let now = self.tenants.get(&tenant.id).unwrap_or(tenant);
        let owner = now.place.as_deref().and_then(key_of_place).filter(|_| now.place == tenant.place)?;
        let takes = request.json()["managedBy"]["name"].as_str().is_some_and(|name| name != owner.name);
        if takes || self.mark_moved_at.get(&tenant.id).is_some_and(|moved| at.duration_since(*moved) <= MAX_PASS_TIME) {
            return None;
        }
        let versions = recent_versions(cluster, &owner, at);
        let was = |is_so: &dyn Fn(&Value) -> bool| versions.iter().any(|object| is_so(object));
        if versions.is_empty() {
            return Some(format!("written for {owner:?}, which has been gone for long"));
        }
        // A tenant that was suspended for a cancelled termination is activated when its object is removed.
        let puts_back = matches!(subject_of_request(request), RequestSubject::Act(_, "activate")) && was(&is_deleting);
        if !puts_back && !was(&|object| management_mode(object, at) == "Manage") {
            return Some(format!("written although {owner:?} is only read or paused"));
        }
        if !was(&|object| !waits_for_approval(object)) {
            return Some(format!("written although no plan of {owner:?} was approved"));
        }
        let state = |wanted: &'static str| move |object: &Value| object["spec"]["tenantState"] == wanted;
        let policy = |object: &Value| object["spec"]["deletion"]["policy"].as_str().unwrap_or("Retain").to_owned();
        let stops = |object: &Value| is_deleting(object) && policy(object) != "Retain";
        match subject_of_request(request) {
            RequestSubject::Act(_, "suspend") if !was(&state("Suspended")) && !was(&stops) => {
                Some(format!("suspended for no reason that {owner:?} gives"))
            }
            RequestSubject::Act(_, "activate") if !was(&state("Active")) && !was(&is_deleting) => {
                Some(format!("activated for no reason that {owner:?} gives"))
            }
            RequestSubject::Act(..)
            | RequestSubject::Update(_)
            | RequestSubject::Create
            | RequestSubject::Read(_)
            | RequestSubject::Nothing => None,
        }
    }
}
