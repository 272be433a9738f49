//! `/password`: lets people change their password.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use tenantry_wire::{HiddenText, PasswordChange};

use super::form::{self, TOKEN_FIELD};
use super::page_session::PageSession;
use super::second_factor::logout_form;
use super::{error_page, html_response, or_error_page};
use crate::audit::{Actor, RequestId};
use crate::authorize::RequestScope;
use crate::error::ApiError;
use crate::json_body::StrictJson;
use crate::login_policy::request_source::RequestSource;
use crate::mfa::{FactorMethod, ReauthProof, RequiredAction, reauth_proof_of_request};
use crate::people::user_actions::change_password;
use crate::{App, session};

/// `GET /password`.
pub(super) async fn show_password_page(State(app): State<Arc<App>>, parts: Parts) -> Response {
    or_error_page(&app, render_password_page(&app, &parts).await)
}

/// `POST /password`.
pub(super) async fn submit_password(State(app): State<Arc<App>>, request: Request) -> Response {
    or_error_page(&app, handle_password_change(&app, request).await)
}

async fn render_password_page(app: &App, parts: &Parts) -> Result<Response, ApiError> {
    match PageSession::open_page(app, &parts.extensions, &parts.headers, Some(RequiredAction::Password)).await? {
        Err(elsewhere) => Ok(elsewhere),
        Ok(visitor) => Ok(html_response(StatusCode::OK, &visitor.theme, "login", &password_form(&visitor, &[])?)),
    }
}

async fn handle_password_change(app: &Arc<App>, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let page_session =
        match PageSession::open_page(app, &parts.extensions, &parts.headers, Some(RequiredAction::Password)).await? {
            Ok(visitor) => visitor,
            Err(elsewhere) => return Ok(elsewhere),
        };
    let source = RequestSource::from_request(&parts.extensions, &parts.headers, &app.proxies);
    let id = parts.extensions.get::<RequestId>().cloned();
    let mut form = form::read_form(Request::from_parts(parts, body), &page_session.key).await?;
    let wanted = PasswordChange {
        current_password: HiddenText(form.take_field("current")),
        new_password: HiddenText(form.take_field("new")),
        confirm_password: HiddenText(form.take_field("again")),
    };
    let proof = match obtain_proof(app, &page_session, &form.take_field("code"), id.as_ref()).await {
        Ok(proof) => proof,
        Err(ApiError::FactorProofRequired) => {
            return password_refusal_page(
                &page_session,
                StatusCode::UNAUTHORIZED,
                &["The code was not taken".to_owned()],
            );
        }
        Err(error) => return Ok(error_page(&page_session.theme, error)),
    };
    let target = (page_session.tenant.unique_id.clone(), page_session.person()?.unique_id.clone());
    let scope = RequestScope::for_own_tenant(page_session.caller.clone(), page_session.tenant.clone(), source, proof);
    let who = (Extension(scope.clone()), Actor::from_scope(&scope, id.as_ref()));
    match change_password(State(Arc::clone(app)), who, Path(target), StrictJson(wanted)).await {
        Ok(_) => {
            let content = html! {
                main { p.notes role="status" { "The password was changed. " a href=(page_session.theme.login_path()) { "Log in" } } }
            };
            let mut response = html_response(StatusCode::OK, &page_session.theme, "plain", &content);
            form::set_cookie(&mut response, session::SESSION_COOKIE, "", "Lax", 0);
            Ok(response)
        }
        Err(ApiError::Fields(wrong)) => {
            let wrong: Vec<String> = wrong.into_iter().map(|wrong| wrong.message).collect();
            password_refusal_page(&page_session, StatusCode::BAD_REQUEST, &wrong)
        }
        // Duo has a separate page, and so has an app if no code was sent.
        Err(ApiError::FactorProofRequired) => Ok(Redirect::to("/factor").into_response()),
        Err(error) => Ok(error_page(&page_session.theme, error)),
    }
}

/// Renders the form again, with the errors.
fn password_refusal_page(session: &PageSession, status: StatusCode, wrong: &[String]) -> Result<Response, ApiError> {
    Ok(html_response(status, &session.theme, "login", &password_form(session, wrong)?))
}

/// Returns whether the change needs a code besides the current password. A person whose required action is this change
/// has just shown one.
fn needs_code(session: &PageSession) -> Result<bool, ApiError> {
    let person = session.person()?;
    Ok(person.required_action.is_none() && matches!(person.second_factor, Some(FactorMethod::Totp)))
}

async fn obtain_proof(
    app: &App,
    session: &PageSession,
    code: &str,
    id: Option<&RequestId>,
) -> Result<ReauthProof, ApiError> {
    let code = Some(code).filter(|code| needs_code(session).is_ok_and(|asks| asks) && !code.trim().is_empty());
    reauth_proof_of_request(app, &session.caller, code, id).await
}

fn password_form(session: &PageSession, wrong: &[String]) -> Result<Markup, ApiError> {
    Ok(html! {
        main {
            div.layer {
                h1 { "Change the password" }
                @if session.person()?.required_action == Some(RequiredAction::Password) { p { "Choose a new password before anything else." } }
            }
            form.fields method="post" action="/password" {
                @for wrong in wrong { p.wrong role="alert" { (wrong) "." } }
                input type="hidden" name=(TOKEN_FIELD) value=(form::form_token(&session.key));
                input hidden name="username" autocomplete="username" value=(session.person()?.login_name);
                label { "Password of today" input name="current" type="password" autocomplete="current-password" required autofocus; }
                label { "New password" input name="new" type="password" autocomplete="new-password" required; }
                label { "New password again" input name="again" type="password" autocomplete="new-password" required; }
                @if needs_code(session)? {
                    label { "Code of the authenticator app" input name="code" autocomplete="one-time-code" required; }
                }
                button { "Change" }
            }
            (logout_form(session))
        }
    })
}
