//! Golden files with the output of the plugin. `TENANTRY_GOLDEN=write` rewrites them, so that the diff shows what
//! changed.

use std::fmt::Write as _;

use super::PluginRun;
use crate::assets;
use crate::world::TestNamespace;

/// Masks what differs from run to run: names of this test, ids and digests.
pub(super) fn mask_output(text: &str, own: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (from, to) in own {
        text = text.replace(from, to);
    }
    for prefix in ["msp_", "client_", "sp_", "-client-"] {
        text = mask_numbers(&text, prefix);
    }
    mask_uids(&mask_digests(&text))
}

/// Masks UIDs: groups of 8, 4, 4, 4 and 12 hex digits.
fn mask_uids(text: &str) -> String {
    let is_uid = |word: &str| {
        let groups: Vec<usize> = word.split('-').map(str::len).collect();
        groups == [8, 4, 4, 4, 12] && word.chars().all(|letter| letter == '-' || letter.is_ascii_hexdigit())
    };
    let is_part = |letter: char| letter == '-' || letter.is_ascii_hexdigit();
    let mut masked = String::new();
    let mut word = String::new();
    for letter in text.chars().chain(['\0']) {
        if is_part(letter) {
            word.push(letter);
            continue;
        }
        masked.push_str(if is_uid(&word) { "UID" } else { &word });
        word.clear();
        masked.push(letter);
    }
    masked.trim_end_matches('\0').to_owned()
}

fn mask_numbers(text: &str, prefix: &str) -> String {
    let mut parts = text.split(prefix);
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|letter: char| letter.is_ascii_digit());
        let number = if rest.len() < part.len() { "N" } else { "" };
        let _ = write!(masked, "{prefix}{number}{rest}");
    }
    masked
}

fn mask_digests(text: &str) -> String {
    let mut parts = text.split("sha256:");
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|letter: char| letter.is_ascii_hexdigit());
        let _ = write!(masked, "sha256:{}{rest}", if rest.len() < part.len() { "HASH" } else { "" });
    }
    masked
}

/// Returns the names of this test for [`mask_output`].
pub(super) fn test_specific_names<'a>(namespace: &'a TestNamespace<'_>) -> Vec<(&'a str, &'a str)> {
    vec![(namespace.name.as_str(), "SPACE"), (namespace.world.platform.host(), "PLATFORM")]
}

/// Compares a run with its golden file.
pub(super) fn compare_with_golden(name: &str, run: &PluginRun, own: &[(&str, &str)]) {
    let PluginRun { code, out, err } = run;
    let text = mask_output(&format!("exit {code}\n--- stdout\n{out}--- stderr\n{err}"), own);
    let file = assets::root().join("tests/it/golden").join(format!("{name}.txt"));
    if crate::support::writes_golden_files() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &text).unwrap();
        return;
    }
    let known = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(text, known, "{} says otherwise; `TENANTRY_GOLDEN=write` writes it anew", file.display());
}
