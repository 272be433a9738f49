//! Verification of the chains.

use std::collections::{BTreeMap, BTreeSet};

use super::chain::PrecedingRow;
use super::seal::{Seal, SealStatement};
use super::{AuditAction, AuditOutcome, AuditRow};
use crate::store::{ChainHead, SealedRow, VerifiableRow};

/// Maximum number of findings per chain. It limits faults, rows without our seal and notes separately. Somebody who can
/// write the database must not make a verification run out of memory.
const MAX_FINDINGS: usize = 100;

/// A fault in a chain, and its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditFinding {
    /// Unique id of the tenant; empty if the finding concerns the whole log.
    pub tenant: String,
    /// Number of the row, or the number of rows in the whole log.
    pub number: i64,
    /// Description of the fault.
    pub fault: String,
}

impl std::fmt::Display for AuditFinding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { tenant, number, fault } = self;
        if tenant.is_empty() {
            return write!(f, "the whole log, {number} rows: {fault}");
        }
        write!(f, "tenant `{tenant}`, row {number}: {fault}")
    }
}

/// Result of a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerificationReport {
    /// Number of chains.
    pub chains: usize,
    /// Number of rows.
    pub rows: usize,
    /// Faults.
    pub findings: Vec<AuditFinding>,
    /// Remarks that are no faults but limit what could be verified.
    pub notes: Vec<AuditFinding>,
}

impl std::fmt::Display for VerificationReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for finding in self.notes.iter().chain(&self.findings) {
            writeln!(f, "{finding}")?;
        }
        let Self { chains, rows, findings, notes: _ } = self;
        writeln!(f, "{rows} rows of {chains} tenants read, {} faults", findings.len())
    }
}

/// The lowest number of the rows that are provably missing, by tenant.
pub(super) type MissingRows = BTreeMap<i64, i64>;

/// The last erased number of each chain. It explains missing rows, which were erased by the retention or with their
/// tenant.
#[derive(Default)]
pub(super) struct ErasedRanges {
    pub(super) numbers: BTreeMap<i64, i64>,
}

impl ErasedRanges {
    /// Checks a row that another row names. If it is missing and no erasure explains that, it is recorded as lost.
    pub(super) fn check_named_row(&self, named: &PrecedingRow, found: Option<&String>, missing: &mut MissingRows) {
        let PrecedingRow { tenant, number, hash } = named;
        let is_explained = || self.numbers.get(tenant).is_some_and(|erased| erased >= number);
        if *tenant == 0 || found.is_some_and(|found| found == hash) || found.is_none() && is_explained() {
            return;
        }
        let lowest = missing.entry(*tenant).or_insert(*number);
        *lowest = (*lowest).min(*number);
    }
}

/// Verification of one chain, row by row.
pub(super) struct ChainVerifier<'a> {
    tenant: &'a str,
    seal: &'a Seal,
    number: i64,
    hash: String,
    /// Faults found in the chain, up to the limit.
    pub(super) findings: Vec<AuditFinding>,
    /// Number of faults beyond the limit.
    omitted_findings: u64,
    /// Rows without our seal since the last epoch began. The row that begins an epoch covers the rows before it.
    unsealed: Vec<AuditFinding>,
    /// Rows from which another key is used.
    pub(super) notes: Vec<AuditFinding>,
    /// Tenants that were created and not purged according to this chain. Each must have a chain.
    pub(super) created_tenants: BTreeSet<String>,
    creation_row: Option<TenantCreationRow>,
}

/// The row that begins a tenant's log, and the tenant's id in it.
struct TenantCreationRow {
    number: i64,
    unique_id: String,
}

impl<'a> ChainVerifier<'a> {
    /// Starts before the first row, or after the checkpoint of erased rows.
    pub(super) fn new(tenant: &'a str, seal: &'a Seal, start: ChainHead) -> Self {
        let ChainHead { number, hash, .. } = start;
        let (findings, unsealed, notes) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            tenant,
            seal,
            number,
            hash,
            findings,
            omitted_findings: 0,
            unsealed,
            notes,
            created_tenants: BTreeSet::new(),
            creation_row: None,
        }
    }

    fn new_finding(&self, number: i64, fault: impl Into<String>) -> AuditFinding {
        AuditFinding { tenant: self.tenant.to_owned(), number, fault: fault.into() }
    }

    fn add_finding(&mut self, number: i64, fault: impl Into<String>) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(self.new_finding(number, fault));
        } else {
            self.omitted_findings += 1;
        }
    }

    /// Adds one finding for all rows missing between the last row read and the last row that must exist.
    fn add_gap_finding(&mut self, last: i64) {
        let Some(first) = self.number.checked_add(1) else { return };
        match last.abs_diff(first) {
            _ if last < first => {}
            0 => self.add_finding(first, "the row is missing"),
            more => {
                self.add_finding(first, format!("the rows up to {last} are missing, {} rows", u128::from(more) + 1));
            }
        }
    }

    /// Compares a row with its own hash and with the previous row. After a fault the verification continues from this
    /// row, so that each fault is reported once.
    pub(super) fn verify_row(&mut self, sealed_row: &SealedRow) {
        let SealedRow { row, hash, seal: _ } = sealed_row;
        self.add_gap_finding(row.number.saturating_sub(1));
        let follows = self.number.checked_add(1) == Some(row.number);
        let whole = row.compute_hash() == *hash;
        if !whole {
            self.add_finding(row.number, "the row was changed, or moved here from another place");
        } else if follows && row.previous != self.hash {
            self.add_finding(row.number, "the row does not follow the one before it");
        }
        let sealed = row.key_id == self.seal.key_id() && self.seal.verifies_row(sealed_row);
        self.check_row_seal(row, whole, sealed && row.beside.is_some());
        self.number = row.number;
        self.hash.clone_from(hash);
        self.track_tenants(row);
    }

    fn check_row_seal(&mut self, row: &AuditRow, whole: bool, sealed: bool) {
        let begins =
            [AuditAction::AuditKey, AuditAction::AuditEpoch].iter().any(|action| row.action == action.as_str());
        if sealed && begins {
            self.unsealed.clear();
        }
        if !sealed && whole && self.unsealed.len() < MAX_FINDINGS {
            let fault = if row.key_id.is_empty() || row.key_id == self.seal.key_id() {
                "the row does not have our seal".to_owned()
            } else {
                format!("the row is sealed with another key (`{}`): a platform runs with it", row.key_id)
            };
            self.unsealed.push(self.new_finding(row.number, fault));
        }
        if row.action == AuditAction::AuditTampered.as_str() {
            self.add_finding(row.number, "the log was changed behind the platform's back before this row");
        } else if row.action == AuditAction::AuditKey.as_str() && self.notes.len() < MAX_FINDINGS {
            let fault = "the log goes on with another key; what stands before it was not held against the former one";
            self.notes.push(self.new_finding(row.number, fault));
        }
    }

    fn track_tenants(&mut self, AuditRow { tenant, number, action, object, outcome, .. }: &AuditRow) {
        if outcome != AuditOutcome::Done.as_str() {
            return;
        }
        if *action == AuditAction::TenantCreate.as_str() {
            self.created_tenants.insert(object.clone());
            // The row also appears in the log of the parent tenant.
            if id_has_number(object, *tenant) {
                self.creation_row = Some(TenantCreationRow { number: *number, unique_id: object.clone() });
            }
        } else if *action == AuditAction::TenantPurge.as_str() {
            self.created_tenants.remove(object);
        }
    }

    /// Checks the id of the tenant. Rows refer to a tenant by number, and readers see the id that the table `tenant`
    /// has for this number. If the table was changed, actions are attributed to another tenant.
    pub(super) fn verify_tenant_id(&mut self, id: i64) {
        let fault =
            "the table `tenant` was changed behind the platform's back, and the rows are those of another tenant";
        match &self.creation_row {
            Some(TenantCreationRow { number, unique_id }) if unique_id != self.tenant => {
                self.add_finding(*number, format!("the log says that the tenant was made as `{unique_id}`: {fault}"));
            }
            // The service provider, or a tenant whose first rows are erased.
            None if !id_has_number(self.tenant, id) => {
                self.add_finding(
                    self.number,
                    format!("the id of tenant number {id} does not end with that number: {fault}"),
                );
            }
            Some(_) | None => {}
        }
    }

    /// Checks that the chain ends where its head claims, after the last row.
    pub(super) fn finish(&mut self, id: i64, head: Option<&ChainHead>) {
        let mut unsealed = std::mem::take(&mut self.unsealed);
        if self.omitted_findings > 0 {
            let fault = format!("{} more faults of this log are not named", self.omitted_findings);
            unsealed.push(self.new_finding(self.number, fault));
        }
        let mut named = std::mem::take(&mut self.findings);
        self.verify_head(id, head);
        named.append(&mut unsealed);
        named.append(&mut self.findings);
        self.findings = named;
    }

    fn verify_head(&mut self, id: i64, head: Option<&ChainHead>) {
        let Some(head) = head else {
            self.add_finding(self.number, "the head of the chain is missing");
            return;
        };
        self.add_gap_finding(head.number);
        if !self.seal.verifies_head(id, head) {
            self.add_finding(head.number, "the head of the chain does not have our seal");
        } else if head.number < self.number {
            self.add_finding(head.number + 1, "the row stands behind the head of the chain");
        } else if head.number == self.number && head.hash != self.hash {
            self.add_finding(head.number, "the row is not the one that the head of the chain names");
        }
    }
}

/// Returns whether an id was issued for the tenant of this number.
fn id_has_number(unique_id: &str, tenant: i64) -> bool {
    unique_id.rsplit_once('_').is_some_and(|(_, number)| number.parse() == Ok(tenant))
}

/// Returns the finding for a statement without our seal.
pub(super) fn unsealed_statement_finding(statement: SealStatement, tenant: &str, number: i64) -> AuditFinding {
    let fault = match statement {
        SealStatement::Checkpoint => "the checkpoint of what was erased does not have our seal",
        SealStatement::Purged => "the statement that the log was purged does not have our seal",
    };
    AuditFinding { tenant: tenant.to_owned(), number, fault: fault.to_owned() }
}

/// Compares the row that a row names as its predecessor in the whole log with the existing rows.
pub(super) fn check_preceding_row(
    erased: &ErasedRanges,
    VerifiableRow { sealed_row: kept, preceding_hash: beside }: &VerifiableRow,
    missing: &mut MissingRows,
) {
    if let Some(named) = &kept.row.beside {
        erased.check_named_row(named, beside.as_ref(), missing);
    }
}
