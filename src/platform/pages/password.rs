//! `/password`: a person's own password.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};

use super::factor::leave;
use super::form::{self, TOKEN};
use super::visitor::Visitor;
use super::{answer, or_refusal, refusal};
use crate::platform::audit::{Actor, RequestId};
use crate::platform::body::Strict;
use crate::platform::error::Error;
use crate::platform::factor::{Method, Owed, Proof, proof};
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
    let proof = match proven(app, &visitor, &form.take("code"), id.as_ref()).await {
        Ok(proof) => proof,
        Err(Error::ProveAgain) => {
            return refused(&visitor, StatusCode::UNAUTHORIZED, &["The code was not taken".to_owned()]);
        }
        Err(error) => return Ok(refusal(&visitor.look, error)),
    };
    let target = (visitor.tenant.unique_id.clone(), visitor.person()?.unique_id.clone());
    let scope = Scope::own(visitor.caller.clone(), visitor.tenant.clone(), source, proof);
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
            refused(&visitor, StatusCode::BAD_REQUEST, &wrong)
        }
        // Duo is asked on its own page, and without a code so is an app.
        Err(Error::ProveAgain) => Ok(Redirect::to("/factor").into_response()),
        Err(error) => Ok(refusal(&visitor.look, error)),
    }
}

/// The form once more, with what is wrong.
fn refused(visitor: &Visitor, status: StatusCode, wrong: &[String]) -> Result<Response, Error> {
    Ok(answer(status, &visitor.look, "login", &content(visitor, wrong)?))
}

/// Whether the change asks for a code along with the password of today: a person who owes the change has just shown one.
fn asks_for_code(visitor: &Visitor) -> Result<bool, Error> {
    let person = visitor.person()?;
    Ok(person.owes.is_none() && matches!(person.wants, Some(Method::Totp)))
}

async fn proven(app: &App, visitor: &Visitor, code: &str, id: Option<&RequestId>) -> Result<Proof, Error> {
    let code = Some(code).filter(|code| asks_for_code(visitor).is_ok_and(|asks| asks) && !code.trim().is_empty());
    proof(app, &visitor.caller, (code, id)).await
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
                @if asks_for_code(visitor)? {
                    label { "Code of the authenticator app" input name="code" autocomplete="one-time-code" required; }
                }
                button { "Change" }
            }
            (leave(visitor))
        }
    })
}
