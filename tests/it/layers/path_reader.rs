//! Reads the paths that a source file names: in `use`, in code, in attributes and in the input of macros.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, File, ItemFn, ItemImpl, ItemMod, ItemUse, Macro, Meta, Path, UseTree};

/// A path as it is written.
#[derive(Clone, Debug)]
pub(super) struct NamedPath {
    pub(super) segments: Vec<String>,
    pub(super) line: usize,
    /// Whether only tests see it.
    pub(super) in_test: bool,
    /// Whether it is in a `use`, where an unknown first word is a crate. Elsewhere it may be a type or a function.
    pub(super) in_use: bool,
}

/// A module and its contents, without inner modules.
#[derive(Clone, Debug, Default)]
pub(super) struct SourceModule {
    /// Names of the modules in it.
    pub(super) children: BTreeSet<String>,
    /// Names that `use` imports, with the paths that they refer to.
    pub(super) aliases: BTreeMap<String, Vec<String>>,
    /// The paths of `use ...::*`.
    pub(super) globs: Vec<Vec<String>>,
    pub(super) named: Vec<NamedPath>,
    pub(super) file: String,
    /// Modules in separate files, and whether only tests see them.
    pub(super) files: Vec<(String, bool)>,
}

/// The location of a file.
#[derive(Clone, Debug)]
pub(super) struct SourceFile {
    /// Its name in messages.
    pub(super) file: String,
    /// The path of its module.
    pub(super) path: Vec<String>,
    /// Whether only tests see it.
    pub(super) in_test: bool,
}

/// Returns every module of a file, by its path.
pub(super) fn read_modules(source_file: SourceFile, parsed: &File) -> BTreeMap<Vec<String>, SourceModule> {
    let SourceFile { file, path, in_test } = source_file;
    let mut reader = PathReader { file, path, in_test, modules: BTreeMap::new() };
    reader.current_module();
    reader.visit_file(parsed);
    reader.modules
}

struct PathReader {
    file: String,
    path: Vec<String>,
    in_test: bool,
    modules: BTreeMap<Vec<String>, SourceModule>,
}

impl PathReader {
    fn current_module(&mut self) -> &mut SourceModule {
        let file = self.file.clone();
        self.modules.entry(self.path.clone()).or_insert_with(|| SourceModule { file, ..SourceModule::default() })
    }

    fn add_path(&mut self, segments: Vec<String>, span: Span, is_in_use: bool) {
        let named = NamedPath { segments, line: span.start().line, in_test: self.in_test, in_use: is_in_use };
        self.current_module().named.push(named);
    }

    /// Reads an item that may be visible to tests only.
    fn read_item(&mut self, attributes: &[Attribute], read: impl FnOnce(&mut Self)) {
        let before = self.in_test;
        self.in_test |= attributes.iter().any(is_test);
        read(self);
        self.in_test = before;
    }

    fn visit_use_tree(&mut self, tree: &UseTree, prefix: &[String]) {
        let join = |ident: &Ident| [prefix, &[ident.to_string()]].concat();
        match tree {
            UseTree::Path(part) => self.visit_use_tree(&part.tree, &join(&part.ident)),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.visit_use_tree(tree, prefix)),
            UseTree::Glob(glob) => {
                self.add_path([prefix, &["*".to_owned()]].concat(), glob.star_token.spans[0], true);
                self.current_module().globs.push(prefix.to_vec());
            }
            UseTree::Name(name) => self.add_import(&name.ident, &name.ident, join(&name.ident)),
            UseTree::Rename(rename) => self.add_import(&rename.ident, &rename.rename, join(&rename.ident)),
        }
    }

    fn add_import(&mut self, ident: &Ident, alias: &Ident, mut path: Vec<String>) {
        let mut alias = alias.to_string();
        // `use a::b::{self}` imports `b`.
        if ident == "self" && path.len() > 1 {
            path.pop();
            if alias == "self" {
                alias = path.last().cloned().unwrap_or_default();
            }
        }
        self.add_path(path.clone(), ident.span(), true);
        self.current_module().aliases.insert(alias, path);
    }

    /// Collects paths among tokens that have no known grammar.
    fn visit_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<Ident> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match &token {
                TokenTree::Ident(ident) if colons == 2 && !path.is_empty() => path.push(ident.clone()),
                TokenTree::Ident(ident) => {
                    self.finish_path(&mut path);
                    path.push(ident.clone());
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => {
                    colons += 1;
                    continue;
                }
                TokenTree::Group(group) => {
                    self.finish_path(&mut path);
                    self.visit_tokens(group.stream());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => self.finish_path(&mut path),
            }
            colons = 0;
        }
        self.finish_path(&mut path);
    }

    fn finish_path(&mut self, path: &mut Vec<Ident>) {
        if let [first, _, ..] = path.as_slice() {
            let span = first.span();
            self.add_path(path.iter().map(ToString::to_string).collect(), span, false);
        }
        path.clear();
    }
}

fn is_test(attribute: &Attribute) -> bool {
    let Meta::List(list) = &attribute.meta else { return false };
    let condition = list.tokens.to_string().replace(' ', "");
    list.path.is_ident("cfg") && (condition == "test" || condition.starts_with("all(test,"))
}

impl<'ast> Visit<'ast> for PathReader {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let name = item.ident.to_string();
        self.current_module().children.insert(name.clone());
        self.read_item(&item.attrs, |reader| match &item.content {
            None => {
                let in_test = reader.in_test;
                reader.current_module().files.push((name, in_test));
            }
            Some((_, items)) => {
                reader.path.push(name);
                reader.current_module();
                for item in items {
                    reader.visit_item(item);
                }
                reader.path.pop();
            }
        });
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.read_item(&item.attrs, |reader| reader.visit_use_tree(&item.tree, &[]));
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.read_item(&item.attrs, |reader| visit::visit_item_fn(reader, item));
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        self.read_item(&item.attrs, |reader| visit::visit_item_impl(reader, item));
    }

    fn visit_path(&mut self, path: &'ast Path) {
        if let Some(first) = path.segments.first() {
            let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.add_path(segments, first.ident.span(), false);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        visit::visit_macro(self, called);
        self.visit_tokens(called.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        // Lints, conditions and doc comments name no code.
        if ["allow", "expect", "warn", "deny", "doc", "cfg"].iter().any(|name| attribute.path().is_ident(name)) {
            return;
        }
        visit::visit_attribute(self, attribute);
        if let Meta::List(list) = &attribute.meta {
            self.visit_tokens(list.tokens.clone());
        }
    }
}
