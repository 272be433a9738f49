//! Renders a plan as plain text for a terminal.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::PlanReport;
use super::row::{PlanRow, PlannedAction, PlannedRequest, PlannedSetting};

/// Number of objects that are named if one reason applies to many.
const MAX_NAMES: usize = 5;

/// Renders the plan for a terminal.
pub(super) fn render_text(report: &PlanReport, with_unchanged: bool) -> String {
    let mut text = String::new();
    for broken in failed_platforms(report) {
        let _ = writeln!(text, "not looked at: {}: {}", object_names(&broken.objects), broken.message);
    }
    for row in report.objects.iter().filter(|row| row.action != PlannedAction::Unknown) {
        if row.action == PlannedAction::Nothing && row.notes.is_empty() && row.reason.is_none() && !with_unchanged {
            continue;
        }
        let PlanRow { kind, namespace, name, .. } = row;
        let _ = writeln!(text, "{kind} {namespace}/{name}{}: {}", tenant_suffix(row), action_headline(row));
        for request in &row.requests {
            for line in request_lines(request) {
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
    let _ = writeln!(text, "Plan: {}.", summary_line(report));
    text
}

/// A platform that could not be reached.
pub(super) struct FailedPlatform<'a> {
    /// The reason.
    pub(super) message: String,
    /// The objects on it.
    pub(super) objects: Vec<&'a PlanRow>,
}

/// Returns the platforms that could not be reached, each once.
pub(super) fn failed_platforms(report: &PlanReport) -> Vec<FailedPlatform<'_>> {
    let mut all: Vec<FailedPlatform<'_>> = Vec::new();
    for row in report.objects.iter().filter(|row| row.action == PlannedAction::Unknown) {
        let said = row.message.as_deref().unwrap_or_default();
        let message = row.reason.map_or_else(|| said.to_owned(), |reason| format!("{reason}: {said}"));
        match all.iter_mut().find(|broken| broken.message == message) {
            Some(broken) => broken.objects.push(row),
            None => all.push(FailedPlatform { message, objects: vec![row] }),
        }
    }
    all
}

/// Joins the names of objects, up to a limit.
pub(super) fn object_names(rows: &[&PlanRow]) -> String {
    let names =
        rows.iter().take(MAX_NAMES).map(|PlanRow { kind, namespace, name, .. }| format!("{kind} {namespace}/{name}"));
    let names = names.collect::<Vec<_>>().join(", ");
    if rows.len() > MAX_NAMES { format!("{names} and {} more", rows.len() - MAX_NAMES) } else { names }
}

fn tenant_suffix(row: &PlanRow) -> String {
    row.unique_id.as_ref().map(|id| format!(" ({id})")).unwrap_or_default()
}

/// Describes the action in a few words.
pub(super) fn action_headline(row: &PlanRow) -> String {
    let name = &row.tenant_name;
    match row.action {
        PlannedAction::Create => format!("create tenant \"{name}\""),
        PlannedAction::TakeOver => "take over the tenant as it is".to_owned(),
        PlannedAction::Change => "change the tenant".to_owned(),
        PlannedAction::Activate => "activate the tenant".to_owned(),
        PlannedAction::Suspend => "suspend the tenant".to_owned(),
        PlannedAction::Mark => "write the mark of this object and nothing else".to_owned(),
        PlannedAction::End => "ending".to_owned(),
        PlannedAction::Wait => "waiting".to_owned(),
        PlannedAction::Refuse => "refused".to_owned(),
        PlannedAction::Unknown => "not looked at".to_owned(),
        PlannedAction::Nothing => "nothing to do".to_owned(),
    }
}

pub(super) fn request_lines(request: &PlannedRequest) -> Vec<String> {
    match request.step {
        "mark" => vec!["mark: this object owns the tenant".to_owned()],
        "activate" => vec!["! activate the tenant".to_owned()],
        "suspend" => vec!["! suspend the tenant".to_owned()],
        step => request.settings.iter().map(|setting| setting_line(setting, step == "create")).collect(),
    }
}

fn setting_line(setting: &PlannedSetting, is_new: bool) -> String {
    let PlannedSetting { path, from, to, source, risk } = setting;
    let risk = if *risk == "disruptive" { ", disruptive" } else { "" };
    if is_new {
        return format!("+ {path}: {to} ({source}{risk})");
    }
    format!("~ {path}: {} -> {to} ({source}{risk})", previous_value(from.as_ref()))
}

fn previous_value(from: Option<&Json>) -> String {
    from.map_or_else(|| "(not shown)".to_owned(), Json::to_string)
}

pub(super) fn summary_line(report: &PlanReport) -> String {
    let mut parts: Vec<String> =
        report.summary.iter().map(|(action, count)| format!("{count} {}", action.summary_words())).collect();
    if parts.is_empty() {
        parts.push("no Partner and no Client".to_owned());
    }
    if report.ignored > 0 {
        parts.push(format!("{} of other kinds ignored", report.ignored));
    }
    parts.join(", ")
}
