//! Terminations: the invariants at the moment when an operator requests one.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tenantry_api::ABANDON;
use tenantry_core::confirm_digest;

use super::owner_spec::management_mode;
use super::{Oracle, key_of_place};
use crate::sim::cluster::{CLIENTS, CONFIG_MAPS, DEFINITIONS, NAMESPACES, PARTNERS, SimCluster, SimObjectKey};
use crate::sim::newer_release::is_newer;
use crate::sim::operator_life::OPERATOR_NAMESPACE;
use crate::sim::platform::SimTenant;
use crate::sim::request::SimRequest;

/// A confirmation that an operator accepted.
#[derive(Clone, Debug)]
pub(crate) struct AcceptedConfirmation {
    digest: String,
    version: u64,
}

/// Longest time between the last read of an object and the call that terminates its tenant.
const MAX_READ_AGE: SignedDuration = SignedDuration::from_secs(6);

/// Longest time between a decision and its write.
const MAX_WRITE_DELAY: SignedDuration = SignedDuration::from_mins(6);

/// Returns the digest of the confirmation in the spec.
fn spec_confirm_digest(object: &Value) -> Option<String> {
    let confirm = serde_json::from_value(object["spec"]["deletion"]["confirm"].clone()).ok()?;
    Some(confirm_digest(object["metadata"]["uid"].as_str()?, &confirm))
}

fn grace_seconds(object: &Value) -> i64 {
    object["spec"]["deletion"]["gracePeriodSeconds"].as_i64().unwrap_or(86_400)
}

fn deletion_policy(object: &Value) -> &str {
    object["spec"]["deletion"]["policy"].as_str().unwrap_or("Retain")
}

fn is_deleting(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

impl Oracle {
    /// Returns the state that a life last read, with its version, or `None` if it never read it.
    fn last_read(&self, life: usize, cluster: &SimCluster, key: &SimObjectKey) -> Option<(u64, Option<Value>)> {
        let path = key.resource.path(&key.namespace, &key.name);
        let version = *self.read.get(&(life, path))?;
        Some((version, cluster.object_at_version(key, version).map(|object| object.as_ref().clone())))
    }

    /// Returns why this tenant must not be terminated now.
    pub(super) fn termination_faults(
        &self,
        life: usize,
        tenant: &SimTenant,
        cluster: &SimCluster,
        at: Timestamp,
    ) -> Vec<String> {
        let mut faults = Vec::new();
        let mut must = |holds: bool, what: &str| {
            if !holds {
                faults.push(format!("ended although {what}"));
            }
        };
        let Some(key) = tenant.place.as_deref().and_then(key_of_place) else {
            return vec!["ended without an owner".to_owned()];
        };
        let Some((version, Some(object))) = self.last_read(life, cluster, &key) else {
            return vec!["ended without a look at its object".to_owned()];
        };
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
        must(tenant.uid.as_deref() == Some(uid), "its mark is not the object's");
        must(tenant.state == "SUSPENDED", "it was not suspended");
        must(!is_newer(&object), "the object is not understood");
        must(is_deleting(&object), "nobody deleted the object");
        must(deletion_policy(&object) == "Terminate", "the policy is another");
        must(management_mode(&object, at) == "Manage", "the object is not managed");
        let termination = &object["status"]["termination"];
        let stands = spec_confirm_digest(&object);
        must(
            stands.is_some() && stands.as_deref() == termination["confirmDigest"].as_str(),
            "no accepted confirmation stands",
        );
        must(termination["step"] == "Terminating", "the step was not recorded");
        let then = cluster.version_at(at - MAX_READ_AGE);
        let known = cluster.object_at_version(&key, then);
        let mut lately = known.as_deref().into_iter().chain(cluster.versions(&key, then));
        let stood = lately.any(|known| deletion_policy(known) == "Terminate" && spec_confirm_digest(known) == stands);
        must(stood, &format!("the consent had been withdrawn for more than {MAX_READ_AGE:#}"));
        must(termination["acceptedAt"].is_null(), "the platform had taken the call before");
        must(object["status"]["uniqueId"] == *tenant.id, "status names another tenant");
        match self.accepted.get(uid) {
            Some(AcceptedConfirmation { digest, version: since }) if Some(digest) == stands.as_ref() => {
                let least = cluster.versions(&key, *since).map(grace_seconds).min().unwrap_or(86_400);
                let rested = self.suspended_since.get(&tenant.id).map(|since| at.duration_since(*since).as_secs());
                must(rested.is_some_and(|rested| rested >= least), &format!("it rested {rested:?} s of {least}"));
            }
            other => must(false, &format!("the confirmation was never accepted ({other:?})")),
        }
        for around in [
            SimObjectKey::new(NAMESPACES, "", &key.namespace),
            SimObjectKey::new(DEFINITIONS, "", &key.resource.definition()),
        ] {
            let read = self.last_read(life, cluster, &around);
            let stays = matches!(&read, Some((_, Some(found))) if !is_deleting(found));
            must(stays, &format!("{} is going or was not looked at", around.name));
        }
        if key.resource == PARTNERS {
            let children = cluster.all(CLIENTS).filter(|(child, object)| {
                let reference = &object["spec"]["partnerRef"];
                let namespace = reference["namespace"].as_str().unwrap_or(&child.namespace);
                reference["name"] == *key.name
                    && namespace == key.namespace
                    && cluster.object_at_version(child, version).is_some()
            });
            must(children.count() == 0, "Client objects name it");
            let living = self.tenants.values().filter(|child| child.parent == tenant.id && child.state != "TERMINATED");
            must(living.count() == 0, "clients live under it");
        }
        let evidence = cluster
            .all(CONFIG_MAPS)
            .any(|(map, _)| map.namespace == OPERATOR_NAMESPACE && map.name.starts_with(&format!("terminated-{uid}")));
        must(evidence, "there is no evidence");
        let ledger = cluster.get(&SimObjectKey::new(CONFIG_MAPS, OPERATOR_NAMESPACE, "tenantry-terminations"));
        let text = ledger.map(|ledger| ledger["data"].to_string()).unwrap_or_default();
        must(text.contains(uid), "it is not in the ledger");
        faults
    }

    /// Checks the status write of an operator: a newly accepted confirmation must be valid.
    pub(super) fn check_status_write(
        &mut self,
        life: usize,
        key: &SimObjectKey,
        after: &Value,
        request: &SimRequest,
        at: Timestamp,
    ) {
        let uid = after["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        for condition in after["status"]["conditions"].as_array().into_iter().flatten() {
            let text = |key: &str| condition[key].as_str().unwrap_or_default();
            if is_deleting(after)
                && deletion_policy(after) == "Terminate"
                && ["DeletionBlocked", "Reconciling"].contains(&text("type"))
            {
                self.count_refusal(refused_condition(text("reason"), text("message")), after);
            }
        }
        let version = after["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
        let Some(digest) = after["status"]["termination"]["confirmDigest"].as_str() else {
            self.accepted.remove(&uid);
            return;
        };
        if self.accepted.get(&uid).is_some_and(|accepted| accepted.digest == digest) {
            return;
        }
        let id = after["status"]["uniqueId"].as_str().unwrap_or_default();
        let tenant = self.seen.get(&(life, id.to_owned())).cloned();
        for fault in confirmation_faults(after, tenant.as_ref(), at) {
            self.add_violation(at, request, format!("a confirmation of {} was accepted although {fault}", key.name));
        }
        self.accepted.insert(uid, AcceptedConfirmation { digest: digest.to_owned(), version });
    }

    fn count_refusal(&mut self, why: Option<&'static str>, object: &Value) {
        if let Some(why) = why {
            let (metadata, confirm) = (&object["metadata"], &object["spec"]["deletion"]["confirm"]);
            self.refused.entry(why).or_default().insert(format!("{}{confirm}", metadata["uid"]));
        }
    }

    /// Counts objects that only lack the deletion for a termination.
    pub(crate) fn count_not_deleted(&mut self, cluster: &SimCluster) {
        for (_, object) in cluster
            .partners_and_clients()
            .filter(|(_, object)| !is_deleting(object) && deletion_policy(object) == "Terminate")
        {
            self.count_refusal(self.would_terminate(object).then_some("not deleted"), object);
        }
    }

    /// Returns whether an object has a complete consent for its live tenant.
    pub(crate) fn would_terminate(&self, object: &Value) -> bool {
        let confirm = &object["spec"]["deletion"]["confirm"];
        let tenant = object["status"]["uniqueId"].as_str().and_then(|id| self.tenants.get(id));
        let acknowledged = confirm["acknowledge"].as_array().is_some_and(|all| all.len() == 3);
        acknowledged
            && tenant.is_some_and(|tenant| {
                tenant.state != "TERMINATED" && confirm["uniqueId"] == *tenant.id && confirm["name"] == *tenant.name
            })
    }

    /// Checks the removal of the finalizer by an operator.
    pub(super) fn check_finalizer_removal(
        &mut self,
        life: usize,
        key: &SimObjectKey,
        before: &Value,
        request: &SimRequest,
        cluster: &SimCluster,
        at: Timestamp,
    ) {
        let is_going = |around: &SimObjectKey| {
            matches!(self.last_read(life, cluster, around), Some((_, None)))
                || cluster.get(around).is_none_or(is_deleting)
        };
        let whole = is_going(&SimObjectKey::new(NAMESPACES, "", &key.namespace))
            || is_going(&SimObjectKey::new(DEFINITIONS, "", &key.resource.definition()));
        let is_let_go = before["metadata"]["annotations"][ABANDON].is_string();
        if is_let_go || !is_deleting(before) {
            return;
        }
        if is_newer(before) && deletion_policy(before) != "Retain" {
            return self.add_violation(at, request, format!("let go although it is not understood: {}", key.name));
        }
        let would_end = self.would_terminate(before);
        if whole {
            let is_definition = is_going(&SimObjectKey::new(DEFINITIONS, "", &key.resource.definition()));
            self.count_refusal(
                would_end.then_some(if is_definition { "definition going" } else { "namespace going" }),
                before,
            );
            return;
        }
        self.count_refusal((would_end && deletion_policy(before) != "Terminate").then_some("policy"), before);
        let uid = before["metadata"]["uid"].as_str().unwrap_or_default();
        let id = before["status"]["uniqueId"].as_str().unwrap_or_default();
        let ours = |tenant: &&SimTenant| tenant.uid.as_deref() == Some(uid) && (id.is_empty() || tenant.id == id);
        let mut seen = self.seen.iter().filter(|((reader, _), _)| *reader == life).map(|(_, tenant)| tenant);
        let Some(tenant) = seen.rfind(ours).cloned() else { return };
        let is_accepted = before["status"]["termination"]["confirmDigest"].as_str();
        let stands = is_accepted.is_some() && spec_confirm_digest(before).as_deref() == is_accepted;
        let is_late_cancel = before["status"]["termination"]["cancelledAt"].is_string();
        let fault = match (deletion_policy(before), tenant.state.as_str()) {
            (_, "TERMINATED") => false,
            ("Terminate", _) => is_accepted.is_none() || stands && !is_late_cancel,
            ("Suspend", state) => state == "ACTIVE",
            _ => false,
        };
        if fault {
            self.add_violation(at, request, format!("let go before its end: {} of {}", tenant.state, key.name));
        }
    }
}

/// Returns why a confirmation must not be accepted.
fn confirmation_faults(object: &Value, tenant: Option<&SimTenant>, at: Timestamp) -> Vec<&'static str> {
    let confirm = &object["spec"]["deletion"]["confirm"];
    let Some(tenant) = tenant else { return vec!["the tenant was not looked at"] };
    let mut faults = Vec::new();
    let mut must = |holds: bool, what| {
        if !holds {
            faults.push(what);
        }
    };
    must(is_deleting(object), "nobody deleted the object");
    must(deletion_policy(object) == "Terminate", "the policy is another");
    must(confirm["name"] == *tenant.name, "it names another name");
    must(confirm["uniqueId"] == *tenant.id, "it names another id");
    let all = ["DataErased", "NotRecoverable", "UsersDeactivated"];
    let said = confirm["acknowledge"].as_array().cloned().unwrap_or_default();
    must(all.iter().all(|one| said.iter().any(|said| said == one)), "not everything was acknowledged");
    let not_after: Option<Timestamp> = confirm["notAfter"].as_str().and_then(|text| text.parse().ok());
    must(not_after.is_some_and(|limit| limit > at - MAX_WRITE_DELAY), "its time had passed");
    let most = SignedDuration::from_hours(7 * 24);
    must(not_after.is_some_and(|limit| limit < at + most + SignedDuration::from_secs(1)), "its time was too far ahead");
    faults
}

/// Returns the single condition for which a termination was refused.
fn refused_condition(reason: &str, message: &str) -> Option<&'static str> {
    Some(match reason {
        "ConfirmationNeeded" => "no confirmation",
        "ConfirmationInvalid" if message.contains("confirm.name") => "name",
        "ConfirmationInvalid" if message.contains("confirm.uniqueId") => "id",
        "ConfirmationInvalid" if message.contains("acknowledge") => "acknowledge",
        "ConfirmationInvalid" if message.contains("has passed") => "notAfter past",
        "ConfirmationInvalid" if message.contains("seven days") => "notAfter too far",
        "ClientsRemain" => "child alive",
        "ManagementPaused" => "paused",
        "OwnedElsewhere" => "mark differs",
        "GracePeriod" => "grace not passed",
        "CannotTellWhy" => "cannot tell what goes",
        "ClockDisagrees" => "clocks apart",
        "EvidenceMissing" => "no evidence",
        "LedgerUnusable" => "no ledger",
        "BreakerOpen" => "breaker",
        _ => return None,
    })
}
