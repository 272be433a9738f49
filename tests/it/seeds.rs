//! The page of the product documentation's statements: its rows are counted, and what they name exists.

mod images;
mod lists;
pub(crate) mod names;

use std::collections::BTreeSet;
use std::fs;

use crate::assets;
use crate::support::schema;

/// The statements of each part of the two pages, counted there and not here.
const COUNTED: [(&str, usize); 21] = [
    ("Clients: introduction", 8),
    ("Clients: permissions", 6),
    ("Partners: introduction", 8),
    ("Partners: permissions", 3),
    ("Create a partner: account", 16),
    ("Create a partner: packages and add-ons", 12),
    ("Hybrid Discovery and Monitoring package", 9),
    ("Event and Incident Management package", 5),
    ("Remediation and Automation package", 5),
    ("Add-ons for Hybrid Discovery and Monitoring", 13),
    ("Add-ons for Event and Incident Management", 7),
    ("Add-ons for Remediation and Automation", 3),
    ("Without Remediation and Automation", 12),
    ("Without Event and Incident Management", 17),
    ("Security: access management", 17),
    ("Security: password policy", 13),
    ("Partners list", 5),
    ("View and edit partner details", 12),
    ("Custom branding", 28),
    ("Terminate a partner", 30),
    ("Filter", 3),
];

/// A row of the page.
#[derive(Debug)]
struct Row {
    section: String,
    statement: String,
    place: String,
    /// Absent while nothing shows it.
    tests: Vec<String>,
}

fn page() -> String {
    fs::read_to_string(assets::root().join("docs/seeds.md")).expect("the page is there")
}

/// What stands between backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The rows of a page, or what is wrong with its form.
fn rows(page: &str) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    let mut section = "";
    for line in page.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title;
        }
        let is_head = line == "| statement | where it lives | test |" || line == "| --- | --- | --- |";
        if is_head || !line.starts_with('|') {
            continue;
        }
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [statement, place, shown] = cells.as_slice() else { return Err(format!("three cells are wanted: {line}")) };
        let tests = quoted(shown);
        let is_plain = tests.iter().map(|test| format!("`{test}`")).collect::<Vec<_>>().join(", ") == *shown;
        if statement.is_empty() || place.is_empty() || (*shown != "open" && (tests.is_empty() || !is_plain)) {
            return Err(format!("a statement, a place, and tests in backticks or `open` are wanted: {line}"));
        }
        let (section, statement, place) = (section.to_owned(), (*statement).to_owned(), (*place).to_owned());
        rows.push(Row { section, statement, place, tests });
    }
    Ok(rows)
}

/// The messages that rows quote.
pub(crate) fn messages() -> BTreeSet<String> {
    let rows = rows(&page()).expect("the page has its form");
    let quoted = rows.iter().filter(|row| row.statement.starts_with("Message"));
    quoted.map(|row| row.statement.split_once(": ").expect("a message stands behind a colon").1.to_owned()).collect()
}

/// What is wrong with the page, given the names of all tests and of all fields.
fn faults(page: &str, tests: &BTreeSet<String>, fields: &BTreeSet<String>) -> Vec<String> {
    let rows = match rows(page) {
        Ok(rows) => rows,
        Err(fault) => return vec![fault],
    };
    let mut faults = Vec::new();
    let open = rows.iter().filter(|row| row.tests.is_empty()).count();
    let elsewhere = rows.iter().filter(|row| row.place.starts_with("elsewhere")).count();
    let count = format!("\n{} statements, {open} of them open, {elsewhere} of them elsewhere.\n", rows.len());
    if !page.contains(&count) {
        faults.push(format!("the page should say `{}`", count.trim()));
    }
    let mut seen = BTreeSet::new();
    for row in &rows {
        let Row { section, statement, .. } = row;
        if !seen.insert((section, statement)) {
            faults.push(format!("{section}: `{statement}` stands there twice"));
        }
        for test in row.tests.iter().filter(|test| !tests.contains(*test)) {
            faults.push(format!("{section}: `{statement}`: there is no test `{test}`"));
        }
        let is_field = |name: &String| name.starts_with("spec.") || name.starts_with("status.");
        for field in quoted(&row.place).iter().filter(|name| is_field(name) && !fields.contains(*name)) {
            faults.push(format!("{section}: `{statement}`: there is no field `{field}`"));
        }
    }
    faults
}

fn fields() -> BTreeSet<String> {
    schema::nodes().into_iter().map(|node| node.path).collect()
}

#[test]
fn every_row_names_what_exists_and_the_count_is_right() {
    let page = page();
    let faults = faults(&page, &names::of_all_tests(), &fields());
    assert!(faults.is_empty(), "docs/seeds.md: {}:\n{}", faults.len(), faults.join("\n"));
    println!("{} rows", rows(&page).map_or(0, |rows| rows.len()));
}

#[test]
fn each_part_has_as_many_rows_as_the_documentation_has_statements() {
    let page = page();
    let rows = rows(&page).expect("the page has its form");
    let parts: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(parts, COUNTED.map(|(part, _)| part));
    for (part, counted) in COUNTED {
        assert_eq!(rows.iter().filter(|row| row.section == part).count(), counted, "{part}");
    }
    assert!(rows.iter().all(|row| !row.tests.is_empty()), "a statement is open");
}

#[test]
fn tests_are_known_by_the_names_that_cargo_prints() {
    let names = names::of_all_tests();
    // Of the library, of a module in a file of its own, of this crate, of a shared module, and asynchronous.
    for name in [
        "catalog::tests::older_wire_names_are_read_as_the_same_add_on",
        "plan::removal::tests::each_part_of_a_confirmation_is_compared",
        "it::seeds::tests_are_known_by_the_names_that_cargo_prints",
        "it::process::tests::ports_differ_and_are_free",
        "it::rules::changes::an_object_stays_with_its_partner_and_its_tenant",
    ] {
        assert!(names.contains(name), "{name} is not among {} names", names.len());
    }
    assert!(!names.contains("it::seeds::rows"), "a helper is no test");
}

#[test]
fn a_false_page_is_found_out() {
    let tests = BTreeSet::from(["it::a::b".to_owned()]);
    let fields = BTreeSet::from(["spec.details.name".to_owned()]);
    let page = |count: &str, row: &str| {
        format!("# Seeds\n\n{count}\n\n## Part\n\n| statement | where it lives | test |\n| --- | --- | --- |\n{row}\n")
    };
    let right = "| Name | `spec.details.name` | `it::a::b` |";
    let judge = |count: &str, row: &str| faults(&page(count, row), &tests, &fields);
    assert_eq!(judge("1 statements, 0 of them open, 0 of them elsewhere.", right), [""; 0]);
    assert_eq!(
        judge("1 statements, 1 of them open, 0 of them elsewhere.", "| Name | purge of the platform | open |"),
        [""; 0]
    );
    let elsewhere = "| Name | elsewhere; `spec.details.name` | `it::a::b` |";
    assert_eq!(judge("1 statements, 0 of them open, 1 of them elsewhere.", elsewhere), [""; 0]);
    for (count, row, fault) in [
        ("1 statements, 0 of them open, 0 of them elsewhere.", elsewhere, "1 of them elsewhere"),
        (
            "2 statements, 0 of them open, 0 of them elsewhere.",
            right,
            "should say `1 statements, 0 of them open, 0 of them elsewhere.`",
        ),
        ("1 statements, 0 of them open, 0 of them elsewhere.", "| Name | there | `it::a::c` |", "no test `it::a::c`"),
        (
            "1 statements, 0 of them open, 0 of them elsewhere.",
            "| Name | `spec.nmae` | `it::a::b` |",
            "no field `spec.nmae`",
        ),
        ("1 statements, 0 of them open, 0 of them elsewhere.", "| Name | there | soon |", "or `open` are wanted"),
        ("1 statements, 0 of them open, 0 of them elsewhere.", "| Name | there |", "three cells"),
    ] {
        let faults = judge(count, row);
        assert!(faults.len() == 1 && faults[0].contains(fault), "{row}: {faults:?}");
    }
    let twice = judge("2 statements, 0 of them open, 0 of them elsewhere.", &format!("{right}\n{right}"));
    assert!(twice.len() == 1 && twice[0].contains("twice"), "{twice:?}");
}
