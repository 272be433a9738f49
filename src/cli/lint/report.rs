//! What was found, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Finding, Mistake, Seen};
use crate::cli::failure::{Failure, Spot};
use crate::cli::output::{Machine, count, plain};

/// Names in one sentence.
const MOST_NAMES: usize = 5;

/// A line each, as compilers write it.
pub(super) fn text(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let Finding { mistake, failure, path: _, column } = finding;
        let Failure { spot, object, message } = failure;
        let mut place = spot.as_ref().map(ToString::to_string).unwrap_or_default();
        if let Some(column) = column {
            let _ = write!(place, ":{column}");
        }
        let object = object.as_ref().map(|object| format!("{object}: ")).unwrap_or_default();
        plain(&format!("{place}: {object}{message} [{}]", mistake.name())) + "\n"
    };
    findings.iter().map(line).collect()
}

/// As a list.
///
/// # Errors
/// It cannot be written.
pub(super) fn json(findings: &[Finding]) -> Result<String, Failure> {
    let one = |finding: &Finding| {
        let Finding { mistake, failure: Failure { spot, object, message }, path, column } = finding;
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
    Machine::Json.text(&json!({"findings": findings.iter().map(one).collect::<Vec<_>>()}))
}

/// As the Static Analysis Results Interchange Format, which code hosts show beside the lines of a pull request.
///
/// # Errors
/// It cannot be written.
pub(super) fn sarif(findings: &[Finding]) -> Result<String, Failure> {
    let rule = |mistake: Mistake| json!({"id": mistake.name(), "shortDescription": {"text": mistake.meaning()}});
    let result = |finding: &Finding| {
        let Finding { mistake, failure: Failure { spot, object, message }, path, column } = finding;
        let index = Mistake::ALL.iter().position(|one| one == mistake);
        let mut location = json!({});
        if let Some(spot) = spot {
            location["physicalLocation"] = physical(spot, *column);
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
    Machine::Json.text(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "kubectl-tenantry",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": Mistake::ALL.map(rule),
            }},
            "results": findings.iter().map(result).collect::<Vec<_>>(),
        }],
    }))
}

fn physical(spot: &Spot, column: Option<u64>) -> Value {
    let mut region = json!({"startLine": spot.line});
    if let Some(column) = column {
        region["startColumn"] = column.into();
    }
    json!({"artifactLocation": {"uri": uri(&spot.file.display().to_string())}, "region": region})
}

/// A path as a relative reference; standard input has none of its own.
fn uri(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    if path == "-" {
        return "stdin".to_owned();
    }
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let one = |byte: u8| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    path.replace('\\', "/").bytes().map(one).collect()
}

/// What was looked at, in a sentence.
pub(super) fn sum(found: usize, seen: &Seen) -> String {
    let Seen { partners, clients, patches, ignored, passed_over, unknown } = seen;
    let found = match found {
        0 => "nothing was found".to_owned(),
        some => format!("{} found", count(some, "mistake")),
    };
    let others =
        if *ignored > 0 { format!(", {} of other kinds left alone", count(*ignored, "object")) } else { String::new() };
    let more = unknown.len().saturating_sub(MOST_NAMES);
    let names = unknown.iter().take(MOST_NAMES).cloned().collect::<Vec<_>>().join(", ");
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
        if *passed_over > 0 { format!(", {}", crate::cli::output::passed_over(*passed_over)) } else { String::new() };
    let (partners, clients) = (count(*partners, "Partner"), count(*clients, "Client"));
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
            assert_eq!(uri(path), reference);
        }
    }
}
