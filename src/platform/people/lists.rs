//! Lists of users, and of their logins.

use std::sync::Arc;

use axum::extract::{RawQuery, State as Held};
use axum::{Extension, Json};

use super::users::listed;
use crate::platform::error::{Error, quote};
use crate::platform::gate::Scope;
use crate::platform::names::login_key;
use crate::platform::search::Paging;
use crate::platform::standing::{Act, admit};
use crate::platform::store::{Record, Term, UserOrder, Value};
use crate::platform::{App, query, time};
use crate::wire::{Envelope, Login, State, User};

/// `GET .../users/minimal`: a bare array of whoever is not terminated.
pub(in crate::platform) async fn minimal(
    Held(app): Held<Arc<App>>,
    Extension(scope): Extension<Scope>,
) -> Result<Json<Vec<User>>, Error> {
    let tenant = scope.tenant()?;
    admit(tenant, Act::Read)?;
    let people = app.store.people(tenant.id).await?;
    let short = |person| {
        let User { id, login_name, first_name, last_name, .. } = listed(tenant, &person);
        User { id, login_name, first_name, last_name, ..User::default() }
    };
    Ok(Json(people.into_iter().map(short).collect()))
}

/// Keys of a search for users.
const USER_KEYS: &[&str] = &[
    "uniqueId",
    "loginName",
    "firstName",
    "lastName",
    "mailId",
    "startCreationDate",
    "endCreationDate",
    "startUpdationDate",
    "endUpdationDate",
    "status",
];

/// `GET .../users/search`: tombstones are among them, since only `status` says which are wanted.
pub(in crate::platform) async fn search(
    Held(app): Held<Arc<App>>,
    Extension(scope): Extension<Scope>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Envelope<User>>, Error> {
    let tenant = scope.tenant()?;
    // The documentation promises that all users of an ended tenant go into the inactive state: somebody must be able to see it.
    admit(tenant, if app.extensions { Act::ReadPeople } else { Act::Read })?;
    let raw = raw.unwrap_or_default();
    let terms = terms(&raw, USER_KEYS, user_term)?;
    let paging = Paging::read(&raw)?;
    let (order, name) = match paging.order.as_str() {
        "" | "id" | "uniqueId" => (UserOrder::Id, "id"),
        "loginName" => (UserOrder::Login, "loginName"),
        "createdTime" => (UserOrder::Created, "createdTime"),
        "updatedTime" => (UserOrder::Updated, "updatedTime"),
        _ => return Err(Error::field("sortName", "The list sorts by id, loginName, createdTime or updatedTime")),
    };
    let (people, total) = app.store.search_people(tenant.id, (&terms, order), paging.part()).await?;
    let results = people.iter().map(|person| row(tenant, listed(tenant, person))).collect();
    Ok(Json(paging.envelope(results, total, format!("user.{name}"))))
}

/// A user as the list shows it: of an ended tenant nothing but who it was and that nobody of it is active.
fn row(tenant: &Record, user: User) -> User {
    if tenant.state != State::Terminated {
        return user;
    }
    let User { id, login_name, status, org_id, .. } = user;
    User { id, login_name, status, org_id, ..User::default() }
}

fn user_term(key: &str, value: &str) -> Result<Term, Error> {
    let text = |condition, value: &str| Term(condition, Value::Text(value.to_owned()));
    Ok(match key {
        "uniqueId" => text("unique_id = ", value),
        "loginName" => text("login_key = ", &login_key(value)),
        "firstName" => text("first_name = ", value),
        "lastName" => text("last_name = ", value),
        "mailId" => text("email = ", value),
        "startCreationDate" => Term("created_at >= ", Value::Number(span(key, value)?.0)),
        "endCreationDate" => Term("created_at < ", Value::Number(span(key, value)?.1)),
        "startUpdationDate" => Term("updated_at >= ", Value::Number(span(key, value)?.0)),
        "endUpdationDate" => Term("updated_at < ", Value::Number(span(key, value)?.1)),
        _ => match value {
            "active" => text("status = ", "ACTIVE"),
            "inactive" => text("status <> ", "ACTIVE"),
            _ => return Err(query::refusal(format!("status {} is neither active nor inactive", quote(value)))),
        },
    })
}

/// Keys of a search for logins.
const LOGIN_KEYS: &[&str] = &["id", "loginName", "startLoginDate", "endLoginDate", "startLogoutDate", "endLogoutDate"];

/// `GET .../users/loginHistory/search`.
pub(in crate::platform) async fn logins(
    Held(app): Held<Arc<App>>,
    Extension(scope): Extension<Scope>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Envelope<Login>>, Error> {
    let tenant = scope.tenant()?;
    admit(tenant, Act::Read)?;
    let raw = raw.unwrap_or_default();
    let terms = terms(&raw, LOGIN_KEYS, login_term)?;
    let paging = Paging::read(&raw)?;
    if !matches!(paging.order.as_str(), "" | "id" | "loginTime") {
        return Err(Error::field("sortName", "The list sorts by id or loginTime, which is the same order"));
    }
    let (results, total) = app.store.search_logins(tenant, &terms, paging.part()).await?;
    Ok(Json(paging.envelope(results, total, "loginHistory.id".to_owned())))
}

fn login_term(key: &str, value: &str) -> Result<Term, Error> {
    Ok(match key {
        "loginName" => Term("u.login_key = ", Value::Text(login_key(value))),
        "startLoginDate" => Term("l.login_at >= ", Value::Number(span(key, value)?.0)),
        "endLoginDate" => Term("l.login_at < ", Value::Number(span(key, value)?.1)),
        "startLogoutDate" => Term("l.logout_at >= ", Value::Number(span(key, value)?.0)),
        "endLogoutDate" => Term("l.logout_at < ", Value::Number(span(key, value)?.1)),
        _ => {
            let number = value.parse().map_err(|_| query::refusal(format!("id {} is not a number", quote(value))))?;
            Term("l.id = ", Value::Number(number))
        }
    })
}

/// The terms of a request's `queryString`.
pub(in crate::platform) fn terms(
    raw: &str,
    keys: &[&str],
    term: impl Fn(&str, &str) -> Result<Term, Error>,
) -> Result<Vec<Term>, Error> {
    let text = query::parameter(raw, "queryString").unwrap_or_default();
    query::pairs(text, keys)?.iter().map(|(key, value)| term(key, value)).collect()
}

/// The first millisecond of a date or time, and the one after its last.
pub(in crate::platform) fn span(key: &str, value: &str) -> Result<(i64, i64), Error> {
    time::span(value).ok_or_else(|| query::not_a_date(key, value))
}
