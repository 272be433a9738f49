//! Queries over the children of a tenant.

use std::collections::{BTreeMap, BTreeSet};

use futures::TryStreamExt as _;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe, Row as _};
use tenantry_wire::{MinimalTenant, Tenant, TenantSearchItem, WireTenantState};

use super::paged_queries::{chunk_placeholders, numbers_by_name};
use super::tenants::{parse_mark, parse_state};
use super::{Store, Tx};
use crate::error::ApiError;
use crate::principal::ClientScope;
use crate::time;

/// A filter of a tenant search. A tenant matches when all given filters match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TenantFilter {
    /// Exactly this number.
    Id(i64),
    /// Exactly this unique id.
    UniqueId(String),
    /// Exactly this name.
    Name(String),
    /// The name contains this text, ignoring case. The text is already folded by [`fold_case`].
    NameContains(String),
    /// In this state.
    State(WireTenantState),
    /// `true`: active. `false`: suspended or terminated.
    Active(bool),
    /// Created at or after this time, in milliseconds since the epoch.
    CreatedFrom(i64),
    /// Created before this time.
    CreatedBefore(i64),
    /// Changed at or after this time.
    UpdatedFrom(i64),
    /// Changed before this time.
    UpdatedBefore(i64),
    /// Owned by the Kubernetes object at this place.
    Place(String),
    /// Owned by the Kubernetes object with this UID.
    Uid(String),
}

/// Column that a list is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TenantOrder {
    /// The number.
    Id,
    /// The name.
    Name,
    /// When it was created.
    Created,
    /// When it last changed.
    Updated,
}

impl TenantOrder {
    const fn column(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Name => "name",
            Self::Created => "created_at",
            Self::Updated => "updated_at",
        }
    }
}

/// Scope, order and range of one page of children.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChildrenPage<'a> {
    /// The children that the caller may see.
    pub(crate) reach: &'a ClientScope,
    pub(crate) order: TenantOrder,
    pub(crate) is_descending: bool,
    pub(crate) size: i64,
    pub(crate) offset: i64,
}

impl ChildrenPage<'_> {
    /// Returns the expression after `ORDER BY`.
    fn order_by(&self) -> String {
        let direction = if self.is_descending { "DESC" } else { "ASC" };
        format!("{} {direction}, id {direction}", self.order.column())
    }
}

/// Columns of a search result.
const COLUMNS: &str =
    "id, unique_id, name, state, created_at, created_by, updated_at, updated_by, mark_place, mark_uid";

/// The value of a filter, as it is bound.
enum FilterValue<'a> {
    Text(&'a str),
    Number(i64),
}

impl TenantFilter {
    /// Returns the SQL of the filter up to its value, or `None` if SQL cannot evaluate the filter. Only these constants
    /// become part of the statement; values are bound.
    fn sql_condition(&self) -> Option<(&'static str, FilterValue<'_>)> {
        Some(match self {
            Self::Id(id) => ("id = ", FilterValue::Number(*id)),
            Self::UniqueId(id) => ("unique_id = ", FilterValue::Text(id)),
            Self::Name(name) => ("name = ", FilterValue::Text(name)),
            // Case is folded in Rust: each database knows a different set of alphabets.
            Self::NameContains(_) => return None,
            Self::State(state) => ("state = ", FilterValue::Text(state.word())),
            Self::Active(true) => ("state = ", FilterValue::Text("ACTIVE")),
            Self::Active(false) => ("state <> ", FilterValue::Text("ACTIVE")),
            Self::CreatedFrom(time) => ("created_at >= ", FilterValue::Number(*time)),
            Self::CreatedBefore(time) => ("created_at < ", FilterValue::Number(*time)),
            Self::UpdatedFrom(time) => ("updated_at >= ", FilterValue::Number(*time)),
            Self::UpdatedBefore(time) => ("updated_at < ", FilterValue::Number(*time)),
            Self::Place(place) => ("mark_place = ", FilterValue::Text(place)),
            Self::Uid(uid) => ("mark_uid = ", FilterValue::Text(uid)),
        })
    }
}

/// Folds a text so that comparison ignores case.
pub(crate) fn fold_case(text: &str) -> String {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

type BoundStatement<'q> = Query<'q, Any, AnyArguments>;

/// Binds the parent and the values of the filters to a statement.
fn bind_filters<'q>(mut statement: BoundStatement<'q>, parent: i64, filters: &'q [TenantFilter]) -> BoundStatement<'q> {
    statement = statement.bind(parent);
    for (_, value) in filters.iter().filter_map(TenantFilter::sql_condition) {
        statement = match value {
            FilterValue::Text(text) => statement.bind(text),
            FilterValue::Number(number) => statement.bind(number),
        };
    }
    statement
}

/// Builds the `WHERE` condition of a search. The parent is `$1`; the filters follow.
fn where_clause(filters: &[TenantFilter], reach: &ClientScope) -> String {
    let filters = filters
        .iter()
        .filter_map(TenantFilter::sql_condition)
        .zip(2..)
        .map(|((text, _), number)| format!("{text}${number}"));
    let reach = match reach {
        ClientScope::All => None,
        ClientScope::Only(tenants) => Some(format!("id IN ({})", join_numbers(tenants))),
    };
    std::iter::once("parent_id = $1".to_owned()).chain(filters).chain(reach).collect::<Vec<_>>().join(" AND ")
}

/// Joins numbers for an SQL list. An empty set becomes `-1`, which matches no row.
fn join_numbers(numbers: &BTreeSet<i64>) -> String {
    let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
    if numbers.is_empty() { "-1".to_owned() } else { numbers.join(", ") }
}

/// Returns the text that the name must contain.
fn name_fragment(filters: &[TenantFilter]) -> Option<&str> {
    filters.iter().find_map(|filter| match filter {
        TenantFilter::NameContains(text) => Some(text.as_str()),
        _ => None,
    })
}

impl Store {
    /// Returns one page of a tenant's children in the caller's scope that match every filter, and the total count.
    /// Tombstones are included.
    pub(crate) async fn search_tenants(
        &self,
        parent: i64,
        filters: &[TenantFilter],
        page: ChildrenPage<'_>,
    ) -> Result<(Vec<TenantSearchItem>, i64), ApiError> {
        if name_fragment(filters).is_some() {
            return self.search_tenants_by_name(parent, filters, page).await;
        }
        let condition = where_clause(filters, page.reach);
        let count = format!("SELECT COUNT(*) AS total FROM tenant WHERE {condition}");
        // A scope of single clients is written into the text, so no other caller can reuse the prepared statement.
        let keeps = matches!(page.reach, ClientScope::All);
        let count = bind_filters(sqlx::query(AssertSqlSafe(count)).persistent(keeps), parent, filters);
        let places = filters.iter().filter_map(TenantFilter::sql_condition).count() + 1;
        let (limit, offset) = (places + 1, places + 2);
        let order = page.order_by();
        let rows =
            format!("SELECT {COLUMNS} FROM tenant WHERE {condition} ORDER BY {order} LIMIT ${limit} OFFSET ${offset}");
        let rows = bind_filters(sqlx::query(AssertSqlSafe(rows)).persistent(keeps), parent, filters);
        let total = count.fetch_one(&self.readers).await?.try_get("total")?;
        let rows = rows.bind(page.size).bind(page.offset).fetch_all(&self.readers).await?;
        Ok((rows.iter().map(read_search_item).collect::<Result<_, _>>()?, total))
    }

    /// Searches with a filter on part of the name. Names are compared row by row; only the ids of the page are kept in
    /// memory.
    async fn search_tenants_by_name(
        &self,
        parent: i64,
        filters: &[TenantFilter],
        page: ChildrenPage<'_>,
    ) -> Result<(Vec<TenantSearchItem>, i64), ApiError> {
        let contained = name_fragment(filters).unwrap_or_default();
        let (condition, order) = (where_clause(filters, page.reach), page.order_by());
        let text = format!("SELECT id, name FROM tenant WHERE {condition} ORDER BY {order}");
        let statement = sqlx::query(AssertSqlSafe(text)).persistent(matches!(page.reach, ClientScope::All));
        let mut rows = bind_filters(statement, parent, filters).fetch(&self.readers);
        let (mut total, mut wanted) = (0, BTreeSet::new());
        while let Some(row) = rows.try_next().await? {
            if !fold_case(row.try_get("name")?).contains(contained) {
                continue;
            }
            if (page.offset..page.offset.saturating_add(page.size)).contains(&total) {
                wanted.insert(row.try_get::<i64, _>("id")?);
            }
            total += 1;
        }
        drop(rows);
        let text = format!("SELECT {COLUMNS} FROM tenant WHERE id IN ({}) ORDER BY {order}", join_numbers(&wanted));
        let rows = sqlx::query(AssertSqlSafe(text)).persistent(false).fetch_all(&self.readers).await?;
        Ok((rows.iter().map(read_search_item).collect::<Result<_, _>>()?, total))
    }

    /// Lists every child in the caller's scope that is not terminated.
    pub(crate) async fn list_minimal_tenants(
        &self,
        parent: i64,
        reach: &ClientScope,
    ) -> Result<Vec<MinimalTenant>, ApiError> {
        let condition = where_clause(&[], reach);
        let rows = format!(
            "SELECT unique_id, name, mark_place, mark_uid FROM tenant \
             WHERE {condition} AND state <> 'TERMINATED' ORDER BY id",
        );
        let keeps = matches!(reach, ClientScope::All);
        let rows = sqlx::query(AssertSqlSafe(rows)).persistent(keeps).bind(parent).fetch_all(&self.readers).await?;
        rows.iter()
            .map(|row| {
                Ok(MinimalTenant {
                    unique_id: row.try_get("unique_id")?,
                    name: row.try_get("name")?,
                    managed_by: parse_mark(row.try_get("mark_place")?, row.try_get("mark_uid")?),
                })
            })
            .collect()
    }

    /// Maps the given unique ids to numbers, for children that exist and are not terminated.
    pub(crate) async fn unterminated_child_numbers(
        &self,
        parent: i64,
        wanted: &[&str],
    ) -> Result<BTreeMap<String, i64>, ApiError> {
        let text = format!(
            "SELECT unique_id, id FROM tenant WHERE parent_id = $1 AND state <> 'TERMINATED' AND unique_id IN ({})",
            chunk_placeholders()
        );
        numbers_by_name(&self.readers, &text, parent, wanted).await
    }

    /// Counts the children that are not terminated.
    pub(crate) async fn count_unterminated_children(&self, parent: i64) -> Result<i64, ApiError> {
        let count = sqlx::query("SELECT COUNT(*) AS total FROM tenant WHERE parent_id = $1 AND state <> 'TERMINATED'");
        Ok(count.bind(parent).fetch_one(&self.readers).await?.try_get("total")?)
    }
}

fn read_search_item(row: &AnyRow) -> Result<TenantSearchItem, ApiError> {
    let state = parse_state(&row.try_get::<String, _>("state")?)?;
    Ok(TenantSearchItem {
        id: Some(row.try_get("id")?),
        unique_id: row.try_get("unique_id")?,
        name: row.try_get("name")?,
        activated: state == tenantry_wire::WireTenantState::Active,
        updated_time: Some(time::to_wire(row.try_get("updated_at")?)),
        created_time: Some(time::to_wire(row.try_get("created_at")?)),
        created_by: Some(crate::tenant_response::person_ref(row.try_get("created_by")?)),
        last_updated_by: Some(crate::tenant_response::person_ref(row.try_get("updated_by")?)),
        status: Some(state),
        managed_by: parse_mark(row.try_get("mark_place")?, row.try_get("mark_uid")?),
        revision: Some(row.try_get("updated_at")?),
    })
}

/// Returns unique id and settings of every child that is not terminated. The caller holds the lock of the parent.
pub(crate) async fn unterminated_child_settings(tx: &mut Tx, parent: i64) -> Result<Vec<(String, Tenant)>, ApiError> {
    let rows = sqlx::query(
        "SELECT unique_id, settings FROM tenant WHERE parent_id = $1 AND state <> 'TERMINATED' ORDER BY id",
    );
    let rows = rows.bind(parent).fetch_all(&mut **tx).await?;
    rows.iter()
        .map(|row| Ok((row.try_get("unique_id")?, serde_json::from_str(&row.try_get::<String, _>("settings")?)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_makes_no_difference_in_any_alphabet() {
        for (one, other) in [("Straße", "STRASSE"), ("ΟΔΟΣ", "οδος"), ("Ärger", "äRGER"), ("Ёж", "ёЖ")] {
            assert_eq!(fold_case(one), fold_case(other));
        }
    }

    #[test]
    fn filters_are_numbered_and_bound() {
        let filters = [TenantFilter::Name("x' OR 1=1".to_owned()), TenantFilter::Active(false)];
        assert_eq!(where_clause(&filters, &ClientScope::All), "parent_id = $1 AND name = $2 AND state <> $3");
        let filters = [TenantFilter::NameContains("x".to_owned()), TenantFilter::State(WireTenantState::Suspended)];
        assert_eq!(where_clause(&filters, &ClientScope::All), "parent_id = $1 AND state = $2");
        let some = |numbers: &[i64]| ClientScope::Only(numbers.iter().copied().collect());
        assert_eq!(where_clause(&[], &some(&[7, 3])), "parent_id = $1 AND id IN (3, 7)");
        assert_eq!(where_clause(&[], &some(&[])), "parent_id = $1 AND id IN (-1)");
    }
}
