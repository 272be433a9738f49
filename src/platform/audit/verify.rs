//! Reading the chains again.

use std::collections::{BTreeMap, BTreeSet};

use super::chain::Beside;
use super::seal::{Seal, Statement};
use super::{Action, Outcome, Row};
use crate::platform::store::{Head, Kept, Read};

/// Faults that one chain names at most, and apart from them rows without our seal, and notes: whoever can write the database
/// must not make a verification run out of memory.
const NAMED: usize = 100;

/// What is wrong with a chain, and in which row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Unique id of the tenant; empty where it is about the whole log.
    pub tenant: String,
    /// Number of the row, or how many rows the whole log has.
    pub number: i64,
    /// What is wrong with it.
    pub fault: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { tenant, number, fault } = self;
        if tenant.is_empty() {
            return write!(f, "the whole log, {number} rows: {fault}");
        }
        write!(f, "tenant `{tenant}`, row {number}: {fault}")
    }
}

/// What a verification saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Chains.
    pub chains: usize,
    /// Rows.
    pub rows: usize,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What is no fault and limits what was seen.
    pub notes: Vec<Finding>,
}

impl std::fmt::Display for Verified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for finding in self.notes.iter().chain(&self.findings) {
            writeln!(f, "{finding}")?;
        }
        let Self { chains, rows, findings, notes: _ } = self;
        writeln!(f, "{rows} rows of {chains} tenants read, {} faults", findings.len())
    }
}

/// Rows that must have been there and are not, by tenant: the lowest number of each.
pub(super) type Lost = BTreeMap<i64, i64>;

/// What explains that rows are not there: the last number of each chain that was erased, because its time was over or with
/// its tenant.
#[derive(Default)]
pub(super) struct Explained {
    pub(super) numbers: BTreeMap<i64, i64>,
}

impl Explained {
    /// Where a row is not there that another one names, and nothing explains it, it is lost.
    pub(super) fn hold(&self, named: &Beside, found: Option<&String>, lost: &mut Lost) {
        let Beside { tenant, number, hash } = named;
        let is_explained = || self.numbers.get(tenant).is_some_and(|erased| erased >= number);
        if *tenant == 0 || found.is_some_and(|found| found == hash) || found.is_none() && is_explained() {
            return;
        }
        let lowest = lost.entry(*tenant).or_insert(*number);
        *lowest = (*lowest).min(*number);
    }
}

/// One chain being read, row after row.
pub(super) struct Walk<'a> {
    tenant: &'a str,
    seal: &'a Seal,
    number: i64,
    hash: String,
    /// What is wrong so far.
    pub(super) findings: Vec<Finding>,
    /// Faults beyond those.
    unnamed: u64,
    /// Rows without our seal since the last row that began an epoch: such a row covers what stands before it.
    unsealed: Vec<Finding>,
    /// Where it goes on with another key.
    pub(super) notes: Vec<Finding>,
    /// Tenants that the chain says were made and not purged since: each has a chain of its own.
    pub(super) made: BTreeSet<String>,
    born: Option<Born>,
}

/// The row in which a tenant's own log begins, and what the tenant was called in it.
struct Born {
    number: i64,
    unique_id: String,
}

impl<'a> Walk<'a> {
    /// Before the first row, or behind the checkpoint of what was erased.
    pub(super) fn new(tenant: &'a str, seal: &'a Seal, start: Head) -> Self {
        let Head { number, hash, .. } = start;
        let (findings, unsealed, notes) = (Vec::new(), Vec::new(), Vec::new());
        Self { tenant, seal, number, hash, findings, unnamed: 0, unsealed, notes, made: BTreeSet::new(), born: None }
    }

    fn finding(&self, number: i64, fault: impl Into<String>) -> Finding {
        Finding { tenant: self.tenant.to_owned(), number, fault: fault.into() }
    }

    fn blame(&mut self, number: i64, fault: impl Into<String>) {
        if self.findings.len() < NAMED {
            self.findings.push(self.finding(number, fault));
        } else {
            self.unnamed += 1;
        }
    }

    /// One finding for all rows that are missing between the last one that was read and the last one that has to be there.
    fn blame_gap(&mut self, last: i64) {
        let Some(first) = self.number.checked_add(1) else { return };
        match last.abs_diff(first) {
            _ if last < first => {}
            0 => self.blame(first, "the row is missing"),
            more => self.blame(first, format!("the rows up to {last} are missing, {} rows", u128::from(more) + 1)),
        }
    }

    /// A row is held against its own hash and against the one before. After a fault the walk goes on from what stands
    /// there, so that one fault is told once.
    pub(super) fn step(&mut self, kept: &Kept) {
        let Kept { row, hash, seal: _ } = kept;
        self.blame_gap(row.number.saturating_sub(1));
        let follows = self.number.checked_add(1) == Some(row.number);
        let whole = row.hash() == *hash;
        if !whole {
            self.blame(row.number, "the row was changed, or moved here from another place");
        } else if follows && row.previous != self.hash {
            self.blame(row.number, "the row does not follow the one before it");
        }
        let sealed = row.key_id == self.seal.id() && self.seal.holds_row(kept);
        self.note(row, whole, sealed && row.beside.is_some());
        self.number = row.number;
        self.hash.clone_from(hash);
        self.remember(row);
    }

    fn note(&mut self, row: &Row, whole: bool, sealed: bool) {
        let begins = [Action::AuditKey, Action::AuditEpoch].iter().any(|action| row.action == action.word());
        if sealed && begins {
            self.unsealed.clear();
        }
        if !sealed && whole && self.unsealed.len() < NAMED {
            let fault = if row.key_id.is_empty() || row.key_id == self.seal.id() {
                "the row does not have our seal".to_owned()
            } else {
                format!("the row is sealed with another key (`{}`): a platform runs with it", row.key_id)
            };
            self.unsealed.push(self.finding(row.number, fault));
        }
        if row.action == Action::AuditBroken.word() {
            self.blame(row.number, "the log was changed behind the platform's back before this row");
        } else if row.action == Action::AuditKey.word() && self.notes.len() < NAMED {
            let fault = "the log goes on with another key; what stands before it was not held against the former one";
            self.notes.push(self.finding(row.number, fault));
        }
    }

    fn remember(&mut self, Row { tenant, number, action, object, outcome, .. }: &Row) {
        if outcome != Outcome::Done.word() {
            return;
        }
        if *action == Action::TenantCreate.word() {
            self.made.insert(object.clone());
            // It stands in the log of the tenant above as well.
            if ends_with(object, *tenant) {
                self.born = Some(Born { number: *number, unique_id: object.clone() });
            }
        } else if *action == Action::TenantPurge.word() {
            self.made.remove(object);
        }
    }

    /// Rows know their tenant by its number, and whoever reads the log knows it by the id that the table `tenant` has for that:
    /// where the table was changed, acts are read as those of another tenant.
    pub(super) fn hold_name(&mut self, id: i64) {
        let fault =
            "the table `tenant` was changed behind the platform's back, and the rows are those of another tenant";
        match &self.born {
            Some(Born { number, unique_id }) if unique_id != self.tenant => {
                self.blame(*number, format!("the log says that the tenant was made as `{unique_id}`: {fault}"));
            }
            // The service provider, and a tenant whose first rows are erased.
            None if !ends_with(self.tenant, id) => {
                self.blame(self.number, format!("the id of tenant number {id} does not end with that number: {fault}"));
            }
            Some(_) | None => {}
        }
    }

    /// After the last row: the chain ends where its head says.
    pub(super) fn end(&mut self, id: i64, head: Option<&Head>) {
        let mut unsealed = std::mem::take(&mut self.unsealed);
        if self.unnamed > 0 {
            let fault = format!("{} more faults of this log are not named", self.unnamed);
            unsealed.push(self.finding(self.number, fault));
        }
        let mut named = std::mem::take(&mut self.findings);
        self.hold_head(id, head);
        named.append(&mut unsealed);
        named.append(&mut self.findings);
        self.findings = named;
    }

    fn hold_head(&mut self, id: i64, head: Option<&Head>) {
        let Some(head) = head else {
            self.blame(self.number, "the head of the chain is missing");
            return;
        };
        self.blame_gap(head.number);
        if !self.seal.holds_head(id, head) {
            self.blame(head.number, "the head of the chain does not have our seal");
        } else if head.number < self.number {
            self.blame(head.number + 1, "the row stands behind the head of the chain");
        } else if head.number == self.number && head.hash != self.hash {
            self.blame(head.number, "the row is not the one that the head of the chain names");
        }
    }
}

/// Whether an id is one that a tenant of this number got.
fn ends_with(unique_id: &str, tenant: i64) -> bool {
    unique_id.rsplit_once('_').is_some_and(|(_, number)| number.parse() == Ok(tenant))
}

/// A statement that does not have our seal.
pub(super) fn unsealed(what: Statement, tenant: &str, number: i64) -> Finding {
    let fault = match what {
        Statement::Checkpoint => "the checkpoint of what was erased does not have our seal",
        Statement::Purged => "the statement that the log was purged does not have our seal",
    };
    Finding { tenant: tenant.to_owned(), number, fault: fault.to_owned() }
}

/// Holds what a row names as the one beside it against what is there.
pub(super) fn beside(explained: &Explained, Read { kept, beside }: &Read, lost: &mut Lost) {
    if let Some(named) = &kept.row.beside {
        explained.hold(named, beside.as_ref(), lost);
    }
}
