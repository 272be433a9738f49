//! The bearer token: got once for all who need it, and again before it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, Request};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;
use url::{Url, form_urlencoded};

use super::connection::Connection;
use super::error::{Error, classify};
use super::flight::{Flight, Landed};
use super::http::{Answer, Fault, Wire, exchange, request};
use super::said::{Said, is_challenge, said};
use super::{headers, pacer};
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
/// Life of a token whose end the platform does not tell; one that ends earlier is renewed when it is refused.
const USUAL: Duration = Duration::from_hours(1);

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
    /// Whether the credential goes into a header.
    is_basic: AtomicBool,
    /// Nothing is asked before this millisecond since the epoch, as the platform wished.
    held_until: AtomicI64,
}

/// Where a request for a token has the credential, RFC 6749 section 2.3.1.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Carrier {
    Body,
    Header,
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
        // It is seldom needed and large, and each call has a place for it.
        self.flight.fly(serves, Box::pin(self.fetch(wire, connection)), |_, _| {}).await
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
        let held_until = self.held_until.load(Ordering::Relaxed);
        let now = now();
        if held_until > now && held_until <= now.saturating_add(headers::LONGEST_WAIT) {
            return Err(pacer::held(held_until));
        }
        let kept = self.path.load(Ordering::Relaxed);
        for path in [kept, 1 - kept] {
            let asked = Instant::now();
            let (answer, carrier) = self.exchange(wire, connection, PATHS[path]).await?;
            if !matches!(answer.status, 404 | 405) {
                self.path.store(path, Ordering::Relaxed);
                return self.read(&answer, carrier, connection)?.token(asked).map(Arc::new);
            }
        }
        Err(Error::unsent(format!("{} answers no token on any known path: check `url`", connection.host())))
    }

    /// Asks as the platform took it before; where it demands the other way, asks that way.
    async fn exchange(
        &self,
        wire: &Wire,
        connection: &Connection,
        path: [&str; 4],
    ) -> Result<(Answer, Carrier), Error> {
        let is_basic = self.is_basic.load(Ordering::Relaxed);
        let carrier = if is_basic { Carrier::Header } else { Carrier::Body };
        let answer = exchange(wire, ask(connection, path, carrier)?, LIMIT).await.map_err(fault)?;
        let is_refused = matches!(answer.status, 400 | 401);
        self.is_basic.store(is_basic && !is_refused, Ordering::Relaxed);
        if !is_refused || is_basic || !is_challenge(&answer.headers, "basic") {
            return Ok((answer, carrier));
        }
        let answer = exchange(wire, ask(connection, path, Carrier::Header)?, LIMIT).await.map_err(fault)?;
        self.is_basic.store(answer.is_success(), Ordering::Relaxed);
        Ok((answer, Carrier::Header))
    }

    fn read<'a>(&self, answer: &'a Answer, carrier: Carrier, connection: &Connection) -> Result<Granted<'a>, Error> {
        if answer.is_success() {
            return Ok(Granted(answer));
        }
        let retry_at = headers::read(&answer.headers, now()).retry_at;
        if let (503, Some(until)) = (answer.status, retry_at) {
            self.held_until.store(until, Ordering::Relaxed);
        }
        let secrets = [connection.client_secret(), connection.client_id()];
        Err(match (classify(answer, false, &secrets), verdict(answer, carrier)) {
            (Error::Throttled { .. }, _) => pacer::throttled(retry_at),
            // Documented: 400 is "unable to authenticate".
            (error, Verdict::Credential) => Error::Unauthorised { message: message(error) },
            (
                error @ (Error::Invalid { .. } | Error::Forbidden { .. } | Error::Unauthorised { .. }),
                Verdict::Other,
            ) => Error::unsent(message(error)),
            (other, Verdict::Other) => other,
        })
    }
}

fn ask(connection: &Connection, path: [&str; 4], carrier: Carrier) -> Result<Request, Error> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if carrier == Carrier::Body {
        form.append_pair("client_id", connection.client_id()).append_pair("client_secret", connection.client_secret());
    }
    let form = Some(("application/x-www-form-urlencoded", form.finish().into_bytes()));
    let mut request = request(Method::POST, join(connection.url(), &path), form);
    if carrier == Carrier::Header {
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encoded(connection.client_id()), encoded(connection.client_secret()));
        let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair)))
            .map_err(|_| Error::unsent("the credential cannot be written into a header"))?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    Ok(request)
}

/// What a refusal is about.
enum Verdict {
    Credential,
    Other,
}

fn verdict(answer: &Answer, carrier: Carrier) -> Verdict {
    let is_about_credential = match said(answer) {
        // RFC 6749 sections 4.1.2.1 and 5.2: these say nothing of the credential.
        Said::OAuth { error, .. } => !["temporarily_unavailable", "server_error"].contains(&error.as_str()),
        Said::Application { .. } | Said::Fields(_) | Said::Challenge => true,
        Said::Nothing | Said::Foreign { .. } => carrier == Carrier::Header && is_challenge(&answer.headers, "basic"),
    };
    match answer.status {
        400 | 401 | 403 if is_about_credential => Verdict::Credential,
        _ => Verdict::Other,
    }
}

/// What an error says, without what it means.
fn message(error: Error) -> String {
    match error {
        Error::Invalid { errors } => errors.into_iter().map(|error| error.message).collect::<Vec<_>>().join("; "),
        Error::Unauthorised { message }
        | Error::Forbidden { message }
        | Error::ParentGone { message }
        | Error::NotFound { message }
        | Error::Unsupported { message }
        | Error::Malformed { message }
        | Error::Unavailable { message, maybe_applied: _ } => message,
        throttled @ Error::Throttled { .. } => throttled.to_string(),
    }
}

/// An answer that says success.
struct Granted<'a>(&'a Answer);

impl Granted<'_> {
    fn token(self, asked: Instant) -> Result<Token, Error> {
        let Answer { status: _, headers, body } = self.0;
        let no_token = || Error::malformed("the answer to the token request holds no token");
        let TokenResponse { access_token, token_type, expires_in, scope: _ } =
            serde_json::from_slice(body).map_err(|_| no_token())?;
        if access_token.is_empty() {
            return Err(no_token());
        }
        if !token_type.is_empty() && !token_type.eq_ignore_ascii_case("bearer") {
            return Err(Error::malformed("the token is not of the type `bearer`, and no other can be used"));
        }
        let life = expires_in.map_or(USUAL, Duration::from_secs).min(LONGEST);
        // Nobody is helped by a token that is renewed before it is used.
        let until = asked + life.saturating_sub(MARGIN.min(life / 10));
        Ok(Token { text: access_token.into(), until, extensions: headers.contains_key(EXTENSIONS_HEADER) })
    }
}

fn now() -> i64 {
    crate::clock::now().as_millisecond()
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
