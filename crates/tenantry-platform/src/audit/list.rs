//! `GET /api/v2/tenants/{tenant}/audit`: the audit log of a tenant, page by page. An extension, absent under
//! `--documented-only`.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::{Extension, Json};
use serde::Serialize;
use tenantry_wire::PageEnvelope;

use crate::authorize::RequestScope;
use crate::error::ApiError;
use crate::limits::MAX_LOG_PAGE_ROWS;
use crate::people::user_lists::{parse_date_span, parse_terms};
use crate::store::{SealedRow, Term, TermValue};
use crate::tenant_availability::{TenantOperation, ensure_tenant_accepts};
use crate::tenant_search::Paging;
use crate::{App, query_string, time};

/// Search keys.
const SEARCH_KEYS: &[&str] = &["action", "actor", "outcome", "startDate", "endDate"];

/// An audit row as the API shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditEntry {
    number: i64,
    time: String,
    actor: String,
    action: String,
    object: String,
    outcome: String,
    request: String,
    source: String,
    hash: String,
}

impl AuditEntry {
    fn from_row(SealedRow { row, hash, .. }: SealedRow) -> Self {
        Self {
            number: row.number,
            time: time::to_wire(row.at),
            actor: row.actor,
            action: row.action,
            object: row.object,
            outcome: row.outcome,
            request: row.request,
            source: row.source,
            hash,
        }
    }
}

/// Returns one page of the log, newest rows first by default.
pub(crate) async fn list_audit_log(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    RawQuery(raw): RawQuery,
) -> Result<Json<PageEnvelope<AuditEntry>>, ApiError> {
    let tenant = scope.tenant()?;
    ensure_tenant_accepts(tenant, TenantOperation::Read)?;
    let raw = raw.unwrap_or_default();
    let terms = parse_terms(&raw, SEARCH_KEYS, parse_term)?;
    let paging = Paging::parse_with_max(&raw, MAX_LOG_PAGE_ROWS)?;
    if !matches!(paging.order.as_str(), "" | "number" | "time") {
        return Err(ApiError::field("sortName", "The list sorts by number or time, which is the same order"));
    }
    let (rows, total) = app.store.search_log(tenant.id, &terms, paging.range()).await?;
    let results = rows.into_iter().map(AuditEntry::from_row).collect();
    Ok(Json(paging.envelope(results, total, "audit.number".to_owned())))
}

fn parse_term(key: &str, value: &str) -> Result<Term, ApiError> {
    let text = |condition| Ok(Term(condition, TermValue::Text(value.to_owned())));
    match key {
        "action" => text("a.action = "),
        "actor" => text("a.actor = "),
        "startDate" => Ok(Term("a.at >= ", TermValue::Number(parse_date_span(key, value)?.0))),
        "endDate" => Ok(Term("a.at < ", TermValue::Number(parse_date_span(key, value)?.1))),
        _ if matches!(value, "done" | "denied") => text("a.outcome = "),
        _ => Err(query_string::query_error("outcome is done or denied")),
    }
}
