//! The page with the statements of the product documentation. The tests for each statement are read from doc comments
//! (`shows: seeds/id`), and its row says to what extent it is true.

mod images;
mod lists;
mod real_stack;

use std::collections::BTreeSet;
use std::fs;

use crate::assets;
use crate::support::schema;
use crate::test_index::docs_table::{DocsPage, DocsRow};
use crate::test_index::{TestEntry, all_test_names, all_tests};

/// The number of statements in each part of the two pages, counted there independently.
const STATEMENT_COUNTS: [(&str, usize); 21] = [
    ("Clients: introduction", 9),
    ("Clients: permissions", 6),
    ("Partners: introduction", 8),
    ("Partners: permissions", 3),
    ("Create a partner: account", 17),
    ("Create a partner: packages and add-ons", 12),
    ("Hybrid Discovery and Monitoring package", 11),
    ("Event and Incident Management package", 8),
    ("Remediation and Automation package", 8),
    ("Add-ons for Hybrid Discovery and Monitoring", 15),
    ("Add-ons for Event and Incident Management", 7),
    ("Add-ons for Remediation and Automation", 3),
    ("Without Remediation and Automation", 12),
    ("Without Event and Incident Management", 17),
    ("Security: access management", 17),
    ("Security: password policy", 14),
    ("Partners list", 5),
    ("View and edit partner details", 13),
    ("Custom branding", 28),
    ("Terminate a partner", 31),
    ("Filter", 3),
];

/// To what extent a statement is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StatementState {
    UserVisible,
    Api,
    Stored,
    NotBuilt,
    Elsewhere,
}

impl StatementState {
    const ALL: [Self; 5] = [Self::UserVisible, Self::Api, Self::Stored, Self::NotBuilt, Self::Elsewhere];

    const fn as_word(self) -> &'static str {
        match self {
            Self::UserVisible => "felt",
            Self::Api => "API",
            Self::Stored => "stored",
            Self::NotBuilt => "not built",
            Self::Elsewhere => "elsewhere",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_word() == word)
    }

    /// Returns whether a test must show it.
    const fn needs_test(self) -> bool {
        match self {
            Self::UserVisible | Self::Api | Self::Stored => true,
            Self::NotBuilt | Self::Elsewhere => false,
        }
    }
}

/// A row of the page.
#[derive(Debug)]
struct PageStatement {
    row: DocsRow,
    state: StatementState,
}

impl PageStatement {
    fn new(row: DocsRow) -> Result<Self, String> {
        let id = row.id();
        let word = row.cell("state").unwrap_or_default();
        let Some(state) = StatementState::parse(word) else { return Err(format!("{id}: `{word}` is no state")) };
        if ["statement", "where it lives"].iter().any(|column| row.cell(column).is_none_or(str::is_empty)) {
            return Err(format!("{id}: a statement and a place are wanted"));
        }
        Ok(Self { row, state })
    }

    fn text(&self) -> &str {
        self.row.cell("statement").unwrap_or_default()
    }

    fn location(&self) -> &str {
        self.row.cell("where it lives").unwrap_or_default()
    }
}

/// Returns the texts between backticks.
fn backticked_texts(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Parses the rows of the page. Returns what is wrong with its form.
fn page_statements(page: &DocsPage) -> Result<Vec<PageStatement>, String> {
    page.parse_rows()?.into_iter().map(PageStatement::new).collect()
}

/// Returns the messages that rows quote.
pub(crate) fn quoted_messages() -> BTreeSet<String> {
    let all = page_statements(&DocsPage::read("seeds")).expect("the page has its form");
    let quoted = all.iter().map(PageStatement::text).filter(|text| text.starts_with("Message"));
    quoted.map(|text| text.split_once(": ").expect("a message stands behind a colon").1.to_owned()).collect()
}

/// Returns the sentence with the counts.
fn count_sentence(all: &[PageStatement]) -> String {
    let of = |state: StatementState| all.iter().filter(|statement| statement.state == state).count();
    let counts: Vec<String> =
        StatementState::ALL.iter().map(|state| format!("{} {}", of(*state), state.as_word())).collect();
    format!("{} statements: {}", all.len(), counts.join(", "))
}

/// Returns the text of the page with updated counts.
fn text_with_counts(page: &DocsPage) -> String {
    let count = format!("{}.", count_sentence(&page_statements(page).expect("the page has its form")));
    let is_count = |line: &&str| line.contains(" statements: ") && line.ends_with('.');
    let line = |line: &str| Some(line).filter(is_count).map_or(line.to_owned(), |_| count.clone()) + "\n";
    page.text.lines().map(line).collect()
}

/// Returns what is wrong with the page, given all tests and the names of all fields.
fn page_faults(page: &DocsPage, tests: &[TestEntry], fields: &BTreeSet<String>) -> Vec<String> {
    let all = match page_statements(page) {
        Ok(all) => all,
        Err(fault) => return vec![fault],
    };
    let is_shown =
        |row: &DocsRow| row.cell("state").and_then(StatementState::parse).is_some_and(StatementState::needs_test);
    let mut faults = page.page_faults(tests, is_shown);
    let count = format!("\n{}.\n", count_sentence(&all));
    if !page.text.contains(&count) {
        faults.push(format!("the page should say `{}`", count.trim()));
    }
    let is_felt = |name: &String| tests.iter().any(|test| test.uses_ui_or_kubectl && test.name == *name);
    let is_field = |name: &String| name.starts_with("spec.") || name.starts_with("status.");
    for statement in &all {
        let id = statement.row.id();
        if statement.state == StatementState::UserVisible
            && !backticked_texts(&page.tests_showing(&statement.row, tests)).iter().any(is_felt)
        {
            faults.push(format!("{id} is felt, and none of its tests reaches a page, a login or kubectl"));
        }
        let unknown =
            backticked_texts(statement.location()).into_iter().filter(|name| is_field(name) && !fields.contains(name));
        faults.extend(unknown.map(|field| format!("{id}: there is no field `{field}`")));
    }
    faults
}

fn field_names() -> BTreeSet<String> {
    schema::schema_nodes().into_iter().map(|node| node.path).collect()
}

#[test]
fn every_row_is_shown_as_its_state_says_and_the_counts_are_right() {
    let tests = all_tests();
    let mut page = DocsPage::read_renewed("seeds", tests);
    if crate::support::writes_golden_files() {
        page.text = text_with_counts(&page);
        page.write_file();
    }
    let faults = page_faults(&page, tests, &field_names());
    assert!(faults.is_empty(), "docs/seeds.md: {}:\n{}", faults.len(), faults.join("\n"));
    let count = count_sentence(&page_statements(&page).unwrap());
    let readme = fs::read_to_string(assets::root().join("README.md")).unwrap();
    assert!(readme.contains(&count), "the README should say `{count}`");
}

#[test]
fn each_part_has_as_many_rows_as_the_documentation_has_statements() {
    let page = DocsPage::read("seeds");
    let rows = page.parse_rows().expect("the page has its form");
    let parts: Vec<&str> = page.text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(parts, STATEMENT_COUNTS.map(|(part, _)| part));
    for (part, counted) in STATEMENT_COUNTS {
        assert_eq!(rows.iter().filter(|row| row.section == part).count(), counted, "{part}");
    }
}

#[test]
fn tests_are_known_by_the_names_that_cargo_prints() {
    let names = all_test_names();
    // A test of the library, of a module in a separate file, of this crate, of a shared module, and an asynchronous
    // one.
    for name in [
        "tenantry_catalog::tests::older_wire_names_are_read_as_the_same_add_on",
        "tenantry_core::deletion::tests::each_part_of_a_confirmation_is_compared",
        "it::product_statements::tests_are_known_by_the_names_that_cargo_prints",
        "it::process::tests::ports_differ_and_are_free",
        "it::api_validation::update_rules::an_object_stays_with_its_partner_and_its_tenant",
    ] {
        assert!(names.contains(name), "{name} is not among {} names", names.len());
    }
    assert!(!names.contains("it::seeds::rows"), "a helper is no test");
}

#[test]
fn a_test_that_reaches_a_page_a_login_or_kubectl_is_told_from_others() {
    let felt: BTreeSet<String> =
        all_tests().iter().filter(|test| test.uses_ui_or_kubectl).map(|test| test.name.clone()).collect();
    for name in [
        "it::operator::reconcile::an_edit_is_applied_and_an_empty_value_clears",
        "it::crds::one_word_lists_both_kinds_with_their_columns",
        "it::api_validation::schema_bounds::types_words_and_bounds_hold_at_their_edges",
        "it::api_validation::an_unknown_field_is_refused_by_its_name",
        "it::cli::terminate::without_name_and_each_consequence_nothing_is_written",
        "it::platform::login::screens::the_screens_of_a_missing_package_are_denied_and_its_menus_are_gone",
        "it::browser::full_stack::what_kubectl_applies_is_felt_by_a_person_in_a_browser",
        "it::many_clients::two_hundred_clients_cost_two_hundred_creates_and_two_writes_each_and_then_nothing",
    ] {
        assert!(felt.contains(name), "{name}");
    }
    for name in [
        "tenantry_catalog::tests::every_name_leads_back_to_its_package",
        "tenantry_core::deletion::tests::each_part_of_a_confirmation_is_compared",
        "it::field_matrix::every_field_can_be_set_changed_cleared_and_corrected",
        "it::sim::fields::each_field_of_a_spec_reaches_its_own_place_on_the_platform",
        "it::product_statements::lists::each_package_has_the_modules_of_the_page",
        "it::platform::records::kinds_that_only_an_add_on_brings_need_it",
        "it::platform::purge::three_records_of_each_category_are_counted_then_hidden_then_erased_from_the_file",
        "it::platform::people::permissions::a_partners_people_view_create_and_manage_clients_by_permission",
    ] {
        assert!(all_test_names().contains(name), "{name} is no test");
        assert!(!felt.contains(name), "{name}");
    }
}

#[test]
fn a_false_page_is_found_out() {
    let test = |name: &str, is_felt: bool| TestEntry {
        name: name.to_owned(),
        shows: vec!["seeds/a/b".to_owned()],
        uses_ui_or_kubectl: is_felt,
    };
    let fields = BTreeSet::from(["spec.details.name".to_owned()]);
    let head = "| id | statement | where it lives | state | shown by |\n| --- | --- | --- | --- | --- |";
    let judge = |count: &str, rows: &str, tests: &[TestEntry]| {
        let whole = format!("# Seeds\n\n{count}.\n\n## Part\n\n{head}\n{rows}\n");
        page_faults(&DocsPage { name: "seeds", text: whole }, tests, &fields)
    };
    let one = |state: &str| {
        let counts: Vec<String> = StatementState::ALL
            .iter()
            .map(|known| format!("{} {}", usize::from(known.as_word() == state), known.as_word()))
            .collect();
        format!("1 statements: {}", counts.join(", "))
    };
    let row = |state: &str, shown: &str| format!("| a/b | Name | `spec.details.name` | {state} | {shown} |");
    let (felt, other) = ([test("it::a::b", true)], [test("it::a::b", false)]);
    assert_eq!(judge(&one("felt"), &row("felt", "`it::a::b`"), &felt), [""; 0]);
    assert_eq!(judge(&one("API"), &row("API", "`it::a::b`"), &other), [""; 0]);
    assert_eq!(judge(&one("not built"), &row("not built", ""), &[]), [""; 0]);
    let (felt_row, unshown) = (row("felt", "`it::a::b`"), row("stored", ""));
    let misspelt = felt_row.replace("details.name", "details.nmae");
    let nowhere = felt_row.replace("`spec.details.name`", "");
    for (count, rows, tests, fault) in [
        (one("API"), &felt_row, &felt[..], "should say `1 statements: 1 felt, 0 API"),
        (one("felt"), &felt_row, &other[..], "reaches a page, a login or kubectl"),
        (one("stored"), &unshown, &[][..], "no test shows it"),
        (one("felt"), &misspelt, &felt[..], "no field `spec.details.nmae`"),
        (one("felt"), &row("real", ""), &[][..], "`real` is no state"),
        (one("felt"), &nowhere, &[][..], "a statement and a place"),
    ] {
        let faults = judge(&count, rows, tests).join("\n").replace('`', "");
        assert!(faults.contains(&fault.replace('`', "")), "{rows}: {faults:?}");
    }
}
