//! Verifies the page of faults: every scenario is on it once, with the tests that claim to show it.

use std::ops::RangeInclusive;

use crate::test_index::docs_table::{DocsPage, DocsRow};
use crate::test_index::{TestEntry, all_tests};

/// The scenarios, in order. 39 to 42 are about the platform alone.
const SCENARIOS: RangeInclusive<u32> = 1..=85;

/// Returns the promise of a row. A promise that is not kept yet begins with `open: ` and the reason.
fn row_promise(row: &DocsRow) -> &str {
    row.cell("what the operator promises").unwrap_or_default()
}

fn is_open(row: &DocsRow) -> bool {
    row_promise(row).starts_with("open: ")
}

/// Returns the faults of the page, given all tests.
fn page_faults(page: &DocsPage, tests: &[TestEntry]) -> Vec<String> {
    let mut faults = page.page_faults(tests, |row| !is_open(row));
    let Ok(rows) = page.parse_rows() else { return faults };
    let ids: Vec<&str> = rows.iter().map(DocsRow::id).collect();
    if ids != SCENARIOS.map(|number| number.to_string()).collect::<Vec<_>>() {
        faults.push(format!("the scenarios {SCENARIOS:?} are wanted, each once and in order, and {ids:?} are there"));
    }
    let count = format!("{} scenarios, {} of them open.", rows.len(), rows.iter().filter(|row| is_open(row)).count());
    if !page.text.contains(&format!("\n{count}\n")) {
        faults.push(format!("the page should say `{count}`"));
    }
    let empty = rows.iter().filter(|row| row_promise(row).trim_start_matches("open:").is_empty());
    faults.extend(empty.map(|row| format!("{}: a promise, or `open: ` with a reason, is wanted", row.id())));
    faults
}

#[test]
fn every_scenario_stands_on_the_page_with_its_tests() {
    let tests = all_tests();
    let faults = page_faults(&DocsPage::read_renewed("faults", tests), tests);
    assert!(faults.is_empty(), "docs/faults.md: {}:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_test_of_a_fault_shows_a_scenario() {
    let is_ours =
        |test: &TestEntry| test.name.starts_with("it::faults::") && !test.name.starts_with("it::faults::page::");
    let is_shown = |test: &TestEntry| test.shows.iter().any(|id| id.starts_with("faults/"));
    let missing: Vec<&TestEntry> = all_tests().iter().filter(|test| is_ours(test) && !is_shown(test)).collect();
    assert!(missing.is_empty(), "no scenario has these: {missing:#?}");
}

#[test]
fn a_false_page_is_found_out() {
    let shows = SCENARIOS.map(|number| format!("faults/{number}")).collect();
    let tests = [TestEntry { name: "it::a".to_owned(), shows, uses_ui_or_kubectl: false }];
    let head = "| id | what happens | what the operator promises | shown by |\n| --- | --- | --- | --- |\n";
    let rows: Vec<String> = SCENARIOS.map(|number| format!("| {number} | s | p | `it::a` |\n")).collect();
    let rows = rows.concat();
    let good = format!("# Faults\n\n{} scenarios, 0 of them open.\n\n{head}{rows}", SCENARIOS.count());
    let judge = |text: &str| page_faults(&DocsPage { name: "faults", text: text.to_owned() }, &tests).join("\n");
    assert_eq!(judge(&good), "");
    for (from, to, word) in [
        ("| 7 |", "| 8 |", "each once"),
        ("| 7 | s | p |", "| 7 | s | open: later |", "1 of them open"),
        ("| 7 | s | p |", "| 7 | s | open: |", "with a reason"),
        ("| 7 | s | p |", "| 7 | s |  |", "a promise"),
        ("| 7 | s | p | `it::a` |", "| 7 | s | p | `it::b` |", "7: the sources say"),
    ] {
        let wrong = good.replacen(from, to, 1);
        assert_ne!(wrong, good);
        assert!(judge(&wrong).contains(word), "{word}: {}", judge(&wrong));
    }
}
