//! What a pass reports about its object: conditions, phase and the next check.

mod settled;

use super::{InvalidSetting, LifecycleState, Pause, Plan, Proposal};
use settled::settled_report;
use tenantry_api::{ConditionType, Reason, TenantPhase, TenantState};

/// Value of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionStatus {
    /// The condition holds.
    True,
    /// The condition does not hold.
    False,
    /// The status is not known.
    Unknown,
}

impl ConditionStatus {
    /// Returns the word that Kubernetes uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// A condition to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionState {
    /// Type of the condition.
    pub kind: ConditionType,
    /// Status of the condition.
    pub status: ConditionStatus,
    /// Reason of the condition.
    pub reason: Reason,
    /// Message: a clause in lower case, with names in backticks, that ends with what to do next.
    pub message: String,
}

/// The result of a pass: where it stopped and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassOutcome {
    /// All steps were done and the tenant was read back.
    Settled(Box<SettledTenant>),
    /// A reference is missing or may not be used.
    Unresolved(Reason, String),
    /// The credential is missing or rejected.
    Unauthorised(Reason, String),
    /// The object is paused: nothing is read or written.
    Paused(Pause),
    /// A plan waits for approval.
    AwaitingApproval(Proposal),
    /// A declared setting is impossible, or the platform refused it.
    Refused(Reason, String),
    /// A transient error: the pass is retried.
    Failed(Reason, String),
    /// The deletion is blocked and waits.
    DeletionHeld(Reason, String),
    /// The termination is in progress.
    Terminating(Reason, String),
    /// The object is removed and its tenant is kept.
    Releasing(Reason, String),
}

impl PassOutcome {
    /// Returns the message about what blocks the pass, if anything does.
    #[must_use]
    pub fn into_message(self) -> Option<String> {
        match self {
            Self::Unresolved(_, message)
            | Self::Unauthorised(_, message)
            | Self::Refused(_, message)
            | Self::Failed(_, message)
            | Self::DeletionHeld(_, message)
            | Self::Terminating(_, message)
            | Self::Releasing(_, message) => Some(message),
            Self::Settled(_) | Self::Paused(_) | Self::AwaitingApproval(_) => None,
        }
    }
}

/// A tenant as it was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettledTenant {
    /// State on the platform.
    pub lifecycle: LifecycleState,
    /// Desired state.
    pub desired_state: Option<TenantState>,
    /// Plan that is left after the read-back.
    pub remaining_plan: Plan,
    /// Messages about settings that differ from a recommendation.
    pub advice: Vec<String>,
    /// Declared settings that are not applied.
    pub refused: Vec<InvalidSetting>,
    /// How drift is handled.
    pub drift_handling: DriftHandling,
}

/// How drift of a setting is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriftHandling {
    /// Drift is corrected.
    Corrects,
    /// Drift is reported.
    Reports,
    /// The tenant is only observed.
    Observes,
}

/// What to write into status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusReport {
    /// Conditions to set. A condition that is not listed keeps its value.
    pub set: Vec<ConditionState>,
    /// Conditions to remove, because they are present only while they are True.
    pub clear: Vec<ConditionType>,
    /// Prefix for the message of Ready if Ready keeps its value.
    pub ready_prefix: Option<String>,
    /// Phase, if it is known.
    pub phase: Option<TenantPhase>,
}

/// Conditions that are present only while they are True.
const TRANSIENT_CONDITIONS: [ConditionType; 5] = [
    ConditionType::Reconciling,
    ConditionType::Stalled,
    ConditionType::DeletionBlocked,
    ConditionType::Paused,
    ConditionType::AwaitingApproval,
];

impl StatusReport {
    fn with_condition(mut self, kind: ConditionType, status: ConditionStatus, reason: Reason, message: &str) -> Self {
        self.set.push(ConditionState { kind, status, reason, message: message.to_owned() });
        self
    }

    /// Sets the given transient conditions to True and removes all other transient conditions.
    fn with_transient_conditions(mut self, conditions: &[(ConditionType, Reason, &str)]) -> Self {
        for kind in TRANSIENT_CONDITIONS {
            match conditions.iter().find(|(standing, _, _)| *standing == kind) {
                Some((_, reason, message)) => {
                    self = self.with_condition(kind, ConditionStatus::True, *reason, message);
                }
                None => self.clear.push(kind),
            }
        }
        self
    }
}

/// Readiness of an object before a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriorReadiness {
    /// The object has no conditions yet.
    New,
    /// It was not Ready for the current generation.
    NotReady,
    /// It was Ready for the current generation.
    Ready,
    /// It was Ready, but its tenant has been unreadable for so long that this value is no longer meaningful.
    Unreadable,
}

/// Builds the status report for the outcome of a pass.
pub fn conditions_for(outcome: &PassOutcome, prior: PriorReadiness) -> StatusReport {
    match outcome {
        PassOutcome::Settled(situation) => settled_report(situation),
        PassOutcome::Unresolved(reason, message) => not_ready_report(*reason, message).with_condition(
            ConditionType::ReferencesResolved,
            ConditionStatus::False,
            *reason,
            message,
        ),
        PassOutcome::Unauthorised(reason, message) => not_ready_report(*reason, message).with_condition(
            ConditionType::CredentialsValid,
            ConditionStatus::False,
            *reason,
            message,
        ),
        PassOutcome::Paused(pause) => {
            let message = pause.message();
            // Tools treat an object without the Ready condition as reconciled.
            let report = if prior == PriorReadiness::New {
                StatusReport::default().with_condition(
                    ConditionType::Ready,
                    ConditionStatus::Unknown,
                    Reason::ManagementPaused,
                    &message,
                )
            } else {
                StatusReport { ready_prefix: Some(message.clone()), ..StatusReport::default() }
            };
            report.with_transient_conditions(&[(ConditionType::Paused, Reason::ManagementPaused, &message)])
        }
        PassOutcome::AwaitingApproval(proposal) => awaiting_approval_report(proposal),
        PassOutcome::Refused(reason, message) => with_references_resolved(not_ready_report(*reason, message)),
        // A platform or an API server that is briefly unavailable does not make a tenant less ready.
        PassOutcome::Failed(reason, message) if matches!(prior, PriorReadiness::Ready | PriorReadiness::Unreadable) => {
            unreadable_report(prior, *reason, message)
                .with_condition(ConditionType::InSync, ConditionStatus::Unknown, *reason, message)
                .with_transient_conditions(&[(ConditionType::Reconciling, *reason, message)])
        }
        PassOutcome::Failed(reason, message) => not_ready_report(*reason, message),
        PassOutcome::DeletionHeld(reason, message) => StatusReport { phase: None, ..StatusReport::default() }
            .with_condition(ConditionType::Ready, ConditionStatus::False, *reason, message)
            .with_transient_conditions(&deletion_held_conditions(*reason, message)),
        PassOutcome::Terminating(reason, message) => {
            StatusReport { phase: Some(TenantPhase::Terminating), ..StatusReport::default() }
                .with_condition(ConditionType::Ready, ConditionStatus::False, *reason, message)
                .with_transient_conditions(&[(ConditionType::Reconciling, *reason, message)])
        }
        PassOutcome::Releasing(reason, message) => StatusReport::default()
            .with_condition(ConditionType::Ready, ConditionStatus::False, *reason, message)
            .with_transient_conditions(&[]),
    }
}

/// Reports Ready as Unknown after half an hour, because the state of the tenant is then no longer known.
fn unreadable_report(prior: PriorReadiness, reason: Reason, message: &str) -> StatusReport {
    if prior != PriorReadiness::Unreadable {
        return StatusReport::default();
    }
    let message = format!("for half an hour it could not be read whether the tenant is as declared: {message}");
    StatusReport::default().with_condition(ConditionType::Ready, ConditionStatus::Unknown, reason, &message)
}

fn awaiting_approval_report(proposal: &Proposal) -> StatusReport {
    let Proposal { hash, steps } = proposal;
    let message = format!(
        "{} for approval: read `status.plan` and set `management.approval.approvedPlan: {hash}`",
        if steps.len() == 1 { "1 step waits".to_owned() } else { format!("{} steps wait", steps.len()) }
    );
    with_references_resolved(StatusReport::default())
        .with_condition(ConditionType::Ready, ConditionStatus::Unknown, Reason::ApprovalNeeded, &message)
        .with_condition(ConditionType::InSync, ConditionStatus::False, Reason::ApprovalNeeded, &message)
        .with_transient_conditions(&[
            (ConditionType::Reconciling, Reason::ApprovalNeeded, &message),
            (ConditionType::AwaitingApproval, Reason::ApprovalNeeded, &message),
        ])
}

fn deletion_held_conditions(reason: Reason, message: &str) -> Vec<(ConditionType, Reason, &str)> {
    let mut conditions = vec![(ConditionType::DeletionBlocked, reason, message)];
    if reason.needs_person() {
        conditions.push((ConditionType::Stalled, reason, message));
    } else {
        conditions.push((ConditionType::Reconciling, reason, message));
    }
    conditions
}

fn not_ready_report(reason: Reason, message: &str) -> StatusReport {
    let conditions = if reason.needs_person() { ConditionType::Stalled } else { ConditionType::Reconciling };
    StatusReport::default()
        .with_condition(ConditionType::Ready, ConditionStatus::False, reason, message)
        .with_condition(ConditionType::InSync, ConditionStatus::Unknown, reason, message)
        .with_transient_conditions(&[(conditions, reason, message)])
}

fn with_references_resolved(report: StatusReport) -> StatusReport {
    report
        .with_condition(
            ConditionType::ReferencesResolved,
            ConditionStatus::True,
            Reason::AsDeclared,
            "everything the spec refers to was found",
        )
        .with_condition(
            ConditionType::CredentialsValid,
            ConditionStatus::True,
            Reason::AsDeclared,
            "the platform takes the credential",
        )
}

/// Returns the phase for the platform's state of a tenant; `None` for a state that this release does not know.
pub fn phase_of(lifecycle: LifecycleState) -> Option<TenantPhase> {
    match lifecycle {
        LifecycleState::Active => Some(TenantPhase::Active),
        LifecycleState::Suspended | LifecycleState::Inactive => Some(TenantPhase::Suspended),
        LifecycleState::Terminated => Some(TenantPhase::Terminated),
        LifecycleState::Unknown => None,
    }
}

#[cfg(test)]
mod tests;
