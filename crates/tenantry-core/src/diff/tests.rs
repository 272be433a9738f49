use super::*;
use crate::UnknownAnswers;

fn mark() -> Mark {
    "c1/Client/ns/globex/u1".parse().unwrap()
}

fn desired_tenant(values: &[(Field, Value)], state: Option<TenantState>) -> DesiredTenant {
    let values = values.iter().map(|(field, value)| (*field, (value.clone(), ValueOrigin::Spec))).collect();
    DesiredTenant {
        kind: TenantKind::Client,
        effective: EffectiveSettings { values, ..EffectiveSettings::default() },
        state,
        mark: mark(),
    }
}

fn observed_tenant(values: &[(Field, ObservedValue)], lifecycle: LifecycleState) -> ObservedTenant {
    ObservedTenant {
        unique_id: "client_2".into(),
        served_images: [].into(),
        account_id: None,
        name: "Globex".into(),
        lifecycle,
        mark: ObservedMark::Full(mark()),
        values: values.iter().cloned().collect(),
        created: None,
        updated: None,
        revision: None,
        url: None,
        api_endpoint: None,
        unknown: UnknownAnswers::default(),
    }
}

fn shown_text(text: &str) -> ObservedValue {
    ObservedValue::Value(Value::text(text))
}

#[test]
fn nothing_differs_nothing_is_done() {
    let plan = diff(
        &desired_tenant(&[(Field::City, Value::text("Berlin"))], None),
        Some(&observed_tenant(&[(Field::City, shown_text("Berlin"))], LifecycleState::Active)),
        &WriteRecord::default(),
    );
    assert_eq!(plan, Plan::default());
}

#[test]
fn steps_come_in_the_order_that_the_platform_needs() {
    let wanted = desired_tenant(
        &[(Field::City, Value::text("Berlin")), (Field::WebsiteTitle, Value::text("G"))],
        Some(TenantState::Suspended),
    );
    let names = |plan: &Plan| -> Vec<&'static str> {
        plan.steps
            .iter()
            .map(|step| match step {
                PlanStep::Create(_) => "create",
                PlanStep::Mark => "mark",
                PlanStep::Activate => "activate",
                PlanStep::Update(_) => "update",
                PlanStep::Brand(_) => "brand",
                PlanStep::Suspend => "suspend",
            })
            .collect()
    };
    assert_eq!(names(&diff(&wanted, None, &WriteRecord::default())), ["create", "brand", "suspend"]);
    let there = observed_tenant(
        &[(Field::City, shown_text("Bonn")), (Field::WebsiteTitle, shown_text(""))],
        LifecycleState::Active,
    );
    assert_eq!(names(&diff(&wanted, Some(&there), &WriteRecord::default())), ["update", "brand", "suspend"]);
    let back = DesiredTenant { state: Some(TenantState::Active), ..wanted };
    let there = ObservedTenant { lifecycle: LifecycleState::Suspended, ..there };
    assert_eq!(names(&diff(&back, Some(&there), &WriteRecord::default())), ["activate", "update", "brand"]);
}

#[test]
fn branding_waits_while_the_tenant_is_suspended() {
    let wanted = desired_tenant(&[(Field::WebsiteTitle, Value::text("G"))], None);
    let there = observed_tenant(&[(Field::WebsiteTitle, shown_text(""))], LifecycleState::Suspended);
    let plan = diff(&wanted, Some(&there), &WriteRecord::default());
    assert!(plan.is_empty());
    assert_eq!(plan.deferred, [Field::WebsiteTitle]);
}

#[test]
fn what_cannot_be_told_from_ended_is_activated_only_if_we_suspended_it() {
    let wanted = desired_tenant(&[], Some(TenantState::Active));
    let there = observed_tenant(&[], LifecycleState::Inactive);
    let plan = diff(&wanted, Some(&there), &WriteRecord::default());
    assert!(plan.is_empty() && plan.is_inactive_without_reason);
    let ours = WriteRecord { was_suspended_by_operator: true, ..WriteRecord::default() };
    assert_eq!(diff(&wanted, Some(&there), &ours).steps, [PlanStep::Activate]);
}

#[test]
fn what_the_platform_cannot_hold_is_named_and_not_written() {
    let wanted = desired_tenant(&[(Field::SkipUserConsentForm, Value::Flag(true))], None);
    let plan = diff(
        &wanted,
        Some(&observed_tenant(&[(Field::SkipUserConsentForm, ObservedValue::Unsupported)], LifecycleState::Active)),
        &WriteRecord::default(),
    );
    assert!(plan.is_empty());
    assert_eq!(plan.unsupported, [Field::SkipUserConsentForm]);
}

#[test]
fn a_removed_package_is_disruptive_and_an_added_one_is_not() {
    let difference = |desired: &[&str], observed: &[&str]| SettingDifference {
        field: Field::Packages,
        desired: Value::set(desired.iter().copied()),
        observed: Some(Value::set(observed.iter().copied())),
        origin: ValueOrigin::Spec,
    };
    assert_eq!(difference(&["A", "B"], &["A"]).risk(), Risk::Quiet);
    assert_eq!(difference(&["A"], &["A", "B"]).risk(), Risk::Disruptive);
}

#[test]
fn what_the_catalogue_does_not_know_is_kept_and_sent_back() {
    let kept = UnknownAnswers {
        values: [(Field::AddOns, ["Synthetic Monitoring".to_owned()].into())].into(),
        ..UnknownAnswers::default()
    };
    let there = ObservedTenant {
        unknown: kept,
        ..observed_tenant(
            &[(Field::AddOns, ObservedValue::Value(Value::set(["SLAManagement"])))],
            LifecycleState::Active,
        )
    };
    let plan = |names: &[&str]| {
        let wanted = desired_tenant(&[(Field::AddOns, Value::set(names.iter().copied()))], None);
        diff(&wanted, Some(&there), &WriteRecord::default())
    };
    assert_eq!(plan(&["SLAManagement"]), Plan::default());
    let to = Value::set(["KnowledgeBaseManagement", "Synthetic Monitoring"]);
    let update = PlanStep::Update(vec![SettingChange { field: Field::AddOns, to }]);
    assert_eq!(plan(&["KnowledgeBaseManagement"]).steps, [update]);
    let last = PlanStep::Update(vec![SettingChange { field: Field::AddOns, to: Value::set(["Synthetic Monitoring"]) }]);
    assert_eq!(plan(&[]).steps, [last]);
}

#[test]
fn a_list_that_cannot_be_read_is_not_replaced() {
    let wanted = desired_tenant(&[(Field::Packages, Value::set(["EventAndIncidentManagement"]))], None);
    let unknown = UnknownAnswers {
        unreadable: [(Field::Packages, "`packages` is a text where a list of texts is documented".to_owned())].into(),
        ..UnknownAnswers::default()
    };
    let there = ObservedTenant {
        unknown,
        ..observed_tenant(&[(Field::Packages, ObservedValue::Unreadable)], LifecycleState::Active)
    };
    let plan = diff(&wanted, Some(&there), &WriteRecord::default());
    assert_eq!((plan.is_empty(), plan.unreadable), (true, vec![Field::Packages]));
}

#[test]
fn in_a_state_that_is_not_known_nothing_is_written_that_depends_on_it() {
    let settings = [(Field::City, Value::text("Berlin")), (Field::WebsiteTitle, Value::text("G"))];
    let seen = [(Field::City, shown_text("Bonn")), (Field::WebsiteTitle, shown_text(""))];
    let there = ObservedTenant {
        unknown: UnknownAnswers { state: Some("MIGRATING".to_owned()), ..UnknownAnswers::default() },
        ..observed_tenant(&seen, LifecycleState::Unknown)
    };
    let ours = WriteRecord { was_suspended_by_operator: true, ..WriteRecord::default() };
    for state in [None, Some(TenantState::Active), Some(TenantState::Suspended)] {
        let plan = diff(&desired_tenant(&settings, state), Some(&there), &ours);
        let update = PlanStep::Update(vec![SettingChange { field: Field::City, to: Value::text("Berlin") }]);
        assert_eq!(plan.steps, [update], "{state:?}");
        assert_eq!((plan.unknown_state.as_deref(), plan.deferred), (Some("MIGRATING"), vec![Field::WebsiteTitle]));
    }
}

#[test]
fn a_mark_that_does_not_come_back_is_written_twice_at_most() {
    let there = ObservedTenant { mark: ObservedMark::None, ..observed_tenant(&[], LifecycleState::Active) };
    let plan = |marks| {
        diff(
            &desired_tenant(&[], None),
            Some(&there),
            &WriteRecord { unconfirmed_marks: marks, ..WriteRecord::default() },
        )
    };
    for marks in 0..2 {
        assert_eq!((plan(marks).steps, plan(marks).keeps_no_mark), (vec![PlanStep::Mark], false));
    }
    assert_eq!((plan(2).is_empty(), plan(2).keeps_no_mark), (true, true));
}

#[test]
fn a_moment_is_refused_only_where_it_is_more_than_60_seconds_ahead() {
    let now: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
    let refused = |moment: &str| {
        let desired =
            desired_tenant(&[(Field::PasswordsSetBefore, Value::text(moment))], None).drop_future_password_reset(now);
        let is_kept = desired.effective.values.contains_key(&Field::PasswordsSetBefore);
        assert_eq!(desired.effective.refused.is_empty(), is_kept, "{moment}");
        !is_kept
    };
    for moment in ["2029-12-31T23:59:30Z", "2030-01-01T00:00:00Z", "2030-01-01T00:01:00Z"] {
        assert!(!refused(moment), "{moment}");
    }
    assert!(refused("2030-01-01T00:01:01Z"));
}
