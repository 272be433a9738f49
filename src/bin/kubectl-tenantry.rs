//! `kubectl tenantry`: looks before anything is touched.

use std::process::ExitCode;

use tenantry::{cli, telemetry};

#[tokio::main]
async fn main() -> ExitCode {
    // Two TLS users in one process must agree on a provider; a second call would only say that it is set already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let command = match cli::Cli::parse_args() {
        Ok(command) => command,
        Err(code) => return code,
    };
    telemetry::init_command_logging();
    command.run().await
}
