//! Calls that only this platform has; all are absent under `--documented-only`.
//!
//! * `GET /api/v2/tenants/{tenant}/impact` counts what a termination would erase: clients, people and records by category:
//!   `{"uniqueId":"msp_2","counts":{"clients":3,"people":0,"alerts":12}}`, a count of 0 for what there is none of.
//! * `POST /api/v2/tenants/{tenant}/credentials` (no body) makes a further API credential of the tenant, a partner's for
//!   example, which then reaches only that tenant and what is below it. The answer
//!   `{"clientId":"...","clientSecret":"..."}` is the only time that the secret is shown. Terminating the tenant revokes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use serde::Serialize;

use super::App;
use super::audit::{Action, Actor, Event, append};
use super::credential::Credential;
use super::error::Error;
use super::gate::Scope;
use super::standing::{Act, admit};
use super::store::{insert_credential, lock};
use crate::catalog::Category;
use crate::wire::Impact;

/// Counts what lives under a tenant.
pub(super) async fn impact(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<Scope>,
) -> Result<Json<Impact>, Error> {
    let tenant = scope.tenant()?;
    admit(tenant, Act::Read)?;
    let stored = app.store.counts(tenant.id).await?;
    let count = |category: Category| {
        let name = category.segment();
        (name.to_owned(), stored.get(name).copied().unwrap_or_default())
    };
    let mut counts: BTreeMap<String, i64> = Category::ALL.map(count).into();
    counts.insert("clients".to_owned(), app.store.living(tenant.id).await?);
    counts.insert("people".to_owned(), app.store.living_people(tenant.id).await?);
    Ok(Json(Impact { unique_id: tenant.unique_id.clone(), counts }))
}

/// A new credential, shown once.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    client_id: String,
    client_secret: String,
}

/// Makes a credential.
pub(super) async fn credentials(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<Scope>,
    actor: Actor,
) -> Result<Json<Shown>, Error> {
    let mut tx = app.store.begin().await?;
    let tenant = lock(&mut tx, scope.tenant()?.id).await?;
    admit(&tenant, Act::Write)?;
    let credential = Credential::random(&tenant.unique_id);
    let hashed = credential.hashed(tenant.id);
    insert_credential(&mut tx, &hashed).await?;
    append(&app.seal, &mut tx, (tenant.id, &actor), Event::done(Action::CredentialCreate, hashed.id())).await?;
    tx.commit().await?;
    tracing::info!(tenant = tenant.unique_id, by = scope.caller.unique_id, "a credential was made");
    let Credential { client_id, client_secret, tenant_id: _ } = credential;
    Ok(Json(Shown { client_id, client_secret }))
}
