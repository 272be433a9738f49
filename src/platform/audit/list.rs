//! `GET /api/v2/tenants/{tenant}/audit`: the log of a tenant, page by page. Ours, absent under `--documented-only`.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::{Extension, Json};
use serde::Serialize;

use crate::platform::bounds::LOG_PAGE;
use crate::platform::error::Error;
use crate::platform::gate::Scope;
use crate::platform::people::lists::{span, terms};
use crate::platform::search::Paging;
use crate::platform::standing::{Act, admit};
use crate::platform::store::{Kept, Term, Value};
use crate::platform::{App, query, time};
use crate::wire::Envelope;

/// Keys of a search.
const KEYS: &[&str] = &["action", "actor", "outcome", "startDate", "endDate"];

/// A row as the API shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::platform) struct Entry {
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

impl Entry {
    fn of(Kept { row, hash, .. }: Kept) -> Self {
        Self {
            number: row.number,
            time: time::wire(row.at),
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

/// One page of the log, the newest first unless asked otherwise.
pub(in crate::platform) async fn list(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<Scope>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Envelope<Entry>>, Error> {
    let tenant = scope.tenant()?;
    admit(tenant, Act::Read)?;
    let raw = raw.unwrap_or_default();
    let terms = terms(&raw, KEYS, term)?;
    let paging = Paging::read_up_to(&raw, LOG_PAGE)?;
    if !matches!(paging.order.as_str(), "" | "number" | "time") {
        return Err(Error::field("sortName", "The list sorts by number or time, which is the same order"));
    }
    let (rows, total) = app.store.search_log(tenant.id, &terms, paging.part()).await?;
    let results = rows.into_iter().map(Entry::of).collect();
    Ok(Json(paging.envelope(results, total, "audit.number".to_owned())))
}

fn term(key: &str, value: &str) -> Result<Term, Error> {
    let text = |condition| Ok(Term(condition, Value::Text(value.to_owned())));
    match key {
        "action" => text("a.action = "),
        "actor" => text("a.actor = "),
        "startDate" => Ok(Term("a.at >= ", Value::Number(span(key, value)?.0))),
        "endDate" => Ok(Term("a.at < ", Value::Number(span(key, value)?.1))),
        _ if matches!(value, "done" | "denied") => text("a.outcome = "),
        _ => Err(query::refusal("outcome is done or denied")),
    }
}
