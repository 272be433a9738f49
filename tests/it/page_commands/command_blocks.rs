//! Commands of a page outside of consoles, and how output is compared with a page.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::console::fenced_blocks;

/// Programs that pages run.
const PROGRAMS: [&str; 17] = [
    "kubectl",
    "helm",
    "make",
    "git",
    "curl",
    "skopeo",
    "tenantry-operator",
    "tenantry-platform",
    "kubectl-tenantry",
    "jq",
    "date",
    "psql",
    "pg_dump",
    "pg_restore",
    "checkov",
    "cargo",
    "docker",
];

/// Names of blocks with commands, and of blocks whose lines may resemble commands.
const CONSOLES: [&str; 3] = ["console", "console pods", "console apart"];
const OTHER_BLOCKS: [&str; 3] = ["mermaid", "yaml", "json"];

/// Returns commands outside of consoles, and blocks whose commands are not checked.
pub(super) fn stray_commands(page: &str) -> Vec<String> {
    let blocks = fenced_blocks(page);
    let mut strays = Vec::new();
    for block in &blocks {
        if CONSOLES.contains(&block.name) {
            let is_command = block.lines.first().is_some_and(|line| line.starts_with("$ "));
            strays.extend((!is_command).then(|| format!("a console begins with `$ `: {:?}", block.lines.first())));
        } else if !OTHER_BLOCKS.contains(&block.name) {
            strays.extend(block.lines.iter().filter(|line| runs_program(line)).map(|line| line.trim().to_owned()));
        }
    }
    // A fence of tildes is not supported.
    strays.extend(page.lines().filter(|line| line.trim_start().starts_with("~~~")).map(str::to_owned));
    let (prose, indented) = prose_and_indented(page);
    strays.extend(indented.into_iter().filter(|line| runs_program(line)).map(|line| line.trim().to_owned()));
    let commands: BTreeSet<String> = CONSOLES.iter().flat_map(|name| console_commands(page, name)).collect();
    let inline = code_spans(&prose).into_iter().filter(|span| is_full_command(span) && !commands.contains(span));
    strays.extend(inline.map(|span| format!("`{span}`")));
    strays
}

/// Returns the commands in the consoles of a name, each on one line and without its comment.
pub(super) fn console_commands(page: &str, name: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    for line in fenced_blocks(page).into_iter().filter(|block| block.name == name).flat_map(|block| block.lines) {
        if let Some(command) = line.strip_prefix("$ ") {
            commands.push(command.to_owned());
        } else if let (Some(more), Some(last)) = (line.strip_prefix("> "), commands.last_mut()) {
            last.push('\n');
            last.push_str(more);
        }
    }
    let plain = |command: String| {
        let command = command.replace("\\\n", " ");
        join_whitespace(command.split_once("   #").map_or(command.as_str(), |(command, _)| command))
    };
    commands.into_iter().map(plain).collect()
}

fn join_whitespace(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns whether a line of code runs one of the programs, also behind a prompt, a variable or a pipe.
fn runs_program(line: &str) -> bool {
    let is_prefix = |word: &&str| matches!(*word, "$" | ">" | "#" | "sudo") || word.contains('=');
    line.split(['|', ';', '&', '(', '`']).any(|part| {
        let mut words = part.split_whitespace().skip_while(is_prefix);
        words.next().is_some_and(|word| PROGRAMS.contains(&word)) && words.next().is_some()
    })
}

/// Returns the text of a page without its blocks, and its indented lines.
fn prose_and_indented(page: &str) -> (String, Vec<&str>) {
    let (mut is_fenced, mut prose, mut indented) = (false, String::new(), Vec::new());
    for line in page.lines() {
        let is_fence = line.trim_start().starts_with("```");
        is_fenced ^= is_fence;
        if is_fenced || is_fence {
            // Spans before and after a block are separate.
            prose.push('\n');
        } else {
            prose.push_str(line);
            prose.push('\n');
            let is_code = line.starts_with("    ") || line.starts_with('\t');
            indented.extend(Some(line).filter(|_| is_code));
        }
    }
    (prose, indented)
}

/// Returns the texts between backticks, each on one line. A span ends with its paragraph.
fn code_spans(prose: &str) -> Vec<String> {
    prose.split("\n\n").flat_map(|paragraph| paragraph.split('`').skip(1).step_by(2)).map(join_whitespace).collect()
}

/// Returns whether a span is a complete command and not only its name: the verb has an argument.
fn is_full_command(span: &str) -> bool {
    let words: Vec<&str> = span.split(' ').collect();
    let verb = if words.starts_with(&["kubectl", "tenantry"]) { 2 } else { 1 };
    PROGRAMS.contains(&words[0]) && words.len() > verb + 1
}

/// Masks what differs from run to run: numbers of ids, digests, times, ages, and the width of columns.
pub(super) fn mask_text(text: &str) -> String {
    let words = |line: &str| without_build(line).split_whitespace().map(mask_word).collect::<Vec<_>>().join(" ");
    text.lines().map(|line| words(line) + "\n").filter(|line| line != "\n").collect()
}

/// Removes the build of a version, since tests run an unreleased one. The commit has 12 digits, and a day follows.
fn without_build(line: &str) -> String {
    // The first 12 characters are the commit.
    let is_of_form = |told: &str| {
        told.bytes().zip("cccccccccccc, 0000-00-00)".bytes()).all(|(byte, form)| match form {
            b'c' => byte.is_ascii_hexdigit(),
            b'0' => byte.is_ascii_digit(),
            form => byte == form,
        })
    };
    let Some((before, build)) = line.split_once(" (commit ") else { return line.replace(" (debug build)", " (BUILD)") };
    match build.split_at_checked(25) {
        Some((told, after)) if is_of_form(told) => format!("{before} (BUILD){after}"),
        _ => line.to_owned(),
    }
}

fn mask_word(word: &str) -> String {
    let mut masked = word.to_owned();
    for prefix in ["msp_", "client_", "sp_", "sha256:"] {
        let mut parts = masked.split(prefix);
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let _ = write!(whole, "{prefix}N{}", part.trim_start_matches(|letter: char| letter.is_ascii_hexdigit()));
        }
        masked = whole;
    }
    if is_age(word) { "AGE".to_owned() } else { mask_time(&mask_holder(&mask_uid(&masked))) }
}

/// Masks the number behind the Pod's name in the holder of a Lease with `N`.
fn mask_holder(word: &str) -> String {
    let is_number = |number: &str| number.chars().all(|letter| letter.is_ascii_hexdigit());
    match word.rsplit_once('_').and_then(|(pod, rest)| Some((pod, rest.split_at_checked(8)?))) {
        Some((pod, (number, after))) if is_number(number) && matches!(after, "" | "`") => format!("{pod}_N{after}"),
        _ => word.to_owned(),
    }
}

/// Masks each UID of a word with `UID`.
fn mask_uid(word: &str) -> String {
    const FORM: &str = "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh";
    let form: String = word.chars().map(|letter| if letter.is_ascii_hexdigit() { 'h' } else { letter }).collect();
    match form.find(FORM) {
        Some(start) => format!("{}UID{}", &word[..start], mask_uid(&word[start + FORM.len()..])),
        None => word.to_owned(),
    }
}

/// Matches `5s`, `2m10s`, `3d`.
fn is_age(word: &str) -> bool {
    let is_part = |letter: char| letter.is_ascii_digit() || "smhd".contains(letter);
    word.starts_with(|letter: char| letter.is_ascii_digit())
        && word.ends_with(['s', 'm', 'h', 'd'])
        && word.chars().all(is_part)
}

/// Masks a timestamp in a word with `TIME`.
fn mask_time(word: &str) -> String {
    let digits: String = word.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
    match digits.find("0000-00-00T00:00:00Z") {
        Some(start) => format!("{}TIME{}", &word[..start], &word[start + 20..]),
        None => word.to_owned(),
    }
}

/// Returns whether a text matches. A line of three dots matches any lines.
pub(super) fn matches_output(wanted: &str, text: &str) -> bool {
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
    assert_eq!(stray_commands(page), ["helm install", "kubectl get pods"]);
}

#[test]
fn a_command_within_a_sentence_stands_in_a_console_of_its_page() {
    let page =
        "Run `kubectl delete\npod x`, see `kubectl get`, `kubectl tenantry plan`, `tenantry-platform`, `spec.x`.\n";
    assert_eq!(stray_commands(page), ["`kubectl delete pod x`"]);
    for console in CONSOLES {
        let block = format!("```{console}\n$ kubectl delete \\\n>   pod x   # now\n```\n");
        assert_eq!(stray_commands(&(block + page)), [""; 0], "{console}");
    }
    assert_eq!(
        stray_commands("```yaml\n# kubectl delete pod x\n```\n| `kubectl tenantry plan -A` |\n"),
        ["`kubectl tenantry plan -A`"]
    );
}

#[test]
fn a_block_whose_commands_nobody_reads_is_found_out() {
    for (page, stray) in [
        ("```consol\n$ kubectl get pods\n```\n", "$ kubectl get pods"),
        ("```console\nkubectl get pods\n```\n", "a console begins with `$ `"),
        ("```sh\ncat x | KUBECONFIG=y kubectl apply -f -\n```\n", "cat x |"),
        ("\tkubectl get pods\n", "kubectl get pods"),
        ("~~~sh\nkubectl get pods\n", "~~~sh"),
        ("    x=$(kubectl get pods)\n", "x=$(kubectl"),
    ] {
        let found = stray_commands(page);
        assert!(found.len() == 1 && found[0].starts_with(stray), "{page}: {found:?}");
    }
    assert_eq!(stray_commands("```text\nkubectl is a program | less\n```\n"), ["kubectl is a program | less"]);
}

#[test]
fn a_text_fits_up_to_what_differs_from_run_to_run() {
    let wanted = mask_text("NAME   ID       AGE\nacme   msp_2    5s\n...\nsince 2026-11-29T05:36:27Z\n");
    assert!(matches_output(
        &wanted,
        &mask_text("NAME ID AGE\nacme msp_31 2m10s\nmore\nand more\nsince 2027-01-01T00:00:00Z\n")
    ));
    assert!(!matches_output(&wanted, &mask_text("NAME ID AGE\nbeta msp_31 2m10s\nsince 2027-01-01T00:00:00Z\n")));
    assert!(!matches_output(&wanted, &mask_text("NAME ID AGE\nacme msp_31 5s\n")), "a line less");
    assert!(!matches_output("a\n", "a\nb\n"), "a line more");
    let uids = "x-0f9a1b2c-0000-4000-8000-00000000000a/11111111-2222-4333-8444-555555555555:";
    assert_eq!(mask_text(uids), "x-UID/UID:\n");
    assert_eq!(mask_text("client: 0.1.0 (commit 5d1f0c2ab9e4, 2026-11-30)"), mask_text("client: 0.1.0 (debug build)"));
    let long = "client: 0.1.0 (commit 5d1f0c2ab9e45d1f0c2ab9e45d1f0c2ab9e4abcd, 2026-11-30)";
    assert_ne!(mask_text(long), mask_text("client: 0.1.0 (debug build)"), "no program writes so many digits");
    assert_eq!(mask_text("tenantry-x2x8k_0a1b2c3d `x_0a1b2c3d` x_0a1b2c3"), "tenantry-x2x8k_N `x_N` x_0a1b2c3\n");
}
