//! `/factor`: the second factor, at the login and before a save; or the password before a save, of somebody who has none.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};

use super::form::{self, TOKEN};
use super::visitor::Visitor;
use super::{answer, duo, or_refusal};
use crate::platform::audit::RequestId;
use crate::platform::error::Error;
use crate::platform::factor::{Enrolled, Method, Owed, Proof, Qr, Whose, begin, confirm, prove, uri};
use crate::platform::login::source::Source;
use crate::platform::people::login::{Via, prove_again};
use crate::platform::store::Carrier;
use crate::platform::{App, session};

/// What is said of a code that is not taken, whatever the reason: nobody learns whether it was right once.
const NOT_TAKEN: &str = "This code was not taken. Each code is good once, and after ten wrong ones none is taken for 30 \
                         minutes. Wait for the next one and try again.";

/// `GET /factor`.
pub(super) async fn show(State(app): State<Arc<App>>, parts: Parts) -> Response {
    or_refusal(&app, shown(&app, &parts).await)
}

/// `POST /factor`.
pub(super) async fn answer_code(State(app): State<Arc<App>>, request: Request) -> Response {
    or_refusal(&app, answered(&app, request).await)
}

async fn shown(app: &App, parts: &Parts) -> Result<Response, Error> {
    let visitor = match Visitor::at(app, (&parts.extensions, &parts.headers), Some(Owed::Factor)).await? {
        Ok(visitor) => visitor,
        Err(elsewhere) => return Ok(elsewhere),
    };
    if owes_password(app, &visitor).await? {
        return password_asked(&visitor, StatusCode::OK);
    }
    match &visitor.person()?.wants {
        None => password_asked(&visitor, StatusCode::OK),
        Some(Method::Duo(duo)) => duo::offer(app, &visitor, duo),
        Some(Method::Totp) => asked(app, &visitor, StatusCode::OK).await,
    }
}

async fn answered(app: &App, request: Request) -> Result<Response, Error> {
    let (parts, body) = request.into_parts();
    let visitor = match Visitor::at(app, (&parts.extensions, &parts.headers), Some(Owed::Factor)).await? {
        Ok(visitor) => visitor,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let id = parts.extensions.get::<RequestId>().cloned();
    let source = Source::of(&parts.extensions, &parts.headers, &app.proxies);
    let mut form = form::read(Request::from_parts(parts, body), &visitor.key).await?;
    let code = form.take("code");
    let person = visitor.person()?;
    let begins = owes_password(app, &visitor).await?;
    if person.wants.is_none() || begins {
        let password = form.take("password");
        if begins && password.is_empty() {
            return password_asked(&visitor, StatusCode::OK);
        }
        let via = Via { carrier: Carrier::Cookie, source, request: id.as_ref() };
        return match prove_again(app, &visitor.caller, password.into(), via).await? {
            false => password_asked(&visitor, StatusCode::UNAUTHORIZED),
            true if begins => Ok(Redirect::to("/factor").into_response()),
            true => Ok(confirmed(&visitor)),
        };
    }
    if !matches!(person.wants, Some(Method::Totp)) {
        return Ok(Redirect::to("/factor").into_response());
    }
    let (hash, whose) = (person.session.as_str(), whose(&visitor)?);
    if app.store.enrolled(person.id).await? {
        return match prove(app, (hash, whose), (&code, id.as_ref())).await? {
            None => asked(app, &visitor, StatusCode::UNAUTHORIZED).await,
            Some(key) => Ok(keyed(app, proved(app, &visitor, &key).await?, &key)),
        };
    }
    match confirm(app, (hash, whose), (&code, id.as_ref())).await? {
        None => asked(app, &visitor, StatusCode::UNAUTHORIZED).await,
        Some(Enrolled { key, codes }) => {
            Ok(keyed(app, answer(StatusCode::OK, &visitor.look, "plain", &recovery(&codes)), &key))
        }
    }
}

/// Whether the password comes before the factor: where somebody enrols one, or meets Duo, in a session that is not fresh from a
/// login. Else a session that was stolen would enrol a factor of the thief's and prove everything with it.
async fn owes_password(app: &App, visitor: &Visitor) -> Result<bool, Error> {
    let person = visitor.person()?;
    let has_one = match &person.wants {
        None => true,
        Some(Method::Totp) => app.store.enrolled(person.id).await?,
        Some(Method::Duo(_)) => !matches!(person.owes, Some(Owed::Factor)),
    };
    if has_one {
        return Ok(false);
    }
    match Proof::Password(person.session.clone()).is_there(app).await {
        Ok(()) => Ok(false),
        Err(Error::PasswordAgain) => Ok(true),
        Err(error) => Err(error),
    }
}

fn whose(visitor: &Visitor) -> Result<Whose<'_>, Error> {
    let person = visitor.person()?;
    Ok(Whose { id: person.id, unique_id: &person.unique_id, tenant: visitor.caller.id })
}

/// An answer that gives the browser the new key of its session.
pub(super) fn keyed(app: &App, mut response: Response, key: &str) -> Response {
    form::set(&mut response, (session::COOKIE, key), "Lax", app.login.lifetime.as_secs());
    response
}

/// After a login on to what is next; otherwise a word that the save may follow.
pub(super) async fn proved(app: &App, visitor: &Visitor, key: &str) -> Result<Response, Error> {
    if visitor.person()?.owes.is_some() {
        let owes = session::owes(app, key).await?;
        return Ok(Redirect::to(owes.map_or("/", Owed::page)).into_response());
    }
    Ok(confirmed(visitor))
}

fn confirmed(visitor: &Visitor) -> Response {
    let content = html! {
        main { p.notes role="status" { "Confirmed. Save the account settings within two minutes. " a href="/" { "First page" } } }
    };
    answer(StatusCode::OK, &visitor.look, "plain", &content)
}

/// The form for the password of somebody without a second factor.
fn password_asked(visitor: &Visitor, status: StatusCode) -> Result<Response, Error> {
    let content = html! {
        main {
            div.layer { h1 { "Confirm it is you" } }
            form.fields method="post" action="/factor" {
                @if status != StatusCode::OK { p.wrong role="alert" { "The password is wrong." } }
                p { "Enter your password before you save what decides about access." }
                input type="hidden" name=(TOKEN) value=(form::token(&visitor.key));
                input hidden name="username" autocomplete="username" value=(visitor.person()?.login_name);
                label { "Password" input name="password" type="password" autocomplete="current-password" required autofocus; }
                button { "Confirm" }
            }
            (leave(visitor))
        }
    };
    Ok(answer(status, &visitor.look, "login", &content))
}

/// The form for a code, or the enrolment; with a word about a code that was not taken.
async fn asked(app: &App, visitor: &Visitor, status: StatusCode) -> Result<Response, Error> {
    let person = visitor.person()?;
    let lesson = if app.store.enrolled(person.id).await? {
        html! { p { "Enter the code that your authenticator app shows, or a recovery code." } }
    } else {
        enrolment(app, visitor).await?
    };
    let content = html! {
        main {
            div.layer { h1 { "Second factor" } }
            form.fields method="post" action="/factor" {
                @if status != StatusCode::OK { p.wrong role="alert" { (NOT_TAKEN) } }
                (lesson)
                input type="hidden" name=(TOKEN) value=(form::token(&visitor.key));
                label { "Code" input name="code" autocomplete="one-time-code" required autofocus; }
                button { "Confirm" }
            }
            (leave(visitor))
        }
    };
    Ok(answer(status, &visitor.look, "login", &content))
}

/// The secret, as a picture and as a text.
async fn enrolment(app: &App, visitor: &Visitor) -> Result<Markup, Error> {
    let person = visitor.person()?;
    let (secret, text) = begin(app, &person.session, whose(visitor)?).await?;
    let Qr { size, path } = Qr::of(&uri(&secret, &person.login_name, visitor.look.title())?)?;
    let frame = format!("0 0 {size} {size}");
    Ok(html! {
        p { "Your organization asks for a second factor. Scan this picture with an authenticator app, then enter the code that it shows." }
        svg.qr viewBox=(frame) width="220" height="220" role="img" aria-label="QR code of the secret" shape-rendering="crispEdges" {
            rect width=(size) height=(size) fill="#ffffff" {}
            path d=(path) fill="#000000" {}
        }
        p { "Without a camera type this key: " code.secret { (text) } }
    })
}

/// Shown once.
fn recovery(codes: &[String]) -> Markup {
    html! {
        main {
            div.layer { h1 { "Recovery codes" } }
            div.fields {
                p role="status" { "The second factor is set up. Keep these codes: each takes the place of one code of the app, once, and they are not shown again." }
                ul.codes { @for code in codes { li { code { (code) } } } }
                p { a href="/" { "Continue" } }
            }
        }
    }
}

/// A way out for whoever cannot prove anything.
pub(super) fn leave(visitor: &Visitor) -> Markup {
    html! {
        form.notes method="post" action="/logout" {
            input type="hidden" name=(TOKEN) value=(form::token(&visitor.key));
            button { "Log out" }
        }
    }
}
