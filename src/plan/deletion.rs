//! The end of an object: what may happen to its tenant, one step at a time.
//!
//! The operator asks after every step again, with everything read anew. Only this file makes a [`TerminationPermit`], and
//! `connect::terminate` takes nothing else.

mod clock_skew;
mod confirmation;
mod evidence;
mod ledger;
mod preconditions;
mod termination;

pub use clock_skew::{ClockReading, ServerClocks};
pub use confirmation::{confirm_digest, confirmation_block, confirmation_offered_until};
pub use evidence::{
    ConfirmationAuthor, EVIDENCE_KEY, EvidenceStatement, build_evidence, evidence_names, evidence_settings, is_evidence,
};
pub use ledger::{LedgerEntry, TerminationLedger, TerminationLimits};

use std::time::Duration;

use jiff::Timestamp;

use super::{LifecycleState, ObservedTenant, TenantKind};
use crate::api::{Confirmation, DeletionPolicy, Reason, TerminationStatus, TerminationStep};
use crate::wire::Mark;

/// Leave to end one tenant, bound to its id and mark.
#[derive(Debug)]
pub struct TerminationPermit {
    id: String,
    mark: Mark,
}

impl TerminationPermit {
    /// Tenant that may be ended.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Owner that it was checked against.
    pub fn mark(&self) -> &Mark {
        &self.mark
    }
}

/// What the object says about its end.
#[derive(Clone, Copy, Debug)]
pub struct DeletionIntent<'a> {
    /// Kind of the object.
    pub kind: TenantKind,
    /// The object as `namespace/name`.
    pub object: &'a str,
    /// What is to happen to the tenant.
    pub policy: DeletionPolicy,
    /// Seconds between suspension and end.
    pub grace_seconds: Option<i64>,
    /// Consent.
    pub confirm: Option<&'a Confirmation>,
    /// UID of the object.
    pub uid: &'a str,
    /// Value of the annotation that lets go.
    pub abandon: Option<&'a str>,
    /// Id of the tenant, where one was ever recorded.
    pub unique_id: Option<&'a str>,
    /// Owner that the tenant must name.
    pub mark: &'a Mark,
    /// How far it has come.
    pub record: &'a TerminationStatus,
    /// Whether `adoption.uniqueId` names the tenant, which stands in for a mark where the platform can keep none.
    pub has_adoption_id: bool,
    /// Whether the object is paused or only observed.
    pub is_paused: bool,
    /// What the operator's flags say.
    pub rules: DeletionRules,
    /// What the walk itself knows.
    pub pass: DeletionPass,
}

/// What one walk of the operator knows, and nothing that is kept anywhere.
#[derive(Clone, Copy, Debug)]
pub struct DeletionPass {
    /// When this step began: all that is decided on was read later.
    pub started_at: Timestamp,
    /// Whether the last thing that was done is a write that changed the object as it was read. No write that was given up
    /// before can land any more, and the object is what that write made of it.
    pub has_recorded: bool,
}

/// What the operator's flags say about the end of tenants.
#[derive(Clone, Copy, Debug)]
pub struct DeletionRules {
    /// Longest time that a request may be under way.
    pub request_timeout: Duration,
    /// Most tenants that are ended within an hour.
    pub limits: TerminationLimits,
}

/// Whether more than the object is going.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerDeletion {
    /// Only the object.
    NotDeleting,
    /// Its namespace.
    Namespace,
    /// Its kind.
    Definition,
    /// It could not be learnt, and why.
    Unknown(String),
}

/// The tenant behind the object.
#[derive(Clone, Debug, PartialEq)]
pub enum DeletionTarget {
    /// Not looked at, because the policy leaves it alone.
    NotRead,
    /// None was ever recorded, and none is found.
    None,
    /// It was recorded and is no longer on the platform.
    Gone,
    /// More than one could be it.
    Ambiguous(String),
    /// It carries the mark of another owner, or none.
    NotOurs(String),
    /// It belongs to the object that this one handed it over to.
    HandedOver(String),
    /// It is there under the recorded id, and this platform keeps no mark that would show whose it is.
    Unmarked(Box<ObservedTenant>),
    /// It is there and ours.
    Found(Box<ObservedTenant>),
    /// It could not be looked at: reason and message of the condition.
    Unreachable(Reason, String),
}

/// What stands under a Partner; empty for a Client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartnerClients {
    /// Client objects that name it.
    pub objects: Vec<String>,
    /// Those of them that are being deleted with Suspend or Terminate and so need its connection.
    pub deleting: Vec<String>,
    /// Clients that live under it on the platform, by name; nothing where that is not known.
    pub live: Option<Vec<String>>,
}

/// The record of what is ended, as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EvidenceState {
    /// Not looked at, because nothing is to be ended yet.
    NotRead,
    /// Not there yet: the name that it gets.
    Missing(String),
    /// There under this name, with this very confirmation in it.
    Present(String),
    /// It can be neither read nor written: why, and what to do.
    Unusable(String),
}

/// The ledger of terminations, as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerState {
    /// Not looked at, because nothing is to be ended yet.
    NotRead,
    /// Its entries, and the UIDs of those Partners in it whose end is still open.
    Read {
        /// Entries.
        ledger: TerminationLedger,
        /// UIDs of Partners whose object is still held.
        open: Vec<String>,
    },
    /// It can be neither read nor written: why, and what to do.
    Unusable(String),
}

/// What the object stands in, read just now.
#[derive(Clone, Debug)]
pub struct DeletionContext {
    /// Whether more than the object is going.
    pub container: ContainerDeletion,
    /// Its tenant.
    pub tenant: DeletionTarget,
    /// What stands under it.
    pub children: PartnerClients,
    /// Why the reference to the Partner does not hold any more, where that is so.
    pub reference_broken: Option<String>,
    /// The record of what is ended.
    pub evidence: EvidenceState,
    /// The ledger of terminations.
    pub ledger: LedgerState,
    /// What the API server and the platform say of the time.
    pub clocks: ServerClocks,
}

impl DeletionContext {
    /// Nothing looked at but whether more than the object is going.
    pub fn new(going: ContainerDeletion) -> Self {
        Self {
            container: going,
            tenant: DeletionTarget::NotRead,
            children: PartnerClients::default(),
            reference_broken: None,
            evidence: EvidenceState::NotRead,
            ledger: LedgerState::NotRead,
            clocks: ServerClocks::default(),
        }
    }
}

/// Why an object is let go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalizerRelease {
    /// Reason of the event.
    pub reason: Reason,
    /// Sentence of the event.
    pub message: String,
}

/// Why an object waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletionHold {
    /// Reason of the condition.
    pub reason: Reason,
    /// Sentence of the condition: the exact change that moves it on.
    pub message: String,
}

/// The next step of an object's end.
#[derive(Debug)]
pub enum DeletionStep {
    /// Remove the finalizer; the tenant stays as it is.
    Release(FinalizerRelease),
    /// Wait for a change.
    Hold(DeletionHold),
    /// Write the id that was found into `status.uniqueId`, then ask again.
    RecordTenantId(String),
    /// Write `status.termination`, then ask again.
    RecordProgress(Box<TerminationStatus>),
    /// Suspend the tenant, then ask again.
    Suspend,
    /// Activate the tenant because the termination was cancelled, then ask again.
    Activate,
    /// The grace period runs: ask again at this time.
    WaitUntil(Timestamp),
    /// It was cancelled while the call that ends the tenant may have been under way: at this time it shows.
    CheckAgainAt(Timestamp),
    /// Keep the record of what is ended under this name, then ask again.
    WriteEvidence(String),
    /// Write the ledger, only as it was read, then ask again.
    ReserveInLedger(TerminationLedger),
    /// End the tenant, then ask again.
    Terminate(TerminationPermit),
    /// The platform took the call that ends the tenant and still shows it: only read it, after growing pauses.
    AwaitTermination(String),
}

/// The next step, from everything that was read since the step began. A time that must have come before the tenant was
/// read is compared with that beginning, not with `now`.
pub fn next_deletion_step(intent: &DeletionIntent<'_>, surroundings: &DeletionContext, now: Timestamp) -> DeletionStep {
    let observed = match preconditions::check_preconditions(intent, surroundings, now) {
        Ok(observed) => observed,
        Err(early) => return *early,
    };
    if is_cancelled(intent) {
        return termination::cancel_step(intent, surroundings, observed, now);
    }
    match intent.policy {
        DeletionPolicy::Terminate => termination::terminate_step(intent, surroundings, observed, now),
        DeletionPolicy::Retain => preconditions::hold_for_deleting_clients(&surroundings.children)
            .unwrap_or_else(|| release_step(Reason::Retained, "the tenant stays on the platform as it is".to_owned())),
        DeletionPolicy::Suspend => termination::suspend_step(&surroundings.children, observed),
    }
}

fn release_step(reason: Reason, message: String) -> DeletionStep {
    DeletionStep::Release(FinalizerRelease { reason, message })
}

fn hold_step(reason: Reason, message: String) -> DeletionStep {
    DeletionStep::Hold(DeletionHold { reason, message })
}

/// Whether a confirmation was accepted.
fn has_accepted_confirmation(intent: &DeletionIntent<'_>) -> bool {
    intent.record.confirm_digest.is_some()
}

/// Whether a confirmation was accepted that no longer stands. Once a late cancel is recorded it stays one.
fn is_cancelled(intent: &DeletionIntent<'_>) -> bool {
    let Some(accepted) = intent.record.confirm_digest.as_deref() else { return false };
    let stands = intent.policy == DeletionPolicy::Terminate
        && intent.confirm.is_some_and(|confirm| confirm_digest(intent.uid, confirm) == accepted);
    !stands || intent.record.cancelled_at.is_some()
}

/// Whether the call that ends the tenant may have been sent.
fn is_terminating(intent: &DeletionIntent<'_>) -> bool {
    intent.record.step == Some(TerminationStep::Terminating)
}

/// A time at which nothing had been read yet, whatever the clock did since.
fn read_start(intent: &DeletionIntent<'_>, now: Timestamp) -> Timestamp {
    intent.pass.started_at.min(now)
}

/// The next whole second: never earlier than the time itself, and short enough to read.
fn round_up_to_second(time: Timestamp) -> Timestamp {
    let up = i64::from(time.subsec_nanosecond() > 0);
    Timestamp::from_second(time.as_second().saturating_add(up)).unwrap_or(time)
}

#[cfg(test)]
mod tests;
