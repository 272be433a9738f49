//! The deletion of an object: decides what may happen to its tenant, one step at a time.
//!
//! After every step the operator reads everything again and asks for the next one. Only this file makes a
//! [`TerminationPermit`], and `terminate` of `tenantry_client` accepts nothing else.

mod clock_skew;
mod confirmation;
mod evidence;
mod ledger;
mod preconditions;
mod steps;

pub use clock_skew::{ClockReading, ServerClocks};
pub use confirmation::{confirm_digest, confirmation_block, confirmation_offered_until};
pub use evidence::{
    ConfirmationAuthor, EVIDENCE_KEY, EvidenceStatement, build_evidence, evidence_names, evidence_settings, is_evidence,
};
pub use ledger::{LedgerEntry, TerminationLedger, TerminationLimits};

use std::time::Duration;

use jiff::Timestamp;
use tenantry_api::{Confirmation, DeletionPolicy, Reason, TerminationStatus, TerminationStep};
use tenantry_wire::Mark;

use super::{LifecycleState, ObservedTenant, TenantKind};

/// Permission to terminate one tenant, bound to its id and mark.
#[derive(Debug)]
pub struct TerminationPermit {
    id: String,
    mark: Mark,
}

impl TerminationPermit {
    /// Returns the id of the tenant that may be terminated.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the owner that the permit was checked against.
    pub fn mark(&self) -> &Mark {
        &self.mark
    }
}

/// What the object declares about its deletion.
#[derive(Clone, Copy, Debug)]
pub struct DeletionIntent<'a> {
    /// Kind of the object.
    pub kind: TenantKind,
    /// The object as `namespace/name`.
    pub object: &'a str,
    /// Deletion policy for the tenant.
    pub policy: DeletionPolicy,
    /// Seconds between suspension and termination.
    pub grace_seconds: Option<i64>,
    /// Confirmation of the termination.
    pub confirm: Option<&'a Confirmation>,
    /// UID of the object.
    pub uid: &'a str,
    /// Value of the annotation that abandons the tenant.
    pub abandon: Option<&'a str>,
    /// Id of the tenant, if one was ever recorded.
    pub unique_id: Option<&'a str>,
    /// Owner that the tenant must name.
    pub mark: &'a Mark,
    /// Recorded progress of the termination.
    pub record: &'a TerminationStatus,
    /// Whether `adoption.uniqueId` names the tenant. It replaces the mark on a platform that cannot store one.
    pub has_adoption_id: bool,
    /// Whether the object is paused or only observed.
    pub is_paused: bool,
    /// Rules from the operator's flags.
    pub rules: DeletionRules,
    /// State of the current deletion pass.
    pub pass: DeletionPass,
}

/// State of one deletion pass; it is not stored anywhere.
#[derive(Clone, Copy, Debug)]
pub struct DeletionPass {
    /// Start of this step: everything that the decision uses was read later.
    pub started_at: Timestamp,
    /// Whether the previous action was a write that changed the object as it was read. No earlier abandoned write can
    /// then take effect any more, and the object is exactly what that write made of it.
    pub has_recorded: bool,
}

/// Rules from the operator's flags for terminating tenants.
#[derive(Clone, Copy, Debug)]
pub struct DeletionRules {
    /// Maximum duration of a request.
    pub request_timeout: Duration,
    /// Maximum number of terminations per hour.
    pub limits: TerminationLimits,
}

/// Whether something that contains the object is being deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerDeletion {
    /// Only the object is being deleted.
    NotDeleting,
    /// Its namespace is being deleted.
    Namespace,
    /// The definition of its kind is being deleted.
    Definition,
    /// Not known, with the cause.
    Unknown(String),
}

/// The tenant of the object.
#[derive(Clone, Debug, PartialEq)]
pub enum DeletionTarget {
    /// Not read, because the policy does not change it.
    NotRead,
    /// No tenant was ever recorded, and none is found.
    None,
    /// The recorded tenant is no longer on the platform.
    Gone,
    /// More than one tenant could be the object's.
    Ambiguous(String),
    /// The tenant carries no mark or the mark of another owner.
    NotOurs(String),
    /// The tenant belongs to the object that it was handed over to.
    HandedOver(String),
    /// The tenant exists under the recorded id, but this platform stores no mark that identifies its owner.
    Unmarked(Box<ObservedTenant>),
    /// The tenant exists and belongs to this object.
    Found(Box<ObservedTenant>),
    /// The tenant could not be read: reason and message of the condition.
    Unreachable(Reason, String),
}

/// The Clients of a Partner; empty for a Client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartnerClients {
    /// Client objects that refer to the Partner.
    pub objects: Vec<String>,
    /// Client objects among them that are being deleted with policy Suspend or Terminate and so need the Partner's
    /// connection.
    pub deleting: Vec<String>,
    /// Names of the Clients that exist under the Partner on the platform; `None` if they are not known.
    pub active_tenants: Option<Vec<String>>,
}

/// State of the evidence, the record of the tenant before its termination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EvidenceState {
    /// Not read, because nothing is about to be terminated.
    NotRead,
    /// Does not exist yet: the name to create it under.
    Missing(String),
    /// Exists under this name and contains exactly this confirmation.
    Present(String),
    /// Cannot be read or written: the cause and what to do.
    Unusable(String),
}

/// State of the ledger of terminations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerState {
    /// Not read, because nothing is about to be terminated.
    NotRead,
    /// Its entries, and the UIDs of those Partners in it whose deletion is not finished.
    Read {
        /// Entries.
        ledger: TerminationLedger,
        /// UIDs of Partners whose object still has its finalizer.
        open: Vec<String>,
    },
    /// Cannot be read or written: the cause and what to do.
    Unusable(String),
}

/// Everything outside the object that the decision uses, read just before it.
#[derive(Clone, Debug)]
pub struct DeletionContext {
    /// Whether a container of the object is being deleted.
    pub container: ContainerDeletion,
    /// Tenant of the object.
    pub tenant: DeletionTarget,
    /// Clients of the object.
    pub children: PartnerClients,
    /// Why the reference to the Partner is no longer valid, if so.
    pub reference_broken: Option<String>,
    /// State of the evidence.
    pub evidence: EvidenceState,
    /// State of the ledger of terminations.
    pub ledger: LedgerState,
    /// Times that the API server and the platform report.
    pub clocks: ServerClocks,
}

impl DeletionContext {
    /// Makes a context in which nothing is read except the deletion of the container.
    pub fn new(container: ContainerDeletion) -> Self {
        Self {
            container,
            tenant: DeletionTarget::NotRead,
            children: PartnerClients::default(),
            reference_broken: None,
            evidence: EvidenceState::NotRead,
            ledger: LedgerState::NotRead,
            clocks: ServerClocks::default(),
        }
    }
}

/// Why the finalizer is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalizerRelease {
    /// Reason of the event.
    pub reason: Reason,
    /// Message of the event.
    pub message: String,
}

/// Why the deletion waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletionHold {
    /// Reason of the condition.
    pub reason: Reason,
    /// Message of the condition: the exact change that unblocks the deletion.
    pub message: String,
}

/// The next step of a deletion.
#[derive(Debug)]
pub enum DeletionStep {
    /// Remove the finalizer; the tenant stays as it is.
    Release(FinalizerRelease),
    /// Wait for a change.
    Hold(DeletionHold),
    /// Write the id that was found into `status.uniqueId`, then decide again.
    RecordTenantId(String),
    /// Write `status.termination`, then decide again.
    RecordProgress(Box<TerminationStatus>),
    /// Suspend the tenant, then decide again.
    Suspend,
    /// Activate the tenant because the termination was cancelled, then decide again.
    Activate,
    /// The grace period is running: decide again at this time.
    WaitUntil(Timestamp),
    /// The termination was cancelled while the terminate call may have been in progress: the outcome is known at this
    /// time.
    CheckAgainAt(Timestamp),
    /// Write the evidence under this name, then decide again.
    WriteEvidence(String),
    /// Write the ledger, only if it is unchanged since it was read, then decide again.
    ReserveInLedger(TerminationLedger),
    /// Terminate the tenant, then decide again.
    Terminate(TerminationPermit),
    /// The platform accepted the terminate call but still shows the tenant: only read it, with growing delays.
    AwaitTermination(String),
}

/// Returns the next step, decided from what was read since the step began. A time that must have passed before the
/// tenant was read is compared with the start of the step, not with `now`.
pub fn next_deletion_step(
    intent: &DeletionIntent<'_>,
    deletion_context: &DeletionContext,
    now: Timestamp,
) -> DeletionStep {
    let observed = match preconditions::check_preconditions(intent, deletion_context, now) {
        Ok(observed) => observed,
        Err(early) => return *early,
    };
    if is_cancelled(intent) {
        return steps::cancel_step(intent, deletion_context, observed, now);
    }
    match intent.policy {
        DeletionPolicy::Terminate => steps::terminate_step(intent, deletion_context, observed, now),
        DeletionPolicy::Retain => preconditions::hold_for_deleting_clients(&deletion_context.children)
            .unwrap_or_else(|| release_step(Reason::Retained, "the tenant stays on the platform as it is".to_owned())),
        DeletionPolicy::Suspend => steps::suspend_step(&deletion_context.children, observed),
    }
}

fn release_step(reason: Reason, message: String) -> DeletionStep {
    DeletionStep::Release(FinalizerRelease { reason, message })
}

fn hold_step(reason: Reason, message: String) -> DeletionStep {
    DeletionStep::Hold(DeletionHold { reason, message })
}

/// Returns whether a confirmation was accepted.
fn has_accepted_confirmation(intent: &DeletionIntent<'_>) -> bool {
    intent.record.confirm_digest.is_some()
}

/// Returns whether an accepted confirmation is no longer valid. Once a late cancel is recorded, the termination stays
/// cancelled.
fn is_cancelled(intent: &DeletionIntent<'_>) -> bool {
    let Some(accepted) = intent.record.confirm_digest.as_deref() else { return false };
    let is_valid = intent.policy == DeletionPolicy::Terminate
        && intent.confirm.is_some_and(|confirm| confirm_digest(intent.uid, confirm) == accepted);
    !is_valid || intent.record.cancelled_at.is_some()
}

/// Returns whether the terminate call may have been sent.
fn is_terminating(intent: &DeletionIntent<'_>) -> bool {
    intent.record.step == Some(TerminationStep::Terminating)
}

/// Returns a time before the first read of the step, even if the clock was set back since.
fn read_start(intent: &DeletionIntent<'_>, now: Timestamp) -> Timestamp {
    intent.pass.started_at.min(now)
}

/// Rounds up to a whole second: never earlier than the time itself, and short enough to read.
fn round_up_to_second(time: Timestamp) -> Timestamp {
    let up = i64::from(time.subsec_nanosecond() > 0);
    Timestamp::from_second(time.as_second().saturating_add(up)).unwrap_or(time)
}

#[cfg(test)]
mod tests;
