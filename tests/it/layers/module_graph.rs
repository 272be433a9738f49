//! All modules together: resolves each path through renames and re-exports.

use std::collections::BTreeMap;

use super::path_reader::{self, NamedPath, SourceFile, SourceModule};

/// A longer chain of renames is not resolved.
const MAX_RENAMES: usize = 16;

/// Words that begin a path and are neither crate nor module.
const PRIMITIVES: &[&str] = &[
    "bool", "char", "str", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128",
    "usize",
];

/// The library's modules below `crate`, and each program by its own name.
#[derive(Debug, Default)]
pub(super) struct ModuleGraph {
    pub(super) modules: BTreeMap<Vec<String>, SourceModule>,
}

/// A module from which a path is read, and how many renames may still follow.
#[derive(Clone, Copy)]
struct ResolutionOrigin<'a> {
    module: &'a [String],
    steps: usize,
}

impl ModuleGraph {
    /// Adds a file. Returns its modules that are in separate files, and whether only tests see them.
    pub(super) fn add_file(&mut self, file: SourceFile, source: &str) -> Vec<(String, bool)> {
        let parsed = syn::parse_file(source).unwrap_or_else(|error| panic!("{}: {error}", file.file));
        let modules = path_reader::read_modules(file, &parsed);
        let files = modules.values().flat_map(|module| module.files.clone()).collect();
        self.modules.extend(modules);
        files
    }

    /// Resolves a path of a module: first as written, then through every re-export. Returns nothing for a local name.
    pub(super) fn resolve(&self, module: &[String], named: &NamedPath) -> Option<(Vec<String>, Vec<String>)> {
        let written =
            self.absolute_path(ResolutionOrigin { module, steps: MAX_RENAMES }, &named.segments, named.in_use)?;
        let meant = self.follow_reexports(written.clone(), MAX_RENAMES);
        Some((written, meant))
    }

    /// Returns a path that starts with `crate` or with an external crate.
    fn absolute_path(&self, from: ResolutionOrigin<'_>, path: &[String], is_in_use: bool) -> Option<Vec<String>> {
        let module = from.module;
        let (first, rest) = path.split_first()?;
        let below = |module: &[String]| Some([module, rest].concat());
        match first.as_str() {
            // A program has a separate root.
            "crate" => return below(&module[..1]),
            "tenantry" => return below(&["crate".to_owned()]),
            "self" => return below(module),
            "super" => {
                let module = module.split_last()?.1;
                let is_up_again = rest.first().is_some_and(|next| next == "super");
                let parent = ResolutionOrigin { module, ..from };
                return if is_up_again {
                    self.absolute_path(parent, rest, true)
                } else {
                    self.absolute_path(parent, &relative_to_module(rest), true)
                };
            }
            "Self" => return None,
            _ => {}
        }
        if self.modules.get(module)?.children.contains(first) {
            return Some([module, path].concat());
        }
        if let Some(found) = self.resolve_alias(from, first) {
            return below(&found);
        }
        let is_local = first.starts_with(char::is_uppercase) || PRIMITIVES.contains(&first.as_str());
        let is_crate = !is_local && (is_in_use || path.len() > 1);
        is_crate.then(|| path.to_vec())
    }

    /// Resolves a name that `use` imports into a module.
    fn resolve_alias(&self, from: ResolutionOrigin<'_>, name: &str) -> Option<Vec<String>> {
        let here = self.modules.get(from.module)?;
        let from = ResolutionOrigin { steps: from.steps.checked_sub(1)?, ..from };
        if let Some(path) = here.aliases.get(name) {
            // `use kube;` refers to itself.
            let is_itself = path.first().is_some_and(|first| first == name);
            return if is_itself { Some(path.clone()) } else { self.absolute_path(from, path, true) };
        }
        here.globs.iter().find_map(|glob| {
            let target = self.absolute_path(from, glob, true)?;
            let there = self.modules.get(&target).filter(|_| target != from.module)?;
            if there.children.contains(name) {
                return Some([target, vec![name.to_owned()]].concat());
            }
            self.resolve_alias(ResolutionOrigin { module: &target, ..from }, name)
        })
    }

    /// Replaces each name on the path that its module only re-exports.
    fn follow_reexports(&self, path: Vec<String>, steps: usize) -> Vec<String> {
        let Some(steps) = steps.checked_sub(1) else { return path };
        for end in 1..path.len() {
            let (module, rest) = path.split_at(end);
            let Some(here) = self.modules.get(module) else { return path };
            let (name, rest) = (&rest[0], &rest[1..]);
            if here.children.contains(name) {
                continue;
            }
            return match self.resolve_alias(ResolutionOrigin { module, steps }, name) {
                Some(found) => self.follow_reexports([found.as_slice(), rest].concat(), steps),
                None => path,
            };
        }
        path
    }
}

/// Returns a path that begins in the module itself.
fn relative_to_module(path: &[String]) -> Vec<String> {
    [&["self".to_owned()], path].concat()
}
