//! A plan for people: plain on a terminal, Markdown in a pull request.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::Planned;
use super::row::{Action, Request, Row, Setting};

/// The plan on a terminal.
pub(super) fn plain(planned: &Planned, with_unchanged: bool) -> String {
    let mut text = String::new();
    for row in &planned.objects {
        if row.action == Action::Nothing && row.notes.is_empty() && row.reason.is_none() && !with_unchanged {
            continue;
        }
        let Row { kind, namespace, name, .. } = row;
        let _ = writeln!(text, "{kind} {namespace}/{name}{}: {}", tenant(row), head(row));
        for request in &row.requests {
            for line in lines(request) {
                let _ = writeln!(text, "  {line}");
            }
        }
        if let Some(message) = &row.message {
            let _ = writeln!(text, "  {}: {message}", row.reason.unwrap_or("note"));
        }
        for note in &row.notes {
            let _ = writeln!(text, "  note: {note}");
        }
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let _ = writeln!(text, "Plan: {}.", summary(planned));
    text
}

fn tenant(row: &Row) -> String {
    row.unique_id.as_ref().map(|id| format!(" ({id})")).unwrap_or_default()
}

/// What happens, in a few words.
fn head(row: &Row) -> String {
    let name = &row.tenant_name;
    match row.action {
        Action::Create => format!("create tenant \"{name}\""),
        Action::TakeOver => "take over the tenant as it is".to_owned(),
        Action::Change => "change the tenant".to_owned(),
        Action::Activate => "activate the tenant".to_owned(),
        Action::Suspend => "suspend the tenant".to_owned(),
        Action::Mark => "write the mark of this object and nothing else".to_owned(),
        Action::End => "ending".to_owned(),
        Action::Wait => "waiting".to_owned(),
        Action::Refuse => "refused".to_owned(),
        Action::Nothing => "nothing to do".to_owned(),
    }
}

fn lines(request: &Request) -> Vec<String> {
    match request.step {
        "mark" => vec!["mark: this object owns the tenant".to_owned()],
        "activate" => vec!["! activate the tenant".to_owned()],
        "suspend" => vec!["! suspend the tenant".to_owned()],
        step => request.settings.iter().map(|setting| line(setting, step == "create")).collect(),
    }
}

fn line(setting: &Setting, is_new: bool) -> String {
    let Setting { path, from, to, source, risk } = setting;
    let risk = if *risk == "disruptive" { ", disruptive" } else { "" };
    if is_new {
        return format!("+ {path}: {to} ({source}{risk})");
    }
    format!("~ {path}: {} -> {to} ({source}{risk})", before(from.as_ref()))
}

fn before(from: Option<&Json>) -> String {
    from.map_or_else(|| "(not shown)".to_owned(), Json::to_string)
}

fn summary(planned: &Planned) -> String {
    let mut parts: Vec<String> =
        planned.summary.iter().map(|(action, count)| format!("{count} {}", action.words())).collect();
    if parts.is_empty() {
        parts.push("no Partner and no Client".to_owned());
    }
    if planned.ignored > 0 {
        parts.push(format!("{} of other kinds ignored", planned.ignored));
    }
    parts.join(", ")
}

/// The plan as a comment on a pull request.
pub(super) fn markdown(planned: &Planned) -> String {
    let mut text = format!("### Tenantry plan\n\n**{}.**\n", summary(planned));
    for row in planned.objects.iter().filter(|row| row.action != Action::Nothing || !row.notes.is_empty()) {
        let Row { kind, namespace, name, .. } = row;
        let sign = match row.action {
            Action::Refuse => "🛑 ",
            Action::Wait => "⏸ ",
            _ if row.requests.iter().any(is_disruptive) => "⚠️ ",
            _ => "",
        };
        let _ = write!(
            text,
            "\n#### {sign}{kind} {}{}: {}\n",
            code(&format!("{namespace}/{name}")),
            row.unique_id.as_ref().map(|id| format!(" ({})", code(id))).unwrap_or_default(),
            escaped(&head(row))
        );
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
