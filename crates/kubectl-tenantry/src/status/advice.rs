//! Explains conditions and suggests what to do next.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use tenantry_api::{ConditionType, DeletionPolicy, Reason, TerminationStep};
use tenantry_core::object::{TenantResource, deletion_policy, is_deleting};

use crate::colour::Tone;
use crate::object_arg::object_argument;

/// Returns a condition of an object.
pub(super) fn find_condition<K: TenantResource>(object: &K, kind: ConditionType) -> Option<&Condition> {
    object.status()?.conditions.iter().find(|condition| condition.type_ == kind.name())
}

/// Explains a condition in words.
pub(super) fn condition_meaning(condition: &Condition) -> &'static str {
    let Some(kind) = ConditionType::ALL.into_iter().find(|kind| kind.name() == condition.type_) else {
        return "of a later release than this program";
    };
    let truth = match condition.status.as_str() {
        "True" => Some(true),
        "False" => Some(false),
        _ => None,
    };
    match (kind, truth) {
        (ConditionType::Ready, Some(true)) => "the tenant is as declared",
        (ConditionType::Ready, Some(false)) => "the tenant is not as declared",
        (ConditionType::Ready, None) => "whether the tenant is as declared is not known yet",
        (ConditionType::InSync, Some(true)) => "nothing differs on the platform",
        (ConditionType::InSync, Some(false)) => "the platform differs from what is declared",
        (ConditionType::InSync, None) => "what the platform holds is not known",
        (ConditionType::CredentialsValid, Some(true)) => "the platform takes the credential",
        (ConditionType::CredentialsValid, Some(false)) => "the credential cannot be used",
        (ConditionType::CredentialsValid, None) => "the credential was not tried yet",
        (ConditionType::ReferencesResolved, Some(true)) => "everything that the object names was found",
        (ConditionType::ReferencesResolved, Some(false)) => "something that the object names is missing",
        (ConditionType::ReferencesResolved, None) => "what the object names was not looked up yet",
        (ConditionType::Reconciling, Some(true)) if condition.reason == Reason::ApprovalNeeded.name() => {
            "the operator waits for a person"
        }
        (ConditionType::Reconciling, Some(true)) => "the operator goes on by itself",
        (ConditionType::Stalled, Some(true)) => "nothing moves until a person acts",
        (ConditionType::DeletionBlocked, Some(true)) => "the deletion waits",
        (ConditionType::Paused, Some(true)) => "the operator leaves the tenant alone",
        (ConditionType::AwaitingApproval, Some(true)) => "a plan waits for approval",
        (
            ConditionType::Reconciling
            | ConditionType::Stalled
            | ConditionType::DeletionBlocked
            | ConditionType::Paused
            | ConditionType::AwaitingApproval,
            _,
        ) => "no",
    }
}

/// Returns the tone of a condition. Of the conditions that are not good, only those that need a person are bad.
pub(super) fn condition_tone<K: TenantResource>(object: &K, condition: &Condition) -> Tone {
    let is_stalled = find_condition(object, ConditionType::Stalled).is_some_and(|stalled| stalled.status == "True");
    let Some(kind) = ConditionType::ALL.into_iter().find(|kind| kind.name() == condition.type_) else {
        return Tone::Plain;
    };
    let not_well = if is_stalled { Tone::Bad } else { Tone::Pending };
    match (kind, condition.status.as_str()) {
        (
            ConditionType::Ready
            | ConditionType::InSync
            | ConditionType::CredentialsValid
            | ConditionType::ReferencesResolved,
            status,
        ) => match status {
            "True" => Tone::Good,
            "False" => not_well,
            _ => Tone::Pending,
        },
        (ConditionType::Stalled, "True") => Tone::Bad,
        (
            ConditionType::Reconciling
            | ConditionType::DeletionBlocked
            | ConditionType::Paused
            | ConditionType::AwaitingApproval,
            "True",
        ) => Tone::Pending,
        (
            ConditionType::Reconciling
            | ConditionType::Stalled
            | ConditionType::DeletionBlocked
            | ConditionType::Paused
            | ConditionType::AwaitingApproval,
            _,
        ) => Tone::Plain,
    }
}

/// Returns in a word why an object needs a person's attention, or `None` if it does not.
pub(super) fn attention_reason<K: TenantResource>(object: &K) -> Option<String> {
    let is_true = |kind| find_condition(object, kind).filter(|condition| condition.status == "True");
    let asking = [
        ConditionType::Stalled,
        ConditionType::DeletionBlocked,
        ConditionType::AwaitingApproval,
        ConditionType::Reconciling,
        ConditionType::Paused,
    ];
    if let Some(found) = asking.into_iter().find_map(is_true) {
        return Some(found.reason.clone());
    }
    match find_condition(object, ConditionType::Ready) {
        None => Some("NotSeenYet".to_owned()),
        Some(ready) if ready.status != "True" => Some(ready.reason.clone()),
        Some(_) => find_condition(object, ConditionType::InSync)
            .filter(|condition| condition.status == "False")
            .map(|condition| condition.reason.clone()),
    }
}

/// Returns what to do next, as sentences.
pub(super) fn next_steps<K: TenantResource>(object: &K) -> Vec<String> {
    let Some(status) = object.status() else {
        return vec![
            "the operator has not seen the object yet: see with `kubectl tenantry version` whether it runs".to_owned(),
        ];
    };
    let mut next = Vec::new();
    let seen = status.observed_generation.unwrap_or(-1);
    if object.meta().generation.is_some_and(|generation| generation > seen) && !is_deleting(object) {
        next.push("the spec was changed and the operator has not worked it off yet: look again".to_owned());
    }
    for kind in [ConditionType::DeletionBlocked, ConditionType::Stalled, ConditionType::Paused] {
        if let Some(found) = find_condition(object, kind).filter(|condition| condition.status == "True")
            && !next.contains(&found.message)
        {
            next.push(found.message.clone());
        }
    }
    if let Some(plan) = &status.plan {
        next.push(format!(
            "read the plan; to let it happen set `management.approval.approvedPlan` to `{}` under `spec`, or `kubectl tenantry approve {}`",
            plan.hash,
            object_argument(object)
        ));
    }
    next.extend(termination_advice(object));
    let is_stalled = find_condition(object, ConditionType::Stalled).is_some();
    if let Some(ready) = find_condition(object, ConditionType::Ready).filter(|ready| ready.status == "False")
        && !is_stalled
        && !next.contains(&ready.message)
    {
        next.push(ready.message.clone());
    }
    let unmanaged = status.clients.as_ref().map_or(0, |clients| clients.unmanaged);
    if unmanaged > 0 {
        next.push(format!("{unmanaged} clients live that no object declares: `kubectl tenantry unmanaged` names them"));
    }
    if !status.drift.is_empty() && next.is_empty() {
        next.push(
            "what differs is only reported: declare what the platform has, or set `management.drift` to `Correct`"
                .to_owned(),
        );
    }
    if next.is_empty() {
        next.push("nothing".to_owned());
    }
    next
}

/// Advises on the termination of the tenant.
fn termination_advice<K: TenantResource>(object: &K) -> Option<String> {
    if deletion_policy(object) != DeletionPolicy::Terminate {
        return None;
    }
    let named = object_argument(object);
    let record = object.status().and_then(|status| status.termination.as_ref());
    let has_consent = object.deletion().is_some_and(|deletion| deletion.confirm.is_some());
    match (is_deleting(object), record.and_then(|record| record.step)) {
        (_, Some(TerminationStep::Terminating | TerminationStep::Terminated)) => None,
        (true, Some(TerminationStep::Confirmed | TerminationStep::Suspended)) => {
            Some(format!("to keep the tenant: `kubectl tenantry cancel {named}`"))
        }
        (true, None) if !has_consent => Some(format!(
            "to consent to the end of the tenant: `kubectl tenantry terminate {named}`; to keep it: `kubectl tenantry cancel {named}`"
        )),
        (false, _) if has_consent => Some(format!(
            "the consent to end the tenant stands and `kubectl delete` would act on it; to take it back: `kubectl tenantry cancel {named}`"
        )),
        (true, None) | (false, _) => None,
    }
}
