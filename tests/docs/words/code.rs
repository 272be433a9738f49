//! The names of functions, types and parameters, as the compiler reads them.

use std::collections::BTreeMap;

use syn::visit::{self, Visit};

/// Past participles without the ending `ed`. Those that are verbs as they are (`read`, `run`, `put`, `set`) are none of them.
const IRREGULAR: [&str; 62] = [
    "begun",
    "bound",
    "bought",
    "built",
    "caught",
    "chosen",
    "done",
    "drawn",
    "driven",
    "felt",
    "forgotten",
    "fought",
    "found",
    "given",
    "gone",
    "grown",
    "heard",
    "held",
    "hidden",
    "hung",
    "kept",
    "known",
    "laid",
    "led",
    "left",
    "lent",
    "lit",
    "lost",
    "made",
    "meant",
    "met",
    "paid",
    "proven",
    "said",
    "seen",
    "sent",
    "shown",
    "slept",
    "sold",
    "sought",
    "spent",
    "spoken",
    "spun",
    "stolen",
    "stood",
    "struck",
    "sworn",
    "taken",
    "taught",
    "thought",
    "thrown",
    "told",
    "torn",
    "understood",
    "undone",
    "withdrawn",
    "withheld",
    "won",
    "worn",
    "woven",
    "written",
    "unread",
];

/// Words with that ending that are no participles.
const NO_PARTICIPLES: [&str; 6] = ["embed", "exceed", "feed", "need", "seed", "speed"];

/// A name, and where it is defined.
struct Definition {
    name: String,
    place: String,
}

/// All names of some files.
#[derive(Default)]
pub(crate) struct Names {
    functions: Vec<Definition>,
    types: Vec<Definition>,
    tuples: Vec<Definition>,
}

impl Names {
    /// Adds the names of a file.
    pub(crate) fn read(&mut self, path: &str, text: &str) {
        let file = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
        Reader { path, names: self }.visit_file(&file);
    }

    pub(crate) fn lone_participles(&self) -> Vec<String> {
        self.functions.iter().filter(|one| is_participle(&one.name)).map(Definition::describe).collect()
    }

    pub(crate) fn repeated_types(&self) -> Vec<String> {
        let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for one in &self.types {
            places.entry(&one.name).or_default().push(&one.place);
        }
        let repeated = places.into_iter().filter(|(_, places)| places.len() > 1);
        repeated.map(|(name, places)| format!("`{name}`: {}", places.join(", "))).collect()
    }

    pub(crate) fn wide_tuples(&self) -> Vec<String> {
        self.tuples.iter().map(Definition::describe).collect()
    }
}

impl Definition {
    fn describe(&self) -> String {
        format!("{}: `{}`", self.place, self.name)
    }
}

fn is_participle(name: &str) -> bool {
    let is_regular = name.ends_with("ed") && !NO_PARTICIPLES.contains(&name);
    !name.contains('_') && (is_regular || IRREGULAR.contains(&name))
}

struct Reader<'a> {
    path: &'a str,
    names: &'a mut Names,
}

impl Reader<'_> {
    fn definition(&self, name: &syn::Ident) -> Definition {
        Definition { name: name.to_string(), place: format!("{}:{}", self.path, name.span().start().line) }
    }

    fn read_function(&mut self, signature: &syn::Signature) {
        let definition = self.definition(&signature.ident);
        self.names.functions.push(definition);
        for input in &signature.inputs {
            let syn::FnArg::Typed(input) = input else { continue };
            let is_wide = matches!(&*input.ty, syn::Type::Tuple(tuple) if tuple.elems.len() > 2);
            if is_wide {
                let definition = self.definition(&signature.ident);
                self.names.tuples.push(definition);
            }
        }
    }

    fn read_type(&mut self, name: &syn::Ident) {
        let definition = self.definition(name);
        self.names.types.push(definition);
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.read_function(&item.sig);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.read_function(&item.sig);
        visit::visit_impl_item_fn(self, item);
    }

    /// The methods of a trait of others are named by them.
    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if item.trait_.is_none() {
            visit::visit_item_impl(self, item);
        } else {
            let before = self.names.functions.len();
            visit::visit_item_impl(self, item);
            self.names.functions.truncate(before);
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.read_function(&item.sig);
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.read_type(&item.ident);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.read_type(&item.ident);
        visit::visit_item_enum(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.read_type(&item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.read_type(&item.ident);
        visit::visit_item_type(self, item);
    }

    fn visit_item_union(&mut self, item: &'ast syn::ItemUnion) {
        self.read_type(&item.ident);
        visit::visit_item_union(self, item);
    }
}
