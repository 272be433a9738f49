//! Choice of the key that seals a database's audit log. A lost or different key never replaces it silently: everything
//! sealed with it would lose its value, and nobody would know since when.

use std::io;
use std::path::Path;

use super::anchor::Anchor;
use super::log_writer::{ChainBase, LogWriter, RowContent, WrittenRows, was_anchor_tampered};
use super::seal::{Seal, SealStatement};
use super::{Actor, AuditAction, AuditError, AuditEvent};
use crate::PlatformStartError;
use crate::store::{SealedHeads, StatementTable, Store, StoredAnchor, Tx, lock_anchor, lock_head, reseal_statements};

/// Returns the key of a database: the key in its file. The file is only created if nothing is sealed yet.
pub(crate) async fn open_seal(store: &Store, file: Option<&Path>) -> Result<Seal, PlatformStartError> {
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

/// Origin of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyOrigin {
    /// No key is used.
    None,
    /// The key was created just now.
    Created,
    /// The key existed, and nothing is sealed with it.
    Unused,
    /// The key existed, and something is sealed with it.
    InUse,
}

fn wrong_key_error(what: &str) -> io::Error {
    io::Error::other(format!(
        "{what}; name the right one with `--audit-key`, or begin again with `tenantry-platform audit new-key`"
    ))
}

/// A database, and what is sealed in it.
struct SealedDatabase<'s> {
    store: &'s Store,
    anchor: Option<StoredAnchor>,
}

impl<'s> SealedDatabase<'s> {
    async fn load(store: &'s Store) -> Result<Self, sqlx::Error> {
        Ok(Self { store, anchor: store.anchor().await? })
    }

    /// Returns whether anything is sealed.
    async fn has_any_seal(&self) -> Result<bool, sqlx::Error> {
        let anchored = self.anchor.as_ref().is_some_and(|anchor| !anchor.key_id.is_empty());
        Ok(anchored || self.store.check_sealed_heads(|_, _| true).await? != SealedHeads::None)
    }

    /// Returns whether anything is sealed with this key. One valid seal is enough, so that forged rows cannot prevent
    /// the platform from starting.
    async fn is_sealed_with(&self, seal: &Seal) -> Result<bool, sqlx::Error> {
        let anchored = self.anchor.as_ref().is_some_and(|anchor| Anchor::decrypt_stored(seal, anchor).is_some());
        Ok(anchored
            || self.store.check_sealed_heads(|tenant, head| seal.verifies_head(tenant, head)).await?
                == SealedHeads::Valid)
    }

    /// Returns why a key does not match the database. If the anchor names this key but cannot be decrypted, the key is
    /// right and the anchor was changed.
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

/// Creates the anchor if there is none: in a fresh database, in a database from before anchors existed, and in one that
/// had no key until now. A row in each chain covers the rows before it. Returns `false` if the anchor has another key.
///
/// A lost anchor is not recreated silently, because everything that holds the log together may have been removed.
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

/// Parameters of a new epoch.
struct Epoch {
    /// The previous anchor.
    before: Anchor,
    /// Action of the first row in each chain.
    action: AuditAction,
    base: ChainBase,
}

impl Epoch {
    /// Begins with another key.
    const fn with_new_key(before: Anchor) -> Self {
        Self { before, action: AuditAction::AuditKey, base: ChainBase::Unverified }
    }
}

/// Begins an epoch: the anchor covers all current heads, and each chain gets a row that records it.
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

/// Switches to the key in a file, which is created if missing. Each chain gets a row that records the switch: rows
/// before it can no longer be verified with the key that sealed them.
///
/// # Errors
/// Database or file cannot be used, or the log is already sealed with this key.
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
