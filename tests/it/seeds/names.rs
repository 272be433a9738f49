//! The tests of the sources: their names, what they show, and whether they go where people go.

mod reader;

use std::collections::{BTreeMap, BTreeSet};

use reader::{Function, Source};

use crate::assets;

/// Modules whose tests log in or look at pages, all of them.
const PAGES: [&str; 2] = ["it::browser::", "it::platform::login::"];

/// What speaks `kubectl`, the plugin, or to a real API server as `kubectl` does.
const KUBECTL: [&str; 6] = [
    "crate::world::World",
    "crate::world::Space",
    "crate::support::kubectl",
    "crate::support::apply",
    "crate::support::cluster",
    "super::Desk",
];

/// A test of the library or of this crate.
#[derive(Debug)]
pub(crate) struct Test {
    /// As Cargo prints it; those of this crate begin with `it::`.
    pub(crate) name: String,
    /// What it shows: the ids behind `shows: ` in its documentation.
    pub(crate) shows: Vec<String>,
    /// It reaches a page, a login or `kubectl`.
    pub(crate) is_felt: bool,
}

/// Every test of the library and of this crate.
pub(crate) fn all_tests() -> Vec<Test> {
    let root = assets::root();
    let mut source = Source::default();
    source.read(&[], &root.join("src/lib.rs"), &root.join("src"));
    source.read(&["it".to_owned()], &root.join("tests/it/main.rs"), &root.join("tests/it"));
    let reach = Reach::new(&source);
    let test = |function: &Function| Test {
        name: function.name(),
        shows: function.shows.clone(),
        is_felt: reach.is_felt(function),
    };
    source.functions.iter().filter(|function| function.is_test).map(test).collect()
}

/// The names of all tests.
pub(crate) fn of_all_tests() -> BTreeSet<String> {
    all_tests().into_iter().map(|test| test.name).collect()
}

/// Which functions a test reaches by the words of its body.
struct Reach<'s> {
    source: &'s Source,
    /// The functions of a module, by name.
    by_module: BTreeMap<(&'s [String], &'s str), Vec<&'s Function>>,
}

impl<'s> Reach<'s> {
    fn new(source: &'s Source) -> Self {
        let mut by_module: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for function in source.functions.iter().filter(|function| !function.is_test) {
            by_module.entry((function.module.as_slice(), function.ident.as_str())).or_default().push(function);
        }
        Self { source, by_module }
    }

    /// Follows words to functions of the same module and of those around it. Where a word has several meanings all are
    /// followed; a helper in an unrelated module is not, so that a common word leads nowhere.
    fn is_felt(&self, test: &'s Function) -> bool {
        if PAGES.iter().any(|pages| test.name().starts_with(pages)) {
            return true;
        }
        let mut seen: BTreeSet<(&[String], &str)> = BTreeSet::new();
        let mut open = vec![test];
        while let Some(function) = open.pop() {
            let imports = self.source.imports.get(&function.module);
            for word in &function.words {
                let path = imports.and_then(|imports| imports.get(word));
                if path.is_some_and(|path| KUBECTL.contains(&path.as_str())) {
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
