//! Lists of users and of their logins.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::{Extension, Json};
use tenantry_wire::{LoginHistoryEntry, PageEnvelope, User, WireTenantState};

use super::users::user_list_item;
use crate::authorize::RequestScope;
use crate::error::{ApiError, quote};
use crate::name_normalization::login_key;
use crate::store::{TenantRecord, Term, TermValue, UserOrder};
use crate::tenant_availability::{TenantOperation, ensure_tenant_accepts};
use crate::tenant_search::Paging;
use crate::{App, query_string, time};

/// `GET .../users/minimal`: a bare array of the users who are not terminated.
pub(crate) async fn list_minimal_users(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
) -> Result<Json<Vec<User>>, ApiError> {
    let tenant = scope.tenant()?;
    ensure_tenant_accepts(tenant, TenantOperation::Read)?;
    let people = app.store.list_people(tenant.id).await?;
    let short = |person| {
        let User { id, login_name, first_name, last_name, .. } = user_list_item(tenant, &person);
        User { id, login_name, first_name, last_name, ..User::default() }
    };
    Ok(Json(people.into_iter().map(short).collect()))
}

/// Search keys for users.
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

/// `GET .../users/search`: includes tombstones, since only `status` selects.
pub(crate) async fn search_users(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    RawQuery(raw): RawQuery,
) -> Result<Json<PageEnvelope<User>>, ApiError> {
    let tenant = scope.tenant()?;
    // The documentation promises that all users of a terminated tenant become inactive, so the list must stay readable.
    ensure_tenant_accepts(
        tenant,
        if app.has_extensions { TenantOperation::ReadPeople } else { TenantOperation::Read },
    )?;
    let raw = raw.unwrap_or_default();
    let terms = parse_terms(&raw, USER_KEYS, user_term)?;
    let paging = Paging::parse(&raw)?;
    let (order, name) = match paging.order.as_str() {
        "" | "id" | "uniqueId" => (UserOrder::Id, "id"),
        "loginName" => (UserOrder::Login, "loginName"),
        "createdTime" => (UserOrder::Created, "createdTime"),
        "updatedTime" => (UserOrder::Updated, "updatedTime"),
        _ => return Err(ApiError::field("sortName", "The list sorts by id, loginName, createdTime or updatedTime")),
    };
    let (people, total) = app.store.search_people(tenant.id, &terms, order, paging.range()).await?;
    let results = people.iter().map(|person| visible_fields(tenant, user_list_item(tenant, person))).collect();
    Ok(Json(paging.envelope(results, total, format!("user.{name}"))))
}

/// Returns a user as the list shows it. For a terminated tenant that is only the identity and that the user is
/// inactive.
fn visible_fields(tenant: &TenantRecord, user: User) -> User {
    if tenant.state != WireTenantState::Terminated {
        return user;
    }
    let User { id, login_name, status, org_id, .. } = user;
    User { id, login_name, status, org_id, ..User::default() }
}

fn user_term(key: &str, value: &str) -> Result<Term, ApiError> {
    let text = |condition, value: &str| Term(condition, TermValue::Text(value.to_owned()));
    Ok(match key {
        "uniqueId" => text("unique_id = ", value),
        "loginName" => text("login_key = ", &login_key(value)),
        "firstName" => text("first_name = ", value),
        "lastName" => text("last_name = ", value),
        "mailId" => text("email = ", value),
        "startCreationDate" => Term("created_at >= ", TermValue::Number(parse_date_span(key, value)?.0)),
        "endCreationDate" => Term("created_at < ", TermValue::Number(parse_date_span(key, value)?.1)),
        "startUpdationDate" => Term("updated_at >= ", TermValue::Number(parse_date_span(key, value)?.0)),
        "endUpdationDate" => Term("updated_at < ", TermValue::Number(parse_date_span(key, value)?.1)),
        _ => match value {
            "active" => text("status = ", "ACTIVE"),
            "inactive" => text("status <> ", "ACTIVE"),
            _ => {
                return Err(query_string::query_error(format!(
                    "status {} is neither active nor inactive",
                    quote(value)
                )));
            }
        },
    })
}

/// Search keys for logins.
const LOGIN_KEYS: &[&str] = &["id", "loginName", "startLoginDate", "endLoginDate", "startLogoutDate", "endLogoutDate"];

/// `GET .../users/loginHistory/search`.
pub(crate) async fn search_logins(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    RawQuery(raw): RawQuery,
) -> Result<Json<PageEnvelope<LoginHistoryEntry>>, ApiError> {
    let tenant = scope.tenant()?;
    ensure_tenant_accepts(tenant, TenantOperation::Read)?;
    let raw = raw.unwrap_or_default();
    let terms = parse_terms(&raw, LOGIN_KEYS, login_term)?;
    let paging = Paging::parse(&raw)?;
    if !matches!(paging.order.as_str(), "" | "id" | "loginTime") {
        return Err(ApiError::field("sortName", "The list sorts by id or loginTime, which is the same order"));
    }
    let (results, total) = app.store.search_logins(tenant, &terms, paging.range()).await?;
    Ok(Json(paging.envelope(results, total, "loginHistory.id".to_owned())))
}

fn login_term(key: &str, value: &str) -> Result<Term, ApiError> {
    Ok(match key {
        "loginName" => Term("u.login_key = ", TermValue::Text(login_key(value))),
        "startLoginDate" => Term("l.login_at >= ", TermValue::Number(parse_date_span(key, value)?.0)),
        "endLoginDate" => Term("l.login_at < ", TermValue::Number(parse_date_span(key, value)?.1)),
        "startLogoutDate" => Term("l.logout_at >= ", TermValue::Number(parse_date_span(key, value)?.0)),
        "endLogoutDate" => Term("l.logout_at < ", TermValue::Number(parse_date_span(key, value)?.1)),
        _ => {
            let number =
                value.parse().map_err(|_| query_string::query_error(format!("id {} is not a number", quote(value))))?;
            Term("l.id = ", TermValue::Number(number))
        }
    })
}

/// Parses the terms of a request's `queryString`.
pub(crate) fn parse_terms(
    raw: &str,
    keys: &[&str],
    term: impl Fn(&str, &str) -> Result<Term, ApiError>,
) -> Result<Vec<Term>, ApiError> {
    let text = query_string::query_parameter(raw, "queryString").unwrap_or_default();
    query_string::parse_pairs(text, keys)?.iter().map(|(key, value)| term(key, value)).collect()
}

/// Returns the first millisecond of a date or time, and the one after its last.
pub(crate) fn parse_date_span(key: &str, value: &str) -> Result<(i64, i64), ApiError> {
    time::parse_span(value).ok_or_else(|| query_string::not_a_date_error(key, value))
}
