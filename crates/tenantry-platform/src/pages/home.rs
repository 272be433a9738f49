//! `/`: the first page after a login, and `POST /logout`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};

use super::form::{self, TOKEN_FIELD};
use super::menus::{MenuEntry, visible_entries};
use super::page_session::PageSession;
use super::{html_response, html_response_with_script, or_error_page};
use crate::audit::RequestId;
use crate::error::ApiError;
use crate::people::authentication::log_out as end;
use crate::subscription::Subscription;
use crate::{App, session};

/// `GET /`.
pub(super) async fn show_home_page(State(app): State<Arc<App>>, parts: Parts) -> Response {
    or_error_page(&app, render_home_page(&app, &parts).await)
}

async fn render_home_page(app: &App, parts: &Parts) -> Result<Response, ApiError> {
    let session = match PageSession::open_page(app, &parts.extensions, &parts.headers, None).await? {
        Ok(visitor) => visitor,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let has = Subscription::of_tenant(&session.tenant);
    let content = html! {
        (navigation(&session)?)
        main {
            h1 { "Account details" }
            dl {
                dt { "Name" } dd { (session.tenant.name) }
                dt { "Unique Id" } dd { span data-copy="unique id" { (session.tenant.unique_id) } }
                dt { "Packages" }
                @for package in has.packages() { dd { (package.wire_name()) } }
                (duo_details(&session))
            }
        }
    };
    Ok(if session.tenant.settings.show_copy_clip_board == Some(true) {
        html_response_with_script(&session.theme, "home", &content)
    } else {
        html_response(StatusCode::OK, &session.theme, "home", &content)
    })
}

/// Renders the tenant's Duo settings. The secret key is on no page.
fn duo_details(session: &PageSession) -> Markup {
    let duo = session.tenant.settings.duo_security.as_ref();
    let rows = [
        ("Duo integration key", duo.and_then(|duo| duo.integration_key.as_deref())),
        ("Duo API hostname", duo.and_then(|duo| duo.api_host_name.as_deref())),
    ];
    html! { @for (name, value) in rows { @if let Some(value) = value { dt { (name) } dd { (value) } } } }
}

/// Renders the navigation bar and the menus.
pub(super) fn navigation(session: &PageSession) -> Result<Markup, ApiError> {
    let theme = &session.theme;
    let entries = visible_entries(&Subscription::of_tenant(&session.tenant));
    let of = |menu: &str| -> Vec<MenuEntry> { entries.iter().filter(|entry| entry.menu == menu).copied().collect() };
    Ok(html! {
        header.bar {
            @if let Some(logo) = theme.logo() { img src=(logo.logo_path) alt=""; }
            span.name { (theme.title()) }
            span { (session.person()?.login_name) }
            form method="post" action="/logout" {
                input type="hidden" name=(TOKEN_FIELD) value=(form::form_token(&session.key));
                button { "Log out" }
            }
        }
        nav.menus {
            @for menu in ["Setup", "Workspace"] {
                div {
                    strong { (menu) }
                    ul { @for entry in of(menu) { li { a href=(entry.path) { (entry.name) } } } }
                }
            }
            a href="/password" { "Change password" }
            @if let Some(url) = theme.documentation_url() { a href=(url) rel="noopener noreferrer" { "Documentation" } }
        }
    })
}

/// `POST /logout`.
pub(super) async fn submit_logout(State(app): State<Arc<App>>, request: Request) -> Response {
    or_error_page(&app, handle_logout(&app, request).await)
}

async fn handle_logout(app: &App, request: Request) -> Result<Response, ApiError> {
    let Some(key) = session::session_key(request.headers()).map(str::to_owned) else {
        return Ok(Redirect::to("/login").into_response());
    };
    let id = request.extensions().get::<RequestId>().cloned();
    form::read_form(request, &key).await?;
    end(app, &key, id.as_ref()).await?;
    let mut response = Redirect::to("/login").into_response();
    form::set_cookie(&mut response, session::SESSION_COOKIE, "", "Lax", 0);
    let clear = HeaderValue::from_static("\"cache\", \"cookies\", \"storage\"");
    response.headers_mut().insert(HeaderName::from_static("clear-site-data"), clear);
    Ok(response)
}
