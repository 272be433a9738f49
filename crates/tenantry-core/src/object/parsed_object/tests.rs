use serde_json::json;
use tenantry_api::{Partner, TenantClient, TenantPhase};

use super::*;
use crate::object::parsed_object::members::restore_unknown_members;

fn client_json(spec: &Value, status: &Value) -> Value {
    let mut whole = json!({"partnerRef": {"name": "acme"}, "details": {"name": "Globex"}});
    restore_unknown_members(&mut whole, spec);
    json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client",
        "metadata": {"name": "globex", "namespace": "a", "uid": "1"}, "spec": whole, "status": status,
    })
}

fn parse_client(raw: Value) -> ParsedObject<TenantClient> {
    serde_json::from_value(raw).unwrap()
}

fn expect_not_understood(raw: Value) -> NotUnderstoodObject {
    match parse_client(raw) {
        ParsedObject::NotUnderstood(other) => *other,
        ParsedObject::Understood(understood) => panic!("{understood:?}"),
    }
}

fn expect_understood(raw: Value) -> UnderstoodObject<TenantClient> {
    match parse_client(raw) {
        ParsedObject::Understood(understood) => *understood,
        ParsedObject::NotUnderstood(other) => panic!("{}", other.unknown_summary()),
    }
}

#[test]
fn a_value_or_a_field_that_is_not_known_is_named_with_its_path() {
    let said = |spec: Value| expect_not_understood(client_json(&spec, &Value::Null)).unknown_summary();
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
    let ParsedObject::NotUnderstood(other) = ParsedObject::<Partner>::from_raw(raw).unwrap() else {
        panic!("understood")
    };
    assert!(other.unknown_summary().contains("`security.access.newRule`"), "{}", other.unknown_summary());
}

#[test]
fn empty_lists_and_nothing_at_all_are_understood() {
    let raw = client_json(&json!({"packages": [], "addOns": [], "security": {}, "branding": null}), &json!({}));
    assert_eq!(expect_understood(raw).object.spec.packages, Some(Vec::new()));
}

#[test]
fn a_status_of_a_newer_release_is_read_and_its_members_are_kept() {
    let status = json!({
        "uniqueId": "client_7", "phase": "Hibernating", "drift": [{"path": "details.city", "age": 3}],
        "novelty": {"since": "today"}, "applied": {"digest": "sha256:1", "echo": {"a": "b"}},
    });
    let UnderstoodObject { object, unknown_status } = expect_understood(client_json(&json!({}), &status));
    let read = object.status.as_ref().unwrap();
    assert_eq!((read.unique_id.as_deref(), read.phase, read.drift.len()), (Some("client_7"), None, 0));
    let kept = unknown_status.unwrap();
    assert_eq!(kept, json!({"novelty": {"since": "today"}, "applied": {"echo": {"a": "b"}}}));
    let mut written =
        serde_json::to_value(tenantry_api::TenantStatus { phase: Some(TenantPhase::Active), ..read.clone() }).unwrap();
    restore_unknown_members(&mut written, &kept);
    assert_eq!(
        written,
        json!({"uniqueId": "client_7", "phase": "Active", "novelty": {"since": "today"}, "applied": {"digest": "sha256:1", "echo": {"a": "b"}}})
    );
}

/// shows: faults/85
#[test]
fn what_decides_over_a_tenant_is_never_passed_over() {
    let of = |status: Value| expect_not_understood(client_json(&json!({}), &status));
    let step = of(json!({"uniqueId": "client_7", "phase": "Hibernating", "termination": {"step": "Frozen"}}));
    assert_eq!(step.unknown_summary(), "the value `Frozen` of `status.termination.step` is not known to this release");
    assert_eq!(step.status["phase"], "Hibernating", "what was read stays as it was");
    assert_eq!(step.unique_id(), Some("client_7"));
    assert!(of(json!({"uniqueId": 7})).unknown_summary().contains("`status.uniqueId`"));
    // A newer termination record blocks an object that is being deleted, and only such an object.
    let record = json!({"termination": {"vetoedBy": "audit"}});
    assert!(expect_understood(client_json(&json!({}), &record)).unknown_status.is_some());
    let mut leaving = client_json(&json!({}), &record);
    leaving["metadata"]["deletionTimestamp"] = json!("2026-11-22T09:30:00Z");
    assert!(expect_not_understood(leaving).unknown_summary().contains("`status.termination.vetoedBy`"));
}

#[test]
fn the_tenant_certainly_stays_only_where_the_policy_says_so_and_nothing_beside_it_is_unknown() {
    let of = |spec: Value, status: Value| {
        let mut spec = spec;
        restore_unknown_members(&mut spec, &json!({"novelty": 1}));
        expect_not_understood(client_json(&spec, &status)).is_certainly_retained()
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
        let mut raw = client_json(&json!({"novelty": 1}), &status);
        raw["metadata"]["annotations"] = json!({ABANDON: value});
        expect_not_understood(raw).is_abandoned()
    };
    let there = || json!({"uniqueId": "client_7"});
    assert!(of("client_7", there()) && of("none", json!({})));
    assert!(!of("client_8", there()) && !of("none", there()) && !of("client_7", json!({})));
}

#[test]
fn the_partner_of_a_client_is_read_as_far_as_it_can_be() {
    let of = |spec: Value| {
        let raw = json!({"metadata": {"name": "globex", "namespace": "a"}, "spec": spec});
        let ParsedObject::NotUnderstood(other) = ParsedObject::<TenantClient>::from_raw(raw).unwrap() else {
            panic!("understood")
        };
        other.parent(TenantKind::Client)
    };
    let object = |namespace: &str| Some(ParentRef::Object(namespace.to_owned(), "acme".to_owned()));
    assert_eq!(of(json!({"partnerRef": {"name": "acme"}})), object("a"));
    assert_eq!(of(json!({"partnerRef": {"name": "acme", "namespace": "b"}})), object("b"));
    assert_eq!(of(json!({"partnerUniqueId": "msp_1"})), Some(ParentRef::Id("msp_1".to_owned())));
    assert_eq!(of(json!({"partnerRef": {"name": ["acme"]}})), None);
}
