//! `tenantry-platform credential`: manages API credentials directly on the database, for operators who lost all of
//! them.

use std::io::Write;
use std::path::Path;

use clap::{Args, Subcommand};

use super::{Credential, CredentialHashes, FirstCredential};
use crate::audit::{Actor, AuditAction, AuditEvent, Seal, append_event};
use crate::database_command::{TenantArg, with_store_and_seal};
use crate::store::{
    CredentialRecord, NewCredential, Store, credential_id, insert_credential, lock_tenant, revoke_credential,
};
use crate::{DATABASE_WAIT, PlatformStartError, error, time};

/// Milliseconds per day.
const DAY: i64 = 24 * 60 * 60 * 1000;

/// What is done with API credentials.
#[derive(Subcommand, Clone, Debug)]
pub enum CredentialCommand {
    /// Print the first credential, which the platform wrote at its first start, as lines `KEY=VALUE`
    Show,
    /// Make an API credential, and print its key and secret once
    Create(CreateCredential),
    /// List the credentials that were not revoked; keys and secrets are not among what is known of them
    List(ListCredentials),
    /// Revoke a credential; its tokens end with it
    Revoke(RevokeCredential),
}

/// Which credentials.
#[derive(Args, Clone, Debug)]
pub struct ListCredentials {
    /// Unique id of the tenant, for example `msp_2` [default: every tenant]
    #[arg(long)]
    tenant: Option<String>,
}

/// A new credential.
#[derive(Args, Clone, Debug)]
pub struct CreateCredential {
    #[command(flatten)]
    whose: TenantArg,
    /// What it is for
    #[arg(long, default_value = "")]
    description: String,
    /// Days that it is good for [default: it does not end]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: Option<u16>,
}

/// The end of a credential.
#[derive(Args, Clone, Debug)]
pub struct RevokeCredential {
    #[command(flatten)]
    whose: TenantArg,
    /// Its id, as `credential list` shows it
    #[arg(long)]
    id: String,
}

/// Why a credential command failed.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The database cannot be used.
    #[error(transparent)]
    Start(#[from] PlatformStartError),
    /// A write failed.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// There is no such tenant.
    #[error("there is no tenant `{0}` in service; give the unique id of one that is, or leave `--tenant` out")]
    Tenant(String),
    /// There is no such credential.
    #[error("the tenant has no credential `{0}`; `credential list` shows those that it has")]
    Unknown(String),
    /// The file of the first credential is not there.
    #[error(
        "there is no credential file `{0}`: the platform writes it at its first start; name it with `--credential-file`, or \
         make another credential with `tenantry-platform credential create`"
    )]
    Missing(String),
    /// The first credential is no longer valid.
    #[error(
        "the credential of `{0}` was revoked or rotated or has ended: `tenantry-platform credential create` makes another"
    )]
    Ended(String),
    /// Internal error; the log has the cause.
    #[error("the credential cannot be stored; the lines above have the cause")]
    Internal,
    /// The output cannot be written.
    #[error("nothing can be printed, and nothing was changed: {0}")]
    Output(#[from] std::io::Error),
}

impl From<error::ApiError> for CredentialError {
    fn from(_: error::ApiError) -> Self {
        Self::Internal
    }
}

/// Files that belong to the database.
#[derive(Clone, Copy)]
pub(crate) struct CredentialFiles<'a> {
    /// The key of the audit log.
    pub(crate) key: &'a Path,
    /// The first credential.
    pub(crate) first: FirstCredential<'a>,
}

impl CredentialCommand {
    /// Runs the command on the database itself, whether or not the platform is running.
    ///
    /// # Errors
    /// The command failed and changed nothing.
    pub(crate) async fn run(
        &self,
        database: &str,
        files: CredentialFiles<'_>,
        out: impl Write,
    ) -> Result<(), CredentialError> {
        let CredentialFiles { key, first } = files;
        match self {
            Self::Show | Self::List(_) => {
                // Read-only: neither the schema nor a row changes.
                let store = Box::pin(Store::open_read_only(database, DATABASE_WAIT)).await?;
                let done = match self {
                    Self::List(list) => list.run(&store, out).await,
                    _ => first.print(&store, out).await,
                };
                store.close().await;
                done
            }
            Self::Create(create) => {
                with_store_and_seal(database, key, async move |store, seal| create.run(store, seal, out).await).await
            }
            Self::Revoke(revoke) => {
                with_store_and_seal(database, key, async move |store, seal| revoke.run(store, seal, out).await).await
            }
        }
    }
}

impl ListCredentials {
    async fn run(&self, store: &Store, mut out: impl Write) -> Result<(), CredentialError> {
        let time = |at: Option<i64>| at.map_or_else(|| "-".to_owned(), time::to_wire);
        writeln!(out, "TENANT\tID\tCREATED\tCREATED BY\tLAST USED\tEXPIRES\tDESCRIPTION")?;
        for record in store.list_credentials_of(self.tenant.as_deref()).await? {
            let CredentialRecord { tenant, key_hash, description, created_by, creator, .. } = &record;
            let left = if creator.as_ref().is_some_and(|creator| !creator.is_active) { " (inactive)" } else { "" };
            let (created, used) = (time(Some(record.created_at)), time(record.last_used_at));
            let (id, expires) = (credential_id(key_hash), time(record.expires_at));
            writeln!(out, "{tenant}\t{id}\t{created}\t{created_by}{left}\t{used}\t{expires}\t{description}")?;
        }
        Ok(out.flush()?)
    }
}

impl CreateCredential {
    async fn run(&self, store: &Store, seal: &Seal, mut out: impl Write) -> Result<(), CredentialError> {
        let Self { whose, description, days } = self;
        let tenant = whose.find_tenant(store, CredentialError::Tenant).await?;
        let credential = Credential::random(&tenant.unique_id);
        let CredentialHashes { key, secret } = credential.hashes();
        let (now, actor) = (time::now(), Actor::for_console());
        let mut tx = store.begin().await?;
        lock_tenant(&mut tx, tenant.id).await?;
        let new = NewCredential {
            key_hash: &key,
            secret_hash: &secret,
            tenant: tenant.id,
            description: description.trim(),
            created_by: &actor.name,
            now,
            expires_at: days.map(|days| now + i64::from(days) * DAY),
        };
        insert_credential(&mut tx, &new).await?;
        let id = credential_id(&key);
        append_event(seal, &mut tx, tenant.id, &actor, AuditEvent::success(AuditAction::CredentialCreate, id)).await?;
        // Printed before it is stored: a credential whose secret nobody saw is useless.
        writeln!(out, "tenantId:     {}", credential.tenant_id)?;
        writeln!(out, "id:           {id}")?;
        writeln!(out, "clientId:     {}", credential.client_id)?;
        writeln!(out, "clientSecret: {}", credential.client_secret)?;
        if let Some(expires_at) = new.expires_at {
            writeln!(out, "It is good until {}.", time::to_wire(expires_at))?;
        }
        out.flush()?;
        Ok(tx.commit().await?)
    }
}

impl RevokeCredential {
    async fn run(&self, store: &Store, seal: &Seal, mut out: impl Write) -> Result<(), CredentialError> {
        let Self { whose, id } = self;
        let tenant = whose.find_tenant(store, CredentialError::Tenant).await?;
        let mut tx = store.begin().await?;
        lock_tenant(&mut tx, tenant.id).await?;
        let records = store.list_credentials(tenant.id).await?;
        let found = records.into_iter().find(|record| credential_id(&record.key_hash) == id);
        let record = found.ok_or_else(|| CredentialError::Unknown(id.clone()))?;
        revoke_credential(&mut tx, &record.key_hash, time::now()).await?;
        append_event(
            seal,
            &mut tx,
            tenant.id,
            &Actor::for_console(),
            AuditEvent::success(AuditAction::CredentialRevoke, id),
        )
        .await?;
        writeln!(out, "the credential {id} is revoked, and its tokens with it")?;
        out.flush()?;
        Ok(tx.commit().await?)
    }
}
