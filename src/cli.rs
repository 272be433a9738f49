//! The kubectl plugin: each verb is a file of its own with its flags and its `run`.
//!
//! Results go to stdout, everything else to stderr. A verb ends in an `Exit` or in `Failure`s; nothing here writes
//! to the platform.

mod accounts;
mod act;
mod ask;
mod cancel;
mod check;
mod cluster;
mod colour;
mod complete;
mod completion;
mod connection;
mod events;
mod export;
mod failure;
mod ground;
mod guarded;
mod leader;
mod lint;
mod list;
mod logs;
mod manifest;
mod one;
mod output;
mod plan;
mod reach;
mod references;
mod release;
mod selection;
mod status;
mod table;
mod tenants;
mod terminate;
mod unmanaged;
mod version;
mod yaml;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use cluster::ClusterFlags;
use failure::Failure;

/// Looks at the tenants of an IT-operations platform and at the objects that declare them.
///
/// Nothing here writes to the platform. What changes a tenant is written to its object in the cluster, and the operator
/// does the rest: `suspend`, `activate`, `pause`, `resume`, `approve`, `adopt`, `reconcile`, `terminate`, `cancel` and
/// `release` write there. All others only read.
///
/// Flags stand behind `tenantry`, as in `kubectl tenantry --context prod status`: kubectl takes none before the name of a
/// plugin.
///
/// Exit status: 0 nothing to do, 2 there is something to do, 1 an error.
#[derive(Parser, Debug)]
#[command(name = "kubectl-tenantry", bin_name = "kubectl tenantry", version = crate::build::text(), arg_required_else_help = true)]
pub struct Command {
    #[command(flatten)]
    cluster: ClusterFlags,
    /// Colours in results; `auto` where stdout is a terminal and `NO_COLOR` is not set.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    color: colour::When,
    #[command(subcommand)]
    verb: Verb,
}

/// What can be asked for.
#[derive(Subcommand, Debug)]
enum Verb {
    Plan(plan::Flags),
    Export(export::Flags),
    Unmanaged(unmanaged::Flags),
    Lint(lint::Flags),
    List(list::Flags),
    Status(status::Flags),
    Events(events::Flags),
    Logs(logs::Flags),
    Check(check::Flags),
    Reconcile(act::reconcile::Flags),
    Pause(act::pause::Flags),
    Resume(act::resume::Flags),
    Suspend(act::suspend::SuspendFlags),
    Activate(act::suspend::ActivateFlags),
    Approve(act::approve::Flags),
    Adopt(act::adopt::Flags),
    Terminate(Box<terminate::Flags>),
    Cancel(cancel::Flags),
    Release(release::Flags),
    Version(version::Flags),
    Completion(completion::Flags),
}

/// How a verb ended that did what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// Nothing is to be done.
    Nothing,
    /// Something is to be done.
    Changes,
}

impl Command {
    /// Reads the command line; help and mistakes are printed here.
    ///
    /// # Errors
    /// The exit status of a command line that asks for nothing more: a mistake is 1, since 2 says that there is
    /// something to do.
    pub fn read() -> Result<Self, ExitCode> {
        if let Some(words) = complete::asked(&std::env::args_os().collect::<Vec<_>>()) {
            complete::run(words, Self::command());
            return Err(ExitCode::SUCCESS);
        }
        Self::try_parse().map_err(|error| {
            // Without a terminal on the other side there is nobody to tell.
            let _ = error.print();
            match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => ExitCode::FAILURE,
            }
        })
    }

    /// Does what was asked.
    pub async fn run(self) -> ExitCode {
        let Self { cluster, color, verb } = self;
        color.apply();
        let ended = match verb {
            Verb::Plan(flags) => plan::run(&flags, &cluster).await,
            Verb::Lint(flags) => lint::run(&flags, &cluster).await,
            Verb::List(flags) => list::run(&flags, &cluster).await,
            Verb::Events(flags) => events::run(&flags, &cluster).await,
            Verb::Logs(flags) => logs::run(&flags, &cluster).await,
            Verb::Check(flags) => check::run(&flags, &cluster).await,
            Verb::Status(flags) => status::run(&flags, &cluster).await,
            Verb::Reconcile(flags) => act::reconcile::run(&flags, &cluster).await,
            Verb::Pause(flags) => act::pause::run(&flags, &cluster).await,
            Verb::Resume(flags) => act::resume::run(&flags, &cluster).await,
            Verb::Suspend(flags) => act::suspend::suspend(&flags, &cluster).await,
            Verb::Activate(flags) => act::suspend::activate(&flags, &cluster).await,
            Verb::Approve(flags) => act::approve::run(&flags, &cluster).await,
            Verb::Adopt(flags) => act::adopt::run(&flags, &cluster).await,
            Verb::Terminate(flags) => terminate::run(&flags, &cluster).await,
            Verb::Cancel(flags) => cancel::run(&flags, &cluster).await,
            Verb::Release(flags) => release::run(&flags, &cluster).await,
            Verb::Export(flags) => export::run(&flags, &cluster).await,
            Verb::Unmanaged(flags) => unmanaged::run(&flags, &cluster).await,
            Verb::Version(flags) => version::run(&flags, &cluster).await,
            Verb::Completion(flags) => completion::run(&flags, &mut Self::command()),
        };
        match ended {
            Ok(Exit::Nothing) => ExitCode::SUCCESS,
            Ok(Exit::Changes) => ExitCode::from(2),
            Err(failures) => {
                for failure in &failures {
                    output::error(failure);
                }
                ExitCode::FAILURE
            }
        }
    }
}

/// What a verb ends in.
type Ended = Result<Exit, Vec<Failure>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_fit_together() {
        Command::command().debug_assert();
    }
}
