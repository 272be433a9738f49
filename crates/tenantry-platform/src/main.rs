//! `tenantry-platform`: the self-hosted platform.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;
use tenantry_platform::PlatformFlags;
use tenantry_runtime::telemetry;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    let parsed = PlatformFlags::parse();
    // If nobody reads the log any more, requests must still be answered.
    let logs = tracing_subscriber::fmt()
        .log_internal_errors(false)
        .with_env_filter(telemetry::log_filter("info"))
        .with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        logs.init();
    } else {
        logs.json().with_span_list(false).init();
    }
    // A panic is logged as a normal line, with the id of its request.
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    let flags = match parsed.resolve_files() {
        Ok(flags) => flags,
        Err(error) => {
            tracing::error!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = match &flags.command {
        Some(command) => command.run(&flags, std::io::stdout()).await.map_err(Into::into),
        None => serve_until_signal(flags).await.map(|()| ExitCode::SUCCESS),
    };
    match ended {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves requests until SIGTERM or ctrl-c.
async fn serve_until_signal(flags: PlatformFlags) -> Result<(), Box<dyn std::error::Error>> {
    let mut terminated = signal(SignalKind::terminate())?;
    let running = tenantry_platform::start(flags.into()).await?;
    tokio::select! {
        _ = terminated.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    running.stop().await;
    Ok(())
}
