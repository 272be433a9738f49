//! Operations on a SQLite database file: online copy, compaction and integrity check.

use std::path::Path;
use std::time::Duration;

use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _, Row as _};

use super::pools::sqlite_file_of;
use super::{Tx, database_url};
use crate::error::ApiError;

/// How long to wait for another process that holds the file.
const WAIT: Duration = Duration::from_mins(1);

/// Counters that ids are generated from.
const IDS: [&str; 6] = ["tenant", "person", "login", "permission_set", "role", "record"];

/// Returns the file of a database; `None` for PostgreSQL.
pub(crate) fn database_file(database: &str) -> Result<Option<std::path::PathBuf>, sqlx::Error> {
    sqlite_file_of(&database_url(database)?)
}

/// Opens a connection that neither creates nor migrates the database.
async fn connect_plain(file: &Path) -> Result<AnyConnection, sqlx::Error> {
    sqlx::any::install_default_drivers();
    let address = database_url(&file.display().to_string())?.replace("mode=rwc", "mode=rw");
    let mut connection = AnyConnection::connect(&address).await?;
    let wait = format!("PRAGMA busy_timeout = {};", WAIT.as_millis());
    connection.execute(AssertSqlSafe(wait)).await?;
    Ok(connection)
}

/// Copies a SQLite database, as of this moment, to a file that is empty or does not exist. Readers and writers
/// continue.
pub(crate) async fn copy_database(from: &Path, to: &Path) -> Result<(), sqlx::Error> {
    let mut connection = connect_plain(from).await?;
    sqlx::query("VACUUM INTO $1").bind(to.display().to_string()).execute(&mut connection).await?;
    connection.close().await
}

/// Rewrites a SQLite file without free space and enables incremental vacuum. Other writes wait meanwhile. Temporary
/// sort files are created beside the file.
pub(crate) async fn compact_file(file: &Path) -> Result<(), sqlx::Error> {
    let mut connection = connect_plain(file).await?;
    let folder = file.parent().map(|folder| folder.display().to_string().replace('\'', "''")).unwrap_or_default();
    let place = format!("PRAGMA temp_store = FILE; PRAGMA temp_store_directory = '{folder}';");
    connection.execute(AssertSqlSafe(place)).await?;
    connection.execute("PRAGMA secure_delete = ON; PRAGMA auto_vacuum = INCREMENTAL;").await?;
    connection.execute("VACUUM").await?;
    connection.execute("UPDATE counter SET value = 0 WHERE name = 'scrub'").await?;
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").await?;
    connection.close().await
}

/// Returns what is damaged in a SQLite file; `None` if the file is intact.
pub(crate) async fn find_damage(file: &Path) -> Result<Option<String>, sqlx::Error> {
    let mut connection = connect_plain(file).await?;
    let found: String = connection.fetch_one("PRAGMA integrity_check(1)").await?.try_get(0)?;
    connection.close().await?;
    Ok(Some(found).filter(|found| found != "ok"))
}

/// Returns whether a database contains tenants. An empty file is also intact, but would become a new platform.
pub(crate) async fn has_tenants(database: &str) -> Result<bool, sqlx::Error> {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(&database_url(database)?.replace("mode=rwc", "mode=rw")).await?;
    let tenants = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM tenant").fetch_one(&mut connection).await;
    connection.close().await?;
    match tenants {
        Ok(tenants) => Ok(tenants > 0),
        // The table does not exist.
        Err(sqlx::Error::Database(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Skips ids that may have been assigned since the copy was made.
pub(crate) async fn skip_ids(tx: &mut Tx, by: i64) -> Result<(), ApiError> {
    for counter in IDS {
        let skip = sqlx::query("UPDATE counter SET value = value + $1 WHERE name = $2");
        skip.bind(by).bind(counter).execute(&mut **tx).await?;
    }
    Ok(())
}

/// Deletes all sessions and tokens and returns how many. Some of them may have ended after the copy was made.
pub(crate) async fn delete_all_sessions(tx: &mut Tx) -> Result<u64, ApiError> {
    let tokens = sqlx::query("DELETE FROM token").execute(&mut **tx).await?.rows_affected();
    Ok(tokens + sqlx::query("DELETE FROM session").execute(&mut **tx).await?.rows_affected())
}
