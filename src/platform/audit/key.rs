//! Which key the log of a database is sealed with. A key that is lost or another one never replaces it in silence: all that is
//! sealed with it would be worth nothing, and nobody would know since when.

use std::io;
use std::path::Path;

use super::anchor::Anchor;
use super::log_writer::{ChainBase, LogWriter, RowContent, WrittenRows, was_anchor_tampered};
use super::seal::{Seal, SealStatement};
use super::{Actor, AuditAction, AuditError, AuditEvent};
use crate::platform::PlatformStartError;
use crate::platform::store::{
    SealedHeads, StatementTable, Store, StoredAnchor, Tx, lock_anchor, lock_head, reseal_statements,
};

/// The key of a database: that of its file, which is made only where nothing is sealed yet.
pub(in crate::platform) async fn open_seal(store: &Store, file: Option<&Path>) -> Result<Seal, PlatformStartError> {
    let sealed = SealedDatabase::load(store).await?;
    let Some(file) = file else {
        let begun = !sealed.has_any_seal().await? && begin_log(store, &Seal::without_key(), KeyOrigin::None).await?;
        return if begun { Ok(Seal::without_key()) } else { Err(PlatformStartError::AuditKeyNotGiven) };
    };
    let wrong = |reason: io::Error| PlatformStartError::AuditKey { path: file.to_owned(), reason };
    let (seal, key) = if sealed.has_any_seal().await? {
        let seal = Seal::read_key_file(file).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => wrong(wrong_key_error("is missing, and the database is sealed with it")),
            _ => wrong(error),
        })?;
        if !sealed.is_sealed_with(&seal).await? {
            return Err(wrong(sealed.mismatch_error(&seal)));
        }
        (seal, KeyOrigin::InUse)
    } else {
        let (seal, made) = Seal::open_or_create(file).map_err(wrong)?;
        (seal, if made { KeyOrigin::Created } else { KeyOrigin::Unused })
    };
    if begin_log(store, &seal, key).await? { Ok(seal) } else { Err(wrong(sealed.mismatch_error(&seal))) }
}

/// Where a key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyOrigin {
    /// There is none.
    None,
    /// It was made just now.
    Created,
    /// It was there, and nothing is sealed with it.
    Unused,
    /// It was there, and something is sealed with it.
    InUse,
}

fn wrong_key_error(what: &str) -> io::Error {
    io::Error::other(format!(
        "{what}; name the right one with `--audit-key`, or begin again with `tenantry-platform audit new-key`"
    ))
}

/// What a database has that is sealed.
struct SealedDatabase<'s> {
    store: &'s Store,
    anchor: Option<StoredAnchor>,
}

impl<'s> SealedDatabase<'s> {
    async fn load(store: &'s Store) -> Result<Self, sqlx::Error> {
        Ok(Self { store, anchor: store.anchor().await? })
    }

    /// Whether there is anything.
    async fn has_any_seal(&self) -> Result<bool, sqlx::Error> {
        let anchored = self.anchor.as_ref().is_some_and(|anchor| !anchor.key_id.is_empty());
        Ok(anchored || self.store.check_sealed_heads(|_, _| true).await? != SealedHeads::None)
    }

    /// Whether it is with this key. What somebody forged must not keep the platform from its start while anything is left.
    async fn is_sealed_with(&self, seal: &Seal) -> Result<bool, sqlx::Error> {
        let anchored = self.anchor.as_ref().is_some_and(|anchor| Anchor::decrypt_stored(seal, anchor).is_some());
        Ok(anchored
            || self.store.check_sealed_heads(|tenant, head| seal.verifies_head(tenant, head)).await?
                == SealedHeads::Valid)
    }

    /// Why a key is none that the database is sealed with. An anchor that names the key and does not open is no other key's.
    fn mismatch_error(&self, seal: &Seal) -> io::Error {
        if self.anchor.as_ref().is_none_or(|anchor| anchor.key_id != seal.key_id()) {
            return wrong_key_error("is not the key that the database is sealed with");
        }
        io::Error::other(
            "is the key that the anchor of the audit log names, but neither the anchor nor any head has its seal: somebody else \
             changed the log; look with `tenantry-platform audit verify`, then restore a backup, or begin again with \
             `tenantry-platform audit new-key`",
        )
    }
}

/// Lays the anchor where there is none yet: in a fresh database, in one of before there were anchors, and in one that was kept
/// without a key so far. A row in each chain covers what stands before it. False where the anchor has another key.
///
/// An anchor that is gone is not laid again in silence: all that holds the log together may have been taken away.
async fn begin_log(store: &Store, seal: &Seal, key: KeyOrigin) -> Result<bool, PlatformStartError> {
    let was_anchored = store.was_anchored().await?;
    let is_used = store.has_tenants().await?;
    let mut tx = store.begin().await?;
    let stored = lock_anchor(&mut tx).await?;
    let keyless = Anchor::decrypt_stored(&Seal::without_key(), &stored).filter(|_| key == KeyOrigin::Created);
    let begun = if stored.state.is_empty() && (was_anchored || key == KeyOrigin::Unused && is_used) {
        tracing::error!(target: "audit", "the anchor of the audit log is gone: run `tenantry-platform audit verify`");
        LogWriter::with_anchor(seal.clone(), Anchor::new_broken(stored.events), ChainBase::Sealed)
            .finish(&mut tx)
            .await?
    } else if stored.state.is_empty() {
        let base = if key == KeyOrigin::InUse { ChainBase::Sealed } else { ChainBase::Unverified };
        begin_epoch(store, &mut tx, seal, Epoch { before: Anchor::default(), action: AuditAction::AuditEpoch, base })
            .await?
    } else if let Some(keyless) = keyless {
        begin_epoch(store, &mut tx, seal, Epoch::with_new_key(keyless)).await?
    } else {
        return Ok(
            Anchor::decrypt_stored(seal, &stored).is_some() || was_anchor_tampered(seal, &mut tx, &stored).await?
        );
    };
    tx.commit().await?;
    begun.log_rows();
    Ok(true)
}

/// What an epoch begins with.
struct Epoch {
    /// The anchor before it.
    before: Anchor,
    /// What the first row of each chain says.
    action: AuditAction,
    base: ChainBase,
}

impl Epoch {
    /// Of another key.
    const fn with_new_key(before: Anchor) -> Self {
        Self { before, action: AuditAction::AuditKey, base: ChainBase::Unverified }
    }
}

/// Begins an epoch: the anchor holds all heads as they stand, and each chain gets a row that says so.
async fn begin_epoch(
    store: &Store,
    tx: &mut Tx,
    seal: &Seal,
    Epoch { before, action, base }: Epoch,
) -> Result<WrittenRows, sqlx::Error> {
    let chains = store.list_chains().await?;
    let mut anchor = Anchor { sum: [0; 32], ..before };
    for (tenant, _) in &chains {
        let last = lock_head(tx, *tenant).await?;
        anchor.toggle_head(seal, *tenant, &last);
    }
    let mut writer = LogWriter::with_anchor(seal.clone(), anchor, base);
    for (tenant, _) in &chains {
        let actor = if action == AuditAction::AuditKey { Actor::for_console() } else { Actor::for_platform() };
        writer.append_row(tx, RowContent::new(*tenant, &actor, AuditEvent::success(action, "log"))).await?;
    }
    for (table, what) in
        [(StatementTable::Checkpoints, SealStatement::Checkpoint), (StatementTable::Purged, SealStatement::Purged)]
    {
        reseal_statements(tx, table, |tenant, head| seal.seal_statement(what, tenant, head)).await?;
    }
    writer.finish(tx).await
}

/// Goes on with the key of a file, which is made where it is not there. Each chain gets a row that says so: what stands before
/// it can no longer be held against the key that it was sealed with.
///
/// # Errors
/// Database or file cannot be used, or the log is sealed with that very key.
pub async fn rotate_key(database: &str, file: &Path) -> Result<usize, AuditError> {
    let store = super::command::open_existing_database(database, false).await?;
    let (seal, _) = Seal::open_or_create(file)?;
    if SealedDatabase::load(&store).await?.is_sealed_with(&seal).await? {
        let text = format!("the log is sealed with the key in `{}` already; name another file", file.display());
        return Err(io::Error::other(text).into());
    }
    let mut tx = store.begin().await?;
    let stored = lock_anchor(&mut tx).await?;
    let before = Anchor { events: stored.events, ..Anchor::default() };
    let begun = begin_epoch(&store, &mut tx, &seal, Epoch::with_new_key(before)).await?;
    tx.commit().await?;
    begun.log_rows();
    store.close().await;
    Ok(begun.rows.len())
}
