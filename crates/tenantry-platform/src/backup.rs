//! `tenantry-platform backup`, `restore` and `compact`: commands on the complete database.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::audit::{Actor, AuditAction, AuditEvent, append_event, open_seal as open_log};
use super::store::Store;
use super::store::sqlite_files;
use super::{DATABASE_WAIT, PlatformStartError, error};

/// A copy of the database.
#[derive(Args, Clone, Debug)]
pub struct Backup {
    /// File to write; it must not be there yet
    #[arg(long)]
    to: PathBuf,
}

/// A database that comes back.
#[derive(Args, Clone, Debug)]
pub struct Restore {
    /// A file that `backup` wrote [default: the database was brought back already, as PostgreSQL's is]
    #[arg(long)]
    from: Option<PathBuf>,
    /// How many ids of each kind are left out: at least as many as were given since the copy was made
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(i64).range(1..=1_000_000_000))]
    skip_ids: i64,
}

/// Why nothing was backed up or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database cannot be used.
    #[error(transparent)]
    Start(#[from] PlatformStartError),
    /// A statement failed.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// A file cannot be read or written.
    #[error("`{}`: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: io::Error,
    },
    /// PostgreSQL's own programs do what was asked for.
    #[error("the database is PostgreSQL: {0}")]
    Postgres(&'static str),
    /// The database has no tenants to continue with.
    #[error("the database holds no platform: name a file that `tenantry-platform backup` wrote to its end")]
    Empty,
    /// Something inside failed; the log has the cause.
    #[error("the database was not restored; the lines above have the cause")]
    Internal,
    /// The output failed.
    #[error("{0}")]
    Output(#[from] io::Error),
}

impl From<error::ApiError> for BackupError {
    fn from(_: error::ApiError) -> Self {
        Self::Internal
    }
}

fn file_error(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    |reason| BackupError::File { path, reason }
}

/// Returns the path of a file beside another: the same path with a suffix.
fn sibling_path(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

impl Backup {
    /// Copies the database, whether or not the platform runs, and prints what else belongs to the backup.
    pub(super) async fn run(&self, database: &str, key: &Path, mut out: impl Write) -> Result<(), BackupError> {
        let how = "take `pg_dump --format=custom`, which copies it while the platform runs";
        let from = sqlite_files::database_file(database)?.ok_or(BackupError::Postgres(how))?;
        let Self { to } = self;
        // Both calls fail before anything is written: the first if the source does not exist, the second if the target
        // does.
        File::open(&from).map_err(file_error(&from))?;
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(file_error(to))?;
        let draft = sibling_path(to, ".part");
        let _ = std::fs::remove_file(&draft);
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(file_error(&draft))?;
        if let Err(error) = sqlite_files::copy_database(&from, &draft).await {
            let _ = (std::fs::remove_file(&draft), std::fs::remove_file(to));
            return Err(error.into());
        }
        File::open(&draft).and_then(|file| file.sync_all()).map_err(file_error(&draft))?;
        std::fs::rename(&draft, to).map_err(file_error(to))?;
        writeln!(out, "`{}` is a copy of the database", to.display())?;
        writeln!(out, "it is worth nothing without the audit key `{}`: keep that one elsewhere", key.display())?;
        Ok(())
    }
}

impl Restore {
    /// Restores a database and makes it safe to continue with: no id is assigned twice, and nobody stays logged in.
    pub(super) async fn run(&self, database: &str, key: &Path, mut out: impl Write) -> Result<(), BackupError> {
        let Self { from, skip_ids } = self;
        let Some(from) = from else {
            let ended = self.finish_restore(database, key).await?;
            writeln!(
                out,
                "the database goes on; {skip_ids} ids of each kind are left out, {ended} sessions and tokens ended"
            )?;
            return Ok(());
        };
        let how = "bring it back with `pg_restore`, and run this again without `--from`";
        let file = sqlite_files::database_file(database)?.ok_or(BackupError::Postgres(how))?;
        for taken in [file.clone(), sibling_path(&file, "-wal"), sibling_path(&file, "-shm")] {
            if taken.exists() {
                let reason =
                    io::Error::other("it is there already; move it away first, it belongs to the database before");
                return Err(file_error(&taken)(reason));
            }
        }
        let draft = sibling_path(&file, ".restored");
        let restored = self.restore_copy(from, &draft, key).await;
        if restored.is_err() {
            for left in [draft.clone(), sibling_path(&draft, "-wal"), sibling_path(&draft, "-shm")] {
                let _ = std::fs::remove_file(left);
            }
        }
        let ended = restored?;
        std::fs::rename(&draft, &file).map_err(file_error(&file))?;
        writeln!(out, "`{}` is as it was in `{}`", file.display(), from.display())?;
        writeln!(out, "{skip_ids} ids of each kind are left out, {ended} sessions and tokens ended")?;
        Ok(())
    }

    async fn restore_copy(&self, from: &Path, draft: &Path, key: &Path) -> Result<u64, BackupError> {
        let mut source = File::open(from).map_err(file_error(from))?;
        let mut target = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(draft)
            .map_err(file_error(draft))?;
        io::copy(&mut source, &mut target).map_err(file_error(draft))?;
        target.sync_all().map_err(file_error(draft))?;
        if let Some(damage) = sqlite_files::find_damage(draft).await? {
            return Err(file_error(from)(io::Error::other(format!("the copy is damaged: {damage}"))));
        }
        self.finish_restore(&draft.display().to_string(), key).await
    }

    /// Prepares a restored database for use. Returns how many sessions and tokens ended.
    async fn finish_restore(&self, database: &str, key: &Path) -> Result<u64, BackupError> {
        // Otherwise the log would continue with a newly created key.
        File::open(key).map_err(file_error(key))?;
        if let Some(file) = sqlite_files::database_file(database)? {
            File::open(&file).map_err(file_error(&file))?;
        }
        if !sqlite_files::has_tenants(database).await? {
            return Err(BackupError::Empty);
        }
        let store = Box::pin(Store::open(database, DATABASE_WAIT)).await?;
        let ended = self.finish_restore_in(&store, key).await;
        store.close().await;
        ended
    }

    async fn finish_restore_in(&self, store: &Store, key: &Path) -> Result<u64, BackupError> {
        let seal = open_log(store, Some(key)).await?;
        let provider = Box::pin(store.ensure_home_tenant(false)).await?;
        let mut tx = store.begin().await?;
        sqlite_files::skip_ids(&mut tx, self.skip_ids).await?;
        let ended = sqlite_files::delete_all_sessions(&mut tx).await?;
        let event = AuditEvent::success(AuditAction::DatabaseRestore, "database");
        append_event(&seal, &mut tx, provider.id, &Actor::for_console(), event).await?;
        tx.commit().await?;
        Ok(ended)
    }
}

/// Rewrites a SQLite file without free space.
pub(super) async fn compact_database(database: &str, mut out: impl Write) -> Result<(), BackupError> {
    let how = "it does this by itself";
    let file = sqlite_files::database_file(database)?.ok_or(BackupError::Postgres(how))?;
    let size = |file: &Path| std::fs::metadata(file).map(|file| file.len()).map_err(file_error(file));
    let before = size(&file)?;
    sqlite_files::compact_file(&file).await?;
    writeln!(out, "`{}` had {before} bytes and has {}", file.display(), size(&file)?)?;
    Ok(())
}
