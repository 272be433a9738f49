//! The first credential. A start creates it once, for a fresh database.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Credential, CredentialHashes};
use crate::audit::{Actor, AuditAction, AuditEvent, Seal, append_event};
use crate::store::{
    CredentialStatus, NewCredential, Store, TenantRecord, count_all_credentials, credential_id, insert_credential,
    lock_tenant,
};
use crate::{Config, PlatformStartError, time};

/// Content of the credential file.
#[derive(Serialize, Deserialize)]
pub(super) struct CredentialFile {
    pub(super) url: String,
    #[serde(flatten)]
    pub(super) credential: Credential,
}

/// Returns the credential of the file. If there is no file, a fresh database gets its first credential and the file is
/// written. A database that already had one gets no other: each start without the file would add one more.
pub(crate) async fn load_or_create_first(
    store: &Store,
    seal: &Seal,
    config: &Config,
    url: &str,
) -> Result<Option<Credential>, PlatformStartError> {
    let home = Box::pin(store.ensure_home_tenant(config.documented_only)).await?;
    let file = config.credential_file.as_deref();
    if let Some(path) = file {
        adopt_draft(store, path).await?;
        if path.exists() {
            return read_valid_credential(store, path).await;
        }
    }
    if let Some(credential) = create_first_credential(store, seal, &home, CredentialOutput { file, url }).await? {
        return Ok(Some(credential));
    }
    // Another process that started at the same time may have written it.
    if let Some(path) = file.filter(|path| path.exists()) {
        return read_valid_credential(store, path).await;
    }
    tracing::warn!(
        file = file.map(|path| path.display().to_string()).unwrap_or_default(),
        tenant = home.unique_id,
        "the database has its first credential already and the file is not there, so none is made: \
         `tenantry-platform credential create` makes one"
    );
    Ok(None)
}

/// Output of the first credential.
#[derive(Clone, Copy)]
struct CredentialOutput<'a> {
    file: Option<&'a Path>,
    /// URL of the platform, which is written to the file.
    url: &'a str,
}

/// Completes a start that stopped between the commit and the rename of the file. The draft is the only copy of the
/// secret.
async fn adopt_draft(store: &Store, path: &Path) -> Result<(), PlatformStartError> {
    let draft = draft_path(path);
    if path.exists() || !draft.exists() {
        return Ok(());
    }
    // An incomplete draft was never committed.
    let Ok(CredentialFile { credential, .. }) = read_credential_file(&draft) else { return Ok(()) };
    match store.credential_status(&credential.hashes(), time::now()).await? {
        CredentialStatus::Valid => std::fs::rename(&draft, path).map_err(|error| unusable_file(path, &error)),
        CredentialStatus::Ended | CredentialStatus::Unknown => Ok(()),
    }
}

/// Reads the credential of a file. Returns `None` if it is no longer valid: the platform starts anyway, because people
/// and other credentials still need it.
async fn read_valid_credential(store: &Store, path: &Path) -> Result<Option<Credential>, PlatformStartError> {
    let CredentialFile { credential, .. } = read_credential_file(path)?;
    match store.credential_status(&credential.hashes(), time::now()).await? {
        CredentialStatus::Valid => Ok(Some(credential)),
        CredentialStatus::Ended => {
            tracing::warn!(
                file = %path.display(),
                "the credential of the file was revoked or rotated or has ended: `tenantry-platform credential create` \
                 makes another"
            );
            Ok(None)
        }
        CredentialStatus::Unknown => {
            let reason = "belongs to another database; name the right database, or move the file away".to_owned();
            Err(PlatformStartError::Credential { path: path.to_owned(), reason })
        }
    }
}

/// Creates the first credential, unless the tenant already had one. If two processes start at once, one waits for the
/// other.
///
/// The secret is written to a draft file before the commit. If the file cannot be written, no credential is created; a
/// crash after the commit loses none.
async fn create_first_credential(
    store: &Store,
    seal: &Seal,
    home: &TenantRecord,
    target: CredentialOutput<'_>,
) -> Result<Option<Credential>, PlatformStartError> {
    let mut tx = store.begin().await?;
    lock_tenant(&mut tx, home.id).await.map_err(|_| sqlx::Error::RowNotFound)?;
    if count_all_credentials(&mut tx, home.id).await? > 0 {
        return Ok(None);
    }
    let credential = Credential::random(&home.unique_id);
    let CredentialHashes { key, secret } = credential.hashes();
    let actor = Actor::for_platform();
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
    let event = AuditEvent::success(AuditAction::CredentialCreate, credential_id(&key));
    append_event(seal, &mut tx, home.id, &actor, event).await?;
    if let Some(path) = target.file {
        let file = CredentialFile { url: target.url.to_owned(), credential: credential.clone() };
        write_draft(path, &file).map_err(|error| unusable_file(path, &error))?;
    }
    tx.commit().await?;
    if let Some(path) = target.file {
        std::fs::rename(draft_path(path), path).map_err(|error| unusable_file(path, &error))?;
        tracing::info!(file = %path.display(), tenant = home.unique_id, "the first credential is written");
    }
    Ok(Some(credential))
}

fn unusable_file(path: &Path, error: &std::io::Error) -> PlatformStartError {
    PlatformStartError::Credential { path: path.to_owned(), reason: error.to_string() }
}

pub(super) fn read_credential_file(path: &Path) -> Result<CredentialFile, PlatformStartError> {
    let wrong = |reason: String| PlatformStartError::Credential { path: path.to_owned(), reason };
    let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    // The message of `serde_json` never quotes the file's content, only names and positions.
    serde_json::from_slice(&text).map_err(|error| wrong(format!("cannot be read: {error}")))
}

/// Returns the name of the draft file beside the final file.
fn draft_path(path: &Path) -> PathBuf {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    draft.into()
}

fn write_draft(path: &Path, file: &CredentialFile) -> std::io::Result<()> {
    let mut target =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(draft_path(path))?;
    target.write_all(&serde_json::to_vec_pretty(file)?)?;
    target.sync_all()
}
