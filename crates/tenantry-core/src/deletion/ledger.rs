//! The termination limit: a ledger of the terminations of the last hour, so that a mistake cannot terminate everything
//! at once.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tenantry_api::Reason;

use super::{DeletionIntent, DeletionStep, LedgerState, hold_step, round_up_to_second};
use crate::TenantKind;

/// How long an entry counts.
const LIMIT_WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// Maximum number of terminations per hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminationLimits {
    /// Partners.
    pub partners: u16,
    /// Clients.
    pub clients: u16,
}

/// A tenant that was about to be terminated.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LedgerEntry {
    /// UID of its object.
    pub uid: String,
    /// `Partner` or `Client`.
    pub kind: String,
    /// Its object as `namespace/name`.
    pub object: String,
    /// Unique id of the tenant.
    pub id: String,
    /// Time of the entry.
    pub time: Timestamp,
}

/// Recent terminations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TerminationLedger {
    /// Entries, the oldest first.
    pub entries: Vec<LedgerEntry>,
}

impl TerminationLedger {
    /// Parses what [`TerminationLedger::to_text`] wrote.
    ///
    /// # Errors
    ///
    /// Fails for any other text, because lost entries might have counted.
    pub fn from_text(text: &str) -> Result<Self, String> {
        let entries: Vec<LedgerEntry> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let known = [TenantKind::Partner.name(), TenantKind::Client.name()];
        match entries.iter().find(|entry| !known.contains(&entry.kind.as_str())) {
            Some(entry) => Err(format!("`{}` is no kind", entry.kind)),
            None => Ok(Self { entries }),
        }
    }

    /// Formats the ledger with one entry per line.
    pub fn to_text(&self) -> String {
        let lines: Vec<String> =
            self.entries.iter().map(|entry| serde_json::to_string(entry).unwrap_or_default()).collect();
        format!("[{}]\n", lines.join(",\n "))
    }

    /// Returns the entries of Partners other than the one with this UID.
    pub fn other_partners(&self, uid: &str) -> impl Iterator<Item = &LedgerEntry> {
        self.entries.iter().filter(move |entry| entry.kind == TenantKind::Partner.name() && entry.uid != uid)
    }
}

/// Returns whether an entry counts. An entry from the future counts too: a clock that runs ahead must not lift the
/// limit.
fn is_within_window(entry: &LedgerEntry, now: Timestamp) -> bool {
    entry.time.saturating_add(LIMIT_WINDOW).unwrap_or(Timestamp::MAX) > now
}

/// Returns the step that must precede the termination; `None` if the tenant is in the ledger and may be terminated.
pub(super) fn check_ledger(
    intent: &DeletionIntent<'_>,
    id: &str,
    ledger_state: &LedgerState,
    now: Timestamp,
) -> Option<DeletionStep> {
    let (ledger, open) = match ledger_state {
        LedgerState::Read { ledger, open } => (ledger, open),
        LedgerState::Unusable(why) => {
            let message = format!("nothing is ended that cannot be counted: {why}");
            return Some(hold_step(Reason::LedgerUnusable, message));
        }
        LedgerState::NotRead => {
            let message = "the ledger of terminations was not read: trying again".to_owned();
            return Some(hold_step(Reason::LedgerUnusable, message));
        }
    };
    let is_own = |entry: &&LedgerEntry| entry.uid == intent.uid && entry.id == id;
    if ledger.entries.iter().any(|entry| is_own(&entry) && is_within_window(entry, now)) {
        return None;
    }
    Some(limit_hold(intent, ledger, open, now).unwrap_or_else(|| {
        let keeps = |entry: &&LedgerEntry| {
            entry.uid != intent.uid && (is_within_window(entry, now) || open.contains(&entry.uid))
        };
        let mut entries: Vec<LedgerEntry> = ledger.entries.iter().filter(keeps).cloned().collect();
        entries.push(LedgerEntry {
            uid: intent.uid.to_owned(),
            kind: intent.kind.name().to_owned(),
            object: intent.object.to_owned(),
            id: id.to_owned(),
            time: now,
        });
        DeletionStep::ReserveInLedger(TerminationLedger { entries })
    }))
}

/// Returns the hold while the limit is reached or another Partner is being terminated.
fn limit_hold(
    intent: &DeletionIntent<'_>,
    ledger: &TerminationLedger,
    open: &[String],
    now: Timestamp,
) -> Option<DeletionStep> {
    let (limit, flag) = match intent.kind {
        TenantKind::Partner => (intent.rules.limits.partners, "--max-partner-terminations-per-hour"),
        TenantKind::Client => (intent.rules.limits.clients, "--max-client-terminations-per-hour"),
    };
    if intent.kind == TenantKind::Partner
        && let Some(other) = ledger.other_partners(intent.uid).find(|entry| open.contains(&entry.uid))
    {
        let message = format!(
            "Partners are ended one at a time and `{}` is being ended: goes on when that object is gone; to cancel that one set its `deletion.policy` to `Retain`",
            other.object
        );
        return Some(hold_step(Reason::BreakerOpen, message));
    }
    let mut times: Vec<Timestamp> = ledger
        .entries
        .iter()
        .filter(|entry| entry.kind == intent.kind.name() && entry.uid != intent.uid && is_within_window(entry, now))
        .map(|entry| entry.time)
        .collect();
    if times.len() < usize::from(limit) {
        return None;
    }
    times.sort_unstable();
    let frees = times.get(times.len() - usize::from(limit)).and_then(|time| time.saturating_add(LIMIT_WINDOW).ok());
    let until = match frees.filter(|_| limit > 0) {
        Some(time) => {
            format!("goes on at {}, or at once when `{flag}` of the operator is raised", round_up_to_second(time))
        }
        None => format!("raise `{flag}` of the operator"),
    };
    let message = format!("at most {limit} {}s are ended within an hour: {until}", intent.kind.name());
    Some(hold_step(Reason::BreakerOpen, message))
}
