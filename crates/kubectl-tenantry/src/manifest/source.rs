//! Sources of manifests.

use std::ffi::OsStr;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tenantry_api::GROUP;

use super::kustomization::Kustomizations;
use super::{Manifests, ReadContext, YamlDocument};
use crate::failure::Failure;

/// File extensions that kubectl accepts for manifests.
const MANIFEST_EXTENSIONS: [&str; 3] = ["json", "yaml", "yml"];

/// Which manifests, as kubectl asks for them.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct FileFlags {
    /// File or folder with manifests; `-` is standard input. May be given more than once.
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR|-")]
    files: Vec<PathBuf>,
    /// Folder with a kustomization; `kubectl kustomize` builds it. May be given more than once.
    #[arg(short = 'k', long = "kustomize", value_name = "DIR")]
    kustomizations: Vec<PathBuf>,
    /// Take the folders inside a folder as well.
    #[arg(short = 'R', long)]
    recursive: bool,
}

impl FileFlags {
    /// Returns whether no source was named.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.kustomizations.is_empty()
    }

    /// Reads all named manifests.
    ///
    /// # Errors
    /// Returns all that cannot be read.
    pub(crate) async fn read_manifests(&self, namespace: &str) -> Result<Manifests, Vec<Failure>> {
        let mut manifests = Manifests::default();
        let mut failures = Vec::new();
        for source in self.read_sources().await? {
            manifests.add_source(&source, &mut ReadContext { namespace, failures: &mut failures });
        }
        if failures.is_empty() { Ok(manifests) } else { Err(failures) }
    }

    /// Reads the texts of all named sources, each with its file.
    ///
    /// # Errors
    /// Returns all that cannot be read.
    pub(crate) async fn read_sources(&self) -> Result<Vec<ManifestSource>, Vec<Failure>> {
        let mut texts = Vec::new();
        let mut failures = Vec::new();
        for named in &self.files {
            for file in find_files(named, self.recursive)? {
                match read_text(&file) {
                    Ok(text) => {
                        texts.push(ManifestSource { is_named: file == *named, ..ManifestSource::new(file, text) });
                    }
                    Err(failure) => failures.push(failure),
                }
            }
        }
        let beside = Kustomizations::beside_files(texts.iter().map(|source| source.file.as_path()));
        for source in &mut texts {
            source.is_patch = beside.is_patch(&source.file);
            source.namespace = beside.namespace(&source.file);
        }
        for folder in &self.kustomizations {
            texts.push(ManifestSource::new(folder.clone(), build_kustomization(folder).await?));
        }
        if failures.is_empty() { Ok(texts) } else { Err(failures) }
    }
}

/// A text with manifests.
#[derive(Debug)]
pub(crate) struct ManifestSource {
    /// The file that it comes from.
    pub(crate) file: PathBuf,
    /// The text.
    pub(crate) text: String,
    /// Whether it was named directly, and not found in a folder.
    pub(crate) is_named: bool,
    /// Whether a kustomization lists it as a patch.
    pub(crate) is_patch: bool,
    /// The namespace that a kustomization sets for it.
    pub(crate) namespace: Option<String>,
}

impl ManifestSource {
    /// Creates a source that was named directly.
    pub(crate) const fn new(file: PathBuf, text: String) -> Self {
        Self { file, text, is_named: true, is_patch: false, namespace: None }
    }

    /// Returns whether it was found in a folder and holds neither Tenantry objects nor what such objects refer to.
    pub(crate) fn is_skipped(&self, documents: &[YamlDocument]) -> bool {
        !self.is_named && !documents.iter().any(is_relevant)
    }
}

/// Returns whether a document is a Tenantry object, is meant to be one, or may be referred to by one.
fn is_relevant(document: &YamlDocument) -> bool {
    let text = |key: &str| document.value[key].as_str().unwrap_or_default();
    let (version, kind) = (text("apiVersion"), text("kind"));
    match version.split_once('/').map_or(version, |(group, _)| group) {
        GROUP => true,
        "" => ["Partner", "Client"].contains(&kind),
        "v1" => ["Secret", "ConfigMap"].contains(&kind) || kind.ends_with("List"),
        _ => false,
    }
}

/// Returns the files behind a path, in the order of their names.
fn find_files(path: &Path, is_recursive: bool) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let failed = |error: std::io::Error| Failure::new(format!("`{}` cannot be read: {error}", path.display()));
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(path).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect()).map_err(failed)?;
    entries.sort();
    let mut files = Vec::new();
    for entry in entries {
        if entry.is_dir() {
            if is_recursive {
                files.extend(find_files(&entry, true)?);
            }
        } else if entry.extension().and_then(OsStr::to_str).is_some_and(|end| MANIFEST_EXTENSIONS.contains(&end)) {
            files.push(entry);
        }
    }
    Ok(files)
}

/// Reads the text of a file or of standard input, in any encoding that kubectl accepts.
pub(crate) fn read_text(file: &Path) -> Result<String, Failure> {
    let read = if file == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(file)
    };
    let failed = |why: String| Failure::new(format!("`{}` cannot be read: {why}", file.display()));
    decode_text(&read.map_err(|error| failed(error.to_string()))?).map_err(|why| failed(why.to_owned()))
}

/// Decodes UTF-8 with or without a byte order mark, or UTF-16 with one, as PowerShell's `>` writes it.
fn decode_text(bytes: &[u8]) -> Result<String, &'static str> {
    const UTF_16: &str = "it begins as UTF-16 and goes on as something else: save it as UTF-8";
    const UTF_8: &str = "it is neither UTF-8 nor UTF-16 with a byte order mark: save it as UTF-8";
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
        String::from_utf16(&units).ok().filter(|_| rest.is_empty()).ok_or(UTF_16)
    };
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes)?,
        bytes => String::from_utf8(bytes.to_vec()).map_err(|_| UTF_8)?,
    };
    Ok(strip_byte_order_marks(&text))
}

/// Removes the byte order marks before documents: tools that join files leave one before each.
fn strip_byte_order_marks(text: &str) -> String {
    const MARK: char = '\u{feff}';
    if !text.contains(MARK) {
        return text.to_owned();
    }
    let mut plain = String::with_capacity(text.len());
    let mut is_at_beginning = true;
    for line in text.split_inclusive('\n') {
        let unmarked = line.trim_start_matches(MARK);
        let is_separator = unmarked.starts_with("---");
        let shown = if is_at_beginning || is_separator { unmarked } else { line };
        plain.push_str(shown);
        let is_empty = shown.trim().is_empty() || shown.trim_start().starts_with('#');
        is_at_beginning = is_separator || is_at_beginning && is_empty;
    }
    plain
}

async fn build_kustomization(folder: &Path) -> Result<String, Failure> {
    let mut command = std::process::Command::new("kubectl");
    command.arg("kustomize").arg(folder).stdin(Stdio::null());
    let ran = tokio::task::spawn_blocking(move || command.output()).await;
    let output = match ran {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => {
            let message = format!(
                "`kubectl` cannot be run for `-k` ({error}): put it on the PATH, or pipe the output of `kustomize build` into `-f -`"
            );
            return Err(Failure::new(message));
        }
        Err(error) => return Err(Failure::new(format!("`kubectl kustomize` was given up: {error}"))),
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format!("`kubectl kustomize {}` failed: {}", folder.display(), stderr.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::YamlDocument;

    const TEXT: &str = "kind: Partner\nspec: {city: Köln}\n---\nkind: Client\n";

    fn encode_utf_16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn what_tools_write_is_read_as_kubectl_reads_it() {
        let wide = format!("\u{feff}{TEXT}");
        for bytes in [
            TEXT.as_bytes().to_vec(),
            wide.clone().into_bytes(),
            encode_utf_16(&wide, u16::to_le_bytes),
            encode_utf_16(&wide, u16::to_be_bytes),
            TEXT.replace("---\n", "---\n\u{feff}").into_bytes(),
            TEXT.replace("---", "\u{feff}---").into_bytes(),
            TEXT.replace("---\n", "---\n# Joined.\n\n\u{feff}").into_bytes(),
        ] {
            let text = decode_text(&bytes).unwrap();
            let documents = YamlDocument::parse_all(&text).unwrap();
            assert_eq!(documents.len(), 2, "{text:?}");
            assert_eq!(documents[0].value["spec"]["city"], "Köln");
            assert_eq!(documents[1].value["kind"], "Client");
            let lines = text.replace("# Joined.\n\n", "");
            assert_eq!(lines, TEXT, "lines stay where they are");
        }
        let crlf = TEXT.replace('\n', "\r\n");
        let text = decode_text(&encode_utf_16(&format!("\u{feff}{crlf}"), u16::to_le_bytes)).unwrap();
        let documents = YamlDocument::parse_all(&text).unwrap();
        assert_eq!((documents.len(), &documents[1].value["kind"]), (2, &serde_json::json!("Client")));
    }

    #[test]
    fn a_mark_inside_of_a_text_stays_and_what_is_no_text_says_what_to_do() {
        let inside = "city: \"K\u{feff}ln\"\nnote: |\n  \u{feff}x\n";
        assert_eq!(decode_text(inside.as_bytes()).unwrap(), inside);
        for bytes in [b"city: K\xf6ln".as_slice(), b"\xff\xfea", b"\xff\xfe\x00\xd8"] {
            assert!(decode_text(bytes).unwrap_err().ends_with(": save it as UTF-8"));
        }
    }
}
