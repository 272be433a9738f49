//! `status`: shows one object on one screen, or all of them in a list.

mod advice;
mod details;
mod list;
mod watch;

use clap::ValueEnum;
use clap_complete::ArgValueCompleter;
use tenantry_api::{Partner, TenantClient};

use super::cluster::{Cluster, ClusterFlags};
use super::completion_candidates;
use super::failure::Failure;
use super::leader::{Leaders, read_leaders};
use super::object_arg::{AnyObject, ObjectArg, connect_required};
use super::output::{self, OutputFormat};
use super::selection::ObjectScope;
use super::{CommandResult, ExitKind};
pub(crate) use list::id_sort_key;
use list::{StatusRow, StatusSortBy};

/// Show the state of tenants and what to do next.
///
/// With a name: conditions in words, what waits, what differs, the settings with where each comes from, clients and
/// termination, on one screen. Without one: a line for each Partner and Client of the namespace.
///
/// Reads only the cluster: it shows what the operator last saw, and then which operator leads. The operator writes a status only
/// when something changes. If no operator leads, a warning says so. The exit status is 0, or 1 for a list with a connection
/// that cannot be used.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  kubectl tenantry status\n  kubectl tenantry status -A --not-ready\n  kubectl tenantry status -l team=a --sort-by ready -w\n  kubectl tenantry status client/globex\n  kubectl tenantry status partner acme -o yaml"
)]
pub(crate) struct StatusFlags {
    /// The object, as `partner/NAME` or `client/NAME`; NAME alone where it is only one of them.
    #[arg(value_name = "KIND/NAME", num_args = 0..=2, add = ArgValueCompleter::new(completion_candidates::objects))]
    object: Vec<String>,
    #[command(flatten)]
    scope: ObjectScope,
    /// Only objects that are not Ready or that need a person's attention.
    #[arg(long, conflicts_with = "object")]
    not_ready: bool,
    /// Order of the list.
    #[arg(long, value_enum, value_name = "COLUMN", default_value = "object", conflicts_with = "object")]
    sort_by: StatusSortBy,
    /// After the list, show each object again when it changes, until interrupted.
    #[arg(short, long, conflicts_with_all = ["object", "output"])]
    watch: bool,
    /// `wide` adds when the operator last wrote each status, and the message; the others are for programs.
    #[arg(short, long, value_enum)]
    output: Option<StatusFormat>,
}

/// Form of what is shown.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum StatusFormat {
    Wide,
    Json,
    Yaml,
}

impl StatusFormat {
    const fn output_format(self) -> Option<OutputFormat> {
        match self {
            Self::Wide => None,
            Self::Json => Some(OutputFormat::Json),
            Self::Yaml => Some(OutputFormat::Yaml),
        }
    }
}

pub(crate) async fn run(flags: &StatusFlags, cluster: &ClusterFlags) -> CommandResult {
    let named = if flags.object.is_empty() { None } else { Some(ObjectArg::parse(&flags.object)?) };
    let cluster = connect_required(cluster).await?;
    let place = StatusContext { leaders: read_leaders(&cluster).await, cluster };
    let rows = match named {
        Some(named) => {
            show_object(&named, flags, &place).await?;
            Vec::new()
        }
        None => show_list(flags, &place).await?,
    };
    place.leaders.warn_without_leader(tenantry_runtime::clock::now());
    let broken = list::broken_connections(&rows).len();
    if flags.watch {
        let watched =
            watch::StatusWatch { scope: &flags.scope, is_not_ready: flags.not_ready, cluster: &place.cluster };
        watched.print_changes(rows).await?;
    }
    if broken > 0 {
        let message = format!("{} cannot be used: the list says why", output::format_count(broken, "connection"));
        return Err(Failure::new(message).into());
    }
    Ok(ExitKind::Success)
}

/// A cluster, and who leads in it.
struct StatusContext {
    cluster: Cluster,
    leaders: Leaders,
}

async fn show_object(named: &ObjectArg, flags: &StatusFlags, status_context: &StatusContext) -> Result<(), Failure> {
    let screen = match named.find_object(&status_context.cluster).await? {
        AnyObject::Partner(partner) => details::StatusScreen::from_object(partner.as_ref()),
        AnyObject::Client(client) => details::StatusScreen::from_object(client.as_ref()),
    };
    let text = match flags.output.and_then(StatusFormat::output_format) {
        Some(machine) => machine.text(&screen)?,
        None => screen.text() + "\n" + &status_context.leaders.text(tenantry_runtime::clock::now()),
    };
    output::print(&text)
}

/// Prints the list. Returns every row, including those that are not shown.
async fn show_list(flags: &StatusFlags, status_context: &StatusContext) -> Result<Vec<StatusRow>, Failure> {
    let StatusContext { cluster, leaders } = status_context;
    let scope = &flags.scope;
    let mut rows = StatusRow::from_list(&scope.list_objects::<Partner>(cluster).await?);
    rows.extend(StatusRow::from_list(&scope.list_objects::<TenantClient>(cluster).await?));
    let every = rows.clone();
    rows.retain(|row| !flags.not_ready || row.needs_attention());
    flags.sort_by.sort_rows(&mut rows);
    if let Some(machine) = flags.output.and_then(StatusFormat::output_format) {
        output::print(&machine.text(&rows)?)?;
        return Ok(every);
    }
    if every.is_empty() {
        output::print_note(&format!("there is no Partner and no Client in {}", scope.scope_label(cluster)));
        return Ok(every);
    }
    let table = if rows.is_empty() {
        String::new()
    } else {
        list::render_table(&rows, flags.output == Some(StatusFormat::Wide)) + "\n"
    };
    let broken: String = list::broken_connections(&rows).into_iter().map(|line| line + "\n\n").collect();
    let sum = if flags.not_ready { list::filtered_summary_line(&rows, every.len()) } else { list::summary_line(&rows) };
    output::print(&format!("{table}{broken}{sum}\n{}", leaders.text(tenantry_runtime::clock::now())))?;
    Ok(every)
}
