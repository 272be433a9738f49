//! The pages for people: their links are valid, and the tests that they name exist.

mod sample_times;
mod security;
mod troubleshooting;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use crate::assets;
use crate::test_index;

/// Reads every page, by its path from the root.
fn read_pages() -> BTreeMap<String, String> {
    let root = assets::root();
    let mut found = BTreeMap::new();
    for folder in [root.to_path_buf(), root.join("docs")] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "md") {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                found.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    found
}

/// Returns the anchors within a page.
fn page_anchors(page: &str) -> BTreeSet<String> {
    let headings = page
        .lines()
        .filter_map(|line| line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')));
    let anchor = |heading: &str| {
        let kept =
            heading.to_lowercase().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>();
        kept.replace(' ', "-")
    };
    headings.map(anchor).collect()
}

/// Returns the targets of a page's links.
fn page_links(page: &str) -> Vec<&str> {
    page.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect()
}

/// Returns what is wrong with the links of a page.
fn link_faults(name: &str, page: &str, pages: &BTreeMap<String, String>) -> Vec<String> {
    let mut faults = Vec::new();
    for link in page_links(page).into_iter().filter(|link| !link.contains("://")) {
        let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
        let folder = PathBuf::from(name).parent().map(PathBuf::from).unwrap_or_default();
        let target = if path.is_empty() { name.to_owned() } else { normalize_path(&folder.join(path)) };
        if !assets::root().join(&target).exists() {
            faults.push(format!("{name}: `{link}` leads nowhere"));
        } else if !anchor.is_empty() && !pages.get(&target).is_some_and(|page| page_anchors(page).contains(anchor)) {
            faults.push(format!("{name}: `{link}` names no heading"));
        }
    }
    faults
}

/// Resolves `..` in a path.
fn normalize_path(path: &std::path::Path) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.to_str().unwrap().split('/') {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[test]
fn every_link_of_a_page_leads_somewhere() {
    let pages = read_pages();
    let faults: Vec<String> = pages.iter().flat_map(|(name, page)| link_faults(name, page, &pages)).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    let linked: BTreeSet<String> = page_links(&pages["README.md"]).into_iter().map(str::to_owned).collect();
    let missing: Vec<&String> = pages.keys().filter(|name| *name != "README.md" && !linked.contains(*name)).collect();
    assert!(missing.is_empty(), "README.md does not lead to {missing:?}");
}

#[test]
fn a_test_that_a_page_names_exists() {
    let tests = test_index::all_test_names();
    for (name, page) in read_pages() {
        let is_test = |word: &&str| word.starts_with("it::") || word.contains("::tests::");
        for word in page.split('`').filter(|word| is_test(word) && !word.contains([' ', '\n'])) {
            let is_there = tests.contains(word) || tests.iter().any(|test| test.starts_with(&format!("{word}::")));
            assert!(is_there || word == "it::", "{name}: there is no test `{word}`");
        }
    }
}

#[test]
fn a_link_that_leads_nowhere_is_found_out() {
    let page = "# One\n\n## Two words: `three`\n[a](../README.md) [b](other.md#two-words-three) [c](#one) [d](https://x.example)\n";
    let pages = BTreeMap::from([
        ("docs/faults.md".to_owned(), page.to_owned()),
        ("docs/model.md".to_owned(), page.to_owned()),
        ("README.md".to_owned(), String::new()),
    ]);
    let of = |page: &str| link_faults("docs/faults.md", page, &pages);
    assert_eq!(of(&page.replace("other.md", "model.md")), Vec::<String>::new());
    assert_eq!(of(page), ["docs/faults.md: `other.md#two-words-three` leads nowhere"]);
    assert_eq!(of("[a](model.md#two)"), ["docs/faults.md: `model.md#two` names no heading"]);
    assert_eq!(of("[a](../docs.md)"), ["docs/faults.md: `../docs.md` leads nowhere"]);
}
