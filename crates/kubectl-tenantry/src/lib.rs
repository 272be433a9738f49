//! The kubectl plugin. Each verb has a file with its flags and its `run` function.
//!
//! Results go to stdout, everything else to stderr. A verb returns an `ExitKind` or a list of `Failure`s. Nothing in
//! this module writes to the platform.

mod accounts;
mod cancel;
mod check;
mod cluster;
mod colour;
mod completion;
mod completion_candidates;
mod connection;
mod events;
mod export;
mod failure;
mod inventory;
mod leader;
mod lint;
mod list;
mod logs;
mod manifest;
mod object_arg;
mod object_platform;
mod optimistic_patch;
mod output;
mod patch_commands;
mod plan;
mod prompt;
mod references;
mod release;
mod selection;
mod status;
mod table;
mod tenant_rows;
mod terminate;
mod unmanaged;
mod version;
mod yaml;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use cluster::ClusterFlags;
use failure::Failure;

/// Shows the tenants of an IT-operations platform and the objects that declare them.
///
/// Nothing here writes to the platform. What changes a tenant is written to its object in the cluster, and the operator
/// does the rest: `suspend`, `activate`, `pause`, `resume`, `approve`, `adopt`, `reconcile`, `terminate`, `cancel` and
/// `release` write there. All others only read.
///
/// Flags come after `tenantry`, as in `kubectl tenantry --context prod status`: kubectl accepts none before the name of
/// a plugin.
///
/// Exit status: 0 nothing to do, 2 there is something to do, 1 an error.
#[derive(Parser, Debug)]
#[command(name = "kubectl-tenantry", bin_name = "kubectl tenantry", version = tenantry_runtime::build::version_text(), arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    cluster: ClusterFlags,
    /// Colours in results; `auto` where stdout is a terminal and `NO_COLOR` is not set.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    color: colour::ColorMode,
    #[command(subcommand)]
    command: CliCommand,
}

/// What can be asked for.
#[derive(Subcommand, Debug)]
enum CliCommand {
    Plan(plan::PlanFlags),
    Export(export::ExportFlags),
    Unmanaged(unmanaged::UnmanagedFlags),
    Lint(lint::LintFlags),
    List(list::ListFlags),
    Status(status::StatusFlags),
    Events(events::EventsFlags),
    Logs(logs::LogsFlags),
    Check(check::CheckFlags),
    Reconcile(patch_commands::reconcile::ReconcileFlags),
    Pause(patch_commands::pause::PauseFlags),
    Resume(patch_commands::resume::ResumeFlags),
    Suspend(patch_commands::suspend::SuspendFlags),
    Activate(patch_commands::suspend::ActivateFlags),
    Approve(patch_commands::approve::ApproveFlags),
    Adopt(patch_commands::adopt::AdoptFlags),
    Terminate(Box<terminate::TerminateFlags>),
    Cancel(cancel::CancelFlags),
    Release(release::ReleaseFlags),
    Version(version::VersionFlags),
    Completion(completion::CompletionFlags),
}

/// How a successful verb ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ExitKind {
    /// There is nothing to do.
    Success,
    /// There is something to do.
    Changes,
}

impl Cli {
    /// Parses the command line. Prints help and usage errors.
    ///
    /// # Errors
    /// The exit status if the program ends here: 0 after help, 1 after a usage error, since 2 means that there is
    /// something to do.
    pub fn parse_args() -> Result<Self, ExitCode> {
        if let Some(words) = completion_candidates::completion_words(&std::env::args_os().collect::<Vec<_>>()) {
            completion_candidates::print_candidates(words, Self::command());
            return Err(ExitCode::SUCCESS);
        }
        Self::try_parse().map_err(|error| {
            // Without a reader on the other side there is nobody to inform.
            let _ = error.print();
            match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => ExitCode::FAILURE,
            }
        })
    }

    /// Runs the verb that was requested.
    pub async fn run(self) -> ExitCode {
        let Self { cluster, color, command: verb } = self;
        color.apply();
        let ended = match verb {
            CliCommand::Plan(flags) => plan::run(&flags, &cluster).await,
            CliCommand::Lint(flags) => lint::run(&flags, &cluster).await,
            CliCommand::List(flags) => list::run(&flags, &cluster).await,
            CliCommand::Events(flags) => events::run(&flags, &cluster).await,
            CliCommand::Logs(flags) => logs::run(&flags, &cluster).await,
            CliCommand::Check(flags) => check::run(&flags, &cluster).await,
            CliCommand::Status(flags) => status::run(&flags, &cluster).await,
            CliCommand::Reconcile(flags) => patch_commands::reconcile::run(&flags, &cluster).await,
            CliCommand::Pause(flags) => patch_commands::pause::run(&flags, &cluster).await,
            CliCommand::Resume(flags) => patch_commands::resume::run(&flags, &cluster).await,
            CliCommand::Suspend(flags) => patch_commands::suspend::suspend_tenant(&flags, &cluster).await,
            CliCommand::Activate(flags) => patch_commands::suspend::activate_tenant(&flags, &cluster).await,
            CliCommand::Approve(flags) => patch_commands::approve::run(&flags, &cluster).await,
            CliCommand::Adopt(flags) => patch_commands::adopt::run(&flags, &cluster).await,
            CliCommand::Terminate(flags) => terminate::run(&flags, &cluster).await,
            CliCommand::Cancel(flags) => cancel::run(&flags, &cluster).await,
            CliCommand::Release(flags) => release::run(&flags, &cluster).await,
            CliCommand::Export(flags) => export::run(&flags, &cluster).await,
            CliCommand::Unmanaged(flags) => unmanaged::run(&flags, &cluster).await,
            CliCommand::Version(flags) => version::run(&flags, &cluster).await,
            CliCommand::Completion(flags) => completion::run(&flags, &mut Self::command()),
        };
        match ended {
            Ok(ExitKind::Success) => ExitCode::SUCCESS,
            Ok(ExitKind::Changes) => ExitCode::from(2),
            Err(failures) => {
                for failure in &failures {
                    output::print_error(failure);
                }
                ExitCode::FAILURE
            }
        }
    }
}

/// The result of a verb.
type CommandResult = Result<ExitKind, Vec<Failure>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_fit_together() {
        Cli::command().debug_assert();
    }
}
