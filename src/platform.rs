//! The self-hosted platform: the tenancy API over SQLite or PostgreSQL.
//!
//! A request passes four doors before a handler sees it (`gate`): its token or session names a caller, the tenant of its
//! path is looked up within that caller's reach only, the rate limit of the path's tenant has room, and the table of
//! permissions lets the caller pass. Handlers then read, or lock the parent's row and write in one transaction; the reply
//! follows the commit.

mod admin;
mod answer;
mod audit;
mod backup;
mod body;
mod bounds;
mod branding;
mod consent;
mod console;
mod credential;
mod error;
mod export;
mod extensions;
mod factor;
mod flags;
mod gate;
mod hashing;
mod held;
mod housekeeping;
mod image;
mod keyed_semaphore;
mod lifecycle;
mod limits;
mod login;
mod masking;
mod metrics;
mod names;
mod pages;
mod people;
mod permission;
mod principal;
mod public;
mod purge;
mod query;
mod records;
mod reference;
mod refusals;
mod retention;
mod routes;
mod running;
mod search;
mod server;
mod session;
mod settings;
mod standing;
mod store;
mod subscription;
mod tenant;
mod time;
mod token;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore, watch};

pub use admin::{AdminCommand, AdminError};
pub use audit::{
    AuditCommand, AuditError, Finding, Verified, export as export_audit, new_key as new_audit_key,
    verify as verify_audit,
};
pub use backup::{Backup, BackupError, Restore};
pub use credential::{Credential, CredentialCommand, CredentialError};
pub use export::S3Key;
pub use factor::duo::{Duo, DuoDomain};
pub use flags::{Command, CommandError, Flags};
pub use hashing::Work;
pub use limits::Limits;
pub use login::address::Network;
pub use names::{NamesCommand, NamesError};
pub use permission::{Again, Call, Needs, Permission, Position, Row, Rule, Scope as PermissionScope, TABLE, Verb};
pub use public::PublicUrl;
pub use running::Running;

/// How long an ended tenant's data is kept unless said otherwise.
const PURGE_AFTER: Duration = Duration::from_hours(90 * 24);

/// How long the audit log and the history of logins are kept unless said otherwise: more than the twelve months of PCI DSS.
const LOG_RETENTION: Duration = Duration::from_hours(400 * 24);

/// How long a database file that another process holds is waited for unless said otherwise.
const DATABASE_WAIT: Duration = Duration::from_secs(10);

/// Connections to the database unless said otherwise.
const DATABASE_CONNECTIONS: u32 = 8;

/// What the product is called unless somebody says otherwise: the name in the sentences of its documentation.
pub const PRODUCT: &str = "OpsRamp";

/// What a platform is started with.
#[derive(Clone)]
pub struct Config {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// A SQLite path, a `sqlite:` URL or a `postgres:` URL.
    pub database: String,
    /// Where the first credential of a fresh database is written, once. An existing file is read and never overwritten.
    /// Without a file only [`Running::credential`] of the first start knows it.
    pub credential_file: Option<PathBuf>,
    /// Leave out everything that the public API does not document. A fresh database then gets one partner, whose
    /// credential is the first one, since no documented call makes a partner.
    pub documented_only: bool,
    /// The key that seals the audit log and the secrets of second factors, kept apart from the database; made where it is
    /// not there and nothing is sealed yet. Another one, or none, for a database that is sealed stops the start. Without one a log that was cut off along with its head is not found out, and second factors last as long
    /// as the program runs.
    pub audit_key: Option<PathBuf>,
    /// Folders and URLs that exports may go to, with all that is below them; nothing else is ever reached.
    pub export_destinations: Vec<String>,
    /// The key with which exports write to S3.
    pub export_s3: Option<S3Key>,
    /// Pause after a stream's first failed delivery; it doubles with each.
    pub retry: Duration,
    /// After which time the run of a scheduled export is given up; never later than a while before another process begins it.
    pub export_time: Duration,
    /// How long an ended tenant's data is kept.
    pub purge_after: Duration,
    /// How long rows of the audit log and of the history of logins are kept.
    pub log_retention: Duration,
    /// How long a request waits for a database file that another process holds.
    pub database_wait: Duration,
    /// Connections to the database for reading, and as many again for writing on PostgreSQL.
    pub database_connections: u32,
    /// How people log in.
    pub login: Login,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub proxies: Vec<Network>,
    /// What the product is called where people read it.
    pub product: String,
    /// Where the platform is reached. Duo sends people back there, so without it Duo cannot be used.
    pub public_url: Option<PublicUrl>,
    /// How Duo is reached.
    pub duo: Duo,
    /// Requests per caller, tenant and minute; `None` counts nothing and sends no rate-limit headers.
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
            audit_key: None,
            export_destinations: Vec::new(),
            export_s3: None,
            retry: Duration::from_secs(1),
            export_time: export::schedule::LONGEST,
            purge_after: PURGE_AFTER,
            log_retention: LOG_RETENTION,
            database_wait: DATABASE_WAIT,
            database_connections: DATABASE_CONNECTIONS,
            login: Login::default(),
            proxies: Vec::new(),
            product: PRODUCT.to_owned(),
            public_url: None,
            duo: Duo::default(),
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
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// A later release has migrated the database.
    #[error(
        "the database is of a newer release (its migration {0} is not known here): start that release, or restore the \
         backup from before its first start"
    )]
    Newer(i64),
    /// SQLite was built without what erases for good.
    #[error(
        "this program cannot overwrite what is erased: build it inside its source tree, whose `.cargo/config.toml` sets \
         `LIBSQLITE3_FLAGS`"
    )]
    WithoutPages,
    /// The key of the audit log cannot be read or written.
    #[error("the audit key {} {reason}", path.display())]
    AuditKey {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: std::io::Error,
    },
    /// The database is sealed, and no key was named.
    #[error("the database is sealed with an audit key: name its file with `--audit-key`")]
    AuditKeyUnnamed,
    /// The operating system has no random numbers.
    #[error("the operating system gives no random numbers")]
    Random,
    /// An export destination cannot be used.
    #[error("{0}")]
    Export(String),
    /// What speaks to Duo cannot be made: the machine's TLS roots may be unreadable.
    #[error("cannot prepare to speak to Duo: {0}")]
    Duo(#[source] reqwest::Error),
    /// The credential file cannot be read or written, or belongs to another database.
    #[error("credential file {}: {reason}", path.display())]
    Credential {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
}

impl From<sqlx::migrate::MigrateError> for StartError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        match error {
            sqlx::migrate::MigrateError::VersionMissing(version) => Self::Newer(version),
            error => Self::Migrate(error),
        }
    }
}

/// What every handler sees.
struct App {
    store: store::Store,
    /// Whether the extensions are on.
    extensions: bool,
    limiter: Option<limits::Limiter>,
    metrics: metrics::Metrics,
    decoders: Semaphore,
    readers: Semaphore,
    /// Of the readers those of one partner with all below it.
    readers_of: keyed_semaphore::KeyedSemaphore<i64>,
    /// Bytes of bodies and answers.
    held: Arc<held::Ledger>,
    pictures: image::Pictures,
    seal: audit::Seal,
    exports: export::Exports,
    /// Told when an event waits for its delivery.
    deliveries: Notify,
    purge_after: Duration,
    log_retention: Duration,
    login: Login,
    proxies: Vec<Network>,
    product: String,
    duo: factor::duo::Client,
    hasher: hashing::Hasher,
    /// One at a time of an account from a source proves a password.
    turns: keyed_semaphore::KeyedSemaphore<people::login::Account>,
    /// Refused requests by what and where from, and refused logins and keys by whose.
    refusals: refusals::Refusals,
    logins: refusals::Refusals,
    /// Denied attempts that are no rows of the audit log yet.
    samples: audit::Samples,
    vault: factor::Vault,
    /// Seals the secrets of streams.
    stream_vault: factor::Vault,
    readiness: store::Readiness,
}

/// Opens the database and makes the first credential, and listens nowhere: requests are handed to the router. For
/// simulations, which carry them there themselves.
///
/// # Errors
/// The database or the credential file cannot be used.
pub async fn unlistened(config: &Config) -> Result<(axum::Router, Option<Credential>), StartError> {
    let (app, credential) = open(config, &reachable(config.listen)).await?;
    Ok((routes::router(&app), credential))
}

async fn open(config: &Config, url: &str) -> Result<(Arc<App>, Option<Credential>), StartError> {
    let exports = export::Exports::new(config).map_err(StartError::Export)?;
    let pools = store::Pools { wait: config.database_wait, connections: config.database_connections };
    // Boxed: the migrations' future is larger than what a caller's stack should carry.
    let store = Box::pin(store::Store::open_with(&config.database, pools)).await?;
    let seal = audit::open(&store, config.audit_key.as_deref()).await?;
    let vault = factor::Vault::new(seal.key()).map_err(|_| StartError::Random)?;
    let stream_vault = factor::Vault::of_streams(seal.key()).map_err(|_| StartError::Random)?;
    let hasher = hashing::Hasher::new(config.login.work, config.login.queue);
    let metrics = metrics::Metrics::new(&store, &hasher);
    // The address of this process leads nowhere from elsewhere.
    let public = config.public_url.as_ref().map(ToString::to_string);
    let credential = Box::pin(credential::first(&store, &seal, config, public.as_deref().unwrap_or(url))).await?;
    let app = App {
        store,
        extensions: !config.documented_only,
        limiter: config.limits.map(limits::Limiter::new),
        metrics,
        decoders: Semaphore::new(bounds::DECODERS),
        readers: Semaphore::new(bounds::READERS),
        readers_of: keyed_semaphore::KeyedSemaphore::new(bounds::READERS_OF_ONE),
        held: Arc::default(),
        pictures: image::Pictures::default(),
        seal,
        exports,
        deliveries: Notify::new(),
        purge_after: config.purge_after,
        log_retention: config.log_retention,
        login: config.login,
        proxies: config.proxies.clone(),
        product: config.product.clone(),
        duo: factor::duo::Client::new(config).map_err(StartError::Duo)?,
        hasher,
        turns: keyed_semaphore::KeyedSemaphore::new(1),
        refusals: refusals::Refusals::default(),
        logins: refusals::Refusals::default(),
        samples: audit::Samples::default(),
        vault,
        stream_vault,
        readiness: store::Readiness::default(),
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
    let (stop, stopped) = watch::channel(false);
    let server = tokio::spawn(server::serve(listener, (router, config.proxies.clone()), stopped));
    let jobs = [
        tokio::spawn(export::run(Arc::clone(&app))),
        tokio::spawn(export::schedule::run_due(Arc::clone(&app))),
        tokio::spawn(housekeeping::keep(Arc::clone(&app))),
        tokio::spawn(audit::tell_minutes(Arc::clone(&app))),
    ];
    tracing::info!(url, extensions = app.extensions, "the platform answers");
    Ok(Running { url, credential, stop, server, jobs, app })
}

/// The URL under which this machine reaches a listener: "any address" is no destination.
fn reachable(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    format!("http://{address}")
}
