//! The listener: limits the number of connections and how long each may wait for its client.
//!
//! A client that sends or reads slowly costs only a connection: a head, a body and an answer each have a timeout, the
//! connections are counted, and one address has a share of them. A trusted proxy serves many clients and has no such
//! share.

mod connections;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{ConnectInfo, Request};
use axum::http::header::{CONNECTION, HOST};
use axum::http::{HeaderValue, Version};
use axum::response::{IntoResponse as _, Response};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Sleep;
use tower::Service as _;

use self::connections::{ConnectionLimit, ConnectionSlot};
use super::error::{self, ApiError};
use super::limits::{HEAD_TIMEOUT, MAX_HEAD_BYTES, WRITE_TIMEOUT};
use super::login_policy::ip_network::IpNetwork;

/// Pause after the system has no more files for a connection.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(200);

/// Marks an HTTP/1.1 request that does not name its host exactly once (RFC 9112, 3.2).
#[derive(Clone, Copy)]
pub(super) struct MissingHost;

/// Serves connections until it receives the stop, and then finishes the requests in flight.
pub(super) async fn serve(
    listener: TcpListener,
    (router, proxies): (Router, Vec<IpNetwork>),
    mut stop: watch::Receiver<bool>,
) {
    let limit = Arc::new(ConnectionLimit::new(proxies));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = wait_for_stop(&mut stop) => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                // A client without a slot only sees the closed connection: an answer would use what is scarce.
                if let Some(slot) = limit.acquire(peer.ip()) {
                    connections.spawn(serve_connection((stream, peer), router.clone(), (slot, stop.clone())));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Waits until the platform stops or is dropped.
async fn wait_for_stop(stop: &mut watch::Receiver<bool>) {
    // A dropped sender means the same as a stop.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn serve_connection(
    (stream, peer): (TcpStream, SocketAddr),
    router: Router,
    (slot, mut stop): (ConnectionSlot, watch::Receiver<bool>),
) {
    // Small answers are sent at once and do not wait for more data.
    let _ = stream.set_nodelay(true);
    // Requests end with their connection: if it is cut off, no part of them continues.
    let requests = Arc::new(ConnectionRequests::default());
    let slot = Arc::new(slot);
    let service = service_fn(|request: axum::http::Request<Incoming>| {
        let (in_use, path) = (SlotInUse::begin(&slot), request.uri().path().to_owned());
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        if request.version() == Version::HTTP_11 && request.headers().get_all(HOST).iter().count() != 1 {
            request.extensions_mut().insert(MissingHost);
        }
        let answer = run_request(router.clone(), request, Arc::clone(&requests));
        let only_probes = slot.is_probe_only();
        async move {
            let Some(in_use) = in_use.filter(|_| !only_probes || PROBE_PATHS.contains(&&*path)) else {
                return Ok(no_connection_response());
            };
            let mut response = answer.await?.map(|body| Body::new(TrackedBody { body, in_use }));
            if only_probes {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD_BYTES);
    let mut served =
        pin!(builder.serve_connection(TokioIo::new(StallTimeoutStream { stream, stalled: None }), service));
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = slot.wait_until_reassigned() => Ok(()),
        () = wait_for_stop(&mut stop) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, source = %peer.ip(), "a connection ended early");
    }
    // The connection keeps its slot until its last request is done, so that a client cannot run more requests than it
    // has slots by reconnecting.
    drop(requests.busy.lock().await);
}

/// The requests of a connection, one at a time. Dropping this aborts those that run.
#[derive(Default)]
struct ConnectionRequests {
    busy: Arc<Mutex<()>>,
    tasks: std::sync::Mutex<JoinSet<()>>,
}

/// Runs a request to its end, even if its client disconnects. Otherwise a request that was refused, or that already had
/// an effect outside the platform, might not appear in the audit log.
async fn run_request(
    mut router: Router,
    request: Request,
    requests: Arc<ConnectionRequests>,
) -> Result<Response, Infallible> {
    let busy = Arc::clone(&requests.busy).lock_owned().await;
    let (answered, answer) = oneshot::channel();
    let task = async move {
        let answer = router.call(request).await;
        drop(busy);
        // Nobody receives the answer if the client has disconnected.
        let _ = answered.send(answer);
    };
    {
        let mut tasks = requests.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
    // The router catches panics, so this fails only while the runtime shuts down.
    answer.await.unwrap_or_else(|_| Ok(error::internal_error()))
}

/// Paths that are served while all other connections are busy.
const PROBE_PATHS: [&str; 2] = ["/healthz", "/readyz"];

/// Returns the answer to a request whose connection was reassigned as it arrived, and to a request that is not a probe
/// on a connection reserved for probes: nothing was done.
fn no_connection_response() -> Response {
    let text = "The platform has no connection left; nothing was done, try again";
    let mut response = ApiError::Unavailable(text.to_owned()).into_response();
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A request in progress on a connection. After the last byte of its answer, the connection waits for a head again.
struct SlotInUse(Arc<ConnectionSlot>);

impl SlotInUse {
    /// Marks the slot busy. Returns `None` if the connection was reassigned just before.
    fn begin(slot: &Arc<ConnectionSlot>) -> Option<Arc<Self>> {
        slot.mark_busy().then(|| Arc::new(Self(Arc::clone(slot))))
    }
}

impl Drop for SlotInUse {
    fn drop(&mut self) {
        self.0.mark_waiting();
    }
}

/// A response body that keeps its connection busy until each part of it is written.
struct TrackedBody {
    body: Body,
    in_use: Arc<SlotInUse>,
}

/// A part of a response body.
struct TrackedChunk {
    bytes: Bytes,
    _in_use: Arc<SlotInUse>,
}

impl AsRef<[u8]> for TrackedChunk {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl HttpBody for TrackedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        let in_use = &self.in_use;
        frame.map_ok(|frame| {
            frame.map_data(|bytes| Bytes::from_owner(TrackedChunk { bytes, _in_use: Arc::clone(in_use) }))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection that times out if its client stops reading the answer.
struct StallTimeoutStream {
    stream: TcpStream,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl StallTimeoutStream {
    fn check_stall<T>(&mut self, context: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.stalled = None;
            return done;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(WRITE_TIMEOUT)));
        match stalled.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for StallTimeoutStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for StallTimeoutStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.check_stall(context, done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.check_stall(context, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.stream).poll_flush(context);
        self.check_stall(context, done)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::extract::Request;
    use axum::response::IntoResponse as _;
    use axum::routing::{get, post};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::Instant;

    use super::*;
    use crate::json_body;

    /// Starts a server in which one route reads a body and another never ends its answer.
    async fn start_test_server() -> (SocketAddr, watch::Sender<bool>) {
        let endless =
            || async { Body::from_stream(futures::stream::repeat_with(|| Ok::<_, io::Error>(vec![b'x'; 1 << 16]))) };
        let read = |request: Request| async {
            json_body::collect_body(request, 100)
                .await
                .map_or_else(axum::response::IntoResponse::into_response, |_| ().into_response())
        };
        let router = Router::new().route("/endless", get(endless)).route("/read", post(read));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(serve(listener, (router, Vec::new()), stopped));
        (address, stop)
    }

    /// Reads a connection until the server ends it. Returns the text and the time until the end.
    async fn read_until_end(address: SocketAddr, sent: &str, pause: Duration) -> (String, Duration) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let start = Instant::now();
        tokio::time::sleep(pause).await;
        let mut answer = Vec::new();
        // An answer that is cut off may also end with a reset.
        let _ = stream.read_to_end(&mut answer).await;
        answer.truncate(200);
        (String::from_utf8_lossy(&answer).into_owned(), start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_a_body_and_a_reader_each_have_their_time() {
        let (address, stop) = start_test_server().await;
        let head = "POST /read HTTP/1.1\r\nHost: x\r\n";
        let (answer, took) = read_until_end(address, head, Duration::ZERO).await;
        assert_eq!((&*answer, took.as_secs()), ("", 30), "a head that breaks off");
        let body = format!("{head}Content-Length: 9\r\n\r\nabc");
        let (answer, took) = read_until_end(address, &body, Duration::ZERO).await;
        assert!(answer.starts_with("HTTP/1.1 408") && took.as_secs() == 10, "{took:?} {answer}");
        let whole = format!("{head}Content-Length: 3\r\n\r\nabc");
        let (answer, took) = read_until_end(address, &whole, Duration::ZERO).await;
        assert!(answer.starts_with("HTTP/1.1 200") && took.as_secs() == 30, "idle after its answer: {took:?} {answer}");
        let endless = "GET /endless HTTP/1.1\r\nHost: x\r\n\r\n";
        let (answer, _) = read_until_end(address, endless, Duration::from_secs(45)).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "whoever does not read is cut off: {answer}");
        stop.send_replace(true);
    }

    #[tokio::test]
    async fn a_server_that_is_cut_off_ends_its_requests() {
        let (start, mut started) = watch::channel(false);
        // The sender is dropped with the request.
        let (held, mut ended) = watch::channel(());
        let held = std::sync::Mutex::new(Some(held));
        let stuck = move || {
            start.send_replace(true);
            let held = held.lock().unwrap().take();
            async move {
                std::future::pending::<()>().await;
                drop(held);
            }
        };
        let stuck = Arc::new(stuck);
        let router = Router::new().route("/", get(move || stuck()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let served = tokio::spawn(serve(listener, (router, Vec::new()), stopped));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        started.wait_for(|started| *started).await.unwrap();
        stop.send_replace(true);
        served.abort();
        let end = tokio::time::timeout(Duration::from_secs(10), ended.changed()).await;
        assert!(end.is_ok_and(|changed| changed.is_err()), "the request goes on without its server");
    }

    #[tokio::test]
    async fn a_request_whose_client_hangs_up_is_done_to_its_end() {
        let (start, mut started) = watch::channel(false);
        let (go, going) = watch::channel(false);
        let (done, ended) = watch::channel(false);
        let slow = move || {
            let (start, mut going, done) = (start.clone(), going.clone(), done.clone());
            async move {
                start.send_replace(true);
                going.wait_for(|going| *going).await.unwrap();
                done.send_replace(true);
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let served = tokio::spawn(serve(listener, (Router::new().route("/", get(slow)), Vec::new()), stopped));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        started.wait_for(|started| *started).await.unwrap();
        drop(stream);
        // The server notices the disconnect before the request may end, and the stop waits for the request.
        tokio::time::sleep(Duration::from_millis(200)).await;
        stop.send_replace(true);
        go.send_replace(true);
        served.await.unwrap();
        assert!(*ended.borrow());
    }
}
