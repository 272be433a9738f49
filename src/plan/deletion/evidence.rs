//! The record of what is ended: what it says, under which name, and how it is told from another.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::DeletionIntent;
use crate::api::{Acknowledgement, Confirmation};
use crate::plan::{Digest, ObservedTenant, ObservedValue, Value, ValueType};

/// Key under which the record stands.
pub const EVIDENCE_KEY: &str = "evidence.json";
/// Longest record, in bytes: the API server takes a little more than a mebibyte for the whole object.
const MAX_EVIDENCE_BYTES: usize = 900 * 1024;
/// Longest single setting; a longer one is a digest, so that one list never keeps the whole from being recorded.
const MAX_SETTING_BYTES: usize = 8 * 1024;

/// Somebody who set the confirmation, as far as the API server tells.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ConfirmationAuthor {
    /// Field manager.
    pub manager: String,
    /// `Apply` or `Update`.
    pub operation: String,
    /// When it last wrote what it owns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

/// What is said about a tenant that is about to be ended.
#[derive(Clone, Debug)]
pub struct EvidenceStatement<'a> {
    /// What the object says.
    pub intent: &'a DeletionIntent<'a>,
    /// The tenant with its branding.
    pub observed: &'a ObservedTenant,
    /// Host of the platform.
    pub host: &'a str,
    /// Tenant above it.
    pub parent_id: &'a str,
    /// When the deletion of the object was asked for.
    pub deletion_requested_at: Option<String>,
    /// Who set the confirmation.
    pub confirmed_by: Vec<ConfirmationAuthor>,
}

/// The names that the record of a termination may have, in the order in which they are tried. The second serves where an
/// earlier termination of the same object was accepted under another confirmation and left its record.
pub fn evidence_names(uid: &str, confirm_digest: &str) -> [String; 2] {
    let short: String = confirm_digest.trim_start_matches("sha256:").chars().take(12).collect();
    [format!("terminated-{uid}"), format!("terminated-{uid}-{short}")]
}

/// The record and its digest.
///
/// # Errors
/// When it is longer than an object can be.
pub fn build_evidence(statement: &EvidenceStatement<'_>, now: Timestamp) -> Result<(String, String), String> {
    let EvidenceStatement { intent, observed, host, parent_id, deletion_requested_at: deletion_asked, confirmed_by } =
        statement;
    let record = intent.record;
    let (settings, hidden) = evidence_settings(observed);
    let whole = json!({
        "object": {"kind": intent.kind.name(), "place": intent.object, "uid": intent.uid},
        "tenant": {
            "uniqueId": observed.unique_id,
            "accountId": observed.account_id,
            "name": observed.name,
            "parentId": parent_id,
            "host": host,
            "mark": intent.mark.to_string(),
            "created": observed.created.map(|time| time.to_string()),
            "updated": observed.updated.map(|time| time.to_string()),
        },
        "settings": settings,
        "notShown": hidden,
        "confirmation": intent.confirm.map(confirmation_json),
        "confirmDigest": record.confirm_digest,
        "confirmedBy": confirmed_by,
        "impact": record.impact,
        "suspendedForIt": record.suspended_by_us,
        "times": {
            "deletionAsked": deletion_asked,
            "confirmed": record.confirmed_at,
            "graceOver": record.purge_after,
            "written": now.to_string(),
        },
    });
    let text = serde_json::to_string_pretty(&whole).map_err(|error| error.to_string())?;
    if text.len() > MAX_EVIDENCE_BYTES {
        return Err(format!("the record has {} bytes, {MAX_EVIDENCE_BYTES} at most can be kept", text.len()));
    }
    let digest = Digest::of_bytes(text.as_bytes()).to_string();
    Ok((text, digest))
}

fn confirmation_json(confirm: &Confirmation) -> Json {
    let Confirmation { name, unique_id, acknowledge, not_after } = confirm;
    let acknowledge: Vec<&str> = acknowledge.iter().copied().map(Acknowledgement::name).collect();
    json!({"name": name, "uniqueId": unique_id, "acknowledge": acknowledge, "notAfter": not_after})
}

/// Every setting that the platform shows, and the paths of those it does not. A secret is never among them, whatever a
/// platform answers.
pub fn evidence_settings(observed: &ObservedTenant) -> (BTreeMap<&'static str, Json>, Vec<&'static str>) {
    let mut shown = BTreeMap::new();
    let mut hidden = Vec::new();
    for (field, seen) in &observed.values {
        match seen {
            ObservedValue::Value(value) if field.value_type() != ValueType::Secret => {
                let unknown = observed.unknown.values.get(field);
                let text = match unknown {
                    Some(unknown) => {
                        Value::set(value.entries().map(str::to_owned).chain(unknown.iter().cloned())).to_json()
                    }
                    None => value.to_json(),
                };
                let value = if text.len() > MAX_SETTING_BYTES {
                    json!({"digest": Digest::of_bytes(text.as_bytes()).to_string(), "bytes": text.len()})
                } else {
                    serde_json::from_str(&text).unwrap_or(Json::String(text))
                };
                shown.insert(field.path(), value);
            }
            ObservedValue::Value(_) | ObservedValue::Unreadable => hidden.push(field.path()),
            ObservedValue::Unsupported => {}
        }
    }
    (shown, hidden)
}

/// Whether a text is the record of this very termination and was not changed since.
pub fn is_evidence(text: &str, digest: &str, (uid, confirm_digest): (&str, &str)) -> bool {
    let whole: Json = serde_json::from_str(text).unwrap_or_default();
    Digest::of_bytes(text.as_bytes()).to_string() == digest
        && whole.pointer("/object/uid").and_then(Json::as_str) == Some(uid)
        && whole.get("confirmDigest").and_then(Json::as_str) == Some(confirm_digest)
}
