//! `status`: one object on one screen, or all of them in one list.

mod list;
mod next;
mod screen;

use super::cluster::ClusterFlags;
use super::failure::Failure;
use super::one::{Named, One, every, required};
use super::output::{self, Machine};
use super::{Ended, Exit};
use crate::api::{Partner, TenantClient};

/// Show how tenants stand and what to do next.
///
/// With a name: conditions in words, what waits, what differs, the settings with where each comes from, clients and
/// termination, on one screen. Without one: a line for each Partner and Client of the namespace.
///
/// Reads the cluster alone: what is shown is what the operator last saw. Exit status is 0 whatever is shown, but 1 for a list
/// with a connection that cannot be used.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  kubectl tenantry status\n  kubectl tenantry status -A\n  kubectl tenantry status client/globex\n  kubectl tenantry status partner acme -o yaml"
)]
pub(crate) struct Flags {
    /// The object, as `partner/NAME` or `client/NAME`; NAME alone where it is only one of them.
    #[arg(value_name = "KIND/NAME", num_args = 0..=2)]
    object: Vec<String>,
    /// All namespaces.
    #[arg(short = 'A', long, conflicts_with = "object")]
    all_namespaces: bool,
    /// Form for programs.
    #[arg(short, long, value_enum)]
    output: Option<Machine>,
}

pub(crate) async fn run(flags: &Flags, cluster: &ClusterFlags) -> Ended {
    let Flags { object, all_namespaces, output: form } = flags;
    let named = if object.is_empty() { None } else { Some(Named::read(object)?) };
    let cluster = required(cluster).await?;
    let mut broken = 0;
    let text = if let Some(named) = named {
        let screen = match named.find(&cluster).await? {
            One::Partner(partner) => screen::Screen::of(partner.as_ref()),
            One::Client(client) => screen::Screen::of(client.as_ref()),
        };
        form.map_or_else(|| Ok(screen.text()), |form| form.text(&screen))?
    } else {
        let namespace = (!all_namespaces).then_some(cluster.namespace.as_str());
        let mut rows = list::Row::all(&every::<Partner>(&cluster, namespace).await?);
        rows.extend(list::Row::all(&every::<TenantClient>(&cluster, namespace).await?));
        rows.sort_by(|one, other| one.place().cmp(&other.place()));
        broken = list::broken(&rows).len();
        match form {
            Some(form) => form.text(&rows)?,
            None if rows.is_empty() => {
                let place = namespace.map_or_else(|| "the cluster".to_owned(), |name| format!("namespace `{name}`"));
                output::note(&format!("there is no Partner and no Client in {place}"));
                String::new()
            }
            None => list::text(&rows),
        }
    };
    output::print(&text)?;
    if broken > 0 {
        let message = format!("{} cannot be used: the list says why", output::count(broken, "connection"));
        return Err(Failure::new(message).into());
    }
    Ok(Exit::Nothing)
}
