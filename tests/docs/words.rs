//! Names and words that everybody knows: functions are verbs, a type name has one meaning, what travels together has a name,
//! and comments and docs speak plain technical English.

mod code;
mod prose;

use code::Names;

use super::sources::all_files;

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
