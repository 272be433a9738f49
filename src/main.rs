//! The operator's program: parses the flags, sets up logging and TLS, runs the operator.

use std::process::ExitCode;

use clap::Parser;
use tenantry_runtime::telemetry;

#[tokio::main]
async fn main() -> ExitCode {
    let settings = tenantry_operator::OperatorFlags::parse();
    telemetry::init_logging();
    // Two TLS users in one process must agree on a provider. A second call fails only because one is already set.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match tenantry_operator::run(settings, telemetry::wait_for_shutdown_signal()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
