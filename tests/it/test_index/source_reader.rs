//! Reads the modules of a crate as the compiler does: functions, their bodies, and imports.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{
    Attribute, Block, Expr, ImplItemFn, ItemFn, ItemMacro, ItemMod, ItemUse, Lit, Macro, Meta, Signature, UseTree,
};

/// A function or a method.
#[derive(Debug)]
pub(super) struct SourceFunction {
    pub(super) module: Vec<String>,
    pub(super) ident: String,
    pub(super) is_test: bool,
    pub(super) shows: Vec<String>,
    /// The identifiers of its body.
    pub(super) words: BTreeSet<String>,
}

impl SourceFunction {
    pub(super) fn name(&self) -> String {
        [self.module.as_slice(), std::slice::from_ref(&self.ident)].concat().join("::")
    }
}

/// All functions and imports that were read.
#[derive(Debug, Default)]
pub(super) struct SourceIndex {
    pub(super) functions: Vec<SourceFunction>,
    /// The imported names of each module, with their meaning.
    pub(super) imports: BTreeMap<Vec<String>, BTreeMap<String, String>>,
}

impl SourceIndex {
    /// Reads a file as `module`. Its submodules are in the folder.
    pub(super) fn read_module(&mut self, module: &[String], file: &Path, folder: &Path) {
        let source = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let parsed = syn::parse_file(&source).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        FunctionReader { source: self, module: module.to_vec() }.visit_file(&parsed);
        for item in &parsed.items {
            let syn::Item::Mod(item) = item else { continue };
            if item.content.is_some() {
                continue;
            }
            let name = item.ident.to_string();
            let named = attribute_texts(&item.attrs, "path").pop();
            let inner =
                named.map_or_else(|| folder.join(format!("{name}.rs")), |path| file.with_file_name("").join(path));
            self.read_module(&[module, &[name]].concat(), &inner, &inner.with_extension(""));
        }
    }
}

/// Returns the texts of `#[name = "..."]`; a doc comment is one of them.
fn attribute_texts(attributes: &[Attribute], name: &str) -> Vec<String> {
    let text = |attribute: &Attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident(name) => match &pair.value {
            Expr::Lit(syn::ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    };
    attributes.iter().filter_map(text).collect()
}

/// Returns the ids behind `shows: `.
fn shown_ids(attributes: &[Attribute]) -> Vec<String> {
    let lines = attribute_texts(attributes, "doc");
    let ids = lines.iter().filter_map(|line| line.trim().strip_prefix("shows: "));
    ids.flat_map(|ids| ids.split(',')).map(|id| id.trim().to_owned()).collect()
}

struct FunctionReader<'s> {
    source: &'s mut SourceIndex,
    module: Vec<String>,
}

impl FunctionReader<'_> {
    fn add_function(&mut self, attributes: &[Attribute], signature: &Signature, block: &Block) {
        // `#[test]`, `#[tokio::test]`.
        let is_test = |attribute: &Attribute| attribute.path().segments.last().is_some_and(|last| last.ident == "test");
        let mut words = IdentifierSet::default();
        words.visit_block(block);
        self.source.functions.push(SourceFunction {
            module: self.module.clone(),
            ident: signature.ident.to_string(),
            is_test: attributes.iter().any(is_test),
            shows: shown_ids(attributes),
            words: words.0,
        });
    }

    /// Reads tests inside a macro call, such as those of `proptest!`.
    fn visit_macro_tokens(&mut self, tokens: TokenStream) {
        let (mut is_test, mut is_name) = (false, false);
        let mut attributes = Vec::new();
        for token in tokens {
            match &token {
                TokenTree::Group(group) => {
                    is_test |= group.stream().to_string() == "test";
                    attributes.extend(parse_attribute(group));
                }
                TokenTree::Ident(ident) if is_name => {
                    let (module, ident, shows) = (self.module.clone(), ident.to_string(), shown_ids(&attributes));
                    let words = BTreeSet::new();
                    self.source.functions.push(SourceFunction { module, ident, is_test, shows, words });
                    (is_test, is_name) = (false, false);
                    attributes.clear();
                }
                TokenTree::Ident(ident) if ident == "fn" => is_name = is_test || !attributes.is_empty(),
                _ => {}
            }
        }
    }
}

/// Parses the contents of an attribute.
fn parse_attribute(group: &Group) -> Option<Attribute> {
    if group.delimiter() != Delimiter::Bracket {
        return None;
    }
    let meta = syn::parse2::<Meta>(group.stream()).ok()?;
    Some(syn::parse_quote!(#[#meta]))
}

impl<'ast> Visit<'ast> for FunctionReader<'_> {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let names = self.source.imports.entry(self.module.clone()).or_default();
        collect_imports(&item.tree, "", names);
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.add_function(&item.attrs, &item.sig, &item.block);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.add_function(&item.attrs, &item.sig, &item.block);
    }

    fn visit_item_macro(&mut self, item: &'ast ItemMacro) {
        self.visit_macro_tokens(item.mac.tokens.clone());
    }
}

/// Adds the names that a `use` imports.
fn collect_imports(tree: &UseTree, before: &str, names: &mut BTreeMap<String, String>) {
    match tree {
        UseTree::Path(path) => collect_imports(&path.tree, &format!("{before}{}::", path.ident), names),
        UseTree::Name(name) => {
            names.insert(name.ident.to_string(), format!("{before}{}", name.ident));
        }
        UseTree::Rename(rename) => {
            names.insert(rename.rename.to_string(), format!("{before}{}", rename.ident));
        }
        UseTree::Group(group) => group.items.iter().for_each(|item| collect_imports(item, before, names)),
        UseTree::Glob(_) => {}
    }
}

/// The identifiers of a piece of code.
#[derive(Default)]
struct IdentifierSet(BTreeSet<String>);

impl IdentifierSet {
    fn add_tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.add_tokens(group.stream()),
                TokenTree::Ident(ident) => {
                    self.0.insert(ident.to_string());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for IdentifierSet {
    fn visit_ident(&mut self, ident: &'ast Ident) {
        self.0.insert(ident.to_string());
    }

    fn visit_macro(&mut self, item: &'ast Macro) {
        visit::visit_macro(self, item);
        self.add_tokens(item.tokens.clone());
    }
}
