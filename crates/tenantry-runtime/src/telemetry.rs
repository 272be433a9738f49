//! Logging: to stderr, as JSON unless stderr is a terminal.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// The variables that set the level. The first one that is set and can be parsed wins.
const VARIABLES: [&str; 2] = ["TENANTRY_LOG", "RUST_LOG"];

/// Returns the log filter: from `TENANTRY_LOG`, else from `RUST_LOG`, else `default`.
pub fn log_filter(default: &str) -> EnvFilter {
    let mut declared = VARIABLES.iter().filter_map(|name| EnvFilter::try_from_env(name).ok());
    let filter = declared.next().unwrap_or_else(|| EnvFilter::new(default));
    // The Kubernetes client logs answers that it cannot parse in full, with every value in them.
    match KUBE_CLIENT_OFF.parse() {
        Ok(quiet) => filter.add_directive(quiet),
        Err(_) => filter,
    }
}

/// The Kubernetes client also returns what failed as an error, and the caller logs that.
const KUBE_CLIENT_OFF: &str = "kube_client::client=off";

/// Starts logging at the level of `TENANTRY_LOG`, default `info`.
pub fn init_logging() {
    let builder = tracing_subscriber::fmt().with_env_filter(log_filter("info")).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        builder.compact().init();
    } else {
        // The list of spans already contains the innermost one.
        builder.json().flatten_event(true).with_current_span(false).init();
    }
}

/// Starts logging for a command that a person runs. The command's own output reports what it did, so only failures and
/// waits are logged, unless `TENANTRY_LOG` sets another level.
pub fn init_command_logging() {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(log_filter("warn,tenantry::pacer=debug"))
        .with_writer(std::io::stderr);
    builder.without_time().with_target(false).compact().init();
}

/// Completes when the process receives SIGTERM or Ctrl-C.
pub async fn wait_for_shutdown_signal() {
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending::<()>().await,
        }
    };
    tokio::select! {
        () = terminate => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
