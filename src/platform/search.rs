//! `GET .../search`: the paginated list.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::{Extension, Json};

use super::bounds::PAGE;
use super::error::Error;
use super::gate::Scope;
use super::standing::{Act, admit};
use super::store::{Kind, Order, Page, Part};
use super::{App, query};
use crate::wire::{Envelope, SearchItem};

/// Rows of a page unless asked otherwise.
const SIZE: i64 = 100;

/// One page of a tenant's children. Tombstones are among them, since only `activeStatus` says which are wanted.
pub(super) async fn search(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<Scope>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Envelope<SearchItem>>, Error> {
    let parent = scope.tenant()?;
    admit(parent, Act::Read)?;
    let raw = raw.unwrap_or_default();
    let filters = query::filters(query::parameter(&raw, "queryString").unwrap_or_default(), app.extensions)?;
    let paging = Paging::read(&raw)?;
    let (order, name) = order(&paging.order)?;
    let Part { descending, size, offset } = paging.part();
    let page = Page { reach: scope.reach(), order, descending, size, offset };
    let (mut results, total) = app.store.search(parent.id, &filters, page).await?;
    if !app.extensions {
        for row in &mut results {
            (row.status, row.managed_by, row.revision) = (None, None, None);
        }
    }
    let prefix = if parent.kind.below() == Kind::Client { "client" } else { "msp" };
    Ok(Json(paging.envelope(results, total, format!("{prefix}.{name}"))))
}

/// Which page of a list is asked for, and in which order.
pub(super) struct Paging {
    number: i64,
    size: i64,
    descending: bool,
    /// Name of the column of the order, without what stands before its last dot; empty where none was named.
    pub(super) order: String,
}

impl Paging {
    /// Of a raw query.
    pub(super) fn read(raw: &str) -> Result<Self, Error> {
        Self::read_up_to(raw, PAGE)
    }

    /// The same where a page has fewer rows.
    pub(super) fn read_up_to(raw: &str, most: i64) -> Result<Self, Error> {
        let order = query::parameter(raw, "sortName").unwrap_or_default();
        Ok(Self {
            number: number(raw, "pageNo", 1, 1..=1_000_000)?,
            size: number(raw, "pageSize", SIZE.min(most), 1..=most)?,
            descending: descending(raw)?,
            order: order.rsplit('.').next().unwrap_or_default().to_owned(),
        })
    }

    /// The part of the list.
    pub(super) fn part(&self) -> Part {
        Part { descending: self.descending, size: self.size, offset: (self.number - 1) * self.size }
    }

    /// The answer.
    pub(super) fn envelope<T>(&self, results: Vec<T>, total: i64, order_by: String) -> Envelope<T> {
        let Self { number, size, descending, order: _ } = *self;
        let pages = (total + size - 1) / size;
        Envelope {
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

fn number(raw: &str, name: &str, default: i64, range: std::ops::RangeInclusive<i64>) -> Result<i64, Error> {
    let Some(text) = query::parameter(raw, name).filter(|text| !text.is_empty()) else { return Ok(default) };
    text.parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| Error::field(name, format!("The number must be {} to {}", range.start(), range.end())))
}

fn order(name: &str) -> Result<(Order, &'static str), Error> {
    match name {
        "" | "id" | "uniqueId" => Ok((Order::Id, "id")),
        "name" => Ok((Order::Name, "name")),
        "createdTime" => Ok((Order::Created, "createdTime")),
        "updatedTime" => Ok((Order::Updated, "updatedTime")),
        _ => Err(Error::field("sortName", "The list sorts by id, name, createdTime or updatedTime")),
    }
}

fn descending(raw: &str) -> Result<bool, Error> {
    match query::parameter(raw, "isDescendingOrder").unwrap_or_default() {
        "" | "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Error::field("isDescendingOrder", "The value is true or false")),
    }
}
