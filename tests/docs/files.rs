//! The files of the workspace: how long they are, that each belongs to its package, and what packages may use of each
//! other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::sources::{all_files, root};

/// A file with more lines must be split.
const MAX_FILE_LINES: usize = 440;
/// A program parses, wires and waits. More lines than this belong in its library.
const MAX_PROGRAM_LINES: usize = 60;

/// What each package uses of the others. Cargo refuses a circle; this list also keeps them apart: the platform shares no
/// code with the operator that it tests, and what is published needs little.
const OWN_DEPENDENCIES: [(&str, &[&str]); 8] = [
    ("kubectl-tenantry", &["api", "catalog", "client", "core", "runtime", "wire"]),
    ("tenantry-api", &["catalog"]),
    ("tenantry-catalog", &[]),
    ("tenantry-client", &["api", "catalog", "core", "runtime", "wire"]),
    ("tenantry-core", &["api", "catalog", "wire"]),
    ("tenantry-platform", &["catalog", "runtime", "wire"]),
    ("tenantry-runtime", &[]),
    ("tenantry-wire", &[]),
];

/// Expressions for an API of our kinds.
const TYPED_APIS: [&str; 4] = ["Api::<K>", "Api::<Partner>", "Api::<TenantClient>", "apis::<TenantClient>"];
/// Calls that parse an answer completely. Metadata has the same form in every release.
const PARSING_CALLS: [&str; 7] = [".get(", ".get_opt(", ".list(", ".patch(", ".patch_status(", ".replace(", "watcher("];

/// Returns the sources of all packages, without their tests.
fn package_sources() -> Vec<(String, String)> {
    let is_source = |path: &str| path.starts_with("src/") || path.starts_with("crates/") && path.contains("/src/");
    let sources: Vec<_> = all_files(&[".rs"]).into_iter().filter(|(path, _)| is_source(path)).collect();
    assert!(sources.len() > 300, "{} files", sources.len());
    sources
}

#[test]
fn no_file_is_too_long_and_none_is_named_mod() {
    let mut faults = Vec::new();
    for (path, text) in all_files(&[".rs"]) {
        let lines = text.lines().count();
        let max = if path.ends_with("src/main.rs") { MAX_PROGRAM_LINES } else { MAX_FILE_LINES };
        if lines > max {
            faults.push(format!("{path} has {lines} lines, and {max} are the limit: split it"));
        }
        if path.ends_with("/mod.rs") {
            faults.push(format!("{path}: write `name.rs` beside `name/`"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Returns the files that no module declares, so that nobody compiles and checks them.
fn undeclared_files(sources: &BTreeMap<String, String>) -> Vec<&str> {
    let is_declared = |path: &str| {
        let (folder, file) = path.rsplit_once('/').unwrap_or_default();
        let name = file.trim_end_matches(".rs");
        if folder.ends_with("src") && ["lib", "main"].contains(&name) {
            return true;
        }
        let parents = if folder.ends_with("src") {
            vec![format!("{folder}/lib.rs"), format!("{folder}/main.rs")]
        } else {
            vec![format!("{folder}.rs")]
        };
        let declaration = format!("mod {name};");
        parents.iter().filter_map(|parent| sources.get(parent)).any(|text| text.contains(&declaration))
    };
    sources.keys().map(String::as_str).filter(|path| !is_declared(path)).collect()
}

#[test]
fn every_source_file_belongs_to_its_package() {
    let mut sources: BTreeMap<String, String> = package_sources().into_iter().collect();
    assert_eq!(undeclared_files(&sources), [""; 0]);
    sources.insert("src/forgotten.rs".to_owned(), String::new());
    assert_eq!(undeclared_files(&sources), ["src/forgotten.rs"]);
}

/// Returns the packages of the workspace that a manifest names below `[dependencies]`.
fn own_dependencies(manifest: &str) -> BTreeSet<&str> {
    let section = manifest.split("\n[").find_map(|section| section.strip_prefix("dependencies]"));
    let lines = section.unwrap_or_default().lines();
    lines.filter_map(|line| line.strip_prefix("tenantry-")?.split(['.', ' ']).next()).collect()
}

#[test]
fn packages_use_only_the_packages_below_them() {
    for (package, allowed) in OWN_DEPENDENCIES {
        let path = root().join("crates").join(package).join("Cargo.toml");
        let manifest = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let found = own_dependencies(&manifest);
        assert!(found.iter().all(|name| allowed.contains(name)), "{package} uses {found:?}, and may use {allowed:?}");
    }
    let listed = OWN_DEPENDENCIES.map(|(package, _)| package);
    let folders = std::fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().file_name());
    let unknown: Vec<_> =
        folders.filter(|name| !listed.iter().any(|package| Path::new(package) == Path::new(name))).collect();
    assert!(unknown.is_empty(), "add to the list: {unknown:?}");
    let manifest = "[package]\n\n[dependencies]\nserde = \"1\"\ntenantry-wire.workspace = true\n\n[dev-dependencies]\ntenantry-core.workspace = true\n";
    assert_eq!(own_dependencies(manifest), BTreeSet::from(["wire"]));
}

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
fn every_read_of_our_kinds_parses_each_object_separately() {
    let faults: Vec<String> = package_sources()
        .iter()
        .flat_map(|(path, text)| typed_reads(text).into_iter().map(move |function| format!("{path}: `{function}`")))
        .collect();
    assert!(
        faults.is_empty(),
        "one object of a newer release would fail these, and its unknown fields would be lost; read `ParsedObject<K>`: {faults:#?}"
    );
    let source =
        "fn ok() { Api::<ParsedObject<K>>::all(c).list(&p) }\nfn bad<K>() { let a = Api::<K>::all(c);\n a.list(&p) }";
    assert_eq!(typed_reads(source), ["bad"]);
    assert!(typed_reads("fn meta() { Api::<K>::all(c).get_metadata_opt(n) }").is_empty());
}

/// Returns the sources that read environment variables directly instead of through the flags.
fn sources_reading_environment<'s>(sources: &[(&'s str, &str)]) -> Vec<&'s str> {
    let reads = |text: &str| text.split("env::var").skip(1).any(|rest| !rest.starts_with("(\"HOSTNAME\")"));
    sources.iter().filter(|(_, text)| reads(text)).map(|(path, _)| *path).collect()
}

#[test]
fn no_source_reads_the_environment_past_the_flags() {
    let sources = package_sources();
    let sources: Vec<_> = sources.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    assert_eq!(sources_reading_environment(&sources), [""; 0]);
    assert_eq!(sources_reading_environment(&[("a.rs", "std::env::var(\"MUT\").is_ok()")]), ["a.rs"]);
}
