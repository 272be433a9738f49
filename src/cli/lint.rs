//! `lint`: everything that can be known about manifests without a cluster and without a platform.

mod meaning;
mod patch;
mod report;
mod rules;
mod scalars;
mod schema;

use std::collections::BTreeSet;
use std::path::Path;

use clap::ValueEnum;
use serde_json::Value;

use super::cluster::ClusterFlags;
use super::failure::{Failure, Spot};
use super::manifest::{Document, FileFlags, Intake, Manifests, Source};
use super::{Ended, Exit, output};
use crate::api::{GROUP, VERSION};
use rules::{Rules, Verdict};
use scalars::Misread;
use schema::{Misfit, Schema};

/// Check manifests without a cluster and without a platform.
///
/// Finds what the API server would refuse (fields, types, bounds, the rules of the definitions), what the operator
/// would (catalog, references among the manifests, locked defaults, images), what two objects claim both, and texts
/// that YAML reads as something else: an unquoted colour, a postal code that became a number, `no` as a country.
///
/// What is referred to and is not in the input is counted and not judged. Of a patch, which its kustomization or a `$patch`
/// tells, only what it holds is judged. Files of a folder that hold no Tenantry object are passed over and counted. Exit status: 0 nothing was found, or only
/// Secrets that lack the label `tenantry.dev/allow-reference`; 1 something else was, or an error.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  kubectl tenantry lint -f tenants/ -R\n  kubectl tenantry lint -k overlays/prod\n  kubectl tenantry lint -f tenants/ -o sarif > tenantry.sarif"
)]
pub(crate) struct Flags {
    #[command(flatten)]
    files: FileFlags,
    /// Form of what is found.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Form,
}

/// Form of what is found.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A line each, for people.
    Text,
    /// JSON.
    Json,
    /// SARIF 2.1.0, for CI.
    Sarif,
}

/// What kind of mistake it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mistake {
    Yaml,
    Quotes,
    Schema,
    Rule,
    Catalog,
    Reference,
    Twice,
    Label,
}

impl Mistake {
    const ALL: [Self; 8] =
        [Self::Yaml, Self::Quotes, Self::Schema, Self::Rule, Self::Catalog, Self::Reference, Self::Twice, Self::Label];

    /// Whether objects that were applied before go on with it.
    const fn is_warning(self) -> bool {
        matches!(self, Self::Label)
    }

    /// The word by which reports name it.
    const fn name(self) -> &'static str {
        match self {
            Self::Yaml => "manifest",
            Self::Quotes => "quotes",
            Self::Schema => "schema",
            Self::Rule => "rule",
            Self::Catalog => "catalog",
            Self::Reference => "reference",
            Self::Twice => "twice",
            Self::Label => "label",
        }
    }

    const fn meaning(self) -> &'static str {
        match self {
            Self::Yaml => "The text is no manifest.",
            Self::Quotes => "YAML reads a text without quotes as something else.",
            Self::Schema => "The API server refuses it: a field, a type, a word or a bound.",
            Self::Rule => "The API server refuses it by a rule of the definition.",
            Self::Catalog => {
                "The operator refuses it: a value that the platform does not know, or does not allow here."
            }
            Self::Reference => "What it refers to does not fit, or may not be referred to.",
            Self::Twice => "Two objects claim the same.",
            Self::Label => "The operator refuses a new reference to a Secret without the label for it.",
        }
    }
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    mistake: Mistake,
    failure: Failure,
    /// Which member of the object it is about.
    path: Option<String>,
    column: Option<u64>,
}

impl Finding {
    fn new(mistake: Mistake, failure: Failure) -> Self {
        Self { mistake, failure, path: None, column: None }
    }

    /// Findings stand in the order of the files.
    fn place(&self) -> (Option<&Spot>, Option<u64>) {
        (self.failure.spot.as_ref(), self.column)
    }
}

pub(crate) async fn run(flags: &Flags, cluster: &ClusterFlags) -> Ended {
    let Flags { files, output: form } = flags;
    if files.is_empty() {
        return Err(Failure::new("there is nothing to check: name manifests with `-f` or `-k`").into());
    }
    let texts = files.texts().await?;
    let mut linter = Linter::new(cluster.namespace().unwrap_or("default"));
    for source in &texts {
        linter.read(source);
    }
    let (findings, seen) = linter.finish();
    let text = match form {
        Form::Text => report::text(&findings),
        Form::Json => report::json(&findings)?,
        Form::Sarif => report::sarif(&findings)?,
    };
    output::print(&text)?;
    output::note(&report::sum(findings.len(), &seen));
    let are_warnings = findings.iter().all(|finding| finding.mistake.is_warning());
    if are_warnings { Ok(Exit::Nothing) } else { Err(Vec::new()) }
}

/// What was checked.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    partners: usize,
    clients: usize,
    patches: usize,
    ignored: usize,
    /// Files of folders that hold nothing of Tenantry.
    passed_over: usize,
    /// Names that were referred to and are not in the input.
    unknown: Vec<String>,
}

/// Reads texts one after the other, and all together at the end.
struct Linter<'a> {
    namespace: &'a str,
    kinds: Vec<Definition>,
    manifests: Manifests,
    findings: Vec<Finding>,
    partners: usize,
    clients: usize,
    patches: usize,
    /// Objects that are in the input, those that were refused included.
    named: BTreeSet<String>,
}

/// A kind with what its definition demands.
pub(crate) struct Definition {
    name: String,
    schema: Schema,
    rules: Rules,
}

/// Something that the API server would refuse, by its path.
pub(super) struct Refusal {
    /// Path in the object, such as `spec.addOns`.
    pub(super) path: String,
    /// The API server's words.
    pub(super) message: String,
}

/// What the API server would refuse of an object.
pub(super) struct Refusals {
    /// Each by its path.
    pub(super) all: Vec<Refusal>,
    /// What only the API server can tell.
    pub(super) not_evaluated: Vec<String>,
}

impl Definition {
    /// The definitions of both kinds.
    pub(super) fn all() -> Vec<Self> {
        let kind = |crd: &_| {
            let crd = serde_json::to_value(crd).unwrap_or_default();
            let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
            let name = crd["spec"]["names"]["kind"].as_str().unwrap_or_default().to_owned();
            Self { name, schema: Schema::new(schema), rules: Rules::new(schema) }
        };
        crate::api::crds().iter().map(kind).collect()
    }

    /// A question for what was meant at a place of an object of a kind, where something is near.
    pub(crate) fn near(kind: &str, path: &str, object: &Value) -> Option<String> {
        let definition = crate::api::crds().iter().find_map(|crd| {
            let crd = serde_json::to_value(crd).ok().filter(|crd| crd["spec"]["names"]["kind"] == kind)?;
            Some(Schema::new(&crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]))
        })?;
        let pointer = format!("/{}", path.replace(['.', '['], "/").replace(']', ""));
        definition.near(path, object.pointer(&pointer)?)
    }

    /// Name of the kind.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What the API server would refuse of an object that replaces an old one, or none.
    pub(super) fn refusals(&self, object: &Value, old: Option<&Value>) -> Refusals {
        let misfits = self.schema.judge(object);
        let is_blocked = misfits.iter().any(|misfit| misfit.is_blocking);
        let rules = if is_blocked { Verdict::default() } else { self.rules.judge(object, old) };
        let misfits = misfits.into_iter().chain(rules.misfits);
        let all = misfits.map(|misfit| Refusal { path: misfit.path, message: misfit.message }).collect();
        Refusals { all, not_evaluated: rules.not_evaluated }
    }
}

impl<'a> Linter<'a> {
    fn new(namespace: &'a str) -> Self {
        let kinds = Definition::all();
        let (manifests, findings) = (Manifests::default(), Vec::new());
        let named = BTreeSet::new();
        Self { namespace, kinds, manifests, findings, partners: 0, clients: 0, patches: 0, named }
    }

    fn read(&mut self, source: &Source) {
        match Document::all(&source.text) {
            Err((line, why)) => {
                let spot = Spot { file: source.file.clone(), line };
                let failure = Failure::new(format!("this is not YAML: {why}")).at(&spot);
                self.findings.push(Finding::new(Mistake::Yaml, failure));
            }
            Ok(documents) if source.is_passed_over(&documents) => self.manifests.passed_over += 1,
            Ok(documents) => documents.into_iter().for_each(|document| self.document(source, document)),
        }
    }

    fn document(&mut self, source: &Source, mut document: Document) {
        let Source { file, text, .. } = source;
        let kind = document.value["kind"].as_str().unwrap_or_default();
        if kind.ends_with("List") && document.value["items"].is_array() {
            document.items().into_iter().for_each(|item| self.document(source, item));
            return;
        }
        let is_ours = document.value["apiVersion"] == format!("{GROUP}/{VERSION}").as_str();
        let known = self.kinds.iter().find(|known| is_ours && known.name == kind);
        let namespace = source.namespace.as_deref().unwrap_or(self.namespace);
        let before = self.findings.len();
        if let Some(kind) = known
            && patch::is_patch(source, &document)
        {
            self.patches += 1;
            let named = object(&document.value, namespace);
            let found = patch::judge(kind, &mut document, text);
            self.findings.extend(found.into_iter().map(|one| one.at(file, &document, &named)));
            return;
        }
        if source.is_patch {
            // Of another kind, or a list of operations, which says itself of nothing what it is.
            self.manifests.ignored += 1;
            return;
        }
        self.named.insert(object(&document.value, namespace));
        if let Some(kind) = known {
            *if kind.name == "Partner" { &mut self.partners } else { &mut self.clients } += 1;
            let found = judge(kind, &document, text);
            let named = object(&document.value, namespace);
            self.findings.extend(found.into_iter().map(|one| one.at(file, &document, &named)));
        }
        // What does not fit its definition is no object yet.
        if self.findings.len() == before {
            let mut failures = Vec::new();
            self.manifests.take(file, document, &mut Intake { namespace, failures: &mut failures });
            self.findings.extend(failures.into_iter().map(|failure| Finding::new(Mistake::Yaml, failure)));
        }
    }

    /// Everything that was found, in the order of the input, and what was looked at.
    fn finish(mut self) -> (Vec<Finding>, Seen) {
        let mut unknown = meaning::judge(&self.manifests, &mut self.findings);
        // What was refused is in the input all the same.
        unknown.retain(|name| !self.named.contains(name));
        self.findings.sort_by(|one, other| one.place().cmp(&other.place()));
        let Self { manifests, findings, partners, clients, patches, .. } = self;
        let Manifests { ignored, passed_over, .. } = manifests;
        (findings, Seen { partners, clients, patches, ignored, passed_over, unknown })
    }
}

/// Something that was found in one document.
struct Found {
    mistake: Mistake,
    path: String,
    place: Option<(u64, u64)>,
    message: String,
}

impl Found {
    fn at(self, file: &Path, document: &Document, object: &str) -> Finding {
        let Self { mistake, path, place, message } = self;
        let line = place.map_or_else(|| document.line_of(&path), |(line, _)| line);
        let message = if path.is_empty() || message.contains(&path) { message } else { format!("{path}: {message}") };
        let failure = Failure::new(message).about(object).at(&Spot { file: file.to_owned(), line });
        let path = (!path.is_empty()).then_some(path);
        Finding { mistake, failure, path, column: place.map(|(_, column)| column) }
    }
}

/// What the API server would say of one object.
fn judge(kind: &Definition, document: &Document, text: &str) -> Vec<Found> {
    let misfits = kind.schema.judge(&document.value);
    let can_be_asked = misfits.iter().all(|misfit| !misfit.is_blocking);
    let mut found = told(misfits, scalars::misread(document, &kind.schema, text));
    if can_be_asked {
        let Verdict { misfits, not_evaluated } = kind.rules.judge(&document.value, None);
        for note in not_evaluated {
            output::note(&note);
        }
        for misfit in misfits {
            // A text without quotes is one mistake and not two.
            if found.iter().any(|found| found.mistake == Mistake::Quotes && found.path == misfit.path) {
                continue;
            }
            found.push(Found { mistake: Mistake::Rule, path: misfit.path, place: None, message: misfit.message });
        }
    }
    found
}

/// What does not fit the schema, and what is no text for want of quotes.
fn told(misfits: Vec<Misfit>, misread: Vec<Misread>) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for misfit in misfits {
        // A text without quotes is one mistake and not two.
        if !misread.iter().any(|misread| misread.path == misfit.path) {
            found.push(Found { mistake: Mistake::Schema, path: misfit.path, place: None, message: misfit.message });
        }
    }
    for Misread { path, line, column, message } in misread {
        found.push(Found { mistake: Mistake::Quotes, path, place: Some((line, column)), message });
    }
    found
}

/// An object as messages name it.
fn object(value: &Value, namespace: &str) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let namespace = value["metadata"]["namespace"].as_str().unwrap_or(namespace);
    format!("{} `{namespace}/{}`", text(&value["kind"]), text(&value["metadata"]["name"]))
}
