//! What the operator tells of its work: metrics and the audit.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::programs::{PlatformOptions, sum};
use crate::world::World;

/// The lines of the audit, oldest first.
fn audit(world: &World) -> Vec<Value> {
    let log = world.operator.log().unwrap();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["target"] == "audit").collect()
}

#[test]
fn each_change_on_the_platform_has_one_line_of_audit_and_is_counted_and_no_name_is_a_label() {
    // With limits, since what is left of them is told too.
    let limited = PlatformOptions { rate_limits: true, ..PlatformOptions::default() };
    let world = World::start_with("telling", &limited, |_| {}).unwrap();
    let space = world.namespace("telling");
    space.partner("acme", &json!({"branding": {"websiteTitle": "Acme"}}));
    space.client("globex", &json!({"details": {"city": "Berlin"}}));
    let (partner, client) = (space.ready("partner/acme"), space.ready("client/globex"));
    space.patch("client/globex", &json!({"spec": {"details": {"city": "Bonn"}}}));
    space.until("the edit is there", || Ok(space.platform_client(&partner, &client)["city"] == "Bonn"));
    space.ready("client/globex");
    space.patch("client/globex", &json!({"spec": {"deletion": {"policy": "Terminate"}}}));
    space.patch("client/globex", &space.confirm("client/globex", 0));
    space.delete("client/globex");
    space.gone("client/globex");

    let lines = audit(&world);
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
        assert_eq!(line["requests"].as_str().unwrap().len(), 32, "{line}");
    }
    let update = &lines[3];
    assert_eq!((&update["settings"], &update["tenant"]), (&json!("details.city"), &json!(client)));
    assert_eq!(update["object"], format!("{}/globex", space.name));
    assert_ne!(update["before"], update["after"]);

    let text = world.operator.metrics().unwrap();
    let is = |name: &str, labels: &[&str], wanted: f64| {
        let found = sum(&text, &format!("tenantry_operator_{name}"), labels);
        assert!((found - wanted).abs() < 0.5, "{name} {labels:?}: {found} instead of {wanted}\n{text}");
    };
    is("platform_requests_total", &["operation=\"create\"", "code=\"200\""], 2.0);
    is("platform_requests_total", &["operation=\"terminate\"", "code=\"200\""], 1.0);
    is("releases_total", &["kind=\"Client\"", "outcome=\"Terminated\""], 1.0);
    is("objects", &["kind=\"Partner\"", "condition=\"Ready\"", "status=\"True\"", "reason=\"AsDeclared\""], 1.0);
    is("objects", &["kind=\"Client\""], 0.0);
    is("terminations", &["state=\"held\""], 0.0);
    is("build_info", &[], 1.0);
    is("leader", &[], 1.0);
    assert!(sum(&text, "tenantry_operator_queue_duration_seconds_count", &["kind=\"Client\""]) >= 1.0);
    assert!(sum(&text, "tenantry_operator_last_success_timestamp_seconds", &[]) > 1.0e9);
    stands_on_the_page(&text, &lines);
    for name in ["acme", "globex", &space.name, &partner, &client] {
        assert!(!text.contains(name), "`{name}` is in the metrics");
    }
}

/// Every metric and every field of the audit stands in `docs/operations.md`, and nothing else does.
fn stands_on_the_page(metrics: &str, audit: &[Value]) {
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
    assert_eq!(named(&|word| !word.starts_with("tenantry_operator_")), fields);
}
