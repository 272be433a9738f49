//! Which key the log of a database is sealed with. A key that is lost or another one never replaces it in silence: all that is
//! sealed with it would be worth nothing, and nobody would know since when.

use std::io;
use std::path::Path;

use super::anchor::Anchor;
use super::seal::{Seal, Statement};
use super::write::{Base, Content, Writer, Written, ours};
use super::{Action, Actor, AuditError, Event};
use crate::platform::StartError;
use crate::platform::store::{SealedHeads, Statements, Store, StoredAnchor, Tx, head, locked_anchor, reseal};

/// The key of a database: that of its file, which is made only where nothing is sealed yet.
pub(in crate::platform) async fn open(store: &Store, file: Option<&Path>) -> Result<Seal, StartError> {
    let sealed = Sealed::of(store).await?;
    let Some(file) = file else {
        let begun = !sealed.is_any().await? && begin(store, &Seal::none(), Key::None).await?;
        return if begun { Ok(Seal::none()) } else { Err(StartError::AuditKeyUnnamed) };
    };
    let wrong = |reason: io::Error| StartError::AuditKey { path: file.to_owned(), reason };
    let (seal, key) = if sealed.is_any().await? {
        let seal = Seal::read(file).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => wrong(other("is missing, and the database is sealed with it")),
            _ => wrong(error),
        })?;
        if !sealed.with(&seal).await? {
            return Err(wrong(sealed.is_not(&seal)));
        }
        (seal, Key::InUse)
    } else {
        let (seal, made) = Seal::open(file).map_err(wrong)?;
        (seal, if made { Key::Made } else { Key::Found })
    };
    if begin(store, &seal, key).await? { Ok(seal) } else { Err(wrong(sealed.is_not(&seal))) }
}

/// Where a key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    /// There is none.
    None,
    /// It was made just now.
    Made,
    /// It was there, and nothing is sealed with it.
    Found,
    /// It was there, and something is sealed with it.
    InUse,
}

fn other(what: &str) -> io::Error {
    io::Error::other(format!(
        "{what}; name the right one with `--audit-key`, or begin again with `tenantry-platform audit new-key`"
    ))
}

/// What a database has that is sealed.
struct Sealed<'s> {
    store: &'s Store,
    anchor: Option<StoredAnchor>,
}

impl<'s> Sealed<'s> {
    async fn of(store: &'s Store) -> Result<Self, sqlx::Error> {
        Ok(Self { store, anchor: store.anchor().await? })
    }

    /// Whether there is anything.
    async fn is_any(&self) -> Result<bool, sqlx::Error> {
        let anchored = self.anchor.as_ref().is_some_and(|anchor| !anchor.key_id.is_empty());
        Ok(anchored || self.store.some_head(|_, _| true).await? != SealedHeads::None)
    }

    /// Whether it is with this key. What somebody forged must not keep the platform from its start while anything is left.
    async fn with(&self, seal: &Seal) -> Result<bool, sqlx::Error> {
        let anchored = self.anchor.as_ref().is_some_and(|anchor| Anchor::open(seal, anchor).is_some());
        Ok(anchored || self.store.some_head(|tenant, head| seal.holds_head(tenant, head)).await? == SealedHeads::Held)
    }

    /// Why a key is none that the database is sealed with. An anchor that names the key and does not open is no other key's.
    fn is_not(&self, seal: &Seal) -> io::Error {
        if self.anchor.as_ref().is_none_or(|anchor| anchor.key_id != seal.id()) {
            return other("is not the key that the database is sealed with");
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
async fn begin(store: &Store, seal: &Seal, key: Key) -> Result<bool, StartError> {
    let was_anchored = store.was_anchored().await?;
    let is_used = store.is_used().await?;
    let mut tx = store.begin().await?;
    let stored = locked_anchor(&mut tx).await?;
    let keyless = Anchor::open(&Seal::none(), &stored).filter(|_| key == Key::Made);
    let begun = if stored.state.is_empty() && (was_anchored || key == Key::Found && is_used) {
        tracing::error!(target: "audit", "the anchor of the audit log is gone: run `tenantry-platform audit verify`");
        Writer::of(seal.clone(), Anchor::lost(stored.events), Base::Sealed).end(&mut tx).await?
    } else if stored.state.is_empty() {
        let base = if key == Key::InUse { Base::Sealed } else { Base::AsItStands };
        epoch(store, &mut tx, seal, Epoch { before: Anchor::default(), action: Action::AuditEpoch, base }).await?
    } else if let Some(keyless) = keyless {
        epoch(store, &mut tx, seal, Epoch::of_key(keyless)).await?
    } else {
        return Ok(Anchor::open(seal, &stored).is_some() || ours(seal, &mut tx, &stored).await?);
    };
    tx.commit().await?;
    begun.tell();
    Ok(true)
}

/// What an epoch begins with.
struct Epoch {
    /// The anchor before it.
    before: Anchor,
    /// What the first row of each chain says.
    action: Action,
    base: Base,
}

impl Epoch {
    /// Of another key.
    const fn of_key(before: Anchor) -> Self {
        Self { before, action: Action::AuditKey, base: Base::AsItStands }
    }
}

/// Begins an epoch: the anchor holds all heads as they stand, and each chain gets a row that says so.
async fn epoch(
    store: &Store,
    tx: &mut Tx,
    seal: &Seal,
    Epoch { before, action, base }: Epoch,
) -> Result<Written, sqlx::Error> {
    let chains = store.chains().await?;
    let mut anchor = Anchor { sum: [0; 32], ..before };
    for (tenant, _) in &chains {
        let last = head(tx, *tenant).await?;
        anchor.turn(seal, *tenant, &last);
    }
    let mut writer = Writer::of(seal.clone(), anchor, base);
    for (tenant, _) in &chains {
        let actor = if action == Action::AuditKey { Actor::console() } else { Actor::platform() };
        writer.row(tx, Content::new(*tenant, &actor, Event::done(action, "log"))).await?;
    }
    for (table, what) in [(Statements::Checkpoints, Statement::Checkpoint), (Statements::Purged, Statement::Purged)] {
        reseal(tx, table, |tenant, head| seal.states(what, tenant, head)).await?;
    }
    writer.end(tx).await
}

/// Goes on with the key of a file, which is made where it is not there. Each chain gets a row that says so: what stands before
/// it can no longer be held against the key that it was sealed with.
///
/// # Errors
/// Database or file cannot be used, or the log is sealed with that very key.
pub async fn new_key(database: &str, file: &Path) -> Result<usize, AuditError> {
    let store = super::command::opened(database, false).await?;
    let (seal, _) = Seal::open(file)?;
    if Sealed::of(&store).await?.with(&seal).await? {
        let text = format!("the log is sealed with the key in `{}` already; name another file", file.display());
        return Err(io::Error::other(text).into());
    }
    let mut tx = store.begin().await?;
    let stored = locked_anchor(&mut tx).await?;
    let before = Anchor { events: stored.events, ..Anchor::default() };
    let begun = epoch(&store, &mut tx, &seal, Epoch::of_key(before)).await?;
    tx.commit().await?;
    begun.tell();
    store.close().await;
    Ok(begun.rows.len())
}
