//! Which key the log of a database is sealed with. A key that is lost or another one never replaces it in silence: all that is
//! sealed with it would be worth nothing, and nobody would know since when.

use std::io;
use std::path::Path;

use super::chain::Seal;
use super::{Action, Actor, AuditError, Event, append_onto};
use crate::platform::StartError;
use crate::platform::store::{Store, head, save_seal};

/// Heads that are held against a key: one that somebody forged must not keep the platform from its start.
const HEADS: i64 = 100;

/// The key of a database: that of its file, which is made only where nothing is sealed yet.
pub(in crate::platform) async fn open(store: &Store, file: Option<&Path>) -> Result<Seal, StartError> {
    let sealed = store.sealed_heads(HEADS).await?;
    let Some(file) = file else {
        return if sealed.is_empty() { Ok(Seal::none()) } else { Err(StartError::AuditKeyUnnamed) };
    };
    let wrong = |reason: io::Error| StartError::AuditKey { path: file.to_owned(), reason };
    if sealed.is_empty() {
        let (seal, made) = Seal::open(file).map_err(wrong)?;
        if made {
            // A log that was kept without a key so far.
            reseal(store, &seal).await?;
        }
        return Ok(seal);
    }
    let seal = Seal::read(file).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => wrong(other("is missing, and the database is sealed with it")),
        _ => wrong(error),
    })?;
    if sealed.iter().any(|(tenant, head)| seal.holds(*tenant, (head.number, &head.hash), &head.seal)) {
        return Ok(seal);
    }
    Err(wrong(other("is not the key that the database is sealed with")))
}

fn other(what: &str) -> io::Error {
    io::Error::other(format!(
        "{what}; name the right one with `--audit-key`, or begin again with `tenantry-platform audit new-key`"
    ))
}

/// Seals every head as it stands.
async fn reseal(store: &Store, seal: &Seal) -> Result<(), sqlx::Error> {
    let mut tx = store.begin().await?;
    for (tenant, _) in store.chains().await? {
        let last = head(&mut tx, tenant).await?;
        save_seal(&mut tx, tenant, &seal.of(tenant, last.number, &last.hash)).await?;
    }
    tx.commit().await
}

/// Goes on with the key of a file, which is made where it is not there. Each chain gets a row that says so: what stands before
/// it can no longer be held against the key that it was sealed with.
///
/// # Errors
/// Database or file cannot be used, or the log is sealed with that very key.
pub async fn new_key(database: &str, file: &Path) -> Result<usize, AuditError> {
    let store = super::command::opened(database, false).await?;
    let (seal, _) = Seal::open(file)?;
    let sealed = store.sealed_heads(HEADS).await?;
    if sealed.iter().any(|(tenant, head)| seal.holds(*tenant, (head.number, &head.hash), &head.seal)) {
        let text = format!("the log is sealed with the key in `{}` already; name another file", file.display());
        return Err(io::Error::other(text).into());
    }
    let chains = store.chains().await?;
    let mut tx = store.begin().await?;
    for (tenant, _) in &chains {
        let last = head(&mut tx, *tenant).await?;
        append_onto(last, (&seal, &mut tx), (*tenant, &Actor::console()), Event::done(Action::AuditKey, "log")).await?;
    }
    tx.commit().await?;
    store.close().await;
    Ok(chains.len())
}
