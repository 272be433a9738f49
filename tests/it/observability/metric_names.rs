//! The names in a Prometheus expression, compared with the contents of a scrape.

use std::collections::{BTreeMap, BTreeSet};

use tenantry_api::{ConditionType, Reason};
use tenantry_core::Field;

use super::MonitoredProgram;

/// Labels that Prometheus adds to scraped series.
const TARGET_LABELS: [&str; 3] = ["namespace", "pod", "instance"];

/// Series and metric families of a scrape.
pub(super) struct ExportedMetrics {
    of: MonitoredProgram,
    labels: BTreeMap<String, BTreeSet<String>>,
    families: BTreeSet<String>,
}

impl ExportedMetrics {
    pub(super) fn from_scrape(scrape: &str, program: MonitoredProgram) -> Self {
        let mut labels: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut families = BTreeSet::new();
        for line in scrape.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                families.extend(rest.split(' ').next().map(str::to_owned));
            }
            let series = if line.starts_with('#') { "" } else { line };
            for selector in metric_selectors(series, program) {
                let keys = selector.labels.into_iter().map(|(key, _)| key);
                labels.entry(selector.metric).or_default().extend(keys);
            }
        }
        Self { of: program, labels, families }
    }

    /// Returns the names of the families, without the suffixes of their series.
    pub(super) fn families(&self) -> impl Iterator<Item = &String> {
        self.families.iter()
    }

    /// Returns the names in an expression that do not exist.
    pub(super) fn expression_faults(&self, expression: &str) -> Vec<String> {
        let mut faults = Vec::new();
        let mut known: BTreeSet<&str> = TARGET_LABELS.into();
        let all = metric_selectors(expression, self.of);
        if all.is_empty() {
            faults.push("it names no metric of the program".to_owned());
        }
        for selector in &all {
            let Some(labels) = self.labels.get(&selector.metric) else {
                faults.push(format!("`{}` is not exported", selector.metric));
                continue;
            };
            known.extend(labels.iter().map(String::as_str));
            for (key, value) in &selector.labels {
                if !labels.contains(key) && !TARGET_LABELS.contains(&key.as_str()) {
                    faults.push(format!("`{}` has no label `{key}`", selector.metric));
                }
                let wrong = value.split('|').filter(|one| !is_possible_value(key, one, self.of));
                faults.extend(wrong.map(|one| format!("`{key}=\"{one}\"`")));
            }
        }
        let grouped = grouping_labels(expression);
        faults.extend(grouped.iter().filter(|key| !known.contains(key.as_str())).map(|key| format!("by `{key}`")));
        faults
    }
}

/// Returns the names of the series in an expression.
pub(super) fn metric_names(expression: &str, program: MonitoredProgram) -> Vec<String> {
    metric_selectors(expression, program).into_iter().map(|selector| selector.metric).collect()
}

/// Returns whether a label may have a value, if its values are a closed list. An alert on an impossible value never
/// fires.
fn is_possible_value(key: &str, value: &str, program: MonitoredProgram) -> bool {
    if program == MonitoredProgram::Platform {
        return match key {
            "outcome" => ["arrived", "failed", "given_up"].contains(&value),
            "turned_away" => ["true", "false"].contains(&value),
            _ => true,
        };
    }
    let is_reason = || Reason::ALL.iter().any(|reason| reason.name() == value);
    match key {
        "reason" => is_reason(),
        "outcome" => is_reason() || ["done", "failed", "refused"].contains(&value),
        "condition" => ConditionType::ALL.iter().any(|one| one.name() == value),
        "status" => ["True", "False", "Unknown"].contains(&value),
        "state" => ["held", "pending"].contains(&value),
        "setting" => value.strip_suffix("[.].*").map_or_else(
            || Field::from_path(value).is_some(),
            |section| Field::ALL.iter().any(|field| field.path().starts_with(&format!("{section}."))),
        ),
        _ => true,
    }
}

/// A metric with its labels.
struct MetricSelector {
    metric: String,
    labels: Vec<(String, String)>,
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn metric_selectors(text: &str, program: MonitoredProgram) -> Vec<MetricSelector> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(program.metric_prefix()) {
        let rest = &text[at..];
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let inside = rest[end..].strip_prefix('{').map(inside_braces).unwrap_or_default();
        found.push(MetricSelector { metric: rest[..end].to_owned(), labels: label_pairs(inside) });
    }
    found
}

/// Returns the text before the closing brace. Values are in quotes, which may contain braces.
fn inside_braces(rest: &str) -> &str {
    let mut is_quoted = false;
    let end = rest.find(|c| {
        is_quoted ^= c == '"';
        c == '}' && !is_quoted
    });
    &rest[..end.unwrap_or(rest.len())]
}

/// Returns labels and values. Each value is in quotes.
fn label_pairs(inside: &str) -> Vec<(String, String)> {
    let parts: Vec<&str> = inside.split('"').collect();
    let key = |text: &str| text.trim_matches(|c| !is_name(c)).to_owned();
    parts.chunks_exact(2).map(|pair| (key(pair[0]), pair[1].to_owned())).collect()
}

/// Returns the labels by which an expression groups.
fn grouping_labels(expression: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for word in ["by (", "without ("] {
        for part in expression.split(word).skip(1) {
            let inside = part.split(')').next().unwrap_or_default();
            found.extend(inside.split(',').map(|label| label.trim().to_owned()));
        }
    }
    found
}

#[test]
fn what_is_not_exported_is_found_out() {
    let scrape = "# TYPE tenantry_operator_objects gauge\n\
        tenantry_operator_objects{kind=\"Client\",condition=\"Ready\",reason=\"A}B\"} 1\n\
        # TYPE tenantry_operator_passes counter\ntenantry_operator_passes_total 3\n";
    let exported = ExportedMetrics::from_scrape(scrape, MonitoredProgram::Operator);
    let none: [&str; 0] = [];
    for (expression, wanted) in [
        ("max by (kind) (tenantry_operator_objects{namespace=~\"$n\", reason=\"NameTaken\"}) > 0", &none[..]),
        ("tenantry_operator_passes_total unless tenantry_operator_objects", &[]),
        ("up == 0", &["it names no metric of the program"]),
        ("tenantry_operator_passes", &["`tenantry_operator_passes` is not exported"]),
        ("tenantry_operator_passes_total{kind=\"A\"}", &["`tenantry_operator_passes_total` has no label `kind`"]),
        ("sum by (state) (tenantry_operator_objects)", &["by `state`"]),
        ("tenantry_operator_objects{reason=~\"NameTaken|Gone\"}", &["`reason=\"Gone\"`"]),
        ("tenantry_operator_objects{condition=\"Healthy\"}", &["`condition=\"Healthy\"`"]),
    ] {
        assert_eq!(exported.expression_faults(expression), wanted, "{expression}");
    }
}
