//! A plan for people: plain on a terminal, Markdown in a pull request.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::Planned;
use super::row::{Action, Request, Row, Setting};

/// Objects that are named where one reason holds for many.
const NAMED: usize = 5;

/// The plan on a terminal.
pub(super) fn plain(planned: &Planned, with_unchanged: bool) -> String {
    let mut text = String::new();
    for broken in broken(planned) {
        let _ = writeln!(text, "not looked at: {}: {}", objects(&broken.objects), broken.message);
    }
    for row in planned.objects.iter().filter(|row| row.action != Action::Unknown) {
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

/// A platform that could not be asked.
pub(super) struct Broken<'a> {
    /// Why.
    pub(super) message: String,
    /// What stands behind it.
    pub(super) objects: Vec<&'a Row>,
}

/// The platforms that could not be asked, each once.
pub(super) fn broken(planned: &Planned) -> Vec<Broken<'_>> {
    let mut all: Vec<Broken<'_>> = Vec::new();
    for row in planned.objects.iter().filter(|row| row.action == Action::Unknown) {
        let said = row.message.as_deref().unwrap_or_default();
        let message = row.reason.map_or_else(|| said.to_owned(), |reason| format!("{reason}: {said}"));
        match all.iter_mut().find(|broken| broken.message == message) {
            Some(broken) => broken.objects.push(row),
            None => all.push(Broken { message, objects: vec![row] }),
        }
    }
    all
}

/// Names of objects, of which a few are enough.
pub(super) fn objects(rows: &[&Row]) -> String {
    let names = rows.iter().take(NAMED).map(|Row { kind, namespace, name, .. }| format!("{kind} {namespace}/{name}"));
    let names = names.collect::<Vec<_>>().join(", ");
    if rows.len() > NAMED { format!("{names} and {} more", rows.len() - NAMED) } else { names }
}

fn tenant(row: &Row) -> String {
    row.unique_id.as_ref().map(|id| format!(" ({id})")).unwrap_or_default()
}

/// What happens, in a few words.
pub(super) fn head(row: &Row) -> String {
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
        Action::Unknown => "not looked at".to_owned(),
        Action::Nothing => "nothing to do".to_owned(),
    }
}

pub(super) fn lines(request: &Request) -> Vec<String> {
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

pub(super) fn summary(planned: &Planned) -> String {
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
