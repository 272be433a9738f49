//! The kubectl plugin: each verb is a file of its own with its flags and its `run`.
//!
//! Results go to stdout, everything else to stderr. A verb ends in an `Exit` or in `Failure`s; nothing here writes
//! to the platform.

mod ask;
mod cancel;
mod cluster;
mod completion;
mod connection;
mod export;
mod failure;
mod ground;
mod guarded;
mod lint;
mod manifest;
mod one;
mod output;
mod plan;
mod reach;
mod references;
mod release;
mod status;
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
/// Nothing here writes to the platform: `plan` shows what the operator would do, `export` writes manifests of what is
/// there, `unmanaged` lists what nobody declares, `lint` checks manifests without anybody's help. `terminate`, `cancel`
/// and `release` write to objects of the cluster and to nothing else.
///
/// Exit status: 0 nothing to do, 2 there is something to do, 1 an error.
#[derive(Parser, Debug)]
#[command(name = "kubectl-tenantry", bin_name = "kubectl tenantry", version, arg_required_else_help = true)]
pub struct Command {
    #[command(flatten)]
    cluster: ClusterFlags,
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
    Status(status::Flags),
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
        let Self { cluster, verb } = self;
        let ended = match verb {
            Verb::Plan(flags) => plan::run(&flags, &cluster).await,
            Verb::Lint(flags) => lint::run(&flags, &cluster).await,
            Verb::Status(flags) => status::run(&flags, &cluster).await,
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
