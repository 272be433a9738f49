//! `list`: shows the tenants of the platform in the words of its console.

mod clients;

use clap::ValueEnum;
use jiff::Timestamp;
use serde::Serialize;
use tenantry_client::{CallError, PlatformClient};
use tenantry_core::Place;
use tenantry_wire::{TIME_FORMAT, TenantSearchItem, WireTenantState};

use super::accounts::UsableAccounts;
use super::cluster::ClusterFlags;
use super::colour::Tone;
use super::connection::ConnectionFlags;
use super::failure::Failure;
use super::output::{self, OutputFormat, format_count};
use super::status::id_sort_key;
use super::table::{Cell, Table};
use super::{CommandResult, ExitKind, tenant_rows};
use clients::PartnerFilter;

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
pub(crate) struct ListFlags {
    /// What to list.
    #[arg(value_enum)]
    what: ListedKind,
    /// Which tenants, by their status.
    #[arg(long, value_enum, value_name = "STATUS", default_value = "active")]
    status: StatusFilter,
    /// Part of the name, in any case.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// The one partner whose clients are listed, by its unique id or its name.
    #[arg(long, value_name = "PARTNER")]
    partner: Option<String>,
    /// Order of the list.
    #[arg(long, value_enum, value_name = "COLUMN", default_value = "name")]
    sort_by: ListSortBy,
    /// Form of the list.
    #[arg(short, long, value_enum, default_value = "table")]
    output: ListFormat,
    #[command(flatten)]
    connection: ConnectionFlags,
}

/// What is listed.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum ListedKind {
    /// The partners of the service provider.
    #[value(alias = "partner", alias = "msp")]
    Partners,
    /// The clients of partners.
    #[value(alias = "client", alias = "tclient")]
    Clients,
}

/// Tenants of which status are listed.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum StatusFilter {
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
enum ListSortBy {
    Name,
    UniqueId,
    /// The newest first.
    Created,
    Status,
}

/// Form of the list.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum ListFormat {
    Table,
    Json,
    Yaml,
}

/// A tenant of the list.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
struct ListRow {
    name: String,
    unique_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    date_created: Option<Timestamp>,
    status: ConsoleStatus,
    /// Unique id of the partner of a client.
    #[serde(skip_serializing_if = "Option::is_none")]
    partner: Option<String>,
    /// The object that its mark names.
    #[serde(skip_serializing_if = "Option::is_none")]
    declared_by: Option<String>,
}

/// The state of a tenant, in the words of the console.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ConsoleStatus {
    Active,
    Suspended,
    Inactive,
}

impl ConsoleStatus {
    const ALL: [Self; 3] = [Self::Active, Self::Suspended, Self::Inactive];

    /// Reads the state from a search result. A platform without the extensions only shows whether a tenant is in
    /// service.
    fn from_item(item: &TenantSearchItem) -> Self {
        match (item.status, item.activated) {
            (Some(WireTenantState::Active), _) | (None, true) => Self::Active,
            (Some(WireTenantState::Suspended), _) => Self::Suspended,
            (Some(WireTenantState::Terminated), _) | (None, false) => Self::Inactive,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Suspended => "Suspended",
            Self::Inactive => "Inactive",
        }
    }

    const fn matches_filter(self, filter: StatusFilter) -> bool {
        match filter {
            StatusFilter::All => true,
            StatusFilter::Active => matches!(self, Self::Active),
            StatusFilter::Inactive => matches!(self, Self::Inactive),
            StatusFilter::Suspended => matches!(self, Self::Suspended),
        }
    }
}

pub(crate) async fn run(flags: &ListFlags, cluster: &ClusterFlags) -> CommandResult {
    if flags.what == ListedKind::Partners && flags.partner.is_some() {
        return Err(Failure::new("`--partner` is for clients: say `list clients`, or `--search`").into());
    }
    let mut failures = Vec::new();
    let mut rows = Vec::new();
    let mut sought = PartnerFilter::new(flags.partner.as_deref());
    for platform in select_platforms(flags, cluster, &mut failures).await? {
        let failed = |error: &CallError| Failure::new(format!("platform `{}`: {error}", platform.host()));
        match flags.what {
            ListedKind::Partners => match tenant_rows::list_tenant_rows(&platform, &partners_place(&platform)).await {
                Ok(found) => rows.extend(found.values().map(|item| ListRow::from_item(item, None))),
                Err(error) => failures.push(failed(&error)),
            },
            ListedKind::Clients => match clients::list_clients(&platform, &mut sought, &mut failures).await {
                Ok(found) => rows.extend(found),
                Err(error) => failures.push(failed(&error)),
            },
        }
    }
    if failures.is_empty() {
        failures.extend(sought.missing_partner_failure());
    }
    print_rows(rows, flags, failures.is_empty())?;
    if failures.is_empty() { Ok(ExitKind::Success) } else { Err(failures) }
}

fn partners_place(platform: &PlatformClient) -> Place {
    Place::Partners { sp: platform.tenant_id().to_owned() }
}

/// Returns the platform that a flag names, or all platforms that Partners lead to.
async fn select_platforms(
    flags: &ListFlags,
    cluster: &ClusterFlags,
    failures: &mut Vec<Failure>,
) -> Result<Vec<PlatformClient>, Failure> {
    let connected = cluster.connect().await?;
    let given = flags.connection.connection_override(connected.as_ref()).await?;
    if let Some(named) = given.platform {
        return Ok(vec![named]);
    }
    let nothing = || Failure::new("no Partner names a connection: give it with `--connection FILE`");
    let connected = connected.ok_or_else(nothing)?;
    let UsableAccounts { platforms, unusable } =
        UsableAccounts::from_cluster(given, &connected, cluster.namespace()).await?;
    failures.extend(unusable.into_iter().map(Failure::from));
    if platforms.is_empty() && failures.is_empty() {
        return Err(nothing());
    }
    Ok(platforms)
}

impl ListRow {
    fn from_item(item: &TenantSearchItem, partner: Option<&str>) -> Self {
        let time = |text: &String| {
            let parsed = jiff::fmt::strtime::parse(TIME_FORMAT, text);
            parsed.and_then(|parsed| parsed.to_timestamp()).ok()
        };
        Self {
            name: item.name.clone(),
            unique_id: item.unique_id.clone(),
            date_created: item.created_time.as_ref().and_then(time),
            status: ConsoleStatus::from_item(item),
            partner: partner.map(str::to_owned),
            declared_by: item.managed_by.as_ref().map(ToString::to_string),
        }
    }
}

impl ListSortBy {
    fn sort_rows(self, rows: &mut [ListRow]) {
        rows.sort_by_key(|row| (row.name.to_lowercase(), id_sort_key(Some(&row.unique_id))));
        match self {
            Self::Name => {}
            Self::UniqueId => rows.sort_by_key(|row| id_sort_key(Some(&row.unique_id))),
            Self::Created => rows.sort_by_key(|row| std::cmp::Reverse(row.date_created)),
            Self::Status => rows.sort_by_key(|row| row.status),
        }
    }
}

/// Prints the rows. `is_whole` is true if everything could be listed.
fn print_rows(mut rows: Vec<ListRow>, flags: &ListFlags, is_whole: bool) -> Result<(), Failure> {
    let sought = flags.search.as_deref().unwrap_or_default().to_lowercase();
    rows.retain(|row| row.name.to_lowercase().contains(&sought));
    flags.sort_by.sort_rows(&mut rows);
    let (shown, hidden): (Vec<ListRow>, Vec<ListRow>) =
        rows.into_iter().partition(|row| row.status.matches_filter(flags.status));
    match flags.output {
        // A failed list is reported as a failure, so an empty table would mislead.
        ListFormat::Table if shown.is_empty() && !is_whole => {}
        ListFormat::Table if shown.is_empty() => output::print_note("there is no such tenant on the platform"),
        ListFormat::Table => output::print(&render_table(&shown, flags.what))?,
        ListFormat::Json => output::print(&OutputFormat::Json.text(&shown)?)?,
        ListFormat::Yaml => output::print(&OutputFormat::Yaml.text(&shown)?)?,
    }
    let of = |status: ConsoleStatus| hidden.iter().filter(|row| row.status == status).count();
    let counts = ConsoleStatus::ALL.map(|status| (of(status), status.name()));
    let left: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}")).collect();
    if !left.is_empty() {
        output::print_note(&format!(
            "{} not shown ({}): `--status all` shows them",
            format_count(hidden.len(), "tenant"),
            left.join(", ")
        ));
    }
    Ok(())
}

fn render_table(rows: &[ListRow], kind: ListedKind) -> String {
    let mut head = vec!["NAME", "UNIQUE ID", "DATE CREATED", "STATUS"];
    if kind == ListedKind::Clients {
        head.push("PARTNER");
    }
    let mut table = Table::new(&head);
    for ListRow { name, unique_id, date_created, status, partner, declared_by: _ } in rows {
        let tone = match status {
            ConsoleStatus::Active => Tone::Good,
            ConsoleStatus::Suspended => Tone::Pending,
            ConsoleStatus::Inactive => Tone::Bad,
        };
        let created = date_created.map(|time| time.to_string());
        let mut cells = vec![
            Cell::from(name),
            Cell::from(unique_id),
            Cell::from(created.as_ref()),
            Cell::with_tone(status.name(), tone),
        ];
        if kind == ListedKind::Clients {
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
        let item = |status, activated| TenantSearchItem { activated, status, ..TenantSearchItem::default() };
        for (item, status) in [
            (item(Some(WireTenantState::Active), true), ConsoleStatus::Active),
            (item(Some(WireTenantState::Suspended), false), ConsoleStatus::Suspended),
            (item(Some(WireTenantState::Terminated), false), ConsoleStatus::Inactive),
            (item(None, true), ConsoleStatus::Active),
            (item(None, false), ConsoleStatus::Inactive),
        ] {
            assert_eq!(ConsoleStatus::from_item(&item), status);
        }
        let shown = |wanted| ConsoleStatus::ALL.map(|status| status.matches_filter(wanted));
        assert_eq!(shown(StatusFilter::Active), [true, false, false]);
        assert_eq!(shown(StatusFilter::Suspended), [false, true, false]);
        assert_eq!(shown(StatusFilter::Inactive), [false, false, true]);
        assert_eq!(shown(StatusFilter::All), [true, true, true]);
    }

    #[test]
    fn tenants_are_ordered_by_each_column() {
        let row = |name: &str, id: &str, created: &str, status| ListRow {
            name: name.to_owned(),
            unique_id: id.to_owned(),
            date_created: created.parse().ok(),
            status,
            partner: None,
            declared_by: None,
        };
        let rows = [
            row("Beta", "msp_9", "2026-01-03T00:00:00Z", ConsoleStatus::Inactive),
            row("alpha", "msp_10", "2026-01-01T00:00:00Z", ConsoleStatus::Suspended),
            row("gamma", "msp_11", "2026-01-02T00:00:00Z", ConsoleStatus::Active),
        ];
        for (by, order) in [
            (ListSortBy::Name, ["alpha", "Beta", "gamma"]),
            (ListSortBy::UniqueId, ["Beta", "alpha", "gamma"]),
            (ListSortBy::Created, ["Beta", "gamma", "alpha"]),
            (ListSortBy::Status, ["gamma", "alpha", "Beta"]),
        ] {
            let mut sorted = rows.clone();
            by.sort_rows(&mut sorted);
            assert_eq!(sorted.map(|row| row.name), order, "{by:?}");
        }
    }
}
