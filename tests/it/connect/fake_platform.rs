//! A server with scripted answers: any status, late, broken off, too long, or none at all.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct FakeRequest {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
    /// Number of earlier requests, without those for tokens.
    pub(crate) number: usize,
}

impl FakeRequest {
    pub(crate) fn token(&self) -> &str {
        self.headers.get("authorization").and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn is_for_token(&self) -> bool {
        self.path.ends_with("/auth/oauth/token")
    }
}

/// What the server does with a request.
pub(crate) enum FakeReply {
    /// Answers.
    Answer { status: u16, headers: Vec<(String, String)>, body: Vec<u8> },
    /// Executes the request and closes the connection.
    Reset,
    /// Never answers.
    Hang,
    /// Starts to answer, and continues one byte at a time.
    Drip,
    /// Announces a longer body than it sends.
    BreakOff,
    /// Answers without a length and without an end.
    Endless,
}

impl FakeReply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::text(status, &body.to_string())
    }

    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self::Answer { status, headers: Vec::new(), body: body.as_bytes().to_vec() }
    }

    pub(crate) fn with_header(self, name: &str, value: impl std::fmt::Display) -> Self {
        match self {
            Self::Answer { status, mut headers, body } => {
                headers.push((name.to_owned(), value.to_string()));
                Self::Answer { status, headers, body }
            }
            other => other,
        }
    }
}

type FakeHandler = Arc<dyn Fn(FakeRequest) -> BoxFuture<'static, FakeReply> + Send + Sync>;

/// The server.
pub(crate) struct FakePlatform {
    pub(crate) url: String,
    shared: Arc<FakeShared>,
    task: tokio::task::JoinHandle<()>,
}

struct FakeShared {
    asked: Mutex<Vec<FakeRequest>>,
    tokens: AtomicUsize,
    handler: FakeHandler,
    issue: TokenIssuer,
}

/// Issues tokens, by number from 1.
pub(crate) type TokenIssuer = fn(usize) -> FakeReply;

/// Issues `token-number-1` and so on, as a platform with the extensions.
pub(crate) fn extended_token(number: usize) -> FakeReply {
    documented_token(number).with_header("x-tenantry-extensions", "1")
}

/// Issues the same tokens as a platform with only the documented API, which writes the number of seconds as text.
pub(crate) fn documented_token(number: usize) -> FakeReply {
    let body = serde_json::json!({"access_token": format!("token-number-{number}"), "expires_in": "7199"});
    FakeReply::json(200, &body)
}

impl FakePlatform {
    /// Starts a platform with the extensions.
    pub(crate) async fn new(handler: impl Fn(FakeRequest) -> FakeReply + Send + Sync + 'static) -> Self {
        Self::start_with(extended_token, move |asked| futures::future::ready(handler(asked)).boxed()).await
    }

    /// Starts a platform with only the documented API.
    pub(crate) async fn new_documented(handler: impl Fn(FakeRequest) -> FakeReply + Send + Sync + 'static) -> Self {
        Self::start_with(documented_token, move |asked| futures::future::ready(handler(asked)).boxed()).await
    }

    pub(crate) async fn start_with(
        issue: TokenIssuer,
        handler: impl Fn(FakeRequest) -> BoxFuture<'static, FakeReply> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared =
            FakeShared { asked: Mutex::default(), tokens: AtomicUsize::new(0), handler: Arc::new(handler), issue };
        let shared = Arc::new(shared);
        let task = tokio::spawn(accept_connections(listener, Arc::clone(&shared)));
        Self { url, shared, task }
    }

    /// Returns the requests, without those for tokens.
    pub(crate) fn requests(&self) -> Vec<FakeRequest> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// Returns method and path of each request.
    pub(crate) fn request_lines(&self) -> Vec<String> {
        self.requests().iter().map(|asked| format!("{} {}", asked.method, asked.path)).collect()
    }

    /// Returns the number of issued and refused tokens.
    pub(crate) fn token_count(&self) -> usize {
        self.shared.tokens.load(Ordering::SeqCst)
    }
}

impl Drop for FakePlatform {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept_connections(listener: TcpListener, shared: Arc<FakeShared>) {
    // Connections end with the listener, as they would with a process.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        connections.spawn(serve_connection(stream, Arc::clone(&shared)));
    }
}

async fn serve_connection(stream: TcpStream, shared: Arc<FakeShared>) {
    let mut stream = BufReader::new(stream);
    while let Some(mut asked) = read_request(&mut stream).await {
        let reply = if asked.is_for_token() {
            (shared.issue)(shared.tokens.fetch_add(1, Ordering::SeqCst) + 1)
        } else {
            {
                let mut all = shared.asked.lock().unwrap();
                asked.number = all.len();
                all.push(asked.clone());
            }
            (shared.handler)(asked).await
        };
        if !write_reply(&mut stream, reply).await {
            return;
        }
    }
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> Option<FakeRequest> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let mut words = lines.first()?.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers: BTreeMap<String, String> = lines[1..]
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(FakeRequest { method, path, headers, body: String::from_utf8(body).unwrap(), number: 0 })
}

/// Writes a reply. Returns whether the connection is kept.
async fn write_reply(stream: &mut BufReader<TcpStream>, reply: FakeReply) -> bool {
    match reply {
        FakeReply::Answer { status, headers, body } => {
            let mut head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n", body.len());
            for (name, value) in headers {
                write!(head, "{name}: {value}\r\n").unwrap();
            }
            let bytes = [head.as_bytes(), b"\r\n", &body].concat();
            stream.write_all(&bytes).await.is_ok()
        }
        FakeReply::Reset => false,
        FakeReply::Hang => std::future::pending().await,
        FakeReply::Drip => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n").await;
            while stream.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            false
        }
        FakeReply::BreakOff => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"uniqueId\"").await;
            false
        }
        FakeReply::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            let block = vec![b' '; 64 << 10];
            while stream.write_all(&block).await.is_ok() {}
            false
        }
    }
}
