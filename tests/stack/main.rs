//! Tenantry with all its parts on this machine: `stack up`, `stack down`, `stack demo`; and `stack proxy`, which
//! injects faults between the operator and a platform.

pub mod approvals;
pub mod assets;
pub mod console;
pub mod controlplane;
pub mod demo;
pub mod full_stack;
pub mod http;
pub mod kubectl;
pub mod lifecycle;
pub mod policies;
pub mod process;
pub mod programs;
pub mod proxy;
pub mod readme;
pub mod resilience;
pub mod restart;
pub mod supervisor;
pub mod tenancy;
pub mod terminal;
pub mod termination;

use std::process::ExitCode;

use clap::Parser;
use process::Result;
use terminal::print_line;

/// Puts faults between the operator and a platform.
#[derive(Parser)]
struct ProxyFlags {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: String,
    /// Host and port of the platform
    #[arg(long)]
    to: String,
    /// Rules as JSON, or a file that holds them
    #[arg(long, default_value = "[]")]
    rules: String,
}

fn main() -> ExitCode {
    let command = std::env::args().nth(1).unwrap_or_default();
    let done = match command.as_str() {
        "up" => start_stack(),
        "down" => stop_stack(),
        "demo" => demo::run_demo(),
        "proxy" => run_proxy(),
        // Only `up` and `demo` start this.
        "supervise" => return supervisor::supervise().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS),
        _ => Err(format!("`{command}` is no command: say `up`, `down`, `demo` or `proxy`").into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stack {command}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start_stack() -> Result<()> {
    print_line("a control plane, a platform and an operator, unless they run already: about ten seconds");
    match supervisor::start_stack()? {
        Some(started) => {
            started.keep_running()?;
            print_line("the stack is ready; `make down` ends it and throws its data away");
        }
        None => print_line("the stack is running already; `make down` ends it and throws its data away"),
    }
    let folder = supervisor::stack_folder()?;
    print_line(format!("    . {}", folder.join("env").display()));
    print_line("    kubectl apply -k examples");
    print_line("    kubectl tenantry status");
    print_line(full_stack::StackConnectionInfo::read(&folder)?.login_hint());
    Ok(())
}

fn stop_stack() -> Result<()> {
    print_line(if supervisor::stop_stack()? { "the stack has ended" } else { "no stack is running" });
    Ok(())
}

fn run_proxy() -> Result<()> {
    let words = std::env::args().enumerate().filter(|(number, _)| *number != 1).map(|(_, word)| word);
    let flags = ProxyFlags::parse_from(words);
    let text = if flags.rules.trim_start().starts_with('[') {
        flags.rules
    } else {
        std::fs::read_to_string(&flags.rules).map_err(|error| format!("{} cannot be read: {error}", flags.rules))?
    };
    let rules = serde_json::from_str(&text).map_err(|error| format!("the rules are not understood: {error}"))?;
    let proxy = proxy::FaultProxy::start(&flags.listen, &flags.to, rules)?;
    print_line(format!("{} leads to {}; its rules and counts: {}/__faults", proxy.url(), flags.to, proxy.url()));
    loop {
        std::thread::park();
    }
}
