//! The confirmation of a termination: what it must contain, how it is recorded, and the block to paste.

use jiff::{SignedDuration, Timestamp};
use tenantry_api::{Acknowledgement, Confirmation, Reason};

use crate::{Digest, ObservedTenant};

/// Maximum time that a confirmation may be valid: seven days.
const MAX_VALIDITY: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Validity of the block to paste: six days, so that the block is still acceptable when it is pasted the next day.
const OFFERED_VALIDITY: SignedDuration = SignedDuration::from_hours(6 * 24);

/// Checks a confirmation that has not been accepted yet.
pub(super) fn check_confirmation<'a>(
    confirm: Option<&'a Confirmation>,
    observed: &ObservedTenant,
    now: Timestamp,
) -> Result<&'a Confirmation, (Reason, String)> {
    const PASTE: &str = "paste the block of `status.termination.howToConfirm` under `spec`";
    let Some(confirm) = confirm else {
        return Err((
            Reason::ConfirmationNeeded,
            format!(
                "ending tenant `{}` erases it for ever and waits for your consent: back up all its data first, since none comes \
                 back, then {PASTE}, or set `deletion.policy` to `Retain`",
                observed.unique_id
            ),
        ));
    };
    let Confirmation { name, unique_id, acknowledge, not_after } = confirm;
    let wrong = |message: String| Err((Reason::ConfirmationInvalid, format!("{message}: {PASTE}")));
    if *name != observed.name {
        return wrong(format!("`deletion.confirm.name` is `{name}` and the tenant is named `{}`", observed.name));
    }
    if *unique_id != observed.unique_id {
        return wrong(format!(
            "`deletion.confirm.uniqueId` is `{unique_id}` and the tenant's id is `{}`",
            observed.unique_id
        ));
    }
    if let Some(missing) = Acknowledgement::ALL.into_iter().find(|needed| !acknowledge.contains(needed)) {
        return wrong(format!("`deletion.confirm.acknowledge` lacks `{}`", missing.name()));
    }
    let Ok(not_after) = not_after.parse::<Timestamp>() else {
        return wrong(format!("`deletion.confirm.notAfter` is `{not_after}`, which is no time"));
    };
    if not_after < now {
        return wrong(format!("`deletion.confirm.notAfter` was {not_after} and has passed"));
    }
    if not_after > now.saturating_add(MAX_VALIDITY).unwrap_or(Timestamp::MAX) {
        return wrong(format!("`deletion.confirm.notAfter` is {not_after}, more than seven days ahead"));
    }
    Ok(confirm)
}

/// Returns the digest that is recorded for an accepted confirmation. It covers the object's UID, so that the
/// confirmation never applies to another object.
pub fn confirm_digest(uid: &str, confirm: &Confirmation) -> String {
    let Confirmation { name, unique_id, acknowledge, not_after } = confirm;
    let mut accepted: Vec<&str> = acknowledge.iter().map(|one| one.name()).collect();
    accepted.sort_unstable();
    let text = serde_json::json!([name, unique_id, accepted, not_after]).to_string();
    Digest::of_salted_bytes(uid, text.as_bytes()).to_string()
}

/// Returns the block to paste under `spec`. The block shown before is reused until it expires, so that status does not
/// change without a cause.
pub fn confirmation_block(observed: &ObservedTenant, before: Option<&str>, now: Timestamp) -> String {
    let block = |not_after: &str| {
        format!(
            "deletion:\n  policy: Terminate\n  confirm:\n    name: {}\n    uniqueId: {}\n    acknowledge: [{}]\n    notAfter: \"{not_after}\"\n",
            serde_json::Value::from(observed.name.as_str()),
            serde_json::Value::from(observed.unique_id.as_str()),
            Acknowledgement::ALL.map(Acknowledgement::name).join(", "),
        )
    };
    let shown = before.and_then(|text| text.split("notAfter: \"").nth(1)).and_then(|text| text.split('"').next());
    match shown.and_then(|text| text.parse::<Timestamp>().ok().map(|time| (text, time))) {
        Some((text, time)) if time > now => block(text),
        _ => block(&confirmation_offered_until(now).to_string()),
    }
}

/// Returns until when a confirmation given now is valid.
pub fn confirmation_offered_until(now: Timestamp) -> Timestamp {
    let ahead = now.saturating_add(OFFERED_VALIDITY).unwrap_or(Timestamp::MAX);
    Timestamp::from_second(ahead.as_second()).unwrap_or(ahead)
}
