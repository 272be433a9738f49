//! Every way in which a call can fail, by what is to be done about it.

use jiff::Timestamp;

use crate::wire::{FieldError, OAuthError, PlatformError, code};

/// Longest text of an answer that goes into a message, in characters.
const LONGEST: usize = 300;
/// Most fields of a refusal that are kept.
const MOST_FIELDS: usize = 20;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The credential was refused, or a fresh token was.
    #[error("the platform refuses the credential: {message}")]
    Unauthorised {
        /// What the platform said.
        message: String,
    },
    /// The credential may not do this.
    #[error("the credential lacks a permission: {message}")]
    Forbidden {
        /// What the platform said.
        message: String,
    },
    /// The platform does not take what was sent.
    #[error("the platform refuses {}", fields(errors))]
    Invalid {
        /// Field by field.
        errors: Vec<FieldError>,
    },
    /// The tenant of the path is suspended or ended.
    #[error("the tenant above is suspended or ended: {message}")]
    ParentGone {
        /// What the platform said.
        message: String,
    },
    /// What the call is about does not exist, or its parent does not.
    #[error("the platform does not find it: {message}")]
    NotFound {
        /// What the platform said.
        message: String,
    },
    /// The platform has no such call.
    #[error("the platform has no such call: {message}")]
    Unsupported {
        /// Which call.
        message: String,
    },
    /// The rate limit is used up; nothing was carried out.
    #[error("the platform's rate limit is used up{}", until(*retry_at))]
    Throttled {
        /// When there is a budget again, where the platform tells.
        retry_at: Option<Timestamp>,
    },
    /// The platform could not be reached, failed, or did not answer in time.
    #[error("the platform is not available: {message}")]
    Unavailable {
        /// What happened.
        message: String,
        /// Whether the request may have been carried out all the same.
        maybe_applied: bool,
    },
    /// Success, with a body that is not what was asked for.
    #[error("the platform's answer cannot be used: {message}")]
    Malformed {
        /// What is wrong with it.
        message: String,
    },
}

impl Error {
    /// Whether the request may have been carried out all the same. True for an answer that says success and cannot be
    /// read.
    pub fn maybe_applied(&self) -> bool {
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

    /// A failure that happened before anything was sent.
    pub(super) fn unsent(message: impl Into<String>) -> Self {
        Self::Unavailable { message: message.into(), maybe_applied: false }
    }

    /// A request of ours that the platform would not take, found before it was sent.
    pub(super) fn invalid(field: &str, message: impl Into<String>) -> Self {
        let error = FieldError {
            code: code::INVALID.to_owned(),
            field_name: field.to_owned(),
            message: message.into(),
            holder: None,
        };
        Self::Invalid { errors: vec![error] }
    }

    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::Malformed { message: message.into() }
    }
}

fn fields(errors: &[FieldError]) -> String {
    let one = |error: &FieldError| match error.field_name.as_str() {
        "" => format!("the request: {}", error.message),
        name => format!("`{name}`: {}", error.message),
    };
    errors.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn until(retry_at: Option<Timestamp>) -> String {
    retry_at.map(|at| format!(" until {}", at.strftime("%FT%TZ"))).unwrap_or_default()
}

/// Removes from a text what must not be shown, and everything beyond [`LONGEST`]. Platforms like to repeat what they
/// were sent.
pub(super) fn clean(text: &str, secrets: &[&str]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| secret.len() >= 4) {
        text = text.replace(*secret, "***");
    }
    let mut kept: String = text.trim().chars().take(LONGEST).collect();
    if kept.len() < text.trim().len() {
        kept.push_str("...");
    }
    kept.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// What an answer other than success means. `is_write` says whether the request may have changed something.
pub(super) fn classify(status: u16, body: &[u8], is_write: bool, secrets: &[&str]) -> Error {
    let (said, code) = words(body);
    let message = match clean(&said, secrets) {
        empty if empty.is_empty() => format!("HTTP {status}"),
        text => format!("{text} (HTTP {status})"),
    };
    match status {
        400 => Error::Invalid { errors: field_errors(body, secrets, &message) },
        401 | 407 => Error::Unauthorised { message },
        403 => Error::Forbidden { message },
        404 => Error::NotFound { message },
        405 | 501 => Error::Unsupported { message },
        410 => Error::ParentGone { message },
        429 => Error::Throttled { retry_at: None },
        // Documented with 500, sent with 404 as well.
        500 if code == code::NOT_FOUND => Error::NotFound { message },
        408 | 425 | 500..=599 => Error::Unavailable { message, maybe_applied: is_write },
        402..=499 => Error::Invalid { errors: vec![whole(&message)] },
        _ => Error::malformed(format!("{message}: redirects are not followed, write the final address as `url`")),
    }
}

/// The sentence of a body in any of the three shapes, and its code.
fn words(body: &[u8]) -> (String, String) {
    if let Ok(error) = serde_json::from_slice::<PlatformError>(body) {
        return (error.message, error.code);
    }
    if let Ok(OAuthError { error, error_description }) = serde_json::from_slice(body) {
        return (if error_description.is_empty() { error.clone() } else { error_description }, error);
    }
    (String::from_utf8_lossy(body).into_owned(), String::new())
}

fn field_errors(body: &[u8], secrets: &[&str], message: &str) -> Vec<FieldError> {
    match serde_json::from_slice::<Vec<FieldError>>(body) {
        Ok(errors) if !errors.is_empty() => errors
            .into_iter()
            .take(MOST_FIELDS)
            .map(|FieldError { code, field_name, message, holder }| FieldError {
                code: clean(&code, secrets),
                field_name: clean(&field_name, secrets),
                message: clean(&message, secrets),
                holder: holder.map(|holder| clean(&holder, secrets)),
            })
            .collect(),
        Ok(_) | Err(_) => vec![whole(message)],
    }
}

/// A refusal that names no field.
fn whole(message: &str) -> FieldError {
    FieldError { code: code::INVALID.to_owned(), field_name: String::new(), message: message.to_owned(), holder: None }
}

/// Whether an error body is in the application's shape, and so not from something in between: gateways answer 404 too.
pub(super) fn is_platforms(body: &[u8]) -> bool {
    code_of(body).is_some()
}

/// The code of a body in the application's shape.
pub(super) fn code_of(body: &[u8]) -> Option<String> {
    serde_json::from_slice::<PlatformError>(body).ok().map(|error| error.code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> Error {
        classify(status, body.as_bytes(), true, &["s3cr3t"])
    }

    #[test]
    fn every_status_has_a_meaning() {
        let app = r#"{"code":"0005","message":"Boom"}"#;
        assert!(matches!(of(401, r#"{"error":"invalid_token"}"#), Error::Unauthorised { .. }));
        assert!(matches!(of(407, ""), Error::Unauthorised { .. }));
        assert!(matches!(of(403, ""), Error::Forbidden { .. }));
        assert!(matches!(of(404, app), Error::NotFound { .. }));
        assert!(matches!(of(405, app), Error::Unsupported { .. }));
        assert!(matches!(of(410, app), Error::ParentGone { .. }));
        assert!(matches!(of(429, app), Error::Throttled { .. }));
        assert!(matches!(of(500, app), Error::Unavailable { maybe_applied: true, .. }));
        assert!(matches!(of(503, ""), Error::Unavailable { .. }));
        assert!(matches!(of(302, ""), Error::Malformed { .. }));
        assert!(matches!(of(413, ""), Error::Invalid { .. }));
        let gone = r#"{"code":"0003","message":"No resource found with UUID : x"}"#;
        assert!(matches!(of(500, gone), Error::NotFound { .. }));
    }

    #[test]
    fn a_refusal_names_its_fields_and_another_shape_becomes_one() {
        let body = r#"[{"code":"0002","fieldName":"addOns","message":"Not permitted","holder":"client_4"}]"#;
        assert_eq!(of(400, body).to_string(), "the platform refuses `addOns`: Not permitted");
        for body in ["", "[]", "nope", r#"{"error":"x","error_description":"nope"}"#] {
            let Error::Invalid { errors } = of(400, body) else { panic!("{body}") };
            assert_eq!(errors.len(), 1);
        }
    }

    #[test]
    fn texts_are_short_and_without_secrets_and_line_feeds() {
        let long = format!("a\nb s3cr3t {}", "x".repeat(1000));
        let shown = of(503, &long).to_string();
        assert!(shown.contains("a b *** xxx") && !shown.contains("s3cr3t"), "{shown}");
        assert!(shown.chars().count() < 380, "{}", shown.len());
        let echoed = format!(r#"[{{"code":"0002","fieldName":"s3cr3t","message":"{} s3cr3t"}}]"#, "y".repeat(296));
        assert!(!format!("{:?}", of(400, &echoed)).contains("s3c"));
    }
}
