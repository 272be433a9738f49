//! What the kustomizations beside files say of them: which are patches, and which namespace the others get.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::YamlDocument;

/// Names of a kustomization's file.
const KUSTOMIZATION_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// What the kustomizations of some folders say.
#[derive(Debug, Default)]
pub(super) struct Kustomizations {
    /// Files that are put over objects of others.
    patches: BTreeSet<PathBuf>,
    /// Namespace of files that are listed.
    namespaces: BTreeMap<PathBuf, String>,
}

impl Kustomizations {
    /// Reads those of the folders of files. What is wrong with one is kustomize's to say.
    pub(super) fn beside_files<'a>(files: impl Iterator<Item = &'a Path>) -> Self {
        let mut found = Self::default();
        let folders: BTreeSet<&Path> = files.filter_map(Path::parent).collect();
        for folder in folders {
            for name in KUSTOMIZATION_NAMES {
                let text = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
                for document in YamlDocument::parse_all(&text).unwrap_or_default() {
                    found.add_kustomization(folder, &document.value);
                }
            }
        }
        found
    }

    /// Whether a file is a patch.
    pub(super) fn is_patch(&self, file: &Path) -> bool {
        file.canonicalize().is_ok_and(|file| self.patches.contains(&file))
    }

    /// The namespace of a file that is listed.
    pub(super) fn namespace(&self, file: &Path) -> Option<String> {
        self.namespaces.get(&file.canonicalize().ok()?).cloned()
    }

    fn add_kustomization(&mut self, folder: &Path, kustomization: &Value) {
        let listed = |key: &str| kustomization[key].as_array().cloned().unwrap_or_default();
        let place = |path: &Value| folder.join(path.as_str()?).canonicalize().ok();
        for key in ["patches", "patchesJson6902"] {
            self.patches.extend(listed(key).iter().filter_map(|patch| place(&patch["path"])));
        }
        self.patches.extend(listed("patchesStrategicMerge").iter().filter_map(place));
        if let Some(namespace) = kustomization["namespace"].as_str() {
            let files = listed("resources");
            self.namespaces.extend(files.iter().filter_map(place).map(|file| (file, namespace.to_owned())));
        }
    }
}
