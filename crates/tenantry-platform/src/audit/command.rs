//! `tenantry-platform audit verify` and `audit export`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;
use serde::Serialize;

use super::anchor::{Anchor, HeadSum, xor_into_sum};
use super::chain::AuditRow;
use super::seal::{Seal, SealStatement};
use super::verify::{
    AuditFinding, ChainVerifier, ErasedRanges, MissingRows, VerificationReport, check_preceding_row,
    unsealed_statement_finding,
};
use crate::PlatformStartError;
use crate::store::{ChainHead, SealedRow, StatementTable, Store, VerifiableRow};

/// Number of rows per query.
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
    /// Runs the command. The exit code is 1 if the log has faults.
    pub(crate) async fn run(&self, database: &str, key: &Path, mut out: impl Write) -> Result<ExitCode, AuditError> {
        match self {
            Self::Verify => {
                let verified = verify_log(database, Some(key)).await?;
                write!(out, "{verified}")?;
                Ok(if verified.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
            }
            Self::NewKey => {
                let chains = super::rotate_key(database, key).await?;
                writeln!(out, "the logs of {chains} tenants go on with the key in `{}`", key.display())?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Export { tenant } => {
                export_log(database, tenant.as_deref(), out).await?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

/// A line of the export.
#[derive(Serialize)]
struct ExportLine<'a> {
    #[serde(rename = "tenantId")]
    unique_id: &'a str,
    time: String,
    #[serde(flatten)]
    row: &'a AuditRow,
    hash: &'a str,
    seal: &'a str,
}

/// Error of an audit log command.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The database cannot be opened or read.
    #[error(transparent)]
    Start(#[from] PlatformStartError),
    /// The log cannot be read.
    #[error("cannot read the audit log: {0}")]
    Read(#[from] sqlx::Error),
    /// The key or the output failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Opens an existing database. A mistyped path would otherwise create a new database with a valid log.
pub(super) async fn open_existing_database(database: &str, is_read_only: bool) -> Result<Store, AuditError> {
    if !database.contains(':') && !Path::new(database).exists() {
        let text = format!("there is no database `{database}`; name the one that the platform uses with `--database`");
        return Err(std::io::Error::new(std::io::ErrorKind::NotFound, text).into());
    }
    let wait = crate::DATABASE_WAIT;
    Ok(if is_read_only {
        Box::pin(Store::open_read_only(database, wait)).await?
    } else {
        Box::pin(Store::open(database, wait)).await?
    })
}

/// Refuses a database of an earlier version: it has no anchor and another row format.
async fn ensure_current_schema(store: &Store) -> Result<(), AuditError> {
    if store.is_before_anchor().await? {
        let text = "the database is of an earlier version: read its log with the program of that version, or start this \
                    platform on it once";
        return Err(std::io::Error::other(text).into());
    }
    Ok(())
}

/// Reads and verifies all chains of a database.
///
/// # Errors
/// Database or key cannot be read.
pub async fn verify_log(database: &str, key: Option<&Path>) -> Result<VerificationReport, AuditError> {
    let seal = key.map_or_else(|| Ok(Seal::without_key()), Seal::read_key_file)?;
    let store = open_existing_database(database, true).await?;
    ensure_current_schema(&store).await?;
    let mut reading = LogVerification::new(&store, &seal).await?;
    for (id, unique_id) in reading.chains.clone() {
        reading.verify_chain(id, &unique_id).await?;
    }
    reading.verify_anchor().await?;
    let verified = reading.verified;
    store.close().await;
    Ok(verified)
}

/// A verification in progress.
struct LogVerification<'a> {
    store: &'a Store,
    seal: &'a Seal,
    chains: BTreeMap<i64, String>,
    checkpoints: BTreeMap<i64, ChainHead>,
    purged: BTreeMap<i64, ChainHead>,
    erased_ranges: ErasedRanges,
    missing_rows: MissingRows,
    /// Sum of the heads read until now.
    sum: HeadSum,
    created_tenants: BTreeSet<String>,
    verified: VerificationReport,
}

impl<'a> LogVerification<'a> {
    async fn new(store: &'a Store, seal: &'a Seal) -> Result<Self, AuditError> {
        let chains: BTreeMap<i64, String> = store.list_chains().await?.into_iter().collect();
        let mut verified = VerificationReport::default();
        let mut explained = ErasedRanges::default();
        let checkpoints: BTreeMap<i64, ChainHead> =
            store.list_statements(StatementTable::Checkpoints).await?.into_iter().collect();
        let purged: BTreeMap<i64, ChainHead> =
            store.list_statements(StatementTable::Purged).await?.into_iter().collect();
        for (what, statements) in [(SealStatement::Checkpoint, &checkpoints), (SealStatement::Purged, &purged)] {
            for (tenant, head) in statements {
                if seal.verifies_statement(what, *tenant, head) {
                    explained.numbers.insert(*tenant, head.number);
                } else {
                    let name = tenant_display_name(store, *tenant).await?;
                    verified.findings.push(unsealed_statement_finding(what, &name, head.number));
                }
            }
        }
        let (lost, sum, made) = (MissingRows::new(), HeadSum::default(), BTreeSet::new());
        Ok(Self {
            store,
            seal,
            chains,
            checkpoints,
            purged,
            erased_ranges: explained,
            missing_rows: lost,
            sum,
            created_tenants: made,
            verified,
        })
    }

    /// Verifies one chain from its first row, or from the checkpoint of its erased rows.
    async fn verify_chain(&mut self, id: i64, unique_id: &str) -> Result<(), AuditError> {
        let start = self.checkpoints.get(&id).cloned().unwrap_or_default();
        let mut verifier = ChainVerifier::new(unique_id, self.seal, start.clone());
        // Rows below the checkpoint are erased.
        let mut after = if start == ChainHead::default() { i64::MIN } else { start.number };
        loop {
            let rows = self.store.rows_after(id, after, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = last.sealed_row.row.number;
            self.verified.rows += rows.len();
            for row in &rows {
                verifier.verify_row(&row.sealed_row);
                check_preceding_row(&self.erased_ranges, row, &mut self.missing_rows);
            }
        }
        verifier.verify_tenant_id(id);
        let head = self.store.head_of(id).await?;
        verifier.finish(id, head.as_ref());
        if let Some(head) = &head {
            xor_into_sum(&mut self.sum, self.seal.head_share(id, head.number, &head.hash));
        }
        self.verified.chains += 1;
        self.verified.findings.append(&mut verifier.findings);
        self.verified.notes.append(&mut verifier.notes);
        self.created_tenants.append(&mut verifier.created_tenants);
        if self.purged.contains_key(&id) {
            let fault = "the log of a purged tenant is there again".to_owned();
            self.verified.findings.push(AuditFinding { tenant: unique_id.to_owned(), number: 1, fault });
        }
        Ok(())
    }

    /// Verifies the anchor, which connects the chains.
    async fn verify_anchor(&mut self) -> Result<(), AuditError> {
        let found: BTreeSet<String> = self.chains.values().cloned().collect();
        for tenant in self.created_tenants.difference(&found) {
            let fault = "the whole chain is missing".to_owned();
            self.verified.findings.push(AuditFinding { tenant: tenant.clone(), number: 1, fault });
        }
        let stored = self.store.anchor().await?;
        let anchor = stored.as_ref().and_then(|stored| Anchor::decrypt_stored(self.seal, stored));
        if let Some(Anchor { last, .. }) = &anchor {
            let hash = self.store.hash_of(last.tenant, last.number).await?;
            self.erased_ranges.check_named_row(last, hash.as_ref(), &mut self.missing_rows);
        }
        self.report_missing_rows().await?;
        let events = stored.as_ref().map_or(0, |stored| stored.events);
        let fault = match (&stored, &anchor) {
            (None, _) => Some("its anchor is missing".to_owned()),
            (Some(stored), None) if !matches!(&*stored.key_id, id if id == self.seal.key_id()) => Some(format!(
                "its anchor is sealed with another key (`{}`) than the one that was given (`{}`)",
                stored.key_id,
                self.seal.key_id()
            )),
            (Some(_), None) => Some("its anchor does not have our seal".to_owned()),
            (_, Some(anchor)) if anchor.broken => {
                Some("its anchor was replaced or put back to an earlier day behind the platform's back".to_owned())
            }
            // A fault that is already reported also changes the sum.
            (_, Some(anchor)) if anchor.sum != self.sum && self.verified.findings.is_empty() => Some(
                "the heads of the logs do not add up to its anchor: a log or the anchor was put back to an earlier day, and \
                 no row is left that names which"
                    .to_owned(),
            ),
            _ => None,
        };
        let whole = fault.map(|fault| AuditFinding { tenant: String::new(), number: events, fault });
        self.verified.findings.extend(whole);
        Ok(())
    }

    /// Reports chains that rows of other chains prove to have been longer. A chain with another fault is not reported
    /// twice.
    async fn report_missing_rows(&mut self) -> Result<(), AuditError> {
        for (tenant, number) in &self.missing_rows {
            let name = tenant_display_name(self.store, *tenant).await?;
            if self.verified.findings.iter().any(|finding| finding.tenant == name) {
                continue;
            }
            let fault = "the row that was there is gone: the log was put back to an earlier day".to_owned();
            self.verified.findings.push(AuditFinding { tenant: name, number: *number, fault });
        }
        Ok(())
    }
}

/// Returns the name of a tenant in findings. The tenant may be purged.
async fn tenant_display_name(store: &Store, tenant: i64) -> Result<String, AuditError> {
    Ok(store.unique_id_of(tenant).await?.unwrap_or_else(|| format!("#{tenant}")))
}

/// Writes the log as JSON lines, tenant by tenant.
///
/// # Errors
/// The database cannot be read or the output cannot be written.
pub async fn export_log(database: &str, only: Option<&str>, mut to: impl Write) -> Result<(), AuditError> {
    let store = open_existing_database(database, true).await?;
    ensure_current_schema(&store).await?;
    for (id, unique_id) in store.list_chains().await? {
        if only.is_some_and(|only| only != unique_id) {
            continue;
        }
        let mut after = 0;
        loop {
            let rows = store.rows_after(id, after, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = last.sealed_row.row.number;
            for VerifiableRow { sealed_row: SealedRow { row, hash, seal }, .. } in &rows {
                let line = ExportLine { unique_id: &unique_id, time: crate::time::to_wire(row.at), row, hash, seal };
                serde_json::to_writer(&mut to, &line).map_err(std::io::Error::from)?;
                to.write_all(b"\n")?;
            }
        }
    }
    to.flush()?;
    store.close().await;
    Ok(())
}
