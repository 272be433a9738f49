//! Write transactions.

use std::ops::{Deref, DerefMut};

use sqlx::{Any, AnyConnection, Transaction};

use crate::audit::{self, PendingEntry};
use crate::keyed_semaphore::KeyedPermit;

/// A write transaction. Dropping it without `commit` rolls it back.
///
/// Audit entries are collected and written at the end. The anchor of the audit log is one row that all writes lock. A
/// write locks it last and waits for no other row while it holds it, so two writes cannot deadlock.
pub(crate) struct Tx {
    inner: Transaction<'static, Any>,
    pending: Vec<PendingEntry>,
    /// Released after the connection.
    permit: Option<KeyedPermit<i64>>,
}

impl Tx {
    pub(super) const fn new(inner: Transaction<'static, Any>) -> Self {
        Self { inner, pending: Vec::new(), permit: None }
    }

    /// Attaches the permit of the tenant whose row this write locks.
    pub(super) fn with_permit(self, permit: KeyedPermit<i64>) -> Self {
        Self { permit: Some(permit), ..self }
    }

    /// Adds an audit entry that is written at the end.
    pub(crate) fn add_pending(&mut self, pending: PendingEntry) {
        self.pending.push(pending);
    }

    /// Writes the pending audit entries and commits. The lines in the program's log follow the commit.
    pub(crate) async fn commit(mut self) -> Result<(), sqlx::Error> {
        let pending = std::mem::take(&mut self.pending);
        let written = Box::pin(audit::write_pending(&mut self, pending)).await?;
        self.inner.commit().await?;
        drop(self.permit.take());
        if let Some(written) = written {
            written.log_rows();
        }
        Ok(())
    }

    /// Rolls back now. A transaction that is only dropped is rolled back when its connection is used again.
    pub(super) async fn roll_back(self) -> Result<(), sqlx::Error> {
        self.inner.rollback().await
    }
}

impl Deref for Tx {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.inner
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }
}
