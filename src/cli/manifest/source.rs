//! Where manifests come from.

use std::ffi::OsStr;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::Manifests;
use crate::cli::failure::Failure;

/// Ends of names that kubectl takes for manifests.
const MANIFESTS: [&str; 3] = ["json", "yaml", "yml"];

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
    /// Whether nothing was named.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.kustomizations.is_empty()
    }

    /// Reads everything that was named.
    ///
    /// # Errors
    /// All that cannot be read, at once.
    pub(crate) async fn read(&self, namespace: &str) -> Result<Manifests, Vec<Failure>> {
        let mut manifests = Manifests::default();
        let mut failures = Vec::new();
        for (file, text) in self.texts().await? {
            manifests.add(&file, &text, (namespace, &mut failures));
        }
        if failures.is_empty() { Ok(manifests) } else { Err(failures) }
    }

    /// The texts of everything that was named, each with its file.
    ///
    /// # Errors
    /// All that cannot be read, at once.
    pub(crate) async fn texts(&self) -> Result<Vec<(PathBuf, String)>, Vec<Failure>> {
        let mut texts = Vec::new();
        let mut failures = Vec::new();
        for file in &self.files {
            for file in found(file, self.recursive)? {
                match text_of(&file) {
                    Ok(text) => texts.push((file, text)),
                    Err(failure) => failures.push(failure),
                }
            }
        }
        for folder in &self.kustomizations {
            texts.push((folder.clone(), kustomize(folder).await?));
        }
        if failures.is_empty() { Ok(texts) } else { Err(failures) }
    }
}

/// The files that a name stands for, in the order of their names.
fn found(path: &Path, is_recursive: bool) -> Result<Vec<PathBuf>, Failure> {
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
                files.extend(found(&entry, true)?);
            }
        } else if entry.extension().and_then(OsStr::to_str).is_some_and(|end| MANIFESTS.contains(&end)) {
            files.push(entry);
        }
    }
    Ok(files)
}

/// The text of a file, or of standard input.
pub(crate) fn text_of(file: &Path) -> Result<String, Failure> {
    let read = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    read.map_err(|error| Failure::new(format!("`{}` cannot be read: {error}", file.display())))
}

async fn kustomize(folder: &Path) -> Result<String, Failure> {
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
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format!("`kubectl kustomize {}` failed: {}", folder.display(), said.trim())))
}
