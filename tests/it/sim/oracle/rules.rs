//! What an owner's spec lets an operator do to its tenant, as it stood lately: a decision may be six minutes older than the
//! request that follows from it.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::siblings::is_deleting;
use super::{About, Oracle, about, key_of};
use crate::sim::ask::Ask;
use crate::sim::cluster::{Cluster, Key};
use crate::sim::newer::UNDER_WAY;
use crate::sim::platform::Tenant;

/// Longest time between the last look at a clock and the call that ends a tenant.
const JUST_NOW: jiff::SignedDuration = jiff::SignedDuration::from_secs(6);

/// An object in each version that an operator may still act upon.
fn lately(cluster: &Cluster, key: &Key, at: Timestamp) -> Vec<Arc<Value>> {
    let then = cluster.version_at(at - UNDER_WAY);
    let later = cluster.versions(key, then + 1).map(|object| Arc::new(object.clone()));
    cluster.at(key, then).into_iter().chain(later).collect()
}

/// What an operator may do with the tenant at a time.
pub(in crate::sim) fn mode(object: &Value, at: Timestamp) -> &str {
    let management = &object["spec"]["management"];
    let until = management["pausedUntil"].as_str().map(|until| until.parse::<Timestamp>().unwrap());
    if until.is_some_and(|until| until > at) { "Paused" } else { management["mode"].as_str().unwrap_or("Manage") }
}

/// Whether each plan of an object waits for a person, and none was approved.
fn waits(object: &Value) -> bool {
    let approval = &object["spec"]["management"]["approval"];
    approval["mode"] == "Manual" && approval["approvedPlan"].is_null() && !is_deleting(object)
}

impl Oracle {
    /// Why a change of a tenant is none that its owner lets an operator make.
    pub(super) fn forbidden(&self, ask: &Ask, seen: &Tenant, (cluster, at): (&Cluster, Timestamp)) -> Option<String> {
        if matches!(about(ask), About::Act(_, "terminate"))
            && self.apart_since.is_some_and(|since| at.duration_since(since) > JUST_NOW)
        {
            return Some(format!("ended although clocks have been apart since {:?}", self.apart_since));
        }
        let now = self.tenants.get(&seen.id).unwrap_or(seen);
        let owner = now.place.as_deref().and_then(key_of).filter(|_| now.place == seen.place)?;
        let takes = ask.json()["managedBy"]["name"].as_str().is_some_and(|name| name != owner.name);
        if takes || self.moved.get(&seen.id).is_some_and(|moved| at.duration_since(*moved) <= UNDER_WAY) {
            return None;
        }
        let versions = lately(cluster, &owner, at);
        let was = |is_so: &dyn Fn(&Value) -> bool| versions.iter().any(|object| is_so(object));
        if versions.is_empty() {
            return Some(format!("written for {owner:?}, which has been gone for long"));
        }
        // What was suspended for an end that is cancelled is put back in service when the object goes.
        let puts_back = matches!(about(ask), About::Act(_, "activate")) && was(&is_deleting);
        if !puts_back && !was(&|object| mode(object, at) == "Manage") {
            return Some(format!("written although {owner:?} is only read or paused"));
        }
        if !was(&|object| !waits(object)) {
            return Some(format!("written although no plan of {owner:?} was approved"));
        }
        let state = |wanted: &'static str| move |object: &Value| object["spec"]["tenantState"] == wanted;
        let policy = |object: &Value| object["spec"]["deletion"]["policy"].as_str().unwrap_or("Retain").to_owned();
        let stops = |object: &Value| is_deleting(object) && policy(object) != "Retain";
        match about(ask) {
            About::Act(_, "suspend") if !was(&state("Suspended")) && !was(&stops) => {
                Some(format!("suspended for no reason that {owner:?} gives"))
            }
            About::Act(_, "activate") if !was(&state("Active")) && !was(&is_deleting) => {
                Some(format!("activated for no reason that {owner:?} gives"))
            }
            About::Act(..) | About::Update(_) | About::Create | About::Read(_) | About::Nothing => None,
        }
    }
}
