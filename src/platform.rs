//! The self-hosted platform: the tenancy API over SQLite or PostgreSQL.
//!
//! A request passes four doors before a handler sees it (`gate`): its token or session names a caller, the tenant of its
//! path is looked up within that caller's reach only, the rate limit of the path's tenant has room, and the table of
//! permissions lets the caller pass. Handlers then read, or lock the parent's row and write in one transaction; the reply
//! follows the commit.

mod admin;
mod answer;
mod body;
mod branding;
mod credential;
mod error;
mod extensions;
mod flags;
mod gate;
mod hashing;
mod image;
mod lifecycle;
mod limits;
mod login;
mod metrics;
mod pages;
mod people;
mod permission;
mod principal;
mod query;
mod reference;
mod routes;
mod search;
mod session;
mod settings;
mod standing;
mod store;
mod tenant;
mod time;
mod token;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

pub use admin::{AdminCommand, AdminError};
pub use credential::Credential;
pub use flags::{Command, Flags};
pub use hashing::Work;
pub use limits::Limits;
pub use login::address::Network;
pub use permission::{Needs, Permission, Position, Row, Rule, Scope as PermissionScope, TABLE, Verb};

/// How long a stop waits for requests in flight.
const DRAIN: Duration = Duration::from_secs(10);

/// Images decoded at once: a full one takes 128 MiB while it is checked.
const DECODERS: usize = 2;

/// What the product is called unless somebody says otherwise: the name in the sentences of its documentation.
pub const PRODUCT: &str = "OpsRamp";

/// What a platform is started with.
#[derive(Clone)]
pub struct Config {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// A SQLite path, a `sqlite:` URL or a `postgres:` URL.
    pub database: String,
    /// Where the first credential is written, once. An existing file is read and never overwritten. Without a file each
    /// start makes a further credential, which only [`Running::credential`] knows.
    pub credential_file: Option<PathBuf>,
    /// Leave out everything that the public API does not document. A fresh database then gets one partner, whose
    /// credential is the first one, since no documented call makes a partner.
    pub documented_only: bool,
    /// How people log in.
    pub login: Login,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub proxies: Vec<Network>,
    /// What the product is called where people read it.
    pub product: String,
    /// Requests per tenant and minute; `None` counts nothing and sends no rate-limit headers.
    pub limits: Option<Limits>,
}

impl Config {
    /// A platform on a free loopback port with the commercial platform's limits.
    pub fn new(database: impl Into<String>) -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            database: database.into(),
            credential_file: None,
            documented_only: false,
            login: Login::default(),
            proxies: Vec::new(),
            product: PRODUCT.to_owned(),
            limits: Some(Limits::default()),
        }
    }
}

/// How people log in.
#[derive(Clone, Copy, Debug)]
pub struct Login {
    /// Work of one password hash. Less than the default is for tests only.
    pub work: Work,
    /// Longest expected wait for a password hash; whoever would wait longer is answered 503.
    pub queue: Duration,
    /// How long a browser's session may be silent.
    pub idle: Duration,
    /// How long a browser's session lasts at the most.
    pub lifetime: Duration,
}

impl Default for Login {
    /// Silent for 15 minutes, as PCI DSS 4.0.1 (8.2.8) has it, and a working day at the most.
    fn default() -> Self {
        Self {
            work: Work::default(),
            queue: Duration::from_secs(2),
            idle: Duration::from_mins(15),
            lifetime: Duration::from_hours(12),
        }
    }
}

impl Login {
    fn idle_milliseconds(&self) -> i64 {
        i64::try_from(self.idle.as_millis()).unwrap_or(i64::MAX / 4)
    }
}

/// Why a platform did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken or not ours.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, #[source] std::io::Error),
    /// The database cannot be opened or brought to today's schema.
    #[error("cannot open the database: {0}")]
    Database(#[from] sqlx::Error),
    /// A migration failed.
    #[error("cannot bring the database to today's schema: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The credential file cannot be read or written, or belongs to another database.
    #[error("credential file {}: {reason}", path.display())]
    Credential {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
}

/// What every handler sees.
struct App {
    store: store::Store,
    /// Whether the extensions are on.
    extensions: bool,
    limiter: Option<limits::Limiter>,
    metrics: metrics::Metrics,
    decoders: Semaphore,
    login: Login,
    proxies: Vec<Network>,
    product: String,
    hasher: hashing::Hasher,
}

/// A platform that answers requests.
pub struct Running {
    /// Base URL, for example `http://127.0.0.1:8080`.
    pub url: String,
    /// The first credential: of the service provider, or of the first partner under `documented_only`.
    pub credential: Credential,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
    app: Arc<App>,
}

/// Opens the database and makes the first credential, and listens nowhere: requests are handed to the router. For
/// simulations, which carry them there themselves.
///
/// # Errors
/// The database or the credential file cannot be used.
pub async fn unlistened(config: &Config) -> Result<(axum::Router, Credential), StartError> {
    let (app, credential) = open(config, &reachable(config.listen)).await?;
    Ok((routes::router(&app), credential))
}

async fn open(config: &Config, url: &str) -> Result<(Arc<App>, Credential), StartError> {
    // Boxed: the migrations' future is larger than what a caller's stack should carry.
    let store = Box::pin(store::Store::open(&config.database)).await?;
    let credential = Box::pin(credential::first(&store, config, url)).await?;
    let app = App {
        store,
        extensions: !config.documented_only,
        limiter: config.limits.map(limits::Limiter::new),
        metrics: metrics::Metrics::default(),
        decoders: Semaphore::new(DECODERS),
        login: config.login,
        proxies: config.proxies.clone(),
        product: config.product.clone(),
        hasher: hashing::Hasher::new(config.login.work, config.login.queue),
    };
    Ok((Arc::new(app), credential))
}

/// Opens the database, makes the first credential and starts to answer.
pub async fn start(config: Config) -> Result<Running, StartError> {
    let listener = TcpListener::bind(config.listen).await.map_err(|error| StartError::Listen(config.listen, error))?;
    let address = listener.local_addr().map_err(|error| StartError::Listen(config.listen, error))?;
    let url = reachable(address);
    let (app, credential) = open(&config, &url).await?;
    let router = routes::router(&app);
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        let drain = async {
            // A dropped sender means the same as a sent stop.
            let _ = stopped.await;
        };
        if let Err(error) = axum::serve(listener, service).with_graceful_shutdown(drain).await {
            tracing::error!(%error, "the server ended");
        }
    });
    tracing::info!(url, extensions = app.extensions, "the platform answers");
    Ok(Running { url, credential, stop: Some(stop), server, app })
}

/// The URL under which this machine reaches a listener: "any address" is no destination.
fn reachable(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    format!("http://{address}")
}

impl Running {
    /// Takes no more connections, waits up to ten seconds for requests in flight and closes the database.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        if tokio::time::timeout(DRAIN, &mut self.server).await.is_err() {
            tracing::warn!("requests were still in flight after {DRAIN:?}; they are cut off");
            self.server.abort();
        }
        if tokio::time::timeout(DRAIN, self.app.store.close()).await.is_err() {
            tracing::warn!("the database was still busy after {DRAIN:?}");
        }
    }
}

impl Drop for Running {
    /// Without `stop` nothing listens any more at once, so that a failed test leaves nothing behind.
    fn drop(&mut self) {
        self.server.abort();
    }
}
