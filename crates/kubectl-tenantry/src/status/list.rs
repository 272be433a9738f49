//! The list of all objects, one line each.

use clap::ValueEnum;
use jiff::Timestamp;
use kube::api::ObjectMeta;
use serde::Serialize;
use tenantry_api::{ConditionType, Reason, TenantPhase};
use tenantry_core::object::{NotUnderstoodObject, TenantResource, namespace, unique_id};

use super::advice;
use crate::colour::Tone;
use crate::leader::format_age;
use crate::object_arg::ObjectList;
use crate::output::format_count;
use crate::table::{Cell, Table};

/// The line of an object.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatusRow {
    namespace: String,
    kind: &'static str,
    name: String,
    ready: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<TenantPhase>,
    tenant: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    unique_id: Option<String>,
    /// Number of settings that differ.
    differs: usize,
    /// Why it needs a person's attention; absent if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    attention: Option<String>,
    /// The message of the Ready condition.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// When the operator last wrote the status. It writes only if something changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_written: Option<Timestamp>,
    /// Whether it stays as it is until a person acts.
    #[serde(skip)]
    is_stuck: bool,
    /// Why its connection cannot be used.
    #[serde(skip)]
    broken: Option<String>,
}

/// Returns when the status was last written, from the object's `managedFields`.
pub(super) fn status_written(metadata: &ObjectMeta) -> Option<Timestamp> {
    let entries = metadata.managed_fields.iter().flatten();
    let of_status = entries.filter(|entry| entry.subresource.as_deref() == Some("status"));
    of_status.filter_map(|entry| entry.time.as_ref().map(|time| time.0)).max()
}

/// Reasons that mean that a connection cannot be used.
const CONNECTION_REASONS: [Reason; 6] = [
    Reason::CredentialsUnavailable,
    Reason::CredentialsRefused,
    Reason::HostNotAllowed,
    Reason::ConnectionMismatch,
    Reason::ConnectionIdentityChanged,
    Reason::PlatformUnavailable,
];

/// Number of objects that are named if one reason applies to many.
const MAX_NAMES: usize = 5;

impl StatusRow {
    pub(super) fn from_object<K: TenantResource>(object: &K) -> Self {
        let status = object.status();
        Self {
            namespace: namespace(object),
            kind: K::KIND.name(),
            name: object.meta().name.clone().unwrap_or_default(),
            ready: advice::find_condition(object, ConditionType::Ready)
                .map_or_else(|| "Unknown".to_owned(), |ready| ready.status.clone()),
            phase: status.and_then(|status| status.phase),
            tenant: object.declared_name().to_owned(),
            unique_id: unique_id(object).map(str::to_owned),
            differs: status.map_or(0, |status| status.drift.len()),
            attention: advice::attention_reason(object),
            message: advice::find_condition(object, ConditionType::Ready)
                .filter(|ready| ready.status != "True" && !ready.message.is_empty())
                .map(|ready| ready.message.clone()),
            status_written: status_written(object.meta()),
            is_stuck: advice::find_condition(object, ConditionType::Stalled).is_some_and(|one| one.status == "True"),
            broken: advice::find_condition(object, ConditionType::Ready)
                .filter(|ready| CONNECTION_REASONS.iter().any(|reason| reason.name() == ready.reason))
                .map(|ready| format!("{}: {}", ready.reason, ready.message)),
        }
    }

    /// Returns the rows of all objects of a kind.
    pub(super) fn from_list<K: TenantResource>(objects: &ObjectList<K>) -> Vec<Self> {
        let others = objects.not_understood.iter().map(|other| Self::from_unsupported(K::KIND.name(), other));
        objects.understood.iter().map(Self::from_object).chain(others).collect()
    }

    /// Returns the row of an object that this program does not understand.
    pub(super) fn from_unsupported(kind: &'static str, other: &NotUnderstoodObject) -> Self {
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
            attention: Some(format!("{}: upgrade `kubectl tenantry` or correct the value", other.unknown_summary())),
            message: None,
            status_written: status_written(&other.metadata),
            is_stuck: true,
        }
    }

    /// Returns the sort key by object: a Partner comes before its Clients.
    pub(super) fn sort_key(&self) -> (&str, bool, &str) {
        (&self.namespace, self.kind == "Client", &self.name)
    }
}

/// Describes the connections that cannot be used, each once with its objects.
pub(super) fn broken_connections(rows: &[StatusRow]) -> Vec<String> {
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
        let more =
            if names.len() > MAX_NAMES { format!(" and {} more", names.len() - MAX_NAMES) } else { String::new() };
        format!("connection of {}{more}: {why}", names[..names.len().min(MAX_NAMES)].join(", "))
    };
    all.iter().map(line).collect()
}

/// What the list is ordered by.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StatusSortBy {
    /// Namespace, then a Partner before its Clients, then the name.
    Object,
    /// Name of the object.
    Name,
    /// What is not Ready first.
    Ready,
    /// The word that says what needs attention.
    Reason,
    /// Name of the tenant.
    Tenant,
    /// Unique id of the tenant.
    UniqueId,
    /// What differs most first.
    Differs,
    /// Whose status was written last first.
    Written,
}

impl StatusSortBy {
    /// Sorts rows. Equal rows keep their order by object.
    pub(super) fn sort_rows(self, rows: &mut [StatusRow]) {
        rows.sort_by(|one, other| one.sort_key().cmp(&other.sort_key()));
        match self {
            Self::Object => {}
            Self::Name => rows.sort_by(|one, other| one.name.cmp(&other.name)),
            Self::Ready => rows.sort_by_key(|row| (row.ready == "True", row.attention.is_none())),
            Self::Reason => {
                rows.sort_by(|one, other| {
                    let key = |row: &StatusRow| (row.attention.is_none(), row.attention.clone());
                    key(one).cmp(&key(other))
                });
            }
            Self::Tenant => rows.sort_by_key(|row| row.tenant.to_lowercase()),
            Self::UniqueId => rows.sort_by_key(|row| id_sort_key(row.unique_id.as_deref())),
            Self::Differs => rows.sort_by_key(|row| std::cmp::Reverse(row.differs)),
            Self::Written => rows.sort_by_key(|row| std::cmp::Reverse(row.status_written)),
        }
    }
}

/// Splits an id into its prefix and its number, so that `client_9` comes before `client_10`.
pub(crate) fn id_sort_key(id: Option<&str>) -> (String, u64) {
    let id = id.unwrap_or_default();
    let digits = id.chars().rev().take_while(char::is_ascii_digit).count();
    let (prefix, number) = id.split_at(id.len() - digits);
    (prefix.to_owned(), number.parse().unwrap_or_default())
}

/// Columns without those of `-o wide`.
const COLUMNS: [&str; 8] = ["NAMESPACE", "OBJECT", "READY", "STATUS", "TENANT", "UNIQUE-ID", "DIFFERS", "LOOK AT"];

/// Renders the rows as a table.
pub(super) fn render_table(rows: &[StatusRow], is_wide: bool) -> String {
    let mut head = COLUMNS.to_vec();
    if is_wide {
        head.extend(["STATUS WRITTEN", "MESSAGE"]);
    }
    let mut table = Table::new(&head);
    for row in rows {
        table.push(row.cells(is_wide));
    }
    table.text()
}

impl StatusRow {
    pub(super) fn cells(&self, is_wide: bool) -> Vec<Cell> {
        let Self { namespace, kind, name, ready, phase, tenant, unique_id, differs, attention, .. } = self;
        let tone = match (ready.as_str(), attention) {
            ("True", None) => Tone::Good,
            ("False", _) if self.is_stuck => Tone::Bad,
            _ => Tone::Pending,
        };
        let mut cells = vec![
            Cell::from(namespace),
            Cell::from(&format!("{}/{name}", kind.to_ascii_lowercase())),
            Cell::with_tone(ready, tone),
            Cell::from(phase.map(|phase| format!("{phase:?}")).as_ref()),
            Cell::from(tenant),
            Cell::from(unique_id.as_ref()),
            Cell::from(&differs.to_string()),
            Cell::with_tone(
                attention.as_deref().unwrap_or_default(),
                if attention.is_some() { tone } else { Tone::Plain },
            ),
        ];
        if is_wide {
            let written =
                self.status_written.map(|time| format!("{} ago", format_age(time, tenantry_runtime::clock::now())));
            cells.extend([Cell::from(written.as_ref()), Cell::from(self.message.as_ref())]);
        }
        cells
    }

    /// Returns the unique key of an object.
    pub(super) fn key_of(kind: &str, namespace: &str, name: &str) -> String {
        format!("{kind} {namespace}/{name}")
    }

    /// Returns the unique key of this row's object.
    pub(super) fn key(&self) -> String {
        Self::key_of(self.kind, &self.namespace, &self.name)
    }

    /// Returns whether both rows print the same.
    pub(super) fn shows_same(&self, other: &Self) -> bool {
        self.cells(false) == other.cells(false)
    }

    /// Renders the row as a line below a list. It has no columns, since the width of later rows is not known.
    pub(super) fn line(&self) -> String {
        let mut table = Table::new(&COLUMNS);
        table.push(self.cells(false));
        table.text().split_inclusive('\n').skip(1).collect()
    }

    /// Returns whether the object is not Ready or needs a person's attention.
    pub(super) fn needs_attention(&self) -> bool {
        self.ready != "True" || self.attention.is_some()
    }
}

/// Summarises the number of objects and their states.
pub(super) fn summary_line(rows: &[StatusRow]) -> String {
    let of = |kind: &str| rows.iter().filter(|row| row.kind == kind).count();
    let ready = rows.iter().filter(|row| row.ready == "True").count();
    let asking = rows.iter().filter(|row| row.attention.is_some()).count();
    let look = match asking {
        0 => "nothing to look at".to_owned(),
        many => format!("{many} to look at: `kubectl tenantry status KIND/NAME` says what to do"),
    };
    let [partners, clients] = ["Partner", "Client"].map(|kind| format_count(of(kind), kind));
    format!("{partners}, {clients}, {ready} of {} ready, {look}", rows.len())
}

/// Summarises how many of all objects are shown.
pub(super) fn filtered_summary_line(rows: &[StatusRow], all: usize) -> String {
    match rows.len() {
        0 => format!(
            "{} ready, nothing to look at",
            if all == 1 { "the only one is".to_owned() } else { format!("all {all} are") }
        ),
        some => format!("{some} of {all} to look at: `kubectl tenantry status KIND/NAME` says what to do"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tenantry_api::TenantClient;

    use super::*;

    fn client_row(name: &str, id: &str, ready: &str, reason: &str, differs: usize) -> StatusRow {
        let drift: Vec<_> = (0..differs)
            .map(|one| json!({"path": format!("details.{one}"), "desired": "a", "observed": "b", "since": "2026-12-01T12:00:00Z"}))
            .collect();
        let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "reason": reason, "message": "m", "lastTransitionTime": "2026-12-01T12:00:00Z"});
        let mut conditions = vec![condition("Ready", ready)];
        if ready == "False" {
            conditions.push(condition("Stalled", "True"));
        }
        let object: TenantClient = serde_json::from_value(json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client", "metadata": {"name": name, "namespace": "acme"},
            "spec": {"partnerRef": {"name": "acme"}, "details": {"name": name.to_uppercase()}},
            "status": {"uniqueId": id, "conditions": conditions, "drift": drift},
        }))
        .unwrap();
        StatusRow::from_object(&object)
    }

    #[test]
    fn rows_are_ordered_by_each_column() {
        let rows = || {
            vec![
                client_row("a", "client_10", "True", "AsDeclared", 0),
                client_row("b", "client_9", "False", "InvalidValue", 0),
                client_row("c", "client_11", "True", "AsDeclared", 2),
            ]
        };
        for (by, order) in [
            (StatusSortBy::Object, "abc"),
            (StatusSortBy::Name, "abc"),
            (StatusSortBy::Ready, "bac"),
            (StatusSortBy::Reason, "bac"),
            (StatusSortBy::Tenant, "abc"),
            (StatusSortBy::UniqueId, "bac"),
            (StatusSortBy::Differs, "cab"),
            (StatusSortBy::Written, "abc"),
        ] {
            let mut sorted = rows();
            sorted.reverse();
            by.sort_rows(&mut sorted);
            let names: String = sorted.iter().map(|row| row.name.as_str()).collect();
            assert_eq!(names, order, "{by:?}");
        }
        assert_eq!(rows().iter().filter(|row| row.needs_attention()).count(), 1);
        assert_eq!(
            filtered_summary_line(&rows()[..1], 3),
            "1 of 3 to look at: `kubectl tenantry status KIND/NAME` says what to do"
        );
        assert_eq!(filtered_summary_line(&[], 3), "all 3 are ready, nothing to look at");
    }
}
