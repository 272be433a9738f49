//! How the API server says things.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Key, Resource};
use crate::sim::ask::{Ask, Reply};

/// A refusal.
pub(crate) fn refuse(status: u16, reason: &str, message: &str) -> Reply {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason,
        "code": status,
    });
    Reply::json(status, &body)
}

/// A watch from a version that is no longer known: it begins well and says so in its first event.
pub(crate) fn expired() -> Reply {
    let status = refuse(410, "Expired", "too old resource version").value();
    Reply::json(200, &json!({"type": "ERROR", "object": status}))
}

pub(super) fn missing(key: &Key) -> Reply {
    refuse(404, "NotFound", &format!("{} \"{}\" not found", key.resource.plural, key.name))
}

pub(super) fn conflict(key: &Key, why: &str) -> Reply {
    let message = format!("Operation cannot be fulfilled on {} \"{}\": {why}", key.resource.plural, key.name);
    refuse(409, "Conflict", &message)
}

/// Whether the request wants no more than the metadata.
fn wants_metadata(ask: &Ask) -> bool {
    ask.header("accept").contains("PartialObjectMetadata")
}

/// An object as this request wants to see it.
pub(super) fn shown(ask: &Ask, object: &Value) -> Value {
    if wants_metadata(ask) {
        json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
    } else {
        object.clone()
    }
}

pub(super) fn one(ask: &Ask, key: &Key, object: Option<&Value>) -> Reply {
    object.map_or_else(|| missing(key), |object| Reply::json(200, &shown(ask, object)))
}

pub(super) fn list(ask: &Ask, resource: Resource, objects: &[Arc<Value>], version: u64) -> Reply {
    let items: Vec<Value> = objects.iter().map(|object| shown(ask, object)).collect();
    let (kind, api) = if wants_metadata(ask) {
        ("PartialObjectMetadataList".to_owned(), "meta.k8s.io/v1")
    } else {
        (format!("{}List", resource.kind), resource.api)
    };
    let metadata = json!({"resourceVersion": version.to_string()});
    Reply::json(200, &json!({"kind": kind, "apiVersion": api, "metadata": metadata, "items": items}))
}

/// Whether the selectors of a request take an object.
pub(super) fn is_chosen(ask: &Ask, object: &Value) -> bool {
    let pair = |name: &str| {
        let text = ask.parameter(name)?;
        let (key, value) = text.split_once('=').unwrap_or_else(|| panic!("not modelled: {}", ask.line()));
        Some((key.to_owned(), value.to_owned()))
    };
    let has_label = pair("labelSelector").is_none_or(|(key, value)| object["metadata"]["labels"][&key] == value);
    let has_field = pair("fieldSelector").is_none_or(|(key, value)| {
        assert_eq!(key, "spec.partnerRef.name", "not modelled");
        object["spec"]["partnerRef"]["name"] == value
    });
    has_label && has_field
}
