//! Names and words that everybody knows: functions are verbs, a type name has one meaning, what travels together has a name,
//! and comments and docs speak plain technical English.

mod code;
mod prose;

use std::fs;
use std::path::{Path, PathBuf};

use code::Names;

/// Where code and prose are. Golden files, generated files and what others wrote are left out.
const ROOTS: [&str; 7] = ["src", "crates", "tests", "docs", "examples", "packaging", "charts"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below a folder of the repository with one of the endings, sorted.
fn collect_files(folder: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            if !["golden", "target", "node_modules", "proptest-regressions"].contains(&name) {
                collect_files(&path, endings, found);
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
}

fn all_files(endings: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in ROOTS {
        collect_files(&root().join(folder), endings, &mut found);
    }
    let top = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    found.extend(
        top.filter(|path| path.is_file() && endings.iter().any(|ending| path.to_string_lossy().ends_with(ending))),
    );
    let read = |path: PathBuf| {
        let shown = path.strip_prefix(root()).unwrap().display().to_string();
        (shown, fs::read_to_string(&path).unwrap())
    };
    found.into_iter().map(read).collect()
}

fn read_names() -> Names {
    let mut names = Names::default();
    for (path, text) in all_files(&[".rs"]) {
        names.read(&path, &text);
    }
    names
}

/// Prints each fault in a line of its own, so that an editor leads to it.
fn assert_none(what: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{} {what}:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn functions_are_verbs_with_an_object_and_no_lone_past_participles() {
    assert_none("functions are named by a past participle alone", &read_names().lone_participles());
}

#[test]
fn a_type_name_means_one_thing() {
    assert_none("type names stand for more than one thing", &read_names().repeated_types());
}

#[test]
fn what_travels_together_has_a_name() {
    assert_none("parameters are tuples of three or more", &read_names().wide_tuples());
}

#[test]
fn comments_and_docs_speak_plain_technical_english() {
    let mut faults = Vec::new();
    for (path, text) in all_files(&[".rs", ".md", ".sh", ".toml", ".go", ".py", ".yaml", ".tpl", "Makefile"]) {
        faults.extend(prose::dialect_lines(&path, &text));
    }
    assert_none("places in comments or docs hold words of the old dialect", &faults);
}
