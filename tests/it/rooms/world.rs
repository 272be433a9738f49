//! All modules together: what each path leads to, renames and re-exports resolved.

use std::collections::BTreeMap;

use super::reader::{self, Module, Named};

/// More renames than this lead nowhere.
const STEPS: usize = 16;

/// Words that begin a path and are neither crate nor module.
const PRIMITIVES: &[&str] = &[
    "bool", "char", "str", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128",
    "usize",
];

/// The library's modules below `crate`, and each program by its own name.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) modules: BTreeMap<Vec<String>, Module>,
}

impl World {
    /// Adds a file whose module stands at `path`.
    pub(super) fn add(&mut self, file: &str, path: &[&str], in_test: bool, source: &str) -> Vec<(String, bool)> {
        let parsed = syn::parse_file(source).unwrap_or_else(|error| panic!("{file}: {error}"));
        let path: Vec<String> = path.iter().map(ToString::to_string).collect();
        let modules = reader::read(file, path, in_test, &parsed);
        let files = modules.values().flat_map(|module| module.files.clone()).collect();
        self.modules.extend(modules);
        files
    }

    /// Where a path of a module leads, first as written and then through every re-export; nothing for a local name.
    pub(super) fn resolve(&self, module: &[String], named: &Named) -> Option<(Vec<String>, Vec<String>)> {
        let written = self.absolute(module, &named.segments, named.in_use, STEPS)?;
        let meant = self.follow(written.clone(), STEPS);
        Some((written, meant))
    }

    /// A path from `crate` or from a crate of others.
    fn absolute(&self, module: &[String], path: &[String], in_use: bool, steps: usize) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        let below = |module: &[String], rest: &[String]| Some([module, rest].concat());
        match first.as_str() {
            "crate" if module.first().is_some_and(|root| root == "crate") => return Some(path.to_vec()),
            "crate" => return below(&module[..1], rest),
            "tenantry" => return below(&["crate".to_owned()], rest),
            "self" => return below(module, rest),
            "super" => {
                let parent = module.split_last()?.1;
                return if rest.is_empty() {
                    Some(parent.to_vec())
                } else {
                    self.absolute(parent, &up(rest), true, steps)
                };
            }
            "Self" => return None,
            _ => {}
        }
        let here = self.modules.get(module)?;
        if here.children.contains(first) {
            return below(module, path);
        }
        if let Some(found) = self.alias(module, here, first, steps) {
            return below(&found, rest);
        }
        let is_local = first.starts_with(char::is_uppercase) || PRIMITIVES.contains(&first.as_str());
        let is_crate = !is_local && (in_use || path.len() > 1);
        is_crate.then(|| path.to_vec())
    }

    /// What a name stands for that `use` brought into a module.
    fn alias(&self, module: &[String], here: &Module, name: &str, steps: usize) -> Option<Vec<String>> {
        let steps = steps.checked_sub(1)?;
        if let Some(path) = here.aliases.get(name) {
            // `use kube;` stands for itself.
            let is_itself = path.first().is_some_and(|first| first == name);
            return if is_itself { Some(path.clone()) } else { self.absolute(module, path, true, steps) };
        }
        here.globs.iter().find_map(|glob| {
            let target = self.absolute(module, glob, true, steps)?;
            let there = self.modules.get(&target).filter(|_| target != module)?;
            if there.children.contains(name) {
                return Some([target, vec![name.to_owned()]].concat());
            }
            self.alias(&target, there, name, steps)
        })
    }

    /// Replaces each name on the way that its module only passes on.
    fn follow(&self, path: Vec<String>, steps: usize) -> Vec<String> {
        let Some(steps) = steps.checked_sub(1) else { return path };
        for end in 1..path.len() {
            let (module, rest) = path.split_at(end);
            let Some(here) = self.modules.get(module) else { return path };
            let (name, rest) = (&rest[0], &rest[1..]);
            if here.children.contains(name) {
                continue;
            }
            return match self.alias(module, here, name, steps) {
                Some(found) => self.follow([found.as_slice(), rest].concat(), steps),
                None => path,
            };
        }
        path
    }
}

/// What follows `super`, read from the parent.
fn up(rest: &[String]) -> Vec<String> {
    if rest.first().is_some_and(|first| first == "super") {
        rest.to_vec()
    } else {
        [&["self".to_owned()], rest].concat()
    }
}
