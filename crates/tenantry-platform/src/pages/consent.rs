//! `/consent`: the form that people must accept before they see any other page, unless their tenant skips it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};

use super::form::{self, TOKEN_FIELD};
use super::page_session::PageSession;
use super::{html_response, or_error_page};
use crate::audit::RequestId;
use crate::consent::{ConsentDecision, record_consent_decision};
use crate::error::ApiError;
use crate::mfa::RequiredAction;
use crate::{App, session};

/// `GET /consent`.
pub(super) async fn show_consent_page(State(app): State<Arc<App>>, parts: Parts) -> Response {
    or_error_page(&app, render_consent_page(&app, &parts).await)
}

/// `POST /consent`.
pub(super) async fn submit_consent(State(app): State<Arc<App>>, request: Request) -> Response {
    or_error_page(&app, handle_consent(&app, request).await)
}

async fn render_consent_page(app: &App, parts: &Parts) -> Result<Response, ApiError> {
    Ok(match consent_session(app, parts).await? {
        Ok(visitor) => html_response(StatusCode::OK, &visitor.theme, "login", &consent_form(&visitor)),
        Err(elsewhere) => elsewhere,
    })
}

async fn handle_consent(app: &App, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let page_session = match consent_session(app, &parts).await? {
        Ok(visitor) => visitor,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let id = parts.extensions.get::<RequestId>().cloned();
    let word = form::read_form(Request::from_parts(parts, body), &page_session.key).await?.take_field("answer");
    let Some(decision) = ConsentDecision::from_word(&word) else {
        return Ok(html_response(StatusCode::BAD_REQUEST, &page_session.theme, "login", &consent_form(&page_session)));
    };
    record_consent_decision(app, &page_session.caller, decision, id.as_ref()).await?;
    Ok(match decision {
        ConsentDecision::Accept => {
            let next_action = session::required_action(app, &page_session.key).await?;
            Redirect::to(next_action.map_or("/", RequiredAction::page_path)).into_response()
        }
        ConsentDecision::Deny => {
            let mut response =
                Redirect::to(&format!("{}?consent=denied", page_session.theme.login_path())).into_response();
            form::set_cookie(&mut response, session::SESSION_COOKIE, "", "Lax", 0);
            response
        }
    })
}

/// Returns the session of a person who must still consent; otherwise a redirect.
async fn consent_session(app: &App, parts: &Parts) -> Result<Result<PageSession, Response>, ApiError> {
    let session = PageSession::open_page(app, &parts.extensions, &parts.headers, Some(RequiredAction::Consent)).await?;
    Ok(match session {
        Ok(visitor) if visitor.person()?.required_action.is_none() => Err(Redirect::to("/").into_response()),
        other => other,
    })
}

fn consent_form(session: &PageSession) -> Markup {
    html! {
        main {
            div.layer { h1 { "User consent" } }
            form.fields method="post" action="/consent" {
                p {
                    "This platform keeps your name and e-mail address, your logins with the address that they came from, "
                    "and what you change here. " (session.tenant.name) " and those who run the platform for it use that to "
                    "give you access and to keep the audit log. Do you consent?"
                }
                input type="hidden" name=(TOKEN_FIELD) value=(form::form_token(&session.key));
                @for choice in [ConsentDecision::Accept, ConsentDecision::Deny] {
                    button name="answer" value=(choice.as_str()) { (choice.as_str()) } " "
                }
            }
        }
    }
}
