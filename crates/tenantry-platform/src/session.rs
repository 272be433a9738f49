//! The session cookie of a browser.

use axum::http::{HeaderMap, Method, header};

use super::error::ApiError;
use super::mfa::RequiredAction;
use super::principal::Caller;
use super::store::{SessionCarrier, SessionClock};
use super::{App, credential, time};

/// Name of the cookie. The prefix makes browsers take it over TLS (or loopback) only, for this host and every path.
pub(super) const SESSION_COOKIE: &str = "__Host-tenantry";

/// Returns the key in the session cookie of a request.
pub(super) fn session_key(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == SESSION_COOKIE).map(|(_, key)| key)
}

/// Returns the clock by which sessions are judged now.
pub(super) fn session_clock(app: &App) -> SessionClock {
    SessionClock { now: time::now(), idle: app.login.idle_milliseconds() }
}

/// Finds a browser's session. Returns its key and its caller; `None` if there is no cookie or no live session.
pub(super) async fn find_session<'h>(app: &App, headers: &'h HeaderMap) -> Result<Option<(&'h str, Caller)>, ApiError> {
    let Some(key) = session_key(headers) else { return Ok(None) };
    let caller =
        app.store.find_session_caller(&credential::sha256_hex(key), SessionCarrier::Cookie, session_clock(app)).await?;
    Ok(caller.map(|caller| (key, caller)))
}

/// Returns what the session of a key must do before anything else.
pub(super) async fn required_action(app: &App, key: &str) -> Result<Option<RequiredAction>, ApiError> {
    let caller =
        app.store.find_session_caller(&credential::sha256_hex(key), SessionCarrier::Cookie, session_clock(app)).await?;
    Ok(caller.and_then(|caller| caller.person().and_then(|person| person.required_action)))
}

/// Returns whether a method may change something.
pub(super) fn is_unsafe_method(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Returns whether a page of this site caused the request. Browsers say it in a header that pages cannot set, older
/// ones in `Origin`. A client that sends neither is not a browser and must not use a cookie.
pub(super) fn is_same_site(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin";
    }
    let authority = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    match (authority("origin").and_then(|origin| origin.split_once("://")), authority("host")) {
        // Only the scheme may differ: a proxy that terminates TLS speaks plain HTTP to the platform.
        (Some((_, origin)), Some(host)) => origin.eq_ignore_ascii_case(host),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(rows: &[(&'static str, &'static str)]) -> HeaderMap {
        rows.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        assert_eq!(session_key(&headers(&[("cookie", "a=1; __Host-tenantry=k; b=2")])), Some("k"));
        assert_eq!(session_key(&headers(&[("cookie", "a=1; x__Host-tenantry=k")])), None);
        assert_eq!(session_key(&headers(&[])), None);
    }

    /// shows: security/asvs/3.5.1
    #[test]
    fn only_this_site_causes_changes() {
        for (rows, same) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site"), ("origin", "https://a.example"), ("host", "a.example")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("origin", "https://a.example"), ("host", "a.example")], true),
            (&[("origin", "https://b.example"), ("host", "a.example")], false),
            (&[("origin", "null"), ("host", "a.example")], false),
            (&[("host", "a.example")], false),
            (&[], false),
        ] {
            assert_eq!(is_same_site(&headers(rows)), same, "{rows:?}");
        }
        assert!(
            is_unsafe_method(&Method::POST) && is_unsafe_method(&Method::DELETE) && !is_unsafe_method(&Method::GET)
        );
    }
}
