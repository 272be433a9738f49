//! The self-hosted platform: the tenancy API over SQLite or PostgreSQL.
//!
//! A request passes four doors before a handler sees it (`authorize`): its token or session names a caller, the tenant of its
//! path is looked up within that caller's reach only, the rate limit of the path's tenant has room, and the table of
//! permissions lets the caller pass. Handlers then read, or lock the parent's row and write in one transaction; the reply
//! follows the commit.

mod admin;
mod audit;
mod authorize;
mod backup;
mod body;
mod bounds;
mod branding;
mod consent;
mod credential;
mod database_command;
mod error;
mod export;
mod extensions;
mod flags;
mod hashing;
mod housekeeping;
mod image;
mod keyed_semaphore;
mod lifecycle;
mod login_policy;
mod masking;
mod memory_budget;
mod metrics;
mod mfa;
mod names;
mod pages;
mod people;
mod permission;
mod principal;
mod public_url;
mod purge;
mod query;
mod rate_limit;
mod records;
mod reference_data;
mod refusal_log;
mod retention;
mod routes;
mod running_platform;
mod search;
mod server;
mod session;
mod settings;
mod store;
mod subscription;
mod tenant;
mod tenant_availability;
mod tenant_response;
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
    AuditCommand, AuditError, AuditFinding, VerificationReport, export_log as export_audit,
    rotate_key as new_audit_key, verify_log as verify_audit,
};
pub use backup::{Backup, BackupError, Restore};
pub use credential::{Credential, CredentialCommand, CredentialError};
pub use export::S3Key;
pub use flags::{CommandError, PlatformCommand, PlatformFlags};
pub use hashing::PasswordHashCost;
pub use login_policy::ip_network::IpNetwork;
pub use mfa::duo::{DuoConfig, DuoDomain};
pub use names::{NamesCommand, NamesError};
pub use permission::{
    ApiRoute, CallerRelation, HttpMethod, Permission, PermissionRule, ROUTES, ReauthPolicy,
    RoleScope as PermissionScope, RouteOperation, RouteRequirements,
};
pub use public_url::PublicUrl;
pub use rate_limit::RateLimits;
pub use running_platform::RunningPlatform;

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
    /// Without a file only [`RunningPlatform::credential`] of the first start knows it.
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
    pub export_timeout: Duration,
    /// How long an ended tenant's data is kept.
    pub purge_after: Duration,
    /// How long rows of the audit log and of the history of logins are kept.
    pub log_retention: Duration,
    /// How long a request waits for a database file that another process holds.
    pub database_wait: Duration,
    /// Connections to the database for reading, and as many again for writing on PostgreSQL.
    pub database_connections: u32,
    /// How people log in.
    pub login: LoginConfig,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub proxies: Vec<IpNetwork>,
    /// What the product is called where people read it.
    pub product: String,
    /// Where the platform is reached. Duo sends people back there, so without it Duo cannot be used.
    pub public_url: Option<PublicUrl>,
    /// How Duo is reached.
    pub duo: DuoConfig,
    /// Requests per caller, tenant and minute; `None` counts nothing and sends no rate-limit headers.
    pub limits: Option<RateLimits>,
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
            export_timeout: export::schedule::RUN_TIMEOUT,
            purge_after: PURGE_AFTER,
            log_retention: LOG_RETENTION,
            database_wait: DATABASE_WAIT,
            database_connections: DATABASE_CONNECTIONS,
            login: LoginConfig::default(),
            proxies: Vec::new(),
            product: PRODUCT.to_owned(),
            public_url: None,
            duo: DuoConfig::default(),
            limits: Some(RateLimits::default()),
        }
    }
}

/// How people log in.
#[derive(Clone, Copy, Debug)]
pub struct LoginConfig {
    /// Work of one password hash. Less than the default is for tests only.
    pub password_hash_cost: PasswordHashCost,
    /// Longest expected wait for a password hash; whoever would wait longer is answered 503.
    pub max_hash_wait: Duration,
    /// How long a browser's session may be silent.
    pub idle: Duration,
    /// How long a browser's session lasts at the most.
    pub lifetime: Duration,
}

impl Default for LoginConfig {
    /// Silent for 15 minutes, as PCI DSS 4.0.1 (8.2.8) has it, and a working day at the most.
    fn default() -> Self {
        Self {
            password_hash_cost: PasswordHashCost::default(),
            max_hash_wait: Duration::from_secs(2),
            idle: Duration::from_mins(15),
            lifetime: Duration::from_hours(12),
        }
    }
}

impl LoginConfig {
    fn idle_milliseconds(&self) -> i64 {
        i64::try_from(self.idle.as_millis()).unwrap_or(i64::MAX / 4)
    }
}

/// Why a platform did not start.
#[derive(Debug, thiserror::Error)]
pub enum PlatformStartError {
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
    NewerSchema(i64),
    /// SQLite was built without what erases for good.
    #[error(
        "this program cannot overwrite what is erased: build it inside its source tree, whose `.cargo/config.toml` sets \
         `LIBSQLITE3_FLAGS`"
    )]
    MissingDbpage,
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
    AuditKeyNotGiven,
    /// The operating system has no random numbers.
    #[error("the operating system gives no random numbers")]
    NoRandomness,
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

impl From<sqlx::migrate::MigrateError> for PlatformStartError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        match error {
            sqlx::migrate::MigrateError::VersionMissing(version) => Self::NewerSchema(version),
            error => Self::Migrate(error),
        }
    }
}

/// What every handler sees.
struct App {
    store: store::Store,
    /// Whether the extensions are on.
    extensions: bool,
    limiter: Option<rate_limit::RateLimiter>,
    metrics: metrics::PlatformMetrics,
    decoders: Semaphore,
    readers: Semaphore,
    /// Of the readers those of one partner with all below it.
    readers_per_partner: keyed_semaphore::KeyedSemaphore<i64>,
    /// Bytes of bodies and answers.
    memory_budget: Arc<memory_budget::MemoryBudget>,
    image_cache: image::ImageCache,
    seal: audit::Seal,
    exports: export::Exports,
    /// Told when an event waits for its delivery.
    deliveries: Notify,
    purge_after: Duration,
    log_retention: Duration,
    login: LoginConfig,
    proxies: Vec<IpNetwork>,
    product: String,
    duo: mfa::duo::DuoClient,
    hasher: hashing::PasswordHasher,
    /// One at a time of an account from a source proves a password.
    password_checks: keyed_semaphore::KeyedSemaphore<people::authentication::AttemptKey>,
    /// Refused requests by what and where from, and refused logins and keys by whose.
    refusals: refusal_log::RefusalCounter,
    failed_logins: refusal_log::RefusalCounter,
    /// Denied attempts that are no rows of the audit log yet.
    denial_sampler: audit::DenialSampler,
    vault: mfa::Vault,
    /// Seals the secrets of streams.
    stream_vault: mfa::Vault,
    readiness: store::Readiness,
}

/// Opens the database and makes the first credential, and listens nowhere: requests are handed to the router. For
/// simulations, which carry them there themselves.
///
/// # Errors
/// The database or the credential file cannot be used.
pub async fn router_for_simulation(config: &Config) -> Result<(axum::Router, Option<Credential>), PlatformStartError> {
    let (app, credential) = open_app(config, &listener_url(config.listen)).await?;
    Ok((routes::build_router(&app), credential))
}

async fn open_app(config: &Config, url: &str) -> Result<(Arc<App>, Option<Credential>), PlatformStartError> {
    let exports = export::Exports::new(config).map_err(PlatformStartError::Export)?;
    let pools = store::PoolConfig { wait: config.database_wait, connections: config.database_connections };
    // Boxed: the migrations' future is larger than what a caller's stack should carry.
    let store = Box::pin(store::Store::open_with(&config.database, pools)).await?;
    let seal = audit::open_seal(&store, config.audit_key.as_deref()).await?;
    let vault = mfa::Vault::for_second_factors(seal.key()).map_err(|_| PlatformStartError::NoRandomness)?;
    let stream_vault = mfa::Vault::for_streams(seal.key()).map_err(|_| PlatformStartError::NoRandomness)?;
    let hasher = hashing::PasswordHasher::new(config.login.password_hash_cost, config.login.max_hash_wait);
    let metrics = metrics::PlatformMetrics::new(&store, &hasher);
    // The address of this process leads nowhere from elsewhere.
    let public = config.public_url.as_ref().map(ToString::to_string);
    let credential =
        Box::pin(credential::load_or_create_first(&store, &seal, config, public.as_deref().unwrap_or(url))).await?;
    let app = App {
        store,
        extensions: !config.documented_only,
        limiter: config.limits.map(rate_limit::RateLimiter::new),
        metrics,
        decoders: Semaphore::new(bounds::DECODERS),
        readers: Semaphore::new(bounds::READERS),
        readers_per_partner: keyed_semaphore::KeyedSemaphore::new(bounds::READERS_PER_PARTNER),
        memory_budget: Arc::default(),
        image_cache: image::ImageCache::default(),
        seal,
        exports,
        deliveries: Notify::new(),
        purge_after: config.purge_after,
        log_retention: config.log_retention,
        login: config.login,
        proxies: config.proxies.clone(),
        product: config.product.clone(),
        duo: mfa::duo::DuoClient::new(config).map_err(PlatformStartError::Duo)?,
        hasher,
        password_checks: keyed_semaphore::KeyedSemaphore::new(1),
        refusals: refusal_log::RefusalCounter::default(),
        failed_logins: refusal_log::RefusalCounter::default(),
        denial_sampler: audit::DenialSampler::default(),
        vault,
        stream_vault,
        readiness: store::Readiness::default(),
    };
    Ok((Arc::new(app), credential))
}

/// Opens the database, makes the first credential and starts to answer.
pub async fn start(config: Config) -> Result<RunningPlatform, PlatformStartError> {
    let listener =
        TcpListener::bind(config.listen).await.map_err(|error| PlatformStartError::Listen(config.listen, error))?;
    let address = listener.local_addr().map_err(|error| PlatformStartError::Listen(config.listen, error))?;
    let url = listener_url(address);
    let (app, credential) = open_app(&config, &url).await?;
    let router = routes::build_router(&app);
    let (stop, stopped) = watch::channel(false);
    let server = tokio::spawn(server::serve(listener, (router, config.proxies.clone()), stopped));
    let jobs = [
        tokio::spawn(export::run_deliveries(Arc::clone(&app))),
        tokio::spawn(export::schedule::run_schedules(Arc::clone(&app))),
        tokio::spawn(housekeeping::run_maintenance(Arc::clone(&app))),
        tokio::spawn(audit::run_omitted_denials_report(Arc::clone(&app))),
    ];
    tracing::info!(url, extensions = app.extensions, "the platform answers");
    Ok(RunningPlatform { url, credential, stop, server, jobs, app })
}

/// The URL under which this machine reaches a listener: "any address" is no destination.
fn listener_url(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    format!("http://{address}")
}
