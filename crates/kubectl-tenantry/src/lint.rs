//! `lint`: finds what can be known about manifests without a cluster and without a platform.

mod cel_rules;
mod patch;
mod report;
mod scalars;
mod schema;
mod semantics;

use std::collections::BTreeSet;
use std::path::Path;

use clap::ValueEnum;
use serde_json::Value;
use tenantry_api::{GROUP, VERSION};

use super::cluster::ClusterFlags;
use super::failure::{Failure, FileLocation};
use super::manifest::{FileFlags, ManifestSource, Manifests, ReadContext, YamlDocument};
use super::{CommandResult, ExitKind, output};
use cel_rules::{CelRuleResult, CelRules};
use scalars::MisreadScalar;
use schema::{KindSchema, SchemaViolation};

/// Check manifests without a cluster and without a platform.
///
/// Finds what the API server would refuse (fields, types, bounds, the rules of the definitions), what the operator
/// would (catalog, references among the manifests, locked defaults, images), what two objects claim both, and texts
/// that YAML reads as something else: an unquoted colour, a postal code that became a number, `no` as a country.
///
/// What is referred to and is not in the input is counted and not judged. Of a patch, which its kustomization or a
/// `$patch` marks as one, only what it holds is judged. Files of a folder that hold no Tenantry object are passed over
/// and counted. Exit status: 0 nothing was found, or only Secrets that lack the label `tenantry.dev/allow-reference`; 1
/// something else was, or an error.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  kubectl tenantry lint -f tenants/ -R\n  kubectl tenantry lint -k overlays/prod\n  kubectl tenantry lint -f tenants/ -o sarif > tenantry.sarif"
)]
pub(crate) struct LintFlags {
    #[command(flatten)]
    files: FileFlags,
    /// Form of what is found.
    #[arg(short, long, value_enum, default_value = "text")]
    output: LintFormat,
}

/// Form of what is found.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum LintFormat {
    /// A line each, for people.
    Text,
    /// JSON.
    Json,
    /// SARIF 2.1.0, for CI.
    Sarif,
}

/// The kind of mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum LintRule {
    Yaml,
    Quotes,
    Schema,
    Rule,
    Catalog,
    Reference,
    Duplicate,
    Label,
}

impl LintRule {
    const ALL: [Self; 8] = [
        Self::Yaml,
        Self::Quotes,
        Self::Schema,
        Self::Rule,
        Self::Catalog,
        Self::Reference,
        Self::Duplicate,
        Self::Label,
    ];

    /// Returns whether existing objects keep working with it.
    const fn is_warning(self) -> bool {
        matches!(self, Self::Label)
    }

    /// Returns the identifier of the rule in reports.
    const fn name(self) -> &'static str {
        match self {
            Self::Yaml => "manifest",
            Self::Quotes => "quotes",
            Self::Schema => "schema",
            Self::Rule => "rule",
            Self::Catalog => "catalog",
            Self::Reference => "reference",
            Self::Duplicate => "twice",
            Self::Label => "label",
        }
    }

    const fn description(self) -> &'static str {
        match self {
            Self::Yaml => "The text is no manifest.",
            Self::Quotes => "YAML reads a text without quotes as something else.",
            Self::Schema => "The API server refuses it: a field, a type, a word or a bound.",
            Self::Rule => "The API server refuses it by a rule of the definition.",
            Self::Catalog => {
                "The operator refuses it: a value that the platform does not know, or does not allow here."
            }
            Self::Reference => "What it refers to does not fit, or may not be referred to.",
            Self::Duplicate => "Two objects claim the same.",
            Self::Label => "The operator refuses a new reference to a Secret without the label for it.",
        }
    }
}

/// A mistake that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LintFinding {
    rule: LintRule,
    failure: Failure,
    /// The member of the object that it is about.
    path: Option<String>,
    column: Option<u64>,
}

impl LintFinding {
    fn new(rule: LintRule, failure: Failure) -> Self {
        Self { rule, failure, path: None, column: None }
    }

    /// Returns the sort key: findings follow the order of the files.
    fn sort_position(&self) -> (Option<&FileLocation>, Option<u64>) {
        (self.failure.spot.as_ref(), self.column)
    }
}

pub(crate) async fn run(flags: &LintFlags, cluster: &ClusterFlags) -> CommandResult {
    let LintFlags { files, output: form } = flags;
    if files.is_empty() {
        return Err(Failure::new("there is nothing to check: name manifests with `-f` or `-k`").into());
    }
    let texts = files.read_sources().await?;
    let mut linter = Linter::new(cluster.namespace().unwrap_or("default"));
    for source in &texts {
        linter.read_source(source);
    }
    let (findings, seen) = linter.into_findings();
    let text = match form {
        LintFormat::Text => report::render_text(&findings),
        LintFormat::Json => report::render_json(&findings)?,
        LintFormat::Sarif => report::render_sarif(&findings)?,
    };
    output::print(&text)?;
    output::print_note(&report::summary_line(findings.len(), &seen));
    let are_warnings = findings.iter().all(|finding| finding.rule.is_warning());
    if are_warnings { Ok(ExitKind::Success) } else { Err(Vec::new()) }
}

/// The counts of what was checked.
#[derive(Debug, Default, PartialEq, Eq)]
struct LintSummary {
    partners: usize,
    clients: usize,
    patches: usize,
    ignored: usize,
    /// Number of files in folders that hold nothing of Tenantry.
    skipped_files: usize,
    /// Names that are referred to and are not in the input.
    unknown: Vec<String>,
}

/// Reads texts one after the other, and checks them together at the end.
struct Linter<'a> {
    namespace: &'a str,
    kinds: Vec<KindDefinition>,
    manifests: Manifests,
    findings: Vec<LintFinding>,
    partners: usize,
    clients: usize,
    patches: usize,
    /// Objects in the input, including refused ones.
    input_names: BTreeSet<String>,
}

/// A kind with the schema and rules of its definition.
pub(crate) struct KindDefinition {
    name: String,
    schema: KindSchema,
    rules: CelRules,
}

/// A refusal of the API server, with its path.
pub(super) struct ApiRefusal {
    /// Path in the object, such as `spec.addOns`.
    pub(super) path: String,
    /// The message of the API server.
    pub(super) message: String,
}

/// All refusals of an object by the API server.
pub(super) struct Refusals {
    /// The refusals by their paths.
    pub(super) all: Vec<ApiRefusal>,
    /// Rules that only the API server can evaluate.
    pub(super) not_evaluated: Vec<String>,
}

impl KindDefinition {
    /// Loads the definitions of both kinds.
    pub(super) fn all_kinds() -> Vec<Self> {
        let kind = |crd: &_| {
            let crd = serde_json::to_value(crd).unwrap_or_default();
            let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
            let name = crd["spec"]["names"]["kind"].as_str().unwrap_or_default().to_owned();
            Self { name, schema: KindSchema::new(schema), rules: CelRules::new(schema) }
        };
        tenantry_api::crds().iter().map(kind).collect()
    }

    /// Suggests a correction for a path of an object, as a question. Returns `None` if no known word is near.
    pub(crate) fn suggest_correction(kind: &str, path: &str, object: &Value) -> Option<String> {
        let definition = tenantry_api::crds().iter().find_map(|crd| {
            let crd = serde_json::to_value(crd).ok().filter(|crd| crd["spec"]["names"]["kind"] == kind)?;
            Some(KindSchema::new(&crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]))
        })?;
        let pointer = format!("/{}", path.replace(['.', '['], "/").replace(']', ""));
        definition.suggest_correction(path, object.pointer(&pointer)?)
    }

    /// Returns the name of the kind.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns what the API server would refuse of an object that replaces `old`, or of a new one.
    pub(super) fn refusals(&self, object: &Value, old: Option<&Value>) -> Refusals {
        let misfits = self.schema.find_violations(object);
        let is_blocked = misfits.iter().any(|misfit| misfit.is_blocking);
        let rules = if is_blocked { CelRuleResult::default() } else { self.rules.find_violations(object, old) };
        let misfits = misfits.into_iter().chain(rules.violations);
        let all = misfits.map(|misfit| ApiRefusal { path: misfit.path, message: misfit.message }).collect();
        Refusals { all, not_evaluated: rules.not_evaluated }
    }
}

impl<'a> Linter<'a> {
    fn new(namespace: &'a str) -> Self {
        let kinds = KindDefinition::all_kinds();
        let (manifests, findings) = (Manifests::default(), Vec::new());
        let named = BTreeSet::new();
        Self { namespace, kinds, manifests, findings, partners: 0, clients: 0, patches: 0, input_names: named }
    }

    fn read_source(&mut self, source: &ManifestSource) {
        match YamlDocument::parse_all(&source.text) {
            Err((line, why)) => {
                let spot = FileLocation { file: source.file.clone(), line };
                let failure = Failure::new(format!("this is not YAML: {why}")).at(&spot);
                self.findings.push(LintFinding::new(LintRule::Yaml, failure));
            }
            Ok(documents) if source.is_skipped(&documents) => self.manifests.skipped_files += 1,
            Ok(documents) => documents.into_iter().for_each(|document| self.check_document(source, document)),
        }
    }

    fn check_document(&mut self, source: &ManifestSource, mut document: YamlDocument) {
        let ManifestSource { file, text, .. } = source;
        let kind = document.value["kind"].as_str().unwrap_or_default();
        if kind.ends_with("List") && document.value["items"].is_array() {
            document.into_items().into_iter().for_each(|item| self.check_document(source, item));
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
            let named = manifest_label(&document.value, namespace);
            let found = patch::check_patch(kind, &mut document, text);
            self.findings.extend(found.into_iter().map(|one| one.into_finding(file, &document, &named)));
            return;
        }
        if source.is_patch {
            // An object of another kind, or a list of operations, which does not identify itself.
            self.manifests.ignored += 1;
            return;
        }
        self.input_names.insert(manifest_label(&document.value, namespace));
        if let Some(kind) = known {
            *if kind.name == "Partner" { &mut self.partners } else { &mut self.clients } += 1;
            let found = check_object(kind, &document, text);
            let named = manifest_label(&document.value, namespace);
            self.findings.extend(found.into_iter().map(|one| one.into_finding(file, &document, &named)));
        }
        // An object that does not fit its definition is not parsed any further.
        if self.findings.len() == before {
            let mut failures = Vec::new();
            self.manifests.add_document(file, document, &mut ReadContext { namespace, failures: &mut failures });
            self.findings.extend(failures.into_iter().map(|failure| LintFinding::new(LintRule::Yaml, failure)));
        }
    }

    /// Returns all findings in the order of the input, and what was checked.
    fn into_findings(mut self) -> (Vec<LintFinding>, LintSummary) {
        let mut unknown = semantics::check_manifests(&self.manifests, &mut self.findings);
        // A refused object is in the input all the same.
        unknown.retain(|name| !self.input_names.contains(name));
        self.findings.sort_by(|one, other| one.sort_position().cmp(&other.sort_position()));
        let Self { manifests, findings, partners, clients, patches, .. } = self;
        let Manifests { ignored, skipped_files: passed_over, .. } = manifests;
        (findings, LintSummary { partners, clients, patches, ignored, skipped_files: passed_over, unknown })
    }
}

/// A mistake that was found in one document.
struct DocumentFinding {
    rule: LintRule,
    path: String,
    place: Option<(u64, u64)>,
    message: String,
}

impl DocumentFinding {
    fn into_finding(self, file: &Path, document: &YamlDocument, object: &str) -> LintFinding {
        let Self { rule: mistake, path, place, message } = self;
        let line = place.map_or_else(|| document.line_of(&path), |(line, _)| line);
        let message = if path.is_empty() || message.contains(&path) { message } else { format!("{path}: {message}") };
        let failure = Failure::new(message).about(object).at(&FileLocation { file: file.to_owned(), line });
        let path = (!path.is_empty()).then_some(path);
        LintFinding { rule: mistake, failure, path, column: place.map(|(_, column)| column) }
    }
}

/// Returns what the API server would report for one object.
fn check_object(kind: &KindDefinition, document: &YamlDocument, text: &str) -> Vec<DocumentFinding> {
    let misfits = kind.schema.find_violations(&document.value);
    let can_be_asked = misfits.iter().all(|misfit| !misfit.is_blocking);
    let mut found = schema_findings(misfits, scalars::find_misread_scalars(document, &kind.schema, text));
    if can_be_asked {
        let CelRuleResult { violations: misfits, not_evaluated } = kind.rules.find_violations(&document.value, None);
        for note in not_evaluated {
            output::print_note(&note);
        }
        for misfit in misfits {
            // A text without quotes is one mistake and not two.
            if found.iter().any(|found| found.rule == LintRule::Quotes && found.path == misfit.path) {
                continue;
            }
            found.push(DocumentFinding {
                rule: LintRule::Rule,
                path: misfit.path,
                place: None,
                message: misfit.message,
            });
        }
    }
    found
}

/// Returns the schema violations, and the values that are not texts because they lack quotes.
fn schema_findings(misfits: Vec<SchemaViolation>, misread: Vec<MisreadScalar>) -> Vec<DocumentFinding> {
    let mut found: Vec<DocumentFinding> = Vec::new();
    for misfit in misfits {
        // A text without quotes is one mistake and not two.
        if !misread.iter().any(|misread| misread.path == misfit.path) {
            found.push(DocumentFinding {
                rule: LintRule::Schema,
                path: misfit.path,
                place: None,
                message: misfit.message,
            });
        }
    }
    for MisreadScalar { path, line, column, message } in misread {
        found.push(DocumentFinding { rule: LintRule::Quotes, path, place: Some((line, column)), message });
    }
    found
}

/// Formats an object for messages.
fn manifest_label(value: &Value, namespace: &str) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let namespace = value["metadata"]["namespace"].as_str().unwrap_or(namespace);
    format!("{} `{namespace}/{}`", text(&value["kind"]), text(&value["metadata"]["name"]))
}
