//! `/factor/duo` redirects to Duo's prompt, and `/factor/duo/callback` receives the result. Both are links and no
//! forms: the content policy forbids forms to another host, and Duo redirects people back with `GET`. The state
//! protects the callback; it is created for one session and valid once.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::html;

use super::page_session::PageSession;
use super::second_factor::{continue_after_factor, logout_form, with_session_cookie};
use super::{html_response, or_error_page};
use crate::audit::{self, Actor, AuditAction, Denial, RequestId};
use crate::error::ApiError;
use crate::mfa::duo::{DuoError, DuoPrompt, DuoSettings};
use crate::mfa::{FactorMethod, RequiredAction, VerificationMethod, complete_verification};
use crate::store::{save_duo_state, take_duo_state};
use crate::{App, time};

/// Maximum length of a code that is passed on to Duo.
const MAX_CODE_LENGTH: usize = 1024;

/// Renders what `/factor` shows for Duo: a link, or why Duo cannot be used.
pub(super) fn duo_offer_page(app: &App, session: &PageSession, duo: &DuoSettings) -> Result<Response, ApiError> {
    let error = app.duo.configuration_error(duo);
    let content = html! {
        main {
            div.layer { h1 { "Second factor" } }
            div.fields {
                p { "Your organization asks for a second factor of " (session.person()?.login_name) " with Duo." }
                @match error {
                    Some(trouble) => p.wrong role="alert" { (trouble.message()) },
                    None => p { a href="/factor/duo" { "Continue with Duo" } },
                }
            }
            (logout_form(session))
        }
    };
    Ok(html_response(error.map_or(StatusCode::OK, error_status), &session.theme, "login", &content))
}

fn error_status(error: DuoError) -> StatusCode {
    if error.is_service_failure() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::FORBIDDEN }
}

/// `GET /factor/duo`.
pub(super) async fn start_duo(State(app): State<Arc<App>>, parts: Parts) -> Response {
    or_error_page(&app, redirect_to_duo(&app, &parts).await)
}

/// `GET /factor/duo/callback`.
pub(super) async fn finish_duo(State(app): State<Arc<App>>, parts: Parts) -> Response {
    or_error_page(&app, handle_callback(&app, &parts).await)
}

async fn redirect_to_duo(app: &App, parts: &Parts) -> Result<Response, ApiError> {
    let (visitor, duo) = match duo_session(app, parts).await? {
        Ok(asked) => asked,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let now = time::now();
    let sent = match prepare_prompt(app, duo, &visitor.person()?.login_name, now).await {
        Ok(sent) => sent,
        Err(trouble) => return duo_failure_page(app, &visitor, parts, trouble).await,
    };
    let mut tx = app.store.begin().await?;
    save_duo_state(&mut tx, &visitor.person()?.session_hash, &sent, now).await?;
    tx.commit().await?;
    Ok(Redirect::to(&sent.prompt).into_response())
}

async fn prepare_prompt(app: &App, duo: DuoSettings, login_name: &str, now: i64) -> Result<DuoPrompt, DuoError> {
    app.duo.start_prompt(&duo.with_opened_key(&app.vault)?, login_name, now).await
}

async fn handle_callback(app: &App, parts: &Parts) -> Result<Response, ApiError> {
    let (visitor, duo) = match duo_session(app, parts).await? {
        Ok(asked) => asked,
        Err(elsewhere) => return Ok(elsewhere),
    };
    if let Err(trouble) = verify_callback(app, &visitor, duo, parts.uri.query().unwrap_or_default()).await? {
        return duo_failure_page(app, &visitor, parts, trouble).await;
    }
    let key = match complete_verification(
        app,
        &visitor.person()?.session_hash,
        VerificationMethod::Duo,
        parts.extensions.get(),
    )
    .await
    {
        // The session ended while Duo was contacted.
        Err(ApiError::InvalidToken) => return Ok(Redirect::to("/login").into_response()),
        key => key?,
    };
    Ok(with_session_cookie(app, continue_after_factor(app, &visitor, &key).await?, &key))
}

/// Returns the session and the Duo settings of a person whose tenant uses Duo; otherwise a redirect.
async fn duo_session(app: &App, parts: &Parts) -> Result<Result<(PageSession, DuoSettings), Response>, ApiError> {
    let session =
        match PageSession::open_page(app, &parts.extensions, &parts.headers, Some(RequiredAction::Factor)).await? {
            Ok(visitor) => visitor,
            Err(elsewhere) => return Ok(Err(elsewhere)),
        };
    match session.person()?.second_factor.clone() {
        Some(FactorMethod::Duo(duo)) => Ok(Ok((session, duo))),
        Some(FactorMethod::Totp) | None => Ok(Err(Redirect::to("/factor").into_response())),
    }
}

/// Returns whether the callback proves the person. The state is used up first, and no database connection is held while
/// Duo is contacted.
async fn verify_callback(
    app: &App,
    session: &PageSession,
    duo: DuoSettings,
    raw: &str,
) -> Result<Result<(), DuoError>, ApiError> {
    let pairs: BTreeMap<Cow<'_, str>, Cow<'_, str>> = url::form_urlencoded::parse(raw.as_bytes()).collect();
    let value = |name| pairs.get(name).map_or("", AsRef::as_ref);
    let now = time::now();
    let mut tx = app.store.begin().await?;
    let nonce = take_duo_state(&mut tx, &session.person()?.session_hash, value("state"), now).await?;
    tx.commit().await?;
    let Some(nonce) = nonce else { return Ok(Err(DuoError::State)) };
    let code = ["duo_code", "code"].map(value).into_iter().find(|code| !code.is_empty()).unwrap_or_default();
    if !value("error").is_empty() || code.is_empty() || code.len() > MAX_CODE_LENGTH {
        return Ok(Err(DuoError::Denied));
    }
    let duo = match duo.with_opened_key(&app.vault) {
        Ok(duo) => duo,
        Err(trouble) => return Ok(Err(trouble)),
    };
    Ok(app.duo.exchange_code(&duo, code, &nonce, &session.person()?.login_name, now).await)
}

/// Renders the page for a person whom Duo did not authenticate, and writes the audit row.
async fn duo_failure_page(
    app: &App,
    session: &PageSession,
    parts: &Parts,
    error: DuoError,
) -> Result<Response, ApiError> {
    let actor = Actor::with_name(session.caller.audit_name(), parts.extensions.get::<RequestId>());
    let (tenant, object) = (session.caller.id, error.audit_object());
    audit::record_sampled_denial(
        app,
        Denial { tenant, actor: &actor, action: AuditAction::SecondFactorVerify, object: &object },
    )
    .await;
    let content = html! {
        main {
            p.refusal role="alert" { (error.message()) }
            p.notes { a href="/factor" { "Start again" } }
        }
    };
    Ok(html_response(error_status(error), &session.theme, "plain", &content))
}
