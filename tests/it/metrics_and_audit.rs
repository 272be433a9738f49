//! Tests of the operator's own reporting: metrics and the audit log.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::programs::{PlatformOptions, sum_metric};
use crate::world::{TestNamespace, TestWorld};

/// Returns the lines of the log that `is_meant` selects, oldest first.
fn log_lines(world: &TestWorld, is_meant: impl Fn(&Value) -> bool) -> Vec<Value> {
    let log = world.operator.log().unwrap();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(is_meant).collect()
}

fn pass_lines(world: &TestWorld) -> Vec<Value> {
    log_lines(world, |line| line["message"] == "pass")
}

/// shows: security/credential/metrics-reader
#[test]
fn each_change_on_the_platform_has_one_line_of_audit_and_is_counted_and_no_name_is_a_label() {
    // With rate limits, because the operator also reports their remaining budget.
    let limited = PlatformOptions { rate_limits: true, ..PlatformOptions::default() };
    let world = TestWorld::start_with("telling", &limited, |_| {}).unwrap();
    let namespace = world.create_namespace("telling");
    namespace.apply_partner("acme", &json!({"branding": {"websiteTitle": "Acme"}}));
    namespace.apply_client("globex", &json!({"details": {"city": "Berlin"}}));
    let (partner, client) = (namespace.wait_until_ready("partner/acme"), namespace.wait_until_ready("client/globex"));
    namespace.merge_patch("client/globex", &json!({"spec": {"details": {"city": "Bonn"}}}));
    namespace.wait_until("the edit is there", || Ok(namespace.read_client_tenant(&partner, &client)["city"] == "Bonn"));
    namespace.wait_until_ready("client/globex");
    namespace.merge_patch("client/globex", &json!({"spec": {"deletion": {"policy": "Terminate"}}}));
    namespace.merge_patch("client/globex", &namespace.offered_confirmation("client/globex", 0));
    namespace.delete("client/globex");
    namespace.wait_until_gone("client/globex");

    let lines = log_lines(&world, |line| line["target"] == "audit");
    let told: Vec<(&str, &str)> =
        lines.iter().map(|line| (line["kind"].as_str().unwrap(), line["operation"].as_str().unwrap())).collect();
    let wanted = [
        ("Partner", "create"),
        ("Partner", "brand"),
        ("Client", "create"),
        ("Client", "update"),
        ("Client", "suspend"),
        ("Client", "terminate"),
    ];
    assert_eq!(told, wanted);
    assert!((world.platform_writes() - 6.0).abs() < 0.5, "the platform counts {} writes", world.platform_writes());
    for line in &lines {
        assert_eq!((&line["outcome"], &line["code"]), (&json!("done"), &json!(200)), "{line}");
        assert!(line["declared_by"].as_str().unwrap().starts_with("kubectl"), "{line}");
        let (request, trace) = (line["requests"].as_str().unwrap(), line["trace"].as_str().unwrap());
        assert!(trace.len() == 32 && request.starts_with(&format!("{trace}-")), "{line}");
    }
    check_change_traces(&namespace, &lines);
    let update = &lines[3];
    assert_eq!((&update["settings"], &update["tenant"]), (&json!("details.city"), &json!(client)));
    assert_eq!(update["object"], format!("{}/globex", namespace.name));
    assert_ne!(update["before"], update["after"]);

    // Drift that is only reported remains, so that it can be counted.
    namespace.apply_client("initech", &json!({"details": {"city": "Berlin"}, "management": {"drift": "Report"}}));
    let initech = namespace.wait_until_ready("client/initech");
    world.tenancy.change_tenant(&namespace.client_path(&partner, &initech), &json!({"city": "Bonn"})).unwrap();
    namespace.wait_until("the drift is seen", || {
        Ok(namespace.condition("client/initech", "InSync").is_some_and(|(status, _, _)| status == "False"))
    });

    let before = pass_lines(&world).len();
    let text = world.operator.metrics().unwrap();
    let after = pass_lines(&world).len();
    let counted = sum_metric(&text, "tenantry_operator_reconciles_total", &[]);
    // A pass is counted before it is logged, so the line of the last pass may still be missing.
    let told = u32::try_from(before).unwrap()..=u32::try_from(after + 1).unwrap();
    assert!(
        f64::from(*told.start()) <= counted && counted <= f64::from(*told.end()),
        "{counted} passes, {told:?} lines"
    );
    let is = |name: &str, labels: &[&str], wanted: f64| {
        let found = sum_metric(&text, &format!("tenantry_operator_{name}"), labels);
        assert!((found - wanted).abs() < 0.5, "{name} {labels:?}: {found} instead of {wanted}\n{text}");
    };
    is("platform_requests_total", &["operation=\"create\"", "code=\"200\""], 3.0);
    is("platform_requests_total", &["operation=\"terminate\"", "code=\"200\""], 1.0);
    is("finalizer_releases_total", &["kind=\"Client\"", "outcome=\"Terminated\""], 1.0);
    is("objects", &["kind=\"Partner\"", "condition=\"Ready\"", "status=\"True\"", "reason=\"AsDeclared\""], 1.0);
    is("objects", &["kind=\"Client\"", "condition=\"InSync\"", "status=\"False\"", "reason=\"Drifted\""], 1.0);
    is("objects", &["kind=\"Client\"", "condition=\"Ready\""], 1.0);
    is("drifted_settings", &["kind=\"Client\"", "setting=\"details.city\""], 1.0);
    is("drifted_settings", &[], 1.0);
    is("finalizer_releases_total", &["kind=\"Partner\""], 0.0);
    is("drift_checks_total", &["outcome=\"failed\""], 0.0);
    is("terminations", &["state=\"held\""], 0.0);
    is("build_info", &[], 1.0);
    is("leader", &[], 1.0);
    assert!(sum_metric(&text, "tenantry_operator_queue_duration_seconds_count", &["kind=\"Client\""]) >= 1.0);
    assert!(sum_metric(&text, "tenantry_operator_last_success_timestamp_seconds", &[]) > 1.0e9);
    for kind in ["Partner", "Client"] {
        let done = [&*format!("kind=\"{kind}\""), "outcome=\"done\""];
        assert!(sum_metric(&text, "tenantry_operator_drift_checks_total", &done) >= 1.0, "{kind}: no look for drift");
    }
    check_documented(&text, &lines);
    crate::observability::check_against_scrape(&text, crate::observability::MonitoredProgram::Operator);
    for name in ["acme", "globex", "initech", &namespace.name, &partner, &client] {
        assert!(!text.contains(name), "`{name}` is in the metrics");
    }
}

/// Asserts that each change has the trace of exactly one pass, over the same object, and that the passes count the same
/// number of changes.
fn check_change_traces(namespace: &TestNamespace<'_>, audit: &[Value]) {
    let changes = |passes: &[Value]| passes.iter().map(|pass| pass["changes"].as_u64().unwrap()).sum::<u64>();
    namespace.wait_until("the last pass is told", || Ok(changes(&pass_lines(namespace.world)) >= audit.len() as u64));
    let passes = pass_lines(namespace.world);
    assert_eq!(changes(&passes), audit.len() as u64);
    for line in audit {
        let of: Vec<&Value> = passes.iter().filter(|pass| pass["trace"] == line["trace"]).collect();
        assert!(of.len() == 1 && of[0]["object"] == line["object"] && of[0]["kind"] == line["kind"], "{line}: {of:?}");
    }
    let traces: BTreeSet<&str> = passes.iter().map(|pass| pass["trace"].as_str().unwrap()).collect();
    assert_eq!(traces.len(), passes.len(), "two passes have one trace");
    let quiet = passes.iter().filter(|pass| pass["changes"] == 0 && pass["outcome"] == "AsDeclared").count();
    assert!(quiet > 0, "no pass is told that changed nothing");
}

/// Asserts that every metric and every field of the audit log is in `docs/operations.md`, and nothing else.
fn check_documented(metrics: &str, audit: &[Value]) {
    let page = std::fs::read_to_string(crate::assets::root().join("docs/operations.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let first: Vec<&str> = rows.filter_map(|line| line.split('|').nth(1)).collect();
    let named = |is: &dyn Fn(&str) -> bool| -> BTreeSet<String> {
        let words = first.iter().flat_map(|cell| cell.split('`').skip(1).step_by(2));
        words.filter(|word| is(word)).map(|word| word.trim_end_matches("_total").to_owned()).collect()
    };
    let known: BTreeSet<String> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|rest| rest.split(' ').next().map(str::to_owned))
        .collect();
    assert_eq!(named(&|word| word.starts_with("tenantry_operator_")), known);
    let common = ["timestamp", "level", "target", "message", "span", "spans"];
    let fields: BTreeSet<String> =
        audit[0].as_object().unwrap().keys().filter(|key| !common.contains(&key.as_str())).cloned().collect();
    // The platform's metrics are compared with the platform's own scrape.
    assert_eq!(named(&|word| !word.starts_with("tenantry_")), fields);
}
