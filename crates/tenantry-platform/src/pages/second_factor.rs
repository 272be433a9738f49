//! `/factor`: asks for the second factor, at the login and before a save. A person without one enters the password
//! before a save.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};

use super::form::{self, TOKEN_FIELD};
use super::page_session::PageSession;
use super::{duo, html_response, or_error_page};
use crate::audit::RequestId;
use crate::error::ApiError;
use crate::login_policy::request_source::RequestSource;
use crate::mfa::{
    EnrolmentResult, FactorMethod, FactorOwner, QrCodeSvg, ReauthProof, RequiredAction, begin_enrolment,
    confirm_enrolment, otpauth_uri, verify_session_code,
};
use crate::people::authentication::{LoginContext, reauthenticate};
use crate::store::SessionCarrier;
use crate::{App, session};

/// The message for a rejected code. It is the same for every reason, so that nobody learns whether a code was valid
/// once.
const CODE_REJECTED: &str = "This code was not taken. Each code is good once, and after ten wrong ones none is taken for 30 \
                         minutes. Wait for the next one and try again.";

/// `GET /factor`.
pub(super) async fn show_factor_page(State(app): State<Arc<App>>, parts: Parts) -> Response {
    or_error_page(&app, render_factor_page(&app, &parts).await)
}

/// `POST /factor`.
pub(super) async fn submit_factor(State(app): State<Arc<App>>, request: Request) -> Response {
    or_error_page(&app, handle_factor(&app, request).await)
}

async fn render_factor_page(app: &App, parts: &Parts) -> Result<Response, ApiError> {
    let session =
        match PageSession::open_page(app, &parts.extensions, &parts.headers, Some(RequiredAction::Factor)).await? {
            Ok(visitor) => visitor,
            Err(elsewhere) => return Ok(elsewhere),
        };
    if needs_password_first(app, &session).await? {
        return password_form_page(&session, StatusCode::OK);
    }
    match &session.person()?.second_factor {
        None => password_form_page(&session, StatusCode::OK),
        Some(FactorMethod::Duo(duo)) => duo::duo_offer_page(app, &session, duo),
        Some(FactorMethod::Totp) => code_form_page(app, &session, StatusCode::OK).await,
    }
}

async fn handle_factor(app: &App, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let session =
        match PageSession::open_page(app, &parts.extensions, &parts.headers, Some(RequiredAction::Factor)).await? {
            Ok(visitor) => visitor,
            Err(elsewhere) => return Ok(elsewhere),
        };
    let id = parts.extensions.get::<RequestId>().cloned();
    let source = RequestSource::from_request(&parts.extensions, &parts.headers, &app.proxies);
    let mut form = form::read_form(Request::from_parts(parts, body), &session.key).await?;
    let code = form.take_field("code");
    let person = session.person()?;
    let begins = needs_password_first(app, &session).await?;
    if person.second_factor.is_none() || begins {
        let password = form.take_field("password");
        if begins && password.is_empty() {
            return password_form_page(&session, StatusCode::OK);
        }
        let via = LoginContext { carrier: SessionCarrier::Cookie, source, request: id.as_ref() };
        return match reauthenticate(app, &session.caller, password.into(), via).await? {
            false => password_form_page(&session, StatusCode::UNAUTHORIZED),
            true if begins => Ok(Redirect::to("/factor").into_response()),
            true => Ok(confirmation_page(&session)),
        };
    }
    if !matches!(person.second_factor, Some(FactorMethod::Totp)) {
        return Ok(Redirect::to("/factor").into_response());
    }
    let (hash, whose) = (person.session_hash.as_str(), factor_owner(&session)?);
    if app.store.has_factor(person.id).await? {
        return match verify_session_code(app, hash, whose, &code, id.as_ref()).await? {
            None => code_form_page(app, &session, StatusCode::UNAUTHORIZED).await,
            Some(key) => Ok(with_session_cookie(app, continue_after_factor(app, &session, &key).await?, &key)),
        };
    }
    match confirm_enrolment(app, hash, whose, &code, id.as_ref()).await? {
        None => code_form_page(app, &session, StatusCode::UNAUTHORIZED).await,
        Some(EnrolmentResult { key, codes }) => Ok(with_session_cookie(
            app,
            html_response(StatusCode::OK, &session.theme, "plain", &recovery_codes_page(&codes)),
            &key,
        )),
    }
}

/// Returns whether the password must come before the factor: when a person enrols a factor, or uses Duo, in a session
/// that is not fresh from a login. Otherwise a stolen session could enrol the thief's factor and then prove everything
/// with it.
async fn needs_password_first(app: &App, session: &PageSession) -> Result<bool, ApiError> {
    let person = session.person()?;
    let has_one = match &person.second_factor {
        None => true,
        Some(FactorMethod::Totp) => app.store.has_factor(person.id).await?,
        Some(FactorMethod::Duo(_)) => !matches!(person.required_action, Some(RequiredAction::Factor)),
    };
    if has_one {
        return Ok(false);
    }
    match ReauthProof::Password(person.session_hash.clone()).ensure_present(app).await {
        Ok(()) => Ok(false),
        Err(ApiError::PasswordProofRequired) => Ok(true),
        Err(error) => Err(error),
    }
}

fn factor_owner(session: &PageSession) -> Result<FactorOwner<'_>, ApiError> {
    let person = session.person()?;
    Ok(FactorOwner { id: person.id, unique_id: &person.unique_id, tenant: session.caller.id })
}

/// Sets the cookie with the new session key.
pub(super) fn with_session_cookie(app: &App, mut response: Response, key: &str) -> Response {
    form::set_cookie(&mut response, session::SESSION_COOKIE, key, "Lax", app.login.lifetime.as_secs());
    response
}

/// After a login, redirects to the next required action or the start page. Otherwise shows that the save may follow.
pub(super) async fn continue_after_factor(
    app: &App,
    page_session: &PageSession,
    key: &str,
) -> Result<Response, ApiError> {
    if page_session.person()?.required_action.is_some() {
        let next_action = session::required_action(app, key).await?;
        return Ok(Redirect::to(next_action.map_or("/", RequiredAction::page_path)).into_response());
    }
    Ok(confirmation_page(page_session))
}

fn confirmation_page(session: &PageSession) -> Response {
    let content = html! {
        main { p.notes role="status" { "Confirmed. Save the account settings within two minutes. " a href="/" { "First page" } } }
    };
    html_response(StatusCode::OK, &session.theme, "plain", &content)
}

/// Renders the form for the password of a person without a second factor.
fn password_form_page(session: &PageSession, status: StatusCode) -> Result<Response, ApiError> {
    let content = html! {
        main {
            div.layer { h1 { "Confirm it is you" } }
            form.fields method="post" action="/factor" {
                @if status != StatusCode::OK { p.wrong role="alert" { "The password is wrong." } }
                p { "Enter your password before you save what decides about access." }
                input type="hidden" name=(TOKEN_FIELD) value=(form::form_token(&session.key));
                input hidden name="username" autocomplete="username" value=(session.person()?.login_name);
                label { "Password" input name="password" type="password" autocomplete="current-password" required autofocus; }
                button { "Confirm" }
            }
            (logout_form(session))
        }
    };
    Ok(html_response(status, &session.theme, "login", &content))
}

/// Renders the form for a code, or the enrolment, with a message if a code was rejected.
async fn code_form_page(app: &App, session: &PageSession, status: StatusCode) -> Result<Response, ApiError> {
    let person = session.person()?;
    let lesson = if app.store.has_factor(person.id).await? {
        html! { p { "Enter the code that your authenticator app shows, or a recovery code." } }
    } else {
        enrolment_instructions(app, session).await?
    };
    let content = html! {
        main {
            div.layer { h1 { "Second factor" } }
            form.fields method="post" action="/factor" {
                @if status != StatusCode::OK { p.wrong role="alert" { (CODE_REJECTED) } }
                (lesson)
                input type="hidden" name=(TOKEN_FIELD) value=(form::form_token(&session.key));
                label { "Code" input name="code" autocomplete="one-time-code" required autofocus; }
                button { "Confirm" }
            }
            (logout_form(session))
        }
    };
    Ok(html_response(status, &session.theme, "login", &content))
}

/// Renders the secret as a QR code and as text.
async fn enrolment_instructions(app: &App, session: &PageSession) -> Result<Markup, ApiError> {
    let person = session.person()?;
    let (secret, text) = begin_enrolment(app, &person.session_hash, factor_owner(session)?).await?;
    let QrCodeSvg { size, path } =
        QrCodeSvg::from_text(&otpauth_uri(&secret, &person.login_name, session.theme.title())?)?;
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

/// Renders the recovery codes, which are shown once.
fn recovery_codes_page(codes: &[String]) -> Markup {
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

/// Renders the logout form, for a person who cannot prove anything.
pub(super) fn logout_form(session: &PageSession) -> Markup {
    html! {
        form.notes method="post" action="/logout" {
            input type="hidden" name=(TOKEN_FIELD) value=(form::form_token(&session.key));
            button { "Log out" }
        }
    }
}
