//! The words of comments and docs.

use std::path::Path;

/// Words of the dialect in which the first version spoke, with what to write instead.
const DIALECT: &[(&str, &str)] = &[
    ("whoever", "who, the caller, a person that"),
    ("whomever", "the person that"),
    ("whatever", "what, all that, the reason"),
    ("anew", "again"),
    ("stand", "is, holds, is declared"),
    ("stands", "is, holds, is declared"),
    ("stood", "was"),
    ("look", "read, check, lookup"),
    ("looks", "reads, checks"),
    ("looked", "read, checked"),
    ("looking", "reading, checking"),
    ("tell", "say, report, notify"),
    ("tells", "says, reports, notifies"),
    ("told", "said, reported, requested"),
    ("telling", "reporting"),
    ("calm", "back off"),
    ("calmed", "backed off"),
    ("ground", "inventory"),
    ("shelf", "scope"),
    ("owed", "required"),
    ("owes", "requires"),
    ("fighting", "conflicting"),
];

/// The lines of a file that hold such a word in a comment or in prose.
pub(crate) fn dialect_lines(path: &str, text: &str) -> Vec<String> {
    let is_markdown = has_ending(path, &["md"]);
    let mut is_sample = false;
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let prose = if is_markdown {
            if line.trim_start().starts_with("```") {
                is_sample = !is_sample;
            }
            // Samples are indented too. The rows of that page quote the documentation of the product.
            let is_quote = path == "docs/seeds.md" && line.starts_with('|');
            if is_sample || is_quote || line.starts_with("    ") { "" } else { line }
        } else {
            comment_text(path, line)
        };
        // Text in backticks is a name, an output or a command.
        let plain: String = prose.split('`').step_by(2).collect::<Vec<_>>().join(" ");
        for word in plain.split(|character: char| !character.is_alphanumeric() && character != '\'' && character != '_')
        {
            let lower = word.to_lowercase();
            if let Some((word, instead)) = DIALECT.iter().find(|(word, _)| *word == lower) {
                found.push(format!("{path}:{}: `{word}`: write {instead}", number + 1));
            }
        }
    }
    found
}

fn has_ending(path: &str, endings: &[&str]) -> bool {
    Path::new(path).extension().is_some_and(|ending| endings.iter().any(|known| ending == *known))
}

/// The comment of a line of code, or nothing.
fn comment_text<'a>(path: &str, line: &'a str) -> &'a str {
    let start = if has_ending(path, &["rs", "go"]) { "//" } else { "#" };
    // A line that begins with a string may hold an address in it.
    match line.find(start) {
        Some(at) if line[..at].matches('"').count().is_multiple_of(2) => &line[at..],
        _ => "",
    }
}
