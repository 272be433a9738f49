//! Logs: to stderr, JSON unless it is a terminal.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// The variables that set the level, the first that is set and can be read before the others.
const VARIABLES: [&str; 2] = ["TENANTRY_LOG", "RUST_LOG"];

/// The log filter: as `TENANTRY_LOG` says, else as `RUST_LOG` says, else `default`.
pub fn log_filter(default: &str) -> EnvFilter {
    let mut declared = VARIABLES.iter().filter_map(|name| EnvFilter::try_from_env(name).ok());
    let filter = declared.next().unwrap_or_else(|| EnvFilter::new(default));
    // It logs whole answers that it cannot read, with every value in them.
    match KUBE_CLIENT_OFF.parse() {
        Ok(quiet) => filter.add_directive(quiet),
        Err(_) => filter,
    }
}

/// The client of the API server says what failed in its errors, and those are logged by who gets them.
const KUBE_CLIENT_OFF: &str = "kube_client::client=off";

/// Begins to log at the level of `TENANTRY_LOG`, default `info`.
pub fn init_logging() {
    let builder = tracing_subscriber::fmt().with_env_filter(log_filter("info")).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        builder.compact().init();
    } else {
        // The list of spans holds the innermost one as well.
        builder.json().flatten_event(true).with_current_span(false).init();
    }
}

/// Begins to log for a command that a person runs: its own output says what it did, so only what went wrong and what it
/// waits for is logged, unless `TENANTRY_LOG` says otherwise.
pub fn init_command_logging() {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(log_filter("warn,tenantry::pacer=debug"))
        .with_writer(std::io::stderr);
    builder.without_time().with_target(false).compact().init();
}

/// Ends when the process is asked to end: SIGTERM or Ctrl-C.
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
