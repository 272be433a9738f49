//! Renders the plan as a comment on a pull request: collapsed, and never longer than a comment may be.

use std::fmt::Write as _;

use super::PlanReport;
use super::row::{PlanRow, PlannedAction, PlannedRequest, PlannedSetting};
use super::text::{FailedPlatform, action_headline, failed_platforms, object_names, request_lines, summary_line};
use crate::output::format_count;

/// Longest comment, in bytes. GitHub accepts 65,536 characters, and the workflow that posts it may add a line.
const MAX_COMMENT_BYTES: usize = 60_000;
/// Bytes that are reserved for the lines that list what was left out.
const CLOSING_RESERVE_BYTES: usize = 2_000;
/// Longest part about one object, in bytes. A longer one is replaced by the number of its settings and notes.
const MAX_OBJECT_BYTES: usize = 8_000;

/// Renders the plan as a comment on a pull request. What needs a person comes first, so that it is not cut.
pub(super) fn render_markdown(report: &PlanReport) -> String {
    let mut text = format!("### Tenantry plan\n\n**{}.**\n", summary_line(report));
    for FailedPlatform { message, objects: behind } in failed_platforms(report).iter().take(MAX_FAILED_PLATFORMS) {
        let _ = write!(
            text,
            "\n* not looked at: {}: {}\n",
            escape_markdown(&object_names(behind)),
            escape_markdown(message)
        );
    }
    let shown = report.objects.iter().filter(|row| row.action != PlannedAction::Unknown);
    let mut rows: Vec<&PlanRow> =
        shown.filter(|row| row.action != PlannedAction::Nothing || !row.notes.is_empty()).collect();
    rows.sort_by_key(|row| urgency(row));
    let mut left_out: Vec<&PlanRow> = Vec::new();
    let is_short = rows.len() <= MAX_OPEN_OBJECTS;
    for row in rows {
        let part = render_object(row, is_short);
        if left_out.is_empty() && text.len() + part.len() <= MAX_COMMENT_BYTES - CLOSING_RESERVE_BYTES {
            text.push_str(&part);
        } else {
            left_out.push(row);
        }
    }
    text.push_str(&omitted_summary(&left_out));
    text
}

/// Number of failed platforms that are named. If there are more, they have a common cause.
const MAX_FAILED_PLATFORMS: usize = 20;

/// Up to this number of objects, all are expanded.
const MAX_OPEN_OBJECTS: usize = 5;

/// Returns the sort rank: refused, waiting, disruptive, and the rest.
fn urgency(row: &PlanRow) -> u8 {
    match row.action {
        PlannedAction::Refuse => 0,
        PlannedAction::Wait => 1,
        _ if row.requests.iter().any(is_disruptive) => 2,
        _ => 3,
    }
}

/// Counts the objects that did not fit, by action.
fn omitted_summary(left_out: &[&PlanRow]) -> String {
    if left_out.is_empty() {
        return String::new();
    }
    let mut counts = std::collections::BTreeMap::<PlannedAction, usize>::new();
    for row in left_out {
        *counts.entry(row.action).or_default() += 1;
    }
    let counts: Vec<String> =
        counts.iter().map(|(action, count)| format!("{count} {}", action.summary_words())).collect();
    format!(
        "\n**{} left out here** ({}): a comment has an end. `kubectl tenantry plan` with the same flags shows the whole plan.\n",
        format_count(left_out.len(), "object"),
        counts.join(", ")
    )
}

/// Renders one object as a line that expands.
fn render_object(row: &PlanRow, is_open: bool) -> String {
    let PlanRow { kind, namespace, name, .. } = row;
    let sign = match row.action {
        PlannedAction::Refuse => "🛑 ",
        PlannedAction::Wait => "⏸ ",
        _ if row.requests.iter().any(is_disruptive) => "⚠️ ",
        _ => "",
    };
    let title = format!(
        "{sign}{kind} {}{}: {}",
        code_span(&format!("{namespace}/{name}")),
        row.unique_id.as_ref().map(|id| format!(" ({})", code_span(id))).unwrap_or_default(),
        escape_markdown(&action_headline(row))
    );
    let inside = render_details(row);
    if inside.is_empty() {
        return format!("\n{title}\n");
    }
    // What needs a person is expanded.
    let open = if is_open || matches!(row.action, PlannedAction::Refuse | PlannedAction::Wait) { " open" } else { "" };
    let inside = if inside.len() > MAX_OBJECT_BYTES {
        let settings: usize = row.requests.iter().map(|request| request.settings.len()).sum();
        format!(
            "\n{} and {}: too long for a comment\n",
            format_count(settings, "setting"),
            format_count(row.notes.len(), "note")
        )
    } else {
        inside
    };
    format!("\n<details{open}><summary>{title}</summary>\n{inside}\n</details>\n")
}

fn render_details(row: &PlanRow) -> String {
    let mut text = String::new();
    write_settings_table(&mut text, row);
    if let Some(message) = &row.message {
        let _ = write!(text, "\n{}: {}\n", row.reason.unwrap_or("note"), escape_markdown(message));
    }
    for note in &row.notes {
        let _ = write!(text, "\n> {}\n", escape_markdown(note));
    }
    if let Some(hash) = row.approved_plan.as_ref().filter(|_| row.action == PlannedAction::Wait) {
        let _ = write!(
            text,
            "\nTo approve exactly this, and nothing else:\n\n```yaml\nspec: {{management: {{approval: {{approvedPlan: \"{hash}\"}}}}}}\n```\n"
        );
    }
    text
}

fn is_disruptive(request: &PlannedRequest) -> bool {
    request.step == "suspend" || request.settings.iter().any(|setting| setting.risk == "disruptive")
}

fn write_settings_table(text: &mut String, row: &PlanRow) {
    let settings: Vec<(&PlannedSetting, bool)> = row
        .requests
        .iter()
        .flat_map(|request| request.settings.iter().map(|one| (one, request.step == "create")))
        .collect();
    for request in &row.requests {
        if let "activate" | "suspend" | "mark" = request.step {
            let _ = write!(text, "\n* {}\n", request_lines(request).join("").trim_start_matches("! "));
        }
    }
    if settings.is_empty() {
        return;
    }
    text.push_str("\n| setting | from | to | source | risk |\n| --- | --- | --- | --- | --- |\n");
    for (PlannedSetting { path, from, to, source, risk }, is_new) in settings {
        let from = match from {
            Some(from) => code_span(&from.to_string()),
            None if is_new => String::new(),
            None => "not shown".to_owned(),
        };
        let _ = writeln!(text, "| {} | {from} | {} | {source} | {risk} |", code_span(path), code_span(&to.to_string()));
    }
}

/// Escapes text from manifests, so that it cannot become markup or end a table cell.
fn escape_markdown(text: &str) -> String {
    let mut safe = String::new();
    let mut in_code = false;
    for letter in text.chars() {
        match letter {
            '`' => {
                safe.push_str(if in_code { "</code>" } else { "<code>" });
                in_code = !in_code;
            }
            letter => safe.push_str(&html_entity(letter)),
        }
    }
    if in_code {
        safe.push_str("</code>");
    }
    break_links(&safe)
}

fn code_span(text: &str) -> String {
    break_links(&format!("<code>{}</code>", text.chars().map(html_entity).collect::<String>()))
}

/// Prevents an address from becoming a link.
fn break_links(text: &str) -> String {
    text.replace("://", "&#58;//").replace("www.", "www&#46;")
}

fn html_entity(letter: char) -> String {
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
        let said = escape_markdown("a `b|c` <img src=x> @all [x](http://y) `open");
        for part in ["|", "<img", "@", "[", "](", "http:"] {
            assert!(!said.contains(part), "{part}: {said}");
        }
        assert!(said.contains("<code>b&#124;c</code>"), "{said}");
        assert_eq!(said.matches("<code>").count(), said.matches("</code>").count());
    }
}
