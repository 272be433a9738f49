//! `/`: the first page after login, and `POST /logout`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};

use super::form::{self, TOKEN};
use super::menus::{Entry, entries};
use super::visitor::Visitor;
use super::{answer, answer_with_script, or_refusal};
use crate::platform::audit::RequestId;
use crate::platform::error::Error;
use crate::platform::people::login::log_out as end;
use crate::platform::subscription::Subscription;
use crate::platform::{App, session};

/// `GET /`.
pub(super) async fn show(State(app): State<Arc<App>>, parts: Parts) -> Response {
    or_refusal(&app, shown(&app, &parts).await)
}

async fn shown(app: &App, parts: &Parts) -> Result<Response, Error> {
    let visitor = match Visitor::at(app, (&parts.extensions, &parts.headers), None).await? {
        Ok(visitor) => visitor,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let has = Subscription::of_record(&visitor.tenant);
    let content = html! {
        (frame(&visitor)?)
        main {
            h1 { "Account details" }
            dl {
                dt { "Name" } dd { (visitor.tenant.name) }
                dt { "Unique Id" } dd { span data-copy="unique id" { (visitor.tenant.unique_id) } }
                dt { "Packages" }
                @for package in has.packages() { dd { (package.wire()) } }
                (duo(&visitor))
            }
        }
    };
    Ok(if visitor.tenant.settings.show_copy_clip_board == Some(true) {
        answer_with_script(&visitor.look, "home", &content)
    } else {
        answer(StatusCode::OK, &visitor.look, "home", &content)
    })
}

/// What the tenant has at Duo; the secret key is on no page.
fn duo(visitor: &Visitor) -> Markup {
    let duo = visitor.tenant.settings.duo_security.as_ref();
    let rows = [
        ("Duo integration key", duo.and_then(|duo| duo.integration_key.as_deref())),
        ("Duo API hostname", duo.and_then(|duo| duo.api_host_name.as_deref())),
    ];
    html! { @for (name, value) in rows { @if let Some(value) = value { dt { (name) } dd { (value) } } } }
}

/// The navigation bar and the menus.
pub(super) fn frame(visitor: &Visitor) -> Result<Markup, Error> {
    let look = &visitor.look;
    let entries = entries(&Subscription::of_record(&visitor.tenant));
    let of = |menu: &str| -> Vec<Entry> { entries.iter().filter(|entry| entry.menu == menu).copied().collect() };
    Ok(html! {
        header.bar {
            @if let Some(logo) = look.logo() { img src=(logo.logo_path) alt=""; }
            span.name { (look.title()) }
            span { (visitor.person()?.login_name) }
            form method="post" action="/logout" {
                input type="hidden" name=(TOKEN) value=(form::token(&visitor.key));
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
            @if let Some(url) = look.documentation() { a href=(url) rel="noopener noreferrer" { "Documentation" } }
        }
    })
}

/// `POST /logout`.
pub(super) async fn log_out(State(app): State<Arc<App>>, request: Request) -> Response {
    or_refusal(&app, logged_out(&app, request).await)
}

async fn logged_out(app: &App, request: Request) -> Result<Response, Error> {
    let Some(key) = session::key(request.headers()).map(str::to_owned) else {
        return Ok(Redirect::to("/login").into_response());
    };
    let id = request.extensions().get::<RequestId>().cloned();
    form::read(request, &key).await?;
    end(app, &key, id.as_ref()).await?;
    let mut response = Redirect::to("/login").into_response();
    form::set(&mut response, (session::COOKIE, ""), "Lax", 0);
    let clear = HeaderValue::from_static("\"cache\", \"cookies\", \"storage\"");
    response.headers_mut().insert(HeaderName::from_static("clear-site-data"), clear);
    Ok(response)
}
