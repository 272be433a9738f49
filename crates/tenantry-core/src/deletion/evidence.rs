//! The evidence of a termination: its content, its name, and how it is recognised.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value as Json, json};
use tenantry_api::{Acknowledgement, Confirmation};

use super::DeletionIntent;
use crate::{Digest, ObservedTenant, ObservedValue, Value, ValueType};

/// Key of the evidence in its ConfigMap.
pub const EVIDENCE_KEY: &str = "evidence.json";
/// Maximum size of the evidence in bytes: the API server accepts slightly more than 1 MiB for the complete object.
const MAX_EVIDENCE_BYTES: usize = 900 * 1024;
/// Maximum size of one setting in bytes. A longer one is recorded as a digest, so that one long list never prevents the
/// record.
const MAX_SETTING_BYTES: usize = 8 * 1024;

/// An author of the confirmation, as the API server reports it.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ConfirmationAuthor {
    /// Field manager.
    pub manager: String,
    /// `Apply` or `Update`.
    pub operation: String,
    /// When the manager last wrote its fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

/// What the evidence says about a tenant that is about to be terminated.
#[derive(Clone, Debug)]
pub struct EvidenceStatement<'a> {
    /// Deletion settings of the object.
    pub intent: &'a DeletionIntent<'a>,
    /// The tenant, with its branding.
    pub observed: &'a ObservedTenant,
    /// Host of the platform.
    pub host: &'a str,
    /// Parent tenant.
    pub parent_id: &'a str,
    /// When the deletion of the object was requested.
    pub deletion_requested_at: Option<String>,
    /// Authors of the confirmation.
    pub confirmed_by: Vec<ConfirmationAuthor>,
}

/// Returns the possible names of the evidence, in the order in which they are tried. The second is used if an earlier
/// termination of the same object was accepted under another confirmation and left its evidence.
pub fn evidence_names(uid: &str, confirm_digest: &str) -> [String; 2] {
    let short: String = confirm_digest.trim_start_matches("sha256:").chars().take(12).collect();
    [format!("terminated-{uid}"), format!("terminated-{uid}-{short}")]
}

/// Builds the evidence and its digest.
///
/// # Errors
///
/// Fails if the evidence is longer than an object can be.
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

/// Returns every setting that the platform shows, and the paths of the settings that it hides. A secret is always
/// hidden, even if a platform returns it.
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

/// Returns whether a text is the unchanged evidence of exactly this termination.
pub fn is_evidence(text: &str, digest: &str, (uid, confirm_digest): (&str, &str)) -> bool {
    let whole: Json = serde_json::from_str(text).unwrap_or_default();
    Digest::of_bytes(text.as_bytes()).to_string() == digest
        && whole.pointer("/object/uid").and_then(Json::as_str) == Some(uid)
        && whole.get("confirmDigest").and_then(Json::as_str) == Some(confirm_digest)
}
