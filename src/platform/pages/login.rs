//! `/login` and `/login/{tenant}`: the form, and what becomes of it. The tenant chooses the look only: a login name is
//! unique over the platform.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};

use super::brand::Look;
use super::form::{self, BEFORE, TOKEN};
use super::{answer, or_refusal, refusal};
use crate::platform::audit::RequestId;
use crate::platform::error::Error;
use crate::platform::factor::Owed;
use crate::platform::login::source::Source;
use crate::platform::people::login::{Via, log_out, prove, start};
use crate::platform::store::Carrier;
use crate::platform::{App, credential, query, session};

/// Seconds that a form may stand open.
const OPEN: u64 = 12 * 60 * 60;

/// `GET /login`, with `?tenant=` in a tenant's look.
pub(super) async fn show(State(app): State<Arc<App>>, RawQuery(raw): RawQuery, headers: HeaderMap) -> Response {
    let tenant = query::parameter(raw.as_deref().unwrap_or_default(), "tenant").filter(|tenant| !tenant.is_empty());
    or_refusal(&app, shown(&app, tenant, (raw.as_deref(), &headers)).await)
}

/// `GET /login/{tenant}`.
pub(super) async fn show_of(
    State(app): State<Arc<App>>,
    Path(tenant): Path<String>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
) -> Response {
    or_refusal(&app, shown(&app, Some(&tenant), (raw.as_deref(), &headers)).await)
}

/// `POST /login`.
pub(super) async fn log_in(State(app): State<Arc<App>>, request: Request) -> Response {
    or_refusal(&app, logged_in(&app, None, request).await)
}

/// `POST /login/{tenant}`.
pub(super) async fn log_in_of(State(app): State<Arc<App>>, Path(tenant): Path<String>, request: Request) -> Response {
    or_refusal(&app, logged_in(&app, Some(&tenant), request).await)
}

async fn shown(app: &App, tenant: Option<&str>, (raw, headers): (Option<&str>, &HeaderMap)) -> Result<Response, Error> {
    let look = Look::named(app, tenant).await?;
    let denied = query::parameter(raw.unwrap_or_default(), "consent") == Some("denied");
    let word = denied.then_some("You denied the consent form, so you were logged out. Log in again to accept it.");
    let cookie = form::cookie(headers, BEFORE).map_or_else(credential::random_session, str::to_owned);
    let mut response = answer(StatusCode::OK, &look, "login", &content(&look, &cookie, word));
    form::set(&mut response, (BEFORE, &cookie), "Strict", OPEN);
    Ok(response)
}

async fn logged_in(app: &App, tenant: Option<&str>, request: Request) -> Result<Response, Error> {
    let look = Look::named(app, tenant).await?;
    let source = Source::of(request.extensions(), request.headers(), &app.proxies);
    let cookie = form::cookie(request.headers(), BEFORE).unwrap_or_default().to_owned();
    let before = session::key(request.headers()).map(str::to_owned);
    let id = request.extensions().get::<RequestId>().cloned();
    let headers = request.headers().clone();
    let mut form = match form::read(request, &cookie).await {
        Ok(form) => form,
        Err(Error::OtherSite) if session::same_site(&headers) => return again(app, &look, &headers, Why::Old).await,
        Err(Error::Fields(_)) => return again(app, &look, &headers, Why::Long).await,
        Err(error) => return Err(error),
    };
    let (name, password) = (form.take("login"), form.take("password"));
    let via = Via { carrier: Carrier::Cookie, source, request: id.as_ref() };
    let proved = match prove(app, (name.trim(), password.into()), via).await {
        Ok(proved) => proved,
        Err(Error::BadLogin) => {
            let wrong = "The login name or the password is wrong.";
            return Ok(answer(StatusCode::UNAUTHORIZED, &look, "login", &content(&look, &cookie, Some(wrong))));
        }
        Err(error) => return Ok(refusal(&look, error)),
    };
    let lifetime = app.login.lifetime;
    let key = start(app, &proved, via, i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX / 4)).await?;
    if let Some(before) = before {
        log_out(app, &before, id.as_ref()).await?;
    }
    let owes = session::owes(app, &key).await?;
    let mut response = Redirect::to(owes.map_or("/", Owed::page)).into_response();
    form::set(&mut response, (session::COOKIE, &key), "Lax", lifetime.as_secs());
    form::set(&mut response, (BEFORE, ""), "Strict", 0);
    Ok(response)
}

/// Why a login form cannot be taken.
#[derive(Clone, Copy)]
enum Why {
    /// It belongs to another cookie, or the browser sent none.
    Old,
    /// It is longer than any name and password.
    Long,
}

/// What a form that cannot be taken leads to: where the browser has a session already, as after a login in another tab, to the
/// first page, otherwise to a fresh form that says why.
async fn again(app: &App, look: &Look, headers: &HeaderMap, why: Why) -> Result<Response, Error> {
    if session::holder(app, headers).await?.is_some() {
        return Ok(Redirect::to("/").into_response());
    }
    let kept = form::cookie(headers, BEFORE);
    let (status, word) = match (why, kept) {
        (Why::Long, _) => {
            (StatusCode::BAD_REQUEST, "The form is longer than 16 KiB. A password has at most 1,024 characters.")
        }
        (Why::Old, Some(_)) => (StatusCode::FORBIDDEN, "This form was too old. Log in here."),
        (Why::Old, None) => (
            StatusCode::FORBIDDEN,
            "Your browser sent no cookie of this form. Browsers keep it over https only, or from the machine itself: open this \
             page by an address that begins with https, and allow cookies. If you did, the form was too old; log in here.",
        ),
    };
    let cookie = kept.map_or_else(credential::random_session, str::to_owned);
    let mut response = answer(status, look, "login", &content(look, &cookie, Some(word)));
    form::set(&mut response, (BEFORE, &cookie), "Strict", OPEN);
    Ok(response)
}

fn content(look: &Look, cookie: &str, wrong: Option<&str>) -> Markup {
    html! {
        main {
            div.layer {
                @if let Some(logo) = look.logo() { img src=(logo.logo_path) alt=(look.title()); }
                h1 { (look.header()) }
                @if let Some(text) = &look.branding.login_page_sub_header_text { p { (text) } }
            }
            form.fields method="post" action=(look.login()) {
                @if let Some(wrong) = wrong { p.wrong role="alert" { (wrong) } }
                input type="hidden" name=(TOKEN) value=(form::token(cookie));
                label { "Login name" input name="login" autocomplete="username" required autofocus; }
                label { "Password" input name="password" type="password" autocomplete="current-password" required; }
                button { "Log in" }
            }
            @if let Some(url) = look.documentation() {
                p.notes { a href=(url) rel="noopener noreferrer" { "Documentation" } }
            }
        }
    }
}
