//! Errors of requests, answered in the three documented shapes.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tenantry_catalog::NOT_SUBSCRIBED;
use tenantry_wire::{FieldError, OAuthError, PlatformError, code};

/// A refusal or failure.
#[derive(Debug)]
pub(super) enum ApiError {
    /// No token, a wrong one or an expired one.
    InvalidToken,
    /// A token request with a wrong key or secret.
    BadCredentials,
    /// A login with a wrong name or password, by a person who may not log in, or with an expired password.
    BadLogin,
    /// A person lacks a permission; the text names it.
    MissingPermission(String),
    /// A person must change the password before anything else; the text is the path of that call.
    PasswordChangeRequired(String),
    /// A session must verify a second factor before anything else.
    SecondFactorRequired,
    /// A session must answer the consent form before anything else.
    ConsentRequired,
    /// A save requires a fresh confirmation of the second factor.
    FactorProofRequired,
    /// A save requires a fresh confirmation of the password, because the person has no second factor.
    PasswordProofRequired,
    /// A person's request from an address that the tenant does not allow; the text is the complete message.
    SourceIpNotAllowed(String),
    /// A browser's request that another site may have caused.
    CrossSiteRequest,
    /// Too many passwords are being checked.
    TooManyLogins,
    /// A token request of another grant type.
    UnsupportedGrantType(String),
    /// The budget of this minute is used up; the value is the number of seconds until the next one.
    Throttled(i64),
    /// A body did not arrive in time.
    RequestTimeout,
    /// The path exists, but not with this method.
    MethodNotAllowed,
    /// Fields of the request are not acceptable.
    Fields(Vec<FieldError>),
    /// The entity does not exist, or is not visible to this caller.
    NotFound(String),
    /// The feature belongs to a package that the partner has not subscribed to.
    NotSubscribed,
    /// The caller may not do this; the text is the message.
    Denied(String),
    /// Somebody changed the entity after the caller read it.
    RevisionConflict(String),
    /// The bodies and answers that are held reach the memory limit.
    MemoryLimitReached,
    /// A dependency does not respond now: nothing was done, and the same request may succeed later.
    Unavailable(String),
    /// The tenant is suspended or terminated.
    Gone(String),
    /// Unique-constraint violation; the caller adds which value collided.
    Conflict,
    /// An internal failure; the cause goes to the log only.
    Internal,
}

impl ApiError {
    /// Returns the error of one unacceptable field.
    pub(super) fn field(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Fields(vec![field_error(name, message)])
    }

    /// Returns the error of an entity that does not exist. A request for another tenant's entity gets the same words.
    pub(super) fn not_found(what: &str, id: &str) -> Self {
        let id: String = id.chars().take(80).collect();
        Self::NotFound(format!("{what} {id} not found"))
    }
}

/// Quotes a value of a request for a message, cut short.
pub(super) fn quote(text: &str) -> String {
    const MOST: usize = 80;
    let mut start: String = text.chars().take(MOST).collect();
    if start.len() < text.len() {
        start += "...";
    }
    format!("{start:?}")
}

/// Returns an element of the validation shape.
pub(super) fn field_error(name: impl Into<String>, message: impl Into<String>) -> FieldError {
    FieldError { code: code::INVALID.to_owned(), field_name: name.into(), message: message.into(), holder: None }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        if error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation) {
            tracing::warn!(%error, "another write took what had to be single");
            return Self::Conflict;
        }
        tracing::error!(%error, "the database failed");
        match database_error_message(&error) {
            Some(message) => Self::Unavailable(message.to_owned()),
            None => Self::Internal,
        }
    }
}

/// Message for a lost connection to the database: the change may or may not be made, and the answer must not claim
/// either.
pub(super) const OUTCOME_UNKNOWN_MESSAGE: &str =
    "The database broke off; whether the change was made is not known, so read before you try again";

/// Maps an error that occurs after the commit of a write, while its answer is read. The message must not say that
/// nothing was changed.
pub(super) fn answer_after_commit<T>(read: Result<T, ApiError>) -> Result<T, ApiError> {
    read.map_err(|error| match error {
        ApiError::Unavailable(_) | ApiError::Internal => ApiError::Unavailable(CHANGE_MADE_MESSAGE.to_owned()),
        error => error,
    })
}

/// Message for a request that exceeds the limits of bodies and answers that are held.
pub(super) const MEMORY_FULL_MESSAGE: &str = "The platform holds as many bodies and answers as it may, of this tenant, of this source or of all; \
                               nothing was done, try again with fewer at once";

const CHANGE_MADE_MESSAGE: &str =
    "The change was made, and only its answer failed; read it, and do not send the change again";

/// Returns the message of an error that a later attempt may not meet again. The transaction was committed or rolled
/// back as a unit, so nothing is half done.
fn database_error_message(error: &sqlx::Error) -> Option<&'static str> {
    const BUSY: &str = "The database is busy; nothing was changed, try again";
    const FULL: &str = "The database cannot be written, its disk may be full; nothing was changed";
    const READS: &str = "The database only reads at this moment; nothing was changed, try again";
    const SILENT: &str = "The database does not answer; nothing was changed, try again";
    let database = match error {
        sqlx::Error::PoolTimedOut => return Some(BUSY),
        sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => return Some(SILENT),
        // The lost message may have been the answer to a commit.
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
            return Some(OUTCOME_UNKNOWN_MESSAGE);
        }
        sqlx::Error::Database(database) => database,
        _ => return None,
    };
    let code = database.code()?;
    // SQLite's codes are numbers whose low byte is the family: busy, locked, input or output, full. PostgreSQL's codes
    // are texts.
    match code.parse::<u32>().map(|code| code & 0xff) {
        Ok(5 | 6) if code.len() < 5 => Some(BUSY),
        Ok(8 | 10 | 13) if code.len() < 5 => Some(FULL),
        _ => match &*code {
            "40001" | "40P01" | "55P03" | "57014" | "53300" => Some(BUSY),
            "53100" => Some(FULL),
            "25006" => Some(READS),
            "57P03" => Some(SILENT),
            code if code.starts_with("57P") || code.starts_with("08") => Some(OUTCOME_UNKNOWN_MESSAGE),
            _ => None,
        },
    }
}

impl From<serde_json::Error> for ApiError {
    fn from(error: serde_json::Error) -> Self {
        tracing::error!(%error, "a stored document cannot be read");
        Self::Internal
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match self {
            Self::InvalidToken => {
                let mut response = oauth_error(StatusCode::UNAUTHORIZED, "invalid_token", "Invalid access token");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                response
            }
            Self::BadCredentials => oauth_error(StatusCode::UNAUTHORIZED, "unauthorized", "Bad API credentials"),
            Self::BadLogin => oauth_error(StatusCode::UNAUTHORIZED, "unauthorized", "Bad login name or password"),
            Self::MissingPermission(missing) => {
                let text = format!("The permission {missing} is missing; ask for a role that has it");
                oauth_error(StatusCode::FORBIDDEN, "access_denied", &text)
            }
            Self::PasswordChangeRequired(path) => {
                let text = format!("The password must be changed before anything else: POST {path}");
                oauth_error(StatusCode::FORBIDDEN, "password_change_required", &text)
            }
            Self::SecondFactorRequired => {
                let text = "A second factor is needed before anything else: log in on the page /login, or ask for a token \
                            with the form member otp, a code of the app that was not used or a recovery code; enrolment \
                            and Duo have the page only";
                oauth_error(StatusCode::FORBIDDEN, "two_factor_required", text)
            }
            Self::FactorProofRequired => {
                let text = "Saving this asks for the second factor again: send a code that was not used in the header \
                            X-Two-Factor-Code, or confirm on the page /factor and save within two minutes";
                oauth_error(StatusCode::FORBIDDEN, "two_factor_proof_required", text)
            }
            Self::PasswordProofRequired => {
                let text = "Saving this asks for the password again: log in again and save within five minutes, or enter it on \
                            the page /factor and save within two minutes";
                oauth_error(StatusCode::FORBIDDEN, "password_proof_required", text)
            }
            Self::ConsentRequired => {
                let text = "The consent form must be accepted before anything else: open /consent in the browser";
                oauth_error(StatusCode::FORBIDDEN, "consent_required", text)
            }
            Self::SourceIpNotAllowed(sentence) => oauth_error(StatusCode::FORBIDDEN, "access_denied", &sentence),
            Self::CrossSiteRequest => {
                let text = "A session of a browser changes nothing for another site; open the platform's own pages";
                oauth_error(StatusCode::FORBIDDEN, "access_denied", text)
            }
            Self::TooManyLogins => {
                let text = "Too many people log in at this moment; try again in two seconds";
                let mut response = oauth_error(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", text);
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
                response.extensions_mut().insert(LoadShed);
                response
            }
            Self::UnsupportedGrantType(grant) => {
                let text = format!("Unsupported grant type: {grant}");
                oauth_error(StatusCode::BAD_REQUEST, "unsupported_grant_type", &text)
            }
            Self::Throttled(seconds) => {
                let mut response = oauth_error(StatusCode::TOO_MANY_REQUESTS, "throttled", "Too Many Requests");
                response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
                response
            }
            Self::RequestTimeout => {
                let text = "The body did not come within 30 seconds, or nothing of it for 10; send it again";
                oauth_error(StatusCode::REQUEST_TIMEOUT, "request_timeout", text)
            }
            Self::MethodNotAllowed => {
                oauth_error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This path does not take that method")
            }
            Self::Fields(fields) => (StatusCode::BAD_REQUEST, Json(fields)).into_response(),
            Self::NotFound(message) => platform_error(StatusCode::NOT_FOUND, code::NOT_FOUND, message),
            Self::NotSubscribed => oauth_error(StatusCode::FORBIDDEN, "access_denied", NOT_SUBSCRIBED),
            Self::Denied(message) => oauth_error(StatusCode::FORBIDDEN, "access_denied", &message),
            Self::RevisionConflict(message) => platform_error(StatusCode::CONFLICT, code::INVALID, message),
            Self::MemoryLimitReached => {
                let mut response = Self::Unavailable(MEMORY_FULL_MESSAGE.to_owned()).into_response();
                response.extensions_mut().insert(LoadShed);
                response
            }
            Self::Unavailable(message) => {
                let mut response = platform_error(StatusCode::SERVICE_UNAVAILABLE, code::INTERNAL, message);
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
                response
            }
            Self::Gone(message) => platform_error(StatusCode::GONE, code::NOT_FOUND, message),
            Self::Conflict => {
                let message =
                    "Another request took a name or number that had to be single; nothing was changed, try again";
                platform_error(StatusCode::CONFLICT, code::INVALID, message.to_owned())
            }
            Self::Internal => internal_error(),
        }
    }
}

/// Marks an answer to a login that found no free slot, or to a request for whose bytes there was no memory. The
/// platform works as designed.
#[derive(Clone, Copy)]
pub(super) struct LoadShed;

/// Returns the answer to an internal failure, without its cause.
pub(super) fn internal_error() -> Response {
    let message = "The platform failed on this request; its log has the cause".to_owned();
    platform_error(StatusCode::INTERNAL_SERVER_ERROR, code::INTERNAL, message)
}

fn oauth_error(status: StatusCode, error: &str, description: &str) -> Response {
    let body = OAuthError { error: error.to_owned(), error_description: description.to_owned() };
    (status, Json(body)).into_response()
}

fn platform_error(status: StatusCode, code: &str, message: String) -> Response {
    (status, Json(PlatformError { code: code.to_owned(), message })).into_response()
}
