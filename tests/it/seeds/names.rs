//! The names of all tests, read from the sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ItemFn, ItemMacro, ItemMod, Meta};

use crate::assets;

/// Every test of the library and of this crate, by the name that Cargo prints; those of this crate begin with `it::`.
pub(super) fn of_all_tests() -> BTreeSet<String> {
    let mut reader = Reader { path: Vec::new(), names: BTreeSet::new() };
    let root = assets::root();
    reader.file(&root.join("src/lib.rs"), &root.join("src"));
    reader.path.push("it".to_owned());
    reader.file(&root.join("tests/it/main.rs"), &root.join("tests/it"));
    reader.names
}

/// Walks the modules from a root, as the compiler does.
struct Reader {
    path: Vec<String>,
    names: BTreeSet<String>,
}

impl Reader {
    /// Reads a file; `folder` is where its modules are.
    fn file(&mut self, file: &Path, folder: &Path) {
        let source = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let parsed = syn::parse_file(&source).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.visit_file(&parsed);
        for item in &parsed.items {
            let syn::Item::Mod(item) = item else { continue };
            if item.content.is_some() {
                continue;
            }
            let name = item.ident.to_string();
            let beside = file.with_file_name("");
            let inner =
                path_of(&item.attrs).map_or_else(|| folder.join(format!("{name}.rs")), |path| beside.join(path));
            self.path.push(name);
            self.file(&inner, &inner.with_extension(""));
            self.path.pop();
        }
    }

    fn add(&mut self, name: &str) {
        let path = [self.path.as_slice(), &[name.to_owned()]].concat();
        self.names.insert(path.join("::"));
    }

    /// Tests that a macro is given, such as those of `proptest!`.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut is_test = false;
        let mut is_name = false;
        for token in tokens {
            match &token {
                TokenTree::Group(group) if group.stream().to_string() == "test" => is_test = true,
                TokenTree::Ident(ident) if is_name => {
                    self.add(&ident.to_string());
                    (is_test, is_name) = (false, false);
                }
                TokenTree::Ident(ident) if ident == "fn" => is_name = is_test,
                _ => {}
            }
        }
    }
}

/// The file of `#[path = "..."]`.
fn path_of(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    })
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.path.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.path.pop();
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        // `#[test]`, `#[tokio::test]`.
        let is_test = |attribute: &Attribute| attribute.path().segments.last().is_some_and(|last| last.ident == "test");
        if item.attrs.iter().any(is_test) {
            self.add(&item.sig.ident.to_string());
        }
    }

    fn visit_item_macro(&mut self, item: &'ast ItemMacro) {
        self.tokens(item.mac.tokens.clone());
    }
}
