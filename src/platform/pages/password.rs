//! `/password`: a person's own password.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use maud::{Markup, html};

use super::form::{self, TOKEN};
use super::visitor::Visitor;
use super::{answer, or_refusal, refusal};
use crate::platform::audit::{Actor, RequestId};
use crate::platform::body::Strict;
use crate::platform::error::Error;
use crate::platform::factor::Owed;
use crate::platform::gate::Scope;
use crate::platform::login::source::Source;
use crate::platform::people::actions::change_password;
use crate::platform::{App, session};
use crate::wire::{Hidden, PasswordChange};

/// `GET /password`.
pub(super) async fn show(State(app): State<Arc<App>>, parts: Parts) -> Response {
    or_refusal(&app, shown(&app, &parts).await)
}

/// `POST /password`.
pub(super) async fn change(State(app): State<Arc<App>>, request: Request) -> Response {
    or_refusal(&app, changed(&app, request).await)
}

async fn shown(app: &App, parts: &Parts) -> Result<Response, Error> {
    match Visitor::at(app, (&parts.extensions, &parts.headers), Some(Owed::Password)).await? {
        Err(elsewhere) => Ok(elsewhere),
        Ok(visitor) => Ok(answer(StatusCode::OK, &visitor.look, "login", &content(&visitor, &[])?)),
    }
}

async fn changed(app: &Arc<App>, request: Request) -> Result<Response, Error> {
    let (parts, body) = request.into_parts();
    let visitor = match Visitor::at(app, (&parts.extensions, &parts.headers), Some(Owed::Password)).await? {
        Ok(visitor) => visitor,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let source = Source::of(&parts.extensions, &parts.headers, &app.proxies);
    let id = parts.extensions.get::<RequestId>().cloned();
    let mut form = form::read(Request::from_parts(parts, body), &visitor.key).await?;
    let wanted = PasswordChange {
        current_password: Hidden(form.take("current")),
        new_password: Hidden(form.take("new")),
        confirm_password: Hidden(form.take("again")),
    };
    let target = (visitor.tenant.unique_id.clone(), visitor.person()?.unique_id.clone());
    let scope = Scope::own(visitor.caller.clone(), visitor.tenant.clone(), source);
    let who = (Extension(scope.clone()), Actor::of(&scope, id.as_ref()));
    match change_password(State(Arc::clone(app)), who, Path(target), Strict(wanted)).await {
        Ok(_) => {
            let content = html! {
                main { p.notes role="status" { "The password was changed. " a href=(visitor.look.login()) { "Log in" } } }
            };
            let mut response = answer(StatusCode::OK, &visitor.look, "plain", &content);
            form::set(&mut response, (session::COOKIE, ""), "Lax", 0);
            Ok(response)
        }
        Err(Error::Fields(wrong)) => {
            let wrong: Vec<String> = wrong.into_iter().map(|wrong| wrong.message).collect();
            Ok(answer(StatusCode::BAD_REQUEST, &visitor.look, "login", &content(&visitor, &wrong)?))
        }
        Err(error) => Ok(refusal(&visitor.look, error)),
    }
}

fn content(visitor: &Visitor, wrong: &[String]) -> Result<Markup, Error> {
    Ok(html! {
        main {
            div.layer {
                h1 { "Change the password" }
                @if visitor.person()?.owes == Some(Owed::Password) { p { "Choose a new password before anything else." } }
            }
            form.fields method="post" action="/password" {
                @for wrong in wrong { p.wrong role="alert" { (wrong) "." } }
                input type="hidden" name=(TOKEN) value=(form::token(&visitor.key));
                input hidden name="username" autocomplete="username" value=(visitor.person()?.login_name);
                label { "Password of today" input name="current" type="password" autocomplete="current-password" required autofocus; }
                label { "New password" input name="new" type="password" autocomplete="new-password" required; }
                label { "New password again" input name="again" type="password" autocomplete="new-password" required; }
                button { "Change" }
            }
        }
    })
}
