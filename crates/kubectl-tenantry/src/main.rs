//! `kubectl tenantry`: the kubectl plugin. It inspects before it changes anything.

use std::process::ExitCode;

use tenantry_runtime::telemetry;

#[tokio::main]
async fn main() -> ExitCode {
    // Two TLS clients in one process must use the same provider; a second call only fails because one is already set.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let command = match kubectl_tenantry::Cli::parse_args() {
        Ok(command) => command,
        Err(code) => return code,
    };
    telemetry::init_command_logging();
    command.run().await
}
