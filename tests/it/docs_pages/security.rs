//! The page about security: each limit of a credential and each requirement has a test, or a reason why not.

use crate::test_index::docs_table::{DocsPage, DocsRow};
use crate::test_index::{TestEntry, all_tests};

/// The number of rows in its tables; update it with each new row.
const CREDENTIALS: usize = 14;
const ASVS: usize = 31;
const PCI_DSS: usize = 13;

/// Returns whether the row claims that a limit holds or a requirement is met; some rows say otherwise.
fn claims_test(row: &DocsRow) -> bool {
    let is_limit = row.cell("cannot").is_some_and(|limit| !limit.is_empty());
    let is_met = row.cell("how far, or why not").is_some_and(|note| !note.starts_with("not: "));
    is_limit || is_met
}

/// Returns what is wrong with the page, given all tests.
fn page_faults(page: &DocsPage, tests: &[TestEntry]) -> Vec<String> {
    let mut faults = page.page_faults(tests, claims_test);
    for row in page.parse_rows().unwrap_or_default().iter().filter(|row| !claims_test(row) && !row.shown.is_empty()) {
        faults.push(format!("{} says to have no test, and has one", row.id()));
    }
    faults
}

#[test]
fn each_limit_and_each_requirement_has_a_test_or_says_why_not() {
    let tests = all_tests();
    let page = DocsPage::read_renewed("security", tests);
    let faults = page_faults(&page, tests);
    assert!(faults.is_empty(), "docs/security.md: {}:\n{}", faults.len(), faults.join("\n"));
    let rows = page.parse_rows().unwrap();
    for (table, wanted) in [("credential/", CREDENTIALS), ("asvs/", ASVS), ("pci/", PCI_DSS)] {
        assert_eq!(rows.iter().filter(|row| row.id().starts_with(table)).count(), wanted, "{table}");
    }
    assert_eq!(rows.len(), CREDENTIALS + ASVS + PCI_DSS);
}

#[test]
fn a_false_page_is_found_out() {
    let judge = |row: &str, shows: Option<&str>| {
        let text = format!(
            "| id | can | cannot | shown by |\n{row}\n\n| id | in short | how far, or why not | shown by |\n{row}\n"
        )
        .replacen("a/1", "b/1", 1);
        let tests = shows.map(|id| TestEntry {
            name: "it::a".to_owned(),
            shows: vec![id.to_owned()],
            uses_ui_or_kubectl: false,
        });
        page_faults(&DocsPage { name: "security", text }, tests.as_slice()).join("\n")
    };
    assert_eq!(judge("| a/1 | x | not: y |  |", None), "b/1 says to be shown, and no test shows it");
    assert_eq!(judge("| a/1 | x |  |  |", None), "a/1 says to be shown, and no test shows it");
    let both = judge("| a/1 | x | not: y | `it::a` |", Some("security/a/1"));
    assert!(both.contains("a/1 says to have no test, and has one"), "{both}");
}
