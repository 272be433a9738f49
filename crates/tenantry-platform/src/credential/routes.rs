//! Routes of a tenant's API credentials. They are extensions, absent under `--documented-only`.
//!
//! Key and secret are shown once, at creation. Everywhere else a credential is identified by its `id`, the first digits
//! of its key's hash, which the audit log also uses. Revoking or rotating a credential ends its tokens.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, Request, State};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use tenantry_wire::PageEnvelope;

use super::{Credential, CredentialHashes, random_secret, sha256_hex};
use crate::audit::{Actor, AuditAction, AuditEvent, append_event};
use crate::authorize::{LockedTenant, RequestScope};
use crate::error::ApiError;
use crate::limits::{MAX_CREDENTIALS, MAX_FORM_BYTES, MAX_NAME_CHARS};
use crate::settings::Problems;
use crate::store::{
    CredentialRecord, NewCredential, NewSecret, count_active_credentials, credential_id, insert_credential,
    revoke_credential, rotate_credential,
};
use crate::tenant_availability::{TenantOperation, ensure_tenant_accepts};
use crate::tenant_search::Paging;
use crate::{App, json_body, time};

/// Milliseconds per day.
const DAY: i64 = 24 * 60 * 60 * 1000;
/// Maximum lifetime of a credential in days.
const MAX_LIFETIME_DAYS: i64 = 3650;

/// Body of a request about a credential.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct CredentialRequest {
    description: Option<String>,
    expires_in_days: Option<i64>,
}

impl CredentialRequest {
    async fn read(request: Request) -> Result<Self, ApiError> {
        let wanted: Self = json_body::read_optional_body(request, MAX_FORM_BYTES).await?;
        let mut problems = Problems::default();
        let is_wrong = |text: &String| text.chars().count() > MAX_NAME_CHARS || text.chars().any(char::is_control);
        if wanted.description.as_ref().is_some_and(is_wrong) {
            problems.refuse(
                "description",
                format!("The text is longer than {MAX_NAME_CHARS} characters or has control characters"),
            );
        }
        if wanted.expires_in_days.is_some_and(|days| !(1..=MAX_LIFETIME_DAYS).contains(&days)) {
            problems.refuse(
                "expiresInDays",
                format!("The number must be 1 to {MAX_LIFETIME_DAYS}; without it nothing expires"),
            );
        }
        problems.finish()?;
        Ok(wanted)
    }

    fn expires_at(&self, now: i64) -> Option<i64> {
        self.expires_in_days.map(|days| now + days * DAY)
    }
}

/// A secret, shown once.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IssuedCredential {
    id: String,
    /// The key. A rotation does not change it, and only its holder knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    client_secret: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_time: Option<String>,
}

/// A credential as lists show it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CredentialListItem {
    id: String,
    description: String,
    created_by: CreatorRef,
    created_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotated_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_time: Option<String>,
    expired: bool,
}

/// Creator of a credential.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CreatorRef {
    /// Creator, as the audit log names it.
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    login_name: Option<String>,
    /// `active` or `inactive`, if the creator is a person. The credential stays valid when the person is deactivated,
    /// until somebody revokes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
}

impl CredentialListItem {
    fn from_record(record: CredentialRecord, now: i64) -> Self {
        let CredentialRecord {
            tenant: _,
            key_hash,
            description,
            created_by,
            creator,
            created_at,
            last_used_at,
            rotated_at,
            expires_at,
        } = record;
        let status = creator.as_ref().map(|creator| if creator.is_active { "active" } else { "inactive" });
        Self {
            id: credential_id(&key_hash).to_owned(),
            description,
            created_by: CreatorRef { id: created_by, login_name: creator.map(|creator| creator.login_name), status },
            created_time: time::to_wire(created_at),
            last_used_time: last_used_at.map(time::to_wire),
            rotated_time: rotated_at.map(time::to_wire),
            expires_time: expires_at.map(time::to_wire),
            expired: expires_at.is_some_and(|expires_at| expires_at <= now),
        }
    }
}

/// `POST .../credentials`: creates another credential of the tenant. It reaches the tenant and all tenants below it.
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    (Extension(scope), actor): (Extension<RequestScope>, Actor),
    request: Request,
) -> Result<Json<IssuedCredential>, ApiError> {
    let wanted = CredentialRequest::read(request).await?;
    let now = time::now();
    let LockedTenant { mut tx, tenant } = scope.lock_tenant(&app, TenantOperation::Write).await?;
    scope.proof().consume(&mut tx).await?;
    if count_active_credentials(&mut tx, tenant.id).await? >= MAX_CREDENTIALS {
        let message = format!("The tenant has {MAX_CREDENTIALS} credentials; revoke one that nobody uses");
        return Err(ApiError::field("body", message));
    }
    let credential = Credential::random(&tenant.unique_id);
    let CredentialHashes { key, secret } = credential.hashes();
    let new = NewCredential {
        key_hash: &key,
        secret_hash: &secret,
        tenant: tenant.id,
        description: wanted.description.as_deref().unwrap_or_default().trim(),
        created_by: &actor.name,
        now,
        expires_at: wanted.expires_at(now),
    };
    insert_credential(&mut tx, &new).await?;
    let id = credential_id(&key);
    append_event(&app.seal, &mut tx, tenant.id, &actor, AuditEvent::success(AuditAction::CredentialCreate, id)).await?;
    tx.commit().await?;
    tracing::info!(tenant = tenant.unique_id, credential = id, by = scope.caller.unique_id, "a credential was made");
    let Credential { client_id, client_secret, tenant_id: _ } = credential;
    let expires_time = new.expires_at.map(time::to_wire);
    Ok(Json(IssuedCredential { id: id.to_owned(), client_id: Some(client_id), client_secret, expires_time }))
}

/// `GET .../credentials`: lists the credentials that are not revoked.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    RawQuery(raw): RawQuery,
) -> Result<Json<PageEnvelope<CredentialListItem>>, ApiError> {
    let tenant = scope.tenant()?;
    ensure_tenant_accepts(tenant, TenantOperation::Read)?;
    let paging = Paging::parse(&raw.unwrap_or_default())?;
    let records = app.store.list_credentials(tenant.id).await?;
    let part = paging.range();
    let total = i64::try_from(records.len()).unwrap_or(i64::MAX);
    let (size, offset) = (usize::try_from(part.size), usize::try_from(part.offset));
    let shown = records.into_iter().skip(offset.unwrap_or(usize::MAX)).take(size.unwrap_or_default());
    let now = time::now();
    let results = shown.map(|record| CredentialListItem::from_record(record, now)).collect();
    Ok(Json(paging.envelope(results, total, "credential.createdTime".to_owned())))
}

/// `DELETE .../credentials/{credential}`.
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    (Extension(scope), actor): (Extension<RequestScope>, Actor),
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<()>, ApiError> {
    // Credentials of a suspended tenant can be revoked, because that is when it is needed.
    let LockedTenant { mut tx, tenant } = scope.lock_tenant(&app, TenantOperation::Lifecycle).await?;
    let record = find_credential(&app, tenant.id, &id).await?;
    scope.proof().consume(&mut tx).await?;
    revoke_credential(&mut tx, &record.key_hash, time::now()).await?;
    append_event(&app.seal, &mut tx, tenant.id, &actor, AuditEvent::success(AuditAction::CredentialRevoke, &id))
        .await?;
    tx.commit().await?;
    tracing::info!(tenant = tenant.unique_id, credential = id, by = scope.caller.unique_id, "a credential was revoked");
    Ok(Json(()))
}

/// `POST .../credentials/{credential}/rotate`: replaces the secret and keeps the key. The old secret ends at once. A
/// credential with an expiry gets the same number of days again, unless the request sets another number.
pub(crate) async fn rotate(
    State(app): State<Arc<App>>,
    (Extension(scope), actor): (Extension<RequestScope>, Actor),
    Path((_, id)): Path<(String, String)>,
    request: Request,
) -> Result<Json<IssuedCredential>, ApiError> {
    let wanted = CredentialRequest::read(request).await?;
    let now = time::now();
    let LockedTenant { mut tx, tenant } = scope.lock_tenant(&app, TenantOperation::Write).await?;
    let record = find_credential(&app, tenant.id, &id).await?;
    scope.proof().consume(&mut tx).await?;
    let since = record.rotated_at.unwrap_or(record.created_at);
    let again = record.expires_at.map(|expires_at| now + (expires_at - since));
    let expires_at = wanted.expires_at(now).or(again);
    let client_secret = random_secret();
    let new = NewSecret { hash: sha256_hex(&client_secret), now, expires_at };
    rotate_credential(&mut tx, &record.key_hash, &new).await?;
    append_event(&app.seal, &mut tx, tenant.id, &actor, AuditEvent::success(AuditAction::CredentialRotate, &id))
        .await?;
    tx.commit().await?;
    tracing::info!(tenant = tenant.unique_id, credential = id, by = scope.caller.unique_id, "a credential was rotated");
    Ok(Json(IssuedCredential { id, client_id: None, client_secret, expires_time: expires_at.map(time::to_wire) }))
}

/// Finds a credential of a tenant. Changes of a credential hold the tenant's lock.
async fn find_credential(app: &App, tenant: i64, id: &str) -> Result<CredentialRecord, ApiError> {
    let records = app.store.list_credentials(tenant).await?;
    let found = records.into_iter().find(|record| credential_id(&record.key_hash) == id);
    found.ok_or_else(|| ApiError::not_found("Credential", id))
}
