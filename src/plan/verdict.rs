//! What a pass says about its object: conditions, phase, and when to look again.

use super::{Field, Invalid, Pause, Plan, Proposal, TenantLife};
use crate::api::{ConditionType, Reason, TenantPhase, TenantState};

/// Value of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It is not known.
    Unknown,
}

impl Truth {
    /// The word in the object.
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
    /// Type.
    pub kind: ConditionType,
    /// Value.
    pub truth: Truth,
    /// Reason.
    pub reason: Reason,
    /// Sentence: a clause in lower case, names in backticks, what to do next.
    pub message: String,
}

/// What stopped a pass, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The tenant was read back after all steps.
    Settled(Box<Situation>),
    /// A reference is missing or may not be used.
    Unresolved(Reason, String),
    /// The credential is missing or refused.
    Unauthorised(Reason, String),
    /// The object is paused: nothing is read and nothing is written.
    Paused(Pause),
    /// A plan waits for approval.
    Awaiting(Proposal),
    /// Something declared cannot be, or the platform refused it.
    Refused(Reason, String),
    /// An error that passes: try again.
    Failed(Reason, String),
    /// The deletion waits.
    Held(Reason, String),
    /// The termination is under way.
    Ending(Reason, String),
    /// The object goes and its tenant stays.
    Leaving(Reason, String),
}

impl Outcome {
    /// The sentence about what is in the way, if anything is.
    #[must_use]
    pub fn into_message(self) -> Option<String> {
        match self {
            Self::Unresolved(_, message)
            | Self::Unauthorised(_, message)
            | Self::Refused(_, message)
            | Self::Failed(_, message)
            | Self::Held(_, message)
            | Self::Ending(_, message)
            | Self::Leaving(_, message) => Some(message),
            Self::Settled(_) | Self::Paused(_) | Self::Awaiting(_) => None,
        }
    }
}

/// A tenant as it was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Situation {
    /// State on the platform.
    pub life: TenantLife,
    /// State that is asked for.
    pub wanted: Option<TenantState>,
    /// What would still have to be done.
    pub rest: Plan,
    /// Sentences about what goes beyond a recommendation.
    pub advice: Vec<String>,
    /// What is declared and not applied.
    pub refused: Vec<Invalid>,
    /// What is done about what differs.
    pub writes: Writes,
}

/// What is done about a setting that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// It is put right.
    Corrects,
    /// It is reported.
    Reports,
    /// The tenant is only observed.
    Observes,
}

/// What to write into status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Conditions to set; one that is not named keeps its value.
    pub set: Vec<ConditionState>,
    /// Conditions to remove, since they stand only while they are True.
    pub clear: Vec<ConditionType>,
    /// What the message of Ready begins with where it keeps its value.
    pub above: Option<String>,
    /// Phase, where it is known.
    pub phase: Option<TenantPhase>,
}

/// Conditions that stand only while they are True.
const ONLY_WHILE_TRUE: [ConditionType; 5] = [
    ConditionType::Reconciling,
    ConditionType::Stalled,
    ConditionType::DeletionBlocked,
    ConditionType::Paused,
    ConditionType::AwaitingApproval,
];

impl Report {
    fn set(mut self, kind: ConditionType, (truth, reason): (Truth, Reason), message: &str) -> Self {
        self.set.push(ConditionState { kind, truth, reason, message: message.to_owned() });
        self
    }

    /// Sets exactly those of the conditions that stand only while True, and removes the others.
    fn only_while_true(mut self, standing: &[(ConditionType, Reason, &str)]) -> Self {
        for kind in ONLY_WHILE_TRUE {
            match standing.iter().find(|(standing, _, _)| *standing == kind) {
                Some((_, reason, message)) => self = self.set(kind, (Truth::True, *reason), message),
                None => self.clear.push(kind),
            }
        }
        self
    }
}

/// How an object stood before a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing was ever said about it.
    New,
    /// It was not Ready for this very generation.
    NotReady,
    /// It was.
    Ready,
    /// It was, and for so long nothing could be read of it that this says nothing any more.
    Silent,
}

/// The report of a pass.
pub fn verdict(outcome: &Outcome, standing: Standing) -> Report {
    match outcome {
        Outcome::Settled(situation) => settled(situation),
        Outcome::Unresolved(reason, message) => {
            not_ready(*reason, message).set(ConditionType::ReferencesResolved, (Truth::False, *reason), message)
        }
        Outcome::Unauthorised(reason, message) => {
            not_ready(*reason, message).set(ConditionType::CredentialsValid, (Truth::False, *reason), message)
        }
        Outcome::Paused(pause) => {
            let message = pause.message();
            // Tools take an object without the condition for one that is as declared.
            let report = if standing == Standing::New {
                Report::default().set(ConditionType::Ready, (Truth::Unknown, Reason::ManagementPaused), &message)
            } else {
                Report { above: Some(message.clone()), ..Report::default() }
            };
            report.only_while_true(&[(ConditionType::Paused, Reason::ManagementPaused, &message)])
        }
        Outcome::Awaiting(proposal) => awaiting(proposal),
        Outcome::Refused(reason, message) => resolved(not_ready(*reason, message)),
        // A platform or an API server that is away for a moment does not make a tenant less ready.
        Outcome::Failed(reason, message) if matches!(standing, Standing::Ready | Standing::Silent) => {
            silent(standing, (*reason, message))
                .set(ConditionType::InSync, (Truth::Unknown, *reason), message)
                .only_while_true(&[(ConditionType::Reconciling, *reason, message)])
        }
        Outcome::Failed(reason, message) => not_ready(*reason, message),
        Outcome::Held(reason, message) => Report { phase: None, ..Report::default() }
            .set(ConditionType::Ready, (Truth::False, *reason), message)
            .only_while_true(&held(*reason, message)),
        Outcome::Ending(reason, message) => Report { phase: Some(TenantPhase::Terminating), ..Report::default() }
            .set(ConditionType::Ready, (Truth::False, *reason), message)
            .only_while_true(&[(ConditionType::Reconciling, *reason, message)]),
        Outcome::Leaving(reason, message) => {
            Report::default().set(ConditionType::Ready, (Truth::False, *reason), message).only_while_true(&[])
        }
    }
}

/// After half an hour nobody knows whether a tenant is still as declared.
fn silent(standing: Standing, (reason, message): (Reason, &str)) -> Report {
    if standing != Standing::Silent {
        return Report::default();
    }
    let message = format!("for half an hour it could not be read whether the tenant is as declared: {message}");
    Report::default().set(ConditionType::Ready, (Truth::Unknown, reason), &message)
}

fn awaiting(proposal: &Proposal) -> Report {
    let Proposal { hash, steps } = proposal;
    let message = format!(
        "{} for approval: read `status.plan` and set `management.approval.approvedPlan: {hash}`",
        if steps.len() == 1 { "1 step waits".to_owned() } else { format!("{} steps wait", steps.len()) }
    );
    resolved(Report::default())
        .set(ConditionType::Ready, (Truth::Unknown, Reason::ApprovalNeeded), &message)
        .set(ConditionType::InSync, (Truth::False, Reason::ApprovalNeeded), &message)
        .only_while_true(&[
            (ConditionType::Reconciling, Reason::ApprovalNeeded, &message),
            (ConditionType::AwaitingApproval, Reason::ApprovalNeeded, &message),
        ])
}

fn held(reason: Reason, message: &str) -> Vec<(ConditionType, Reason, &str)> {
    let mut standing = vec![(ConditionType::DeletionBlocked, reason, message)];
    if reason.needs_person() {
        standing.push((ConditionType::Stalled, reason, message));
    } else {
        standing.push((ConditionType::Reconciling, reason, message));
    }
    standing
}

fn not_ready(reason: Reason, message: &str) -> Report {
    let standing = if reason.needs_person() { ConditionType::Stalled } else { ConditionType::Reconciling };
    Report::default()
        .set(ConditionType::Ready, (Truth::False, reason), message)
        .set(ConditionType::InSync, (Truth::Unknown, reason), message)
        .only_while_true(&[(standing, reason, message)])
}

fn resolved(report: Report) -> Report {
    report
        .set(
            ConditionType::ReferencesResolved,
            (Truth::True, Reason::AsDeclared),
            "everything the spec refers to was found",
        )
        .set(ConditionType::CredentialsValid, (Truth::True, Reason::AsDeclared), "the platform takes the credential")
}

fn settled(situation: &Situation) -> Report {
    let Situation { life, wanted, rest, advice, refused, writes } = situation;
    let report = Report { phase: phase(*life), ..resolved(Report::default()) };
    if *writes == Writes::Observes {
        let message = "the tenant is only observed, so nothing is written to it";
        return finish(report, (Truth::True, Reason::AsDeclared), message, (rest, *writes));
    }
    let security: Vec<Field> = rest.unsupported.iter().copied().filter(|field| field.is_security()).collect();
    if !security.is_empty() {
        let why: Vec<String> = security.iter().filter_map(|field| Some(format!("; {}", field.lack()?))).collect();
        let message = format!(
            "the platform cannot hold {}: remove it from the spec, or use a platform that enforces it{}",
            paths(&security),
            why.concat()
        );
        return finish(report, (Truth::False, Reason::SecuritySettingNotSupported), &message, (rest, *writes));
    }
    if let Some(Invalid { reason, .. }) = refused.first() {
        let refused: Vec<String> = refused.iter().map(ToString::to_string).collect();
        return finish(report, (Truth::False, *reason), &refused.join("; "), (rest, *writes));
    }
    if let Some(word) = &rest.unknown_state {
        let message = format!(
            "the platform shows the tenant in the state `{word}`, which this release does not know, so its state is left as it is: wait until it shows another, or update the operator"
        );
        return finish(report, (Truth::Unknown, Reason::AnswerNotUnderstood), &message, (rest, *writes));
    }
    if rest.is_inactive_without_reason {
        let message = "the platform shows the tenant as inactive, which may mean suspended or ended: activate it in the console, or set `tenantState` to `Suspended`";
        return finish(report, (Truth::False, Reason::Suspended), message, (rest, *writes));
    }
    let unmarked = rest.keeps_no_mark.then(|| KEEPS_NO_MARK.to_owned());
    let advice: Vec<String> = advice.iter().cloned().chain(unmarked).collect();
    let advice = if advice.is_empty() { String::new() } else { format!("; {}", advice.join("; ")) };
    match (life, wanted) {
        (TenantLife::Active, _) => finish(
            report,
            (Truth::True, Reason::AsDeclared),
            &format!("the tenant is as declared{advice}"),
            (rest, *writes),
        ),
        (_, Some(TenantState::Suspended)) => finish(
            report,
            (Truth::True, Reason::Suspended),
            &format!("the tenant is suspended, as declared{advice}"),
            (rest, *writes),
        ),
        (_, Some(TenantState::Active) | None) => finish(
            report,
            (Truth::True, Reason::Suspended),
            &format!("the tenant is suspended and `tenantState` is not declared, so it stays so{advice}"),
            (rest, *writes),
        ),
    }
}

const KEEPS_NO_MARK: &str = "the platform does not show the mark that was written, so nothing there says whose the tenant is: set `adoption.uniqueId` where its deletion is to suspend or end it";

fn finish(report: Report, (ready, reason): (Truth, Reason), message: &str, (rest, writes): (&Plan, Writes)) -> Report {
    let report = report.set(ConditionType::Ready, (ready, reason), message);
    let report = if !rest.is_empty() {
        let fields: Vec<Field> = rest.differences.iter().map(|difference| difference.field).collect();
        let which = if fields.is_empty() { "its state".to_owned() } else { paths(&fields) };
        report.set(
            ConditionType::InSync,
            (Truth::False, Reason::Drifted),
            &format!("{which} differs on the platform and {}", what_follows(writes)),
        )
    } else if !rest.unread.is_empty() {
        let message = format!(
            "what the platform holds for {} cannot be read, so whether it is as declared is not known: read `status.unknown`",
            paths(&rest.unread)
        );
        report.set(ConditionType::InSync, (Truth::Unknown, Reason::AnswerNotUnderstood), &message)
    } else if !rest.waiting.is_empty() && rest.unknown_state.is_none() {
        let message =
            format!("{} waits until the tenant is active again: set `tenantState` to `Active`", paths(&rest.waiting));
        report.set(ConditionType::InSync, (Truth::False, Reason::Suspended), &message)
    } else if !rest.unsupported.is_empty() {
        let message = format!("the platform cannot hold {}: remove it from the spec", paths(&rest.unsupported));
        report.set(ConditionType::InSync, (Truth::False, Reason::SettingNotSupported), &message)
    } else if !rest.normalised.is_empty() {
        let message = format!(
            "no managed setting differs on the platform, which keeps {} in a form of its own (`status.applied.normalised`)",
            paths(&rest.normalised)
        );
        report.set(ConditionType::InSync, (Truth::True, Reason::NormalisedByPlatform), &message)
    } else {
        report.set(
            ConditionType::InSync,
            (Truth::True, Reason::AsDeclared),
            "no managed setting differs on the platform",
        )
    };
    match ready {
        Truth::False => report.only_while_true(&[(ConditionType::Stalled, reason, message)]),
        Truth::Unknown => report.only_while_true(&[(ConditionType::Reconciling, reason, message)]),
        Truth::True if !rest.is_empty() && writes == Writes::Corrects => report.only_while_true(&[(
            ConditionType::Reconciling,
            Reason::InProgress,
            "settings are about to be written",
        )]),
        Truth::True => report.only_while_true(&[]),
    }
}

const fn what_follows(writes: Writes) -> &'static str {
    match writes {
        Writes::Corrects => "is about to be corrected",
        Writes::Reports => "is left so, since `management.drift` is `Report`",
        Writes::Observes => "is left so, since `management.mode` is `Observe`",
    }
}

/// Where a tenant in this state on the platform is in its life; nothing for a state that this release does not know.
pub fn phase(life: TenantLife) -> Option<TenantPhase> {
    match life {
        TenantLife::Active => Some(TenantPhase::Active),
        TenantLife::Suspended | TenantLife::Inactive => Some(TenantPhase::Suspended),
        TenantLife::Terminated => Some(TenantPhase::Terminated),
        TenantLife::Unknown => None,
    }
}

fn paths(fields: &[Field]) -> String {
    fields.iter().map(|field| format!("`{}`", field.path())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
