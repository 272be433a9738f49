//! Lists of a tenant's children.

use std::collections::{BTreeMap, BTreeSet};

use futures::TryStreamExt as _;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe, Row as _};

use super::tenants::{mark, state};
use super::terms::{numbers_of, places};
use super::{Store, Tx};
use crate::platform::error::Error;
use crate::platform::principal::Reach;
use crate::platform::time;
use crate::wire::{Minimal, SearchItem, State, Tenant};

/// A condition of a search; all given ones hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform) enum Filter {
    /// Exactly this number.
    Id(i64),
    /// Exactly this unique id.
    UniqueId(String),
    /// Exactly this name.
    Name(String),
    /// With this in the name, in any case of letters; in the form of [`folded`].
    NameContains(String),
    /// In this state.
    State(State),
    /// Active, or not: suspended and terminated.
    Active(bool),
    /// Created at or after.
    CreatedFrom(i64),
    /// Created before.
    CreatedBefore(i64),
    /// Changed at or after.
    UpdatedFrom(i64),
    /// Changed before.
    UpdatedBefore(i64),
    /// Owned by the object of this place.
    Place(String),
    /// Owned by the object of this UID.
    Uid(String),
}

/// Column of a list's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::platform) enum Order {
    /// The number.
    Id,
    /// The name.
    Name,
    /// When it was created.
    Created,
    /// When it last changed.
    Updated,
}

impl Order {
    const fn column(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Name => "name",
            Self::Created => "created_at",
            Self::Updated => "updated_at",
        }
    }
}

/// Which part of a list.
#[derive(Clone, Copy, Debug)]
pub(in crate::platform) struct Page<'a> {
    /// The children that the caller may know of.
    pub(in crate::platform) reach: &'a Reach,
    pub(in crate::platform) order: Order,
    pub(in crate::platform) descending: bool,
    pub(in crate::platform) size: i64,
    pub(in crate::platform) offset: i64,
}

impl Page<'_> {
    /// What stands behind `ORDER BY`.
    fn order_by(&self) -> String {
        let direction = if self.descending { "DESC" } else { "ASC" };
        format!("{} {direction}, id {direction}", self.order.column())
    }
}

/// Columns of a row of a search.
const COLUMNS: &str =
    "id, unique_id, name, state, created_at, created_by, updated_at, updated_by, mark_place, mark_uid";

/// A value of a condition.
enum Bound<'a> {
    Text(&'a str),
    Number(i64),
}

impl Filter {
    /// The condition's SQL up to its value; none where no database can tell. Only these constants reach the statement;
    /// values are bound.
    fn condition(&self) -> Option<(&'static str, Bound<'_>)> {
        Some(match self {
            Self::Id(id) => ("id = ", Bound::Number(*id)),
            Self::UniqueId(id) => ("unique_id = ", Bound::Text(id)),
            Self::Name(name) => ("name = ", Bound::Text(name)),
            // Letters are folded here and not by a database, of which each knows other alphabets.
            Self::NameContains(_) => return None,
            Self::State(state) => ("state = ", Bound::Text(state.word())),
            Self::Active(true) => ("state = ", Bound::Text("ACTIVE")),
            Self::Active(false) => ("state <> ", Bound::Text("ACTIVE")),
            Self::CreatedFrom(time) => ("created_at >= ", Bound::Number(*time)),
            Self::CreatedBefore(time) => ("created_at < ", Bound::Number(*time)),
            Self::UpdatedFrom(time) => ("updated_at >= ", Bound::Number(*time)),
            Self::UpdatedBefore(time) => ("updated_at < ", Bound::Number(*time)),
            Self::Place(place) => ("mark_place = ", Bound::Text(place)),
            Self::Uid(uid) => ("mark_uid = ", Bound::Text(uid)),
        })
    }
}

/// A text in the form in which case makes no difference.
pub(in crate::platform) fn folded(text: &str) -> String {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

type Statement<'q> = Query<'q, Any, AnyArguments>;

/// A statement with the parent and the filters bound.
fn bound<'q>(mut statement: Statement<'q>, parent: i64, filters: &'q [Filter]) -> Statement<'q> {
    statement = statement.bind(parent);
    for (_, value) in filters.iter().filter_map(Filter::condition) {
        statement = match value {
            Bound::Text(text) => statement.bind(text),
            Bound::Number(number) => statement.bind(number),
        };
    }
    statement
}

/// `WHERE` of a search; the parent is `$1`, the filters follow.
fn condition(filters: &[Filter], reach: &Reach) -> String {
    let filters =
        filters.iter().filter_map(Filter::condition).zip(2..).map(|((text, _), number)| format!("{text}${number}"));
    let reach = match reach {
        Reach::All => None,
        Reach::Only(tenants) => Some(format!("id IN ({})", numbers(tenants))),
    };
    std::iter::once("parent_id = $1".to_owned()).chain(filters).chain(reach).collect::<Vec<_>>().join(" AND ")
}

/// Numbers as SQL lists them; with none of them nothing is found.
fn numbers(numbers: &BTreeSet<i64>) -> String {
    let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
    if numbers.is_empty() { "-1".to_owned() } else { numbers.join(", ") }
}

/// What a name must contain.
fn contained(filters: &[Filter]) -> Option<&str> {
    filters.iter().find_map(|filter| match filter {
        Filter::NameContains(text) => Some(text.as_str()),
        _ => None,
    })
}

impl Store {
    /// One page of a tenant's children within reach that satisfy every filter, tombstones included, and how many there are
    /// in all.
    pub(in crate::platform) async fn search(
        &self,
        parent: i64,
        filters: &[Filter],
        page: Page<'_>,
    ) -> Result<(Vec<SearchItem>, i64), Error> {
        if contained(filters).is_some() {
            return self.search_names(parent, filters, page).await;
        }
        let condition = condition(filters, page.reach);
        let count = format!("SELECT COUNT(*) AS total FROM tenant WHERE {condition}");
        // A reach of single clients is part of the text, and nobody else's statement.
        let keeps = matches!(page.reach, Reach::All);
        let count = bound(sqlx::query(AssertSqlSafe(count)).persistent(keeps), parent, filters);
        let places = filters.iter().filter_map(Filter::condition).count() + 1;
        let (limit, offset) = (places + 1, places + 2);
        let order = page.order_by();
        let rows =
            format!("SELECT {COLUMNS} FROM tenant WHERE {condition} ORDER BY {order} LIMIT ${limit} OFFSET ${offset}");
        let rows = bound(sqlx::query(AssertSqlSafe(rows)).persistent(keeps), parent, filters);
        let total = count.fetch_one(&self.readers).await?.try_get("total")?;
        let rows = rows.bind(page.size).bind(page.offset).fetch_all(&self.readers).await?;
        Ok((rows.iter().map(item).collect::<Result<_, _>>()?, total))
    }

    /// The same where a name must contain a text: names are looked at row by row, and no more is kept than the page's.
    async fn search_names(
        &self,
        parent: i64,
        filters: &[Filter],
        page: Page<'_>,
    ) -> Result<(Vec<SearchItem>, i64), Error> {
        let contained = contained(filters).unwrap_or_default();
        let (condition, order) = (condition(filters, page.reach), page.order_by());
        let text = format!("SELECT id, name FROM tenant WHERE {condition} ORDER BY {order}");
        let statement = sqlx::query(AssertSqlSafe(text)).persistent(matches!(page.reach, Reach::All));
        let mut rows = bound(statement, parent, filters).fetch(&self.readers);
        let (mut total, mut wanted) = (0, BTreeSet::new());
        while let Some(row) = rows.try_next().await? {
            if !folded(row.try_get("name")?).contains(contained) {
                continue;
            }
            if (page.offset..page.offset.saturating_add(page.size)).contains(&total) {
                wanted.insert(row.try_get::<i64, _>("id")?);
            }
            total += 1;
        }
        drop(rows);
        let text = format!("SELECT {COLUMNS} FROM tenant WHERE id IN ({}) ORDER BY {order}", numbers(&wanted));
        let rows = sqlx::query(AssertSqlSafe(text)).persistent(false).fetch_all(&self.readers).await?;
        Ok((rows.iter().map(item).collect::<Result<_, _>>()?, total))
    }

    /// Every child within reach that is not terminated.
    pub(in crate::platform) async fn minimal(&self, parent: i64, reach: &Reach) -> Result<Vec<Minimal>, Error> {
        let condition = condition(&[], reach);
        let rows = format!(
            "SELECT unique_id, name, mark_place, mark_uid FROM tenant \
             WHERE {condition} AND state <> 'TERMINATED' ORDER BY id",
        );
        let keeps = matches!(reach, Reach::All);
        let rows = sqlx::query(AssertSqlSafe(rows)).persistent(keeps).bind(parent).fetch_all(&self.readers).await?;
        rows.iter()
            .map(|row| {
                Ok(Minimal {
                    unique_id: row.try_get("unique_id")?,
                    name: row.try_get("name")?,
                    managed_by: mark(row.try_get("mark_place")?, row.try_get("mark_uid")?),
                })
            })
            .collect()
    }

    /// The numbers of those of a list of children that exist and are not terminated, by their unique ids.
    pub(in crate::platform) async fn living_children(
        &self,
        parent: i64,
        wanted: &[&str],
    ) -> Result<BTreeMap<String, i64>, Error> {
        let text = format!(
            "SELECT unique_id, id FROM tenant WHERE parent_id = $1 AND state <> 'TERMINATED' AND unique_id IN ({})",
            places()
        );
        numbers_of(&self.readers, &text, (parent, wanted)).await
    }

    /// How many children are not terminated.
    pub(in crate::platform) async fn living(&self, parent: i64) -> Result<i64, Error> {
        let count = sqlx::query("SELECT COUNT(*) AS total FROM tenant WHERE parent_id = $1 AND state <> 'TERMINATED'");
        Ok(count.bind(parent).fetch_one(&self.readers).await?.try_get("total")?)
    }
}

fn item(row: &AnyRow) -> Result<SearchItem, Error> {
    let state = state(&row.try_get::<String, _>("state")?)?;
    Ok(SearchItem {
        id: Some(row.try_get("id")?),
        unique_id: row.try_get("unique_id")?,
        name: row.try_get("name")?,
        activated: state == crate::wire::State::Active,
        updated_time: Some(time::wire(row.try_get("updated_at")?)),
        created_time: Some(time::wire(row.try_get("created_at")?)),
        created_by: Some(crate::platform::answer::person(row.try_get("created_by")?)),
        last_updated_by: Some(crate::platform::answer::person(row.try_get("updated_by")?)),
        status: Some(state),
        managed_by: mark(row.try_get("mark_place")?, row.try_get("mark_uid")?),
        revision: Some(row.try_get("updated_at")?),
    })
}

/// Unique id and settings of every child that is not terminated, in a write that holds the parent's lock.
pub(in crate::platform) async fn living_settings(tx: &mut Tx, parent: i64) -> Result<Vec<(String, Tenant)>, Error> {
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
            assert_eq!(folded(one), folded(other));
        }
    }

    #[test]
    fn filters_are_numbered_and_bound() {
        let filters = [Filter::Name("x' OR 1=1".to_owned()), Filter::Active(false)];
        assert_eq!(condition(&filters, &Reach::All), "parent_id = $1 AND name = $2 AND state <> $3");
        let filters = [Filter::NameContains("x".to_owned()), Filter::State(State::Suspended)];
        assert_eq!(condition(&filters, &Reach::All), "parent_id = $1 AND state = $2");
        let some = |numbers: &[i64]| Reach::Only(numbers.iter().copied().collect());
        assert_eq!(condition(&[], &some(&[7, 3])), "parent_id = $1 AND id IN (3, 7)");
        assert_eq!(condition(&[], &some(&[])), "parent_id = $1 AND id IN (-1)");
    }
}
