//! Commands of a page outside of consoles, and how far what they print is what the page says.

use std::fmt::Write as _;

use crate::console::blocks;

/// Programs that a page tells to run.
const PROGRAMS: [&str; 9] =
    ["kubectl", "helm", "make", "git", "curl", "skopeo", "tenantry-operator", "tenantry-platform", "kubectl-tenantry"];

/// Names of blocks that may hold commands, or what looks like them.
const NAMED: [&str; 6] = ["console", "console pods", "console apart", "mermaid", "yaml", "json"];

/// Lines of code that look like commands and stand in no console.
pub(super) fn strays(page: &str) -> Vec<String> {
    let is_command = |code: &str| PROGRAMS.iter().any(|program| code.trim_start().starts_with(&format!("{program} ")));
    let fenced = blocks(page).into_iter().filter(|block| !NAMED.contains(&block.name)).flat_map(|block| block.lines);
    let mut is_fenced = false;
    let indented = page.lines().filter(|line| {
        is_fenced ^= line.trim_start().starts_with("```");
        !is_fenced && line.starts_with("    ")
    });
    fenced.chain(indented).filter(|line| is_command(line)).map(|line| line.trim().to_owned()).collect()
}

/// A text without what differs from run to run: numbers of ids, digests, times, ages, and how wide columns are.
pub(super) fn masked(text: &str) -> String {
    let words = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    text.lines().map(|line| words(line) + "\n").filter(|line| line != "\n").collect()
}

fn word(word: &str) -> String {
    let mut masked = word.to_owned();
    for prefix in ["msp_", "client_", "sp_", "sha256:"] {
        let mut parts = masked.split(prefix);
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let _ = write!(whole, "{prefix}N{}", part.trim_start_matches(|letter: char| letter.is_ascii_hexdigit()));
        }
        masked = whole;
    }
    if is_age(word) { "AGE".to_owned() } else { time(&masked) }
}

/// `5s`, `2m10s`, `3d`.
fn is_age(word: &str) -> bool {
    let is_part = |letter: char| letter.is_ascii_digit() || "smhd".contains(letter);
    word.starts_with(|letter: char| letter.is_ascii_digit())
        && word.ends_with(['s', 'm', 'h', 'd'])
        && word.chars().all(is_part)
}

/// A word with `TIME` instead of a moment.
fn time(word: &str) -> String {
    let digits: String = word.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
    match digits.find("0000-00-00T00:00:00Z") {
        Some(start) => format!("{}TIME{}", &word[..start], &word[start + 20..]),
        None => word.to_owned(),
    }
}

/// Whether a text is as wanted; a line of three dots stands for any lines.
pub(super) fn fits(wanted: &str, text: &str) -> bool {
    let (mut wanted, mut lines) = (wanted.lines(), text.lines().peekable());
    while let Some(line) = wanted.next() {
        if line == "..." {
            let Some(next) = wanted.clone().next() else { return true };
            while lines.peek().is_some_and(|line| *line != next) {
                lines.next();
            }
        } else if lines.next() != Some(line) {
            return false;
        }
    }
    lines.next().is_none()
}

#[test]
fn a_command_outside_of_a_console_is_found_out() {
    let page =
        "    kubectl get pods\n\n```sh\nhelm install\n```\n```console\n$ kubectl get\n```\n    spec:\ntext kubectl x\n";
    assert_eq!(strays(page), ["helm install", "kubectl get pods"]);
}

#[test]
fn a_text_fits_up_to_what_differs_from_run_to_run() {
    let wanted = masked("NAME   ID       AGE\nacme   msp_2    5s\n...\nsince 2026-11-29T05:36:27Z\n");
    assert!(fits(&wanted, &masked("NAME ID AGE\nacme msp_31 2m10s\nmore\nand more\nsince 2027-01-01T00:00:00Z\n")));
    assert!(!fits(&wanted, &masked("NAME ID AGE\nbeta msp_31 2m10s\nsince 2027-01-01T00:00:00Z\n")));
    assert!(!fits(&wanted, &masked("NAME ID AGE\nacme msp_31 5s\n")), "a line less");
    assert!(!fits("a\n", "a\nb\n"), "a line more");
}
