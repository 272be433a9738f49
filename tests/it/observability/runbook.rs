//! Verifies that the runbook has an entry for each reason and each alert, and no other entries.

use std::collections::{BTreeMap, BTreeSet};

use tenantry_api::Reason;

use super::{MonitoredProgram, alerts_by_name, read_file};

/// The parts of each entry, in this order.
const ENTRY_PARTS: [&str; 4] = ["Means", "Check", "Do", "Worry"];

/// Returns the headings below one section, with the text under each.
fn section_entries(page: &str, section: &str) -> BTreeMap<String, String> {
    let inside = page.split(&format!("\n## {section}\n")).nth(1).unwrap_or_default();
    let inside = inside.split("\n## ").next().unwrap_or_default();
    let mut found = BTreeMap::new();
    for entry in inside.split("\n### ").skip(1) {
        let (name, rest) = entry.split_once('\n').unwrap_or((entry, ""));
        assert!(found.insert(name.trim().to_owned(), rest.to_owned()).is_none(), "two entries for {name}");
    }
    found
}

/// Returns what is wrong with the entries of a section.
fn section_faults(page: &str, section: &str, wanted: &BTreeSet<String>) -> Vec<String> {
    let entries = section_entries(page, section);
    let there: BTreeSet<String> = entries.keys().cloned().collect();
    let mut faults: Vec<String> = wanted.difference(&there).map(|name| format!("`{name}` has no entry")).collect();
    faults.extend(there.difference(wanted).map(|name| format!("`{name}` is nothing that is told")));
    for (name, said) in entries {
        let parts: Vec<&str> = ENTRY_PARTS
            .into_iter()
            .filter(|part| {
                let told = said.split(&format!("**{part}:**")).nth(1).unwrap_or_default();
                !told.split("**").next().unwrap_or_default().trim().is_empty()
            })
            .collect();
        if parts != ENTRY_PARTS {
            faults.push(format!("`{name}` says only {parts:?}"));
        }
    }
    faults
}

#[test]
fn every_reason_and_every_alert_has_its_entry() {
    let page = read_file("docs/runbook.md");
    let reasons = Reason::ALL.iter().map(|reason| reason.name().to_owned()).collect();
    let alerts = alerts_by_name(MonitoredProgram::Operator).into_keys().collect();
    let all = [section_faults(&page, "Alerts", &alerts), section_faults(&page, "Reasons", &reasons)].concat();
    assert!(all.is_empty(), "docs/runbook.md: {all:#?}");
}

#[test]
fn an_entry_that_is_missing_or_left_over_or_half_is_found_out() {
    let entry =
        |name: &str| format!("\n### {name}\n\n**Means:** this. **Check:** here.\n**Do:** that. **Worry:** never.\n");
    let page =
        |entries: &[String]| format!("# Runbook\n\n## Reasons\n{}\n## Other\n\n### Not this\n", entries.concat());
    let wanted = BTreeSet::from(["One".to_owned(), "Two".to_owned()]);
    let good = page(&[entry("One"), entry("Two")]);
    assert_eq!(section_faults(&good, "Reasons", &wanted), Vec::<String>::new());
    for (wrong, word) in [
        (page(&[entry("One")]), "`Two` has no entry"),
        (page(&[entry("One"), entry("Two"), entry("Three")]), "`Three` is nothing"),
        (page(&[entry("One"), entry("Two").replace("**Do:** that.", "")]), "`Two` says only"),
        (page(&[entry("One"), entry("Two").replace("here.", "")]), "`Two` says only"),
    ] {
        assert!(section_faults(&wrong, "Reasons", &wanted).join("\n").contains(word), "{word}");
    }
}
