//! One HTTP exchange: sends a request and reads an answer of bounded size.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Method, Request, Response, redirect, retry};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceExt as _};
use url::Url;

use super::connection::{Connection, ConnectionError};
use super::error::CallError;
use super::proxy::ProxyAddress;
use super::tls_roots;

/// Maximum size of an error body that is read.
const MAX_ERROR_BODY: usize = 64 << 10;
/// Maximum wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// An idle connection is closed before the platform or a proxy closes it in the middle of a request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// The service that carries requests to a platform: an HTTP client, or a substitute. An error that is not the client's
/// own counts as a connection that broke in transit, so the request may have been carried out.
pub type HttpService = BoxCloneSyncService<Request, Response, BoxError>;

/// A request that was held back on this side of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct RequestNotSent(pub(super) &'static str);

/// Builds the service for a connection; the time is the maximum wait for a connection.
pub type Connector = Arc<dyn Fn(&Connection, Duration) -> Result<HttpService, ConnectionError> + Send + Sync>;

/// An answer of any status.
pub(super) struct HttpAnswer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// Why there is no answer.
pub(super) enum ExchangeError {
    /// No connection was established, so nothing was sent.
    Connect(String),
    /// The connection broke in transit.
    Broken(String),
    /// The request cannot be built.
    InvalidRequest(CallError),
    /// Success, with a body beyond the limit, in bytes.
    TooLarge(usize),
}

impl HttpAnswer {
    pub(super) const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }
}

/// Returns a connector over the network, through the proxy where one is given.
pub fn network_connector(proxy: Option<ProxyAddress>) -> Connector {
    Arc::new(move |connection, timeout| build_https_service(connection, timeout, proxy.as_ref()))
}

/// Builds the client for one platform.
pub(super) fn build_https_service(
    connection: &Connection,
    timeout: Duration,
    proxy: Option<&ProxyAddress>,
) -> Result<HttpService, ConnectionError> {
    // The program installs the provider first; a library user or a test may not have.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let unfit = |error: reqwest::Error| ConnectionError::Client(innermost_cause(&error));
    let mut builder = Client::builder()
        .user_agent(concat!("tenantry/", env!("CARGO_PKG_VERSION")))
        // A redirect, or a proxy that only the environment names, would send the credential to another host than the
        // one that Secret and flags name.
        .no_proxy()
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .connect_timeout(CONNECT_TIMEOUT.min(timeout))
        .pool_idle_timeout(IDLE_TIMEOUT);
    builder = match connection.certificates() {
        [] => builder.tls_backend_preconfigured(tls_roots::shared_client_config().map_err(ConnectionError::Client)?),
        own => builder.tls_certs_merge(own.iter().cloned()),
    };
    if let Some(proxy) = proxy {
        builder = builder.proxy(reqwest::Proxy::all(proxy.url().clone()).map_err(unfit)?);
    }
    let client = builder.build().map_err(unfit)?;
    Ok(HttpService::new(client.map_err(BoxError::from)))
}

/// Builds a request for JSON.
pub(super) fn json_request(method: Method, url: Url, body: Option<(&'static str, Vec<u8>)>) -> Request {
    let mut request = Request::new(method, url);
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    if let Some((kind, body)) = body {
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        *request.body_mut() = Some(body.into());
    }
    request
}

/// Sends a request and reads the complete answer.
pub(super) async fn send_request(
    service: &HttpService,
    request: Request,
    limit: usize,
) -> Result<HttpAnswer, ExchangeError> {
    let mut response = Box::pin(service.clone().oneshot(request)).await.map_err(classify_send_error)?;
    let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
    let mut answer = HttpAnswer { status, headers, body: Vec::new() };
    if answer.is_success() {
        answer.body = read_body(&mut response, limit).await?;
    } else {
        // An error stays an error with any body, so a long or broken body is read as far as possible.
        answer.body = read_body(&mut response, MAX_ERROR_BODY).await.unwrap_or_default();
    }
    Ok(answer)
}

async fn read_body(response: &mut Response, limit: usize) -> Result<Vec<u8>, ExchangeError> {
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(ExchangeError::TooLarge(limit));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(classify_reqwest_error)? {
        if body.len() + chunk.len() > limit {
            return Err(ExchangeError::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn classify_send_error(error: BoxError) -> ExchangeError {
    match error.downcast::<reqwest::Error>() {
        Ok(error) => classify_reqwest_error(*error),
        Err(other) if other.is::<RequestNotSent>() => ExchangeError::Connect(other.to_string()),
        Err(other) => ExchangeError::Broken(innermost_cause(other.as_ref())),
    }
}

fn classify_reqwest_error(error: reqwest::Error) -> ExchangeError {
    let error = error.without_url();
    if error.is_connect() {
        ExchangeError::Connect(innermost_cause(&error))
    } else {
        ExchangeError::Broken(innermost_cause(&error))
    }
}

/// Returns the innermost cause, which says more than "error sending request".
fn innermost_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string().to_lowercase()
}
