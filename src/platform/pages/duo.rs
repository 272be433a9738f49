//! `/factor/duo`: the way to Duo's prompt, and `/factor/duo/callback`, the way back. Both are links and no forms: a form
//! would not be let to another host, and Duo sends people back by `GET`. What keeps others out is the state, which is made
//! for one session and counts once.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::html;

use super::factor::{keyed, leave, proved};
use super::visitor::Visitor;
use super::{answer, or_refusal};
use crate::platform::audit::{self, Action, Actor, Denial, RequestId};
use crate::platform::error::Error;
use crate::platform::factor::duo::{DuoSettings, Sent, Trouble};
use crate::platform::factor::{How, Method, Owed, passed};
use crate::platform::store::{note_sent, take_sent};
use crate::platform::{App, time};

/// Longest code that is handed on.
const CODE: usize = 1024;

/// What `/factor` shows for Duo: a link, or why it leads nowhere.
pub(super) fn offer(app: &App, visitor: &Visitor, duo: &DuoSettings) -> Result<Response, Error> {
    let trouble = app.duo.misplaced(duo);
    let content = html! {
        main {
            div.layer { h1 { "Second factor" } }
            div.fields {
                p { "Your organization asks for a second factor of " (visitor.person()?.login_name) " with Duo." }
                @match trouble {
                    Some(trouble) => p.wrong role="alert" { (trouble.sentence()) },
                    None => p { a href="/factor/duo" { "Continue with Duo" } },
                }
            }
            (leave(visitor))
        }
    };
    Ok(answer(trouble.map_or(StatusCode::OK, status), &visitor.look, "login", &content))
}

fn status(trouble: Trouble) -> StatusCode {
    if trouble.passes() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::FORBIDDEN }
}

/// `GET /factor/duo`.
pub(super) async fn go(State(app): State<Arc<App>>, parts: Parts) -> Response {
    or_refusal(&app, gone(&app, &parts).await)
}

/// `GET /factor/duo/callback`.
pub(super) async fn back(State(app): State<Arc<App>>, parts: Parts) -> Response {
    or_refusal(&app, came_back(&app, &parts).await)
}

async fn gone(app: &App, parts: &Parts) -> Result<Response, Error> {
    let (visitor, duo) = match asked(app, parts).await? {
        Ok(asked) => asked,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let now = time::now();
    let sent = match prepared(app, duo, &visitor.person()?.login_name, now).await {
        Ok(sent) => sent,
        Err(trouble) => return failed(app, &visitor, parts, trouble).await,
    };
    let mut tx = app.store.begin().await?;
    note_sent(&mut tx, &visitor.person()?.session, &sent, now).await?;
    tx.commit().await?;
    Ok(Redirect::to(&sent.prompt).into_response())
}

async fn prepared(app: &App, duo: DuoSettings, login_name: &str, now: i64) -> Result<Sent, Trouble> {
    app.duo.send(&duo.opened(&app.vault)?, login_name, now).await
}

async fn came_back(app: &App, parts: &Parts) -> Result<Response, Error> {
    let (visitor, duo) = match asked(app, parts).await? {
        Ok(asked) => asked,
        Err(elsewhere) => return Ok(elsewhere),
    };
    if let Err(trouble) = vouched(app, &visitor, duo, parts.uri.query().unwrap_or_default()).await? {
        return failed(app, &visitor, parts, trouble).await;
    }
    let key = match passed(app, &visitor.person()?.session, How::Duo, parts.extensions.get()).await {
        // The session ended while Duo was asked.
        Err(Error::InvalidToken) => return Ok(Redirect::to("/login").into_response()),
        key => key?,
    };
    Ok(keyed(app, proved(app, &visitor, &key).await?, &key))
}

/// Whoever is logged in and belongs to a tenant that wants Duo; otherwise where to go.
async fn asked(app: &App, parts: &Parts) -> Result<Result<(Visitor, DuoSettings), Response>, Error> {
    let visitor = match Visitor::at(app, (&parts.extensions, &parts.headers), Some(Owed::Factor)).await? {
        Ok(visitor) => visitor,
        Err(elsewhere) => return Ok(Err(elsewhere)),
    };
    match visitor.person()?.wants.clone() {
        Some(Method::Duo(duo)) => Ok(Ok((visitor, duo))),
        Some(Method::Totp) | None => Ok(Err(Redirect::to("/factor").into_response())),
    }
}

/// Whether what came back proves the person. The state is used up before anything else happens, and no connection of the
/// database is held while Duo is asked.
async fn vouched(app: &App, visitor: &Visitor, duo: DuoSettings, raw: &str) -> Result<Result<(), Trouble>, Error> {
    let pairs: BTreeMap<Cow<'_, str>, Cow<'_, str>> = url::form_urlencoded::parse(raw.as_bytes()).collect();
    let value = |name| pairs.get(name).map_or("", AsRef::as_ref);
    let now = time::now();
    let mut tx = app.store.begin().await?;
    let nonce = take_sent(&mut tx, &visitor.person()?.session, value("state"), now).await?;
    tx.commit().await?;
    let Some(nonce) = nonce else { return Ok(Err(Trouble::State)) };
    let code = ["duo_code", "code"].map(value).into_iter().find(|code| !code.is_empty()).unwrap_or_default();
    if !value("error").is_empty() || code.is_empty() || code.len() > CODE {
        return Ok(Err(Trouble::Denied));
    }
    let duo = match duo.opened(&app.vault) {
        Ok(duo) => duo,
        Err(trouble) => return Ok(Err(trouble)),
    };
    Ok(app.duo.proved(&duo, (code, &nonce), (&visitor.person()?.login_name, now)).await)
}

/// The page of somebody whom Duo did not let in, and the row about it.
async fn failed(app: &App, visitor: &Visitor, parts: &Parts, trouble: Trouble) -> Result<Response, Error> {
    let actor = Actor::named(visitor.caller.actor(), parts.extensions.get::<RequestId>());
    let (tenant, object) = (visitor.caller.id, trouble.object());
    audit::sampled(app, Denial { tenant, actor: &actor, action: Action::Factor, object: &object }).await;
    let content = html! {
        main {
            p.refusal role="alert" { (trouble.sentence()) }
            p.notes { a href="/factor" { "Start again" } }
        }
    };
    Ok(answer(status(trouble), &visitor.look, "plain", &content))
}
