//! The plan as a comment on a pull request: folded, and never longer than a comment may be.

use std::fmt::Write as _;

use super::Planned;
use super::row::{Action, Request, Row, Setting};
use super::text::{Broken, broken, head, lines, objects, summary};
use crate::cli::output::count;

/// Longest comment, in bytes: GitHub takes 65,536 characters, and whoever posts it may add a line of its own.
const LONGEST: usize = 60_000;
/// What is kept for the lines that say what was left out.
const CLOSING: usize = 2_000;
/// Longest part about one object; a longer one says how much of it there is.
const LONGEST_OBJECT: usize = 8_000;

/// The plan as a comment on a pull request. What needs a person comes first, so that it is not what is left out.
pub(super) fn markdown(planned: &Planned) -> String {
    let mut text = format!("### Tenantry plan\n\n**{}.**\n", summary(planned));
    for Broken { message, objects: behind } in broken(planned).iter().take(MOST_BROKEN) {
        let _ = write!(text, "\n* not looked at: {}: {}\n", escaped(&objects(behind)), escaped(message));
    }
    let shown = planned.objects.iter().filter(|row| row.action != Action::Unknown);
    let mut rows: Vec<&Row> = shown.filter(|row| row.action != Action::Nothing || !row.notes.is_empty()).collect();
    rows.sort_by_key(|row| urgency(row));
    let mut left_out: Vec<&Row> = Vec::new();
    let is_short = rows.len() <= UNFOLDED;
    for row in rows {
        let part = object(row, is_short);
        if left_out.is_empty() && text.len() + part.len() <= LONGEST - CLOSING {
            text.push_str(&part);
        } else {
            left_out.push(row);
        }
    }
    text.push_str(&closing(&left_out));
    text
}

/// Platforms that are named; more of them broke together.
const MOST_BROKEN: usize = 20;

/// So few objects are all shown open.
const UNFOLDED: usize = 5;

/// What comes first: what is refused, what waits, what interrupts people, and the rest.
fn urgency(row: &Row) -> u8 {
    match row.action {
        Action::Refuse => 0,
        Action::Wait => 1,
        _ if row.requests.iter().any(is_disruptive) => 2,
        _ => 3,
    }
}

/// What did not fit, counted by what happens to it.
fn closing(left_out: &[&Row]) -> String {
    if left_out.is_empty() {
        return String::new();
    }
    let mut counts = std::collections::BTreeMap::<Action, usize>::new();
    for row in left_out {
        *counts.entry(row.action).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(action, count)| format!("{count} {}", action.words())).collect();
    format!(
        "\n**{} left out here** ({}): a comment has an end. `kubectl tenantry plan` with the same flags shows the whole plan.\n",
        count(left_out.len(), "object"),
        counts.join(", ")
    )
}

/// The part about one object: a line that unfolds.
fn object(row: &Row, is_open: bool) -> String {
    let Row { kind, namespace, name, .. } = row;
    let sign = match row.action {
        Action::Refuse => "🛑 ",
        Action::Wait => "⏸ ",
        _ if row.requests.iter().any(is_disruptive) => "⚠️ ",
        _ => "",
    };
    let title = format!(
        "{sign}{kind} {}{}: {}",
        code(&format!("{namespace}/{name}")),
        row.unique_id.as_ref().map(|id| format!(" ({})", code(id))).unwrap_or_default(),
        escaped(&head(row))
    );
    let inside = inside(row);
    if inside.is_empty() {
        return format!("\n{title}\n");
    }
    // What needs a person is open.
    let open = if is_open || matches!(row.action, Action::Refuse | Action::Wait) { " open" } else { "" };
    let inside = if inside.len() > LONGEST_OBJECT {
        let settings: usize = row.requests.iter().map(|request| request.settings.len()).sum();
        format!("\n{} and {}: too long for a comment\n", count(settings, "setting"), count(row.notes.len(), "note"))
    } else {
        inside
    };
    format!("\n<details{open}><summary>{title}</summary>\n{inside}\n</details>\n")
}

fn inside(row: &Row) -> String {
    let mut text = String::new();
    table(&mut text, row);
    if let Some(message) = &row.message {
        let _ = write!(text, "\n{}: {}\n", row.reason.unwrap_or("note"), escaped(message));
    }
    for note in &row.notes {
        let _ = write!(text, "\n> {}\n", escaped(note));
    }
    if let Some(hash) = row.approved_plan.as_ref().filter(|_| row.action == Action::Wait) {
        let _ = write!(
            text,
            "\nTo approve exactly this, and nothing else:\n\n```yaml\nspec: {{management: {{approval: {{approvedPlan: \"{hash}\"}}}}}}\n```\n"
        );
    }
    text
}

fn is_disruptive(request: &Request) -> bool {
    request.step == "suspend" || request.settings.iter().any(|setting| setting.risk == "disruptive")
}

fn table(text: &mut String, row: &Row) {
    let settings: Vec<(&Setting, bool)> = row
        .requests
        .iter()
        .flat_map(|request| request.settings.iter().map(|one| (one, request.step == "create")))
        .collect();
    for request in &row.requests {
        if let "activate" | "suspend" | "mark" = request.step {
            let _ = write!(text, "\n* {}\n", lines(request).join("").trim_start_matches("! "));
        }
    }
    if settings.is_empty() {
        return;
    }
    text.push_str("\n| setting | from | to | source | risk |\n| --- | --- | --- | --- | --- |\n");
    for (Setting { path, from, to, source, risk }, is_new) in settings {
        let from = match from {
            Some(from) => code(&from.to_string()),
            None if is_new => String::new(),
            None => "not shown".to_owned(),
        };
        let _ = writeln!(text, "| {} | {from} | {} | {source} | {risk} |", code(path), code(&to.to_string()));
    }
}

/// Text from manifests must not become markup, nor end a cell of a table.
fn escaped(text: &str) -> String {
    let mut safe = String::new();
    let mut in_code = false;
    for letter in text.chars() {
        match letter {
            '`' => {
                safe.push_str(if in_code { "</code>" } else { "<code>" });
                in_code = !in_code;
            }
            letter => safe.push_str(&entity(letter)),
        }
    }
    if in_code {
        safe.push_str("</code>");
    }
    unlinked(&safe)
}

fn code(text: &str) -> String {
    unlinked(&format!("<code>{}</code>", text.chars().map(entity).collect::<String>()))
}

/// An address is shown and not made a link.
fn unlinked(text: &str) -> String {
    text.replace("://", "&#58;//").replace("www.", "www&#46;")
}

fn entity(letter: char) -> String {
    match letter {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '|' | '`' | '*' | '[' | ']' | '\\' | '~' | '#' | '@' | '\n' | '\r' => format!("&#{};", u32::from(letter)),
        letter => letter.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_manifest_does_not_become_markup() {
        let said = escaped("a `b|c` <img src=x> @all [x](http://y) `open");
        for part in ["|", "<img", "@", "[", "](", "http:"] {
            assert!(!said.contains(part), "{part}: {said}");
        }
        assert!(said.contains("<code>b&#124;c</code>"), "{said}");
        assert_eq!(said.matches("<code>").count(), said.matches("</code>").count());
    }
}
