//! Every way in which a call can fail, by what to do about it.

use jiff::Timestamp;
use tenantry_wire::{FieldError, code};

use super::error_body::parse_error_body;
use super::http::HttpAnswer;

/// Maximum length of a text that is quoted from an answer, in characters.
const MAX_MESSAGE_CHARS: usize = 300;
/// Maximum number of fields of a refusal that are kept.
const MAX_FIELD_ERRORS: usize = 20;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The platform refused the credential, or a fresh token.
    #[error("the platform refuses the credential: {message}")]
    Unauthorised {
        /// The platform's message.
        message: String,
    },
    /// The credential lacks a permission.
    #[error("the credential lacks a permission: {message}")]
    Forbidden {
        /// The platform's message.
        message: String,
    },
    /// The platform does not accept what was sent.
    #[error("the platform refuses {}", join_field_errors(errors))]
    Invalid {
        /// The errors by field.
        errors: Vec<FieldError>,
    },
    /// The tenant in the path is suspended or terminated.
    #[error("the tenant above is suspended or ended: {message}")]
    ParentGone {
        /// The platform's message.
        message: String,
    },
    /// The subject of the call does not exist, or its parent does not.
    #[error("the platform does not find it: {message}")]
    NotFound {
        /// The platform's message.
        message: String,
    },
    /// The platform has no such call.
    #[error("the platform has no such call: {message}")]
    Unsupported {
        /// Which call.
        message: String,
    },
    /// The rate limit is used up; nothing was carried out.
    #[error("the platform's rate limit is used up{}", until_clause(*retry_at))]
    Throttled {
        /// When there is a budget again, where the platform reports it.
        retry_at: Option<Timestamp>,
    },
    /// The platform could not be reached, failed, or did not answer in time.
    #[error("the platform is not available: {message}")]
    Unavailable {
        /// What happened.
        message: String,
        /// Whether the request may have been carried out nevertheless.
        maybe_applied: bool,
    },
    /// Success, with a body that is not as expected.
    #[error("the platform's answer cannot be used: {message}")]
    Malformed {
        /// What is wrong with it.
        message: String,
    },
}

impl CallError {
    /// Returns whether the request may have been carried out nevertheless. True for an answer that reports success and
    /// cannot be read.
    pub fn may_have_been_applied(&self) -> bool {
        match self {
            Self::Unavailable { maybe_applied, .. } => *maybe_applied,
            Self::Malformed { .. } => true,
            Self::Unauthorised { .. }
            | Self::Forbidden { .. }
            | Self::Invalid { .. }
            | Self::ParentGone { .. }
            | Self::NotFound { .. }
            | Self::Unsupported { .. }
            | Self::Throttled { .. } => false,
        }
    }

    /// Returns whether the platform could not be asked. The error then says nothing about the subject of the call.
    pub const fn is_connection_error(&self) -> bool {
        match self {
            Self::Unauthorised { .. } | Self::Throttled { .. } | Self::Unavailable { .. } => true,
            Self::Malformed { .. }
            | Self::Forbidden { .. }
            | Self::Invalid { .. }
            | Self::ParentGone { .. }
            | Self::NotFound { .. }
            | Self::Unsupported { .. } => false,
        }
    }

    /// Builds the error of a call that failed before anything was sent.
    pub(super) fn not_sent(message: impl Into<String>) -> Self {
        Self::Unavailable { message: message.into(), maybe_applied: false }
    }

    /// Builds the error of a request that the platform would not accept, found before it was sent.
    pub(super) fn invalid_field(field: &str, message: impl Into<String>) -> Self {
        let error = FieldError {
            code: code::INVALID.to_owned(),
            field_name: field.to_owned(),
            message: message.into(),
            holder: None,
        };
        Self::Invalid { errors: vec![error] }
    }

    pub(super) fn malformed_answer(message: impl Into<String>) -> Self {
        Self::Malformed { message: message.into() }
    }
}

fn join_field_errors(errors: &[FieldError]) -> String {
    let one = |error: &FieldError| match error.field_name.as_str() {
        "" => format!("the request: {}", error.message),
        name => format!("`{name}`: {}", error.message),
    };
    errors.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn until_clause(retry_at: Option<Timestamp>) -> String {
    retry_at.map(|at| format!(" until {}", format_instant(at))).unwrap_or_default()
}

/// Formats a time for a message.
pub(super) fn format_instant(at: Timestamp) -> String {
    at.strftime("%FT%TZ").to_string()
}

/// Removes secrets from a text.
pub(super) fn redact_secrets(text: &str, secrets: &[&str]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| secret.len() >= 4) {
        text = text.replace(*secret, "***");
    }
    text
}

/// Removes secrets from a text, and everything beyond [`MAX_MESSAGE_CHARS`]. Platforms often repeat what they were
/// sent.
pub(super) fn redact_and_shorten(text: &str, secrets: &[&str]) -> String {
    let text = redact_secrets(text, secrets);
    let mut kept: String = text.trim().chars().take(MAX_MESSAGE_CHARS).collect();
    if kept.len() < text.trim().len() {
        kept.push_str("...");
    }
    kept.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Classifies an answer other than success. `is_write` is true if the request may have changed something.
pub(super) fn classify_answer(answer: &HttpAnswer, is_write: bool, secrets: &[&str]) -> CallError {
    let HttpAnswer { status, headers: _, body } = answer;
    let status = *status;
    let error_body = parse_error_body(answer);
    let message = error_body.to_sentence(status, secrets);
    match status {
        400 => CallError::Invalid { errors: parse_field_errors(body, secrets, &message) },
        401 | 407 if error_body.is_about_credential() => CallError::Unauthorised { message },
        403 if error_body.is_about_credential() => CallError::Forbidden { message },
        404 => CallError::NotFound { message },
        405 | 501 => CallError::Unsupported { message },
        410 => CallError::ParentGone { message },
        429 => CallError::Throttled { retry_at: None },
        // Documented with 500, sent with 404 as well.
        500 if error_body.code() == code::NOT_FOUND => CallError::NotFound { message },
        // The first three come from something in front of the platform. A firewall that inspects answers blocks one
        // after the platform has carried out the request.
        401 | 403 | 407 | 408 | 425 | 500..=599 => CallError::Unavailable { message, maybe_applied: is_write },
        402..=499 => CallError::Invalid { errors: vec![request_level_error(&message)] },
        _ => CallError::malformed_answer(format!(
            "{message}: redirects are not followed, write the final address as `url`"
        )),
    }
}

fn parse_field_errors(body: &[u8], secrets: &[&str], message: &str) -> Vec<FieldError> {
    match serde_json::from_slice::<Vec<FieldError>>(body) {
        Ok(errors) if !errors.is_empty() => errors
            .into_iter()
            .take(MAX_FIELD_ERRORS)
            .map(|FieldError { code, field_name, message, holder }| FieldError {
                code: redact_and_shorten(&code, secrets),
                field_name: redact_and_shorten(&field_name, secrets),
                message: redact_and_shorten(&message, secrets),
                holder: holder.map(|holder| redact_and_shorten(&holder, secrets)),
            })
            .collect(),
        Ok(_) | Err(_) => vec![request_level_error(message)],
    }
}

/// Builds a refusal that names no field.
fn request_level_error(message: &str) -> FieldError {
    FieldError { code: code::INVALID.to_owned(), field_name: String::new(), message: message.to_owned(), holder: None }
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn error_of(status: u16, body: &str) -> CallError {
        error_with_headers(status, &[], body)
    }

    fn error_with_headers(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> CallError {
        let header = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let headers = headers.iter().map(header).collect();
        classify_answer(&HttpAnswer { status, headers, body: body.as_bytes().to_vec() }, true, &["s3cr3t"])
    }

    #[test]
    fn every_status_has_a_meaning() {
        let app = r#"{"code":"0005","message":"Boom"}"#;
        let oauth = r#"{"error":"invalid_token"}"#;
        assert!(matches!(error_of(401, oauth), CallError::Unauthorised { .. }));
        assert!(matches!(error_of(407, oauth), CallError::Unauthorised { .. }));
        assert!(matches!(error_of(403, app), CallError::Forbidden { .. }));
        assert!(matches!(error_of(404, app), CallError::NotFound { .. }));
        assert!(matches!(error_of(405, app), CallError::Unsupported { .. }));
        assert!(matches!(error_of(410, app), CallError::ParentGone { .. }));
        assert!(matches!(error_of(429, app), CallError::Throttled { .. }));
        assert!(matches!(error_of(500, app), CallError::Unavailable { maybe_applied: true, .. }));
        assert!(matches!(error_of(503, ""), CallError::Unavailable { .. }));
        assert!(matches!(error_of(302, ""), CallError::Malformed { .. }));
        assert!(matches!(error_of(413, ""), CallError::Invalid { .. }));
        let gone = r#"{"code":"0003","message":"No resource found with UUID : x"}"#;
        assert!(matches!(error_of(500, gone), CallError::NotFound { .. }));
    }

    #[test]
    fn only_a_documented_body_or_a_challenge_of_oauth_speaks_about_the_credential() {
        let page = "<html><head><title>Attention Required!</title></head></html>";
        for status in [401, 403, 407] {
            for body in ["", page, "Forbidden", r#"{"message":"Forbidden"}"#, "[]", "null", "7"] {
                let error = error_of(status, body);
                assert!(
                    matches!(error, CallError::Unavailable { maybe_applied: true, .. }),
                    "{status} {body}: {error:?}"
                );
            }
        }
        let challenge = [("www-authenticate", "Bearer realm=\"api\", error=\"insufficient_scope\"")];
        assert!(matches!(error_with_headers(403, &challenge, ""), CallError::Forbidden { .. }));
        assert!(matches!(
            error_with_headers(401, &[("www-authenticate", "bearer")], page),
            CallError::Unauthorised { .. }
        ));
        let login = [("www-authenticate", "Basic realm=\"intranet\"")];
        assert!(matches!(error_with_headers(401, &login, page), CallError::Unavailable { .. }));
    }

    #[test]
    fn a_refusal_names_its_fields_and_another_shape_becomes_one() {
        let body = r#"[{"code":"0002","fieldName":"addOns","message":"Not permitted","holder":"client_4"}]"#;
        assert_eq!(error_of(400, body).to_string(), "the platform refuses `addOns`: Not permitted");
        for body in ["", "[]", "nope", r#"{"error":"x","error_description":"nope"}"#] {
            let CallError::Invalid { errors } = error_of(400, body) else { panic!("{body}") };
            assert_eq!(errors.len(), 1);
        }
    }

    #[test]
    fn texts_are_short_and_without_secrets_and_line_feeds() {
        let long = format!(r#"{{"code":"0005","message":"a\nb s3cr3t {}"}}"#, "x".repeat(1000));
        let shown = error_of(503, &long).to_string();
        assert!(shown.contains("a b *** xxx") && !shown.contains("s3cr3t"), "{shown}");
        assert!(shown.chars().count() < 380, "{}", shown.len());
        let echoed = format!(r#"[{{"code":"0002","fieldName":"s3cr3t","message":"{} s3cr3t"}}]"#, "y".repeat(296));
        assert!(!format!("{:?}", error_of(400, &echoed)).contains("s3c"));
    }
}
