//! `status`: one object on one screen, or all of them in one list.

mod list;
mod next;
mod screen;
mod watch;

use clap::ValueEnum;
use clap_complete::ArgValueCompleter;

use super::cluster::{Cluster, ClusterFlags};
use super::complete;
use super::failure::Failure;
use super::leader::{Leaders, leaders};
use super::one::{Named, One, required};
use super::output::{self, Machine};
use super::selection::Scope;
use super::{Ended, Exit};
use crate::api::{Partner, TenantClient};
pub(crate) use list::numbered;
use list::{Row, SortBy};

/// Show how tenants stand and what to do next.
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
pub(crate) struct Flags {
    /// The object, as `partner/NAME` or `client/NAME`; NAME alone where it is only one of them.
    #[arg(value_name = "KIND/NAME", num_args = 0..=2, add = ArgValueCompleter::new(complete::objects))]
    object: Vec<String>,
    #[command(flatten)]
    scope: Scope,
    /// Only objects that are not Ready or that a person should look at.
    #[arg(long, conflicts_with = "object")]
    not_ready: bool,
    /// Order of the list.
    #[arg(long, value_enum, value_name = "COLUMN", default_value = "object", conflicts_with = "object")]
    sort_by: SortBy,
    /// After the list, show each object again when it changes, until interrupted.
    #[arg(short, long, conflicts_with_all = ["object", "output"])]
    watch: bool,
    /// `wide` adds when the operator last wrote each status, and the message; the others are for programs.
    #[arg(short, long, value_enum)]
    output: Option<Form>,
}

/// Form of what is shown.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Wide,
    Json,
    Yaml,
}

impl Form {
    const fn machine(self) -> Option<Machine> {
        match self {
            Self::Wide => None,
            Self::Json => Some(Machine::Json),
            Self::Yaml => Some(Machine::Yaml),
        }
    }
}

pub(crate) async fn run(flags: &Flags, cluster: &ClusterFlags) -> Ended {
    let named = if flags.object.is_empty() { None } else { Some(Named::read(&flags.object)?) };
    let cluster = required(cluster).await?;
    let place = Place { leaders: leaders(&cluster).await, cluster };
    let rows = match named {
        Some(named) => {
            one(&named, flags, &place).await?;
            Vec::new()
        }
        None => all(flags, &place).await?,
    };
    place.leaders.warn(crate::clock::now());
    let broken = list::broken(&rows).len();
    if flags.watch {
        let watched = watch::Watched { scope: &flags.scope, is_not_ready: flags.not_ready, cluster: &place.cluster };
        watched.show(rows).await?;
    }
    if broken > 0 {
        let message = format!("{} cannot be used: the list says why", output::count(broken, "connection"));
        return Err(Failure::new(message).into());
    }
    Ok(Exit::Nothing)
}

/// A cluster, and who leads in it.
struct Place {
    cluster: Cluster,
    leaders: Leaders,
}

async fn one(named: &Named, flags: &Flags, place: &Place) -> Result<(), Failure> {
    let screen = match named.find(&place.cluster).await? {
        One::Partner(partner) => screen::Screen::of(partner.as_ref()),
        One::Client(client) => screen::Screen::of(client.as_ref()),
    };
    let text = match flags.output.and_then(Form::machine) {
        Some(machine) => machine.text(&screen)?,
        None => screen.text() + "\n" + &place.leaders.text(crate::clock::now()),
    };
    output::print(&text)
}

/// Prints the list; returns every row, those that are not shown included.
async fn all(flags: &Flags, place: &Place) -> Result<Vec<Row>, Failure> {
    let Place { cluster, leaders } = place;
    let scope = &flags.scope;
    let mut rows = Row::all(&scope.every::<Partner>(cluster).await?);
    rows.extend(Row::all(&scope.every::<TenantClient>(cluster).await?));
    let every = rows.clone();
    rows.retain(|row| !flags.not_ready || row.needs_a_look());
    flags.sort_by.sort(&mut rows);
    if let Some(machine) = flags.output.and_then(Form::machine) {
        output::print(&machine.text(&rows)?)?;
        return Ok(every);
    }
    if every.is_empty() {
        output::note(&format!("there is no Partner and no Client in {}", scope.place(cluster)));
        return Ok(every);
    }
    let table =
        if rows.is_empty() { String::new() } else { list::text(&rows, flags.output == Some(Form::Wide)) + "\n" };
    let broken: String = list::broken(&rows).into_iter().map(|line| line + "\n\n").collect();
    let sum = if flags.not_ready { list::sum_of_some(&rows, every.len()) } else { list::sum(&rows) };
    output::print(&format!("{table}{broken}{sum}\n{}", leaders.text(crate::clock::now())))?;
    Ok(every)
}
