//! One HTTP exchange: a request out, an answer of bounded size back.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Method, Request, Response, redirect, retry};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceExt as _};
use url::Url;

use super::connection::{Connection, ConnectionError};
use super::error::Error;
use super::proxy::Proxy;
use super::roots;

/// Longest error body that is read.
const ERROR_BODY: usize = 64 << 10;
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// An idle connection is given up before the platform or something in between does so in the middle of a request.
const IDLE: Duration = Duration::from_secs(20);

/// What carries requests to a platform: an HTTP client, or whatever stands in its place. An error that is none of the
/// client's own is taken for a connection that broke on the way, so the request may have been carried out.
pub type Wire = BoxCloneSyncService<Request, Response, BoxError>;

/// A request that something on this side of the network held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unsent(pub(super) &'static str);

/// Makes what carries the requests of a connection; the time is the longest wait for a connection.
pub type Dial = Arc<dyn Fn(&Connection, Duration) -> Result<Wire, ConnectionError> + Send + Sync>;

/// An answer of any status.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// Why there is no answer.
pub(super) enum Fault {
    /// No connection came about, so nothing was sent.
    Connect(String),
    /// The connection broke on the way.
    Broken(String),
    /// The request cannot be made.
    Unfit(Error),
    /// Success, with a body beyond the limit.
    TooLarge(usize),
}

impl Answer {
    pub(super) const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }
}

/// Over the network, which is where platforms are, and through the proxy where there is one.
pub fn dial(proxy: Option<Proxy>) -> Dial {
    Arc::new(move |connection, timeout| network(connection, timeout, proxy.as_ref()))
}

/// A client for one platform.
pub(super) fn network(
    connection: &Connection,
    timeout: Duration,
    proxy: Option<&Proxy>,
) -> Result<Wire, ConnectionError> {
    // The program installs it first; a library user or a test may not have.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let unfit = |error: reqwest::Error| ConnectionError::Client(cause(&error));
    let mut builder = Client::builder()
        .user_agent(concat!("tenantry/", env!("CARGO_PKG_VERSION")))
        // A redirect, or a proxy that only the environment names, would send the credential to another host than the
        // Secret and the flags name.
        .no_proxy()
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .connect_timeout(CONNECT.min(timeout))
        .pool_idle_timeout(IDLE);
    builder = match connection.certificates() {
        [] => builder.tls_backend_preconfigured(roots::shared().map_err(ConnectionError::Client)?),
        own => builder.tls_certs_merge(own.iter().cloned()),
    };
    if let Some(proxy) = proxy {
        builder = builder.proxy(reqwest::Proxy::all(proxy.url().clone()).map_err(unfit)?);
    }
    let client = builder.build().map_err(unfit)?;
    Ok(Wire::new(client.map_err(BoxError::from)))
}

/// A request for JSON.
pub(super) fn request(method: Method, url: Url, body: Option<(&'static str, Vec<u8>)>) -> Request {
    let mut request = Request::new(method, url);
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    if let Some((kind, body)) = body {
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        *request.body_mut() = Some(body.into());
    }
    request
}

/// Sends a request and reads the whole answer.
pub(super) async fn exchange(wire: &Wire, request: Request, limit: usize) -> Result<Answer, Fault> {
    let mut response = Box::pin(wire.clone().oneshot(request)).await.map_err(broken)?;
    let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
    let mut answer = Answer { status, headers, body: Vec::new() };
    if answer.is_success() {
        answer.body = read(&mut response, limit).await?;
    } else {
        // An error is an error whatever its body, so a long or broken one is read as far as it goes.
        answer.body = read(&mut response, ERROR_BODY).await.unwrap_or_default();
    }
    Ok(answer)
}

async fn read(response: &mut Response, limit: usize) -> Result<Vec<u8>, Fault> {
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(Fault::TooLarge(limit));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(fault)? {
        if body.len() + chunk.len() > limit {
            return Err(Fault::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn broken(error: BoxError) -> Fault {
    match error.downcast::<reqwest::Error>() {
        Ok(error) => fault(*error),
        Err(other) if other.is::<Unsent>() => Fault::Connect(other.to_string()),
        Err(other) => Fault::Broken(cause(other.as_ref())),
    }
}

fn fault(error: reqwest::Error) -> Fault {
    let error = error.without_url();
    if error.is_connect() { Fault::Connect(cause(&error)) } else { Fault::Broken(cause(&error)) }
}

/// The innermost cause, which says more than "error sending request".
fn cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string().to_lowercase()
}
