//! The kustomizations in the folders of files: they list patches and set the namespace of resources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::YamlDocument;

/// File names of a kustomization.
const KUSTOMIZATION_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// The contents of the kustomizations of some folders.
#[derive(Debug, Default)]
pub(super) struct Kustomizations {
    /// Files that are patches.
    patches: BTreeSet<PathBuf>,
    /// Namespaces of the listed resource files.
    namespaces: BTreeMap<PathBuf, String>,
}

impl Kustomizations {
    /// Reads the kustomizations in the folders of the files. Errors in one are left to kustomize.
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

    /// Returns whether a file is a patch.
    pub(super) fn is_patch(&self, file: &Path) -> bool {
        file.canonicalize().is_ok_and(|file| self.patches.contains(&file))
    }

    /// Returns the namespace of a resource file.
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
