//! The page of faults: every scenario stands there once, and the tests that it names exist.

use std::collections::BTreeSet;
use std::fs;
use std::ops::RangeInclusive;

use crate::assets;
use crate::seeds::names;

/// The scenarios, in order; 39 to 42 are about the platform alone.
const SCENARIOS: RangeInclusive<u32> = 1..=85;

/// Their numbers.
fn numbers() -> Vec<u32> {
    SCENARIOS.collect()
}

/// Number, promise and tests of a row.
type Row = (u32, String, Vec<String>);

fn rows(page: &str) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let Some(Ok(number)) = cells.first().map(|cell| cell.parse()) else { continue };
        let [_, _, promise, shown] = cells.as_slice() else { return Err(format!("four cells are wanted: {line}")) };
        let tests: Vec<String> = shown.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let is_plain = tests.iter().map(|test| format!("`{test}`")).collect::<Vec<_>>().join(", ") == *shown;
        let is_open = shown.strip_prefix("open: ").is_some_and(|reason| !reason.is_empty());
        if promise.is_empty() || (tests.is_empty() || !is_plain) && !is_open {
            return Err(format!("a promise, and tests in backticks or `open: ` with a reason, are wanted: {line}"));
        }
        rows.push((number, (*promise).to_owned(), if is_open { Vec::new() } else { tests }));
    }
    Ok(rows)
}

/// What is wrong with the page, given the names of all tests.
fn faults(page: &str, tests: &BTreeSet<String>) -> Vec<String> {
    let rows = match rows(page) {
        Ok(rows) => rows,
        Err(fault) => return vec![fault],
    };
    let mut faults = Vec::new();
    let numbers: Vec<u32> = rows.iter().map(|(number, _, _)| *number).collect();
    let wanted = self::numbers();
    if numbers != wanted {
        faults.push(format!("the scenarios {wanted:?} are wanted, each once and in order, and {numbers:?} are there"));
    }
    let open = rows.iter().filter(|(_, _, tests)| tests.is_empty()).count();
    let count = format!("\n{} scenarios, {open} of them open.\n", rows.len());
    if !page.contains(&count) {
        faults.push(format!("the page should say `{}`", count.trim()));
    }
    for (number, _, named) in &rows {
        for test in named.iter().filter(|test| !tests.contains(*test)) {
            faults.push(format!("{number}: there is no test `{test}`"));
        }
    }
    faults
}

#[test]
fn every_scenario_stands_on_the_page_and_its_tests_exist() {
    let page = fs::read_to_string(assets::root().join("docs/faults.md")).unwrap();
    let faults = faults(&page, &names::of_all_tests());
    assert!(faults.is_empty(), "docs/faults.md: {}:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_test_of_a_fault_stands_on_the_page() {
    let page = fs::read_to_string(assets::root().join("docs/faults.md")).unwrap();
    let named: BTreeSet<String> = rows(&page).unwrap().into_iter().flat_map(|(_, _, tests)| tests).collect();
    let all = names::of_all_tests();
    let ours = all.iter().filter(|name| name.starts_with("it::faults::") && !name.starts_with("it::faults::page::"));
    let missing: Vec<&String> = ours.filter(|name| !named.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_false_page_is_found_out() {
    let tests = BTreeSet::from(["it::a".to_owned()]);
    let page = |count: &str, rows: &str| format!("# Faults\n\n{count}\n\n| | | | |\n| --- | --- | --- | --- |\n{rows}");
    let whole: Vec<String> = numbers().into_iter().map(|number| format!("| {number} | s | p | `it::a` |\n")).collect();
    let good = page(&format!("{} scenarios, 0 of them open.", numbers().len()), &whole.concat());
    assert_eq!(faults(&good, &tests), Vec::<String>::new());
    for (from, to, word) in [
        ("| 7 |", "| 8 |", "each once"),
        ("`it::a` |\n| 2", "`it::b` |\n| 2", "no test"),
        ("`it::a` |\n| 2", "open: later |\n| 2", "1 of them open"),
        ("`it::a` |\n| 2", "open |\n| 2", "with a reason"),
        ("| p | `it::a` |\n| 2", "|  | `it::a` |\n| 2", "a promise"),
    ] {
        let wrong = good.replacen(from, to, 1);
        assert_ne!(wrong, good);
        assert!(faults(&wrong, &tests).join("\n").contains(word), "{word}: {:?}", faults(&wrong, &tests));
    }
}
