//! Responses in the format of the API server.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Resource, SimObjectKey};
use crate::sim::request::{SimReply, SimRequest};

/// Returns an error status.
pub(crate) fn error_status(status: u16, reason: &str, message: &str) -> SimReply {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason,
        "code": status,
    });
    SimReply::json(status, &body)
}

/// Returns the response to a watch from an expired version: it begins normally, and its first event is the error.
pub(crate) fn expired_watch() -> SimReply {
    let status = error_status(410, "Expired", "too old resource version").json_body();
    SimReply::json(200, &json!({"type": "ERROR", "object": status}))
}

pub(super) fn not_found(key: &SimObjectKey) -> SimReply {
    error_status(404, "NotFound", &format!("{} \"{}\" not found", key.resource.plural, key.name))
}

pub(super) fn conflict(key: &SimObjectKey, reason: &str) -> SimReply {
    let message = format!("Operation cannot be fulfilled on {} \"{}\": {reason}", key.resource.plural, key.name);
    error_status(409, "Conflict", &message)
}

/// Returns whether the request asks for the metadata only.
fn wants_metadata(request: &SimRequest) -> bool {
    request.header("accept").contains("PartialObjectMetadata")
}

/// Returns an object in the representation that the request asks for.
pub(super) fn requested_view(request: &SimRequest, object: &Value) -> Value {
    if wants_metadata(request) {
        json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
    } else {
        object.clone()
    }
}

pub(super) fn object_reply(request: &SimRequest, key: &SimObjectKey, object: Option<&Value>) -> SimReply {
    object.map_or_else(|| not_found(key), |object| SimReply::json(200, &requested_view(request, object)))
}

pub(super) fn list_reply(request: &SimRequest, resource: Resource, objects: &[Arc<Value>], version: u64) -> SimReply {
    let items: Vec<Value> = objects.iter().map(|object| requested_view(request, object)).collect();
    let (kind, api) = if wants_metadata(request) {
        ("PartialObjectMetadataList".to_owned(), "meta.k8s.io/v1")
    } else {
        (format!("{}List", resource.kind), resource.api)
    };
    let metadata = json!({"resourceVersion": version.to_string()});
    SimReply::json(200, &json!({"kind": kind, "apiVersion": api, "metadata": metadata, "items": items}))
}

/// Returns whether the selectors of a request match an object.
pub(super) fn is_selected(request: &SimRequest, object: &Value) -> bool {
    let pair = |name: &str| {
        let text = request.parameter(name)?;
        let (key, value) = text.split_once('=').unwrap_or_else(|| panic!("not modelled: {}", request.log_line()));
        Some((key.to_owned(), value.to_owned()))
    };
    let has_label = pair("labelSelector").is_none_or(|(key, value)| object["metadata"]["labels"][&key] == value);
    let has_field = pair("fieldSelector").is_none_or(|(key, value)| {
        assert_eq!(key, "spec.partnerRef.name", "not modelled");
        object["spec"]["partnerRef"]["name"] == value
    });
    has_label && has_field
}
