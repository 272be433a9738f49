//! Tests of the `kubectl explain` text of each field, and of the page of conditions.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tenantry_api::{ConditionType, Reason};

use crate::assets;
use crate::support::admin_kubectl;
use crate::support::schema::{self, SchemaNode};

/// Shorter sentences say no more than the field's name.
const MIN_SENTENCE_LENGTH: usize = 30;

/// Returns what is wrong with the descriptions of these fields.
fn weak_descriptions(nodes: &[SchemaNode]) -> Vec<String> {
    let mut weak = Vec::new();
    let mut seen = BTreeMap::new();
    for node in nodes.iter().filter(|node| node.is_named() && !node.is_upstream()) {
        let (place, text) = (node.kind_and_path(), node.text("description"));
        if text.chars().count() < MIN_SENTENCE_LENGTH {
            weak.push(format!("{place} says too little: {text}"));
        }
        // In status, only leaves are checked: an object there is the sum of its members.
        let is_held = node.path != "spec" && (node.path.starts_with("spec.") || node.is_leaf());
        if is_held && !["for example", "For example", "default", "Default", "`"].iter().any(|sign| text.contains(sign))
        {
            weak.push(format!("{place} has neither default nor example: {text}"));
        }
        if let Some(other) = seen.insert((node.kind.as_str(), text), &node.path) {
            weak.push(format!("{place} says the same as {other}: {text}"));
        }
    }
    weak
}

#[test]
fn every_field_has_a_sentence_of_its_own_with_default_or_example() {
    let nodes = schema::schema_nodes();
    let weak = weak_descriptions(&nodes);
    assert!(weak.is_empty(), "{}:\n{}", weak.len(), weak.join("\n"));
    println!("{} fields", nodes.iter().filter(|node| node.is_named() && !node.is_upstream()).count());
}

#[test]
fn lists_name_the_words_that_they_allow() {
    let nodes = schema::schema_nodes();
    let sentence = |kind: &str, path: &str| {
        let node = nodes.iter().find(|node| node.kind == kind && node.path == path).unwrap();
        node.text("description").to_owned()
    };
    for (path, words) in [
        ("spec.packages", ["HybridDiscoveryAndMonitoring", "RemediationAndAutomation"]),
        ("spec.addOns", ["SLAManagement", "ApplicationPatchManagement"]),
    ] {
        for kind in ["Partner", "Client"] {
            let said = sentence(kind, path);
            let allowed = said.split("Allowed: ").nth(1).unwrap_or_default();
            assert!(words.iter().all(|word| allowed.contains(word)), "{kind} {path}: {said}");
        }
    }
    assert!(sentence("Partner", "spec.clients.locked").contains("Allowed: "));
}

#[test]
fn weak_sentences_are_found() {
    let node = |path: &str, text: &str| SchemaNode {
        kind: "Client".to_owned(),
        path: path.to_owned(),
        schema: json!({"type": "string", "description": text}),
    };
    let good = node("spec.city", "City in which the client sits, for example Berlin.");
    assert_eq!(weak_descriptions(std::slice::from_ref(&good)), [""; 0]);
    for (bad, finding) in [
        (node("spec.x", "City, `Berlin`."), "says too little"),
        (node("status.x", "City in which the client sits and works."), "has neither default nor example"),
        (node("spec.x", good.text("description")), "says the same as spec.city"),
    ] {
        let found = weak_descriptions(&[good.clone(), bad]);
        assert!(found.len() == 1 && found[0].contains(finding), "{found:?}");
    }
}

#[test]
fn kubectl_explains_fields_in_our_words() {
    // The server publishes the documents that this reads a moment after it serves the kinds.
    let end = Instant::now() + Duration::from_mins(1);
    while ["partner", "client"].iter().any(|kind| admin_kubectl().run(&["explain", kind]).is_err())
        && Instant::now() < end
    {
        thread::sleep(Duration::from_millis(100));
    }
    for (path, word) in [
        ("partner.spec", "connectionSecretRef"),
        ("partner.spec.details.postalCode", "unquoted YAML makes it a number"),
        ("partner.spec.security.access.allowedIPs", "API credentials are never held to it"),
        ("msp.spec.clients.allowedNamespaces.from", "default: `Same`"),
        ("client.spec.partnerRef.namespace", "default: the Client's own namespace"),
        ("client.spec.tenantState", "a new client is active"),
        ("partner.spec.packages", "`HybridDiscoveryAndMonitoring` is always added"),
        ("partner.spec.clients.defaults.packages", "`HybridDiscoveryAndMonitoring` is always added"),
        ("client.spec.packages", "`HybridDiscoveryAndMonitoring` is always added"),
        ("tclient.spec.deletion.confirm.acknowledge", "DataErased, NotRecoverable, UsersDeactivated"),
        ("client.status.termination.howToConfirm", "The block to paste"),
    ] {
        let said = admin_kubectl().run(&["explain", path]).unwrap();
        // `kubectl` wraps lines, so the test joins them.
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("VERSION: v1alpha1") && said.contains(word), "{path}: `{word}` is not in: {said}");
    }
}

/// Compares what a section of the page lists with what the code has. Neither may have more.
fn compare_page_section(page: &str, part: &str, rows: &[String]) {
    let part_of_page = page.split("\n## ").find(|text| text.starts_with(part)).unwrap_or_default();
    let listed: Vec<&str> = part_of_page.lines().filter(|line| line.starts_with("| `")).collect();
    for row in rows {
        let count = listed.iter().filter(|line| line.starts_with(row.as_str())).count();
        assert_eq!(count, 1, "docs/conditions.md, {part}, should hold once: {row}");
    }
    let strays: Vec<&&str> = listed.iter().filter(|line| !rows.iter().any(|row| line.starts_with(row))).collect();
    assert!(strays.is_empty(), "docs/conditions.md, {part}: the code has none of {strays:?}");
    for line in listed {
        let cells = line.split('|').filter(|cell| cell.trim().len() > 1).count();
        assert_eq!(cells, 3, "docs/conditions.md, {part}: {line} leaves a cell empty");
    }
}

#[test]
fn the_page_of_conditions_lists_exactly_what_the_code_has() {
    let page = fs::read_to_string(assets::root().join("docs/conditions.md")).unwrap();
    // The sentences about types exist only on the page.
    let types: Vec<String> = ConditionType::ALL.iter().map(|kind| format!("| `{}` |", kind.name())).collect();
    compare_page_section(&page, "Types", &types);
    let reason = |reason: &Reason| {
        let person = if reason.needs_person() { "yes" } else { "no" };
        format!("| `{}` | {} | {person} |", reason.name(), reason.meaning().trim())
    };
    compare_page_section(&page, "Reasons", &Reason::ALL.iter().map(reason).collect::<Vec<_>>());
}
