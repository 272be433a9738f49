//! A server that answers as a test says: any status, late, broken off, too long, or not at all.

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
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
    /// How many requests other than for tokens came before.
    pub(crate) number: usize,
}

impl Asked {
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

/// What the server does.
pub(crate) enum Reply {
    /// Answers.
    Answer { status: u16, headers: Vec<(String, String)>, body: Vec<u8> },
    /// Carries the request out and closes the connection.
    Reset,
    /// Never answers.
    Hang,
    /// Starts to answer, and goes on one byte at a time.
    Drip,
    /// Announces more than it sends.
    BreakOff,
    /// Answers without a length, without end.
    Endless,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::text(status, &body.to_string())
    }

    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self::Answer { status, headers: Vec::new(), body: body.as_bytes().to_vec() }
    }

    pub(crate) fn with(self, name: &str, value: impl std::fmt::Display) -> Self {
        match self {
            Self::Answer { status, mut headers, body } => {
                headers.push((name.to_owned(), value.to_string()));
                Self::Answer { status, headers, body }
            }
            other => other,
        }
    }
}

type Handler = Arc<dyn Fn(Asked) -> BoxFuture<'static, Reply> + Send + Sync>;

/// The server.
pub(crate) struct Fake {
    pub(crate) url: String,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

struct Shared {
    asked: Mutex<Vec<Asked>>,
    tokens: AtomicUsize,
    handler: Handler,
    issue: Issue,
}

/// How tokens are issued: by number from 1.
pub(crate) type Issue = fn(usize) -> Reply;

/// `token-number-1` and so on, by a platform with the extensions.
pub(crate) fn extended(number: usize) -> Reply {
    documented(number).with("x-tenantry-extensions", "1")
}

/// The same by a platform with what is documented, which writes the number of seconds as text.
pub(crate) fn documented(number: usize) -> Reply {
    let body = serde_json::json!({"access_token": format!("token-number-{number}"), "expires_in": "7199"});
    Reply::json(200, &body)
}

impl Fake {
    /// A platform with the extensions.
    pub(crate) async fn new(handler: impl Fn(Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::with(extended, move |asked| futures::future::ready(handler(asked)).boxed()).await
    }

    /// A platform with what is documented.
    pub(crate) async fn documented(handler: impl Fn(Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::with(documented, move |asked| futures::future::ready(handler(asked)).boxed()).await
    }

    pub(crate) async fn with(
        issue: Issue,
        handler: impl Fn(Asked) -> BoxFuture<'static, Reply> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Shared { asked: Mutex::default(), tokens: AtomicUsize::new(0), handler: Arc::new(handler), issue };
        let shared = Arc::new(shared);
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { url, shared, task }
    }

    /// Requests other than for tokens.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// Method and path of each.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().iter().map(|asked| format!("{} {}", asked.method, asked.path)).collect()
    }

    /// Tokens issued or refused.
    pub(crate) fn tokens(&self) -> usize {
        self.shared.tokens.load(Ordering::SeqCst)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Connections end with the listener, as they would with a process.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        connections.spawn(serve(stream, Arc::clone(&shared)));
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let mut stream = BufReader::new(stream);
    while let Some(mut asked) = request(&mut stream).await {
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
        if !answer(&mut stream, reply).await {
            return;
        }
    }
}

async fn request(stream: &mut BufReader<TcpStream>) -> Option<Asked> {
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
    Some(Asked { method, path, headers, body: String::from_utf8(body).unwrap(), number: 0 })
}

/// Whether the connection stays.
async fn answer(stream: &mut BufReader<TcpStream>, reply: Reply) -> bool {
    match reply {
        Reply::Answer { status, headers, body } => {
            let mut head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n", body.len());
            for (name, value) in headers {
                write!(head, "{name}: {value}\r\n").unwrap();
            }
            let bytes = [head.as_bytes(), b"\r\n", &body].concat();
            stream.write_all(&bytes).await.is_ok()
        }
        Reply::Reset => false,
        Reply::Hang => std::future::pending().await,
        Reply::Drip => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n").await;
            while stream.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            false
        }
        Reply::BreakOff => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"uniqueId\"").await;
            false
        }
        Reply::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            let block = vec![b' '; 64 << 10];
            while stream.write_all(&block).await.is_ok() {}
            false
        }
    }
}
