//! Files of an export. Each begins with a header line, by which a later export knows what it may replace.

mod earlier_export;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::manifest::YamlDocument;
use crate::yaml;
use earlier_export::EarlierExport;

/// The first line of every file.
const HEADER_LINE: &str = "# Written by `kubectl tenantry export`; a later export replaces this file.";

/// Name of the file that lists all others.
const KUSTOMIZATION_FILE: &str = "kustomization.yaml";

/// Files by their path inside the folder.
#[derive(Debug, Default)]
pub(super) struct ExportFiles(BTreeMap<String, String>);

impl ExportFiles {
    /// Adds an object. `comments` are written above it.
    ///
    /// # Errors
    /// Fails if the written text does not read back as the same object.
    pub(super) fn add_object(&mut self, path: String, object: &Value, comments: &[String]) -> Result<(), Failure> {
        let mut text = format!("{HEADER_LINE}\n");
        for comment in comments {
            // A line break in a tenant's name must not end the comment.
            let _ = writeln!(text, "# Not exported: {}", comment.replace(is_line_break, " "));
        }
        text.push_str(&yaml::to_block_yaml(object));
        let reads_back = YamlDocument::parse_all(&text).is_ok_and(|read| read.len() == 1 && read[0].value == *object);
        if !reads_back {
            return Err(Failure::new(format!(
                "`{path}` cannot be written so that it reads back: please report its tenant's settings"
            )));
        }
        self.0.insert(path, text);
        Ok(())
    }

    /// Adds the kustomization of all files that were added.
    ///
    /// # Errors
    /// As [`ExportFiles::add_object`].
    pub(super) fn add_kustomization(&mut self) -> Result<(), Failure> {
        let resources: Vec<&String> = self.0.keys().collect();
        let object = json!({
            "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": resources,
        });
        self.add_object(KUSTOMIZATION_FILE.to_owned(), &object, &[])
    }

    /// Joins all objects into one text, namespaces first, without the kustomization.
    pub(super) fn to_stream(&self) -> String {
        let (spaces, others): (Vec<_>, Vec<_>) = self
            .0
            .iter()
            .filter(|(path, _)| *path != KUSTOMIZATION_FILE)
            .partition(|(path, _)| path.ends_with("/namespace.yaml"));
        spaces.into_iter().chain(others).map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("---\n")
    }

    /// Writes all files into a folder and removes those of an earlier export that no longer exist.
    ///
    /// # Errors
    /// Fails if the folder holds other files or cannot be written.
    pub(super) fn write_to_folder(&self, folder: &Path) -> Result<(), Failure> {
        let failed = |path: &Path, error: &std::io::Error| {
            Failure::new(format!("`{}` cannot be written: {error}", path.display()))
        };
        let there = find_yaml_files(folder).map_err(|error| failed(folder, &error))?;
        let mut stale = BTreeSet::new();
        for path in there {
            let is_ours = std::fs::read_to_string(&path).is_ok_and(|text| text.starts_with(HEADER_LINE));
            let is_new =
                path.strip_prefix(folder).ok().and_then(Path::to_str).is_some_and(|path| self.0.contains_key(path));
            match (is_ours, is_new) {
                (true, false) => drop(stale.insert(path)),
                (false, true) => {
                    let message = format!(
                        "`{}` was not written by an export and would be replaced: move it away, or name another folder",
                        path.display()
                    );
                    return Err(Failure::new(message));
                }
                (true, true) | (false, false) => {}
            }
        }
        for (path, text) in &self.0 {
            let path = folder.join(path);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(|error| failed(parent, &error))?;
            }
            std::fs::write(&path, text).map_err(|error| failed(&path, &error))?;
        }
        for path in stale {
            std::fs::remove_file(&path).map_err(|error| failed(&path, &error))?;
        }
        Ok(())
    }

    /// Keeps the files of an earlier export about these partners, where this export has none. Files of other partners
    /// are about tenants that were terminated or renamed, and are dropped.
    ///
    /// # Errors
    /// Fails if the folder cannot be read.
    pub(super) fn retain_earlier_files(&mut self, folder: &Path, partners: &BTreeSet<&str>) -> Result<(), Failure> {
        let mut earlier = EarlierExport::default();
        let failed = |error: &std::io::Error| Failure::new(format!("`{}` cannot be read: {error}", folder.display()));
        for path in find_yaml_files(folder).map_err(|error| failed(&error))? {
            let text = std::fs::read_to_string(&path).map_err(|error| failed(&error))?;
            let name = path.strip_prefix(folder).ok().and_then(Path::to_str).filter(|name| *name != KUSTOMIZATION_FILE);
            if let Some(name) = name.filter(|_| text.starts_with(HEADER_LINE)) {
                earlier.add_file(name, text);
            }
        }
        for (name, text) in earlier.files_of_partners(partners) {
            self.0.entry(name).or_insert(text);
        }
        Ok(())
    }

    /// Returns the number of objects.
    pub(super) fn count(&self) -> usize {
        self.0.keys().filter(|path| *path != KUSTOMIZATION_FILE).count()
    }
}

/// Returns whether a character may end a line or is invisible.
fn is_line_break(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{ffff}')
}

fn find_yaml_files(folder: &Path) -> Result<Vec<PathBuf>, std::io::Error> {
    let mut files = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(files),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(find_yaml_files(&path)?);
        } else if path.extension().is_some_and(|end| end == "yaml") {
            files.push(path);
        }
    }
    Ok(files)
}
