//! The files that the checks read.

use std::fs;
use std::path::{Path, PathBuf};

/// Where code and prose are. Golden files, generated files and what others wrote are left out.
const ROOTS: [&str; 7] = ["src", "crates", "tests", "docs", "examples", "packaging", "charts"];

/// Returns the folder of the workspace.
pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below a folder of the repository with one of the endings, sorted.
fn collect_files(folder: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            if !["golden", "target", "node_modules", "proptest-regressions"].contains(&name) {
                collect_files(&path, endings, found);
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
}

/// Returns path and text of every file with one of the endings.
pub(super) fn all_files(endings: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in ROOTS {
        collect_files(&root().join(folder), endings, &mut found);
    }
    let top = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    found.extend(
        top.filter(|path| path.is_file() && endings.iter().any(|ending| path.to_string_lossy().ends_with(ending))),
    );
    let read = |path: PathBuf| {
        let shown = path.strip_prefix(root()).unwrap().display().to_string();
        (shown, fs::read_to_string(&path).unwrap())
    };
    found.into_iter().map(read).collect()
}
