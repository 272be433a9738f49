//! `completion`: what a shell needs to complete the command line.

use clap::ValueEnum;
use clap_complete::{Shell, generate};

use super::{Ended, Exit, output};

/// Print the completions of a shell.
///
/// For kubectl itself, put a script `kubectl_complete-tenantry` on the PATH that calls `kubectl-tenantry`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  source <(kubectl tenantry completion bash)")]
pub(crate) struct Flags {
    /// The shell.
    #[arg(value_enum)]
    shell: Completes,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Completes {
    Bash,
    Zsh,
    Fish,
    Powershell,
}

pub(crate) fn run(flags: &Flags, command: &mut clap::Command) -> Ended {
    let shell = match flags.shell {
        Completes::Bash => Shell::Bash,
        Completes::Zsh => Shell::Zsh,
        Completes::Fish => Shell::Fish,
        Completes::Powershell => Shell::PowerShell,
    };
    let mut script = Vec::new();
    generate(shell, command, "kubectl-tenantry", &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Nothing)
}
