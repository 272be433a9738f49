//! Reading the chains again.

use std::collections::BTreeSet;

use super::chain::Seal;
use super::{Action, Outcome, Row};
use crate::platform::store::{Head, Kept};

/// What is wrong with a chain, and in which row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Unique id of the tenant.
    pub tenant: String,
    /// Number of the row.
    pub number: i64,
    /// What is wrong with it.
    pub fault: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "tenant `{}`, row {}: {}", self.tenant, self.number, self.fault)
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

/// One chain being read, row after row.
pub(super) struct Walk<'a> {
    tenant: &'a str,
    number: i64,
    hash: String,
    /// What is wrong so far.
    pub(super) findings: Vec<Finding>,
    /// Where it goes on with another key.
    pub(super) notes: Vec<Finding>,
    /// Tenants that the chain says were made and not purged since: each has a chain of its own.
    pub(super) made: BTreeSet<String>,
}

impl<'a> Walk<'a> {
    /// Before the first row.
    pub(super) const fn new(tenant: &'a str) -> Self {
        Self { tenant, number: 0, hash: String::new(), findings: Vec::new(), notes: Vec::new(), made: BTreeSet::new() }
    }

    fn blame(&mut self, number: i64, fault: impl Into<String>) {
        self.findings.push(Finding { tenant: self.tenant.to_owned(), number, fault: fault.into() });
    }

    /// A row is held against its own hash and against the one before. After a fault the walk goes on from what stands
    /// there, so that one fault is told once.
    pub(super) fn step(&mut self, Kept { row, hash }: &Kept) {
        for missing in self.number + 1..row.number {
            self.blame(missing, "the row is missing");
        }
        let follows = row.number == self.number + 1;
        if row.hash() != *hash {
            self.blame(row.number, "the row was changed, or moved here from another place");
        } else if follows && row.previous != self.hash {
            self.blame(row.number, "the row does not follow the one before it");
        }
        if row.action == Action::AuditBroken.word() {
            self.blame(row.number, "the log was changed behind the platform's back before this row");
        } else if row.action == Action::AuditKey.word() {
            let fault = "the log goes on with another key; what stands before it was not held against the former one"
                .to_owned();
            self.notes.push(Finding { tenant: self.tenant.to_owned(), number: row.number, fault });
        }
        self.number = row.number;
        self.hash.clone_from(hash);
        self.remember(row);
    }

    fn remember(&mut self, Row { action, object, outcome, .. }: &Row) {
        if outcome != Outcome::Done.word() {
            return;
        }
        if *action == Action::TenantCreate.word() {
            self.made.insert(object.clone());
        } else if *action == Action::TenantPurge.word() {
            self.made.remove(object);
        }
    }

    /// After the last row: the chain ends where its head says.
    pub(super) fn end(&mut self, id: i64, head: Option<&Head>, seal: &Seal) {
        let Some(head) = head else {
            self.blame(self.number, "the head of the chain is missing");
            return;
        };
        for missing in self.number + 1..=head.number {
            self.blame(missing, "the row is missing");
        }
        if !seal.holds(id, (head.number, &head.hash), &head.seal) {
            self.blame(head.number, "the head of the chain does not have our seal");
        } else if head.number < self.number {
            self.blame(head.number + 1, "the row stands behind the head of the chain");
        } else if head.number == self.number && head.hash != self.hash {
            self.blame(head.number, "the row is not the one that the head of the chain names");
        }
    }
}
