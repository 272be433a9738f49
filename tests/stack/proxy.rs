//! A proxy in front of the platform that does on purpose what networks and servers do by accident.
//!
//! Rules say which request meets which fault; `PUT /__faults` changes them while it runs, `GET /__faults` counts.

// The command and the tests each use a part of this file.
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
use rules::{Asked, Book, Fault, Rule, Seen};
use wire::{Reply, Request};

/// The path that no platform has.
const ADMIN: &str = "/__faults";

/// A running proxy; it ends, and its connections with it, when this value is dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

struct Shared {
    to: String,
    book: Mutex<Book>,
    /// How often the answers without an end were cut.
    cuts: watch::Sender<u64>,
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Proxy {
    /// Listens on `listen` and sends what comes there on to `to`, a host with its port.
    pub fn start(listen: &str, to: &str, rules: Vec<Rule>) -> Result<Self> {
        let listener = TcpListener::bind(listen).map_err(|error| format!("`{listen}` cannot be bound: {error}"))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { to: to.to_owned(), book: Mutex::default(), cuts: watch::Sender::new(0) });
        shared.book().set(rules);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let served = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    _ = accept(listener, served) => {}
                    _ = stopped => {}
                }
            });
        });
        Ok(Self { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Host and port, as the operator's list of allowed hosts wants it.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Puts other rules in force; their counts begin anew.
    pub fn set(&self, rules: Vec<Rule>) {
        self.shared.book().set(rules);
    }

    /// Puts one more rule in force, after the others.
    pub fn add(&self, rule: Rule) {
        self.shared.book().add(rule);
    }

    /// Breaks the connections of all answers that have no end, such as watches.
    pub fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// How often each rule struck.
    pub fn done(&self) -> Vec<u64> {
        self.shared.book().done()
    }

    /// The requests that came, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.book().seen()
    }

    /// The requests that met a fault and whose answer goes on, by their number among those that met one.
    pub fn open(&self) -> BTreeSet<u64> {
        self.shared.book().open()
    }

    /// How many requests with this method came whose path has this part, with `^` and `$` as in rules.
    pub fn count(&self, method: &str, path: &str) -> usize {
        let fits = |seen: &&Seen| {
            let target = seen.target.split('?').next().unwrap_or_default();
            seen.method == method && format!("^{target}$").contains(path)
        };
        self.seen().iter().filter(fits).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut connections = JoinSet::new();
    loop {
        // Those that have ended take no memory.
        while connections.try_join_next().is_some() {}
        if let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            connections.spawn(serve(BufReader::new(stream), Arc::clone(&shared)));
        }
    }
}

/// Serves a connection until one side ends it; how it ends is nobody's concern but the client's.
async fn serve(mut stream: BufReader<TcpStream>, shared: Arc<Shared>) {
    while let Ok(Some(request)) = wire::request(&mut stream).await {
        let goes_on = if request.target == ADMIN {
            administer(&request, &shared).write(&mut stream).await.is_ok()
        } else {
            let body = String::from_utf8_lossy(&request.body);
            let Request { method, target, headers, .. } = &request;
            let asked = Asked { method, target, headers, body: &body };
            let fault = shared.book().decide(&asked);
            if request.has_endless_answer() && matches!(fault, Fault::None) {
                let mut cuts = shared.cuts.subscribe();
                tokio::select! {
                    _ = request.pipe(&shared.to, &mut stream) => {}
                    _ = cuts.changed() => {}
                }
                return;
            }
            let number = (!matches!(fault, Fault::None)).then(|| shared.book().begin());
            let answered = answer(&mut stream, &request, (fault, &shared.to)).await;
            if let Some(number) = number {
                shared.book().end(number);
            }
            matches!(answered, Ok(true))
        };
        if !goes_on {
            return;
        }
    }
}

fn administer(request: &Request, shared: &Shared) -> Reply {
    match request.method.as_str() {
        "GET" => Reply::json(&shared.book().json()),
        "PUT" => match serde_json::from_slice(&request.body) {
            Ok(rules) => {
                shared.book().set(rules);
                Reply::json(&shared.book().json())
            }
            Err(error) => Reply::text(400, &format!("the rules are not understood: {error}")),
        },
        _ => Reply::text(405, "say GET or PUT"),
    }
}

/// Answers a request as its fault wants; whether the connection stays.
async fn answer(stream: &mut BufReader<TcpStream>, request: &Request, (fault, to): (Fault, &str)) -> io::Result<bool> {
    let real = || async { request.forward(to).await.unwrap_or_else(|error| Reply::bad_gateway(&error)) };
    match fault {
        Fault::None => real().await.write(stream).await?,
        Fault::With(line) => {
            let reply = request.with(&line).forward(to).await;
            reply.unwrap_or_else(|error| Reply::bad_gateway(&error)).write(stream).await?;
        }
        Fault::Delay(pause) => {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            real().await.write(stream).await?;
        }
        Fault::DropAfter => {
            real().await;
            return Ok(false);
        }
        Fault::DropBefore => return Ok(false),
        Fault::Late(pause) => {
            let (request, to) = (request.clone(), to.to_owned());
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(pause)).await;
                let _ = request.forward(&to).await;
            });
            return Ok(false);
        }
        Fault::Hang => return until_closed(stream).await,
        Fault::HangAfter => {
            real().await;
            return until_closed(stream).await;
        }
        Fault::Truncate(bytes) => {
            real().await.write_part(stream, bytes).await?;
            return Ok(false);
        }
        Fault::Slow(pause) => real().await.drip(stream, Duration::from_millis(pause)).await?,
        Fault::Huge(bytes) => {
            real().await.flood(stream, bytes).await?;
            return Ok(false);
        }
        Fault::Malformed => {
            let mut reply = real().await;
            reply.body.truncate(reply.body.len() / 2);
            reply.write(stream).await?;
        }
        Fault::Elsewhere(target) => {
            let reply = request.elsewhere(&target).forward(to).await;
            reply.unwrap_or_else(|error| Reply::bad_gateway(&error)).write(stream).await?;
        }
        Fault::Answer(said) => {
            if said.after {
                real().await;
            }
            Reply::from(said).write(stream).await?;
        }
    }
    Ok(true)
}

/// Says nothing until the client has had enough.
async fn until_closed(stream: &mut BufReader<TcpStream>) -> io::Result<bool> {
    let _ = stream.read_u8().await;
    Ok(false)
}
