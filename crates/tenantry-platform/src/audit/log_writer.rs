//! Writes audit rows at the end of the transaction that they describe, while the anchor is locked.

use super::anchor::Anchor;
use super::chain::{self, AuditRow, PrecedingRow};
use super::seal::{Seal, SealStatement};
use super::{Actor, AuditAction, AuditEvent, AuditOutcome};
use crate::store::{
    ChainHead, SealedHeads, SealedRow, StoredAnchor, Tx, check_sealed_heads, insert_row, last_row, lock_anchor,
    lock_head, purge_chain, save_anchor,
};
use crate::time;

/// An entry that is written at the end of a transaction.
pub(crate) struct PendingEntry {
    seal: Seal,
    what: PendingKind,
}

enum PendingKind {
    Row(RowContent),
    /// Erases the chain together with its tenant.
    Purged(i64),
}

/// Content of a row, and the tenant whose chain it belongs to.
pub(super) struct RowContent {
    pub(super) tenant: i64,
    pub(super) actor: Actor,
    pub(super) action: AuditAction,
    pub(super) object: String,
    pub(super) outcome: AuditOutcome,
}

impl RowContent {
    pub(super) fn new(tenant: i64, actor: &Actor, AuditEvent { action, object, outcome }: AuditEvent<'_>) -> Self {
        Self { tenant, actor: actor.clone(), action, object: object.to_owned(), outcome }
    }
}

impl PendingEntry {
    pub(super) fn for_row(seal: &Seal, content: RowContent) -> Self {
        Self { seal: seal.clone(), what: PendingKind::Row(content) }
    }

    pub(super) fn for_purge(seal: &Seal, tenant: i64) -> Self {
        Self { seal: seal.clone(), what: PendingKind::Purged(tenant) }
    }
}

/// Rows that were written and are logged after the commit.
pub(crate) struct WrittenRows {
    seal: Seal,
    events: i64,
    pub(super) rows: Vec<SealedRow>,
}

impl WrittenRows {
    /// Logs the rows to the program's log and remembers the event count, below which the anchor must never drop.
    pub(crate) fn log_rows(&self) {
        let Self { seal, events, rows } = self;
        seal.record_event_count(*events);
        rows.iter().for_each(SealedRow::log_row);
    }
}

/// Writes the pending entries. It locks the anchor first and then waits only for the chains, which nobody locks without
/// holding the anchor.
pub(crate) async fn write_pending(tx: &mut Tx, pending: Vec<PendingEntry>) -> Result<Option<WrittenRows>, sqlx::Error> {
    let Some(first) = pending.first() else { return Ok(None) };
    let mut writer = LogWriter::new(first.seal.clone(), tx).await?;
    for PendingEntry { what, seal: _ } in pending {
        match what {
            PendingKind::Row(content) => writer.append_row(tx, content).await?,
            PendingKind::Purged(tenant) => writer.end_chain(tx, tenant).await?,
        }
    }
    writer.finish(tx).await.map(Some)
}

/// Which head a new row may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChainBase {
    /// Only a head that has our seal.
    Sealed,
    /// Any head: a new epoch begins.
    Unverified,
}

/// Writes rows while it holds the anchor.
pub(super) struct LogWriter {
    seal: Seal,
    anchor: Anchor,
    base: ChainBase,
    /// The anchor was replaced or restored by somebody else; the next row records this.
    is_tampered: bool,
    written: Vec<SealedRow>,
}

impl LogWriter {
    /// Locks and reads the anchor.
    async fn new(seal: Seal, tx: &mut Tx) -> Result<Self, sqlx::Error> {
        let stored = lock_anchor(tx).await?;
        let mut writer = Self::with_anchor(seal, Anchor::default(), ChainBase::Sealed);
        match Anchor::decrypt_stored(&writer.seal, &stored) {
            Some(anchor) => {
                writer.is_tampered = !writer.seal.record_event_count(anchor.events) && !anchor.broken;
                writer.anchor = anchor;
                writer.anchor.broken |= writer.is_tampered;
            }
            None if was_anchor_tampered(&writer.seal, tx, &stored).await? => {
                writer.anchor = Anchor::new_broken(stored.events);
                writer.is_tampered = true;
            }
            None => return Err(unknown_seal_error(&stored)),
        }
        Ok(writer)
    }

    /// Uses an anchor that is already locked and read.
    pub(super) const fn with_anchor(seal: Seal, anchor: Anchor, base: ChainBase) -> Self {
        Self { seal, anchor, base, is_tampered: false, written: Vec::new() }
    }

    /// Appends a row to a chain.
    ///
    /// The row may only follow a head that has our seal. A head without it was written by somebody else, and a row that
    /// records this comes first. No later event makes the chain valid again.
    pub(super) async fn append_row(&mut self, tx: &mut Tx, content: RowContent) -> Result<(), sqlx::Error> {
        let tenant = content.tenant;
        let mut last = lock_head(tx, tenant).await?;
        self.anchor.toggle_head(&self.seal, tenant, &last);
        let newest = last_row(tx, tenant).await?.filter(|newest| newest.number > last.number);
        let whole = self.base == ChainBase::Unverified || newest.is_none() && self.seal.verifies_head(tenant, &last);
        if let Some(newest) = newest {
            last = newest;
        }
        if !whole || std::mem::take(&mut self.is_tampered) {
            tracing::error!(
                target: "audit", tenant, number = last.number, head = !whole,
                "the audit log was changed behind the platform's back: run `tenantry-platform audit verify`, and find out \
                 who can write the database"
            );
            let broken =
                RowContent::new(tenant, &Actor::for_platform(), AuditEvent::denial(AuditAction::AuditTampered, "log"));
            last = self.append_after(tx, last, broken).await?;
        }
        last = self.append_after(tx, last, content).await?;
        self.anchor.toggle_head(&self.seal, tenant, &last);
        Ok(())
    }

    async fn append_after(
        &mut self,
        tx: &mut Tx,
        last: ChainHead,
        RowContent { tenant, actor, action, object, outcome }: RowContent,
    ) -> Result<ChainHead, sqlx::Error> {
        let row = AuditRow {
            tenant,
            number: last.number.checked_add(1).ok_or_else(|| chain_full_error(tenant))?,
            at: time::now(),
            actor: chain::sanitize_text(&actor.name),
            action: action.as_str().to_owned(),
            object: chain::sanitize_text(&object),
            outcome: outcome.as_str().to_owned(),
            request: chain::sanitize_text(&actor.request),
            source: actor.source.address().map(|address| address.to_string()).unwrap_or_default(),
            previous: last.hash,
            beside: Some(self.anchor.last.clone()),
            key_id: self.seal.key_id().to_owned(),
        };
        let (number, hash) = (row.number, row.compute_hash());
        let kept = SealedRow { seal: self.seal.seal_row(tenant, number, &hash), hash: hash.clone(), row };
        insert_row(tx, &kept).await?;
        self.anchor.events += 1;
        self.anchor.last = PrecedingRow { tenant, number, hash: hash.clone() };
        let seal = kept.seal.clone();
        self.written.push(kept);
        Ok(ChainHead { number, hash, seal })
    }

    /// Ends a chain with a sealed statement that names its last row. If the head lacks our seal, the statement is not
    /// sealed either, and `verify` reports it from then on. The tenant's data is erased in any case.
    async fn end_chain(&mut self, tx: &mut Tx, tenant: i64) -> Result<(), sqlx::Error> {
        let mut last = lock_head(tx, tenant).await?;
        self.anchor.toggle_head(&self.seal, tenant, &last);
        // Each tenant has at least the row of its creation.
        last.seal = if last.number > 0 && self.seal.verifies_head(tenant, &last) {
            self.seal.seal_statement(SealStatement::Purged, tenant, &last)
        } else {
            tracing::error!(
                target: "audit", tenant, number = last.number,
                "the audit log of a purged tenant was changed behind the platform's back: `tenantry-platform audit verify` \
                 names it from now on; find out who can write the database"
            );
            UNSEALED.to_owned()
        };
        purge_chain(tx, tenant, &last).await
    }

    /// Stores the anchor.
    pub(super) async fn finish(self, tx: &mut Tx) -> Result<WrittenRows, sqlx::Error> {
        let Self { seal, anchor, written: rows, .. } = self;
        save_anchor(tx, &anchor.encrypt_for_storage(&seal)?).await?;
        Ok(WrittenRows { seal, events: anchor.events, rows })
    }
}

/// Returns whether an anchor that cannot be decrypted was written by somebody else. If no head has our seal either,
/// this process may have another key than the other processes. Then nothing is written, since each row would vouch for
/// the rows before it.
pub(super) async fn was_anchor_tampered(seal: &Seal, tx: &mut Tx, stored: &StoredAnchor) -> Result<bool, sqlx::Error> {
    let heads = check_sealed_heads(tx, |tenant, head| seal.verifies_head(tenant, head)).await?;
    Ok(match heads {
        SealedHeads::Valid => true,
        SealedHeads::Invalid => false,
        SealedHeads::None => stored.key_id == seal.key_id(),
    })
}

/// Takes the place of a seal. It is valid for no key and differs from the empty seal of a log without a key.
const UNSEALED: &str = "none";

/// Error for a chain whose last row has the highest possible number, so that no row can follow. Only somebody else can
/// have written that row.
fn chain_full_error(tenant: i64) -> sqlx::Error {
    let text = format!(
        "the audit log of tenant {tenant} ends with the highest number that there is, which somebody else wrote: nothing is \
         written; run `tenantry-platform audit verify`, and restore a backup or put the row and the head right"
    );
    sqlx::Error::Configuration(text.into())
}

fn unknown_seal_error(StoredAnchor { key_id, .. }: &StoredAnchor) -> sqlx::Error {
    // This is no database failure: the transaction is not half done, and a retry does not help.
    let text = format!(
        "neither the anchor of the audit log (key `{key_id}`) nor any head has the seal of this platform's key: nothing is \
         written; give every platform of this database the same `--audit-key`, and where they have it, somebody else changed \
         the log: run `tenantry-platform audit verify`"
    );
    sqlx::Error::Configuration(text.into())
}

impl SealedRow {
    /// Writes the row to the program's log, which carries it off this machine.
    fn log_row(&self) {
        let Self { row, hash, .. } = self;
        let AuditRow { tenant, number, actor, action, object, outcome, request, source, .. } = row;
        tracing::info!(target: "audit", tenant, number, actor, action, object, outcome, request, source, %hash, "audit");
    }
}
