//! Calls that only this platform has; all are absent under `--documented-only`.
//!
//! * `GET /api/v2/tenants/{tenant}/impact` counts what a termination would erase: clients, people and records by
//!   category, for example `{"uniqueId":"msp_2","counts":{"clients":3,"people":0,"alerts":12}}`. A category without
//!   rows has a count of 0.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::App;
use super::authorize::RequestScope;
use super::error::ApiError;
use super::tenant_availability::{TenantOperation, ensure_tenant_accepts};
use axum::extract::State;
use axum::{Extension, Json};
use tenantry_catalog::DataCategory;
use tenantry_wire::ImpactCounts;

/// Counts what exists under a tenant.
pub(super) async fn count_impact(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
) -> Result<Json<ImpactCounts>, ApiError> {
    let tenant = scope.tenant()?;
    ensure_tenant_accepts(tenant, TenantOperation::Read)?;
    let stored = app.store.record_counts(tenant.id).await?;
    let count = |category: DataCategory| {
        let name = category.segment();
        (name.to_owned(), stored.get(name).copied().unwrap_or_default())
    };
    let mut counts: BTreeMap<String, i64> = DataCategory::ALL.map(count).into();
    counts.insert("clients".to_owned(), app.store.count_unterminated_children(tenant.id).await?);
    counts.insert("people".to_owned(), app.store.count_unterminated_people(tenant.id).await?);
    Ok(Json(ImpactCounts { unique_id: tenant.unique_id.clone(), counts }))
}
