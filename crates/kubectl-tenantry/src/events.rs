//! `events`: shows the events that the operator published about objects.

use clap_complete::ArgValueCompleter;
use jiff::Timestamp;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;
use serde::Serialize;
use tenantry_api::GROUP;
use tenantry_core::object::uid;

use super::cluster::{Cluster, ClusterFlags};
use super::colour::Tone;
use super::completion_candidates;
use super::failure::Failure;
use super::leader::format_age;
use super::object_arg::{AnyObject, ObjectArg, connect_required};
use super::output::{self, OutputFormat};
use super::table::{Cell, Table};
use super::{CommandResult, ExitKind};

/// Show the events of Partners and Clients, the oldest first.
///
/// The API server keeps events for about an hour.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  kubectl tenantry events\n  kubectl tenantry events client/globex\n  kubectl tenantry events -A --warnings"
)]
pub(crate) struct EventsFlags {
    /// The object, as `partner/NAME` or `client/NAME`; NAME alone where it is only one of them.
    #[arg(value_name = "KIND/NAME", num_args = 0..=2, add = ArgValueCompleter::new(completion_candidates::objects))]
    object: Vec<String>,
    /// All namespaces.
    #[arg(short = 'A', long, conflicts_with = "object")]
    all_namespaces: bool,
    /// Only warnings.
    #[arg(long)]
    warnings: bool,
    /// Form for programs.
    #[arg(short, long, value_enum)]
    output: Option<OutputFormat>,
}

/// An event.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
struct EventRow {
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<Timestamp>,
    /// How often it occurred.
    count: i32,
    r#type: String,
    reason: String,
    namespace: String,
    object: String,
    note: String,
}

pub(crate) async fn run(flags: &EventsFlags, cluster: &ClusterFlags) -> CommandResult {
    let named = if flags.object.is_empty() { None } else { Some(ObjectArg::parse(&flags.object)?) };
    let cluster = connect_required(cluster).await?;
    let wanted = match named {
        None => None,
        Some(named) => Some(match named.find_object(&cluster).await? {
            AnyObject::Partner(partner) => uid(partner.as_ref()),
            AnyObject::Client(client) => uid(client.as_ref()),
        }),
    };
    let rows = list_event_rows(flags, wanted.as_deref(), &cluster).await?;
    match flags.output {
        Some(form) => output::print(&form.text(&rows)?)?,
        None if rows.is_empty() => output::print_note("there are no such events"),
        None => output::print(&render_table(&rows, flags.all_namespaces, tenantry_runtime::clock::now()))?,
    }
    Ok(ExitKind::Success)
}

async fn list_event_rows(
    flags: &EventsFlags,
    wanted: Option<&str>,
    cluster: &Cluster,
) -> Result<Vec<EventRow>, Failure> {
    let client = cluster.client.clone();
    let events: Api<Event> =
        if flags.all_namespaces { Api::all(client) } else { Api::namespaced(client, &cluster.namespace) };
    let params =
        wanted.map_or_else(ListParams::default, |uid| ListParams::default().fields(&format!("regarding.uid={uid}")));
    let mut rows: Vec<EventRow> = events.list(&params).await?.items.iter().filter_map(EventRow::from_event).collect();
    rows.retain(|row| !flags.warnings || row.r#type == "Warning");
    rows.sort_by_key(|row| row.last_seen);
    Ok(rows)
}

impl EventRow {
    /// Converts an event. Returns `None` if it is not about a Partner or Client.
    fn from_event(event: &Event) -> Option<Self> {
        let about = event.regarding.as_ref()?;
        let group = about.api_version.as_deref().unwrap_or_default().split('/').next();
        let is_ours = group == Some(GROUP);
        let series = event.series.as_ref();
        let seen = series.map(|series| series.last_observed_time.0);
        let once = event.event_time.as_ref().map(|time| time.0);
        let before = event.deprecated_last_timestamp.as_ref().map(|time| time.0);
        let kind = about.kind.as_deref().unwrap_or_default().to_ascii_lowercase();
        is_ours.then(|| Self {
            last_seen: seen.or(once).or(before),
            count: series.map(|series| series.count).or(event.deprecated_count).unwrap_or(1),
            r#type: event.type_.clone().unwrap_or_default(),
            reason: event.reason.clone().unwrap_or_default(),
            namespace: about.namespace.clone().unwrap_or_default(),
            object: format!("{kind}/{}", about.name.as_deref().unwrap_or_default()),
            note: event.note.clone().unwrap_or_default(),
        })
    }
}

fn render_table(rows: &[EventRow], has_namespaces: bool, now: Timestamp) -> String {
    let mut head = vec!["LAST SEEN", "TYPE", "REASON", "OBJECT", "NOTE"];
    if has_namespaces {
        head.insert(0, "NAMESPACE");
    }
    let mut table = Table::new(&head);
    for row in rows {
        let seen = row.last_seen.map(|time| format_age(time, now)).unwrap_or_default();
        let seen = if row.count > 1 { format!("{seen} (x{})", row.count) } else { seen };
        let tone = if row.r#type == "Warning" { Tone::Bad } else { Tone::Plain };
        let mut cells = vec![
            Cell::from(&seen),
            Cell::with_tone(&row.r#type, tone),
            Cell::from(&row.reason),
            Cell::from(&row.object),
            Cell::from(&row.note),
        ];
        if has_namespaces {
            cells.insert(0, Cell::from(&row.namespace));
        }
        table.push(cells);
    }
    table.text()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_of_other_kinds_are_left_out_and_a_series_is_one_line() {
        let event = |api: &str, series: Option<i32>| -> Event {
            let mut event = json!({
                "metadata": {"name": "e", "namespace": "acme"}, "eventTime": "2026-12-01T12:00:00.000000Z",
                "regarding": {"apiVersion": api, "kind": "Client", "namespace": "acme", "name": "globex"},
                "type": "Warning", "reason": "InvalidValue", "note": "no such country",
            });
            if let Some(count) = series {
                event["series"] = json!({"count": count, "lastObservedTime": "2026-12-01T12:09:00.000000Z"});
            }
            serde_json::from_value(event).unwrap()
        };
        assert_eq!(EventRow::from_event(&event("apps/v1", None)), None);
        let rows = ["tenantry.dev/v1alpha1"; 2].map(|api| EventRow::from_event(&event(api, None)).unwrap());
        let series = EventRow::from_event(&event("tenantry.dev/v1alpha1", Some(4))).unwrap();
        let text = render_table(&[rows[0].clone(), series], true, "2026-12-01T12:10:00Z".parse().unwrap());
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1][..3], ["acme", "10m", "Warning"]);
        assert_eq!(lines[2][..4], ["acme", "60s", "(x4)", "Warning"]);
    }
}
