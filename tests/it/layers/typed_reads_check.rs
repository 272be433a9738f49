//! Verifies the support for objects of a newer release: every read of our kinds parses each object separately.

use std::fs;

use super::rust_files;
use crate::assets;

/// Expressions for an API of our kinds.
const TYPED_APIS: [&str; 4] = ["Api::<K>", "Api::<Partner>", "Api::<TenantClient>", "apis::<TenantClient>"];
/// Calls that parse an answer completely. Metadata has the same form in every release.
const PARSING_CALLS: [&str; 7] = [".get(", ".get_opt(", ".list(", ".patch(", ".patch_status(", ".replace(", "watcher("];

/// Returns the functions of a source text that read an object by its type.
fn typed_reads(source: &str) -> Vec<String> {
    let functions = source.split("fn ").skip(1);
    let is_typed = |function: &&str| {
        TYPED_APIS.iter().any(|typed| function.contains(typed))
            && PARSING_CALLS.iter().any(|call| function.contains(call))
    };
    let name = |function: &str| function.split(['(', '<']).next().unwrap_or_default().to_owned();
    functions.filter(is_typed).map(name).collect()
}

#[test]
fn every_object_of_our_kinds_is_read_for_itself() {
    let sources = rust_files(&assets::root().join("src"));
    let faults: Vec<String> = sources
        .iter()
        .flat_map(|file| {
            let found = typed_reads(&fs::read_to_string(file).unwrap());
            found.into_iter().map(move |function| format!("{}: `{function}`", file.display()))
        })
        .collect();
    assert!(
        faults.is_empty(),
        "one object of a newer release would fail these, and its unknown fields would be passed over; read `Reading<K>`: {faults:#?}"
    );
}

#[test]
fn a_typed_read_is_found() {
    let source =
        "fn ok() { Api::<Reading<K>>::all(c).list(&p) }\nfn bad<K>() { let a = Api::<K>::all(c);\n a.list(&p) }";
    assert_eq!(typed_reads(source), ["bad"]);
    assert!(typed_reads("fn meta() { Api::<K>::all(c).get_metadata_opt(n) }").is_empty());
}
