//! `/login` and `/login/{tenant}`: the login form and its handler. The tenant only selects the theme: a login name is
//! unique on the platform.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};

use super::form::{self, FORM_COOKIE, TOKEN_FIELD};
use super::theme::Theme;
use super::{error_page, html_response, or_error_page};
use crate::audit::RequestId;
use crate::error::ApiError;
use crate::login_policy::request_source::RequestSource;
use crate::mfa::RequiredAction;
use crate::people::authentication::{LoginContext, authenticate, log_out, start_user_session};
use crate::store::SessionCarrier;
use crate::{App, credential, query_string, session};

/// Seconds for which a form stays valid.
const FORM_LIFETIME: u64 = 12 * 60 * 60;

/// `GET /login`, with the theme of the tenant in `?tenant=`.
pub(super) async fn show_login_page(
    State(app): State<Arc<App>>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
) -> Response {
    let tenant =
        query_string::query_parameter(raw.as_deref().unwrap_or_default(), "tenant").filter(|tenant| !tenant.is_empty());
    or_error_page(&app, render_login_page(&app, tenant, raw.as_deref(), &headers).await)
}

/// `GET /login/{tenant}`.
pub(super) async fn show_tenant_login_page(
    State(app): State<Arc<App>>,
    Path(tenant): Path<String>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
) -> Response {
    or_error_page(&app, render_login_page(&app, Some(&tenant), raw.as_deref(), &headers).await)
}

/// `POST /login`.
pub(super) async fn submit_login(State(app): State<Arc<App>>, request: Request) -> Response {
    or_error_page(&app, handle_login(&app, None, request).await)
}

/// `POST /login/{tenant}`.
pub(super) async fn submit_tenant_login(
    State(app): State<Arc<App>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Response {
    or_error_page(&app, handle_login(&app, Some(&tenant), request).await)
}

async fn render_login_page(
    app: &App,
    tenant: Option<&str>,
    raw: Option<&str>,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let theme = Theme::for_tenant_id(app, tenant).await?;
    let denied = query_string::query_parameter(raw.unwrap_or_default(), "consent") == Some("denied");
    let word = denied.then_some("You denied the consent form, so you were logged out. Log in again to accept it.");
    let cookie = form::find_cookie(headers, FORM_COOKIE).map_or_else(credential::random_session_key, str::to_owned);
    let mut response = html_response(StatusCode::OK, &theme, "login", &login_form(&theme, &cookie, word));
    form::set_cookie(&mut response, FORM_COOKIE, &cookie, "Strict", FORM_LIFETIME);
    Ok(response)
}

async fn handle_login(app: &App, tenant: Option<&str>, request: Request) -> Result<Response, ApiError> {
    let theme = Theme::for_tenant_id(app, tenant).await?;
    let source = RequestSource::from_request(request.extensions(), request.headers(), &app.proxies);
    let cookie = form::find_cookie(request.headers(), FORM_COOKIE).unwrap_or_default().to_owned();
    let before = session::session_key(request.headers()).map(str::to_owned);
    let id = request.extensions().get::<RequestId>().cloned();
    let headers = request.headers().clone();
    let mut form = match form::read_form(request, &cookie).await {
        Ok(form) => form,
        Err(ApiError::CrossSiteRequest) if session::is_same_site(&headers) => {
            return retry_login_page(app, &theme, &headers, FormRejection::Expired).await;
        }
        Err(ApiError::Fields(_)) => return retry_login_page(app, &theme, &headers, FormRejection::TooLong).await,
        Err(error) => return Err(error),
    };
    let (name, password) = (form.take_field("login"), form.take_field("password"));
    let via = LoginContext { carrier: SessionCarrier::Cookie, source, request: id.as_ref() };
    let proved = match authenticate(app, name.trim(), password.into(), via).await {
        Ok(proved) => proved,
        Err(ApiError::BadLogin) => {
            let wrong = "The login name or the password is wrong.";
            return Ok(html_response(
                StatusCode::UNAUTHORIZED,
                &theme,
                "login",
                &login_form(&theme, &cookie, Some(wrong)),
            ));
        }
        Err(error) => return Ok(error_page(&theme, error)),
    };
    let lifetime = app.login.lifetime;
    let key =
        start_user_session(app, &proved, via, i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX / 4)).await?;
    if let Some(before) = before {
        log_out(app, &before, id.as_ref()).await?;
    }
    let next_action = session::required_action(app, &key).await?;
    let mut response = Redirect::to(next_action.map_or("/", RequiredAction::page_path)).into_response();
    form::set_cookie(&mut response, session::SESSION_COOKIE, &key, "Lax", lifetime.as_secs());
    form::set_cookie(&mut response, FORM_COOKIE, "", "Strict", 0);
    Ok(response)
}

/// Why a login form is rejected.
#[derive(Clone, Copy)]
enum FormRejection {
    /// The form belongs to another cookie, or the browser sent none.
    Expired,
    /// The form is longer than any name and password.
    TooLong,
}

/// Handles a rejected form: redirects to the first page if the browser already has a session, for example after a login
/// in another tab. Otherwise shows a new form with the reason.
async fn retry_login_page(
    app: &App,
    theme: &Theme,
    headers: &HeaderMap,
    rejection: FormRejection,
) -> Result<Response, ApiError> {
    if session::find_session(app, headers).await?.is_some() {
        return Ok(Redirect::to("/").into_response());
    }
    let kept = form::find_cookie(headers, FORM_COOKIE);
    let (status, word) = match (rejection, kept) {
        (FormRejection::TooLong, _) => {
            (StatusCode::BAD_REQUEST, "The form is longer than 16 KiB. A password has at most 1,024 characters.")
        }
        (FormRejection::Expired, Some(_)) => (StatusCode::FORBIDDEN, "This form was too old. Log in here."),
        (FormRejection::Expired, None) => (
            StatusCode::FORBIDDEN,
            "Your browser sent no cookie of this form. Browsers keep it over https only, or from the machine itself: open this \
             page by an address that begins with https, and allow cookies. If you did, the form was too old; log in here.",
        ),
    };
    let cookie = kept.map_or_else(credential::random_session_key, str::to_owned);
    let mut response = html_response(status, theme, "login", &login_form(theme, &cookie, Some(word)));
    form::set_cookie(&mut response, FORM_COOKIE, &cookie, "Strict", FORM_LIFETIME);
    Ok(response)
}

fn login_form(theme: &Theme, cookie: &str, wrong: Option<&str>) -> Markup {
    html! {
        main {
            div.layer {
                @if let Some(logo) = theme.logo() { img src=(logo.logo_path) alt=(theme.title()); }
                h1 { (theme.header()) }
                @if let Some(text) = &theme.branding.login_page_sub_header_text { p { (text) } }
            }
            form.fields method="post" action=(theme.login_path()) {
                @if let Some(wrong) = wrong { p.wrong role="alert" { (wrong) } }
                input type="hidden" name=(TOKEN_FIELD) value=(form::form_token(cookie));
                label { "Login name" input name="login" autocomplete="username" required autofocus; }
                label { "Password" input name="password" type="password" autocomplete="current-password" required; }
                button { "Log in" }
            }
            @if let Some(url) = theme.documentation_url() {
                p.notes { a href=(url) rel="noopener noreferrer" { "Documentation" } }
            }
        }
    }
}
