//! Lists: the paginated envelope, `minimal` and `search`.

use serde::{Deserialize, Serialize};

use super::{Mark, PersonRef, WireTenantState};

/// One page of a list. `nextPageNo` is present only if there is a next page.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PageEnvelope<T> {
    /// The page's rows.
    pub results: Vec<T>,
    /// Rows on all pages.
    #[serde(default)]
    pub total_results: i64,
    /// Column by which the rows are ordered.
    #[serde(default)]
    pub order_by: String,
    /// This page, from 1.
    #[serde(default)]
    pub page_no: i64,
    /// Requested number of rows.
    #[serde(default)]
    pub page_size: i64,
    /// Number of pages in total.
    #[serde(default)]
    pub total_pages: i64,
    /// Whether another page follows.
    #[serde(default)]
    pub next_page: bool,
    /// Number of the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_page_no: Option<i64>,
    /// Number of the previous page; 0 on the first.
    #[serde(default)]
    pub previous_page_no: i64,
    /// Whether the order is descending.
    #[serde(default)]
    pub descending_order: bool,
}

/// Row of `minimal`, whose answer is a bare array of live tenants.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct MinimalTenant {
    /// Unique id.
    pub unique_id: String,
    /// Name.
    pub name: String,
    /// Owner; extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<Mark>,
}

/// Row of `search`.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct TenantSearchItem {
    /// The number in the id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// Unique id.
    pub unique_id: String,
    /// Name.
    pub name: String,
    /// False for a suspended and for a terminated tenant.
    pub activated: bool,
    /// Time of the last change of anything under the tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_time: Option<String>,
    /// Time of creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_time: Option<String>,
    /// Who created it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<PersonRef>,
    /// Who changed it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_updated_by: Option<PersonRef>,
    /// Distinguishes suspended from terminated; extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<WireTenantState>,
    /// Owner; extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<Mark>,
    /// Grows with every change under the tenant, so the same number means that nothing changed; extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
}

/// What a termination would erase (extension): rows by category.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ImpactCounts {
    /// Tenant that was counted.
    pub unique_id: String,
    /// Count by category, for example `clients`.
    pub counts: std::collections::BTreeMap<String, i64>,
}
