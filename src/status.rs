//! Stage 6: writes the outcome to the object's status. This is the only place that builds a `metav1.Condition`.

mod pass_result;
mod reduced_status;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use tenantry_api::{
    AppliedSettings, ConditionType, DeletionPolicy, DriftStatus, ManagementMode, NormalisedSetting, PlanStatus,
    RECONCILE_REQUESTED_AT, Reason, TenantPhase, TenantStatus, TerminationStatus, UnavailableStatus, UnmanagedSetting,
    WriteOnlySetting,
};
use tenantry_catalog::Package;
use tenantry_client::current_trace;
use tenantry_core::object::{
    ParsedObject, fit_status_to_limits, restore_unknown_members, unknown_values, unmanaged_setting_advice,
};
use tenantry_core::{
    ConditionStatus, Field, NormalisedForm, ObservedTenant, PassOutcome, Plan, PriorReadiness, Proposal, StatusReport,
    Value, WriteRecord, conditions_for, confirmation_block, is_legacy_digest, is_same_status_value, phase_of,
    to_status_value,
};

pub(crate) use self::pass_result::{PassInputs, PassResult};
use super::context::Context;
use super::installation::is_managed_elsewhere;
use super::not_understood::{self, read_understood};
use super::pass_stop::api_error_message;
use super::tenant_object::{TenantObject, deletion_policy, is_deleting, management_mode, namespace};
use super::{FIELD_MANAGER, events};

/// A tenant that was not read for this long is no longer reported as Ready.
const MAX_READ_AGE: SignedDuration = SignedDuration::from_mins(30);
/// Attempts against another writer; a single round trip lies between read and write.
const WRITE_ATTEMPTS: usize = 20;

/// Writes status if it changed, and publishes events for what happened. Returns the object as it now is.
pub(crate) async fn publish_status<K: TenantObject>(
    object: &Arc<K>,
    outcome: &PassOutcome,
    pass_result: &PassResult,
    context: &Context,
) -> Arc<K> {
    // What this process wrote since the object was read must not be undone: the record of a termination is part of
    // status.
    let object = &K::kind_state(context).newest_version(Arc::clone(object));
    let before = object.status().cloned().unwrap_or_default();
    let unmanaged = pass_result.unmanaged_settings_after(&before, outcome);
    let now = tenantry_runtime::clock::now();
    let readiness = if pass_result.is_unconfirmed {
        PriorReadiness::NotReady
    } else {
        prior_readiness(object.as_ref(), &before, now)
    };
    let report = conditions_for(&with_unmanaged_advice(outcome, &unmanaged), readiness);
    let mut after = next_status(object.as_ref(), &before, pass_result, outcome, &report, now);
    if !matches!(outcome, PassOutcome::Paused(_)) {
        after.operator = Some(context.installation.clone());
    }
    events::publish_pass_events(
        object,
        events::StatusTransition { before: &before, after: &after },
        pass_result,
        context,
    );
    if object.status() == Some(&after) {
        return Arc::clone(object);
    }
    let written = reduced_status::write_status(object.as_ref(), &before, &after, context).await;
    K::kind_state(context).with_memory(object, |memory| memory.is_status_unwritten = written.is_err());
    written.unwrap_or_else(|error| {
        // The next pass finds what was done by id or mark; only the status is late.
        tracing::warn!(
            trace = current_trace().id,
            object = super::tenant_object::namespaced_name(object.as_ref()),
            error = api_error_message(&error),
            "status was not written"
        );
        Arc::clone(object)
    })
}

/// Adds to an outcome the advice about settings that are no longer declared.
fn with_unmanaged_advice(outcome: &PassOutcome, unmanaged: &[UnmanagedSetting]) -> PassOutcome {
    let mut outcome = outcome.clone();
    if let PassOutcome::Settled(situation) = &mut outcome {
        situation.advice.extend(unmanaged.iter().map(unmanaged_setting_advice));
    }
    outcome
}

/// Writes the record of a termination and nothing else, only on the object as it was read.
pub(crate) async fn write_termination<K: TenantObject>(
    object: &K,
    termination: &TerminationStatus,
    context: &Context,
) -> Result<Arc<K>, kube::Error> {
    let mut status = object.status().cloned().unwrap_or_default();
    status.termination = Some(termination.clone());
    write_if_unchanged(object, &status, context).await
}

/// Writes status on an object that others may be writing to. Each attempt still names a version: a write whose
/// connection broke may be carried out later, and must not replace a newer status.
async fn write_despite_conflicts<K: TenantObject>(
    object: &K,
    status: &TenantStatus,
    context: &Context,
) -> Result<Arc<K>, kube::Error> {
    let place = (namespace(object), object.name_any());
    let mut fresh: Option<K> = None;
    for _ in 1..WRITE_ATTEMPTS {
        match write_if_unchanged(fresh.as_ref().unwrap_or(object), status, context).await {
            // The record of a termination may have been written although its reply was lost; it is never overwritten.
            Err(kube::Error::Api(refusal)) if refusal.is_conflict() && !is_deleting(object) => {
                let found = read_understood::<K>(&place.0, &place.1, context).await?;
                let is_it = |found: &K| {
                    found.uid() == object.uid() && !is_deleting(found) && !is_managed_elsewhere(found, context)
                };
                fresh = Some(found.filter(is_it).ok_or(kube::Error::Api(refusal))?);
            }
            written => return written,
        }
    }
    write_if_unchanged(fresh.as_ref().unwrap_or(object), status, context).await
}

/// Writes status, only on the object as it was read.
pub(crate) async fn write_if_unchanged<K: TenantObject>(
    object: &K,
    status: &TenantStatus,
    context: &Context,
) -> Result<Arc<K>, kube::Error> {
    // The version protects a later object of the same name: the API server accepts a status under any UID.
    let metadata =
        json!({"name": object.name_any(), "uid": object.uid(), "resourceVersion": object.resource_version()});
    let mut status = serde_json::to_value(fit_status_to_limits(status)).unwrap_or_default();
    if let Some(unknown) = K::kind_state(context).not_understood.unknown_status(object) {
        restore_unknown_members(&mut status, &unknown);
    }
    let body = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": metadata,
        "status": status,
    });
    let answer = Api::<ParsedObject<K>>::namespaced(context.client.clone(), &namespace(object))
        .patch_status(&object.name_any(), &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(&body))
        .await?;
    Ok(K::kind_state(context).record_written(not_understood::written_object(answer, context)?))
}

fn prior_readiness<K: TenantObject>(object: &K, status: &TenantStatus, now: Timestamp) -> PriorReadiness {
    let condition = |kind: ConditionType| status.conditions.iter().find(|one| one.type_ == kind.name());
    let Some(ready) = condition(ConditionType::Ready) else { return PriorReadiness::New };
    if ready.observed_generation != object.meta().generation || ready.status == ConditionStatus::False.name() {
        return PriorReadiness::NotReady;
    }
    let unknown = condition(ConditionType::InSync)
        .filter(|one| one.status == ConditionStatus::Unknown.name() && one.reason != Reason::StatusIncomplete.name());
    let since = unknown.map(|one| now.duration_since(one.last_transition_time.0));
    match (ready.status == ConditionStatus::True.name(), since) {
        (_, Some(since)) if since >= MAX_READ_AGE => PriorReadiness::Unreadable,
        (true, _) => PriorReadiness::Ready,
        // Unknown for another reason, such as a plan that awaits approval.
        (false, _) => PriorReadiness::NotReady,
    }
}

fn next_status<K: TenantObject>(
    object: &K,
    before: &TenantStatus,
    pass_result: &PassResult,
    outcome: &PassOutcome,
    report: &StatusReport,
    now: Timestamp,
) -> TenantStatus {
    let mut after = before.clone();
    let generation = object.meta().generation;
    after.observed_generation = generation;
    after.conditions = next_conditions(&before.conditions, report, generation, now);
    let seen = pass_result.observed.as_ref().and_then(|observed| phase_of(observed.lifecycle));
    after.phase = report.phase.or(seen).or(before.phase).or(Some(TenantPhase::Pending));
    after.last_handled_reconcile_at = object.annotations().get(RECONCILE_REQUESTED_AT).cloned();
    after.unique_id = pass_result.unique_id.clone().or_else(|| before.unique_id.clone());
    if after.unique_id.is_some() {
        after.connection = pass_result.connection.clone().or_else(|| before.connection.clone());
    }
    after.plan = match outcome {
        PassOutcome::AwaitingApproval(Proposal { hash, steps }) => {
            Some(PlanStatus { hash: hash.clone(), steps: steps.iter().map(|step| truncate_message(step)).collect() })
        }
        _ => None,
    };
    after.no_longer_managed = pass_result.unmanaged_settings_after(before, outcome);
    if let Some(clients) = &pass_result.client_counts {
        after.clients = Some(clients.clone());
    }
    if let Some(observed) = &pass_result.observed {
        copy_observed_tenant(&mut after, observed, is_deleting(object));
    }
    if let PassOutcome::Settled(situation) = outcome {
        record_differences(&mut after, before, &situation.remaining_plan, now);
        // Only now: an edit that could not be applied must still count as an edit in the next pass.
        if let Some(effective) = &pass_result.effective {
            after.effective.clone_from(effective);
        }
        after.image_advice.clone_from(&pass_result.settings.advice);
        after.applied = Some(applied_settings(pass_result, &situation.remaining_plan));
    } else if pass_result.applied.has_any() {
        // What was written counts, also if a later step failed.
        let WriteRecord { records, was_suspended_by_operator: suspended_by_us, unconfirmed_marks: marks, .. } =
            pass_result.writes_after();
        let applied = after.applied.get_or_insert_default();
        applied.marks = (marks > 0).then_some(marks);
        applied.suspended = suspended_by_us.then_some(true);
        applied.write_only = write_only_settings(records.into_iter().filter(|(field, _)| field.is_write_only()));
    }
    after.termination = next_termination(object, before, pass_result, now);
    if management_mode(object) == ManagementMode::Observe
        && matches!(outcome, PassOutcome::Refused(Reason::OwnedElsewhere, _))
    {
        after = reduced_status::without_tenant_details(after);
    }
    drop_legacy_digests(&mut after, outcome);
    fit_status_to_limits(&after)
}

/// Drops the digests of Secrets' values that releases before 0.2 showed. For a paused object the record of its writes
/// is dropped too; when it resumes, those settings are written once.
fn drop_legacy_digests(after: &mut TenantStatus, outcome: &PassOutcome) {
    let is_digest = |path: &str, json: &str| Field::from_path(path).is_some_and(|field| is_legacy_digest(field, json));
    if matches!(outcome, PassOutcome::Paused(_)) {
        after.effective.retain(|one| !is_digest(&one.path, &one.value));
        if let Some(applied) = &mut after.applied {
            applied.write_only.retain(|one| !is_digest(&one.path, &one.digest));
        }
    }
    after.drift.retain(|one| !is_digest(&one.path, &one.desired));
}

fn copy_observed_tenant(after: &mut TenantStatus, observed: &ObservedTenant, is_deleting: bool) {
    after.account_id.clone_from(&observed.account_id);
    // A deletion reads no branding, from which the addresses are derived.
    if !is_deleting {
        after.url.clone_from(&observed.url);
        after.api_endpoint.clone_from(&observed.api_endpoint);
    }
    after.created_time = observed.created.map(|time| time.to_string());
    after.unknown = unknown_values(&observed.unknown);
    let packages: Vec<Package> = observed
        .value(Field::Packages)
        .map(|value| value.entries().filter_map(Package::from_name).collect())
        .unwrap_or_default();
    if packages.is_empty() {
        return;
    }
    after.modules = packages.iter().flat_map(|package| package.modules()).map(|module| (*module).to_owned()).collect();
    let mut missing = UnavailableStatus::default();
    for package in Package::ALL.into_iter().filter(|package| !packages.contains(package)) {
        let without = package.unavailable_without();
        missing.menus.extend(without.menus.iter().map(|menu| (*menu).to_owned()));
        missing.permission_sets.extend(without.permission_sets.iter().map(|set| (*set).to_owned()));
    }
    after.unavailable = (missing != UnavailableStatus::default()).then_some(missing);
}

fn record_differences(after: &mut TenantStatus, before: &TenantStatus, remaining_plan: &Plan, now: Timestamp) {
    let since = |path: &str| {
        let known = before.drift.iter().find(|drift| drift.path == path);
        known.map_or_else(|| whole_seconds_text(now), |drift| drift.since.clone())
    };
    after.drift = remaining_plan
        .differences
        .iter()
        .map(|difference| {
            let path = difference.field.path().to_owned();
            DriftStatus {
                since: since(&path),
                path,
                desired: difference.desired.to_json(),
                observed: difference.observed.as_ref().map_or_else(|| "\"not shown\"".to_owned(), Value::to_json),
            }
        })
        .collect();
    after.unsupported = remaining_plan.unsupported.iter().map(|field| field.path().to_owned()).collect();
}

fn write_only_settings(records: impl IntoIterator<Item = (Field, String)>) -> Vec<WriteOnlySetting> {
    records.into_iter().map(|(field, digest)| WriteOnlySetting { path: field.path().to_owned(), digest }).collect()
}

fn applied_settings(pass_result: &PassResult, remaining_plan: &Plan) -> AppliedSettings {
    let WriteRecord {
        uid: _,
        key: _,
        applied_values: _,
        records,
        normalised_forms: echoes,
        was_suspended_by_operator: suspended_by_us,
        unconfirmed_marks: marks,
        passwords_set_before: _,
    } = pass_result.writes_after();
    let write_only = write_only_settings(records);
    // The normalised form of a value that is no longer declared has no meaning.
    let is_declared = |path: &str, declared: &str| {
        pass_result
            .effective_settings()
            .iter()
            .any(|one| one.path == path && is_same_status_value(&one.value, declared))
    };
    let normalised =
        echoes.into_iter().map(|(field, NormalisedForm { declared, shown: platform })| NormalisedSetting {
            path: field.path().to_owned(),
            declared: to_status_value(declared),
            shown: to_status_value(platform),
        });
    let is_as_declared = remaining_plan.differences.is_empty()
        && remaining_plan.deferred.is_empty()
        && remaining_plan.unreadable.is_empty();
    AppliedSettings {
        digest: pass_result.digest.clone().unwrap_or_default(),
        revision: pass_result.observed.as_ref().and_then(|observed| observed.revision).filter(|_| is_as_declared),
        write_only,
        normalised: normalised.filter(|one| is_declared(&one.path, &one.declared)).collect(),
        suspended: suspended_by_us.then_some(true),
        marks: (marks > 0).then_some(marks),
    }
}

/// Returns the record of the termination. The confirmation block appears as soon as the policy is Terminate; the
/// confirmation of an earlier object is void.
fn next_termination<K: TenantObject>(
    object: &K,
    before: &TenantStatus,
    pass_result: &PassResult,
    now: Timestamp,
) -> Option<TerminationStatus> {
    let known = before.termination.clone();
    if deletion_policy(object) != DeletionPolicy::Terminate {
        return known.filter(|known| known.confirm_digest.is_some());
    }
    let mut known = if pass_result.is_reattached { TerminationStatus::default() } else { known.unwrap_or_default() };
    if let Some(observed) = &pass_result.observed {
        known.how_to_confirm = Some(confirmation_block(observed, known.how_to_confirm.as_deref(), now));
    }
    (known != TerminationStatus::default()).then_some(known)
}

pub(super) fn next_conditions(
    before: &[Condition],
    report: &StatusReport,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let mut after: Vec<Condition> = Vec::new();
    for kind in ConditionType::ALL {
        let old = before.iter().find(|condition| condition.type_ == kind.name());
        let new = report.set.iter().rev().find(|state| state.kind == kind);
        match (old, new) {
            (_, Some(state)) => {
                let status = state.status.name().to_owned();
                let kept = old.filter(|old| old.status == status).map(|old| old.last_transition_time.clone());
                after.push(Condition {
                    type_: kind.name().to_owned(),
                    status,
                    reason: state.reason.name().to_owned(),
                    message: truncate_message(&state.message),
                    observed_generation: generation,
                    last_transition_time: kept.unwrap_or_else(|| Time(to_whole_seconds(now))),
                });
            }
            (Some(old), None) if !report.clear.contains(&kind) => {
                let above = report.ready_prefix.as_deref().filter(|_| kind == ConditionType::Ready);
                after.push(above.map_or_else(|| old.clone(), |above| prepend_message(above, old.clone())));
            }
            (Some(_) | None, None) => {}
        }
    }
    // Conditions that this release does not know belong to a newer release and stay.
    let is_known = |one: &&Condition| ConditionType::ALL.iter().any(|kind| kind.name() == one.type_);
    after.extend(before.iter().filter(|one| !is_known(one)).cloned());
    after
}

/// Separates the current message from the former message of a condition.
const FORMER_MESSAGE: &str = "; before that: ";

/// Prepends a message to a condition. Its generation stays: nothing was found out about the current spec.
fn prepend_message(above: &str, mut condition: Condition) -> Condition {
    let before = condition.message.split_once(FORMER_MESSAGE).map_or(condition.message.as_str(), |(_, before)| before);
    let is_first = condition.reason == Reason::ManagementPaused.name();
    condition.message =
        if is_first { above.to_owned() } else { truncate_message(&format!("{above}{FORMER_MESSAGE}{before}")) };
    condition
}

/// Truncates a time to whole seconds. Conditions carry no finer time, and it would differ from what the API server
/// returns.
fn to_whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

fn whole_seconds_text(time: Timestamp) -> String {
    to_whole_seconds(time).to_string()
}

/// Truncates a message to 2,000 characters. The API server accepts 32,768, and nobody reads a tenth of that.
fn truncate_message(message: &str) -> String {
    if message.chars().count() <= 2_000 {
        return message.to_owned();
    }
    message.chars().take(1_997).chain("...".chars()).collect()
}
