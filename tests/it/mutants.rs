//! Verifies that the patches in `tests/mutants` apply to the current code, and that the tests that they name exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::assets;
use crate::platform::TestFolder;
use crate::test_index;

/// Returns the patches, in the order of their numbers.
fn mutant_patches() -> Vec<PathBuf> {
    let folder = assets::root().join("tests/mutants");
    let mut patches: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    patches.sort();
    patches
}

/// Returns what is wrong with a patch, given the names of all tests.
fn patch_faults(patch: &Path, tests: &BTreeSet<String>) -> Vec<String> {
    let mut faults = Vec::new();
    let applied = Command::new("git").arg("apply").arg("--check").arg(patch).current_dir(assets::root()).output();
    let applied = applied.expect("`git` is needed to try patches: install it");
    if !applied.status.success() {
        faults.push(String::from_utf8_lossy(&applied.stderr).trim().to_owned());
    }
    let text = fs::read_to_string(patch).unwrap();
    let named: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("test: ")).collect();
    if named.is_empty() {
        faults.push("it names no test: add a line `test: NAME`".to_owned());
    }
    faults.extend(named.iter().filter(|test| !tests.contains(**test)).map(|test| format!("there is no test `{test}`")));
    faults
}

#[test]
fn each_mutant_fits_the_code_and_names_tests_that_exist() {
    let (patches, tests) = (mutant_patches(), test_index::all_test_names());
    assert!(patches.len() >= 57, "{patches:?}");
    let faults: Vec<_> = patches.iter().map(|patch| (patch, patch_faults(patch, &tests))).collect();
    let faults: Vec<_> = faults.iter().filter(|(_, faults)| !faults.is_empty()).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_mutant_of_former_code_is_found() {
    let folder = TestFolder::new();
    let patch = folder.path("99-stale.patch");
    let stale =
        "nothing\ntest: it::mutants::no_such_test\n\n--- a/Makefile\n+++ b/Makefile\n@@ -1 +1 @@\n-gone\n+new\n";
    fs::write(&patch, stale).unwrap();
    assert_eq!(patch_faults(&patch, &test_index::all_test_names()).len(), 2);
}
