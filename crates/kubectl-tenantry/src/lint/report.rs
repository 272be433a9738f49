//! Renders the findings for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{LintFinding, LintRule, LintSummary};
use crate::failure::{Failure, FileLocation};
use crate::output::{OutputFormat, format_count, strip_control_chars};

/// Longest list of names in one sentence.
const MAX_NAMES: usize = 5;

/// Renders one line for each finding, in the format of compilers.
pub(super) fn render_text(findings: &[LintFinding]) -> String {
    let line = |finding: &LintFinding| {
        let LintFinding { rule: mistake, failure, path: _, column } = finding;
        let Failure { spot, object, message } = failure;
        let mut place = spot.as_ref().map(ToString::to_string).unwrap_or_default();
        if let Some(column) = column {
            let _ = write!(place, ":{column}");
        }
        let object = object.as_ref().map(|object| format!("{object}: ")).unwrap_or_default();
        strip_control_chars(&format!("{place}: {object}{message} [{}]", mistake.name())) + "\n"
    };
    findings.iter().map(line).collect()
}

/// Renders a JSON list.
///
/// # Errors
/// Fails if the findings cannot be serialised.
pub(super) fn render_json(findings: &[LintFinding]) -> Result<String, Failure> {
    let one = |finding: &LintFinding| {
        let LintFinding { rule: mistake, failure: Failure { spot, object, message }, path, column } = finding;
        json!({
            "rule": mistake.name(),
            "path": path,
            "file": spot.as_ref().map(|spot| spot.file.display().to_string()),
            "line": spot.as_ref().map(|spot| spot.line),
            "column": column,
            "object": object,
            "message": message,
        })
    };
    OutputFormat::Json.text(&json!({"findings": findings.iter().map(one).collect::<Vec<_>>()}))
}

/// Renders the Static Analysis Results Interchange Format, which code hosts show beside the lines of a pull request.
///
/// # Errors
/// Fails if the findings cannot be serialised.
pub(super) fn render_sarif(findings: &[LintFinding]) -> Result<String, Failure> {
    let rule = |mistake: LintRule| json!({"id": mistake.name(), "shortDescription": {"text": mistake.description()}});
    let result = |finding: &LintFinding| {
        let LintFinding { rule: mistake, failure: Failure { spot, object, message }, path, column } = finding;
        let index = LintRule::ALL.iter().position(|one| one == mistake);
        let mut location = json!({});
        if let Some(spot) = spot {
            location["physicalLocation"] = physical_location(spot, *column);
        }
        if let Some(object) = object {
            let path = path.as_ref().map(|path| format!(" {path}")).unwrap_or_default();
            let name = format!("{}{path}", object.replace('`', ""));
            location["logicalLocations"] = json!([{"fullyQualifiedName": name, "kind": "member"}]);
        }
        json!({
            "ruleId": mistake.name(), "ruleIndex": index,
            "level": if mistake.is_warning() { "warning" } else { "error" },
            "message": {"text": message}, "locations": [location],
        })
    };
    OutputFormat::Json.text(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "kubectl-tenantry",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": LintRule::ALL.map(rule),
            }},
            "results": findings.iter().map(result).collect::<Vec<_>>(),
        }],
    }))
}

fn physical_location(spot: &FileLocation, column: Option<u64>) -> Value {
    let mut region = json!({"startLine": spot.line});
    if let Some(column) = column {
        region["startColumn"] = column.into();
    }
    json!({"artifactLocation": {"uri": to_relative_uri(&spot.file.display().to_string())}, "region": region})
}

/// Converts a path to a relative reference. Standard input has no path.
fn to_relative_uri(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    if path == "-" {
        return "stdin".to_owned();
    }
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let one = |byte: u8| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    path.replace('\\', "/").bytes().map(one).collect()
}

/// Summarises what was checked in one sentence.
pub(super) fn summary_line(found: usize, seen: &LintSummary) -> String {
    let LintSummary { partners, clients, patches, ignored, skipped_files: passed_over, unknown } = seen;
    let found = match found {
        0 => "nothing was found".to_owned(),
        some => format!("{} found", format_count(some, "mistake")),
    };
    let others = if *ignored > 0 {
        format!(", {} of other kinds left alone", format_count(*ignored, "object"))
    } else {
        String::new()
    };
    let more = unknown.len().saturating_sub(MAX_NAMES);
    let names = unknown.iter().take(MAX_NAMES).cloned().collect::<Vec<_>>().join(", ");
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let outside = if unknown.is_empty() {
        String::new()
    } else {
        format!("; not in the input, and so not judged: {names}{more}")
    };
    let patches = match patches {
        0 => String::new(),
        1 => ", 1 patch".to_owned(),
        some => format!(", {some} patches"),
    };
    let files =
        if *passed_over > 0 { format!(", {}", crate::output::skipped_files_text(*passed_over)) } else { String::new() };
    let (partners, clients) = (format_count(*partners, "Partner"), format_count(*clients, "Client"));
    format!("{found} in {partners} and {clients}{patches}{others}{files}{outside}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_reference() {
        for (path, reference) in [
            ("./tenants/acme.yaml", "tenants/acme.yaml"),
            ("a b/ä%.yaml", "a%20b/%C3%A4%25.yaml"),
            ("-", "stdin"),
            ("/srv/x.yaml", "/srv/x.yaml"),
        ] {
            assert_eq!(to_relative_uri(path), reference);
        }
    }
}
