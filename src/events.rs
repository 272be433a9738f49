//! Events: published with best effort, never a reason for a pass to fail, at most one for each occurrence.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Client;
use kube::api::{Api, PostParams};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tenantry_api::{ConditionType, ManagementMode, Reason, TenantStatus};
use tenantry_core::object::unmanaged_setting_advice;
use tenantry_core::{ConditionStatus, Field, InvalidSetting, LifecycleState};
use tokio::time::Instant;

use super::context::Context;
use super::deletion::LEDGER_NAME;
use super::pass_stop::api_error_message;
use super::status::PassResult;
use super::tenant_object::{TenantObject, is_deleting, management_mode};

/// Publishes events.
pub(crate) struct Events {
    recorder: Recorder,
    client: Client,
    reporter: Reporter,
}

/// Maximum length of an event's note, in bytes.
const MAX_NOTE_BYTES: usize = 1024;
/// Longest object name to which the recorder can append a time without making the event's name too long.
const MAX_RECORDER_NAME: usize = 230;

/// Truncates a note to what the API server accepts.
fn truncate_note(note: &str) -> String {
    if note.len() <= MAX_NOTE_BYTES {
        return note.to_owned();
    }
    let end = (0..=MAX_NOTE_BYTES - 3).rev().find(|end| note.is_char_boundary(*end)).unwrap_or_default();
    format!("{}...", &note[..end])
}

/// Builds an event for an object whose name leaves no room for a time: the event's name holds only a part of that name.
fn event_with_short_name(event: &Event, reference: &ObjectReference, reporter: Reporter) -> events::v1::Event {
    let now = jiff::Timestamp::now();
    let name: String = reference.name.as_deref().unwrap_or_default().chars().take(MAX_RECORDER_NAME).collect();
    let name = name.trim_end_matches(|last: char| !last.is_ascii_alphanumeric());
    let Event { type_, reason, note, action, secondary } = event;
    events::v1::Event {
        metadata: ObjectMeta {
            name: Some(format!("{name}.{:x}", now.as_nanosecond())),
            namespace: reference.namespace.clone(),
            ..ObjectMeta::default()
        },
        action: Some(action.clone()),
        event_time: Some(MicroTime(now)),
        note: note.clone(),
        reason: Some(reason.clone()),
        regarding: Some(reference.clone()),
        related: secondary.clone(),
        reporting_instance: reporter.instance.or_else(|| Some(reporter.controller.clone())),
        reporting_controller: Some(reporter.controller),
        type_: Some(if matches!(type_, EventType::Warning) { "Warning" } else { "Normal" }.to_owned()),
        ..events::v1::Event::default()
    }
}

impl Events {
    pub(crate) fn new(client: Client) -> Self {
        let reporter =
            Reporter { controller: "tenantry-operator".to_owned(), instance: std::env::var("HOSTNAME").ok() };
        Self { recorder: Recorder::new(client.clone(), reporter.clone()), client, reporter }
    }

    /// Publishes one event without blocking the caller.
    pub(crate) fn publish<K: TenantObject>(&self, object: &K, reason: Reason, note: &str) {
        let type_ = if reason.needs_person() { EventType::Warning } else { EventType::Normal };
        self.publish_as(object, reason.name(), type_, note);
    }

    /// Publishes one event about an object of which only the reference is known.
    pub(crate) fn publish_about(&self, reference: ObjectReference, reason: Reason, note: &str) {
        let type_ = if reason.needs_person() { EventType::Warning } else { EventType::Normal };
        let event = Event {
            type_,
            reason: reason.name().to_owned(),
            note: Some(note.to_owned()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        self.send_event(event, reference);
    }

    /// Publishes one event about an object in the operator's own namespace, where the object's namespace accepts none.
    /// An event must be about something in its own namespace, so it is about the ledger and names the object as
    /// related.
    pub(crate) fn publish_in_operator_namespace<K: TenantObject>(
        &self,
        home: &str,
        object: &K,
        reason: Reason,
        note: &str,
    ) {
        let event = Event {
            type_: EventType::Normal,
            reason: reason.name().to_owned(),
            note: Some(format!("{} `{}`: {note}", K::KIND.name(), super::tenant_object::namespaced_name(object))),
            action: "Reconcile".to_owned(),
            secondary: Some(object.object_ref(&())),
        };
        let reference = ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("ConfigMap".to_owned()),
            namespace: Some(home.to_owned()),
            name: Some(LEDGER_NAME.to_owned()),
            ..ObjectReference::default()
        };
        self.send_event(event, reference);
    }

    fn publish_as<K: TenantObject>(&self, object: &K, reason: &str, type_: EventType, note: &str) {
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(note.to_owned()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        self.send_event(event, object.object_ref(&()));
    }

    fn send_event(&self, mut event: Event, reference: ObjectReference) {
        event.note = event.note.as_deref().map(truncate_note);
        let (recorder, client, reporter) = (self.recorder.clone(), self.client.clone(), self.reporter.clone());
        tokio::spawn(async move {
            let sent = match reference.name.as_deref() {
                Some(name) if name.len() > MAX_RECORDER_NAME => {
                    let event = event_with_short_name(&event, &reference, reporter);
                    let events = Api::namespaced(client, reference.namespace.as_deref().unwrap_or_default());
                    events.create(&PostParams::default(), &event).await.map(drop)
                }
                _ => recorder.publish(&event, &reference).await,
            };
            if let Err(error) = sent {
                tracing::debug!(error = api_error_message(&error), reason = event.reason, "event was not published");
            }
        });
    }
}

/// The status before a pass, and after it.
#[derive(Clone, Copy)]
pub(crate) struct StatusTransition<'a> {
    pub(crate) before: &'a TenantStatus,
    pub(crate) after: &'a TenantStatus,
}

/// Publishes events for what a pass did, and for new problems.
pub(crate) fn publish_pass_events<K: TenantObject>(
    object: &Arc<K>,
    statuses: StatusTransition<'_>,
    pass_result: &PassResult,
    context: &Context,
) {
    let StatusTransition { before, after } = statuses;
    let events = &context.events;
    let id = after.unique_id.as_deref().unwrap_or_default();
    if pass_result.applied.created_id.is_some() {
        events.publish(object.as_ref(), Reason::Created, &format!("created tenant `{id}`"));
    } else if pass_result.is_adopted {
        events.publish(object.as_ref(), Reason::Adopted, &format!("took over tenant `{id}`"));
    } else if pass_result.is_reattached && pass_result.applied.is_marked {
        events.publish(
            object.as_ref(),
            Reason::Reattached,
            &format!("took up tenant `{id}` again, which an earlier object of this name created"),
        );
    } else if !pass_result.applied.written.is_empty() {
        let paths: Vec<String> =
            pass_result.applied.written.iter().map(|change| format!("`{}`", change.field.path())).collect();
        events.publish(object.as_ref(), Reason::Updated, &format!("wrote {}", paths.join(", ")));
    }
    if has_new_address(pass_result) {
        events.publish(
            object.as_ref(),
            Reason::DNSRecordNeeded,
            "the application server is new: contact the platform's support to have a DNS entry added for it",
        );
    }
    // A change that the platform acknowledged and that no read shows yet is no event.
    let is_active = pass_result.observed.as_ref().map(|observed| observed.lifecycle == LifecycleState::Active);
    if pass_result.applied.is_suspended && is_active != Some(true) {
        events.publish(object.as_ref(), Reason::Suspended, &format!("suspended tenant `{id}`"));
    }
    if pass_result.applied.is_activated && is_active != Some(false) {
        events.publish(object.as_ref(), Reason::Activated, &format!("activated tenant `{id}`"));
    }
    for one in &after.no_longer_managed {
        if before.no_longer_managed.iter().all(|known| known.path != one.path) {
            events.publish_as(
                object.as_ref(),
                Reason::NoLongerManaged.name(),
                EventType::Warning,
                &unmanaged_setting_advice(one),
            );
        }
    }
    for one in after.image_advice.iter().filter(|one| !before.image_advice.contains(one)) {
        events.publish_as(object.as_ref(), Reason::ImageAdvice.name(), EventType::Warning, one);
    }
    publish_pause_events(object.as_ref(), statuses, pass_result, context);
    publish_new_warnings(object.as_ref(), statuses, context);
}

/// Publishes events for the begin and the end of a pause; a pause may end by its own time. An object that is only
/// observed afterwards is not managed again, and neither is one whose tenant has not been read yet.
fn publish_pause_events<K: TenantObject>(
    object: &K,
    statuses: StatusTransition<'_>,
    pass_result: &PassResult,
    context: &Context,
) {
    let paused = |status: &TenantStatus| {
        let found = status.conditions.iter().find(|one| one.type_ == ConditionType::Paused.name());
        found.filter(|one| one.status == ConditionStatus::True.name()).map(|one| one.message.clone())
    };
    // The conditions of a deletion do not mention a pause.
    if is_deleting(object) {
        return;
    }
    let (was, is) = (paused(statuses.before), paused(statuses.after));
    let has_resumed = K::kind_state(context).with_memory(object, |memory| {
        let is_managed = is.is_none() && management_mode(object) == ManagementMode::Manage;
        let resumed = memory.resumed_at.or_else(|| was.is_some().then(Instant::now));
        memory.resumed_at = resumed.filter(|_| is_managed);
        memory.resumed_at.take_if(|_| pass_result.observed.is_some()).is_some()
    });
    if has_resumed {
        context.events.publish(object, Reason::Resumed, "the pause is over: the tenant is managed again");
    }
    if let Some(message) = is.filter(|_| was.is_none()) {
        context.events.publish(object, Reason::ManagementPaused, &message);
    }
}

/// Warns of settings that are tolerated for now and would be refused if they were new: once for each process and for
/// each change of them.
pub(crate) fn warn_of_tolerated<K: TenantObject>(object: &K, tolerated: &[InvalidSetting], context: &Context) {
    let now: Vec<String> = tolerated.iter().map(ToString::to_string).collect();
    let before =
        K::kind_state(context).with_memory(object, |memory| std::mem::replace(&mut memory.tolerated, now.clone()));
    for (one, note) in tolerated.iter().zip(&now).filter(|(_, note)| !before.contains(note)) {
        context.events.publish(object, one.reason, note);
    }
}

/// Returns whether the tenant has got another address.
fn has_new_address(pass_result: &PassResult) -> bool {
    pass_result.applied.written.iter().any(|change| change.field == Field::ApplicationServer)
}

/// Time in which a Partner that is applied together with its Clients appears.
const PARTNER_GRACE_TIME: Duration = Duration::from_secs(10);

/// Returns whether a missing Partner is more than one that is applied a moment later. Returns true once.
fn is_partner_overdue<K: TenantObject>(object: &K, is_new: bool, context: &Context) -> bool {
    K::kind_state(context).with_memory(object, |memory| {
        if is_new {
            memory.partner_missing_since = Some(Instant::now());
        }
        memory.partner_missing_since.take_if(|since| since.elapsed() >= PARTNER_GRACE_TIME).is_some()
    })
}

/// Publishes a warning when Ready changes to a reason that needs a person, or to one that may be a misspelt reference.
/// A state that passes by itself is no event.
fn publish_new_warnings<K: TenantObject>(object: &K, statuses: StatusTransition<'_>, context: &Context) {
    let StatusTransition { before, after } = statuses;
    let stalled = |status: &TenantStatus| {
        let condition = status.conditions.iter().find(|one| one.type_ == ConditionType::Stalled.name());
        condition
            .filter(|one| one.status == ConditionStatus::True.name())
            .map(|one| (one.reason.clone(), one.message.clone()))
    };
    if let Some((reason, message)) = stalled(after)
        && stalled(before).is_none_or(|(old, _)| old != reason)
    {
        context.events.publish_as(object, &reason, EventType::Warning, &message);
    }
    let unfound = |status: &TenantStatus| {
        let ready = status.conditions.iter().find(|one| one.type_ == ConditionType::Ready.name());
        ready.filter(|ready| ready.reason == Reason::PartnerNotFound.name()).map(|ready| ready.message.clone())
    };
    let is_new = unfound(before).is_none();
    let found = unfound(after).filter(|_| is_partner_overdue(object, is_new, context));
    if let Some(message) = found {
        context.events.publish_as(object, Reason::PartnerNotFound.name(), EventType::Warning, &message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_cut_to_what_the_api_server_counts_and_never_inside_a_character() {
        for text in ["x", "語", "😀", "é"] {
            for length in [1, 300, 341, 342, 1024, 1025, 5000] {
                let note = truncate_note(&text.repeat(length));
                assert!(note.len() <= MAX_NOTE_BYTES, "{text} {length}");
                assert!(note.len() > MAX_NOTE_BYTES - 8 || note == text.repeat(length), "{text} {length}");
            }
        }
    }

    #[tokio::test]
    async fn every_event_is_sent_with_a_note_that_the_api_server_takes() {
        let (sent, mut received) = tokio::sync::mpsc::unbounded_channel();
        let server = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let sent = sent.clone();
            async move {
                let bytes = request.into_body().collect_bytes().await.unwrap();
                let event: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
                sent.send(event).unwrap();
                Ok::<_, tower::BoxError>(http::Response::new(kube::client::Body::from(bytes.to_vec())))
            }
        });
        let events = Events::new(Client::new(server, "a"));
        let long = "語".repeat(900);
        let object: tenantry_api::TenantClient = serde_json::from_value(serde_json::json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client", "spec": {"details": {"name": "a"}},
            "metadata": {"name": "a", "namespace": "a", "uid": "u"},
        }))
        .unwrap();
        let reason = Reason::NotUnderstood;
        events.publish(&object, reason, &long);
        events.publish_about(kube::Resource::object_ref(&object, &()), reason, &long);
        events.publish_in_operator_namespace("home", &object, reason, &long);
        let mut about = Vec::new();
        for _ in 0..3 {
            let event = received.recv().await.unwrap();
            let note = event["note"].as_str().unwrap().len();
            assert!((MAX_NOTE_BYTES - 8..=MAX_NOTE_BYTES).contains(&note), "{note} bytes");
            about
                .push(["namespace", "name"].map(|key| event["regarding"][key].as_str().unwrap_or_default().to_owned()));
        }
        about.sort();
        assert_eq!(about, [["a", "a"], ["a", "a"], ["home", LEDGER_NAME]]);
    }

    #[test]
    fn the_event_of_an_object_with_the_longest_name_has_a_name_that_the_api_server_takes() {
        let event = Event {
            type_: EventType::Normal,
            reason: "Created".into(),
            note: None,
            action: "a".into(),
            secondary: None,
        };
        for name in ["n".repeat(253), format!("{}-.{}", "n".repeat(228), "n".repeat(23))] {
            let reference = ObjectReference { name: Some(name.clone()), ..ObjectReference::default() };
            let reporter = Reporter { controller: "c".to_owned(), instance: None };
            let event = event_with_short_name(&event, &reference, reporter);
            let own = event.metadata.name.unwrap();
            assert!(own.len() <= 253 && !own.contains("-."), "{own}");
            assert_eq!(event.regarding.unwrap().name, Some(name));
        }
    }
}
