//! Limits status to its schema and to what the API server stores. All texts are truncated in this one place, so that a
//! declared value or an answer of the platform never prevents the rest of status from being written.

use serde_json::Value;
use tenantry_api::TenantStatus;

use crate::{MAX_STATUS_VALUE_BYTES, summarise_long_value};

/// Maximum length of a text in bytes if status as a whole would be too long.
const SHORT_TEXT_BYTES: usize = 512;
/// Maximum length of status in bytes. The API server stores 1.5 MiB for the complete object, and the spec needs its
/// share.
const MAX_STATUS_BYTES: usize = 256 * 1024;
/// Maximum number of entries of a list and of a map in status: the limits of the schema.
const MAX_ENTRIES: (usize, usize) = (1024, 256);
/// Members that identify something: half of an id is another id.
const NEVER_TRUNCATED: [&str; 2] = ["uniqueId", "connection"];
/// Members that the next pass compares, which are therefore truncated last.
const TRUNCATED_LAST: [&str; 4] = ["effective", "applied", "conditions", "termination"];

/// Returns a status that fits.
pub fn fit_status_to_limits(status: &TenantStatus) -> TenantStatus {
    let Ok(mut whole) = serde_json::to_value(status) else { return status.clone() };
    truncate_values(&mut whole, MAX_STATUS_VALUE_BYTES, &NEVER_TRUNCATED);
    for kept in
        [[NEVER_TRUNCATED.as_slice(), TRUNCATED_LAST.as_slice()].concat().as_slice(), NEVER_TRUNCATED.as_slice()]
    {
        if whole.to_string().len() > MAX_STATUS_BYTES {
            truncate_values(&mut whole, SHORT_TEXT_BYTES, kept);
        }
    }
    serde_json::from_value(whole).unwrap_or_else(|_| status.clone())
}

/// Truncates texts, lists and maps in a value, except for members in `kept`.
fn truncate_values(value: &mut Value, longest: usize, kept: &[&str]) {
    match value {
        Value::String(text) if text.len() > longest => *text = summarise_long_value(text),
        Value::Array(entries) => {
            entries.truncate(MAX_ENTRIES.0);
            for entry in entries {
                truncate_values(entry, longest, kept);
            }
        }
        Value::Object(members) => {
            let mut number = 0..MAX_ENTRIES.1;
            members.retain(|_, _| number.next().is_some());
            for (_, member) in members.iter_mut().filter(|(name, _)| !kept.contains(&name.as_str())) {
                truncate_values(member, longest, kept);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use tenantry_api::{DriftStatus, EffectiveSetting};

    use super::*;
    use crate::{is_same_status_value, to_status_value};

    fn effective_setting(value: String) -> EffectiveSetting {
        EffectiveSetting { path: "details.city".to_owned(), value, source: "Spec".to_owned() }
    }

    #[test]
    fn a_long_text_becomes_size_and_digest_and_an_id_and_a_short_text_stay() {
        let long = "x".repeat(MAX_STATUS_VALUE_BYTES + 1);
        let status = TenantStatus {
            unique_id: Some(long.clone()),
            url: Some("https://a.example".to_owned()),
            effective: vec![effective_setting(long.clone())],
            ..TenantStatus::default()
        };
        let fitted = fit_status_to_limits(&status);
        assert_eq!((&fitted.unique_id, &fitted.url), (&status.unique_id, &status.url));
        assert_eq!(fitted.effective[0].value, to_status_value(long.clone()));
        assert!(
            is_same_status_value(&fitted.effective[0].value, &long)
                && !is_same_status_value(&fitted.effective[0].value, "x")
        );
        assert_eq!(fit_status_to_limits(&fitted), fitted);
    }

    #[test]
    fn the_whole_is_bounded_and_what_is_compared_is_cut_last() {
        let text = || "y".repeat(MAX_STATUS_VALUE_BYTES);
        let drift = |number| DriftStatus {
            path: format!("p{number}"),
            desired: text(),
            observed: text(),
            since: "2030-01-01T00:00:00Z".to_owned(),
        };
        let status = TenantStatus {
            effective: vec![effective_setting(text())],
            drift: (0..50).map(drift).collect(),
            unsupported: (0..2000).map(|number| number.to_string()).collect(),
            ..TenantStatus::default()
        };
        let fitted = fit_status_to_limits(&status);
        assert!(serde_json::to_string(&fitted).unwrap().len() <= MAX_STATUS_BYTES);
        assert_eq!(fitted.effective, status.effective);
        assert_eq!((fitted.drift.len(), fitted.unsupported.len()), (50, MAX_ENTRIES.0));
    }
}
