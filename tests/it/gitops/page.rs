//! The page about Git shows every example, and nothing else.

use std::fs;
use std::path::Path;

use super::example_path;
use crate::assets;

fn read_page() -> String {
    fs::read_to_string(assets::root().join("docs/gitops.md")).unwrap()
}

fn normalize_whitespace(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns whether the page contains this text, regardless of line breaks.
pub(super) fn page_contains(text: &str) -> bool {
    normalize_whitespace(&read_page()).contains(&normalize_whitespace(text))
}

/// Returns every file below a folder.
fn files_below(folder: &Path) -> Vec<String> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                return files_below(&path);
            }
            vec![path.strip_prefix(assets::root()).unwrap().display().to_string()]
        })
        .collect()
}

#[test]
fn the_page_leads_to_every_example_and_its_commands_name_what_is_there() {
    let page = read_page();
    for file in files_below(&example_path("")) {
        let folder = Path::new(&file).parent().filter(|folder| !example_path("").ends_with(folder));
        let folder = folder.map(|folder| folder.display().to_string());
        let leads = [Some(&file), folder.as_ref()];
        let leads = leads.into_iter().flatten().any(|path| page.contains(&format!("(../{path})")));
        assert!(leads, "docs/gitops.md does not lead to {file}");
    }
    let named: Vec<&str> = page.split_whitespace().filter(|word| word.starts_with("examples/")).collect();
    assert!(named.len() >= 4, "{named:?}");
    for path in named {
        assert!(assets::root().join(path.trim_end_matches('`')).exists(), "docs/gitops.md names {path}");
    }
}
