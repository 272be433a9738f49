//! The evidence of a termination.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::{Field, ObservedValue, Value};

#[test]
fn nothing_is_ended_without_evidence() {
    for step in [TerminationStep::Suspended, TerminationStep::Terminating] {
        let mut case = DeletionCase::ready_to_end(step);
        case.context.evidence = EvidenceState::Missing("terminated-u1".into());
        assert!(matches!(case.next_step(), DeletionStep::WriteEvidence(name) if name == "terminated-u1"));
        for evidence in [EvidenceState::Unusable("forbidden".into()), EvidenceState::NotRead] {
            case.context.evidence = evidence;
            assert_eq!(case.hold_reason(), Reason::EvidenceMissing);
        }
        case.context.evidence = EvidenceState::Present("tenantry-system/terminated-u1-0a1b".into());
        assert_eq!(case.expect_progress().evidence.as_deref(), Some("tenantry-system/terminated-u1-0a1b"));
    }
}

/// Builds the evidence of a case that is ready to be terminated, for a tenant with these settings.
fn evidence_for(seen: BTreeMap<Field, ObservedValue>) -> Result<(String, String), String> {
    let case = DeletionCase::ready_to_end(TerminationStep::Suspended);
    let (mark, consent) = (mark(), valid_confirmation());
    let intent = DeletionIntent {
        kind: case.kind,
        object: "ns/globex",
        policy: case.policy,
        grace_seconds: None,
        confirm: Some(&consent),
        uid: "u1",
        abandon: None,
        unique_id: case.unique_id,
        mark: &mark,
        record: &case.record,
        has_adoption_id: false,
        is_paused: false,
        rules: DeletionRules {
            request_timeout: Duration::from_mins(1),
            limits: TerminationLimits { partners: 3, clients: 30 },
        },
        pass: case.pass,
    };
    let DeletionTarget::Found(mut tenant) = found_tenant(LifecycleState::Suspended) else { unreachable!() };
    tenant.values = seen;
    let author = ConfirmationAuthor { manager: "kubectl-edit".into(), operation: "Update".into(), time: None };
    let statement = EvidenceStatement {
        intent: &intent,
        observed: &tenant,
        host: "api.platform.example",
        parent_id: "msp_1",
        deletion_requested_at: Some("2026-11-22T10:00:00Z".into()),
        confirmed_by: vec![author],
    };
    build_evidence(&statement, now())
}

#[test]
fn evidence_says_what_was_ended_and_who_consented_and_no_secret() {
    let digest = crate::Digest::of_bytes(b"x");
    let seen = BTreeMap::from([
        (Field::City, ObservedValue::Value(Value::text("Köln"))),
        (Field::Logo, ObservedValue::Value(Value::Image(digest.clone()))),
        (Field::DuoSecretKey, ObservedValue::Value(Value::text("hush"))),
        (Field::DuoIntegrationKey, ObservedValue::Unreadable),
    ]);
    let (text, sum) = evidence_for(seen).unwrap();
    let whole: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(whole["settings"]["details.city"], "Köln");
    assert_eq!(whole["settings"]["branding.logo"], digest.to_string());
    assert_eq!(whole["settings"].as_object().unwrap().len(), 2, "{text}");
    assert_eq!(whole["notShown"].as_array().unwrap().len(), 2, "{text}");
    assert_eq!(whole["confirmation"]["name"], "Globex");
    assert_eq!(whole["confirmedBy"][0]["manager"], "kubectl-edit");
    assert_eq!(whole["tenant"]["uniqueId"], "client_2");

    let digest = confirm_digest("u1", &valid_confirmation());
    assert!(is_evidence(&text, &sum, ("u1", &digest)));
    assert!(!is_evidence(&text.replace("Köln", "Bonn"), &sum, ("u1", &digest)), "it was changed since");
    assert!(!is_evidence(&text, &sum, ("u2", &digest)), "it is another object's");
    assert!(!is_evidence(&text, &sum, ("u1", "sha256:0")), "it is of another confirmation");
    let names = evidence_names("u1", &digest);
    assert_eq!(names[0], "terminated-u1");
    assert_ne!(names[1], evidence_names("u1", "sha256:0123456789abcdef")[1]);
}

#[test]
fn evidence_stays_small_whatever_the_platform_answers() {
    let huge = Value::text(&"x".repeat(20_000));
    let all = Field::ALL.iter().map(|field| (*field, ObservedValue::Value(huge.clone()))).collect();
    let (text, _) = evidence_for(all).unwrap();
    assert!(text.len() < 900 * 1024, "{} bytes", text.len());
    let almost = Value::text(&"x".repeat(8_000));
    let all = Field::ALL.iter().map(|field| (*field, ObservedValue::Value(almost.clone()))).collect();
    let (text, _) = evidence_for(all).unwrap();
    assert!(text.len() < 900 * 1024, "{} bytes", text.len());
}
