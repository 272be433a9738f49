//! The pages for people, made on the server and usable without JavaScript.

mod brand;
mod colour;
mod consent;
mod duo;
mod factor;
mod form;
mod headers;
mod home;
mod login;
mod menus;
mod password;
mod screens;
mod script;
mod style;
mod visitor;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use maud::{DOCTYPE, Markup, html};

use super::App;
use super::error::{Error, FULL, TurnedAway};
use super::factor::duo::CALLBACK;
use brand::Look;

pub(super) use brand::unreadable;
pub(super) use headers::add as add_headers;

/// Every page.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(home::show))
        .route("/consent", get(consent::show).post(consent::decide))
        .route("/factor", get(factor::show).post(factor::answer_code))
        .route("/factor/duo", get(duo::go))
        .route(CALLBACK, get(duo::back))
        .route("/login", get(login::show).post(login::log_in))
        .route("/login/{tenant}", get(login::show_of).post(login::log_in_of))
        .route("/logout", post(home::log_out))
        .route("/password", get(password::show).post(password::change))
        .route("/screens/{screen}", get(screens::show))
        .route(script::PATH, get(script::show))
        .route("/style/{file}", get(style::show))
}

/// A whole page.
fn page(look: &Look, place: &str, content: &Markup, scripted: bool) -> String {
    let whole = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (look.title()) }
                link rel="stylesheet" href=(look.stylesheet());
                @if let Some(icon) = look.favicon() {
                    link rel="icon" type=(icon.image_type) href=(icon.logo_path);
                }
                @if scripted { script src=(script::PATH) defer {} }
            }
            body class=(place) { (content) }
        }
    };
    whole.into_string()
}

/// A page as an answer.
fn answer(status: StatusCode, look: &Look, place: &str, content: &Markup) -> Response {
    (status, Html(page(look, place, content, false))).into_response()
}

/// A page with the script of the copy buttons.
fn answer_with_script(look: &Look, place: &str, content: &Markup) -> Response {
    let mut response = Html(page(look, place, content, true)).into_response();
    response.extensions_mut().insert(script::Scripted);
    response
}

/// A page with one sentence, in the words that the API has for it.
fn refusal(look: &Look, error: Error) -> Response {
    let is_turned_away = matches!(error, Error::Busy | Error::Full);
    let (status, sentence) = match error {
        Error::Elsewhere(sentence) => (StatusCode::FORBIDDEN, sentence),
        Error::OtherSite => {
            (StatusCode::FORBIDDEN, "This form is too old or came from another site. Go back and try again.".to_owned())
        }
        Error::Busy => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many people log in at this moment. Try again in two seconds.".to_owned(),
        ),
        Error::Full => (StatusCode::SERVICE_UNAVAILABLE, format!("{FULL}.")),
        Error::TooSlow => (StatusCode::REQUEST_TIMEOUT, "The form did not come in time. Send it again.".to_owned()),
        Error::Fields(_) => {
            (StatusCode::BAD_REQUEST, "The form is longer than 16 KiB. Go back and write less.".to_owned())
        }
        Error::NotFound(sentence) => (StatusCode::NOT_FOUND, sentence),
        Error::Gone(sentence) => (StatusCode::GONE, sentence),
        // Everything else a page answers itself, or it is a failure of ours.
        _ => {
            let sentence = "The platform failed on this request; its log has the cause.".to_owned();
            (StatusCode::INTERNAL_SERVER_ERROR, sentence)
        }
    };
    let content = html! { main { p.refusal role="alert" { (sentence) } p.notes { a href="/" { "First page" } } } };
    let mut response = answer(status, look, "plain", &content);
    if is_turned_away {
        response.extensions_mut().insert(TurnedAway);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    }
    response
}

/// What a handler answers, or the page of its refusal in the default look.
fn or_refusal(app: &App, answered: Result<Response, Error>) -> Response {
    answered.unwrap_or_else(|error| match error {
        // The session ended while its page was asked for.
        Error::InvalidToken => Redirect::to("/login").into_response(),
        error => refusal(&Look::plain(app), error),
    })
}
