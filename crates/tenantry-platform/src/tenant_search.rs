//! `GET .../search`: the paginated list.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::{Extension, Json};
use tenantry_wire::{PageEnvelope, TenantSearchItem};

use super::authorize::RequestScope;
use super::error::ApiError;
use super::limits::MAX_PAGE_ROWS;
use super::store::{ChildrenPage, PageRange, TenantLevel, TenantOrder};
use super::tenant_availability::{TenantOperation, ensure_tenant_accepts};
use super::{App, query_string};

/// Default number of rows of a page.
const DEFAULT_PAGE_SIZE: i64 = 100;

/// Returns one page of a tenant's children. Terminated tenants are included, because only `activeStatus` filters by
/// state.
pub(super) async fn search_tenants(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    RawQuery(raw): RawQuery,
) -> Result<Json<PageEnvelope<TenantSearchItem>>, ApiError> {
    let parent = scope.tenant()?;
    ensure_tenant_accepts(parent, TenantOperation::Read)?;
    let raw = raw.unwrap_or_default();
    let filters = query_string::parse_filters(
        query_string::query_parameter(&raw, "queryString").unwrap_or_default(),
        app.has_extensions,
    )?;
    let paging = Paging::parse(&raw)?;
    let (order, name) = parse_order(&paging.order)?;
    let PageRange { is_descending: descending, size, offset } = paging.range();
    let page = ChildrenPage { reach: scope.client_scope(), order, is_descending: descending, size, offset };
    let (mut results, total) = app.store.search_tenants(parent.id, &filters, page).await?;
    if !app.has_extensions {
        for row in &mut results {
            (row.status, row.managed_by, row.revision) = (None, None, None);
        }
    }
    let prefix = if parent.kind.level_below() == TenantLevel::Client { "client" } else { "msp" };
    Ok(Json(paging.envelope(results, total, format!("{prefix}.{name}"))))
}

/// The requested page of a list, and its order.
pub(super) struct Paging {
    number: i64,
    size: i64,
    is_descending: bool,
    /// Name of the column that orders the list, without any prefix before its last dot; empty if the request names
    /// none.
    pub(super) order: String,
}

impl Paging {
    /// Parses the paging of a raw query.
    pub(super) fn parse(raw: &str) -> Result<Self, ApiError> {
        Self::parse_with_max(raw, MAX_PAGE_ROWS)
    }

    /// Parses the paging of a list whose pages have at most `most` rows.
    pub(super) fn parse_with_max(raw: &str, max: i64) -> Result<Self, ApiError> {
        let order = query_string::query_parameter(raw, "sortName").unwrap_or_default();
        Ok(Self {
            number: parse_number(raw, "pageNo", 1, 1..=1_000_000)?,
            size: parse_number(raw, "pageSize", DEFAULT_PAGE_SIZE.min(max), 1..=max)?,
            is_descending: parse_descending(raw)?,
            order: order.rsplit('.').next().unwrap_or_default().to_owned(),
        })
    }

    /// Returns the range of rows.
    pub(super) fn range(&self) -> PageRange {
        PageRange { is_descending: self.is_descending, size: self.size, offset: (self.number - 1) * self.size }
    }

    /// Returns the answer of a page.
    pub(super) fn envelope<T>(&self, results: Vec<T>, total: i64, order_by: String) -> PageEnvelope<T> {
        let Self { number, size, is_descending: descending, order: _ } = *self;
        let pages = (total + size - 1) / size;
        PageEnvelope {
            results,
            total_results: total,
            order_by,
            page_no: number,
            page_size: size,
            total_pages: pages,
            next_page: number < pages,
            next_page_no: (number < pages).then_some(number + 1),
            previous_page_no: number - 1,
            descending_order: descending,
        }
    }
}

fn parse_number(raw: &str, name: &str, default: i64, range: std::ops::RangeInclusive<i64>) -> Result<i64, ApiError> {
    let Some(text) = query_string::query_parameter(raw, name).filter(|text| !text.is_empty()) else {
        return Ok(default);
    };
    text.parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| ApiError::field(name, format!("The number must be {} to {}", range.start(), range.end())))
}

fn parse_order(name: &str) -> Result<(TenantOrder, &'static str), ApiError> {
    match name {
        "" | "id" | "uniqueId" => Ok((TenantOrder::Id, "id")),
        "name" => Ok((TenantOrder::Name, "name")),
        "createdTime" => Ok((TenantOrder::Created, "createdTime")),
        "updatedTime" => Ok((TenantOrder::Updated, "updatedTime")),
        _ => Err(ApiError::field("sortName", "The list sorts by id, name, createdTime or updatedTime")),
    }
}

fn parse_descending(raw: &str) -> Result<bool, ApiError> {
    match query_string::query_parameter(raw, "isDescendingOrder").unwrap_or_default() {
        "" | "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(ApiError::field("isDescendingOrder", "The value is true or false")),
    }
}
