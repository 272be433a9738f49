//! Changes of records by requests.

use serde_json::{Map, Value};
use tenantry_catalog::DataCategory;

use super::cloud_account;
use crate::error::{ApiError, quote};
use crate::limits::{MAX_NAME_CHARS, MAX_RECORD_BYTES};
use crate::settings::Problems;
use crate::store::{Record, RecordScope};
use crate::time;

/// Members that the platform writes. A request may send them back.
pub(super) const PLATFORM_MEMBERS: [&str; 4] = ["id", "category", "revision", "tenantId"];

/// Tolerated difference of a client's clock into the future, in milliseconds.
const MAX_CLOCK_SKEW: i64 = 24 * 60 * 60 * 1000;

/// Refuses a change based on an older revision: it would overwrite later changes.
pub(super) fn ensure_current_revision(record: &Record, read_at: Option<i64>) -> Result<(), ApiError> {
    let now = record.revision;
    match read_at {
        None => Err(ApiError::field("revision", "The number of the revision that was read is required")),
        Some(revision) if revision == now => Ok(()),
        Some(revision) => Err(ApiError::RevisionConflict(format!(
            "The record is at revision {now}, and the change is of revision {revision}; read it again and change that"
        ))),
    }
}

/// Merges the members of a request into a record: each member replaces the stored one, and null removes it.
pub(super) fn merge_record(
    mut record: Record,
    body: Map<String, Value>,
    record_scope: RecordScope,
) -> Result<Record, ApiError> {
    let mut problems = Problems::default();
    let (sent, before): (Vec<String>, usize) = (body.keys().cloned().collect(), stored_length(&record.members)?);
    for (member, value) in body {
        match member.as_str() {
            "name" => require_text(&member, &value, &mut problems).trim().clone_into(&mut record.name),
            "time" => match time::parse_span(&require_text(&member, &value, &mut problems)) {
                Some((at, _)) => record.at = at,
                None => problems.refuse("time", "The text is not a time such as 2016-08-29T12:05:08+0000"),
            },
            written if PLATFORM_MEMBERS.contains(&written) => {}
            _ if value.is_null() => drop(record.members.remove(&member)),
            "kind" if !value.is_string() => problems.refuse("kind", "The value must be a text"),
            _ => drop(record.members.insert(member, value)),
        }
    }
    if record.name.is_empty()
        || record.name.chars().count() > MAX_NAME_CHARS
        || record.name.chars().any(char::is_control)
    {
        problems.refuse("name", "The name must have 1 to 255 printable characters");
    }
    check_time_range(&record, record_scope, &mut problems);
    let bytes = stored_length(&record.members)?;
    // A record that an earlier release let grow beyond the limit may shrink step by step.
    if bytes > MAX_RECORD_BYTES.max(before) {
        problems.refuse(&largest_member(&record.members, sent)?, too_large_message(bytes));
    }
    record.cloud_account = (record_scope.category == DataCategory::Integrations)
        .then(|| cloud_account::account_key(&record.members, &mut problems))
        .flatten();
    record.revision += 1;
    problems.finish()?;
    Ok(record)
}

/// Returns the stored size of the members in bytes.
fn stored_length(members: &Map<String, Value>) -> Result<usize, ApiError> {
    Ok(serde_json::to_string(members)?.len())
}

/// Returns which member of the request takes most space in a record.
fn largest_member(members: &Map<String, Value>, sent: Vec<String>) -> Result<String, ApiError> {
    let mut largest = ("body".to_owned(), 0);
    for member in sent {
        let Some(value) = members.get(&member) else { continue };
        let bytes = serde_json::to_string(value)?.len();
        if bytes > largest.1 {
            largest = (member, bytes);
        }
    }
    Ok(largest.0)
}

fn too_large_message(bytes: usize) -> String {
    format!(
        "The record would have {bytes} bytes with what it has already, and at most {MAX_RECORD_BYTES} are kept: remove members by null, \
         or keep some of them in another record"
    )
}

fn check_time_range(record: &Record, record_scope: RecordScope, problems: &mut Problems) {
    if record.at < record_scope.since {
        let since = time::to_wire(record_scope.since);
        problems
            .refuse("time", format!("The tenant's data is kept from {since} on; with Extended Data Retention longer"));
    } else if record.at > time::now() + MAX_CLOCK_SKEW {
        problems.refuse("time", "The time is more than a day ahead");
    }
}

fn require_text(member: &str, value: &Value, problems: &mut Problems) -> String {
    if let Value::String(text) = value {
        return text.clone();
    }
    problems.refuse(member, format!("The value {} must be a text", quote(&value.to_string())));
    String::new()
}
