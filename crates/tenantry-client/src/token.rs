//! The bearer token: fetched once for all callers, and renewed before it expires.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, Request};
use secrecy::{ExposeSecret as _, SecretString};
use tenantry_wire::{EXTENSIONS_HEADER, TokenResponse};
use tokio::time::Instant;
use url::{Url, form_urlencoded};

use super::connection::Connection;
use super::error::{CallError, classify_answer};
use super::error_body::{ErrorBody, has_challenge, parse_error_body};
use super::http::{ExchangeError, HttpAnswer, HttpService, json_request, send_request};
use super::single_flight::{Completed, SingleFlight};
use super::{rate_limit_headers, rate_limiter};

/// The two documented paths; the first that exists is kept.
const TOKEN_PATHS: [[&str; 4]; 2] = [["tenancy", "auth", "oauth", "token"], ["auth", "oauth", "token", ""]];
/// Maximum size of a token answer.
const MAX_TOKEN_BYTES: usize = 64 << 10;
/// A refused credential is retried after this time at the earliest.
const REFUSED_CREDENTIAL_PAUSE: Duration = Duration::from_secs(30);
/// A token is renewed this long before it expires.
const RENEWAL_MARGIN: Duration = Duration::from_mins(1);
/// Maximum lifetime that is accepted.
const MAX_LIFETIME: Duration = Duration::from_hours(24);
/// Lifetime of a token if the platform reports none. A token that expires earlier is renewed when it is refused.
const DEFAULT_LIFETIME: Duration = Duration::from_hours(1);

/// A token.
pub(super) struct AccessToken {
    text: SecretString,
    renew_at: Instant,
    /// Whether the platform has the extensions.
    pub(super) has_extensions: bool,
}

impl AccessToken {
    /// Returns the text of the token, to redact it in messages.
    pub(super) fn expose_text(&self) -> &str {
        self.text.expose_secret()
    }

    /// Adds the token to a request.
    pub(super) fn authorise_request(&self, request: &mut Request) -> Result<(), CallError> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.expose_text()))
            .map_err(|_| CallError::malformed_answer("the token has characters that a header cannot carry"))?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
        Ok(())
    }
}

/// The cached token of a connection.
#[derive(Default)]
pub(super) struct TokenCache {
    single_flight: SingleFlight<Arc<AccessToken>>,
    path_index: AtomicUsize,
    /// Whether the credential is sent in a header.
    uses_basic_auth: AtomicBool,
    /// No request is sent before this millisecond since the epoch, as the platform asked.
    blocked_until: AtomicI64,
}

/// Where a token request carries the credential, RFC 6749 section 2.3.1.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CredentialLocation {
    Body,
    Header,
}

impl TokenCache {
    /// Returns a token other than `stale`, which the platform has just refused.
    pub(super) async fn get_or_fetch(
        &self,
        service: &HttpService,
        connection: &Connection,
        stale: Option<&Arc<AccessToken>>,
    ) -> Result<Arc<AccessToken>, CallError> {
        let serves = |landed: &Completed<Arc<AccessToken>>| match &landed.outcome {
            Ok(token) => Instant::now() < token.renew_at && stale.is_none_or(|stale| !Arc::ptr_eq(stale, token)),
            Err(CallError::Unauthorised { .. }) => landed.ended.elapsed() < REFUSED_CREDENTIAL_PAUSE,
            Err(CallError::Throttled { retry_at: Some(at) }) => tenantry_runtime::clock::now() < *at,
            Err(_) => false,
        };
        // Boxed: the future is large and seldom needed, and each call would reserve space for it.
        self.single_flight.run(serves, Box::pin(self.fetch_token(service, connection)), |_, _| {}).await
    }

    /// Returns the token in use.
    pub(super) fn current_token(&self) -> Option<Arc<AccessToken>> {
        self.single_flight.lock_last().as_ref().and_then(|landed| landed.outcome.clone().ok())
    }

    /// Drops a token that was refused.
    pub(super) fn invalidate_token(&self, refused: &Arc<AccessToken>) {
        let mut last = self.single_flight.lock_last();
        let is_it = |landed: &Completed<Arc<AccessToken>>| {
            landed.outcome.as_ref().is_ok_and(|token| Arc::ptr_eq(token, refused))
        };
        if last.as_ref().is_some_and(is_it) {
            *last = None;
        }
    }

    async fn fetch_token(&self, service: &HttpService, connection: &Connection) -> Result<Arc<AccessToken>, CallError> {
        let held_until = self.blocked_until.load(Ordering::Relaxed);
        let now = now_ms();
        if held_until > now && held_until <= now.saturating_add(rate_limit_headers::MAX_WAIT_MS) {
            return Err(rate_limiter::retry_after_error(held_until));
        }
        let kept = self.path_index.load(Ordering::Relaxed);
        for path in [kept, 1 - kept] {
            let asked = Instant::now();
            let (answer, carrier) = self.request_token(service, connection, TOKEN_PATHS[path]).await?;
            if !matches!(answer.status, 404 | 405) {
                self.path_index.store(path, Ordering::Relaxed);
                return self.read_token_answer(&answer, carrier, connection)?.into_token(asked).map(Arc::new);
            }
        }
        Err(CallError::not_sent(format!("{} answers no token on any known path: check `url`", connection.host())))
    }

    /// Requests a token in the way that the platform accepted before; if it demands the other way, uses that.
    async fn request_token(
        &self,
        service: &HttpService,
        connection: &Connection,
        path: [&str; 4],
    ) -> Result<(HttpAnswer, CredentialLocation), CallError> {
        let is_basic = self.uses_basic_auth.load(Ordering::Relaxed);
        let carrier = if is_basic { CredentialLocation::Header } else { CredentialLocation::Body };
        let answer = send_request(service, token_request(connection, path, carrier)?, MAX_TOKEN_BYTES)
            .await
            .map_err(token_fault_error)?;
        let is_refused = matches!(answer.status, 400 | 401);
        self.uses_basic_auth.store(is_basic && !is_refused, Ordering::Relaxed);
        if !is_refused || is_basic || !has_challenge(&answer.headers, "basic") {
            return Ok((answer, carrier));
        }
        let answer =
            send_request(service, token_request(connection, path, CredentialLocation::Header)?, MAX_TOKEN_BYTES)
                .await
                .map_err(token_fault_error)?;
        self.uses_basic_auth.store(answer.is_success(), Ordering::Relaxed);
        Ok((answer, CredentialLocation::Header))
    }

    fn read_token_answer<'a>(
        &self,
        answer: &'a HttpAnswer,
        location: CredentialLocation,
        connection: &Connection,
    ) -> Result<TokenAnswer<'a>, CallError> {
        if answer.is_success() {
            return Ok(TokenAnswer(answer));
        }
        let retry_at = rate_limit_headers::read_headers(&answer.headers, now_ms()).retry_at;
        if let (503, Some(until)) = (answer.status, retry_at) {
            self.blocked_until.store(until, Ordering::Relaxed);
        }
        let secrets = [connection.client_secret(), connection.client_id()];
        Err(match (classify_answer(answer, false, &secrets), refusal_cause(answer, location)) {
            (CallError::Throttled { .. }, _) => rate_limiter::throttled_error(retry_at),
            // Documented: 400 means "unable to authenticate".
            (error, RefusalCause::Credential) => CallError::Unauthorised { message: error_message(error) },
            (
                error @ (CallError::Invalid { .. } | CallError::Forbidden { .. } | CallError::Unauthorised { .. }),
                RefusalCause::Other,
            ) => CallError::not_sent(error_message(error)),
            (other, RefusalCause::Other) => other,
        })
    }
}

fn token_request(connection: &Connection, path: [&str; 4], location: CredentialLocation) -> Result<Request, CallError> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if location == CredentialLocation::Body {
        form.append_pair("client_id", connection.client_id()).append_pair("client_secret", connection.client_secret());
    }
    let form = Some(("application/x-www-form-urlencoded", form.finish().into_bytes()));
    let mut request = json_request(Method::POST, join_path(connection.url(), &path), form);
    if location == CredentialLocation::Header {
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encoded(connection.client_id()), encoded(connection.client_secret()));
        let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair)))
            .map_err(|_| CallError::not_sent("the credential cannot be written into a header"))?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    Ok(request)
}

/// The cause of a refusal.
enum RefusalCause {
    Credential,
    Other,
}

fn refusal_cause(answer: &HttpAnswer, location: CredentialLocation) -> RefusalCause {
    let is_about_credential = match parse_error_body(answer) {
        // RFC 6749 sections 4.1.2.1 and 5.2: these errors say nothing about the credential.
        ErrorBody::OAuth { error, .. } => !["temporarily_unavailable", "server_error"].contains(&error.as_str()),
        ErrorBody::Application { .. } | ErrorBody::Fields(_) | ErrorBody::Challenge => true,
        ErrorBody::Empty | ErrorBody::Foreign { .. } => {
            location == CredentialLocation::Header && has_challenge(&answer.headers, "basic")
        }
    };
    match answer.status {
        400 | 401 | 403 if is_about_credential => RefusalCause::Credential,
        _ => RefusalCause::Other,
    }
}

/// Returns the message of an error without its meaning.
fn error_message(error: CallError) -> String {
    match error {
        CallError::Invalid { errors } => errors.into_iter().map(|error| error.message).collect::<Vec<_>>().join("; "),
        CallError::Unauthorised { message }
        | CallError::Forbidden { message }
        | CallError::ParentGone { message }
        | CallError::NotFound { message }
        | CallError::Unsupported { message }
        | CallError::Malformed { message }
        | CallError::Unavailable { message, maybe_applied: _ } => message,
        throttled @ CallError::Throttled { .. } => throttled.to_string(),
    }
}

/// A successful answer.
struct TokenAnswer<'a>(&'a HttpAnswer);

impl TokenAnswer<'_> {
    fn into_token(self, sent_at: Instant) -> Result<AccessToken, CallError> {
        let HttpAnswer { status: _, headers, body } = self.0;
        let no_token = || CallError::malformed_answer("the answer to the token request holds no token");
        let TokenResponse { access_token, token_type, expires_in, scope: _ } =
            serde_json::from_slice(body).map_err(|_| no_token())?;
        if access_token.is_empty() {
            return Err(no_token());
        }
        if !token_type.is_empty() && !token_type.eq_ignore_ascii_case("bearer") {
            return Err(CallError::malformed_answer("the token is not of the type `bearer`, and no other can be used"));
        }
        let life = expires_in.map_or(DEFAULT_LIFETIME, Duration::from_secs).min(MAX_LIFETIME);
        // A token must not be due for renewal before it is used.
        let until = sent_at + life.saturating_sub(RENEWAL_MARGIN.min(life / 10));
        Ok(AccessToken {
            text: access_token.into(),
            renew_at: until,
            has_extensions: headers.contains_key(EXTENSIONS_HEADER),
        })
    }
}

fn now_ms() -> i64 {
    tenantry_runtime::clock::now().as_millisecond()
}

fn token_fault_error(fault: ExchangeError) -> CallError {
    match fault {
        ExchangeError::InvalidRequest(error) => error,
        ExchangeError::Connect(cause) | ExchangeError::Broken(cause) => {
            CallError::not_sent(format!("no token could be had: {cause}"))
        }
        ExchangeError::TooLarge(limit) => {
            CallError::malformed_answer(format!("the answer to the token request is longer than {limit} bytes"))
        }
    }
}

/// Appends segments to an address; empty ones are skipped.
pub(super) fn join_path(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments.iter().filter(|segment| !segment.is_empty()));
    }
    url
}
