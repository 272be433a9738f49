//! The pages for people, rendered on the server and usable without JavaScript.

mod colour;
mod consent;
mod duo;
mod form;
mod home;
mod login;
mod menus;
mod page_session;
mod password;
mod screens;
mod script;
mod second_factor;
mod security_headers;
mod style;
mod theme;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use maud::{DOCTYPE, Markup, html};

use super::App;
use super::error::{ApiError, LoadShed, MEMORY_FULL_MESSAGE};
use super::mfa::duo::CALLBACK;
use theme::Theme;

pub(super) use security_headers::add_security_headers as add_headers;
pub(super) use theme::contrast_warning;

/// Returns the routes of all pages.
pub(super) fn page_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(home::show_home_page))
        .route("/consent", get(consent::show_consent_page).post(consent::submit_consent))
        .route("/factor", get(second_factor::show_factor_page).post(second_factor::submit_factor))
        .route("/factor/duo", get(duo::start_duo))
        .route(CALLBACK, get(duo::finish_duo))
        .route("/login", get(login::show_login_page).post(login::submit_login))
        .route("/login/{tenant}", get(login::show_tenant_login_page).post(login::submit_tenant_login))
        .route("/logout", post(home::submit_logout))
        .route("/password", get(password::show_password_page).post(password::submit_password))
        .route("/screens/{screen}", get(screens::show_screen_page))
        .route(script::SCRIPT_PATH, get(script::serve_script))
        .route("/style/{file}", get(style::serve_stylesheet))
}

/// Renders a complete HTML page.
fn render_html(theme: &Theme, place: &str, content: &Markup, has_script: bool) -> String {
    let whole = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (theme.title()) }
                link rel="stylesheet" href=(theme.stylesheet_path());
                @if let Some(icon) = theme.favicon() {
                    link rel="icon" type=(icon.image_type) href=(icon.logo_path);
                }
                @if has_script { script src=(script::SCRIPT_PATH) defer {} }
            }
            body class=(place) { (content) }
        }
    };
    whole.into_string()
}

/// Returns a page as a response.
fn html_response(status: StatusCode, theme: &Theme, place: &str, content: &Markup) -> Response {
    (status, Html(render_html(theme, place, content, false))).into_response()
}

/// Returns a page with the script of the copy buttons.
fn html_response_with_script(theme: &Theme, place: &str, content: &Markup) -> Response {
    let mut response = Html(render_html(theme, place, content, true)).into_response();
    response.extensions_mut().insert(script::NeedsScript);
    response
}

/// Returns a page with one sentence: the message that the API gives for the error.
fn error_page(theme: &Theme, error: ApiError) -> Response {
    let is_turned_away = matches!(error, ApiError::TooManyLogins | ApiError::MemoryLimitReached);
    let (status, sentence) = match error {
        ApiError::SourceIpNotAllowed(sentence) => (StatusCode::FORBIDDEN, sentence),
        ApiError::CrossSiteRequest => {
            (StatusCode::FORBIDDEN, "This form is too old or came from another site. Go back and try again.".to_owned())
        }
        ApiError::TooManyLogins => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many people log in at this moment. Try again in two seconds.".to_owned(),
        ),
        ApiError::MemoryLimitReached => (StatusCode::SERVICE_UNAVAILABLE, format!("{MEMORY_FULL_MESSAGE}.")),
        ApiError::RequestTimeout => {
            (StatusCode::REQUEST_TIMEOUT, "The form did not come in time. Send it again.".to_owned())
        }
        ApiError::Fields(_) => {
            (StatusCode::BAD_REQUEST, "The form is longer than 16 KiB. Go back and write less.".to_owned())
        }
        ApiError::NotFound(sentence) => (StatusCode::NOT_FOUND, sentence),
        ApiError::Gone(sentence) => (StatusCode::GONE, sentence),
        // Handlers of pages answer every other error themselves, or it is an internal failure.
        _ => {
            let sentence = "The platform failed on this request; its log has the cause.".to_owned();
            (StatusCode::INTERNAL_SERVER_ERROR, sentence)
        }
    };
    let content = html! { main { p.refusal role="alert" { (sentence) } p.notes { a href="/" { "First page" } } } };
    let mut response = html_response(status, theme, "plain", &content);
    if is_turned_away {
        response.extensions_mut().insert(LoadShed);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    }
    response
}

/// Returns the response of a handler, or the page of its refusal in the default theme.
fn or_error_page(app: &App, result: Result<Response, ApiError>) -> Response {
    result.unwrap_or_else(|error| match error {
        // The session ended before its page was rendered.
        ApiError::InvalidToken => Redirect::to("/login").into_response(),
        error => error_page(&Theme::default_theme(app), error),
    })
}
