use super::*;

fn condition(report: &Report, kind: ConditionType) -> Option<(Truth, Reason)> {
    report.set.iter().find(|state| state.kind == kind).map(|state| (state.truth, state.reason))
}

fn situation(life: TenantLife, wanted: Option<TenantState>) -> Situation {
    Situation { life, wanted, rest: Plan::default(), advice: Vec::new(), refused: Vec::new(), writes: Writes::Corrects }
}

#[test]
fn a_tenant_as_declared_is_ready_and_in_sync_and_nothing_else_stands() {
    let report = verdict(&Outcome::Settled(Box::new(situation(TenantLife::Active, None))), Standing::NotReady);
    assert_eq!(condition(&report, ConditionType::Ready), Some((Truth::True, Reason::AsDeclared)));
    assert_eq!(condition(&report, ConditionType::InSync), Some((Truth::True, Reason::AsDeclared)));
    assert_eq!(report.clear.len(), ONLY_WHILE_TRUE.len());
    assert_eq!(report.phase, Some(TenantPhase::Active));
}

#[test]
fn suspended_as_declared_is_ready() {
    let report = verdict(
        &Outcome::Settled(Box::new(situation(TenantLife::Suspended, Some(TenantState::Suspended)))),
        Standing::NotReady,
    );
    assert_eq!(condition(&report, ConditionType::Ready), Some((Truth::True, Reason::Suspended)));
}

#[test]
fn an_unsupported_setting_counts_against_sync_and_a_security_one_against_ready() {
    for (field, ready, reason) in [
        (Field::NotificationEmail, Truth::True, Reason::AsDeclared),
        (Field::SkipUserConsentForm, Truth::False, Reason::SecuritySettingNotSupported),
    ] {
        let mut now = situation(TenantLife::Active, None);
        now.rest.unsupported.push(field);
        let report = verdict(&Outcome::Settled(Box::new(now)), Standing::NotReady);
        assert_eq!(condition(&report, ConditionType::Ready), Some((ready, reason)));
        assert_eq!(condition(&report, ConditionType::InSync).map(|(truth, _)| truth), Some(Truth::False));
    }
}

#[test]
fn what_needs_a_person_is_stalled_and_what_passes_is_reconciling() {
    let stalled = verdict(&Outcome::Unresolved(Reason::ImageNotFound, "m".into()), Standing::Ready);
    assert!(condition(&stalled, ConditionType::Stalled).is_some());
    assert!(stalled.clear.contains(&ConditionType::Reconciling));
    let waiting = verdict(&Outcome::Unresolved(Reason::PartnerNotReady, "m".into()), Standing::Ready);
    assert!(condition(&waiting, ConditionType::Reconciling).is_some());
    assert!(waiting.clear.contains(&ConditionType::Stalled));
}

#[test]
fn a_passing_error_does_not_make_a_ready_tenant_less_ready() {
    let outcome = Outcome::Failed(Reason::PlatformUnavailable, "m".into());
    assert_eq!(condition(&verdict(&outcome, Standing::Ready), ConditionType::Ready), None);
    let not_yet = verdict(&outcome, Standing::NotReady);
    assert_eq!(condition(&not_yet, ConditionType::Ready), Some((Truth::False, Reason::PlatformUnavailable)));
}

#[test]
fn after_half_an_hour_without_the_platform_nobody_says_ready_and_a_new_object_that_is_paused_is_not_ready() {
    let outcome = Outcome::Failed(Reason::PlatformUnavailable, "m".into());
    let silent = verdict(&outcome, Standing::Silent);
    assert_eq!(condition(&silent, ConditionType::Ready), Some((Truth::Unknown, Reason::PlatformUnavailable)));
    let unknown = Some((Truth::Unknown, Reason::ManagementPaused));
    assert_eq!(condition(&verdict(&Outcome::Paused(Pause::Open), Standing::New), ConditionType::Ready), unknown);
    assert_eq!(condition(&verdict(&Outcome::Paused(Pause::Open), Standing::Ready), ConditionType::Ready), None);
}
