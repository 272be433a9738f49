//! Handles an object that is not understood: a condition, an event, and nothing on the platform.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use tenantry_api::{ABANDON, ConditionType, DeletionPolicy, FINALIZER, INTENT, Reason};
use tenantry_core::object::{NotUnderstoodObject, ParsedObject, UnknownMember};
use tenantry_core::{ConditionStatus, PassOutcome, PriorReadiness, TenantKind, conditions_for};

use super::super::FIELD_MANAGER;
use super::super::context::Context;
use super::super::installation::names_other_installation;
use super::super::status::next_conditions;
use super::super::tenant_object::{
    ParentRef, TenantObject, TenantResource as _, deletion_policy, is_deleting, namespaced_name,
};
use super::{HandlingResult, list_clients_under};

/// Writes the condition, and releases an object where that certainly terminates nothing.
pub(super) async fn handle_object<K: TenantObject>(
    object: &NotUnderstoodObject,
    context: &Context,
) -> Result<HandlingResult, kube::Error> {
    if names_other_installation(object.installation().as_deref(), context) {
        // The installation that it names reports it.
        return Ok(HandlingResult::Done);
    }
    if !object.is_deleting() {
        let message = format!(
            "{}: upgrade the operator or correct the value; until then nothing is written to the tenant",
            object.unknown_summary()
        );
        // Not `Refused`: nothing that the spec refers to was read.
        return write_conditions::<K>(object, &PassOutcome::Failed(Reason::NotUnderstood, message), context).await;
    }
    if !object.has_finalizer() {
        return Ok(HandlingResult::Done);
    }
    let leaving = if K::KIND == TenantKind::Partner { list_leaving_clients(object, context) } else { Vec::new() };
    if object.is_abandoned() {
        let note = format!("let go by the annotation `{ABANDON}`; the tenant was not touched");
        return release_object::<K>(object, (Reason::Abandoned, &note), context).await;
    }
    if object.is_certainly_retained() && leaving.is_empty() {
        return release_object::<K>(object, (Reason::Retained, "the tenant stays on the platform as it is"), context)
            .await;
    }
    write_conditions::<K>(
        object,
        &PassOutcome::DeletionHeld(Reason::NotUnderstood, held_message(object, &leaving)),
        context,
    )
    .await?;
    // No watch event of this object reports the release of the Clients that need its connection.
    Ok(if leaving.is_empty() { HandlingResult::Done } else { HandlingResult::Waiting })
}

fn held_message(object: &NotUnderstoodObject, leaving: &[String]) -> String {
    let sentence = object.unknown_summary();
    let let_go = format!("annotate the object with `{ABANDON}: {}`", object.unique_id().unwrap_or("none"));
    let ways = "upgrade the operator or correct the value";
    if object.is_certainly_retained() && !leaving.is_empty() {
        return format!(
            "{sentence}, and Clients that are being deleted still need it ({}): {ways}, set their `deletion.policy` to `Retain`, or {let_go}",
            leaving.join(", ")
        );
    }
    if object.has_accepted_confirmation() {
        return format!(
            "{sentence}, so that nothing is ended or let go, and `Retain` alone lets go of nothing once an end was agreed to: {ways}, or {let_go}"
        );
    }
    format!("{sentence}, so that nothing is ended or let go: {ways}, set `deletion.policy` to `Retain`, or {let_go}")
}

/// Lists the Clients that are being deleted and may need the connection of a Partner.
fn list_leaving_clients(partner: &NotUnderstoodObject, context: &Context) -> Vec<String> {
    let (namespace, name) = (partner.namespace(), partner.name());
    let wanted = ParentRef::Object(namespace.to_owned(), name.to_owned());
    let known = context.clients.store.state();
    let known = known.iter().filter(|client| {
        client.parent() == wanted
            && is_deleting(client.as_ref())
            && deletion_policy(client.as_ref()) != DeletionPolicy::Retain
    });
    let others = list_clients_under(namespace, name, context);
    let others = others.iter().filter(|client| client.is_deleting() && !client.is_certainly_retained());
    known.map(|client| namespaced_name(client.as_ref())).chain(others.map(|client| client.namespaced_name())).collect()
}

/// Writes conditions and leaves every other member of status as it is.
async fn write_conditions<K: TenantObject>(
    object: &NotUnderstoodObject,
    outcome: &PassOutcome,
    context: &Context,
) -> Result<HandlingResult, kube::Error> {
    let before: Vec<Condition> = object
        .status
        .get("conditions")
        .and_then(|conditions| serde_json::from_value(conditions.clone()).ok())
        .unwrap_or_default();
    let after = next_conditions(
        &before,
        &conditions_for(outcome, PriorReadiness::NotReady),
        object.metadata.generation,
        tenantry_runtime::clock::now(),
    );
    let mut status = if object.status.is_object() { object.status.clone() } else { json!({}) };
    status["observedGeneration"] = json!(object.metadata.generation);
    status["conditions"] = serde_json::to_value(&after).unwrap_or_default();
    if status == object.status {
        return Ok(HandlingResult::Done);
    }
    let metadata = &object.metadata;
    let body = json!({
        "apiVersion": K::api_version(&()), "kind": K::kind(&()),
        "metadata": {"name": metadata.name, "uid": metadata.uid, "resourceVersion": metadata.resource_version},
        "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let written = object_api::<K>(object, context).patch_status(object.name(), &params, &Patch::Apply(&body)).await;
    let written = written.map(|answer| {
        // A watch that began under an earlier definition shows this version without its unknown fields.
        if let ParsedObject::NotUnderstood(object) = answer {
            K::kind_state(context).not_understood.insert(*object);
        }
    });
    if !is_write_conflict(written)? {
        publish_event::<K>(object, &before, &after, context);
    }
    Ok(HandlingResult::Done)
}

/// Returns whether a write came too late. The watch delivers the current object.
fn is_write_conflict(written: Result<(), kube::Error>) -> Result<bool, kube::Error> {
    match written {
        Ok(()) => Ok(false),
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => Ok(true),
        Err(error) => Err(error),
    }
}

/// Publishes an event and a log line once for each reason, without values.
fn publish_event<K: TenantObject>(
    object: &NotUnderstoodObject,
    before: &[Condition],
    after: &[Condition],
    context: &Context,
) {
    let stalled = |conditions: &[Condition]| {
        let named = conditions.iter().find(|one| one.type_ == ConditionType::Stalled.name());
        named.filter(|one| one.status == ConditionStatus::True.name()).cloned()
    };
    let Some(now) = stalled(after) else { return };
    if stalled(before).is_some_and(|before| before.message == now.message) {
        return;
    }
    context.events.publish_about(object_reference::<K>(object), Reason::NotUnderstood, &now.message);
    let paths = object.unknown.iter().map(UnknownMember::path).collect::<Vec<_>>().join(", ");
    tracing::warn!(kind = K::KIND.name(), object = object.namespaced_name(), paths, "an object is not understood");
}

/// Removes our finalizer, and nobody else's, from the object as it was read.
async fn release_object<K: TenantObject>(
    object: &NotUnderstoodObject,
    (reason, note): (Reason, &str),
    context: &Context,
) -> Result<HandlingResult, kube::Error> {
    let metadata = &object.metadata;
    let finalizers: Vec<&String> = metadata.finalizers.iter().flatten().filter(|one| *one != FINALIZER).collect();
    let patch = json!({"metadata": {
        "uid": metadata.uid, "resourceVersion": metadata.resource_version, "finalizers": finalizers,
        "annotations": {INTENT: Value::Null},
    }});
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let written = object_api::<K>(object, context).patch_metadata(object.name(), &params, &Patch::Merge(&patch)).await;
    if !is_write_conflict(written.map(drop))? {
        context.metrics.count_release(K::KIND, reason);
        context.events.publish_about(object_reference::<K>(object), reason, note);
        tracing::info!(
            kind = K::KIND.name(),
            object = object.namespaced_name(),
            reason = reason.name(),
            why = note,
            "released"
        );
    }
    Ok(HandlingResult::Done)
}

fn object_api<K: TenantObject>(object: &NotUnderstoodObject, context: &Context) -> Api<ParsedObject<K>> {
    Api::namespaced(context.client.clone(), object.namespace())
}

fn object_reference<K: TenantObject>(object: &NotUnderstoodObject) -> ObjectReference {
    ObjectReference {
        api_version: Some(K::api_version(&()).into_owned()),
        kind: Some(K::kind(&()).into_owned()),
        namespace: object.metadata.namespace.clone(),
        name: object.metadata.name.clone(),
        uid: object.metadata.uid.clone(),
        resource_version: object.metadata.resource_version.clone(),
        field_path: None,
    }
}
