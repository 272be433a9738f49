//! The first credential, which a start makes for a fresh database and never again.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Credential, Hashes};
use crate::platform::audit::{Action, Actor, Event, Seal, append};
use crate::platform::store::{
    Known, NewCredential, Record, Store, credential_id, credentials_ever, insert_credential, lock,
};
use crate::platform::{Config, StartError, time};

/// What the credential file holds.
#[derive(Serialize, Deserialize)]
struct File {
    url: String,
    #[serde(flatten)]
    credential: Credential,
}

/// The credential of the file. Where there is no file, a fresh database gets its first credential and the file is written; a
/// database that has had one gets no other, since each start without its file would leave one more behind for ever.
pub(in crate::platform) async fn first(
    store: &Store,
    seal: &Seal,
    config: &Config,
    url: &str,
) -> Result<Option<Credential>, StartError> {
    let home = Box::pin(store.home(config.documented_only)).await?;
    if let Some(path) = config.credential_file.as_deref().filter(|path| path.exists()) {
        return kept(store, path).await;
    }
    let Some(credential) = made(store, seal, &home).await? else {
        let file = config.credential_file.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        tracing::warn!(
            file,
            tenant = home.unique_id,
            "the database has its first credential already and the file is not there, so none is made: \
             `tenantry-platform credential create` makes one"
        );
        return Ok(None);
    };
    if let Some(path) = &config.credential_file {
        write(path, &File { url: url.to_owned(), credential: credential.clone() })
            .map_err(|error| StartError::Credential { path: path.clone(), reason: error.to_string() })?;
        tracing::info!(file = %path.display(), tenant = home.unique_id, "the first credential is written");
    }
    Ok(Some(credential))
}

/// The credential of a file, unless it is not good any more. The platform starts without it: people and other credentials
/// still need it.
async fn kept(store: &Store, path: &Path) -> Result<Option<Credential>, StartError> {
    let credential = read(path)?;
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
async fn made(store: &Store, seal: &Seal, home: &Record) -> Result<Option<Credential>, StartError> {
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
    tx.commit().await?;
    Ok(Some(credential))
}

fn read(path: &Path) -> Result<Credential, StartError> {
    let wrong = |reason: String| StartError::Credential { path: path.to_owned(), reason };
    let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    // serde_json's message never quotes the file's content, only names and places.
    let file: File = serde_json::from_slice(&text).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    Ok(file.credential)
}

/// Written beside its place and renamed, so that a crash leaves the whole file or none.
fn write(path: &Path, file: &File) -> std::io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let mut target = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    target.write_all(&serde_json::to_vec_pretty(file)?)?;
    target.sync_all()?;
    std::fs::rename(&draft, path)
}
