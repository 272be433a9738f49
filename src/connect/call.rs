//! One call: token, pacer, exchange, and the few repeats that are safe, within one deadline.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{DATE, RETRY_AFTER};
use reqwest::{Method, Request};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use tokio::time::Instant;

use super::bucket::Route;
use super::budget::{Category, Lane};
use super::connection::Connection;
use super::error::{Error, classify, clean};
use super::guard::Guard;
use super::http::{Answer, Fault, Wire, exchange, request};
use super::pacer::{Pacer, Pass, Wanted};
use super::place::{Place, is_id};
use super::said::{code_of, is_about_credential};
use super::server_clock::ServerClock;
use super::token::{Token, Tokens, join};
use crate::plan::Payload;
use crate::wire::code;

/// Longest answer that is one thing.
pub(super) const ONE: usize = 1 << 20;
/// Longest answer that is a list.
pub(super) const LIST: usize = 32 << 20;
/// Pauses before a read is tried again.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(600)];

/// A request, apart from token and host.
pub(super) struct Call<'a> {
    method: Method,
    /// Segments before the path.
    root: &'static [&'static str],
    /// Segments after the root; the first is the tenant whose budget it uses.
    path: Vec<&'a str>,
    query: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
    category: Category,
    limit: usize,
    /// What an error must not repeat.
    secrets: Vec<&'a SecretString>,
}

impl<'a> Call<'a> {
    /// A read.
    pub(super) fn get(path: &[&'a str]) -> Self {
        Self {
            method: Method::GET,
            root: &["api", "v2", "tenants"],
            path: path.to_vec(),
            query: Vec::new(),
            body: None,
            category: Category::Read,
            limit: ONE,
            secrets: Vec::new(),
        }
    }

    /// A read of a list.
    pub(super) fn list(path: &[&'a str]) -> Self {
        Self { limit: LIST, ..Self::get(path) }
    }

    /// A read of a file, which stands beside the API.
    pub(super) fn file(path: &[&'a str]) -> Self {
        Self { root: &[], ..Self::get(path) }
    }

    /// A paginated read.
    pub(super) fn page(path: &[&'a str], query: Vec<(&'static str, String)>) -> Self {
        Self { category: Category::Page, query, ..Self::list(path) }
    }

    /// A write without a body.
    pub(super) fn post(path: &[&'a str]) -> Self {
        Self { method: Method::POST, category: Category::Write, ..Self::get(path) }
    }

    /// The call with a body.
    pub(super) fn with<T: Serialize>(self, body: &T, payload: &'a Payload) -> Result<Self, Error> {
        let body = serde_json::to_vec(body).map_err(|_| Error::invalid("", "it cannot be written as JSON"))?;
        Ok(Self { body: Some(body), secrets: payload.secrets.values().collect(), ..self })
    }

    /// The call as PUT.
    pub(super) fn put(self) -> Self {
        Self { method: Method::PUT, ..self }
    }

    fn is_write(&self) -> bool {
        self.category == Category::Write
    }

    /// What the pacer needs to know of the request.
    fn wanted(&self, lane: Lane) -> Result<Wanted, Error> {
        let [tenant, rest @ ..] = &self.path[..] else { return Err(Error::invalid("uniqueId", "is missing")) };
        let (shape, subject) = match rest {
            _ if self.root.is_empty() => ("file".to_owned(), *tenant),
            [] => ("{id}".to_owned(), *tenant),
            [kind] => (format!("{{id}}/{kind}"), *tenant),
            [kind, list @ ("minimal" | "search")] => (format!("{{id}}/{kind}/{list}"), *tenant),
            [kind, id, action @ ..] => (format!("{{id}}/{kind}/{{id}}/{}", action.join("/")), *id),
        };
        let route = Route { tenant: (*tenant).to_owned(), class: format!("{} {shape}", self.method) };
        Ok(Wanted { route, subject: subject.to_owned(), category: self.category, lane })
    }

    fn request(&self, connection: &Connection) -> Request {
        let mut segments = self.root.to_vec();
        segments.extend(&self.path);
        let mut url = join(connection.url(), &segments);
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        request(self.method.clone(), url, self.body.clone().map(|body| ("application/json", body)))
    }
}

/// What all calls to one platform share.
pub(super) struct Line {
    pub(super) connection: Connection,
    wire: Wire,
    guard: Guard,
    tokens: Tokens,
    pacer: Pacer,
    pub(super) clock: ServerClock,
    timeout: Duration,
}

/// What a write needs before it may be sent.
pub(super) struct Reserved<'a> {
    pub(super) token: Arc<Token>,
    pub(super) pass: Pass<'a>,
}

/// What has been tried within a call.
#[derive(Default)]
struct Tried {
    renewed: bool,
    repeats: usize,
}

impl Line {
    pub(super) fn new(connection: Connection, (wire, guard): (Wire, Guard), timeout: Duration) -> Self {
        Self {
            connection,
            wire,
            guard,
            tokens: Tokens::default(),
            pacer: Pacer::default(),
            clock: ServerClock::default(),
            timeout,
        }
    }

    /// When a call that begins now must have ended.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// A token, and with it what the platform can do.
    pub(super) async fn token(&self, deadline: Instant) -> Result<Arc<Token>, Error> {
        self.renewed(None, deadline).await
    }

    async fn renewed(&self, stale: Option<&Arc<Token>>, deadline: Instant) -> Result<Arc<Token>, Error> {
        let get = self.tokens.get(&self.wire, &self.connection, stale);
        tokio::time::timeout_at(deadline, get)
            .await
            .unwrap_or_else(|_| Err(Error::unsent(format!("no token within {:?}", self.timeout))))
    }

    /// The answer to a call, of any status.
    pub(super) async fn answer(&self, call: &Call<'_>, lane: Lane, deadline: Instant) -> Result<Answer, Error> {
        let wanted = call.wanted(lane)?;
        let mut tried = Tried::default();
        let mut token = self.token(deadline).await?;
        loop {
            let pass = Box::pin(self.pacer.enter(wanted.clone(), deadline)).await?;
            let sent = tokio::time::timeout_at(deadline, Box::pin(self.send(call, &token))).await;
            let too_long = |_| Err(Fault::Broken(format!("no answer within {:?}", self.timeout)));
            let answer = self.settle(call, pass, sent.unwrap_or_else(too_long))?;
            match answer.status {
                401 | 407 if !tried.renewed && (!call.is_write() || is_about_credential(&answer)) => {
                    // The platform itself carried nothing out, so even a write may go out again. Something before it
                    // may have blocked an answer.
                    tried.renewed = true;
                    token = self.renewed(Some(&token), deadline).await?;
                }
                // The pacer has learnt of it and waits, or says `Throttled`.
                429 => {}
                _ if !call.is_write() && is_passing(&answer) && tried.repeats < PAUSES.len() => {
                    if answer.status == 503 && answer.headers.contains_key(RETRY_AFTER) {
                        // The pacer waits for that long, or says until when.
                        tried.repeats += 1;
                        continue;
                    }
                    let pause = Instant::now() + PAUSES[tried.repeats];
                    if pause >= deadline {
                        return Ok(answer);
                    }
                    tried.repeats += 1;
                    tokio::time::sleep_until(pause).await;
                }
                _ => return Ok(answer),
            }
        }
    }

    /// Waits for the slot of a write under a tenant.
    pub(super) async fn reserve(&self, place: &Place, deadline: Instant) -> Result<Pass<'_>, Error> {
        let tenant = place.parent().to_owned();
        // Which of the two calls of an end it will be is not known yet.
        let route =
            Route { tenant: tenant.clone(), class: format!("POST {{id}}/{}/{{id}}/terminate", place.segment()) };
        let wanted = Wanted { route, subject: tenant, category: Category::Write, lane: Lane::Change };
        self.pacer.enter(wanted, deadline).await
    }

    /// Sends a write whose token and slot were had before, once and at once. A refused token is not used again: the next
    /// reservation gets another.
    pub(super) async fn send_reserved(&self, call: &Call<'_>, reserved: Reserved<'_>) -> Result<Answer, Error> {
        let Reserved { token, pass } = reserved;
        let sent = tokio::time::timeout(self.timeout, self.send(call, &token)).await;
        let too_long = |_| Err(Fault::Broken(format!("no answer within {:?}", self.timeout)));
        let answer = self.settle(call, pass, sent.unwrap_or_else(too_long))?;
        if matches!(answer.status, 401 | 407) {
            self.tokens.forget(&token);
        }
        Ok(answer)
    }

    /// What an answer other than success means.
    pub(super) fn refusal(&self, call: &Call<'_>, answer: &Answer) -> Error {
        let token = self.tokens.current();
        let mut secrets = vec![self.connection.client_secret(), self.connection.client_id()];
        secrets.extend(token.iter().map(|token| token.text()));
        secrets.extend(call.secrets.iter().map(|secret| secret.expose_secret()));
        classify(answer, call.is_write(), &secrets)
    }

    async fn send(&self, call: &Call<'_>, token: &Token) -> Result<Answer, Fault> {
        let mut request = call.request(&self.connection);
        token.authorise(&mut request).map_err(Fault::Unfit)?;
        let asked = crate::clock::now();
        let exchange = exchange(&self.wire, request, call.limit);
        let answer = if call.is_write() { self.guard.send(exchange).await? } else { exchange.await? };
        self.clock.saw(asked, answer.headers.get(DATE));
        Ok(answer)
    }

    /// Tells the pacer how a request ended, and what a missing answer means.
    fn settle(&self, call: &Call<'_>, pass: Pass<'_>, sent: Result<Answer, Fault>) -> Result<Answer, Error> {
        let fault = match sent {
            Ok(answer) => {
                pass.answered(answer.status, &answer.headers);
                return Ok(answer);
            }
            Err(fault) => fault,
        };
        Err(match fault {
            Fault::Connect(cause) => {
                pass.unsent();
                Error::unsent(format!("{} cannot be reached: {}", self.connection.host(), clean(&cause, &[])))
            }
            Fault::Broken(cause) => {
                let message = format!("{}: {}", self.connection.host(), clean(&cause, &[]));
                Error::Unavailable { message, maybe_applied: call.is_write() }
            }
            Fault::Unfit(error) => {
                pass.unsent();
                error
            }
            Fault::TooLarge(limit) => Error::malformed(format!("it is longer than {limit} bytes")),
        })
    }
}

/// A failure that a read may hope to pass by itself.
fn is_passing(answer: &Answer) -> bool {
    match answer.status {
        502..=504 => true,
        500 => code_of(&answer.body).as_deref() == Some(code::INTERNAL),
        _ => false,
    }
}

/// Refuses what cannot be a tenant's id, before it becomes part of a path.
pub(super) fn checked(id: &str) -> Result<&str, Error> {
    if is_id(id) { Ok(id) } else { Err(Error::invalid("uniqueId", "it is not the unique id of a tenant")) }
}
