//! Writes, with the rules that the operator relies on.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::responses::{conflict, error_status, not_found, requested_view};
use super::{HistoryChange, HistoryEntry, NAMESPACES, Resource, SimCluster, SimObjectKey};
use crate::sim::request::{SimReply, SimRequest};

const MODIFIED: &str = "the object has been modified; please apply your changes to the latest version and try again";

/// Returns whether the object is being deleted.
pub(super) fn is_deleting(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

/// Formats a time in whole seconds, as metadata has them.
fn to_whole_seconds(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

/// Applies a merge patch by RFC 7396.
fn merge_json(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Some(members) = target.as_object_mut() else { return };
    for (key, value) in patch {
        if value.is_null() {
            members.remove(key);
        } else {
            merge_json(members.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Removes empty lists and maps of metadata, which are not stored.
fn without_empty(metadata: &mut Value) {
    if let Some(members) = metadata.as_object_mut() {
        members.retain(|_, value| {
            !matches!(value, Value::Array(all) if all.is_empty())
                && !matches!(value, Value::Object(all) if all.is_empty())
        });
    }
}

fn finalizers(object: &Value) -> Vec<&str> {
    object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

impl SimCluster {
    pub(super) fn create(&mut self, resource: Resource, namespace: &str, mut body: Value, at: Timestamp) -> SimReply {
        let name = body["metadata"]["name"]
            .as_str()
            .unwrap_or_else(|| panic!("not modelled: a create without a name"))
            .to_owned();
        let key = SimObjectKey::new(resource, namespace, &name);
        if !namespace.is_empty() {
            match self.get(&SimObjectKey::new(NAMESPACES, "", namespace)) {
                None => return not_found(&SimObjectKey::new(NAMESPACES, "", namespace)),
                Some(found) if is_deleting(found) => {
                    let message = format!(
                        "{} \"{name}\" is forbidden: unable to create new content in namespace {namespace} because it is being terminated",
                        resource.plural
                    );
                    return error_status(403, "Forbidden", &message);
                }
                Some(_) => {}
            }
        }
        if self.get(&key).is_some() {
            return error_status(409, "AlreadyExists", &format!("{} \"{name}\" already exists", resource.plural));
        }
        self.created_count += 1;
        body["apiVersion"] = json!(resource.api);
        body["kind"] = json!(resource.kind);
        let uid = format!("00000000-0000-4000-8000-{:012x}", self.created_count);
        let metadata = &mut body["metadata"];
        metadata["uid"] = json!(uid);
        metadata["creationTimestamp"] = json!(to_whole_seconds(at));
        if !namespace.is_empty() {
            metadata["namespace"] = json!(namespace);
        }
        if resource.has_generation() {
            metadata["generation"] = json!(1);
            // The default of the schema.
            body["status"] = json!({"observedGeneration": -1});
        }
        without_empty(&mut body["metadata"]);
        self.store_object(HistoryChange::Added, &key, body, at)
    }

    pub(super) fn replace(&mut self, key: &SimObjectKey, mut body: Value, at: Timestamp) -> SimReply {
        let Some(before) = self.get(key).cloned() else { return not_found(key) };
        for protected in ["creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"] {
            body["metadata"][protected] = before["metadata"][protected].clone();
        }
        for given in ["uid", "resourceVersion"] {
            if body["metadata"][given].is_null() {
                body["metadata"][given] = before["metadata"][given].clone();
            }
        }
        self.update(key, (&before, body), at)
    }

    /// Applies a merge patch to the object without its status.
    pub(super) fn merge_patch(&mut self, request: &SimRequest, key: &SimObjectKey, at: Timestamp) -> SimReply {
        let Some(before) = self.get(key).cloned() else { return not_found(key) };
        assert_eq!(
            request.header("content-type"),
            "application/merge-patch+json",
            "not modelled: {}",
            request.log_line()
        );
        let mut after = before.clone();
        merge_json(&mut after, &request.json());
        let reply = self.update(key, (&before, after), at);
        if reply.is_success() {
            SimReply::json(reply.status, &requested_view(request, &reply.json_body()))
        } else {
            reply
        }
    }

    /// Carries out the common part of an update and a merge patch.
    fn update(&mut self, key: &SimObjectKey, (before, mut after): (&Value, Value), at: Timestamp) -> SimReply {
        if after["metadata"]["uid"] != before["metadata"]["uid"] {
            return error_status(422, "Invalid", "metadata.uid: Invalid value: field is immutable");
        }
        if after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"] {
            return conflict(key, MODIFIED);
        }
        if is_deleting(before) && finalizers(&after).iter().any(|one| !finalizers(before).contains(one)) {
            return error_status(
                422,
                "Invalid",
                "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted",
            );
        }
        without_empty(&mut after["metadata"]);
        if key.resource.has_generation() {
            after["status"] = before["status"].clone();
            if after["status"].is_null() {
                after.as_object_mut().map(|whole| whole.remove("status"));
            }
            if after["spec"] != before["spec"] {
                after["metadata"]["generation"] = json!(before["metadata"]["generation"].as_i64().unwrap_or(0) + 1);
            }
        }
        if is_deleting(&after) && finalizers(&after).is_empty() && key.resource.has_generation() {
            let gone = after.clone();
            self.remove(key, at);
            return SimReply::json(200, &gone);
        }
        if after == *before {
            return SimReply::json(200, before);
        }
        self.store_object(HistoryChange::Modified, key, after, at)
    }

    /// Applies a status by server-side apply with a single owner: members that are left out are removed. The real API
    /// server compares no UID here.
    pub(super) fn apply_status(&mut self, request: &SimRequest, key: &SimObjectKey, at: Timestamp) -> SimReply {
        assert_eq!(
            request.header("content-type"),
            "application/apply-patch+yaml",
            "not modelled: {}",
            request.log_line()
        );
        assert_eq!(request.parameter("force").as_deref(), Some("true"), "not modelled: {}", request.log_line());
        let Some(before) = self.get(key).cloned() else { return not_found(key) };
        let body = request.json();
        let given = &body["metadata"];
        if !given["resourceVersion"].is_null() && given["resourceVersion"] != before["metadata"]["resourceVersion"] {
            return conflict(key, MODIFIED);
        }
        let mut after = before.clone();
        after["status"] = body["status"].clone();
        // The default of the schema.
        if after["status"]["observedGeneration"].is_null() {
            after["status"]["observedGeneration"] = json!(-1);
        }
        if after == before {
            return SimReply::json(200, &before);
        }
        self.store_object(HistoryChange::Modified, key, after, at)
    }

    pub(super) fn delete(&mut self, key: &SimObjectKey, at: Timestamp) -> SimReply {
        let Some(before) = self.get(key).cloned() else { return not_found(key) };
        let stays = !finalizers(&before).is_empty() || key.resource == NAMESPACES || key.resource == super::DEFINITIONS;
        if !stays {
            self.remove(key, at);
            return SimReply::json(
                200,
                &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}),
            );
        }
        if is_deleting(&before) {
            return SimReply::json(200, &before);
        }
        let mut after = before;
        after["metadata"]["deletionTimestamp"] = json!(to_whole_seconds(at));
        if key.resource.has_generation() {
            after["metadata"]["deletionGracePeriodSeconds"] = json!(0);
            after["metadata"]["generation"] = json!(after["metadata"]["generation"].as_i64().unwrap_or(0) + 1);
        }
        self.store_object(HistoryChange::Modified, key, after, at)
    }

    /// Removes an object.
    pub(super) fn remove(&mut self, key: &SimObjectKey, at: Timestamp) {
        if let Some(object) = self.objects.remove(key) {
            let mut object = object.as_ref().clone();
            self.version += 1;
            object["metadata"]["resourceVersion"] = json!(self.version.to_string());
            self.record_history(HistoryChange::Deleted, key, Arc::new(object), at);
        }
    }

    /// Stores an object in its new state.
    fn store_object(
        &mut self,
        change: HistoryChange,
        key: &SimObjectKey,
        mut object: Value,
        at: Timestamp,
    ) -> SimReply {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let reply = SimReply::json(if change == HistoryChange::Added { 201 } else { 200 }, &object);
        let object = Arc::new(object);
        self.objects.insert(key.clone(), Arc::clone(&object));
        self.record_history(change, key, object, at);
        reply
    }

    fn record_history(&mut self, change: HistoryChange, key: &SimObjectKey, object: Arc<Value>, at: Timestamp) {
        self.history.push(HistoryEntry { version: self.version, at, how: change, key: key.clone(), object });
        self.change_sender.send_replace(self.version);
    }
}
