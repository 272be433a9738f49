//! Checks that the resource definitions are installed and match this program.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, ResourceExt as _};
use serde_json::Value;
use tenantry_api::{VERSION, crds};

use super::CheckReport;
use crate::cluster::{Cluster, api_error_message};

const CHECK_NAME: &str = "definitions";
/// Number of fields that are named; the rest is only counted.
const MAX_FIELDS_SHOWN: usize = 3;

/// Checks both definitions. Returns whether both serve the API version of this program.
pub(super) async fn check_definitions(cluster: &Cluster, report: &mut CheckReport) -> bool {
    let definitions = Api::<CustomResourceDefinition>::all(cluster.client.clone());
    let mut are_there = true;
    for ours in crds() {
        let name = ours.name_any();
        match definitions.get_opt(&name).await {
            Ok(Some(theirs)) => are_there &= compare_definition(&ours, &theirs, report),
            Ok(None) => {
                are_there = false;
                report.add_wrong(
                    CHECK_NAME,
                    format!("`{name}` is not installed: `kubectl apply --server-side -f crds/`"),
                );
            }
            Err(error) => {
                report.add_unknown(CHECK_NAME, format!("`{name}` cannot be read: {}", api_error_message(&error)));
            }
        }
    }
    are_there
}

/// Compares a definition with the one of this program. Returns whether it serves the API version of this program.
fn compare_definition(
    ours: &CustomResourceDefinition,
    theirs: &CustomResourceDefinition,
    report: &mut CheckReport,
) -> bool {
    let name = ours.name_any();
    let Some(served) = theirs.spec.versions.iter().find(|version| version.name == VERSION && version.served) else {
        report.add_wrong(
            CHECK_NAME,
            format!("`{name}` does not serve `{VERSION}`: take the definitions of this release"),
        );
        return false;
    };
    let schema = |version: &_| serde_json::to_value(version).unwrap_or_default();
    let own = ours.spec.versions.iter().find(|version| version.name == VERSION).map(schema).unwrap_or_default();
    let (ours, theirs) = (field_paths(&own), field_paths(&schema(served)));
    let missing: Vec<&String> = ours.iter().filter(|field| !theirs.contains(field)).collect();
    let more: Vec<&String> = theirs.iter().filter(|field| !ours.contains(field)).collect();
    match (missing.as_slice(), more.as_slice()) {
        ([], []) => report.add_ok(CHECK_NAME, format!("`{name}` serves `{VERSION}` with the fields of this release")),
        ([], more) => report.add_unknown(
            CHECK_NAME,
            format!(
                "`{name}` has fields of a later release than this program ({}): upgrade `kubectl tenantry`",
                format_fields(more)
            ),
        ),
        (missing, _) => report.add_wrong(
            CHECK_NAME,
            format!(
                "`{name}` lacks fields of this release ({}): upgrade the definitions with the chart",
                format_fields(missing)
            ),
        ),
    }
    true
}

fn format_fields(fields: &[&String]) -> String {
    let shown: Vec<String> = fields.iter().take(MAX_FIELDS_SHOWN).map(|field| format!("`{field}`")).collect();
    let more = fields.len().saturating_sub(MAX_FIELDS_SHOWN);
    shown.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() }
}

/// Collects the path of every field of a version.
fn field_paths(version: &Value) -> Vec<String> {
    fn collect_paths(schema: &Value, path: &str, found: &mut Vec<String>) {
        for (name, child) in schema["properties"].as_object().into_iter().flatten() {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            collect_paths(child, &path, found);
            found.push(path);
        }
        if schema["items"].is_object() {
            collect_paths(&schema["items"], path, found);
        }
    }
    let mut found = Vec::new();
    collect_paths(&version["schema"]["openAPIV3Schema"], "", &mut found);
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::super::CheckResult;
    use super::*;

    fn compare_with_change(change: impl FnOnce(&mut Value)) -> (bool, CheckResult, String) {
        let ours = crds().remove(0);
        let mut theirs = serde_json::to_value(&ours).unwrap();
        change(&mut theirs);
        let mut report = CheckReport::default();
        let is_served = compare_definition(&ours, &serde_json::from_value(theirs).unwrap(), &mut report);
        (is_served, report.0[0].result, report.0[0].message.clone())
    }

    #[test]
    fn definitions_of_another_release_are_told_by_their_fields() {
        let properties = |crd: &mut Value| {
            crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["management"]["properties"].take()
        };
        assert_eq!(compare_with_change(|_| {}).1, CheckResult::Well);
        let (is_served, came, message) = compare_with_change(|crd| drop(properties(crd)));
        assert!(is_served && came == CheckResult::Wrong && message.contains("`spec.management.approval`"), "{message}");
        let (is_served, came, _) = compare_with_change(|crd| {
            crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["later"] =
                serde_json::json!({"type": "string"});
        });
        assert!(is_served && came == CheckResult::Unknown);
        let (is_served, came, _) = compare_with_change(|crd| crd["spec"]["versions"][0]["served"] = false.into());
        assert!(!is_served && came == CheckResult::Wrong);
    }
}
