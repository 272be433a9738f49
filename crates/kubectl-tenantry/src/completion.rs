//! `completion`: prints the completion scripts for shells and for kubectl.

use clap::ValueEnum;
use clap_complete::{Shell, generate};

use super::{CommandResult, ExitKind, output};

/// Calls this program for each completion. kubectl searches for the script under its fixed name.
const KUBECTL_SCRIPT: &str = "#!/bin/sh\nexec kubectl-tenantry __complete \"$@\"\n";

/// Calls this program for each completion, so that object names are completed too.
const BASH_SCRIPT: &str = r#"_kubectl_tenantry() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        COMPREPLY+=("${line%%$'\t'*}")
    done < <(kubectl-tenantry __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | sed '$d')
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == */ ]]; then
        compopt -o nospace
    fi
}
complete -o default -F _kubectl_tenantry kubectl-tenantry
"#;

/// Print the completions of a shell, or those that kubectl asks for.
///
/// kubectl completes `kubectl tenantry` in every shell in which it completes itself, once a program
/// `kubectl_complete-tenantry` is on the PATH: `kubectl tenantry completion kubectl` prints it. It completes verbs, flags,
/// and the names of objects, namespaces and contexts. The scripts of the shells are for `kubectl-tenantry` itself.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  kubectl tenantry completion kubectl > ~/.local/bin/kubectl_complete-tenantry\n  chmod +x ~/.local/bin/kubectl_complete-tenantry\n  source <(kubectl tenantry completion bash)"
)]
pub(crate) struct CompletionFlags {
    /// The shell, or `kubectl`.
    #[arg(value_enum)]
    shell: CompletionTarget,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum CompletionTarget {
    Kubectl,
    Bash,
    Zsh,
    Fish,
    Powershell,
}

pub(crate) fn run(flags: &CompletionFlags, command: &mut clap::Command) -> CommandResult {
    let mut generated = |shell: Shell| {
        let mut script = Vec::new();
        generate(shell, command, "kubectl-tenantry", &mut script);
        String::from_utf8_lossy(&script).into_owned()
    };
    let script = match flags.shell {
        CompletionTarget::Kubectl => KUBECTL_SCRIPT.to_owned(),
        CompletionTarget::Bash => BASH_SCRIPT.to_owned(),
        CompletionTarget::Zsh => generated(Shell::Zsh),
        CompletionTarget::Fish => generated(Shell::Fish),
        CompletionTarget::Powershell => generated(Shell::PowerShell),
    };
    output::print(&script)?;
    Ok(ExitKind::Success)
}
