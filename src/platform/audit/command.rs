//! `tenantry-platform audit verify` and `audit export`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;
use serde::Serialize;

use super::anchor::{Anchor, Sum, add};
use super::chain::Row;
use super::seal::{Seal, Statement};
use super::verify::{Explained, Finding, Lost, Verified, Walk, beside, unsealed};
use crate::platform::StartError;
use crate::platform::store::{Head, Kept, Read, Statements, Store};

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
    seal: &'a str,
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

/// A database of an earlier version has no anchor, and rows of another form.
async fn of_today(store: &Store) -> Result<(), AuditError> {
    if store.is_before_anchor().await? {
        let text = "the database is of an earlier version: read its log with the program of that version, or start this \
                    platform on it once";
        return Err(std::io::Error::other(text).into());
    }
    Ok(())
}

/// Reads all chains of a database.
///
/// # Errors
/// Database or key cannot be read.
pub async fn verify(database: &str, key: Option<&Path>) -> Result<Verified, AuditError> {
    let seal = key.map_or_else(|| Ok(Seal::none()), Seal::read)?;
    let store = opened(database, true).await?;
    of_today(&store).await?;
    let mut reading = Reading::new(&store, &seal).await?;
    for (id, unique_id) in reading.chains.clone() {
        reading.chain(id, &unique_id).await?;
    }
    reading.end().await?;
    let verified = reading.verified;
    store.close().await;
    Ok(verified)
}

/// A verification on its way.
struct Reading<'a> {
    store: &'a Store,
    seal: &'a Seal,
    chains: BTreeMap<i64, String>,
    checkpoints: BTreeMap<i64, Head>,
    purged: BTreeMap<i64, Head>,
    explained: Explained,
    lost: Lost,
    /// What the heads that were read add up to.
    sum: Sum,
    made: BTreeSet<String>,
    verified: Verified,
}

impl<'a> Reading<'a> {
    async fn new(store: &'a Store, seal: &'a Seal) -> Result<Self, AuditError> {
        let chains: BTreeMap<i64, String> = store.chains().await?.into_iter().collect();
        let mut verified = Verified::default();
        let mut explained = Explained::default();
        let checkpoints: BTreeMap<i64, Head> = store.statements(Statements::Checkpoints).await?.into_iter().collect();
        let purged: BTreeMap<i64, Head> = store.statements(Statements::Purged).await?.into_iter().collect();
        for (what, statements) in [(Statement::Checkpoint, &checkpoints), (Statement::Purged, &purged)] {
            for (tenant, head) in statements {
                if seal.holds_statement(what, *tenant, head) {
                    explained.numbers.insert(*tenant, head.number);
                } else {
                    let name = name_of(store, *tenant).await?;
                    verified.findings.push(unsealed(what, &name, head.number));
                }
            }
        }
        let (lost, sum, made) = (Lost::new(), Sum::default(), BTreeSet::new());
        Ok(Self { store, seal, chains, checkpoints, purged, explained, lost, sum, made, verified })
    }

    /// One chain, from its first row or the checkpoint of what was erased on.
    async fn chain(&mut self, id: i64, unique_id: &str) -> Result<(), AuditError> {
        let start = self.checkpoints.get(&id).cloned().unwrap_or_default();
        let mut walk = Walk::new(unique_id, self.seal, start.clone());
        // Below the checkpoint nothing is left to see.
        let mut after = if start == Head::default() { i64::MIN } else { start.number };
        loop {
            let rows = self.store.rows(id, after, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = last.kept.row.number;
            self.verified.rows += rows.len();
            for row in &rows {
                walk.step(&row.kept);
                beside(&self.explained, row, &mut self.lost);
            }
        }
        walk.hold_name(id);
        let head = self.store.head(id).await?;
        walk.end(id, head.as_ref());
        if let Some(head) = &head {
            add(&mut self.sum, self.seal.share(id, head.number, &head.hash));
        }
        self.verified.chains += 1;
        self.verified.findings.append(&mut walk.findings);
        self.verified.notes.append(&mut walk.notes);
        self.made.append(&mut walk.made);
        if self.purged.contains_key(&id) {
            let fault = "the log of a purged tenant is there again".to_owned();
            self.verified.findings.push(Finding { tenant: unique_id.to_owned(), number: 1, fault });
        }
        Ok(())
    }

    /// What holds the chains together.
    async fn end(&mut self) -> Result<(), AuditError> {
        let found: BTreeSet<String> = self.chains.values().cloned().collect();
        for tenant in self.made.difference(&found) {
            let fault = "the whole chain is missing".to_owned();
            self.verified.findings.push(Finding { tenant: tenant.clone(), number: 1, fault });
        }
        let stored = self.store.anchor().await?;
        let anchor = stored.as_ref().and_then(|stored| Anchor::open(self.seal, stored));
        if let Some(Anchor { last, .. }) = &anchor {
            let hash = self.store.hash_of(last.tenant, last.number).await?;
            self.explained.hold(last, hash.as_ref(), &mut self.lost);
        }
        self.put_back().await?;
        let events = stored.as_ref().map_or(0, |stored| stored.events);
        let fault = match (&stored, &anchor) {
            (None, _) => Some("its anchor is missing".to_owned()),
            (Some(stored), None) if !matches!(&*stored.key_id, id if id == self.seal.id()) => Some(format!(
                "its anchor is sealed with another key (`{}`) than the one that was given (`{}`)",
                stored.key_id,
                self.seal.id()
            )),
            (Some(_), None) => Some("its anchor does not have our seal".to_owned()),
            (_, Some(anchor)) if anchor.broken => {
                Some("its anchor was replaced or put back to an earlier day behind the platform's back".to_owned())
            }
            // Whatever was named already does not add up either.
            (_, Some(anchor)) if anchor.sum != self.sum && self.verified.findings.is_empty() => Some(
                "the heads of the logs do not add up to its anchor: a log or the anchor was put back to an earlier day, and \
                 no row is left that names which"
                    .to_owned(),
            ),
            _ => None,
        };
        let whole = fault.map(|fault| Finding { tenant: String::new(), number: events, fault });
        self.verified.findings.extend(whole);
        Ok(())
    }

    /// Logs that other rows know to have been longer. One that has a fault of its own is named by that.
    async fn put_back(&mut self) -> Result<(), AuditError> {
        for (tenant, number) in &self.lost {
            let name = name_of(self.store, *tenant).await?;
            if self.verified.findings.iter().any(|finding| finding.tenant == name) {
                continue;
            }
            let fault = "the row that was there is gone: the log was put back to an earlier day".to_owned();
            self.verified.findings.push(Finding { tenant: name, number: *number, fault });
        }
        Ok(())
    }
}

/// How findings name a tenant, which may be purged.
async fn name_of(store: &Store, tenant: i64) -> Result<String, AuditError> {
    Ok(store.unique_id_of(tenant).await?.unwrap_or_else(|| format!("#{tenant}")))
}

/// Writes the log, tenant after tenant, as JSON lines.
///
/// # Errors
/// The database cannot be read or the output not written.
pub async fn export(database: &str, only: Option<&str>, mut to: impl Write) -> Result<(), AuditError> {
    let store = opened(database, true).await?;
    of_today(&store).await?;
    for (id, unique_id) in store.chains().await? {
        if only.is_some_and(|only| only != unique_id) {
            continue;
        }
        let mut after = 0;
        loop {
            let rows = store.rows(id, after, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = last.kept.row.number;
            for Read { kept: Kept { row, hash, seal }, .. } in &rows {
                let line = Line { unique_id: &unique_id, time: crate::platform::time::wire(row.at), row, hash, seal };
                serde_json::to_writer(&mut to, &line).map_err(std::io::Error::from)?;
                to.write_all(b"\n")?;
            }
        }
    }
    to.flush()?;
    store.close().await;
    Ok(())
}
