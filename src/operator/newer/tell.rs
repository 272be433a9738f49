//! What is done about an object that is not understood: a condition, an event, and nothing on the platform.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

use super::super::FIELD_MANAGER;
use super::super::context::Context;
use super::super::installation::names_another;
use super::super::object::{Object as _, Parent, TenantObject, deletion_policy, is_deleting, place};
use super::super::status::conditions;
use super::{Handled, clients_under};
use crate::api::{ABANDON, ConditionType, DeletionPolicy, FINALIZER, INTENT, Reason};
use crate::object::{NotUnderstood, Reading, Unknown};
use crate::plan::{Kind, Outcome, Standing, Truth, verdict};

/// Writes the condition; lets go of an object where that certainly ends nothing.
pub(super) async fn handle<K: TenantObject>(object: &NotUnderstood, context: &Context) -> Result<Handled, kube::Error> {
    if names_another(object.installation().as_deref(), context) {
        // The one that it names tells of it.
        return Ok(Handled::Done);
    }
    if !object.is_deleting() {
        let message = format!(
            "{}: upgrade the operator or correct the value; until then nothing is written to the tenant",
            object.sentence()
        );
        // Not `Refused`: nothing that the spec refers to was looked at.
        return write::<K>(object, &Outcome::Failed(Reason::NotUnderstood, message), context).await;
    }
    if !object.is_held() {
        return Ok(Handled::Done);
    }
    let leaving = if K::KIND == Kind::Partner { leaving(object, context) } else { Vec::new() };
    if object.is_abandoned() {
        let note = format!("let go by the annotation `{ABANDON}`; the tenant was not touched");
        return release::<K>(object, (Reason::Abandoned, &note), context).await;
    }
    if object.certainly_retains() && leaving.is_empty() {
        return release::<K>(object, (Reason::Retained, "the tenant stays on the platform as it is"), context).await;
    }
    write::<K>(object, &Outcome::Held(Reason::NotUnderstood, held(object, &leaving)), context).await?;
    // Clients that need its connection go without a word to it.
    Ok(if leaving.is_empty() { Handled::Done } else { Handled::Waits })
}

fn held(object: &NotUnderstood, leaving: &[String]) -> String {
    let sentence = object.sentence();
    let let_go = format!("annotate the object with `{ABANDON}: {}`", object.unique_id().unwrap_or("none"));
    let ways = "upgrade the operator or correct the value";
    if object.certainly_retains() && !leaving.is_empty() {
        return format!(
            "{sentence}, and Clients that are being deleted still need it ({}): {ways}, set their `deletion.policy` to `Retain`, or {let_go}",
            leaving.join(", ")
        );
    }
    if object.was_agreed() {
        return format!(
            "{sentence}, so that nothing is ended or let go, and `Retain` alone lets go of nothing once an end was agreed to: {ways}, or {let_go}"
        );
    }
    format!("{sentence}, so that nothing is ended or let go: {ways}, set `deletion.policy` to `Retain`, or {let_go}")
}

/// Clients that are being deleted and may need the connection of a Partner.
fn leaving(partner: &NotUnderstood, context: &Context) -> Vec<String> {
    let (namespace, name) = (partner.namespace(), partner.name());
    let wanted = Parent::Object(namespace.to_owned(), name.to_owned());
    let known = context.clients.store.state();
    let known = known.iter().filter(|client| {
        client.parent() == wanted
            && is_deleting(client.as_ref())
            && deletion_policy(client.as_ref()) != DeletionPolicy::Retain
    });
    let others = clients_under(namespace, name, context);
    let others = others.iter().filter(|client| client.is_deleting() && !client.certainly_retains());
    known.map(|client| place(client.as_ref())).chain(others.map(|client| client.place())).collect()
}

/// Writes conditions and leaves every other member of status as it is.
async fn write<K: TenantObject>(
    object: &NotUnderstood,
    outcome: &Outcome,
    context: &Context,
) -> Result<Handled, kube::Error> {
    let before: Vec<Condition> = object
        .status
        .get("conditions")
        .and_then(|conditions| serde_json::from_value(conditions.clone()).ok())
        .unwrap_or_default();
    let after =
        conditions(&before, &verdict(outcome, Standing::NotReady), object.metadata.generation, crate::clock::now());
    let mut status = if object.status.is_object() { object.status.clone() } else { json!({}) };
    status["observedGeneration"] = json!(object.metadata.generation);
    status["conditions"] = serde_json::to_value(&after).unwrap_or_default();
    if status == object.status {
        return Ok(Handled::Done);
    }
    let metadata = &object.metadata;
    let body = json!({
        "apiVersion": K::api_version(&()), "kind": K::kind(&()),
        "metadata": {"name": metadata.name, "uid": metadata.uid, "resourceVersion": metadata.resource_version},
        "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let written = api::<K>(object, context).patch_status(object.name(), &params, &Patch::Apply(&body)).await;
    let written = written.map(|answer| {
        // A watch that began under an earlier definition shows this version without what is not known.
        if let Reading::NotUnderstood(object) = answer {
            K::room(context).newer.put(*object);
        }
    });
    if !is_overtaken(written)? {
        tell::<K>(object, (&before, &after), context);
    }
    Ok(Handled::Done)
}

/// Whether a write came too late: what the object is now comes with the watch.
fn is_overtaken(written: Result<(), kube::Error>) -> Result<bool, kube::Error> {
    match written {
        Ok(()) => Ok(false),
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => Ok(true),
        Err(error) => Err(error),
    }
}

/// An event and a line in the log once for each reason, without values.
fn tell<K: TenantObject>(object: &NotUnderstood, (before, after): (&[Condition], &[Condition]), context: &Context) {
    let stalled = |conditions: &[Condition]| {
        let named = conditions.iter().find(|one| one.type_ == ConditionType::Stalled.name());
        named.filter(|one| one.status == Truth::True.name()).cloned()
    };
    let Some(now) = stalled(after) else { return };
    if stalled(before).is_some_and(|before| before.message == now.message) {
        return;
    }
    context.events.publish_about(reference::<K>(object), Reason::NotUnderstood, &now.message);
    let paths = object.unknown.iter().map(Unknown::path).collect::<Vec<_>>().join(", ");
    tracing::warn!(kind = K::KIND.name(), object = object.place(), paths, "an object is not understood");
}

/// Takes our finalizer off, and nobody else's, from the object as it was read.
async fn release<K: TenantObject>(
    object: &NotUnderstood,
    (reason, note): (Reason, &str),
    context: &Context,
) -> Result<Handled, kube::Error> {
    let metadata = &object.metadata;
    let finalizers: Vec<&String> = metadata.finalizers.iter().flatten().filter(|one| *one != FINALIZER).collect();
    let patch = json!({"metadata": {
        "uid": metadata.uid, "resourceVersion": metadata.resource_version, "finalizers": finalizers,
        "annotations": {INTENT: Value::Null},
    }});
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let written = api::<K>(object, context).patch_metadata(object.name(), &params, &Patch::Merge(&patch)).await;
    if !is_overtaken(written.map(drop))? {
        context.metrics.released(K::KIND, reason);
        context.events.publish_about(reference::<K>(object), reason, note);
        tracing::info!(kind = K::KIND.name(), object = object.place(), reason = reason.name(), why = note, "released");
    }
    Ok(Handled::Done)
}

fn api<K: TenantObject>(object: &NotUnderstood, context: &Context) -> Api<Reading<K>> {
    Api::namespaced(context.client.clone(), object.namespace())
}

fn reference<K: TenantObject>(object: &NotUnderstood) -> ObjectReference {
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
