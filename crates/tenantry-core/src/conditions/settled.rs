//! What a pass reports about a tenant that needs nothing more now.

use tenantry_api::{ConditionType, Reason, TenantState};

use super::{ConditionStatus, DriftHandling, SettledTenant, StatusReport, phase_of, with_references_resolved};
use crate::{Field, InvalidSetting, LifecycleState, Plan};

pub(super) fn settled_report(settled: &SettledTenant) -> StatusReport {
    let SettledTenant {
        lifecycle: life,
        desired_state: wanted,
        remaining_plan: rest,
        advice,
        refused,
        drift_handling: writes,
    } = settled;
    let report = StatusReport { phase: phase_of(*life), ..with_references_resolved(StatusReport::default()) };
    if *writes == DriftHandling::Observes {
        let message = "the tenant is only observed, so nothing is written to it";
        return with_sync_conditions(report, ConditionStatus::True, Reason::AsDeclared, message, rest, *writes);
    }
    let security: Vec<Field> = rest.unsupported.iter().copied().filter(|field| field.is_security()).collect();
    if !security.is_empty() {
        let why: Vec<String> =
            security.iter().filter_map(|field| Some(format!("; {}", field.unsupported_reason()?))).collect();
        let message = format!(
            "the platform cannot hold {}: remove it from the spec, or use a platform that enforces it{}",
            quote_paths(&security),
            why.concat()
        );
        return with_sync_conditions(
            report,
            ConditionStatus::False,
            Reason::SecuritySettingNotSupported,
            &message,
            rest,
            *writes,
        );
    }
    if let Some(InvalidSetting { reason, .. }) = refused.first() {
        let refused: Vec<String> = refused.iter().map(ToString::to_string).collect();
        return with_sync_conditions(report, ConditionStatus::False, *reason, &refused.join("; "), rest, *writes);
    }
    if let Some(word) = &rest.unknown_state {
        let message = format!(
            "the platform shows the tenant in the state `{word}`, which this release does not know, so its state is left as it is: wait until it shows another, or update the operator"
        );
        return with_sync_conditions(
            report,
            ConditionStatus::Unknown,
            Reason::AnswerNotUnderstood,
            &message,
            rest,
            *writes,
        );
    }
    if rest.is_inactive_without_reason {
        let message = "the platform shows the tenant as inactive, which may mean suspended or ended: activate it in the console, or set `tenantState` to `Suspended`";
        return with_sync_conditions(report, ConditionStatus::False, Reason::Suspended, message, rest, *writes);
    }
    let unmarked = rest.keeps_no_mark.then(|| KEEPS_NO_MARK_MESSAGE.to_owned());
    let advice: Vec<String> = advice.iter().cloned().chain(unmarked).collect();
    let advice = if advice.is_empty() { String::new() } else { format!("; {}", advice.join("; ")) };
    match (life, wanted) {
        (LifecycleState::Active, _) => with_sync_conditions(
            report,
            ConditionStatus::True,
            Reason::AsDeclared,
            &format!("the tenant is as declared{advice}"),
            rest,
            *writes,
        ),
        (_, Some(TenantState::Suspended)) => with_sync_conditions(
            report,
            ConditionStatus::True,
            Reason::Suspended,
            &format!("the tenant is suspended, as declared{advice}"),
            rest,
            *writes,
        ),
        (_, Some(TenantState::Active) | None) => with_sync_conditions(
            report,
            ConditionStatus::True,
            Reason::Suspended,
            &format!("the tenant is suspended and `tenantState` is not declared, so it stays so{advice}"),
            rest,
            *writes,
        ),
    }
}

const KEEPS_NO_MARK_MESSAGE: &str = "the platform does not show the mark that was written, so nothing there says whose the tenant is: set `adoption.uniqueId` where its deletion is to suspend or end it";

fn with_sync_conditions(
    report: StatusReport,
    ready: ConditionStatus,
    reason: Reason,
    message: &str,
    remaining_plan: &Plan,
    drift_handling: DriftHandling,
) -> StatusReport {
    let report = report.with_condition(ConditionType::Ready, ready, reason, message);
    let report = if !remaining_plan.is_empty() {
        let fields: Vec<Field> = remaining_plan.differences.iter().map(|difference| difference.field).collect();
        let which = if fields.is_empty() { "its state".to_owned() } else { quote_paths(&fields) };
        report.with_condition(
            ConditionType::InSync,
            ConditionStatus::False,
            Reason::Drifted,
            &format!("{which} differs on the platform and {}", describe_drift_handling(drift_handling)),
        )
    } else if !remaining_plan.unreadable.is_empty() {
        let message = format!(
            "what the platform holds for {} cannot be read, so whether it is as declared is not known: read `status.unknown`",
            quote_paths(&remaining_plan.unreadable)
        );
        report.with_condition(ConditionType::InSync, ConditionStatus::Unknown, Reason::AnswerNotUnderstood, &message)
    } else if !remaining_plan.deferred.is_empty() && remaining_plan.unknown_state.is_none() {
        let message = format!(
            "{} waits until the tenant is active again: set `tenantState` to `Active`",
            quote_paths(&remaining_plan.deferred)
        );
        report.with_condition(ConditionType::InSync, ConditionStatus::False, Reason::Suspended, &message)
    } else if !remaining_plan.unsupported.is_empty() {
        let message =
            format!("the platform cannot hold {}: remove it from the spec", quote_paths(&remaining_plan.unsupported));
        report.with_condition(ConditionType::InSync, ConditionStatus::False, Reason::SettingNotSupported, &message)
    } else if !remaining_plan.normalised.is_empty() {
        let message = format!(
            "no managed setting differs on the platform, which keeps {} in a form of its own (`status.applied.normalised`)",
            quote_paths(&remaining_plan.normalised)
        );
        report.with_condition(ConditionType::InSync, ConditionStatus::True, Reason::NormalisedByPlatform, &message)
    } else {
        report.with_condition(
            ConditionType::InSync,
            ConditionStatus::True,
            Reason::AsDeclared,
            "no managed setting differs on the platform",
        )
    };
    match ready {
        ConditionStatus::False => report.with_transient_conditions(&[(ConditionType::Stalled, reason, message)]),
        ConditionStatus::Unknown => report.with_transient_conditions(&[(ConditionType::Reconciling, reason, message)]),
        ConditionStatus::True if !remaining_plan.is_empty() && drift_handling == DriftHandling::Corrects => report
            .with_transient_conditions(&[(
                ConditionType::Reconciling,
                Reason::InProgress,
                "settings are about to be written",
            )]),
        ConditionStatus::True => report.with_transient_conditions(&[]),
    }
}

const fn describe_drift_handling(drift_handling: DriftHandling) -> &'static str {
    match drift_handling {
        DriftHandling::Corrects => "is about to be corrected",
        DriftHandling::Reports => "is left so, since `management.drift` is `Report`",
        DriftHandling::Observes => "is left so, since `management.mode` is `Observe`",
    }
}

fn quote_paths(fields: &[Field]) -> String {
    fields.iter().map(|field| format!("`{}`", field.path())).collect::<Vec<_>>().join(", ")
}
