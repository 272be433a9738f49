//! All objects, a line each.

use serde::Serialize;

use super::next;
use crate::api::{ConditionType, Reason, TenantPhase};
use crate::cli::one::Every;
use crate::cli::output::{count, plain};
use crate::object::{NotUnderstood, Object, namespace, unique_id};

/// The line of an object.
#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    namespace: String,
    kind: &'static str,
    name: String,
    ready: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<TenantPhase>,
    tenant: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    unique_id: Option<String>,
    /// How many settings differ.
    differs: usize,
    /// Why a person should look; absent where nobody need.
    #[serde(skip_serializing_if = "Option::is_none")]
    attention: Option<String>,
    /// Why its connection cannot be used.
    #[serde(skip)]
    broken: Option<String>,
}

/// Reasons of a connection that cannot be used.
const BROKEN: [Reason; 6] = [
    Reason::CredentialsUnavailable,
    Reason::CredentialsRefused,
    Reason::HostNotAllowed,
    Reason::ConnectionMismatch,
    Reason::ConnectionIdentityChanged,
    Reason::PlatformUnavailable,
];

/// Objects that are named where one reason holds for many.
const NAMED: usize = 5;

impl Row {
    pub(super) fn of<K: Object>(object: &K) -> Self {
        let status = object.status();
        Self {
            namespace: namespace(object),
            kind: K::KIND.name(),
            name: object.meta().name.clone().unwrap_or_default(),
            ready: next::condition(object, ConditionType::Ready)
                .map_or_else(|| "Unknown".to_owned(), |ready| ready.status.clone()),
            phase: status.and_then(|status| status.phase),
            tenant: object.declared_name().to_owned(),
            unique_id: unique_id(object).map(str::to_owned),
            differs: status.map_or(0, |status| status.drift.len()),
            attention: next::attention(object),
            broken: next::condition(object, ConditionType::Ready)
                .filter(|ready| BROKEN.iter().any(|reason| reason.name() == ready.reason))
                .map(|ready| format!("{}: {}", ready.reason, ready.message)),
        }
    }

    /// The lines of all objects of a kind.
    pub(super) fn all<K: Object>(every: &Every<K>) -> Vec<Self> {
        let others = every.others.iter().map(|other| Self::of_other(K::KIND.name(), other));
        every.understood.iter().map(Self::of).chain(others).collect()
    }

    /// The line of an object that this program does not understand.
    fn of_other(kind: &'static str, other: &NotUnderstood) -> Self {
        let name = other.spec.pointer("/details/name").and_then(serde_json::Value::as_str);
        Self {
            namespace: other.namespace().to_owned(),
            kind,
            name: other.name().to_owned(),
            ready: "Unknown".to_owned(),
            phase: None,
            tenant: name.unwrap_or_default().to_owned(),
            unique_id: other.unique_id().map(str::to_owned),
            differs: 0,
            broken: None,
            attention: Some(format!("{}: upgrade `kubectl tenantry` or correct the value", other.sentence())),
        }
    }

    /// What the list is ordered by: a Partner stands before its Clients.
    pub(super) fn place(&self) -> (&str, bool, &str) {
        (&self.namespace, self.kind == "Client", &self.name)
    }
}

/// The connections that cannot be used, each once with the objects behind it.
pub(super) fn broken(rows: &[Row]) -> Vec<String> {
    let mut all: Vec<(&str, Vec<String>)> = Vec::new();
    for row in rows {
        let Some(why) = row.broken.as_deref() else { continue };
        let name = format!("{} {}/{}", row.kind, row.namespace, row.name);
        match all.iter_mut().find(|(known, _)| *known == why) {
            Some((_, names)) => names.push(name),
            None => all.push((why, vec![name])),
        }
    }
    let line = |(why, names): &(&str, Vec<String>)| {
        let more = if names.len() > NAMED { format!(" and {} more", names.len() - NAMED) } else { String::new() };
        format!("connection of {}{more}: {why}", names[..names.len().min(NAMED)].join(", "))
    };
    all.iter().map(line).collect()
}

/// The lines as a table, with a sum below.
pub(super) fn text(rows: &[Row]) -> String {
    let head = ["NAMESPACE", "OBJECT", "READY", "STATUS", "TENANT", "UNIQUE-ID", "DIFFERS", "LOOK AT"];
    let lines: Vec<[String; 8]> = rows
        .iter()
        .map(|row| {
            let Row { namespace, kind, name, ready, phase, tenant, unique_id, differs, attention, broken: _ } = row;
            [
                namespace.clone(),
                format!("{}/{name}", kind.to_ascii_lowercase()),
                ready.clone(),
                phase.map_or_else(|| "-".to_owned(), |phase| format!("{phase:?}")),
                plain(tenant),
                unique_id.as_deref().map_or_else(|| "-".to_owned(), plain),
                differs.to_string(),
                attention.clone().unwrap_or_else(|| "-".to_owned()),
            ]
        })
        .collect();
    let width = |column: usize| {
        let cells = lines.iter().map(|line| line[column].chars().count());
        cells.chain([head[column].len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut text = line(&head.map(str::to_owned), &widths);
    for cells in &lines {
        text.push_str(&line(cells, &widths));
    }
    for one in broken(rows) {
        text.push('\n');
        text.push_str(&one);
        text.push('\n');
    }
    text + "\n" + &sum(rows) + "\n"
}

fn line(cells: &[String; 8], widths: &[usize]) -> String {
    let padded: Vec<String> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
    padded.join("  ").trim_end().to_owned() + "\n"
}

fn sum(rows: &[Row]) -> String {
    let of = |kind: &str| rows.iter().filter(|row| row.kind == kind).count();
    let ready = rows.iter().filter(|row| row.ready == "True").count();
    let asking = rows.iter().filter(|row| row.attention.is_some()).count();
    let look = match asking {
        0 => "nothing to look at".to_owned(),
        1 => "1 to look at: `kubectl tenantry status KIND/NAME` says what to do".to_owned(),
        many => format!("{many} to look at: `kubectl tenantry status KIND/NAME` says what to do"),
    };
    let [partners, clients] = ["Partner", "Client"].map(|kind| count(of(kind), kind));
    format!("{partners}, {clients}, {ready} of {} ready, {look}", rows.len())
}
