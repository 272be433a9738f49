//! Forms: read within bounds, and taken only from pages of ours.

use std::collections::BTreeMap;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use crate::platform::bounds::FORM;
use crate::platform::error::Error;
use crate::platform::{body, credential, session};

/// Cookie that binds a form to its browser before there is a session.
pub(super) const BEFORE: &str = "__Host-tenantry-form";
/// Member that carries the token.
pub(super) const TOKEN: &str = "form";

/// A form's members.
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    /// A member; empty where it is missing.
    pub(super) fn take(&mut self, name: &str) -> String {
        self.0.remove(name).unwrap_or_default()
    }
}

/// The token of a form, made of what only this browser has as a cookie and no page can read.
pub(super) fn token(cookie: &str) -> String {
    credential::hash(&format!("form {cookie}"))
}

/// Reads a form that a page of ours sent from the browser that has the cookie.
pub(super) async fn read(request: Request, cookie: &str) -> Result<Form, Error> {
    if !session::same_site(request.headers()) {
        return Err(Error::OtherSite);
    }
    let bytes = body::collect(request, FORM).await?;
    let mut form = Form(url::form_urlencoded::parse(&bytes).into_owned().collect());
    let given = form.take(TOKEN);
    if cookie.is_empty() || !credential::same(&given, &token(cookie)) {
        return Err(Error::OtherSite);
    }
    Ok(form)
}

/// The value of a cookie.
pub(super) fn cookie<'h>(headers: &'h HeaderMap, wanted: &str) -> Option<&'h str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, value)| *name == wanted && !value.is_empty()).map(|(_, value)| value)
}

/// Sets a cookie of ours; no seconds forget it.
pub(super) fn set(response: &mut Response, (name, value): (&str, &str), same_site: &str, seconds: u64) {
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite={same_site}");
    if let Ok(text) = HeaderValue::from_str(&text) {
        response.headers_mut().append(header::SET_COOKIE, text);
    }
}
