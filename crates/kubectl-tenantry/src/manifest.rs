//! Manifests: files, folders, standard input and kustomizations. The parser keeps file and line.

mod document;
mod kustomization;
mod source;

use std::collections::BTreeMap;
use std::path::Path;

use kube::ResourceExt as _;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tenantry_api::{ALLOW_REFERENCE, GROUP, Partner, TenantClient, VERSION};
use tenantry_catalog::suggest_nearest;
use tenantry_core::ConfigMapEntry;
use tenantry_core::object::SecretSnapshot;

use super::failure::{Failure, FileLocation};
use super::lint::KindDefinition;

pub(crate) use document::{ScalarPosition, YamlDocument};
pub(crate) use source::{FileFlags, ManifestSource, read_text};

/// An object that a manifest declares.
#[derive(Debug)]
pub(crate) struct DeclaredObject<K> {
    /// The object.
    pub(crate) object: K,
    /// The file.
    file: std::path::PathBuf,
    document: YamlDocument,
}

impl<K> DeclaredObject<K> {
    /// Returns the location of a member of the object, such as `spec.details.name`. An empty path is the start of the
    /// object.
    pub(crate) fn location_of(&self, path: &str) -> FileLocation {
        FileLocation { file: self.file.clone(), line: self.document.line_of(path) }
    }
}

impl<K> DeclaredObject<K> {
    /// Returns the value as written, before it was deserialized.
    pub(crate) const fn value(&self) -> &Value {
        &self.document.value
    }

    /// Splits into the object and its location.
    pub(crate) fn into_parts(self) -> (K, DeclaredObject<()>) {
        let Self { object, file, document } = self;
        (object, DeclaredObject { object: (), file, document })
    }
}

/// Namespace and name.
pub(crate) type ObjectKey = (String, String);

/// All objects that manifests declare.
#[derive(Debug, Default)]
pub(crate) struct Manifests {
    /// Partners.
    pub(crate) partners: Vec<DeclaredObject<Partner>>,
    /// Clients.
    pub(crate) clients: Vec<DeclaredObject<TenantClient>>,
    /// Secrets.
    pub(crate) secrets: BTreeMap<ObjectKey, SecretSnapshot>,
    /// Contents of `ConfigMaps`.
    pub(crate) files: BTreeMap<ObjectKey, BTreeMap<String, ConfigMapEntry>>,
    /// Number of objects of other kinds.
    pub(crate) ignored: usize,
    /// Number of files in folders that hold nothing of Tenantry.
    pub(crate) skipped_files: usize,
    locations: BTreeMap<(String, String, String), FileLocation>,
}

/// State while documents are read.
pub(crate) struct ReadContext<'a> {
    /// Namespace of objects that name none.
    pub(crate) namespace: &'a str,
    /// Collects what cannot be read.
    pub(crate) failures: &'a mut Vec<Failure>,
}

impl Manifests {
    /// Parses one text. Objects without a namespace are in `namespace`.
    ///
    /// # Errors
    /// Returns all that cannot be read.
    pub(crate) fn parse(file: &Path, text: &str, namespace: &str) -> Result<Self, Vec<Failure>> {
        let mut manifests = Self::default();
        let mut failures = Vec::new();
        let source = ManifestSource::new(file.to_owned(), text.to_owned());
        manifests.add_source(&source, &mut ReadContext { namespace, failures: &mut failures });
        if failures.is_empty() { Ok(manifests) } else { Err(failures) }
    }

    /// Refuses objects outside the requested namespace, as kubectl does.
    ///
    /// # Errors
    /// Returns a failure for each object in another namespace.
    pub(crate) fn ensure_all_in_namespace(&self, namespace: Option<&str>) -> Result<(), Vec<Failure>> {
        let Some(namespace) = namespace else { return Ok(()) };
        let strays = self.locations.iter().filter(|((_, other, _), _)| other != namespace);
        let failures: Vec<Failure> = strays
            .map(|((kind, other, name), spot)| {
                let message = format!("the object is in namespace `{other}` and `--namespace {namespace}` was asked for: leave one of the two out");
                Failure::new(message).about(format!("{kind} `{other}/{name}`")).at(spot)
            })
            .collect();
        if failures.is_empty() { Ok(()) } else { Err(failures) }
    }

    fn add_source(&mut self, source: &ManifestSource, context: &mut ReadContext<'_>) {
        let ManifestSource { file, text, .. } = source;
        let documents = match YamlDocument::parse_all(text) {
            Ok(documents) if source.is_skipped(&documents) => {
                self.skipped_files += 1;
                return;
            }
            Ok(documents) => documents,
            Err((line, why)) => {
                let spot = FileLocation { file: file.clone(), line };
                context.failures.push(Failure::new(format!("this is not YAML: {why}")).at(&spot));
                return;
            }
        };
        for document in documents {
            self.add_document(file, document, context);
        }
    }

    /// Adds one document, or every member of a list.
    pub(crate) fn add_document(&mut self, file: &Path, document: YamlDocument, context: &mut ReadContext<'_>) {
        let text = |key: &str| document.value[key].as_str().unwrap_or_default().to_owned();
        let (version, kind) = (text("apiVersion"), text("kind"));
        let spot = |path: &str| FileLocation { file: file.to_owned(), line: document.line_of(path) };
        if version.is_empty() || kind.is_empty() {
            let missing = if version.is_empty() { "apiVersion" } else { "kind" };
            let message = format!("this object has no `{missing}`: every object needs `apiVersion` and `kind`");
            context.failures.push(Failure::new(message).at(&spot("")));
            return;
        }
        if kind.ends_with("List") && document.value["items"].is_array() {
            for item in document.into_items() {
                self.add_document(file, item, context);
            }
            return;
        }
        let group = version.split('/').next().unwrap_or_default();
        match (group, kind.as_str()) {
            (GROUP, "Partner" | "Client") if version != format!("{GROUP}/{VERSION}") => {
                let message = format!(
                    "`apiVersion: {version}` is not known here: write `{GROUP}/{VERSION}`, or take the release of this program that knows it"
                );
                context.failures.push(Failure::new(message).about(kind).at(&spot("apiVersion")));
            }
            (GROUP, "Partner") => self.add_partner(file, document, context),
            (GROUP, "Client") => self.add_client(file, document, context),
            (GROUP, _) => {
                let near = suggest_nearest(&kind, ["Partner", "Client"].into_iter());
                let advice = near.unwrap_or_else(|| "write `Partner` or `Client`".to_owned());
                context.failures.push(
                    Failure::new(format!("`kind: {kind}` does not exist in `{GROUP}`: {advice}")).at(&spot("kind")),
                );
            }
            ("v1", "Secret" | "ConfigMap") => self.add_data_object(file, &document, context),
            _ => self.ignored += 1,
        }
    }

    fn add_partner(&mut self, file: &Path, document: YamlDocument, context: &mut ReadContext<'_>) {
        match self.parse_object::<Partner>(file, document, context.namespace) {
            Ok(declared) => self.partners.push(declared),
            Err(failure) => context.failures.extend(failure),
        }
    }

    fn add_client(&mut self, file: &Path, document: YamlDocument, context: &mut ReadContext<'_>) {
        match self.parse_object::<TenantClient>(file, document, context.namespace) {
            Ok(declared) => self.clients.push(declared),
            Err(failure) => context.failures.extend(failure),
        }
    }

    fn parse_object<K>(
        &mut self,
        file: &Path,
        document: YamlDocument,
        namespace: &str,
    ) -> Result<DeclaredObject<K>, Vec<Failure>>
    where
        K: DeserializeOwned + serde::Serialize + kube::Resource<DynamicType = ()>,
    {
        let kind = K::kind(&()).into_owned();
        self.record_identity(file, &document, namespace)?;
        let spot = |path: &str| FileLocation { file: file.to_owned(), line: document.line_of(path) };
        let object: K = deserialize_object(&document.value).map_err(|why| {
            let near = KindDefinition::suggest_correction(&kind, &why.path, &document.value);
            let message = near.map_or_else(|| why.message.clone(), |near| format!("{}: {near}", why.message));
            Failure::new(message).about(manifest_label(&kind, &document.value, namespace)).at(&spot(&why.path))
        })?;
        let written = serde_json::to_value(&object).unwrap_or_default();
        let mut unknown = Vec::new();
        collect_unknown_fields(&document.value["spec"], &written["spec"], "spec", &mut unknown);
        if !unknown.is_empty() {
            let failure = |path: &String| {
                let near = KindDefinition::suggest_correction(&kind, path, &document.value);
                let advice = near.unwrap_or_else(|| "correct or remove it".to_owned());
                Failure::new(format!("`{path}` is not a field of {kind}: {advice}"))
                    .about(manifest_label(&kind, &document.value, namespace))
                    .at(&spot(path))
            };
            return Err(unknown.iter().map(failure).collect());
        }
        let mut object = object;
        if object.namespace().is_none() {
            object.meta_mut().namespace = Some(namespace.to_owned());
        }
        Ok(DeclaredObject { object, file: file.to_owned(), document })
    }

    /// Refuses an object without a name and a second declaration of the same object.
    fn record_identity(&mut self, file: &Path, document: &YamlDocument, namespace: &str) -> Result<(), Failure> {
        let kind = document.value["kind"].as_str().unwrap_or_default();
        let spot = FileLocation { file: file.to_owned(), line: document.line_of("metadata.name") };
        let Some(name) = document.value["metadata"]["name"].as_str().filter(|name| !name.is_empty()) else {
            return Err(Failure::new("the object has no `metadata.name`: give it one").about(kind).at(&spot));
        };
        let namespace = document.value["metadata"]["namespace"].as_str().unwrap_or(namespace);
        let key = (kind.to_owned(), namespace.to_owned(), name.to_owned());
        if let Some(first) = self.locations.get(&key) {
            let message = format!("the object stands at {first} already: remove one of the two");
            return Err(Failure::new(message).about(format!("{kind} `{namespace}/{name}`")).at(&spot));
        }
        self.locations.insert(key, spot);
        Ok(())
    }

    fn add_data_object(&mut self, file: &Path, document: &YamlDocument, context: &mut ReadContext<'_>) {
        if let Err(failure) = self.record_identity(file, document, context.namespace) {
            context.failures.push(failure);
            return;
        }
        let value = &document.value;
        let is_secret = value["kind"] == "Secret";
        let key = (
            value["metadata"]["namespace"].as_str().unwrap_or(context.namespace).to_owned(),
            value["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
        );
        let mut data = BTreeMap::new();
        let encoded = if is_secret { "data" } else { "binaryData" };
        for (name, text) in value[encoded].as_object().into_iter().flatten() {
            // Line breaks inside base64 are common in manifests.
            let text: String = text.as_str().unwrap_or_default().split_whitespace().collect();
            if let Ok(bytes) = serde_json::from_value::<k8s_openapi::ByteString>(Value::from(text)) {
                data.insert(name.clone(), bytes.0);
                continue;
            }
            let path = format!("{encoded}.{name}");
            let spot = FileLocation { file: file.to_owned(), line: document.line_of(&path) };
            let message = format!("`{path}` is not base64: encode it, or write a Secret's text under `stringData`");
            context
                .failures
                .push(Failure::new(message).about(manifest_label(&value["kind"], value, context.namespace)).at(&spot));
        }
        if is_secret {
            for (name, text) in value["stringData"].as_object().into_iter().flatten() {
                data.insert(name.clone(), text.as_str().unwrap_or_default().as_bytes().to_vec());
            }
            let labels = &value["metadata"]["labels"];
            let is_allowed = labels[ALLOW_REFERENCE].as_str() == Some("true");
            self.secrets.insert(key, SecretSnapshot { data, version: String::new(), is_allowed });
        } else {
            let texts = value["data"].as_object().into_iter().flatten().map(|(name, _)| name.clone());
            self.files.insert(key, ConfigMapEntry::entries_by_key(data, texts));
        }
    }
}

fn manifest_label(kind: impl std::fmt::Display, value: &Value, namespace: &str) -> String {
    let kind = kind.to_string();
    let namespace = value["metadata"]["namespace"].as_str().unwrap_or(namespace);
    let name = value["metadata"]["name"].as_str().unwrap_or_default();
    format!("{} `{namespace}/{name}`", kind.trim_matches('"'))
}

/// A type error in a manifest, with its path.
struct ManifestFieldError {
    path: String,
    message: String,
}

/// Deserializes an object. An error carries the path, by which the line is found.
fn deserialize_object<K: DeserializeOwned>(value: &Value) -> Result<K, ManifestFieldError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        let why = error.inner().to_string();
        let is_unquoted = why.contains("expected a string") && !why.contains("map") && !why.contains("sequence");
        let advice = if is_unquoted { ": put it in quotes" } else { "" };
        let message = format!("`{}` does not fit: {why}{advice}", if path.is_empty() { "the object" } else { &path });
        ManifestFieldError { path, message }
    })
}

/// Collects members that are written and not known. A null counts as absent.
fn collect_unknown_fields(written: &Value, known: &Value, path: &str, unknown: &mut Vec<String>) {
    match (written, known) {
        (Value::Object(written), known) => {
            for (key, value) in written.iter().filter(|(_, value)| !value.is_null()) {
                let path = format!("{path}.{key}");
                match known.get(key) {
                    Some(known) => collect_unknown_fields(value, known, &path, unknown),
                    None => unknown.push(path),
                }
            }
        }
        (Value::Array(written), Value::Array(known)) => {
            for (number, (written, known)) in written.iter().zip(known).enumerate() {
                collect_unknown_fields(written, known, &format!("{path}[{number}]"), unknown);
            }
        }
        _ => {}
    }
}
