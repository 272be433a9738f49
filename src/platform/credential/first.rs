//! The first credential, which a start makes for a fresh database and never again.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Credential, Hashes};
use crate::platform::audit::{Action, Actor, Event, Seal, append};
use crate::platform::store::{
    Known, NewCredential, Record, Store, credential_id, credentials_ever, insert_credential, lock,
};
use crate::platform::{Config, StartError, time};

/// What the credential file holds.
#[derive(Serialize, Deserialize)]
pub(super) struct File {
    pub(super) url: String,
    #[serde(flatten)]
    pub(super) credential: Credential,
}

/// The credential of the file. Where there is no file, a fresh database gets its first credential and the file is written; a
/// database that has had one gets no other, since each start without its file would leave one more behind.
pub(in crate::platform) async fn first(
    store: &Store,
    seal: &Seal,
    config: &Config,
    url: &str,
) -> Result<Option<Credential>, StartError> {
    let home = Box::pin(store.home(config.documented_only)).await?;
    let file = config.credential_file.as_deref();
    if let Some(path) = file {
        take_draft(store, path).await?;
        if path.exists() {
            return kept(store, path).await;
        }
    }
    if let Some(credential) = made(store, seal, &home, Target { file, url }).await? {
        return Ok(Some(credential));
    }
    // Another process that started at the same time may have written it meanwhile.
    if let Some(path) = file.filter(|path| path.exists()) {
        return kept(store, path).await;
    }
    tracing::warn!(
        file = file.map(|path| path.display().to_string()).unwrap_or_default(),
        tenant = home.unique_id,
        "the database has its first credential already and the file is not there, so none is made: \
         `tenantry-platform credential create` makes one"
    );
    Ok(None)
}

/// Where the first credential goes.
#[derive(Clone, Copy)]
struct Target<'a> {
    file: Option<&'a Path>,
    /// Address of the platform, which stands in the file.
    url: &'a str,
}

/// Finishes what a start left that ended between the commit and the name of the file: the secret stands nowhere else.
async fn take_draft(store: &Store, path: &Path) -> Result<(), StartError> {
    let draft = draft_of(path);
    if path.exists() || !draft.exists() {
        return Ok(());
    }
    // A draft that was not written whole was never committed.
    let Ok(File { credential, .. }) = read(&draft) else { return Ok(()) };
    match store.knows(&credential.hashes(), time::now()).await? {
        Known::Good => std::fs::rename(&draft, path).map_err(|error| unusable(path, &error)),
        Known::Ended | Known::Never => Ok(()),
    }
}

/// The credential of a file, unless it is not good any more. The platform starts without it: people and other credentials
/// still need it.
async fn kept(store: &Store, path: &Path) -> Result<Option<Credential>, StartError> {
    let File { credential, .. } = read(path)?;
    match store.knows(&credential.hashes(), time::now()).await? {
        Known::Good => Ok(Some(credential)),
        Known::Ended => {
            tracing::warn!(
                file = %path.display(),
                "the credential of the file was revoked or rotated or has ended: `tenantry-platform credential create` \
                 makes another"
            );
            Ok(None)
        }
        Known::Never => {
            let reason = "belongs to another database; name the right database, or move the file away".to_owned();
            Err(StartError::Credential { path: path.to_owned(), reason })
        }
    }
}

/// Makes the first credential, unless the tenant has had one. Of two processes that start at once one waits for the other.
///
/// The secret is in the file's draft before the commit: a file that cannot be written makes no credential, and a crash behind
/// the commit loses none.
async fn made(store: &Store, seal: &Seal, home: &Record, target: Target<'_>) -> Result<Option<Credential>, StartError> {
    let mut tx = store.begin().await?;
    lock(&mut tx, home.id).await.map_err(|_| sqlx::Error::RowNotFound)?;
    if credentials_ever(&mut tx, home.id).await? > 0 {
        return Ok(None);
    }
    let credential = Credential::random(&home.unique_id);
    let Hashes { key, secret } = credential.hashes();
    let actor = Actor::platform();
    let new = NewCredential {
        key_hash: &key,
        secret_hash: &secret,
        tenant: home.id,
        description: "The first credential",
        created_by: &actor.name,
        now: time::now(),
        expires_at: None,
    };
    insert_credential(&mut tx, &new).await?;
    let event = Event::done(Action::CredentialCreate, credential_id(&key));
    append(seal, &mut tx, (home.id, &actor), event).await?;
    if let Some(path) = target.file {
        let file = File { url: target.url.to_owned(), credential: credential.clone() };
        write_draft(path, &file).map_err(|error| unusable(path, &error))?;
    }
    tx.commit().await?;
    if let Some(path) = target.file {
        std::fs::rename(draft_of(path), path).map_err(|error| unusable(path, &error))?;
        tracing::info!(file = %path.display(), tenant = home.unique_id, "the first credential is written");
    }
    Ok(Some(credential))
}

fn unusable(path: &Path, error: &std::io::Error) -> StartError {
    StartError::Credential { path: path.to_owned(), reason: error.to_string() }
}

pub(super) fn read(path: &Path) -> Result<File, StartError> {
    let wrong = |reason: String| StartError::Credential { path: path.to_owned(), reason };
    let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    // serde_json's message never quotes the file's content, only names and places.
    serde_json::from_slice(&text).map_err(|error| wrong(format!("cannot be read: {error}")))
}

/// The name beside its place under which a file is written first.
fn draft_of(path: &Path) -> PathBuf {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    draft.into()
}

fn write_draft(path: &Path, file: &File) -> std::io::Result<()> {
    let mut target =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(draft_of(path))?;
    target.write_all(&serde_json::to_vec_pretty(file)?)?;
    target.sync_all()
}
