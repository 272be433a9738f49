//! `tenantry-platform`: the self-hosted platform.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tenantry::platform::{self, Config, Limits};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A self-hosted platform that speaks the tenancy API. Logs go to stderr; RUST_LOG sets their level.
#[derive(Parser)]
#[command(version)]
struct Flags {
    /// Address to listen on
    #[arg(long, env = "TENANTRY_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// SQLite path, `sqlite:` or `postgres:` URL
    #[arg(long, env = "TENANTRY_DATABASE", default_value = "tenantry.db", hide_env_values = true)]
    database: String,
    /// File that gets the first credential; an existing one is read and never overwritten
    #[arg(long, env = "TENANTRY_CREDENTIAL_FILE", default_value = "tenantry-credential.json")]
    credential_file: PathBuf,
    /// Leave out everything that the public API does not document
    #[arg(long, env = "TENANTRY_DOCUMENTED_ONLY")]
    documented_only: bool,
    /// Count no requests and send no rate-limit headers
    #[arg(long, env = "TENANTRY_NO_RATE_LIMITS")]
    no_rate_limits: bool,
    /// POST, PUT and DELETE calls per tenant and minute
    #[arg(long, env = "TENANTRY_WRITES_PER_MINUTE", default_value_t = 50)]
    writes_per_minute: u32,
    /// Paginated reads per tenant and minute
    #[arg(long, env = "TENANTRY_PAGES_PER_MINUTE", default_value_t = 50)]
    pages_per_minute: u32,
    /// Other reads per tenant and minute
    #[arg(long, env = "TENANTRY_READS_PER_MINUTE", default_value_t = 500)]
    reads_per_minute: u32,
}

#[tokio::main]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        logs.init()
    } else {
        logs.json().init()
    }
    match run(flags).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(flags: Flags) -> Result<(), Box<dyn std::error::Error>> {
    let mut terminated = signal(SignalKind::terminate())?;
    let limits =
        Limits { writes: flags.writes_per_minute, pages: flags.pages_per_minute, reads: flags.reads_per_minute };
    let config = Config {
        listen: flags.listen,
        database: flags.database,
        credential_file: Some(flags.credential_file),
        documented_only: flags.documented_only,
        limits: (!flags.no_rate_limits).then_some(limits),
    };
    let running = platform::start(config).await?;
    tokio::select! {
        _ = terminated.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    running.stop().await;
    Ok(())
}
