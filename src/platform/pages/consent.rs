//! `/consent`: the form that people accept before they see anything, unless their tenant skips it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};

use super::form::{self, TOKEN};
use super::visitor::Visitor;
use super::{answer, or_refusal};
use crate::platform::audit::RequestId;
use crate::platform::consent::{Answer, answered};
use crate::platform::error::Error;
use crate::platform::factor::Owed;
use crate::platform::{App, session};

/// `GET /consent`.
pub(super) async fn show(State(app): State<Arc<App>>, parts: Parts) -> Response {
    or_refusal(&app, shown(&app, &parts).await)
}

/// `POST /consent`.
pub(super) async fn decide(State(app): State<Arc<App>>, request: Request) -> Response {
    or_refusal(&app, decided(&app, request).await)
}

async fn shown(app: &App, parts: &Parts) -> Result<Response, Error> {
    Ok(match asked(app, parts).await? {
        Ok(visitor) => answer(StatusCode::OK, &visitor.look, "login", &content(&visitor)),
        Err(elsewhere) => elsewhere,
    })
}

async fn decided(app: &App, request: Request) -> Result<Response, Error> {
    let (parts, body) = request.into_parts();
    let visitor = match asked(app, &parts).await? {
        Ok(visitor) => visitor,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let id = parts.extensions.get::<RequestId>().cloned();
    let word = form::read(Request::from_parts(parts, body), &visitor.key).await?.take("answer");
    let Some(decision) = Answer::of(&word) else {
        return Ok(answer(StatusCode::BAD_REQUEST, &visitor.look, "login", &content(&visitor)));
    };
    answered(app, &visitor.caller, (decision, id.as_ref())).await?;
    Ok(match decision {
        Answer::Accept => {
            let owes = session::owes(app, &visitor.key).await?;
            Redirect::to(owes.map_or("/", Owed::page)).into_response()
        }
        Answer::Deny => {
            let mut response = Redirect::to(&format!("{}?consent=denied", visitor.look.login())).into_response();
            form::set(&mut response, (session::COOKIE, ""), "Lax", 0);
            response
        }
    })
}

/// Whoever still owes an answer; otherwise where to go.
async fn asked(app: &App, parts: &Parts) -> Result<Result<Visitor, Response>, Error> {
    let visitor = Visitor::at(app, (&parts.extensions, &parts.headers), Some(Owed::Consent)).await?;
    Ok(match visitor {
        Ok(visitor) if visitor.person()?.owes.is_none() => Err(Redirect::to("/").into_response()),
        other => other,
    })
}

fn content(visitor: &Visitor) -> Markup {
    html! {
        main {
            div.layer { h1 { "User consent" } }
            form.fields method="post" action="/consent" {
                p {
                    "This platform keeps your name and e-mail address, your logins with the address that they came from, "
                    "and what you change here. " (visitor.tenant.name) " and those who run the platform for it use that to "
                    "give you access and to keep the audit log. Do you consent?"
                }
                input type="hidden" name=(TOKEN) value=(form::token(&visitor.key));
                @for choice in [Answer::Accept, Answer::Deny] {
                    button name="answer" value=(choice.word()) { (choice.word()) } " "
                }
            }
        }
    }
}
