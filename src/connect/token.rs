//! The bearer token: got once for all who need it, and again before it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, Request};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;
use url::{Url, form_urlencoded};

use super::connection::Connection;
use super::error::{Error, classify};
use super::flight::{Flight, Landed};
use super::http::{Answer, Fault, Wire, exchange, request};
use super::pacer;
use crate::wire::{EXTENSIONS_HEADER, TokenResponse};

/// The two documented paths; the first that exists is kept.
const PATHS: [[&str; 4]; 2] = [["tenancy", "auth", "oauth", "token"], ["auth", "oauth", "token", ""]];
/// Longest answer with a token.
const LIMIT: usize = 64 << 10;
/// A refused credential is tried again after this at the earliest.
const REFUSED: Duration = Duration::from_secs(30);
/// A token is renewed so long before it ends.
const MARGIN: Duration = Duration::from_mins(1);
/// Longest life that is believed.
const LONGEST: Duration = Duration::from_hours(24);

/// A token.
pub(super) struct Token {
    text: SecretString,
    until: Instant,
    /// Whether the platform has the extensions.
    pub(super) extensions: bool,
}

impl Token {
    /// The token itself, to be kept out of messages.
    pub(super) fn text(&self) -> &str {
        self.text.expose_secret()
    }

    /// Puts the token on a request.
    pub(super) fn authorise(&self, request: &mut Request) -> Result<(), Error> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.text()))
            .map_err(|_| Error::malformed("the token has characters that a header cannot carry"))?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
        Ok(())
    }
}

/// The token of a connection.
#[derive(Default)]
pub(super) struct Tokens {
    flight: Flight<Arc<Token>>,
    path: AtomicUsize,
}

impl Tokens {
    /// A token that is not `stale`, the one that the platform has just refused.
    pub(super) async fn get(
        &self,
        wire: &Wire,
        connection: &Connection,
        stale: Option<&Arc<Token>>,
    ) -> Result<Arc<Token>, Error> {
        let serves = |landed: &Landed<Arc<Token>>| match &landed.outcome {
            Ok(token) => Instant::now() < token.until && stale.is_none_or(|stale| !Arc::ptr_eq(stale, token)),
            Err(Error::Unauthorised { .. }) => landed.ended.elapsed() < REFUSED,
            Err(Error::Throttled { retry_at: Some(at) }) => crate::clock::now() < *at,
            Err(_) => false,
        };
        self.flight.fly(serves, self.fetch(wire, connection), |_, _| {}).await
    }

    /// The token in use.
    pub(super) fn current(&self) -> Option<Arc<Token>> {
        self.flight.last().as_ref().and_then(|landed| landed.outcome.clone().ok())
    }

    /// Forgets a token that was refused.
    pub(super) fn forget(&self, refused: &Arc<Token>) {
        let mut last = self.flight.last();
        let is_it =
            |landed: &Landed<Arc<Token>>| landed.outcome.as_ref().is_ok_and(|token| Arc::ptr_eq(token, refused));
        if last.as_ref().is_some_and(is_it) {
            *last = None;
        }
    }

    async fn fetch(&self, wire: &Wire, connection: &Connection) -> Result<Arc<Token>, Error> {
        let kept = self.path.load(Ordering::Relaxed);
        for path in [kept, 1 - kept] {
            let asked = Instant::now();
            let request = ask(connection, PATHS[path]);
            let answer = exchange(wire, request, LIMIT).await.map_err(fault)?;
            if !matches!(answer.status, 404 | 405) {
                self.path.store(path, Ordering::Relaxed);
                return read(&answer, connection, asked).map(Arc::new);
            }
        }
        Err(Error::unsent(format!("{} answers no token on any known path: check `url`", connection.host())))
    }
}

fn ask(connection: &Connection, path: [&str; 4]) -> Request {
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", connection.client_id())
        .append_pair("client_secret", connection.client_secret())
        .finish();
    let kind = "application/x-www-form-urlencoded";
    request(Method::POST, join(connection.url(), &path), Some((kind, form.into_bytes())))
}

fn read(answer: &Answer, connection: &Connection, asked: Instant) -> Result<Token, Error> {
    if !answer.is_success() {
        let secrets = [connection.client_secret(), connection.client_id()];
        return Err(match classify(answer.status, &answer.body, false, &secrets) {
            // Documented: 400 is "unable to authenticate".
            Error::Invalid { errors } => {
                Error::Unauthorised { message: errors.into_iter().map(|error| error.message).collect() }
            }
            Error::Forbidden { message } => Error::Unauthorised { message },
            Error::Throttled { .. } => throttled(answer),
            other => other,
        });
    }
    let response: TokenResponse = serde_json::from_slice(&answer.body)
        .map_err(|_| Error::malformed("the answer to the token request holds no token"))?;
    // Nobody is helped by a token that is renewed before it is used.
    let life = Duration::from_secs(u64::try_from(response.expires_in).unwrap_or_default());
    let until = asked + life.saturating_sub(MARGIN.min(life / 10)).min(LONGEST);
    let extensions = answer.headers.contains_key(EXTENSIONS_HEADER);
    Ok(Token { text: response.access_token.into(), until, extensions })
}

fn throttled(answer: &Answer) -> Error {
    pacer::throttled(pacer::retry_after(&answer.headers, crate::clock::now().as_millisecond()))
}

fn fault(fault: Fault) -> Error {
    match fault {
        Fault::Unfit(error) => error,
        Fault::Connect(cause) | Fault::Broken(cause) => Error::unsent(format!("no token could be had: {cause}")),
        Fault::TooLarge(limit) => {
            Error::malformed(format!("the answer to the token request is longer than {limit} bytes"))
        }
    }
}

/// The address with segments added; empty ones are left out.
pub(super) fn join(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments.iter().filter(|segment| !segment.is_empty()));
    }
    url
}
