//! The body of an answer other than success, and its source: the platform in one of its documented forms, or something
//! in front of it, whose pages are summarised in a sentence and never quoted unchanged.

use reqwest::header::{HeaderMap, SERVER, WWW_AUTHENTICATE};
use serde_json::Value;
use tenantry_wire::{FieldError, OAuthError, PlatformError};

use super::error::{redact_and_shorten, redact_secrets};
use super::http::HttpAnswer;

/// Maximum length of a quotation from a page, in characters.
const MAX_QUOTE_CHARS: usize = 80;

/// The content of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ErrorBody {
    /// A failure of the application.
    Application { code: String, message: String },
    /// A failure of authentication, permission or throttling.
    OAuth { error: String, description: String },
    /// Errors by field.
    Fields(Vec<FieldError>),
    /// An OAuth challenge in a header, RFC 6750; the body is ignored.
    Challenge,
    /// Nothing.
    Empty,
    /// Anything else, which comes from a proxy, a gateway or a firewall.
    Foreign { server: Option<String>, quote: Option<String> },
}

impl ErrorBody {
    /// Returns whether a 401 or 403 is about the credential.
    pub(super) const fn is_about_credential(&self) -> bool {
        match self {
            Self::Application { .. } | Self::OAuth { .. } | Self::Challenge => true,
            Self::Fields(_) | Self::Empty | Self::Foreign { .. } => false,
        }
    }

    /// Returns the code of an application failure.
    pub(super) fn code(&self) -> &str {
        match self {
            Self::Application { code, message: _ } => code,
            Self::OAuth { .. } | Self::Fields(_) | Self::Challenge | Self::Empty | Self::Foreign { .. } => "",
        }
    }

    /// Returns one sentence for a message, without the secrets.
    pub(super) fn to_sentence(&self, status: u16, secrets: &[&str]) -> String {
        let with_status = |text: &str| format!("{} (HTTP {status})", redact_and_shorten(text, secrets));
        match self {
            Self::Application { code, message } if message.is_empty() => with_status(code),
            Self::Application { code: _, message } => with_status(message),
            Self::OAuth { error, description } if description.is_empty() => with_status(error),
            Self::OAuth { error: _, description } => with_status(description),
            Self::Fields(_) | Self::Challenge | Self::Empty => format!("HTTP {status}"),
            Self::Foreign { server, quote } => {
                // Secrets are removed first: a secret that was cut in half would not be found.
                let quote = quote.as_ref().map(|quote| shorten_quote(&strip_markup(&redact_secrets(quote, secrets))));
                let quote = quote.filter(|quote| !quote.is_empty()).map(|quote| format!("`{quote}`"));
                let detail: Vec<String> = server.iter().cloned().chain(quote).collect();
                let detail = if detail.is_empty() { String::new() } else { format!(" ({})", detail.join(": ")) };
                format!("HTTP {status} from something before the platform{detail}")
            }
        }
    }
}

/// Parses an answer.
pub(super) fn parse_error_body(answer: &HttpAnswer) -> ErrorBody {
    let HttpAnswer { status: _, headers, body } = answer;
    if let Ok(PlatformError { code, message }) = serde_json::from_slice(body) {
        return ErrorBody::Application { code, message };
    }
    if let Ok(OAuthError { error, error_description }) = serde_json::from_slice(body) {
        return ErrorBody::OAuth { error, description: error_description };
    }
    match serde_json::from_slice::<Vec<FieldError>>(body) {
        Ok(errors) if !errors.is_empty() => return ErrorBody::Fields(errors),
        Ok(_) | Err(_) => {}
    }
    if has_challenge(headers, "bearer") {
        return ErrorBody::Challenge;
    }
    if matches!(body.trim_ascii(), b"" | b"null" | b"[]" | b"{}") {
        return ErrorBody::Empty;
    }
    ErrorBody::Foreign { server: server_name(headers), quote: quotable_line(body) }
}

/// Returns whether a 401 or 403 is about the credential, and not from something in front of the platform.
pub(super) fn is_about_credential(answer: &HttpAnswer) -> bool {
    parse_error_body(answer).is_about_credential()
}

/// Returns whether an error body has the application's form, and so does not come from a gateway: gateways answer 404
/// too.
pub(super) fn is_platform_error(body: &[u8]) -> bool {
    platform_error_code(body).is_some()
}

/// Returns the code of a body in the application's form.
pub(super) fn platform_error_code(body: &[u8]) -> Option<String> {
    serde_json::from_slice::<PlatformError>(body).ok().map(|error| error.code)
}

/// Returns whether an answer requests an authentication scheme. Case is ignored, and all headers of the name are read.
pub(super) fn has_challenge(headers: &HeaderMap, scheme: &str) -> bool {
    let is_scheme = |word: &str| word.eq_ignore_ascii_case(scheme);
    headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|challenge| challenge.split_whitespace().next().is_some_and(is_scheme))
}

/// Returns the name of the server, without its version.
fn server_name(headers: &HeaderMap) -> Option<String> {
    let name = headers.get(SERVER)?.to_str().ok()?.split(['/', ' ', '(']).next()?;
    Some(name.chars().filter(|c| c.is_ascii_alphanumeric() || "-._".contains(*c)).take(40).collect())
        .filter(|name: &String| !name.is_empty())
}

/// Returns the one line of a body that is most useful to a person.
fn quotable_line(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(members)) => {
            // RFC 9457, and the names that gateways use.
            let names = ["title", "detail", "message", "error", "reason", "description"];
            names.iter().find_map(|name| members.get(*name)?.as_str().map(str::to_owned))
        }
        Ok(_) => None,
        Err(_) if text.contains('<') => element_text(&text, "title").or_else(|| element_text(&text, "h1")),
        Err(_) => text.lines().find(|line| !line.trim().is_empty()).map(str::to_owned),
    }
}

/// Returns the text in the first element of this name.
fn element_text(page: &str, name: &str) -> Option<String> {
    // ASCII lower case keeps lengths, so positions are the same in both texts.
    let lower = page.to_ascii_lowercase();
    let opened = lower.find(&format!("<{name}"))?;
    let begin = opened + lower[opened..].find('>')? + 1;
    let end = begin + lower[begin..].find(&format!("</{name}"))?;
    Some(page[begin..end].to_owned())
}

/// Returns a text without markup, and without quotation marks and white space that would break a message.
fn strip_markup(text: &str) -> String {
    let mut is_inside = false;
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => is_inside = true,
            '>' => {
                is_inside = false;
                plain.push(' ');
            }
            _ if is_inside => {}
            '`' => plain.push('\''),
            c if c.is_control() => plain.push(' '),
            c => plain.push(c),
        }
    }
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn shorten_quote(text: &str) -> String {
    let mut kept: String = text.chars().take(MAX_QUOTE_CHARS).collect();
    if kept.len() < text.len() {
        kept.push_str("...");
    }
    kept
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn sentence_for(status: u16, server: &'static str, body: &str) -> String {
        let mut headers = HeaderMap::new();
        if !server.is_empty() {
            headers.insert(SERVER, HeaderValue::from_static(server));
        }
        parse_error_body(&HttpAnswer { status, headers, body: body.as_bytes().to_vec() })
            .to_sentence(status, &["s3cr3t"])
    }

    #[test]
    fn a_page_becomes_one_sentence() {
        let page =
            "<!DOCTYPE html>\n<html><head><TITLE lang=en>\n 502 Bad Gateway</TITLE><style>b{}</style></head></html>";
        let wanted = "HTTP 502 from something before the platform (nginx: `502 Bad Gateway`)";
        assert_eq!(sentence_for(502, "nginx/1.25.3", page), wanted);
        assert_eq!(sentence_for(502, "", page), wanted.replace("nginx: ", ""));
        assert_eq!(sentence_for(502, "", "<h1>502 Bad Gateway</h1>"), wanted.replace("nginx: ", ""));
        assert_eq!(sentence_for(502, "", "<body>"), "HTTP 502 from something before the platform");
        assert_eq!(sentence_for(502, "", "<title>502"), "HTTP 502 from something before the platform");
        assert_eq!(sentence_for(502, "", ""), "HTTP 502");
        let text = "\n  upstream connect error: `reset`\nreset reason: overflow";
        assert_eq!(
            sentence_for(503, "envoy", text),
            "HTTP 503 from something before the platform (envoy: `upstream connect error: 'reset'`)"
        );
        let json = r#"{"type":"about:blank","title":"Service Unavailable","status":503}"#;
        assert_eq!(sentence_for(503, "", json), "HTTP 503 from something before the platform (`Service Unavailable`)");
    }

    #[test]
    fn whatever_a_page_holds_the_sentence_is_short_and_without_markup() {
        let long = "x".repeat(5000);
        for body in [
            format!("<title>a <b>bold</b> <script>alert(`1`)</script> {long}</title>"),
            format!("{{\"message\":\"<html>{long}</html>\"}}"),
            long.clone(),
            format!("<title>İ{long}</title>"),
            format!("{} s3cr3t", "y".repeat(76)),
            "<title>\u{0}\u{7}a</title>".to_owned(),
        ] {
            let sentence = sentence_for(403, "edge", &body);
            assert!(sentence.chars().count() < 160, "{sentence}");
            assert!(!sentence.contains(['<', '>']) && !sentence.contains(char::is_control), "{sentence}");
            assert!(sentence.matches('`').count() <= 2 && !sentence.contains("s3c"), "{sentence}");
        }
    }

    #[test]
    fn the_documented_shapes_are_quoted() {
        assert_eq!(sentence_for(500, "nginx", r#"{"code":"0005","message":"Boom"}"#), "Boom (HTTP 500)");
        assert_eq!(
            sentence_for(401, "", r#"{"error":"unauthorized","error_description":null}"#),
            "unauthorized (HTTP 401)"
        );
        assert_eq!(
            sentence_for(401, "", r#"{"error":"x","error_description":"Bad API credentials"}"#),
            "Bad API credentials (HTTP 401)"
        );
    }

    #[test]
    fn a_challenge_is_found_among_several() {
        let of = |values: &[&'static str]| {
            let pairs = values.iter().map(|value| (WWW_AUTHENTICATE, HeaderValue::from_static(value)));
            has_challenge(&pairs.collect(), "bearer")
        };
        assert!(of(&["bearer"]) && of(&["Basic realm=\"a\", Bearer realm=\"b\""]) && of(&["Negotiate", "Bearer"]));
        assert!(!of(&[]) && !of(&["Basic realm=\"Bearer\""]));
    }
}
