//! Calls that only this platform has; all are absent under `--documented-only`.
//!
//! * `GET /api/v2/tenants/{tenant}/impact` counts what a termination would erase: clients, people and records by category:
//!   `{"uniqueId":"msp_2","counts":{"clients":3,"people":0,"alerts":12}}`, a count of 0 for what there is none of.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::App;
use super::error::Error;
use super::gate::Scope;
use super::standing::{Act, admit};
use crate::catalog::Category;
use crate::wire::Impact;
use axum::extract::State;
use axum::{Extension, Json};

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
