//! A proxy before the platform that reproduces the faults of networks and servers on purpose.
//!
//! Rules define which request gets which fault. `PUT /__faults` replaces them while the proxy runs, and `GET /__faults`
//! returns the counts.

// The command and the tests each use only part of this file.
#![allow(dead_code)]

#[path = "proxy/rules.rs"]
pub mod rules;
#[path = "proxy/wire.rs"]
mod wire;

use std::collections::BTreeSet;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::process::Result;
use rules::{FaultRule, ProxyFault, RequestView, RuleBook, SeenRequest};
use wire::{ProxyReply, ProxyRequest};

/// A path that no platform has.
const ADMIN_PATH: &str = "/__faults";

/// A running proxy; it stops and closes its connections when this value is dropped.
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<ProxyShared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

struct ProxyShared {
    to: String,
    rules: Mutex<RuleBook>,
    /// Number of times that the endless responses were cut.
    break_signal: watch::Sender<u64>,
}

impl ProxyShared {
    fn lock_rules(&self) -> MutexGuard<'_, RuleBook> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FaultProxy {
    /// Listens on `listen` and forwards requests to `to`, a host with its port.
    pub fn start(listen: &str, to: &str, rules: Vec<FaultRule>) -> Result<Self> {
        let listener = TcpListener::bind(listen).map_err(|error| format!("`{listen}` cannot be bound: {error}"))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared =
            Arc::new(ProxyShared { to: to.to_owned(), rules: Mutex::default(), break_signal: watch::Sender::new(0) });
        shared.lock_rules().set_rules(rules);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let served = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    _ = accept_connections(listener, served) => {}
                    _ = stopped => {}
                }
            });
        });
        Ok(Self { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Returns host and port, as the operator's list of allowed hosts expects it.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Returns the URL of the proxy.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Replaces the rules and resets their counts.
    pub fn set_rules(&self, rules: Vec<FaultRule>) {
        self.shared.lock_rules().set_rules(rules);
    }

    /// Adds a rule after the others.
    pub fn add_rule(&self, rule: FaultRule) {
        self.shared.lock_rules().add_rule(rule);
    }

    /// Breaks the connections of all endless responses, such as watches.
    pub fn break_streams(&self) {
        self.shared.break_signal.send_modify(|cuts| *cuts += 1);
    }

    /// Returns how often each rule was applied.
    pub fn fault_counts(&self) -> Vec<u64> {
        self.shared.lock_rules().fault_counts()
    }

    /// Returns the received requests in order.
    pub fn seen_requests(&self) -> Vec<SeenRequest> {
        self.shared.lock_rules().seen_requests()
    }

    /// Returns the requests with a fault whose response is not finished, by their number among the requests with a
    /// fault.
    pub fn open(&self) -> BTreeSet<u64> {
        self.shared.lock_rules().open()
    }

    /// Returns the number of requests with this method whose path contains this part, with `^` and `$` as in rules.
    pub fn count_requests(&self, method: &str, path: &str) -> usize {
        let fits = |seen: &&SeenRequest| {
            let target = seen.target.split('?').next().unwrap_or_default();
            seen.method == method && format!("^{target}$").contains(path)
        };
        self.seen_requests().iter().filter(fits).count()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept_connections(listener: TcpListener, shared: Arc<ProxyShared>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut connections = JoinSet::new();
    loop {
        // Frees the memory of finished connections.
        while connections.try_join_next().is_some() {}
        if let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            connections.spawn(serve_connection(BufReader::new(stream), Arc::clone(&shared)));
        }
    }
}

/// Serves a connection until one side closes it. Only the client cares how it ends.
async fn serve_connection(mut stream: BufReader<TcpStream>, shared: Arc<ProxyShared>) {
    while let Ok(Some(request)) = wire::read_request(&mut stream).await {
        let goes_on = if request.target == ADMIN_PATH {
            handle_admin_request(&request, &shared).write(&mut stream).await.is_ok()
        } else {
            let body = String::from_utf8_lossy(&request.body);
            let ProxyRequest { method, target, headers, .. } = &request;
            let asked = RequestView { method, target, headers, body: &body };
            let fault = shared.lock_rules().choose_fault(&asked);
            if request.has_endless_answer() && matches!(fault, ProxyFault::None) {
                let mut cuts = shared.break_signal.subscribe();
                tokio::select! {
                    _ = request.pipe_stream(&shared.to, &mut stream) => {}
                    _ = cuts.changed() => {}
                }
                return;
            }
            let number = (!matches!(fault, ProxyFault::None)).then(|| shared.lock_rules().begin());
            let answered = answer_with_fault(&mut stream, &request, fault, &shared.to).await;
            if let Some(number) = number {
                shared.lock_rules().end(number);
            }
            matches!(answered, Ok(true))
        };
        if !goes_on {
            return;
        }
    }
}

fn handle_admin_request(request: &ProxyRequest, shared: &ProxyShared) -> ProxyReply {
    match request.method.as_str() {
        "GET" => ProxyReply::json(&shared.lock_rules().to_json()),
        "PUT" => match serde_json::from_slice(&request.body) {
            Ok(rules) => {
                shared.lock_rules().set_rules(rules);
                ProxyReply::json(&shared.lock_rules().to_json())
            }
            Err(error) => ProxyReply::text(400, &format!("the rules are not understood: {error}")),
        },
        _ => ProxyReply::text(405, "say GET or PUT"),
    }
}

/// Answers a request with its fault. Returns whether the connection stays open.
async fn answer_with_fault(
    stream: &mut BufReader<TcpStream>,
    request: &ProxyRequest,
    fault: ProxyFault,
    to: &str,
) -> io::Result<bool> {
    let real = || async { request.forward(to).await.unwrap_or_else(|error| ProxyReply::bad_gateway(&error)) };
    match fault {
        ProxyFault::None => real().await.write(stream).await?,
        ProxyFault::With(line) => {
            let reply = request.with_header(&line).forward(to).await;
            reply.unwrap_or_else(|error| ProxyReply::bad_gateway(&error)).write(stream).await?;
        }
        ProxyFault::Delay(pause) => {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            real().await.write(stream).await?;
        }
        ProxyFault::DropAfter => {
            real().await;
            return Ok(false);
        }
        ProxyFault::DropBefore => return Ok(false),
        ProxyFault::Late(pause) => {
            let (request, to) = (request.clone(), to.to_owned());
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(pause)).await;
                let _ = request.forward(&to).await;
            });
            return Ok(false);
        }
        ProxyFault::Hang => return wait_until_closed(stream).await,
        ProxyFault::HangAfter => {
            real().await;
            return wait_until_closed(stream).await;
        }
        ProxyFault::Truncate(bytes) => {
            real().await.write_part(stream, bytes).await?;
            return Ok(false);
        }
        ProxyFault::Slow(pause) => real().await.write_slowly(stream, Duration::from_millis(pause)).await?,
        ProxyFault::Huge(bytes) => {
            real().await.write_endlessly(stream, bytes).await?;
            return Ok(false);
        }
        ProxyFault::Malformed => {
            let mut reply = real().await;
            reply.body.truncate(reply.body.len() / 2);
            reply.write(stream).await?;
        }
        ProxyFault::Elsewhere(target) => {
            let reply = request.with_target(&target).forward(to).await;
            reply.unwrap_or_else(|error| ProxyReply::bad_gateway(&error)).write(stream).await?;
        }
        ProxyFault::Answer(said) => {
            if said.after {
                real().await;
            }
            ProxyReply::from(said).write(stream).await?;
        }
    }
    Ok(true)
}

/// Sends nothing until the client closes the connection.
async fn wait_until_closed(stream: &mut BufReader<TcpStream>) -> io::Result<bool> {
    let _ = stream.read_u8().await;
    Ok(false)
}
