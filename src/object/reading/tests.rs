use serde_json::json;

use super::*;
use crate::api::{Partner, TenantClient, TenantPhase};
use crate::object::reading::members::keep_unknown;

fn client(spec: &Value, status: &Value) -> Value {
    let mut whole = json!({"partnerRef": {"name": "acme"}, "details": {"name": "Globex"}});
    keep_unknown(&mut whole, spec);
    json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client",
        "metadata": {"name": "globex", "namespace": "a", "uid": "1"}, "spec": whole, "status": status,
    })
}

fn read(raw: Value) -> Reading<TenantClient> {
    serde_json::from_value(raw).unwrap()
}

fn not_understood(raw: Value) -> NotUnderstood {
    match read(raw) {
        Reading::NotUnderstood(other) => *other,
        Reading::Understood(understood) => panic!("{understood:?}"),
    }
}

fn understood(raw: Value) -> Understood<TenantClient> {
    match read(raw) {
        Reading::Understood(understood) => *understood,
        Reading::NotUnderstood(other) => panic!("{}", other.sentence()),
    }
}

#[test]
fn a_value_or_a_field_that_is_not_known_is_named_with_its_path() {
    let said = |spec: Value| not_understood(client(&spec, &Value::Null)).sentence();
    assert_eq!(
        said(json!({"addOns": ["SLAManagement", "BrandNewAddOn"]})),
        "the value `BrandNewAddOn` of `addOns[1]` is not known to this release"
    );
    assert_eq!(said(json!({"details": {"fax": "1"}})), "the field `details.fax` (`1`) is not known to this release");
    assert_eq!(
        said(json!({"quota": {"users": 3}})),
        r#"the field `quota` (`{"users":3}`) is not known to this release"#
    );
    assert_eq!(
        said(json!({"deletion": {"gracePeriodSeconds": "P1D"}})),
        "the value `P1D` of `deletion.gracePeriodSeconds` is not known to this release"
    );
    let many = said(json!({"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}));
    assert!(many.ends_with("; 2 more"), "{many}");
    let form = said(json!({"tenantState": {"state": "Active"}}));
    assert!(form.starts_with("`tenantState` has a form that is not known to this release ("), "{form}");
}

#[test]
fn an_unknown_field_inside_of_flattened_settings_is_seen_too() {
    let spec =
        json!({"details": {"name": "Acme"}, "security": {"access": {"newRule": true, "notificationAlert": true}}});
    let raw = json!({"metadata": {"name": "acme", "namespace": "a"}, "spec": spec});
    let Reading::NotUnderstood(other) = Reading::<Partner>::of(raw).unwrap() else { panic!("understood") };
    assert!(other.sentence().contains("`security.access.newRule`"), "{}", other.sentence());
}

#[test]
fn empty_lists_and_nothing_at_all_are_understood() {
    let raw = client(&json!({"packages": [], "addOns": [], "security": {}, "branding": null}), &json!({}));
    assert_eq!(understood(raw).object.spec.packages, Some(Vec::new()));
}

#[test]
fn a_status_of_a_newer_release_is_read_and_its_members_are_kept() {
    let status = json!({
        "uniqueId": "client_7", "phase": "Hibernating", "drift": [{"path": "details.city", "age": 3}],
        "novelty": {"since": "today"}, "applied": {"digest": "sha256:1", "echo": {"a": "b"}},
    });
    let Understood { object, unknown_status } = understood(client(&json!({}), &status));
    let read = object.status.as_ref().unwrap();
    assert_eq!((read.unique_id.as_deref(), read.phase, read.drift.len()), (Some("client_7"), None, 0));
    let kept = unknown_status.unwrap();
    assert_eq!(kept, json!({"novelty": {"since": "today"}, "applied": {"echo": {"a": "b"}}}));
    let mut written =
        serde_json::to_value(crate::api::TenantStatus { phase: Some(TenantPhase::Active), ..read.clone() }).unwrap();
    keep_unknown(&mut written, &kept);
    assert_eq!(
        written,
        json!({"uniqueId": "client_7", "phase": "Active", "novelty": {"since": "today"}, "applied": {"digest": "sha256:1", "echo": {"a": "b"}}})
    );
}

/// shows: faults/85
#[test]
fn what_decides_over_a_tenant_is_never_passed_over() {
    let of = |status: Value| not_understood(client(&json!({}), &status));
    let step = of(json!({"uniqueId": "client_7", "phase": "Hibernating", "termination": {"step": "Frozen"}}));
    assert_eq!(step.sentence(), "the value `Frozen` of `status.termination.step` is not known to this release");
    assert_eq!(step.status["phase"], "Hibernating", "what was read stays as it was");
    assert_eq!(step.unique_id(), Some("client_7"));
    assert!(of(json!({"uniqueId": 7})).sentence().contains("`status.uniqueId`"));
    // A newer record of an end holds back an object that is being deleted, and only that.
    let record = json!({"termination": {"vetoedBy": "audit"}});
    assert!(understood(client(&json!({}), &record)).unknown_status.is_some());
    let mut leaving = client(&json!({}), &record);
    leaving["metadata"]["deletionTimestamp"] = json!("2026-11-22T09:30:00Z");
    assert!(not_understood(leaving).sentence().contains("`status.termination.vetoedBy`"));
}

#[test]
fn the_tenant_certainly_stays_only_where_the_policy_says_so_and_nothing_beside_it_is_unknown() {
    let of = |spec: Value, status: Value| {
        let mut spec = spec;
        keep_unknown(&mut spec, &json!({"novelty": 1}));
        not_understood(client(&spec, &status)).certainly_retains()
    };
    let none = || json!({});
    assert!(of(none(), none()));
    assert!(of(json!({"deletion": {"policy": "Retain", "gracePeriodSeconds": 3}}), none()));
    assert!(of(json!({"deletion": {}}), none()));
    for deletion in [
        json!({"policy": "Suspend"}),
        json!({"policy": "Terminate"}),
        json!({"policy": "Archive"}),
        json!({"policy": "Retain", "archive": true}),
        json!("Retain"),
    ] {
        assert!(!of(json!({"deletion": deletion}), none()), "{deletion}");
    }
    assert!(!of(json!({"deletion": {"policy": "Retain"}}), json!({"termination": {"confirmDigest": "sha256:1"}})));
}

#[test]
fn the_annotation_lets_go_only_of_the_tenant_that_it_names() {
    let of = |value: &str, status: Value| {
        let mut raw = client(&json!({"novelty": 1}), &status);
        raw["metadata"]["annotations"] = json!({ABANDON: value});
        not_understood(raw).is_abandoned()
    };
    let there = || json!({"uniqueId": "client_7"});
    assert!(of("client_7", there()) && of("none", json!({})));
    assert!(!of("client_8", there()) && !of("none", there()) && !of("client_7", json!({})));
}

#[test]
fn the_partner_of_a_client_is_read_as_far_as_it_can_be() {
    let of = |spec: Value| {
        let raw = json!({"metadata": {"name": "globex", "namespace": "a"}, "spec": spec});
        let Reading::NotUnderstood(other) = Reading::<TenantClient>::of(raw).unwrap() else { panic!("understood") };
        other.parent(Kind::Client)
    };
    let object = |namespace: &str| Some(Parent::Object(namespace.to_owned(), "acme".to_owned()));
    assert_eq!(of(json!({"partnerRef": {"name": "acme"}})), object("a"));
    assert_eq!(of(json!({"partnerRef": {"name": "acme", "namespace": "b"}})), object("b"));
    assert_eq!(of(json!({"partnerUniqueId": "msp_1"})), Some(Parent::Id("msp_1".to_owned())));
    assert_eq!(of(json!({"partnerRef": {"name": ["acme"]}})), None);
}
