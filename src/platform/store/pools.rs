//! How connections to the database are made, kept and given up.

use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::time::Duration;

use sqlx::Executor as _;
use sqlx::any::AnyPoolOptions;
use sqlx::sqlite::SqliteConnectOptions;

/// Set on the SQLite connection that writes, in this order: a file takes the first only while it is empty. FULL: a reply
/// follows the commit, and a commit survives a power cut. What is deleted is overwritten.
pub(super) const WRITER_PRAGMAS: &str = "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; \
                                  PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;";

/// Set on those that read. `auto_vacuum` is not among them, since it takes the write lock: a write that reads through a new
/// connection would wait for itself.
pub(super) const READER_PRAGMAS: &str = "PRAGMA foreign_keys = ON; PRAGMA query_only = ON;";

/// How long a request waits for a connection, and a start for a server that comes up.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// What PostgreSQL gives up by itself: a statement, a wait for a row that somebody else holds, and a transaction of a process
/// that went silent.
const LIMITS: &str = "SET statement_timeout = '5s'; SET lock_timeout = '3s'; \
                      SET idle_in_transaction_session_timeout = '30s';";

/// What the server lists the connections as, unless the URL says otherwise.
const NAME: &str = "SET application_name = 'tenantry-platform';";

/// Sizes of the pools.
#[derive(Clone, Copy, Debug)]
pub(in crate::platform) struct PoolConfig {
    /// How long a SQLite connection waits for another process that holds the file.
    pub(in crate::platform) wait: Duration,
    /// Connections for reading, and as many again for writing on PostgreSQL.
    pub(in crate::platform) connections: u32,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self { wait: crate::platform::DATABASE_WAIT, connections: crate::platform::DATABASE_CONNECTIONS }
    }
}

/// A pool for SQLite. A request in the queue waits as long as one that holds the connection may.
pub(super) fn sqlite_pool(pragmas: &'static str, wait: Duration, connections: u32) -> AnyPoolOptions {
    // A SQLite connection cannot go stale, so it need not be asked before each use.
    let options = AnyPoolOptions::new().max_connections(connections).acquire_timeout(wait + ACQUIRE_TIMEOUT);
    options.test_before_acquire(false).after_connect(move |connection, _| {
        Box::pin(async move {
            // First of all: the others wait for the lock already.
            let busy = format!("PRAGMA busy_timeout = {};", wait.as_millis());
            connection.execute(sqlx::AssertSqlSafe(busy)).await?;
            connection.execute(pragmas).await?;
            Ok(())
        })
    })
}

/// A pool for PostgreSQL. A connection is asked before each use whether it may write: one that led to the primary before a
/// failover answers every ping and refuses every write, so it is closed and another is made.
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

/// One connection without limits, for a migration or a command that reads everything.
pub(super) fn unlimited_connection() -> AnyPoolOptions {
    AnyPoolOptions::new().max_connections(1).acquire_timeout(START_TIMEOUT)
}

/// Makes a SQLite file that is not there so that its owner alone can read it; SQLite gives its log the same mode. A file that
/// others can read is told and left alone: somebody may want it so.
pub(super) fn make_private(url: &str) -> Result<(), sqlx::Error> {
    let Some(file) = sqlite_file_of(url)?.filter(|_| url.contains("mode=rwc")) else { return Ok(()) };
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file);
    // SQLite says better what else is wrong.
    if made.is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists)
        && std::fs::metadata(&file)?.permissions().mode() & 0o007 != 0
    {
        tracing::warn!(file = %file.display(), "everybody on this machine can read the database; `chmod 600` it");
    }
    Ok(())
}

/// The file of a SQLite URL; none for PostgreSQL.
pub(super) fn sqlite_file_of(url: &str) -> Result<Option<PathBuf>, sqlx::Error> {
    if !url.starts_with("sqlite:") {
        return Ok(None);
    }
    let options: SqliteConnectOptions = url.parse()?;
    Ok(Some(options.get_filename().to_owned()))
}
