//! `list`: what the platform holds, as its console lists it.

mod clients;

use clap::ValueEnum;
use jiff::Timestamp;
use serde::Serialize;

use super::accounts::Usable;
use super::cluster::ClusterFlags;
use super::colour::Tone;
use super::connection::ConnectionFlags;
use super::failure::Failure;
use super::output::{self, Machine, count};
use super::status::numbered;
use super::table::{Cell, Table};
use super::{Ended, Exit, tenants};
use crate::connect::{Error, Place, Platform};
use crate::wire::{SearchItem, State, TIME_FORMAT};
use clients::Sought;

/// List what the platform holds: partners, or clients of all or of one of them.
///
/// Shows name, unique id, date created and status, whether an object declares the tenant or not. Inactive is a tenant that
/// was terminated; one that is only suspended is Suspended. Without a connection on the command line the Secrets of all
/// Partners are used; one that cannot be used is an error and hides nothing of the others.
///
/// Exit status: 0 everything is listed, 1 something could not be.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  kubectl tenantry list partners\n  kubectl tenantry list clients --partner msp_92 --status all\n  kubectl tenantry list clients --search globex -o json\n  kubectl tenantry list partners --connection platform.env --sort-by created"
)]
pub(crate) struct Flags {
    /// What to list.
    #[arg(value_enum)]
    what: What,
    /// Which tenants, by their status.
    #[arg(long, value_enum, value_name = "STATUS", default_value = "active")]
    status: Wanted,
    /// Part of the name, in any case.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// The one partner whose clients are listed, by its unique id or its name.
    #[arg(long, value_name = "PARTNER")]
    partner: Option<String>,
    /// Order of the list.
    #[arg(long, value_enum, value_name = "COLUMN", default_value = "name")]
    sort_by: SortBy,
    /// Form of the list.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Form,
    #[command(flatten)]
    connection: ConnectionFlags,
}

/// What is listed.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// The partners of the service provider.
    #[value(alias = "partner", alias = "msp")]
    Partners,
    /// The clients of partners.
    #[value(alias = "client", alias = "tclient")]
    Clients,
}

/// Tenants of which status are listed.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// In service.
    Active,
    /// Terminated: they cannot be activated again.
    Inactive,
    /// Suspended: they can.
    Suspended,
    /// All of them.
    All,
}

/// What the list is ordered by.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum SortBy {
    Name,
    UniqueId,
    /// The newest first.
    Created,
    Status,
}

/// Form of the list.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Table,
    Json,
    Yaml,
}

/// A tenant of the list.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
struct Row {
    name: String,
    unique_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    date_created: Option<Timestamp>,
    status: Status,
    /// Unique id of the partner of a client.
    #[serde(skip_serializing_if = "Option::is_none")]
    partner: Option<String>,
    /// The object that its mark names.
    #[serde(skip_serializing_if = "Option::is_none")]
    declared_by: Option<String>,
}

/// How a tenant stands, in the words of the console.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    Active,
    Suspended,
    Inactive,
}

impl Status {
    const ALL: [Self; 3] = [Self::Active, Self::Suspended, Self::Inactive];

    /// A platform without the extensions only says whether a tenant is in service.
    fn of(item: &SearchItem) -> Self {
        match (item.status, item.activated) {
            (Some(State::Active), _) | (None, true) => Self::Active,
            (Some(State::Suspended), _) => Self::Suspended,
            (Some(State::Terminated), _) | (None, false) => Self::Inactive,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Suspended => "Suspended",
            Self::Inactive => "Inactive",
        }
    }

    const fn is(self, wanted: Wanted) -> bool {
        match wanted {
            Wanted::All => true,
            Wanted::Active => matches!(self, Self::Active),
            Wanted::Inactive => matches!(self, Self::Inactive),
            Wanted::Suspended => matches!(self, Self::Suspended),
        }
    }
}

pub(crate) async fn run(flags: &Flags, cluster: &ClusterFlags) -> Ended {
    if flags.what == What::Partners && flags.partner.is_some() {
        return Err(Failure::new("`--partner` is for clients: say `list clients`, or `--search`").into());
    }
    let mut failures = Vec::new();
    let mut rows = Vec::new();
    let mut sought = Sought::new(flags.partner.as_deref());
    for platform in platforms(flags, cluster, &mut failures).await? {
        let failed = |error: &Error| Failure::new(format!("platform `{}`: {error}", platform.host()));
        match flags.what {
            What::Partners => match tenants::rows(&platform, &partners_of(&platform)).await {
                Ok(found) => rows.extend(found.values().map(|item| Row::of(item, None))),
                Err(error) => failures.push(failed(&error)),
            },
            What::Clients => match clients::of(&platform, &mut sought, &mut failures).await {
                Ok(found) => rows.extend(found),
                Err(error) => failures.push(failed(&error)),
            },
        }
    }
    if failures.is_empty() {
        failures.extend(sought.missing());
    }
    show(rows, flags, failures.is_empty())?;
    if failures.is_empty() { Ok(Exit::Nothing) } else { Err(failures) }
}

fn partners_of(platform: &Platform) -> Place {
    Place::Partners { sp: platform.tenant_id().to_owned() }
}

/// The platform that is named, or each that a Partner leads to.
async fn platforms(
    flags: &Flags,
    cluster: &ClusterFlags,
    failures: &mut Vec<Failure>,
) -> Result<Vec<Platform>, Failure> {
    let connected = cluster.connect().await?;
    let given = flags.connection.given(connected.as_ref()).await?;
    if let Some(named) = given.platform {
        return Ok(vec![named]);
    }
    let nothing = || Failure::new("no Partner names a connection: give it with `--connection FILE`");
    let connected = connected.ok_or_else(nothing)?;
    let Usable { platforms, unusable } = Usable::of_the_cluster(given, &connected, cluster.namespace()).await?;
    failures.extend(unusable.into_iter().map(Failure::from));
    if platforms.is_empty() && failures.is_empty() {
        return Err(nothing());
    }
    Ok(platforms)
}

impl Row {
    fn of(item: &SearchItem, partner: Option<&str>) -> Self {
        let time = |text: &String| {
            let parsed = jiff::fmt::strtime::parse(TIME_FORMAT, text);
            parsed.and_then(|parsed| parsed.to_timestamp()).ok()
        };
        Self {
            name: item.name.clone(),
            unique_id: item.unique_id.clone(),
            date_created: item.created_time.as_ref().and_then(time),
            status: Status::of(item),
            partner: partner.map(str::to_owned),
            declared_by: item.managed_by.as_ref().map(ToString::to_string),
        }
    }
}

impl SortBy {
    fn sort(self, rows: &mut [Row]) {
        rows.sort_by_key(|row| (row.name.to_lowercase(), numbered(Some(&row.unique_id))));
        match self {
            Self::Name => {}
            Self::UniqueId => rows.sort_by_key(|row| numbered(Some(&row.unique_id))),
            Self::Created => rows.sort_by_key(|row| std::cmp::Reverse(row.date_created)),
            Self::Status => rows.sort_by_key(|row| row.status),
        }
    }
}

/// Prints the rows; `is_whole` is whether everything could be listed.
fn show(mut rows: Vec<Row>, flags: &Flags, is_whole: bool) -> Result<(), Failure> {
    let sought = flags.search.as_deref().unwrap_or_default().to_lowercase();
    rows.retain(|row| row.name.to_lowercase().contains(&sought));
    flags.sort_by.sort(&mut rows);
    let (shown, hidden): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.status.is(flags.status));
    match flags.output {
        // Where something could not be listed, that is said, and nobody knows what is there.
        Form::Table if shown.is_empty() && !is_whole => {}
        Form::Table if shown.is_empty() => output::note("there is no such tenant on the platform"),
        Form::Table => output::print(&table(&shown, flags.what))?,
        Form::Json => output::print(&Machine::Json.text(&shown)?)?,
        Form::Yaml => output::print(&Machine::Yaml.text(&shown)?)?,
    }
    let of = |status: Status| hidden.iter().filter(|row| row.status == status).count();
    let counts = Status::ALL.map(|status| (of(status), status.name()));
    let left: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}")).collect();
    if !left.is_empty() {
        output::note(&format!(
            "{} not shown ({}): `--status all` shows them",
            count(hidden.len(), "tenant"),
            left.join(", ")
        ));
    }
    Ok(())
}

fn table(rows: &[Row], what: What) -> String {
    let mut head = vec!["NAME", "UNIQUE ID", "DATE CREATED", "STATUS"];
    if what == What::Clients {
        head.push("PARTNER");
    }
    let mut table = Table::new(&head);
    for Row { name, unique_id, date_created, status, partner, declared_by: _ } in rows {
        let tone = match status {
            Status::Active => Tone::Good,
            Status::Suspended => Tone::Busy,
            Status::Inactive => Tone::Bad,
        };
        let created = date_created.map(|time| time.to_string());
        let mut cells = vec![
            Cell::from(name),
            Cell::from(unique_id),
            Cell::from(created.as_ref()),
            Cell::toned(status.name(), tone),
        ];
        if what == What::Clients {
            cells.push(Cell::from(partner.as_ref()));
        }
        table.push(cells);
    }
    table.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inactive_is_terminated_and_suspended_is_its_own_word() {
        let item = |status, activated| SearchItem { activated, status, ..SearchItem::default() };
        for (item, status) in [
            (item(Some(State::Active), true), Status::Active),
            (item(Some(State::Suspended), false), Status::Suspended),
            (item(Some(State::Terminated), false), Status::Inactive),
            (item(None, true), Status::Active),
            (item(None, false), Status::Inactive),
        ] {
            assert_eq!(Status::of(&item), status);
        }
        let shown = |wanted| Status::ALL.map(|status| status.is(wanted));
        assert_eq!(shown(Wanted::Active), [true, false, false]);
        assert_eq!(shown(Wanted::Suspended), [false, true, false]);
        assert_eq!(shown(Wanted::Inactive), [false, false, true]);
        assert_eq!(shown(Wanted::All), [true, true, true]);
    }

    #[test]
    fn tenants_are_ordered_by_each_column() {
        let row = |name: &str, id: &str, created: &str, status| Row {
            name: name.to_owned(),
            unique_id: id.to_owned(),
            date_created: created.parse().ok(),
            status,
            partner: None,
            declared_by: None,
        };
        let rows = [
            row("Beta", "msp_9", "2026-01-03T00:00:00Z", Status::Inactive),
            row("alpha", "msp_10", "2026-01-01T00:00:00Z", Status::Suspended),
            row("gamma", "msp_11", "2026-01-02T00:00:00Z", Status::Active),
        ];
        for (by, order) in [
            (SortBy::Name, ["alpha", "Beta", "gamma"]),
            (SortBy::UniqueId, ["Beta", "alpha", "gamma"]),
            (SortBy::Created, ["Beta", "gamma", "alpha"]),
            (SortBy::Status, ["gamma", "alpha", "Beta"]),
        ] {
            let mut sorted = rows.clone();
            by.sort(&mut sorted);
            assert_eq!(sorted.map(|row| row.name), order, "{by:?}");
        }
    }
}
