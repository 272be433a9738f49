use crate::Field;

use super::*;

fn find_condition(report: &StatusReport, kind: ConditionType) -> Option<(ConditionStatus, Reason)> {
    report.set.iter().find(|state| state.kind == kind).map(|state| (state.status, state.reason))
}

fn settled_tenant(lifecycle: LifecycleState, wanted: Option<TenantState>) -> SettledTenant {
    SettledTenant {
        lifecycle,
        desired_state: wanted,
        remaining_plan: Plan::default(),
        advice: Vec::new(),
        refused: Vec::new(),
        drift_handling: DriftHandling::Corrects,
    }
}

#[test]
fn a_tenant_as_declared_is_ready_and_in_sync_and_nothing_else_stands() {
    let report = conditions_for(
        &PassOutcome::Settled(Box::new(settled_tenant(LifecycleState::Active, None))),
        PriorReadiness::NotReady,
    );
    assert_eq!(find_condition(&report, ConditionType::Ready), Some((ConditionStatus::True, Reason::AsDeclared)));
    assert_eq!(find_condition(&report, ConditionType::InSync), Some((ConditionStatus::True, Reason::AsDeclared)));
    assert_eq!(report.clear.len(), TRANSIENT_CONDITIONS.len());
    assert_eq!(report.phase, Some(TenantPhase::Active));
}

#[test]
fn suspended_as_declared_is_ready() {
    let report = conditions_for(
        &PassOutcome::Settled(Box::new(settled_tenant(LifecycleState::Suspended, Some(TenantState::Suspended)))),
        PriorReadiness::NotReady,
    );
    assert_eq!(find_condition(&report, ConditionType::Ready), Some((ConditionStatus::True, Reason::Suspended)));
}

#[test]
fn an_unsupported_setting_counts_against_sync_and_a_security_one_against_ready() {
    for (field, ready, reason) in [
        (Field::NotificationEmail, ConditionStatus::True, Reason::AsDeclared),
        (Field::SkipUserConsentForm, ConditionStatus::False, Reason::SecuritySettingNotSupported),
    ] {
        let mut now = settled_tenant(LifecycleState::Active, None);
        now.remaining_plan.unsupported.push(field);
        let report = conditions_for(&PassOutcome::Settled(Box::new(now)), PriorReadiness::NotReady);
        assert_eq!(find_condition(&report, ConditionType::Ready), Some((ready, reason)));
        assert_eq!(
            find_condition(&report, ConditionType::InSync).map(|(truth, _)| truth),
            Some(ConditionStatus::False)
        );
    }
}

#[test]
fn what_needs_a_person_is_stalled_and_what_passes_is_reconciling() {
    let stalled = conditions_for(&PassOutcome::Unresolved(Reason::ImageNotFound, "m".into()), PriorReadiness::Ready);
    assert!(find_condition(&stalled, ConditionType::Stalled).is_some());
    assert!(stalled.clear.contains(&ConditionType::Reconciling));
    let waiting = conditions_for(&PassOutcome::Unresolved(Reason::PartnerNotReady, "m".into()), PriorReadiness::Ready);
    assert!(find_condition(&waiting, ConditionType::Reconciling).is_some());
    assert!(waiting.clear.contains(&ConditionType::Stalled));
}

#[test]
fn a_passing_error_does_not_make_a_ready_tenant_less_ready() {
    let outcome = PassOutcome::Failed(Reason::PlatformUnavailable, "m".into());
    assert_eq!(find_condition(&conditions_for(&outcome, PriorReadiness::Ready), ConditionType::Ready), None);
    let not_yet = conditions_for(&outcome, PriorReadiness::NotReady);
    assert_eq!(
        find_condition(&not_yet, ConditionType::Ready),
        Some((ConditionStatus::False, Reason::PlatformUnavailable))
    );
}

#[test]
fn after_half_an_hour_without_the_platform_nobody_says_ready_and_a_new_object_that_is_paused_is_not_ready() {
    let outcome = PassOutcome::Failed(Reason::PlatformUnavailable, "m".into());
    let silent = conditions_for(&outcome, PriorReadiness::Unreadable);
    assert_eq!(
        find_condition(&silent, ConditionType::Ready),
        Some((ConditionStatus::Unknown, Reason::PlatformUnavailable))
    );
    let unknown = Some((ConditionStatus::Unknown, Reason::ManagementPaused));
    assert_eq!(
        find_condition(
            &conditions_for(&PassOutcome::Paused(Pause::Indefinite), PriorReadiness::New),
            ConditionType::Ready
        ),
        unknown
    );
    assert_eq!(
        find_condition(
            &conditions_for(&PassOutcome::Paused(Pause::Indefinite), PriorReadiness::Ready),
            ConditionType::Ready
        ),
        None
    );
}
