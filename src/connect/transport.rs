//! One call: token, pacer, exchange, and the few repeats that are safe, within one deadline.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{DATE, RETRY_AFTER};
use reqwest::{Method, Request};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use tokio::time::Instant;

use super::connection::Connection;
use super::error::{CallError, classify_answer, redact_and_shorten};
use super::error_body::{is_about_credential, platform_error_code};
use super::guard::ChangeGuard;
use super::http::{ExchangeFault, HttpAnswer, HttpService, json_request, send_request};
use super::place::{Place, is_tenant_id};
use super::rate_limit_bucket::RateLimitRoute;
use super::rate_limit_budget::{BudgetCategory, RequestPriority};
use super::rate_limiter::{RateLimitPermit, RateLimitRequest, RequestRateLimiter};
use super::server_clock::ServerClock;
use super::token::{AccessToken, TokenCache, join_path};
use crate::plan::SettingsPayload;
use crate::wire::code;

/// Longest answer that is one thing.
pub(super) const MAX_OBJECT_BYTES: usize = 1 << 20;
/// Longest answer that is a list.
pub(super) const MAX_LIST_BYTES: usize = 32 << 20;
/// Pauses before a read is tried again.
const RETRY_PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(600)];

/// A request, apart from token and host.
pub(super) struct TenancyCall<'a> {
    method: Method,
    /// Segments before the path.
    root: &'static [&'static str],
    /// Segments after the root; the first is the tenant whose budget it uses.
    path: Vec<&'a str>,
    query: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
    category: BudgetCategory,
    limit: usize,
    /// What an error must not repeat.
    secrets: Vec<&'a SecretString>,
}

impl<'a> TenancyCall<'a> {
    /// A read.
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

    /// A read of a list.
    pub(super) fn list(path: &[&'a str]) -> Self {
        Self { limit: MAX_LIST_BYTES, ..Self::get(path) }
    }

    /// A read of a file, which stands beside the API.
    pub(super) fn file(path: &[&'a str]) -> Self {
        Self { root: &[], ..Self::get(path) }
    }

    /// A paginated read.
    pub(super) fn page(path: &[&'a str], query: Vec<(&'static str, String)>) -> Self {
        Self { category: BudgetCategory::Page, query, ..Self::list(path) }
    }

    /// A write without a body.
    pub(super) fn post(path: &[&'a str]) -> Self {
        Self { method: Method::POST, category: BudgetCategory::Write, ..Self::get(path) }
    }

    /// The call with a body.
    pub(super) fn with_body<T: Serialize>(self, body: &T, payload: &'a SettingsPayload) -> Result<Self, CallError> {
        let body =
            serde_json::to_vec(body).map_err(|_| CallError::invalid_field("", "it cannot be written as JSON"))?;
        Ok(Self { body: Some(body), secrets: payload.secrets.values().collect(), ..self })
    }

    /// The call as PUT.
    pub(super) fn with_put(self) -> Self {
        Self { method: Method::PUT, ..self }
    }

    fn is_write(&self) -> bool {
        self.category == BudgetCategory::Write
    }

    /// What the pacer needs to know of the request.
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

/// What has been tried within a call.
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

    /// When a call that begins now must have ended.
    pub(super) fn call_deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// A token, and with it what the platform can do.
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

    /// The answer to a call, of any status.
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
            let too_long = |_| Err(ExchangeFault::Broken(format!("no answer within {:?}", self.timeout)));
            let answer = self.settle_permit(call, pass, sent.unwrap_or_else(too_long))?;
            match answer.status {
                401 | 407 if !tried.has_renewed_token && (!call.is_write() || is_about_credential(&answer)) => {
                    // The platform itself carried nothing out, so even a write may go out again. Something before it
                    // may have blocked an answer.
                    tried.has_renewed_token = true;
                    token = self.acquire_token_replacing(Some(&token), deadline).await?;
                }
                // The pacer has learnt of it and waits, or says `Throttled`.
                429 => {}
                _ if !call.is_write() && is_transient(&answer) && tried.retries < RETRY_PAUSES.len() => {
                    if answer.status == 503 && answer.headers.contains_key(RETRY_AFTER) {
                        // The pacer waits for that long, or says until when.
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
        // Which of the two calls of an end it will be is not known yet.
        let route = RateLimitRoute {
            tenant: tenant.clone(),
            class: format!("POST {{id}}/{}/{{id}}/terminate", place.route_segment()),
        };
        let wanted = RateLimitRequest {
            route,
            subject: tenant,
            category: BudgetCategory::Write,
            priority: RequestPriority::Change,
        };
        self.rate_limiter.acquire_permit(wanted, deadline).await
    }

    /// Sends a write whose token and slot were had before, once and at once. A refused token is not used again: the next
    /// reservation gets another.
    pub(super) async fn send_reserved(
        &self,
        call: &TenancyCall<'_>,
        reserved: ReservedWrite<'_>,
    ) -> Result<HttpAnswer, CallError> {
        let ReservedWrite { token, permit: pass } = reserved;
        let sent = tokio::time::timeout(self.timeout, self.send_once(call, &token)).await;
        let too_long = |_| Err(ExchangeFault::Broken(format!("no answer within {:?}", self.timeout)));
        let answer = self.settle_permit(call, pass, sent.unwrap_or_else(too_long))?;
        if matches!(answer.status, 401 | 407) {
            self.tokens.forget_token(&token);
        }
        Ok(answer)
    }

    /// What an answer other than success means.
    pub(super) fn refusal_error(&self, call: &TenancyCall<'_>, answer: &HttpAnswer) -> CallError {
        let token = self.tokens.current_token();
        let mut secrets = vec![self.connection.client_secret(), self.connection.client_id()];
        secrets.extend(token.iter().map(|token| token.expose_text()));
        secrets.extend(call.secrets.iter().map(|secret| secret.expose_secret()));
        classify_answer(answer, call.is_write(), &secrets)
    }

    async fn send_once(&self, call: &TenancyCall<'_>, token: &AccessToken) -> Result<HttpAnswer, ExchangeFault> {
        let mut request = call.to_request(&self.connection);
        token.authorise_request(&mut request).map_err(ExchangeFault::InvalidRequest)?;
        let asked = crate::clock::now();
        let exchange = send_request(&self.service, request, call.limit);
        let answer = if call.is_write() { self.guard.send_change(exchange).await? } else { exchange.await? };
        self.server_clock.record_date(asked, answer.headers.get(DATE));
        Ok(answer)
    }

    /// Tells the pacer how a request ended, and what a missing answer means.
    fn settle_permit(
        &self,
        call: &TenancyCall<'_>,
        permit: RateLimitPermit<'_>,
        sent: Result<HttpAnswer, ExchangeFault>,
    ) -> Result<HttpAnswer, CallError> {
        let fault = match sent {
            Ok(answer) => {
                permit.record_answer(answer.status, &answer.headers);
                return Ok(answer);
            }
            Err(fault) => fault,
        };
        Err(match fault {
            ExchangeFault::Connect(cause) => {
                permit.release_unsent();
                CallError::not_sent(format!(
                    "{} cannot be reached: {}",
                    self.connection.host(),
                    redact_and_shorten(&cause, &[])
                ))
            }
            ExchangeFault::Broken(cause) => {
                let message = format!("{}: {}", self.connection.host(), redact_and_shorten(&cause, &[]));
                CallError::Unavailable { message, maybe_applied: call.is_write() }
            }
            ExchangeFault::InvalidRequest(error) => {
                permit.release_unsent();
                error
            }
            ExchangeFault::TooLarge(limit) => CallError::malformed_answer(format!("it is longer than {limit} bytes")),
        })
    }
}

/// A failure that a read may hope to pass by itself.
fn is_transient(answer: &HttpAnswer) -> bool {
    match answer.status {
        502..=504 => true,
        500 => platform_error_code(&answer.body).as_deref() == Some(code::INTERNAL),
        _ => false,
    }
}

/// Refuses what cannot be a tenant's id, before it becomes part of a path.
pub(super) fn validate_tenant_id(id: &str) -> Result<&str, CallError> {
    if is_tenant_id(id) {
        Ok(id)
    } else {
        Err(CallError::invalid_field("uniqueId", "it is not the unique id of a tenant"))
    }
}
