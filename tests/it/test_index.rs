//! The tests of the sources: their names, what they show, and whether they use the interfaces of users.

pub(crate) mod docs_table;
mod source_reader;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use source_reader::{SourceFunction, SourceIndex};

use crate::assets;

/// The pages in `docs/` with rows that tests show: an id begins with the name of its page.
const PAGES_WITH_TESTS: [&str; 3] = ["seeds", "faults", "security"];

/// Modules whose tests all log in or read pages.
const UI_MODULES: [&str; 2] = ["it::browser::", "it::platform::login::"];

/// Words of tests that use `kubectl`, the plugin, or a real API server as `kubectl` does.
const KUBECTL_WORDS: [&str; 6] = [
    "crate::world::TestWorld",
    "crate::world::TestNamespace",
    "crate::support::admin_kubectl",
    "crate::support::kubectl_apply",
    "crate::support::shared_cluster",
    "super::PluginRunner",
];

/// A test of one of the packages or of this crate.
#[derive(Debug)]
pub(crate) struct TestEntry {
    /// The name as Cargo prints it, after the name of its crate: `it::` is this one.
    pub(crate) name: String,
    /// The ids behind `shows: ` in its documentation.
    pub(crate) shows: Vec<String>,
    /// Whether it reaches a page, a login or `kubectl`.
    pub(crate) uses_ui_or_kubectl: bool,
}

/// Reads all functions of all packages and of this crate.
fn read_source_index() -> SourceIndex {
    let root = assets::root();
    let mut source = SourceIndex::default();
    for folder in assets::package_folders() {
        let name = folder.file_name().and_then(|name| name.to_str()).filter(|_| folder != root);
        let name = name.unwrap_or("tenantry-operator").replace('-', "_");
        source.read_module(&[name], &folder.join("src/lib.rs"), &folder.join("src"));
    }
    source.read_module(&["it".to_owned()], &root.join("tests/it/main.rs"), &root.join("tests/it"));
    source
}

/// Returns every test of all packages and of this crate.
pub(crate) fn all_tests() -> &'static [TestEntry] {
    static TESTS: OnceLock<Vec<TestEntry>> = OnceLock::new();
    TESTS.get_or_init(read_tests)
}

fn read_tests() -> Vec<TestEntry> {
    let source = read_source_index();
    let reach = CallGraph::new(&source);
    let test = |function: &SourceFunction| TestEntry {
        name: function.name(),
        shows: function.shows.clone(),
        uses_ui_or_kubectl: reach.uses_ui_or_kubectl(function),
    };
    source.functions.iter().filter(|function| function.is_test).map(test).collect()
}

/// Returns the words of each test by its name: of its body, and of the functions of its module that it calls.
pub(crate) fn words_of_tests() -> BTreeMap<String, BTreeSet<String>> {
    let source = read_source_index();
    let reach = CallGraph::new(&source);
    source.functions.iter().filter(|test| test.is_test).map(|test| (test.name(), reach.words(test))).collect()
}

/// Returns the names of all tests.
pub(crate) fn all_test_names() -> BTreeSet<String> {
    all_tests().iter().map(|test| test.name.clone()).collect()
}

/// Finds the functions that a test reaches by the words of its body.
struct CallGraph<'s> {
    source: &'s SourceIndex,
    /// The functions of a module, by name.
    by_module: BTreeMap<(&'s [String], &'s str), Vec<&'s SourceFunction>>,
}

impl<'s> CallGraph<'s> {
    fn new(source: &'s SourceIndex) -> Self {
        let mut by_module: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for function in source.functions.iter().filter(|function| !function.is_test) {
            by_module.entry((function.module.as_slice(), function.ident.as_str())).or_default().push(function);
        }
        Self { source, by_module }
    }

    fn words(&self, test: &'s SourceFunction) -> BTreeSet<String> {
        let mut words: BTreeSet<&str> = BTreeSet::new();
        let mut open = vec![test];
        while let Some(function) = open.pop() {
            let new: Vec<&str> = function.words.iter().map(String::as_str).filter(|word| words.insert(word)).collect();
            let called = new.into_iter().filter_map(|word| self.by_module.get(&(test.module.as_slice(), word)));
            open.extend(called.flatten());
        }
        words.into_iter().map(str::to_owned).collect()
    }

    /// Follows words to functions of the same module and of its ancestors. If a word has several meanings, all are
    /// followed. A helper in an unrelated module is not followed, so that a common word has no effect.
    fn uses_ui_or_kubectl(&self, test: &'s SourceFunction) -> bool {
        if UI_MODULES.iter().any(|pages| test.name().starts_with(pages)) {
            return true;
        }
        let mut seen: BTreeSet<(&[String], &str)> = BTreeSet::new();
        let mut open = vec![test];
        while let Some(function) = open.pop() {
            let imports = self.source.imports.get(&function.module);
            for word in &function.words {
                let path = imports.and_then(|imports| imports.get(word));
                if path.is_some_and(|path| KUBECTL_WORDS.contains(&path.as_str())) {
                    return true;
                }
                for depth in (1..=function.module.len()).rev() {
                    let key = (&function.module[..depth], word.as_str());
                    if let Some(found) = self.by_module.get(&key).filter(|_| seen.insert(key)) {
                        open.extend(found);
                    }
                }
            }
        }
        false
    }
}

/// Returns functions whose `shows:` has no effect on any page.
fn misplaced_shows(functions: &[SourceFunction]) -> Vec<String> {
    let is_known = |id: &String| id.split_once('/').is_some_and(|(page, _)| PAGES_WITH_TESTS.contains(&page));
    let mut faults = Vec::new();
    for function in functions {
        if !function.is_test && !function.shows.is_empty() {
            faults.push(format!("`{}` is no test and shows {}", function.name(), function.shows.join(", ")));
        }
        for id in function.shows.iter().filter(|id| !is_known(id)) {
            faults.push(format!(
                "`{}` shows `{id}`, which is on none of the pages {PAGES_WITH_TESTS:?}",
                function.name()
            ));
        }
    }
    faults
}

#[test]
fn whatever_a_function_says_to_show_reaches_a_page() {
    let faults = misplaced_shows(&read_source_index().functions);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn an_id_on_no_page_and_one_of_no_test_are_found_out() {
    let (module, words) = (vec!["it".to_owned()], BTreeSet::new());
    let judge = |is_test: bool, id: &str| {
        let (module, ident, shows, words) = (module.clone(), "a".to_owned(), vec![id.to_owned()], words.clone());
        misplaced_shows(&[SourceFunction { module, ident, is_test, shows, words }]).join("; ")
    };
    assert_eq!(judge(true, "faults/1"), "");
    assert_eq!(judge(false, "faults/1"), "`it::a` is no test and shows faults/1");
    for id in ["fualts/1", "faults", ""] {
        assert!(judge(true, id).starts_with(&format!("`it::a` shows `{id}`, which is on none")), "{id}");
    }
}

#[test]
fn tests_of_a_macro_and_of_its_neighbour_show_what_stands_above_each() {
    let tests = all_tests();
    let shows = |name: &str| &tests.iter().find(|test| test.name == name).expect("the test is there").shows;
    let drawn = "tenantry_operator::status::tests::any_spec_within_the_limits_gives_a_status_that_fits";
    assert_eq!(*shows(drawn), ["faults/31", "faults/77"]);
    assert_eq!(
        *shows(
            "it::leader_election::lost_lease::a_leader_that_may_not_or_cannot_renew_its_lease_ends_as_failed_and_changes_nothing_more"
        ),
        ["faults/26"]
    );
    let life = "it::operator::reconcile::a_partner_and_its_clients_are_made_in_any_order_of_applying";
    assert!(["seeds/clients/end-entities", "faults/65"].iter().all(|id| shows(life).contains(&(*id).to_owned())));
}
