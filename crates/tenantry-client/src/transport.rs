//! One call: token, rate limiter, exchange, and the few retries that are safe, within one deadline.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{DATE, RETRY_AFTER};
use reqwest::{Method, Request};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use tenantry_core::{Place, SettingsPayload};
use tenantry_wire::code;
use tokio::time::Instant;

use super::change_guard::ChangeGuard;
use super::connection::Connection;
use super::error::{CallError, classify_answer, redact_and_shorten};
use super::error_body::{is_about_credential, platform_error_code};
use super::http::{ExchangeError, HttpAnswer, HttpService, json_request, send_request};
use super::rate_limit_bucket::RateLimitRoute;
use super::rate_limit_budget::{BudgetCategory, RequestPriority};
use super::rate_limiter::{RateLimitPermit, RateLimitRequest, RequestRateLimiter};
use super::route::{is_tenant_id, route_segment};
use super::server_clock::ServerClock;
use super::token::{AccessToken, TokenCache, join_path};

/// Maximum size of an answer about a single object.
pub(super) const MAX_OBJECT_BYTES: usize = 1 << 20;
/// Maximum size of a list.
pub(super) const MAX_LIST_BYTES: usize = 32 << 20;
/// Pauses before a read is retried.
const RETRY_PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(600)];

/// A request, without token and host.
pub(super) struct TenancyCall<'a> {
    method: Method,
    /// Path segments before `path`.
    root: &'static [&'static str],
    /// Path segments after the root; the first is the tenant whose budget the request uses.
    path: Vec<&'a str>,
    query: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
    category: BudgetCategory,
    limit: usize,
    /// Secrets that an error must not repeat.
    secrets: Vec<&'a SecretString>,
}

impl<'a> TenancyCall<'a> {
    /// Builds a read.
    pub(super) fn get(path: &[&'a str]) -> Self {
        Self {
            method: Method::GET,
            root: &["api", "v2", "tenants"],
            path: path.to_vec(),
            query: Vec::new(),
            body: None,
            category: BudgetCategory::Read,
            limit: MAX_OBJECT_BYTES,
            secrets: Vec::new(),
        }
    }

    /// Builds a read of a list.
    pub(super) fn list(path: &[&'a str]) -> Self {
        Self { limit: MAX_LIST_BYTES, ..Self::get(path) }
    }

    /// Builds a read of a file, which is outside the API's root.
    pub(super) fn file(path: &[&'a str]) -> Self {
        Self { root: &[], ..Self::get(path) }
    }

    /// Builds a paginated read.
    pub(super) fn page(path: &[&'a str], query: Vec<(&'static str, String)>) -> Self {
        Self { category: BudgetCategory::Page, query, ..Self::list(path) }
    }

    /// Builds a write without a body.
    pub(super) fn post(path: &[&'a str]) -> Self {
        Self { method: Method::POST, category: BudgetCategory::Write, ..Self::get(path) }
    }

    /// Adds a body.
    pub(super) fn with_body<T: Serialize>(self, body: &T, payload: &'a SettingsPayload) -> Result<Self, CallError> {
        let body =
            serde_json::to_vec(body).map_err(|_| CallError::invalid_field("", "it cannot be written as JSON"))?;
        Ok(Self { body: Some(body), secrets: payload.secrets.values().collect(), ..self })
    }

    /// Changes the method to PUT.
    pub(super) fn with_put(self) -> Self {
        Self { method: Method::PUT, ..self }
    }

    fn is_write(&self) -> bool {
        self.category == BudgetCategory::Write
    }

    /// Describes the request for the rate limiter.
    fn rate_limit_request(&self, priority: RequestPriority) -> Result<RateLimitRequest, CallError> {
        let [tenant, rest @ ..] = &self.path[..] else {
            return Err(CallError::invalid_field("uniqueId", "is missing"));
        };
        let (shape, subject) = match rest {
            _ if self.root.is_empty() => ("file".to_owned(), *tenant),
            [] => ("{id}".to_owned(), *tenant),
            [kind] => (format!("{{id}}/{kind}"), *tenant),
            [kind, list @ ("minimal" | "search")] => (format!("{{id}}/{kind}/{list}"), *tenant),
            [kind, id, action @ ..] => (format!("{{id}}/{kind}/{{id}}/{}", action.join("/")), *id),
        };
        let route = RateLimitRoute { tenant: (*tenant).to_owned(), class: format!("{} {shape}", self.method) };
        Ok(RateLimitRequest { route, subject: subject.to_owned(), category: self.category, priority })
    }

    fn to_request(&self, connection: &Connection) -> Request {
        let mut segments = self.root.to_vec();
        segments.extend(&self.path);
        let mut url = join_path(connection.url(), &segments);
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        json_request(self.method.clone(), url, self.body.clone().map(|body| ("application/json", body)))
    }
}

/// What all calls to one platform share.
pub(super) struct Transport {
    pub(super) connection: Connection,
    service: HttpService,
    guard: ChangeGuard,
    tokens: TokenCache,
    rate_limiter: RequestRateLimiter,
    pub(super) server_clock: ServerClock,
    timeout: Duration,
}

/// What a write needs before it may be sent.
pub(super) struct ReservedWrite<'a> {
    pub(super) token: Arc<AccessToken>,
    pub(super) permit: RateLimitPermit<'a>,
}

/// What has been retried within a call.
#[derive(Default)]
struct RetryState {
    has_renewed_token: bool,
    retries: usize,
}

impl Transport {
    pub(super) fn new(connection: Connection, (wire, guard): (HttpService, ChangeGuard), timeout: Duration) -> Self {
        Self {
            connection,
            service: wire,
            guard,
            tokens: TokenCache::default(),
            rate_limiter: RequestRateLimiter::default(),
            server_clock: ServerClock::default(),
            timeout,
        }
    }

    /// Returns the deadline of a call that begins now.
    pub(super) fn call_deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// Returns a token, which also reports the platform's extensions.
    pub(super) async fn acquire_token(&self, deadline: Instant) -> Result<Arc<AccessToken>, CallError> {
        self.acquire_token_replacing(None, deadline).await
    }

    async fn acquire_token_replacing(
        &self,
        stale: Option<&Arc<AccessToken>>,
        deadline: Instant,
    ) -> Result<Arc<AccessToken>, CallError> {
        let get = self.tokens.get_or_fetch(&self.service, &self.connection, stale);
        tokio::time::timeout_at(deadline, get)
            .await
            .unwrap_or_else(|_| Err(CallError::not_sent(format!("no token within {:?}", self.timeout))))
    }

    /// Sends a call and returns its answer, of any status.
    pub(super) async fn send_with_retries(
        &self,
        call: &TenancyCall<'_>,
        priority: RequestPriority,
        deadline: Instant,
    ) -> Result<HttpAnswer, CallError> {
        let wanted = call.rate_limit_request(priority)?;
        let mut tried = RetryState::default();
        let mut token = self.acquire_token(deadline).await?;
        loop {
            let pass = Box::pin(self.rate_limiter.acquire_permit(wanted.clone(), deadline)).await?;
            let sent = tokio::time::timeout_at(deadline, Box::pin(self.send_once(call, &token))).await;
            let too_long = |_| Err(ExchangeError::Broken(format!("no answer within {:?}", self.timeout)));
            let answer = self.finish_exchange(call, pass, sent.unwrap_or_else(too_long))?;
            match answer.status {
                401 | 407 if !tried.has_renewed_token && (!call.is_write() || is_about_credential(&answer)) => {
                    // The platform itself carried nothing out, so even a write may be repeated. Something in front of
                    // it may have blocked an answer.
                    tried.has_renewed_token = true;
                    token = self.acquire_token_replacing(Some(&token), deadline).await?;
                }
                // The rate limiter has recorded it and waits, or returns `Throttled`.
                429 => {}
                _ if !call.is_write() && is_transient(&answer) && tried.retries < RETRY_PAUSES.len() => {
                    if answer.status == 503 && answer.headers.contains_key(RETRY_AFTER) {
                        // The rate limiter waits that long, or returns until when.
                        tried.retries += 1;
                        continue;
                    }
                    let pause = Instant::now() + RETRY_PAUSES[tried.retries];
                    if pause >= deadline {
                        return Ok(answer);
                    }
                    tried.retries += 1;
                    tokio::time::sleep_until(pause).await;
                }
                _ => return Ok(answer),
            }
        }
    }

    /// Waits for the slot of a write under a tenant.
    pub(super) async fn reserve_write_slot(
        &self,
        place: &Place,
        deadline: Instant,
    ) -> Result<RateLimitPermit<'_>, CallError> {
        let tenant = place.parent_id().to_owned();
        // It is not known yet which of the two calls of a termination will be sent.
        let route = RateLimitRoute {
            tenant: tenant.clone(),
            class: format!("POST {{id}}/{}/{{id}}/terminate", route_segment(place)),
        };
        let wanted = RateLimitRequest {
            route,
            subject: tenant,
            category: BudgetCategory::Write,
            priority: RequestPriority::Change,
        };
        self.rate_limiter.acquire_permit(wanted, deadline).await
    }

    /// Sends a write with a reserved token and slot, once and at once. A refused token is not used again: the next
    /// reservation gets another.
    pub(super) async fn send_reserved(
        &self,
        call: &TenancyCall<'_>,
        reserved: ReservedWrite<'_>,
    ) -> Result<HttpAnswer, CallError> {
        let ReservedWrite { token, permit: pass } = reserved;
        let sent = tokio::time::timeout(self.timeout, self.send_once(call, &token)).await;
        let too_long = |_| Err(ExchangeError::Broken(format!("no answer within {:?}", self.timeout)));
        let answer = self.finish_exchange(call, pass, sent.unwrap_or_else(too_long))?;
        if matches!(answer.status, 401 | 407) {
            self.tokens.invalidate_token(&token);
        }
        Ok(answer)
    }

    /// Classifies an answer other than success.
    pub(super) fn refusal_error(&self, call: &TenancyCall<'_>, answer: &HttpAnswer) -> CallError {
        let token = self.tokens.current_token();
        let mut secrets = vec![self.connection.client_secret(), self.connection.client_id()];
        secrets.extend(token.iter().map(|token| token.expose_text()));
        secrets.extend(call.secrets.iter().map(|secret| secret.expose_secret()));
        classify_answer(answer, call.is_write(), &secrets)
    }

    async fn send_once(&self, call: &TenancyCall<'_>, token: &AccessToken) -> Result<HttpAnswer, ExchangeError> {
        let mut request = call.to_request(&self.connection);
        token.authorise_request(&mut request).map_err(ExchangeError::InvalidRequest)?;
        let asked = tenantry_runtime::clock::now();
        let exchange = send_request(&self.service, request, call.limit);
        let answer = if call.is_write() { self.guard.send_change(exchange).await? } else { exchange.await? };
        self.server_clock.record_date(asked, answer.headers.get(DATE));
        Ok(answer)
    }

    /// Reports to the rate limiter how a request ended, and converts a missing answer to an error.
    fn finish_exchange(
        &self,
        call: &TenancyCall<'_>,
        permit: RateLimitPermit<'_>,
        result: Result<HttpAnswer, ExchangeError>,
    ) -> Result<HttpAnswer, CallError> {
        let fault = match result {
            Ok(answer) => {
                permit.record_answer(answer.status, &answer.headers);
                return Ok(answer);
            }
            Err(fault) => fault,
        };
        Err(match fault {
            ExchangeError::Connect(cause) => {
                permit.release_unsent();
                CallError::not_sent(format!(
                    "{} cannot be reached: {}",
                    self.connection.host(),
                    redact_and_shorten(&cause, &[])
                ))
            }
            ExchangeError::Broken(cause) => {
                let message = format!("{}: {}", self.connection.host(), redact_and_shorten(&cause, &[]));
                CallError::Unavailable { message, maybe_applied: call.is_write() }
            }
            ExchangeError::InvalidRequest(error) => {
                permit.release_unsent();
                error
            }
            ExchangeError::TooLarge(limit) => CallError::malformed_answer(format!("it is longer than {limit} bytes")),
        })
    }
}

/// Returns whether a failure may pass by itself, so that a read is retried.
fn is_transient(answer: &HttpAnswer) -> bool {
    match answer.status {
        502..=504 => true,
        500 => platform_error_code(&answer.body).as_deref() == Some(code::INTERNAL),
        _ => false,
    }
}

/// Refuses a text that cannot be a tenant id, before it becomes part of a path.
pub(super) fn validate_tenant_id(id: &str) -> Result<&str, CallError> {
    if is_tenant_id(id) {
        Ok(id)
    } else {
        Err(CallError::invalid_field("uniqueId", "it is not the unique id of a tenant"))
    }
}
