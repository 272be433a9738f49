//! Forms: read with a size limit, and accepted only from our own pages.

use std::collections::BTreeMap;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use crate::error::ApiError;
use crate::limits::MAX_FORM_BYTES;
use crate::{credential, json_body, session};

/// Cookie that binds a form to its browser before there is a session.
pub(super) const FORM_COOKIE: &str = "__Host-tenantry-form";
/// Form field with the token.
pub(super) const TOKEN_FIELD: &str = "form";

/// The fields of a form.
pub(super) struct FormFields(BTreeMap<String, String>);

impl FormFields {
    /// Takes the value of a field; empty if it is missing.
    pub(super) fn take_field(&mut self, name: &str) -> String {
        self.0.remove(name).unwrap_or_default()
    }
}

/// Returns the token of a form. It is derived from a cookie that only this browser has and no page can read.
pub(super) fn form_token(cookie: &str) -> String {
    credential::sha256_hex(&format!("form {cookie}"))
}

/// Reads a form that one of our pages sent from the browser with the cookie.
pub(super) async fn read_form(request: Request, cookie: &str) -> Result<FormFields, ApiError> {
    if !session::is_same_site(request.headers()) {
        return Err(ApiError::CrossSiteRequest);
    }
    let bytes = json_body::collect_body(request, MAX_FORM_BYTES).await?;
    let mut form = FormFields(url::form_urlencoded::parse(&bytes).into_owned().collect());
    let given = form.take_field(TOKEN_FIELD);
    if cookie.is_empty() || !credential::constant_time_eq(&given, &form_token(cookie)) {
        return Err(ApiError::CrossSiteRequest);
    }
    Ok(form)
}

/// Returns the value of a cookie.
pub(super) fn find_cookie<'h>(headers: &'h HeaderMap, wanted: &str) -> Option<&'h str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, value)| *name == wanted && !value.is_empty()).map(|(_, value)| value)
}

/// Sets a cookie; zero seconds delete it.
pub(super) fn set_cookie(response: &mut Response, name: &str, value: &str, same_site: &str, seconds: u64) {
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite={same_site}");
    if let Ok(text) = HeaderValue::from_str(&text) {
        response.headers_mut().append(header::SET_COOKIE, text);
    }
}
