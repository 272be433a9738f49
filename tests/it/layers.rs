//! Verifies the layers of the design: each one uses only the layers below it, the pure ones use neither clock nor
//! randomness, and no file is too long.

mod layer_rules;
mod module_graph;
mod path_reader;
mod typed_reads_check;

use std::fs;
use std::path::{Path, PathBuf};

use layer_rules::{LAYERS, LayerRules};
use module_graph::ModuleGraph;
use path_reader::SourceFile;

use crate::assets;

/// A file with more lines must be split.
const MAX_FILE_LINES: usize = 440;
/// A program parses, wires and waits. More lines than this belong in the library.
const MAX_PROGRAM_LINES: usize = 60;

/// Returns the layer of a module: a folder of the library, or a program.
fn layer_of(path: &[String]) -> &str {
    match path {
        [first, room, ..] if first == "crate" => room,
        [program, ..] => program,
        [] => "",
    }
}

/// Returns whether a path is one of `prefixes` or below it.
fn is_below(path: &[String], prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| {
        let prefix: Vec<&str> = prefix.split("::").collect();
        path.len() >= prefix.len() && path.iter().zip(&prefix).all(|(one, other)| one == other)
    })
}

/// Returns why a layer may not use a path, or nothing if it may.
fn layer_violation(layer: &LayerRules, path: &[String], is_in_test: bool) -> Option<&'static str> {
    let first = path.first().map(String::as_str).unwrap_or_default();
    if first == "crate" {
        let other = layer_of(path);
        let is_room = LAYERS.iter().any(|room| room.name == other);
        if is_room && other != layer.name && !layer.allowed_layers.contains(&other) {
            return Some("that room is not below it");
        }
    } else if ["core", "alloc"].contains(&first) {
        return Some("write `std`, so that one list holds it");
    } else if !is_in_test && first != layer.name && !is_below(path, layer.crates) {
        // Tests may use crates that the tested code may not.
        return Some("that is not on its list");
    }
    (!is_in_test && is_below(path, layer.except)).then_some("that part is kept from it")
}

/// Returns every path that a layer uses and may not use.
fn layer_violations(graph: &ModuleGraph) -> Vec<String> {
    let mut violations = Vec::new();
    for (path, module) in &graph.modules {
        let name = layer_of(path);
        // The library's root declares the layers and uses none.
        let Some(room) = LAYERS.iter().find(|room| room.name == name) else {
            if path.len() > 1 {
                violations.push(format!("{}: the room `{name}` has no list", module.file));
            }
            continue;
        };
        for named in &module.named {
            let Some((written, meant)) = graph.resolve(path, named) else { continue };
            let found = [&written, &meant].into_iter().find_map(|path| layer_violation(room, path, named.in_test));
            if let Some(why) = found {
                let (file, line, path) = (&module.file, named.line, meant.join("::"));
                violations.push(format!("{file}:{line}: `{name}` names `{path}`: {why}"));
            }
        }
    }
    violations
}

/// All of `src`, and the files that belong to it.
#[derive(Default)]
struct SourceTree {
    world: ModuleGraph,
    files_seen: Vec<PathBuf>,
}

impl SourceTree {
    fn read_sources() -> Self {
        let mut house = Self::default();
        let src = assets::root().join("src");
        house.add_file(&src.join("lib.rs"), &["crate"], false);
        house.add_file(&src.join("main.rs"), &["main"], false);
        for program in rust_files(&src.join("bin")) {
            let name = program.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            house.add_file(&program, &[&format!("bin/{name}")], false);
        }
        house
    }

    /// Adds a file and the files of its modules. `path` is its place in the module tree.
    fn add_file(&mut self, file: &Path, path: &[&str], is_in_test: bool) {
        let source = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let shown = file.strip_prefix(assets::root()).unwrap_or(file).display().to_string();
        let inner = self.world.add_file(source_file(&shown, path, is_in_test), &source);
        self.files_seen.push(file.to_owned());
        let is_root = ["lib.rs", "main.rs"].iter().any(|name| file.ends_with(name));
        let folder = if is_root { file.with_file_name("") } else { file.with_extension("") };
        for (name, in_test) in inner {
            self.add_file(&folder.join(format!("{name}.rs")), &[path, &[&name]].concat(), in_test);
        }
    }
}

fn source_file(file: &str, path: &[&str], is_in_test: bool) -> SourceFile {
    SourceFile { file: file.to_owned(), path: path.iter().map(ToString::to_string).collect(), in_test: is_in_test }
}

/// Returns every Rust file below a folder.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            files.extend(self::rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

#[test]
fn each_room_uses_only_what_is_on_its_list() {
    let SourceTree { world, files_seen: seen } = SourceTree::read_sources();
    let violations = layer_violations(&world);
    assert!(violations.is_empty(), "{}:\n{}", violations.len(), violations.join("\n"));
    let named: usize = world.modules.values().map(|module| module.named.len()).sum();
    println!("{} files, {} modules, {named} paths", seen.len(), world.modules.len());
}

#[test]
fn every_source_file_belongs_to_the_house() {
    let seen = SourceTree::read_sources().files_seen;
    let strays: Vec<PathBuf> =
        rust_files(&assets::root().join("src")).into_iter().filter(|file| !seen.contains(file)).collect();
    assert!(strays.is_empty(), "no module names these files, so nobody compiles or checks them: {strays:?}");
}

#[test]
fn no_file_is_two_rooms() {
    let long = |file: &PathBuf| {
        let lines = fs::read_to_string(file).unwrap().lines().count();
        let is_program =
            file.ends_with("src/main.rs") || file.parent().is_some_and(|folder| folder.ends_with("src/bin"));
        let most = if is_program { MAX_PROGRAM_LINES } else { MAX_FILE_LINES };
        (lines > most).then(|| format!("{} has {lines} lines, {most} are enough", file.display()))
    };
    let all = [rust_files(&assets::root().join("src")), rust_files(&assets::root().join("tests"))].concat();
    let long: Vec<String> = all.iter().filter_map(long).collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
    let named_mod: Vec<&PathBuf> = all.iter().filter(|file| file.ends_with("mod.rs")).collect();
    assert!(named_mod.is_empty(), "write `room.rs` beside `room/`: {named_mod:?}");
}

/// Returns the violations in one file of a layer, with other files around it.
fn violations_of_source(layer: &str, source: &str) -> Vec<String> {
    let mut world = ModuleGraph::default();
    let mut add = |file: &str, path: &[&str], source: &str| world.add_file(source_file(file, path, false), source);
    add("lib.rs", &["crate"], "pub mod api; pub mod catalog; pub mod connect; pub mod plan; pub mod wire;");
    add("plan.rs", &["crate", "plan"], "mod file; mod time; pub use time::Moment;");
    add("plan/time.rs", &["crate", "plan", "time"], "pub use jiff::Timestamp as Moment;");
    add("api.rs", &["crate", "api"], "pub use kube::Client as Cluster; pub struct Partner;");
    match layer {
        "plan" => add("seed.rs", &["crate", "plan", "file"], source),
        "main" => add("seed.rs", &["main"], source),
        room => add("seed.rs", &["crate", room], source),
    };
    layer_violations(&world).into_iter().filter(|line| line.starts_with("seed.rs")).collect()
}

#[test]
fn seeded_violations_are_found() {
    for (room, source, found) in [
        ("plan", "use crate::operator::Context;", "crate::operator::Context"),
        ("plan", "use crate::{connect::map, wire};", "crate::connect::map"),
        ("plan", "fn f() { super::super::connect::send() }", "crate::connect::send"),
        ("plan", "use kube::Client;", "kube::Client"),
        ("plan", "use crate::api::Cluster;", "kube::Client"),
        ("plan", "fn f(x: &crate::api::Partner) {}", "crate::api::Partner"),
        ("plan", "fn f() { jiff::Timestamp::now(); }", "jiff::Timestamp::now"),
        ("plan", "use jiff::Timestamp as T; fn f() { T::now(); }", "jiff::Timestamp::now"),
        ("plan", "use super::Moment; fn f() { Moment::now(); }", "jiff::Timestamp::now"),
        ("plan", "use super::*; fn f() { Moment::now(); }", "jiff::Timestamp::now"),
        ("plan", "use jiff::Zoned; fn f() { println!(\"{}\", Zoned::now()) }", "jiff::Zoned::now"),
        ("plan", "use jiff::*;", "jiff::*"),
        ("plan", "use std::time::{Duration, Instant};", "std::time::Instant"),
        ("plan", "use std::time; fn f() { time::SystemTime::now(); }", "std::time::SystemTime::now"),
        ("plan", "fn f() { format!(\"{:?}\", std::env::var(\"HOME\")); }", "std::env::var"),
        ("plan", "mod inner { fn f() { std::fs::read(\"x\"); } }", "std::fs::read"),
        ("plan", "fn f<T: std::net::ToSocketAddrs>() {}", "std::net::ToSocketAddrs"),
        ("plan", "use std::{thread, collections::HashMap};", "std::collections::HashMap"),
        ("plan", "#[derive(kube::CustomResource)] struct S;", "kube::CustomResource"),
        ("wire", "fn f() -> u32 { rand::random() }", "rand::random"),
        ("wire", "use tokio as t; async fn f() { t::time::sleep(x).await }", "tokio::time::sleep"),
        ("wire", "use crate::api::Partner;", "crate::api::Partner"),
        ("catalog", "use sqlx::Row as _;", "sqlx::Row"),
        ("catalog", "fn f() { core::hint::black_box(1); }", "core::hint::black_box"),
        ("api", "use kube::Api;", "kube::Api"),
        ("connect", "use kube::ResourceExt;", "kube::ResourceExt"),
        ("platform", "use crate::plan::diff;", "crate::plan::diff"),
        ("operator", "fn f(x: reqwest::Client) {}", "reqwest::Client"),
        ("operator", "use crate::platform;", "crate::platform"),
        ("main", "use tenantry_core::diff;", "crate::plan::diff"),
        ("attic", "fn f() {}", "`attic` has no list"),
    ] {
        let violations = violations_of_source(room, source);
        assert!(violations.iter().any(|line| line.contains(found)), "{room}: {source}: {violations:?}");
    }
}

#[test]
fn what_is_allowed_is_let_pass() {
    for (room, source) in [
        ("plan", "use crate::{api::PartnerSpec, catalog::{self, AddOn}, wire}; use super::file;"),
        ("plan", "use std::time::Duration; use jiff::{SignedDuration, Timestamp}; fn f(now: Timestamp) {}"),
        ("plan", "fn f() { u64::MAX; str::from_utf8(x); Self::g(); Vec::new(); local::<u8>(); x.tokio.kube }"),
        ("plan", "#[cfg(test)] mod tests { use super::*; use proptest::prelude::*; fn f() { std::env::temp_dir(); } }"),
        ("plan", "#[allow(clippy::todo, reason = \"kube::Client\")] fn f() { g(\"kube::Client\") } /* kube::Client */"),
        ("api", "use kube::{CustomResource, KubeSchema}; #[derive(CustomResource)] struct S;"),
        ("main", "use tenantry_runtime::telemetry; mod inner { use crate::f; } fn f() { tenantry_operator::run() }"),
    ] {
        assert_eq!(violations_of_source(room, source), [""; 0], "{room}: {source}");
    }
    let tests_keep_to_rooms = violations_of_source("plan", "#[cfg(test)] mod tests { use crate::operator::Context; }");
    assert_eq!(tests_keep_to_rooms.len(), 1, "{tests_keep_to_rooms:?}");
}

/// Returns the sources that read environment variables directly instead of through the flags.
fn sources_reading_environment(sources: &[(PathBuf, String)]) -> Vec<String> {
    let asks = |text: &str| {
        let variables = text.split("env::var").skip(1);
        variables.filter(|rest| !rest.starts_with("(\"HOSTNAME\")")).count()
    };
    sources.iter().filter(|(_, text)| asks(text) > 0).map(|(path, _)| path.display().to_string()).collect()
}

#[test]
fn no_source_asks_the_environment_past_the_flags() {
    let sources: Vec<(PathBuf, String)> = rust_files(&assets::root().join("src"))
        .into_iter()
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect();
    assert!(sources.len() > 100, "{}", sources.len());
    assert_eq!(sources_reading_environment(&sources), [""; 0]);
    let switch = [(PathBuf::from("a.rs"), "std::env::var(\"MUT\").is_ok()".to_owned())];
    assert_eq!(sources_reading_environment(&switch), ["a.rs"]);
}
