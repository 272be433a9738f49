//! For any spec within the limits of the definitions, and any answer of a platform, the written status passes the
//! schema of the definitions and is of bounded size.

mod schema;

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use tenantry_api::{Partner, SecretKeyRef, TenantClient};
use tenantry_core::object::{SpecSources, invalid_settings_outcome, resolve_desired_tenant, secret_references};
use tenantry_core::object::{effective_settings, settings_digest};
use tenantry_core::{
    DesiredTenant, Digest, DriftHandling, LifecycleState, ObservedMark, ObservedValue, Plan, ResolvedReferences,
    SecretLookup, SecretSource, SettledTenant, TenantKind, ValueType, diff, propose_plan,
};

use super::*;
use schema::{DrawSize, draw_value, schema_misfits};

/// What the API server accepts for an object, less what a spec and its metadata may need.
const MAX_BYTES: usize = 512 * 1024;

/// The size of a platform's answer for each setting.
#[derive(Clone, Copy, Debug)]
struct AnswerSize {
    characters: usize,
    entries: usize,
}

impl AnswerSize {
    fn seen_value(self, number: usize, field: Field) -> ObservedValue {
        let text = |length: usize| "語".repeat(length);
        let value = match field.value_type() {
            ValueType::Text | ValueType::Name => Value::text(&text(self.characters)),
            ValueType::Flag => Value::Flag(number.is_multiple_of(2)),
            ValueType::Number => Value::Number(i64::MAX),
            ValueType::Set => Value::set((0..self.entries).map(|entry| format!("{entry}{}", text(64)))),
            ValueType::Image => Value::Image(Digest::of_bytes(b"x")),
            ValueType::Secret => return ObservedValue::Unreadable,
        };
        match number % 7 {
            5 => ObservedValue::Unreadable,
            6 => ObservedValue::Unsupported,
            _ => ObservedValue::Value(value),
        }
    }

    fn observed_tenant(self, kind: TenantKind) -> ObservedTenant {
        let text = "u".repeat(self.characters);
        let fields = Field::ALL.iter().copied().filter(|field| field.is_available_for(kind)).enumerate();
        ObservedTenant {
            unique_id: "client_2".to_owned(),
            served_images: [].into(),
            account_id: Some(text.clone()),
            name: text.clone(),
            lifecycle: LifecycleState::Active,
            mark: ObservedMark::None,
            values: fields.map(|(number, field)| (field, self.seen_value(number, field))).collect(),
            created: Some(Timestamp::UNIX_EPOCH),
            updated: None,
            revision: Some(i64::MAX),
            url: Some(text.clone()),
            api_endpoint: Some(text),
            unknown: tenantry_core::UnknownAnswers::default(),
        }
    }
}

/// Returns all outcomes of a pass over such an object.
fn possible_outcomes(desired: Result<&DesiredTenant, PassOutcome>, observed: &ObservedTenant) -> Vec<PassOutcome> {
    let long = observed.name.clone();
    let mut outcomes = vec![
        PassOutcome::Failed(Reason::PlatformUnavailable, long.clone()),
        PassOutcome::Refused(Reason::RefusedByPlatform, long.clone()),
        PassOutcome::DeletionHeld(Reason::ConfirmationNeeded, long),
    ];
    match desired {
        Err(outcome) => outcomes.push(outcome),
        Ok(desired) => {
            let plan = diff(desired, Some(observed), &WriteRecord::default());
            outcomes.push(PassOutcome::AwaitingApproval(propose_plan(desired, Some(observed), &plan, "msp_1")));
            let situation = |rest: Plan, writes| {
                let tenantry_core::EffectiveSettings { advice, refused, .. } = desired.effective.clone();
                let life = observed.lifecycle;
                PassOutcome::Settled(Box::new(SettledTenant {
                    lifecycle: life,
                    desired_state: None,
                    remaining_plan: rest,
                    advice,
                    refused,
                    drift_handling: writes,
                }))
            };
            outcomes.push(situation(plan, DriftHandling::Reports));
            outcomes.push(situation(Plan::default(), DriftHandling::Corrects));
        }
    }
    outcomes
}

/// Returns what is wrong with the statuses of an object with this spec.
fn status_faults<K: TenantObject>(spec: &Json, answer: AnswerSize) -> Vec<String> {
    let crd = tenantry_api::crds().into_iter().find(|crd| crd.spec.names.kind == K::KIND.name()).unwrap();
    let crd = serde_json::to_value(crd).unwrap();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"];
    let metadata = json!({"name": "n".repeat(253), "namespace": "a", "uid": "u", "generation": 7});
    let kind = (K::api_version(&()), K::kind(&()));
    let object = json!({"apiVersion": kind.0, "kind": kind.1, "metadata": metadata, "spec": spec});
    let Ok(mut object) = serde_json::from_value::<K>(object.clone()) else {
        return vec![format!("no object: {object}")];
    };
    let read = |key: SecretKeyRef| {
        let source = SecretSource {
            namespace: "n".repeat(63),
            name: key.name.clone(),
            key: key.key.clone(),
            version: u64::MAX.to_string(),
        };
        (key, SecretLookup { source, text: Some("s".repeat(1 << 16).into()), is_allowed: true })
    };
    let secrets = secret_references(object.access()).into_iter().map(read).collect();
    let material = ResolvedReferences { secrets, ..ResolvedReferences::default() };
    let sources = SpecSources { partner: None, references: &material, default_references: &material };
    let desired = object
        .declared_settings(&material)
        .map_err(|invalid| invalid_settings_outcome(&invalid))
        .and_then(|_| resolve_desired_tenant(&object, sources, "c"));
    let observed = answer.observed_tenant(K::KIND);
    let mut faults = Vec::new();
    for outcome in possible_outcomes(desired.as_ref().map_err(Clone::clone), &observed) {
        let mut pass_result = PassResult::from_observed(Some(observed.clone()));
        if let Ok(desired) = &desired {
            pass_result.effective = Some(effective_settings(desired));
            pass_result.digest = Some(settings_digest(desired));
            pass_result.settings = desired.effective.clone();
        }
        let before = object.status().cloned().unwrap_or_default();
        let report = conditions_for(&outcome, PriorReadiness::NotReady);
        let after = next_status(&object, &before, &pass_result, &outcome, &report, Timestamp::UNIX_EPOCH);
        let json = serde_json::to_value(&after).unwrap();
        faults.extend(
            schema_misfits(&json, schema, "status").into_iter().map(|fault| format!("{outcome:.40?}: {fault}")),
        );
        let size = json.to_string().len();
        if size > MAX_BYTES {
            faults.push(format!("{outcome:.40?}: {size} bytes"));
        }
        if after.conditions.is_empty() || fit_status_to_limits(&after) != after {
            faults.push(format!("{outcome:.40?}: conditions are lost, or a second cut is another"));
        }
        *object.status_mut() = Some(after);
    }
    faults
}

fn faults_of_both_kinds(size: DrawSize, answer: AnswerSize) -> Vec<String> {
    let spec = |kind: &str| {
        let crd = tenantry_api::crds().into_iter().find(|crd| crd.spec.names.kind == kind).unwrap();
        let crd = serde_json::to_value(crd).unwrap();
        draw_value(&crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"], "", size)
    };
    let mut all = status_faults::<Partner>(&spec("Partner"), answer);
    all.extend(status_faults::<TenantClient>(&spec("Client"), answer));
    all
}

/// shows: faults/77
#[test]
fn a_spec_at_all_its_limits_and_a_platform_that_answers_anything_give_a_status_that_fits() {
    for answer in [AnswerSize { characters: 40_000, entries: 5_000 }, AnswerSize { characters: 4_000, entries: 40 }] {
        assert_eq!(faults_of_both_kinds(DrawSize::Full, answer), Vec::<String>::new());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// shows: faults/31, faults/77
    #[test]
    fn any_spec_within_the_limits_gives_a_status_that_fits(seed in any::<u64>(), characters in 1_usize..12_000, entries in 0_usize..1_500) {
        let faults = faults_of_both_kinds(DrawSize::Seeded(seed), AnswerSize { characters, entries });
        prop_assert!(faults.is_empty(), "{faults:#?}");
    }
}

#[test]
fn what_the_cut_value_was_is_still_compared() {
    let ips = |last: usize| {
        json!({"details": {"name": "a"}, "partnerRef": {"name": "p"}, "security": {"access": {
            "allowedIPs": (0..1000).chain([last]).map(|n| format!("2001:db8:{n:x}:ffff:ffff:ffff:0:0/96")).collect::<Vec<_>>()
        }}})
    };
    let object = |spec: Json| {
        let object =
            json!({"apiVersion": "tenantry.dev/v1alpha1", "kind": "Client", "metadata": {"name": "a"}, "spec": spec});
        serde_json::from_value::<TenantClient>(object).unwrap()
    };
    let effective = |object: &TenantClient| {
        let material = ResolvedReferences::default();
        let sources = SpecSources { partner: None, references: &material, default_references: &material };
        effective_settings(&resolve_desired_tenant(object, sources, "c").unwrap())
    };
    let mut one = object(ips(5_000));
    one.status = Some(TenantStatus { effective: effective(&one), ..TenantStatus::default() });
    assert!(tenantry_core::object::edited_paths(&one, &effective(&one)).is_empty());
    let other = object(ips(5_001));
    assert_eq!(
        tenantry_core::object::edited_paths(&one, &effective(&other)),
        ["security.access.allowedIPs".to_owned()].into()
    );
}

#[test]
fn status_names_the_modules_of_every_package_and_the_menus_and_permission_sets_of_those_that_are_missing() {
    let described = |packages: &[&str]| {
        let seen = [(Field::Packages, ObservedValue::Value(Value::set(packages.iter().copied())))].into();
        let observed = ObservedTenant {
            values: seen,
            ..AnswerSize { characters: 1, entries: 0 }.observed_tenant(TenantKind::Client)
        };
        let mut status = TenantStatus::default();
        copy_observed_tenant(&mut status, &observed, false);
        status
    };
    let one = described(&["HybridDiscoveryAndMonitoring"]);
    assert!(one.modules.contains(&"Dashboards".to_owned()) && !one.modules.contains(&"Patch Management".to_owned()));
    let missing = one.unavailable.unwrap();
    for menu in ["Setup > Alerts", "Workspace > Automation"] {
        assert!(missing.menus.contains(&menu.to_owned()), "{menu}: {:?}", missing.menus);
    }
    assert!(missing.permission_sets.contains(&"Change Request".to_owned()));
    let all = described(&["HybridDiscoveryAndMonitoring", "EventAndIncidentManagement", "RemediationAndAutomation"]);
    for module in ["Dashboards", "Service Desk", "Patch Management"] {
        assert!(all.modules.contains(&module.to_owned()), "{module}: {:?}", all.modules);
    }
    assert_eq!(all.modules.len(), 16);
    assert_eq!(all.unavailable, None);
}

#[test]
fn a_condition_of_a_newer_release_stays_and_one_that_is_to_go_does_not() {
    let now: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
    let condition = |kind: &str| Condition {
        type_: kind.to_owned(),
        status: ConditionStatus::True.name().to_owned(),
        reason: "R".to_owned(),
        message: String::new(),
        observed_generation: None,
        last_transition_time: Time(to_whole_seconds(now)),
    };
    let stalled = ConditionType::Stalled;
    let report = StatusReport { set: Vec::new(), clear: vec![stalled], ready_prefix: None, phase: None };
    let before = [condition("OfNextYear"), condition(stalled.name())];
    assert_eq!(next_conditions(&before, &report, None, now), [condition("OfNextYear")]);
}
