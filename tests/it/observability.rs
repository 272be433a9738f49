//! Tests of the monitoring of operator and platform: rules, dashboard and runbook name only what exists, and leave
//! nothing out.

mod metric_names;
mod runbook;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use crate::assets;
use metric_names::ExportedMetrics;

/// Reads a file of the project.
fn read_file(path: &str) -> String {
    fs::read_to_string(assets::root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A program that exports metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MonitoredProgram {
    Operator,
    Platform,
}

impl MonitoredProgram {
    const ALL: [Self; 2] = [Self::Operator, Self::Platform];

    /// Returns the prefix of all its metrics.
    const fn metric_prefix(self) -> &'static str {
        match self {
            Self::Operator => "tenantry_operator_",
            Self::Platform => "tenantry_platform_",
        }
    }

    /// Returns the file of its alerts, here and in `charts/tenantry/observability`.
    const fn alerts_file(self) -> &'static str {
        match self {
            Self::Operator => "alerts.yaml",
            Self::Platform => "platform.yaml",
        }
    }

    /// Returns the runbook entry of an alert.
    fn runbook_entry(self, alert: &str) -> String {
        match self {
            Self::Operator => format!("docs/runbook.md#{}", alert.to_lowercase()),
            Self::Platform => "docs/operations.md#the-platforms-alerts".to_owned(),
        }
    }
}

/// Returns the alerts by name.
fn alerts_by_name(program: MonitoredProgram) -> BTreeMap<String, Value> {
    let rules: Value =
        serde_yaml::from_str(&read_file(&format!("charts/tenantry/observability/{}", program.alerts_file()))).unwrap();
    let groups = rules["groups"].as_array().unwrap().iter();
    let all = groups.flat_map(|group| group["rules"].as_array().unwrap().clone());
    all.map(|rule| (rule["alert"].as_str().unwrap().to_owned(), rule)).collect()
}

/// Returns every expression of the dashboard with its location.
fn dashboard_expressions() -> Vec<(String, String)> {
    let string = |value: &Value| value.as_str().unwrap().to_owned();
    let mut all = Vec::new();
    let dashboard: Value = serde_json::from_str(&read_file("charts/tenantry/observability/dashboard.json")).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            all.push((string(&panel["title"]), string(&target["expr"])));
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if let Some(definition) = variable["definition"].as_str() {
            let query = definition.strip_prefix("label_values(").and_then(|rest| rest.split(',').next()).unwrap();
            all.push((string(&variable["name"]), query.to_owned()));
        }
    }
    all
}

/// Asserts that rules and dashboard use only metrics of this scrape, and that they use every exported one.
pub(crate) fn check_against_scrape(scrape: &str, program: MonitoredProgram) {
    let exported = ExportedMetrics::from_scrape(scrape, program);
    let alerts =
        alerts_by_name(program).into_iter().map(|(name, rule)| (name, rule["expr"].as_str().unwrap().to_owned()));
    let shown =
        dashboard_expressions().into_iter().filter(|(_, expression)| expression.contains(program.metric_prefix()));
    let all: Vec<(String, String)> = alerts.chain(shown).collect();
    let faults: Vec<String> = all
        .iter()
        .flat_map(|(place, expression)| {
            exported.expression_faults(expression).into_iter().map(move |fault| format!("{place}: {fault}"))
        })
        .collect();
    assert!(faults.is_empty(), "{faults:#?}\n{scrape}");
    let used: BTreeSet<String> =
        all.iter().flat_map(|(_, expression)| metric_names::metric_names(expression, program)).collect();
    let unused: Vec<&String> =
        exported.families().filter(|name| !used.iter().any(|one| one.starts_with(*name))).collect();
    assert!(unused.is_empty(), "no panel and no alert shows {unused:?}");
}

#[test]
fn each_expression_of_the_dashboard_is_about_one_program() {
    for (place, expression) in dashboard_expressions() {
        let named = MonitoredProgram::ALL.into_iter().filter(|of| expression.contains(of.metric_prefix())).count();
        assert_eq!(named, 1, "{place}: {expression}");
    }
}

#[test]
fn each_alert_says_how_urgent_it_is_and_why_and_leads_to_its_entry() {
    for (of, (name, rule)) in
        MonitoredProgram::ALL.into_iter().flat_map(|of| alerts_by_name(of).into_iter().map(move |one| (of, one)))
    {
        let severity = rule["labels"]["severity"].as_str().unwrap_or_default();
        assert!(["critical", "warning"].contains(&severity), "{name}: severity `{severity}`");
        assert!(rule["for"].is_string(), "{name} says no time for which it must hold");
        for annotation in ["summary", "why"] {
            let said = rule["annotations"][annotation].as_str().unwrap_or_default();
            assert!(said.len() > 20, "{name}: `{annotation}` is `{said}`");
        }
        // No label names an object, so the person on call needs a command that does.
        let expression = rule["expr"].as_str().unwrap();
        let is_of_objects =
            ["_objects", "_terminations", "_drifted_settings"].iter().any(|end| expression.contains(end));
        let objects = rule["annotations"]["objects"].as_str().unwrap_or_default();
        assert_eq!(is_of_objects, objects.starts_with("kubectl "), "{name}: `objects` is `{objects}`");
        assert_eq!(rule["annotations"]["runbook_url"], of.runbook_entry(&name), "{name}");
    }
    let page = read_file("docs/operations.md");
    let missing: Vec<String> = alerts_by_name(MonitoredProgram::Platform)
        .into_keys()
        .filter(|name| !page.contains(&format!("| {name} |")))
        .collect();
    assert!(missing.is_empty(), "docs/operations.md says of {missing:?} not what to do");
}

#[test]
fn each_alert_is_raised_in_one_test_and_not_raised_in_another() {
    for of in MonitoredProgram::ALL {
        check_each_alert_case(of);
    }
}

fn check_each_alert_case(program: MonitoredProgram) {
    let tests: Value =
        serde_yaml::from_str(&read_file(&format!("tests/observability/{}", program.alerts_file()))).unwrap();
    let mut raised = BTreeSet::new();
    let mut silent = BTreeSet::new();
    for case in tests["tests"].as_array().unwrap().iter().flat_map(|test| test["alert_rule_test"].as_array().unwrap()) {
        let name = case["alertname"].as_str().unwrap().to_owned();
        let is_raised = case["exp_alerts"].as_array().is_some_and(|alerts| !alerts.is_empty());
        if is_raised {
            raised.insert(name)
        } else {
            silent.insert(name)
        };
    }
    let wanted: BTreeSet<String> = alerts_by_name(program).into_keys().collect();
    assert_eq!((&raised, &silent), (&wanted, &wanted));
}

#[test]
fn no_two_panels_of_the_dashboard_have_one_number_or_lie_on_each_other() {
    let dashboard: Value = serde_json::from_str(&read_file("charts/tenantry/observability/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let numbers: BTreeSet<i64> = panels.iter().map(|panel| panel["id"].as_i64().unwrap()).collect();
    assert_eq!(numbers.len(), panels.len());
    let mut taken = BTreeSet::new();
    for panel in panels {
        let number = |key: &str| panel["gridPos"][key].as_i64().unwrap();
        assert!(number("x") + number("w") <= 24, "{} is too wide", panel["title"]);
        for row in number("y")..number("y") + number("h") {
            for column in number("x")..number("x") + number("w") {
                assert!(taken.insert((row, column)), "{} lies on another", panel["title"]);
            }
        }
    }
}
