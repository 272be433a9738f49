//! Connection pools of the database.

use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::time::Duration;

use sqlx::Executor as _;
use sqlx::any::AnyPoolOptions;
use sqlx::sqlite::SqliteConnectOptions;

/// Set on the SQLite connection that writes, in this order: `auto_vacuum` only takes effect while the file is empty.
/// `FULL`: a reply follows the commit, and a commit survives a power cut. `secure_delete` overwrites deleted rows.
pub(super) const WRITER_PRAGMAS: &str = "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; \
                                  PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;";

/// Set on connections that read. `auto_vacuum` is missing because it takes the write lock: a write that reads through a
/// new connection would deadlock with itself.
pub(super) const READER_PRAGMAS: &str = "PRAGMA foreign_keys = ON; PRAGMA query_only = ON;";

/// How long a request waits for a connection, and how long the start waits for the database server.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Timeouts that PostgreSQL enforces: for a statement, for a row lock, and for an idle transaction of a process that
/// stopped responding.
const LIMITS: &str = "SET statement_timeout = '5s'; SET lock_timeout = '3s'; \
                      SET idle_in_transaction_session_timeout = '30s';";

/// Application name of the connections, unless the URL sets one.
const NAME: &str = "SET application_name = 'tenantry-platform';";

/// Pool sizes and timeouts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolConfig {
    /// How long a SQLite connection waits for another process that holds the file.
    pub(crate) wait: Duration,
    /// Connections for reading. On PostgreSQL the pool for writing has the same size.
    pub(crate) connections: u32,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self { wait: crate::DATABASE_WAIT, connections: crate::DATABASE_CONNECTIONS }
    }
}

/// Returns the pool options for SQLite. A queued request waits as long as a request that holds the connection may take.
pub(super) fn sqlite_pool(pragmas: &'static str, wait: Duration, connections: u32) -> AnyPoolOptions {
    // A SQLite connection cannot go stale, so it is not tested before use.
    let options = AnyPoolOptions::new().max_connections(connections).acquire_timeout(wait + ACQUIRE_TIMEOUT);
    options.test_before_acquire(false).after_connect(move |connection, _| {
        Box::pin(async move {
            // This comes first: the other pragmas already wait for the lock.
            let busy = format!("PRAGMA busy_timeout = {};", wait.as_millis());
            connection.execute(sqlx::AssertSqlSafe(busy)).await?;
            connection.execute(pragmas).await?;
            Ok(())
        })
    })
}

/// Returns the pool options for PostgreSQL. Each connection is tested for write access before use: after a failover, a
/// connection to the former primary answers pings but refuses writes. It is closed and replaced.
pub(super) fn postgres_pool(url: &str, connections: u32) -> AnyPoolOptions {
    let name = if url.contains("application_name") { "" } else { NAME };
    let options = AnyPoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE_TIMEOUT);
    options
        .test_before_acquire(false)
        .before_acquire(|connection, _| {
            Box::pin(async move {
                let only_reads: String =
                    sqlx::query_scalar("SELECT current_setting('transaction_read_only')").fetch_one(connection).await?;
                Ok(only_reads != "on")
            })
        })
        .after_connect(move |connection, _| {
            Box::pin(async move {
                connection.execute(LIMITS).await?;
                connection.execute(name).await?;
                Ok(())
            })
        })
}

/// Returns pool options for one connection without timeouts, for a migration or a command that reads all data.
pub(super) fn unlimited_connection() -> AnyPoolOptions {
    AnyPoolOptions::new().max_connections(1).acquire_timeout(START_TIMEOUT)
}

/// Creates a missing SQLite file with mode 0600; SQLite gives its log the same mode. If an existing file is readable by
/// others, this logs a warning and does not change the mode, which may be intended.
pub(super) fn make_private(url: &str) -> Result<(), sqlx::Error> {
    let Some(file) = sqlite_file_of(url)?.filter(|_| url.contains("mode=rwc")) else { return Ok(()) };
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file);
    // SQLite reports every other error with more detail.
    if made.is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists)
        && std::fs::metadata(&file)?.permissions().mode() & 0o007 != 0
    {
        tracing::warn!(file = %file.display(), "everybody on this machine can read the database; `chmod 600` it");
    }
    Ok(())
}

/// Returns the file of a SQLite URL; `None` for PostgreSQL.
pub(super) fn sqlite_file_of(url: &str) -> Result<Option<PathBuf>, sqlx::Error> {
    if !url.starts_with("sqlite:") {
        return Ok(None);
    }
    let options: SqliteConnectOptions = url.parse()?;
    Ok(Some(options.get_filename().to_owned()))
}
