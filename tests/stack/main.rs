//! The whole of Tenantry on this machine: `stack up`, `stack down`, `stack demo`.

pub mod assets;
pub mod controlplane;
pub mod demo;
pub mod ending;
pub mod http;
pub mod kubectl;
pub mod life;
pub mod process;
pub mod programs;
pub mod screen;
pub mod supervisor;
pub mod tenancy;
pub mod whole;

use std::process::ExitCode;

use process::Result;
use screen::say;

fn main() -> ExitCode {
    let command = std::env::args().nth(1).unwrap_or_default();
    let done = match command.as_str() {
        "up" => up(),
        "down" => down(),
        "demo" => demo::run(),
        // Started by `up` and `demo` alone.
        "supervise" => return supervisor::supervise().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS),
        _ => Err(format!("`{command}` is no command: say `up`, `down` or `demo`").into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stack {command}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn up() -> Result<()> {
    match supervisor::start()? {
        Some(started) => {
            started.keep()?;
            say("the stack is ready; `make down` ends it");
        }
        None => say("the stack is running already; `make down` ends it"),
    }
    say(format!("    . {}", supervisor::folder()?.join("env").display()));
    say("    kubectl apply -k examples");
    Ok(())
}

fn down() -> Result<()> {
    say(if supervisor::stop()? { "the stack has ended" } else { "no stack is running" });
    Ok(())
}
