//! `tenantry-platform audit verify` and `audit export`.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;
use serde::Serialize;

use super::chain::{Row, Seal};
use super::verify::{Finding, Verified, Walk};
use crate::platform::StartError;
use crate::platform::store::{Kept, Store};

/// Rows read at once.
const PAGE: i64 = 1000;

/// What to do with the audit log.
#[derive(Subcommand, Clone, Debug)]
pub enum AuditCommand {
    /// Read every chain again; exit 1 and name the rows where one was changed, removed or moved
    Verify,
    /// Go on with the key in the file of `--audit-key`, which is made where it is not there: for a key that is lost, or that
    /// somebody else may have. The second factors and secret keys that the former one sealed must be entered again
    NewKey,
    /// Write the log to stdout as JSON lines
    Export {
        /// Only the log of the tenant with this unique id
        #[arg(long)]
        tenant: Option<String>,
    },
}

impl AuditCommand {
    /// Does it; the code is 1 where the log does not hold.
    pub(in crate::platform) async fn run(
        &self,
        database: &str,
        key: &Path,
        mut out: impl Write,
    ) -> Result<ExitCode, AuditError> {
        match self {
            Self::Verify => {
                let verified = verify(database, Some(key)).await?;
                write!(out, "{verified}")?;
                Ok(if verified.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
            }
            Self::NewKey => {
                let chains = super::new_key(database, key).await?;
                writeln!(out, "the logs of {chains} tenants go on with the key in `{}`", key.display())?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Export { tenant } => {
                export(database, tenant.as_deref(), out).await?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

/// A line of the export.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "tenantId")]
    unique_id: &'a str,
    time: String,
    #[serde(flatten)]
    row: &'a Row,
    hash: &'a str,
}

/// Why a command about the log failed.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The database cannot be opened or read.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The log cannot be read.
    #[error("cannot read the audit log: {0}")]
    Read(#[from] sqlx::Error),
    /// The key or the output failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Opens a database that is there: a misspelled path would else be a new one, with a log in perfect order.
pub(super) async fn opened(database: &str, reads: bool) -> Result<Store, AuditError> {
    if !database.contains(':') && !Path::new(database).exists() {
        let text = format!("there is no database `{database}`; name the one that the platform uses with `--database`");
        return Err(std::io::Error::new(std::io::ErrorKind::NotFound, text).into());
    }
    let wait = crate::platform::DATABASE_WAIT;
    Ok(if reads {
        Box::pin(Store::open_to_read(database, wait)).await?
    } else {
        Box::pin(Store::open(database, wait)).await?
    })
}

/// Reads all chains of a database.
///
/// # Errors
/// Database or key cannot be read.
pub async fn verify(database: &str, key: Option<&Path>) -> Result<Verified, AuditError> {
    let seal = key.map_or_else(|| Ok(Seal::none()), Seal::read)?;
    let store = opened(database, true).await?;
    let mut verified = Verified::default();
    let (mut made, mut found) = (BTreeSet::new(), BTreeSet::new());
    for (id, unique_id) in store.chains().await? {
        let mut walk = Walk::new(&unique_id);
        let mut after = i64::MIN;
        loop {
            let rows = store.rows(id, after, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = last.row.number;
            verified.rows += rows.len();
            for row in &rows {
                walk.step(row);
            }
        }
        walk.end(id, store.head(id).await?.as_ref(), &seal);
        verified.chains += 1;
        verified.findings.append(&mut walk.findings);
        verified.notes.append(&mut walk.notes);
        made.append(&mut walk.made);
        found.insert(unique_id);
    }
    for tenant in made.difference(&found) {
        let fault = "the whole chain is missing".to_owned();
        verified.findings.push(Finding { tenant: tenant.clone(), number: 1, fault });
    }
    store.close().await;
    Ok(verified)
}

/// Writes the log, tenant after tenant, as JSON lines.
///
/// # Errors
/// The database cannot be read or the output not written.
pub async fn export(database: &str, only: Option<&str>, mut to: impl Write) -> Result<(), AuditError> {
    let store = opened(database, true).await?;
    for (id, unique_id) in store.chains().await? {
        if only.is_some_and(|only| only != unique_id) {
            continue;
        }
        let mut after = 0;
        loop {
            let rows = store.rows(id, after, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = last.row.number;
            for Kept { row, hash } in &rows {
                let line = Line { unique_id: &unique_id, time: crate::platform::time::wire(row.at), row, hash };
                serde_json::to_writer(&mut to, &line).map_err(std::io::Error::from)?;
                to.write_all(b"\n")?;
            }
        }
    }
    to.flush()?;
    store.close().await;
    Ok(())
}
