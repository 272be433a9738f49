use super::*;
use crate::plan::Unknown;

fn mark() -> Mark {
    "c1/Client/ns/globex/u1".parse().unwrap()
}

fn desired(values: &[(Field, Value)], state: Option<TenantState>) -> Desired {
    let values = values.iter().map(|(field, value)| (*field, (value.clone(), Origin::Spec))).collect();
    Desired { kind: Kind::Client, effective: Effective { values, ..Effective::default() }, state, mark: mark() }
}

fn observed(values: &[(Field, Seen)], life: TenantLife) -> Observed {
    Observed {
        unique_id: "client_2".into(),
        served: [].into(),
        account_id: None,
        name: "Globex".into(),
        life,
        mark: MarkSeen::Whole(mark()),
        seen: values.iter().cloned().collect(),
        created: None,
        updated: None,
        revision: None,
        url: None,
        api_endpoint: None,
        unknown: Unknown::default(),
    }
}

fn seen(text: &str) -> Seen {
    Seen::Value(Value::text(text))
}

#[test]
fn nothing_differs_nothing_is_done() {
    let plan = diff(
        &desired(&[(Field::City, Value::text("Berlin"))], None),
        Some(&observed(&[(Field::City, seen("Berlin"))], TenantLife::Active)),
        &Written::default(),
    );
    assert_eq!(plan, Plan::default());
}

#[test]
fn steps_come_in_the_order_that_the_platform_needs() {
    let wanted = desired(
        &[(Field::City, Value::text("Berlin")), (Field::WebsiteTitle, Value::text("G"))],
        Some(TenantState::Suspended),
    );
    let names = |plan: &Plan| -> Vec<&'static str> {
        plan.steps
            .iter()
            .map(|step| match step {
                Step::Create(_) => "create",
                Step::Mark => "mark",
                Step::Activate => "activate",
                Step::Update(_) => "update",
                Step::Brand(_) => "brand",
                Step::Suspend => "suspend",
            })
            .collect()
    };
    assert_eq!(names(&diff(&wanted, None, &Written::default())), ["create", "brand", "suspend"]);
    let there = observed(&[(Field::City, seen("Bonn")), (Field::WebsiteTitle, seen(""))], TenantLife::Active);
    assert_eq!(names(&diff(&wanted, Some(&there), &Written::default())), ["update", "brand", "suspend"]);
    let back = Desired { state: Some(TenantState::Active), ..wanted };
    let there = Observed { life: TenantLife::Suspended, ..there };
    assert_eq!(names(&diff(&back, Some(&there), &Written::default())), ["activate", "update", "brand"]);
}

#[test]
fn branding_waits_while_the_tenant_is_suspended() {
    let wanted = desired(&[(Field::WebsiteTitle, Value::text("G"))], None);
    let there = observed(&[(Field::WebsiteTitle, seen(""))], TenantLife::Suspended);
    let plan = diff(&wanted, Some(&there), &Written::default());
    assert!(plan.is_empty());
    assert_eq!(plan.waiting, [Field::WebsiteTitle]);
}

#[test]
fn what_cannot_be_told_from_ended_is_activated_only_if_we_suspended_it() {
    let wanted = desired(&[], Some(TenantState::Active));
    let there = observed(&[], TenantLife::Inactive);
    let plan = diff(&wanted, Some(&there), &Written::default());
    assert!(plan.is_empty() && plan.is_inactive_without_reason);
    let ours = Written { suspended_by_us: true, ..Written::default() };
    assert_eq!(diff(&wanted, Some(&there), &ours).steps, [Step::Activate]);
}

#[test]
fn what_the_platform_cannot_hold_is_named_and_not_written() {
    let wanted = desired(&[(Field::SkipUserConsentForm, Value::Flag(true))], None);
    let plan = diff(
        &wanted,
        Some(&observed(&[(Field::SkipUserConsentForm, Seen::Unsupported)], TenantLife::Active)),
        &Written::default(),
    );
    assert!(plan.is_empty());
    assert_eq!(plan.unsupported, [Field::SkipUserConsentForm]);
}

#[test]
fn a_removed_package_is_disruptive_and_an_added_one_is_not() {
    let difference = |desired: &[&str], observed: &[&str]| Difference {
        field: Field::Packages,
        desired: Value::set(desired.iter().copied()),
        observed: Some(Value::set(observed.iter().copied())),
        origin: Origin::Spec,
    };
    assert_eq!(difference(&["A", "B"], &["A"]).risk(), Risk::Quiet);
    assert_eq!(difference(&["A"], &["A", "B"]).risk(), Risk::Disruptive);
}

#[test]
fn what_the_catalogue_does_not_know_is_kept_and_sent_back() {
    let kept =
        Unknown { values: [(Field::AddOns, ["Synthetic Monitoring".to_owned()].into())].into(), ..Unknown::default() };
    let there = Observed {
        unknown: kept,
        ..observed(&[(Field::AddOns, Seen::Value(Value::set(["SLAManagement"])))], TenantLife::Active)
    };
    let plan = |names: &[&str]| {
        let wanted = desired(&[(Field::AddOns, Value::set(names.iter().copied()))], None);
        diff(&wanted, Some(&there), &Written::default())
    };
    assert_eq!(plan(&["SLAManagement"]), Plan::default());
    let to = Value::set(["KnowledgeBaseManagement", "Synthetic Monitoring"]);
    let update = Step::Update(vec![Change { field: Field::AddOns, to }]);
    assert_eq!(plan(&["KnowledgeBaseManagement"]).steps, [update]);
    let last = Step::Update(vec![Change { field: Field::AddOns, to: Value::set(["Synthetic Monitoring"]) }]);
    assert_eq!(plan(&[]).steps, [last]);
}

#[test]
fn a_list_that_cannot_be_read_is_not_replaced() {
    let wanted = desired(&[(Field::Packages, Value::set(["EventAndIncidentManagement"]))], None);
    let unknown = Unknown {
        unreadable: [(Field::Packages, "`packages` is a text where a list of texts is documented".to_owned())].into(),
        ..Unknown::default()
    };
    let there = Observed { unknown, ..observed(&[(Field::Packages, Seen::Unreadable)], TenantLife::Active) };
    let plan = diff(&wanted, Some(&there), &Written::default());
    assert_eq!((plan.is_empty(), plan.unread), (true, vec![Field::Packages]));
}

#[test]
fn in_a_state_that_is_not_known_nothing_is_written_that_depends_on_it() {
    let settings = [(Field::City, Value::text("Berlin")), (Field::WebsiteTitle, Value::text("G"))];
    let seen = [(Field::City, seen("Bonn")), (Field::WebsiteTitle, seen(""))];
    let there = Observed {
        unknown: Unknown { state: Some("MIGRATING".to_owned()), ..Unknown::default() },
        ..observed(&seen, TenantLife::Unknown)
    };
    let ours = Written { suspended_by_us: true, ..Written::default() };
    for state in [None, Some(TenantState::Active), Some(TenantState::Suspended)] {
        let plan = diff(&desired(&settings, state), Some(&there), &ours);
        let update = Step::Update(vec![Change { field: Field::City, to: Value::text("Berlin") }]);
        assert_eq!(plan.steps, [update], "{state:?}");
        assert_eq!((plan.unknown_state.as_deref(), plan.waiting), (Some("MIGRATING"), vec![Field::WebsiteTitle]));
    }
}

#[test]
fn a_mark_that_does_not_come_back_is_written_twice_at_most() {
    let there = Observed { mark: MarkSeen::None, ..observed(&[], TenantLife::Active) };
    let plan = |marks| diff(&desired(&[], None), Some(&there), &Written { marks, ..Written::default() });
    for marks in 0..2 {
        assert_eq!((plan(marks).steps, plan(marks).keeps_no_mark), (vec![Step::Mark], false));
    }
    assert_eq!((plan(2).is_empty(), plan(2).keeps_no_mark), (true, true));
}

#[test]
fn a_moment_is_refused_only_where_it_is_more_than_60_seconds_ahead() {
    let now: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
    let refused = |moment: &str| {
        let desired = desired(&[(Field::PasswordsSetBefore, Value::text(moment))], None).refuse_to_come(now);
        let is_kept = desired.effective.values.contains_key(&Field::PasswordsSetBefore);
        assert_eq!(desired.effective.refused.is_empty(), is_kept, "{moment}");
        !is_kept
    };
    for moment in ["2029-12-31T23:59:30Z", "2030-01-01T00:00:00Z", "2030-01-01T00:01:00Z"] {
        assert!(!refused(moment), "{moment}");
    }
    assert!(refused("2030-01-01T00:01:01Z"));
}
