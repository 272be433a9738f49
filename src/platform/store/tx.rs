//! A write in progress.

use std::ops::{Deref, DerefMut};

use sqlx::{Any, AnyConnection, Transaction};

use crate::platform::audit::{self, PendingEntry};
use crate::platform::keyed_semaphore::KeyedPermit;

/// A write in progress; dropped without `commit` it never happened.
///
/// What it tells the audit log is written at its end. The anchor of the log is one row that all writes lock. A write locks it last,
/// and waits for no other row while it holds it: no two writes wait for each other.
pub(in crate::platform) struct Tx {
    inner: Transaction<'static, Any>,
    pending: Vec<PendingEntry>,
    /// Given back after the connection.
    permit: Option<KeyedPermit<i64>>,
}

impl Tx {
    pub(super) const fn new(inner: Transaction<'static, Any>) -> Self {
        Self { inner, pending: Vec::new(), permit: None }
    }

    /// With a permit of the tenant whose row it locks.
    pub(super) fn with_permit(self, permit: KeyedPermit<i64>) -> Self {
        Self { permit: Some(permit), ..self }
    }

    /// Adds to what is written last.
    pub(in crate::platform) fn add_pending(&mut self, pending: PendingEntry) {
        self.pending.push(pending);
    }

    /// Writes what belongs in the audit log and makes all of it last. The lines of the program's log follow the commit.
    pub(in crate::platform) async fn commit(mut self) -> Result<(), sqlx::Error> {
        let pending = std::mem::take(&mut self.pending);
        let written = Box::pin(audit::write_pending(&mut self, pending)).await?;
        self.inner.commit().await?;
        drop(self.permit.take());
        if let Some(written) = written {
            written.log_rows();
        }
        Ok(())
    }

    /// Gives up the write now. A write that is only dropped is given up when its connection is used again.
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
