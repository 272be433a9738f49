//! The self-hosted platform: the tenancy API over SQLite or PostgreSQL.
//!
//! A request passes four checks before its handler runs (`authorize`): its token or session identifies a caller; the
//! tenant of its path exists within that caller's reach; the rate limit of that tenant still has requests left; the
//! permission table allows the call. A handler then reads, or locks the parent's row and writes in one transaction. The
//! reply follows the commit.

mod admin;
mod audit;
mod authorize;
mod backup;
mod branding;
mod consent;
mod credential;
mod database_command;
mod error;
mod export;
mod flags;
mod housekeeping;
mod image;
mod impact;
mod json_body;
mod keyed_semaphore;
mod lifecycle;
mod limits;
mod login_policy;
mod masking;
mod memory_budget;
mod metrics;
mod mfa;
mod name_normalization;
mod pages;
mod password_hashing;
mod people;
mod permission;
mod principal;
mod public_url;
mod purge;
mod query_string;
mod rate_limit;
mod records;
mod reference_data;
mod refusal_log;
mod retention;
mod routes;
mod running_platform;
mod server;
mod session;
mod settings;
mod store;
mod subscription;
mod tenant;
mod tenant_availability;
mod tenant_response;
mod tenant_search;
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
pub use login_policy::ip_network::IpNetwork;
pub use mfa::duo::{DuoConfig, DuoDomain};
pub use name_normalization::{NamesCommand, NamesError};
pub use password_hashing::PasswordHashCost;
pub use permission::{
    ApiRoute, CallerRelation, HttpMethod, Permission, PermissionRule, ROUTES, ReauthPolicy,
    RoleScope as PermissionScope, RouteOperation, RouteRequirements,
};
pub use public_url::PublicUrl;
pub use rate_limit::RateLimits;
pub use running_platform::RunningPlatform;

/// Default time for which a terminated tenant's data is kept.
const DEFAULT_PURGE_AFTER: Duration = Duration::from_hours(90 * 24);

/// Default time for which the audit log and the login history are kept: more than the twelve months that PCI DSS
/// requires.
const LOG_RETENTION: Duration = Duration::from_hours(400 * 24);

/// Default time that a request waits for a database file that another process has locked.
const DATABASE_WAIT: Duration = Duration::from_secs(10);

/// Default number of connections to the database.
const DATABASE_CONNECTIONS: u32 = 8;

/// Default name of the product, as its documentation writes it.
pub const DEFAULT_PRODUCT_NAME: &str = "OpsRamp";

/// Configuration of a platform.
#[derive(Clone)]
pub struct Config {
    /// Address to listen on; with port 0 the system chooses a free port.
    pub listen: SocketAddr,
    /// A SQLite path, a `sqlite:` URL or a `postgres:` URL.
    pub database: String,
    /// File for the first credential of a fresh database, written once. An existing file is read and never overwritten.
    /// Without a file, the credential is available only from [`RunningPlatform::credential`] of the first start.
    pub credential_file: Option<PathBuf>,
    /// Turns off everything that the public API does not document. A fresh database then gets one partner, whose
    /// credential is the first one, because no documented call creates a partner.
    pub documented_only: bool,
    /// File with the key that seals the audit log and the secrets of second factors, kept apart from the database. It
    /// is created if it does not exist and nothing is sealed yet. If the database is sealed, the start fails without
    /// the key or with another one. Without a key, nobody can detect that the end of the log and its head were cut off,
    /// and second factors last only as long as the program runs.
    pub audit_key: Option<PathBuf>,
    /// Folders and URLs that exports may write to, with everything below them. Exports reach nothing else.
    pub export_destinations: Vec<String>,
    /// The key with which exports write to S3.
    pub export_s3: Option<S3Key>,
    /// Pause after a stream's first failed delivery; it doubles with each further failure.
    pub retry: Duration,
    /// Timeout of one run of a scheduled export. A run always ends some time before another process may start it.
    pub export_timeout: Duration,
    /// How long a terminated tenant's data is kept.
    pub purge_after: Duration,
    /// How long rows of the audit log and of the login history are kept.
    pub log_retention: Duration,
    /// How long a request waits for a database file that another process has locked.
    pub database_wait: Duration,
    /// Connections to the database for reading, and as many again for writing on PostgreSQL.
    pub database_connections: u32,
    /// Login settings.
    pub login: LoginConfig,
    /// Proxies whose `X-Forwarded-For` header is trusted.
    pub proxies: Vec<IpNetwork>,
    /// Name of the product on pages and in messages.
    pub product: String,
    /// Public address of the platform. Duo redirects people to it, so Duo does not work without it.
    pub public_url: Option<PublicUrl>,
    /// Connection settings for Duo.
    pub duo: DuoConfig,
    /// Requests per caller, tenant and minute. `None` counts nothing and sends no rate-limit headers.
    pub limits: Option<RateLimits>,
}

impl Config {
    /// Returns the configuration of a platform on a free loopback port with the commercial platform's rate limits.
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
            purge_after: DEFAULT_PURGE_AFTER,
            log_retention: LOG_RETENTION,
            database_wait: DATABASE_WAIT,
            database_connections: DATABASE_CONNECTIONS,
            login: LoginConfig::default(),
            proxies: Vec::new(),
            product: DEFAULT_PRODUCT_NAME.to_owned(),
            public_url: None,
            duo: DuoConfig::default(),
            limits: Some(RateLimits::default()),
        }
    }
}

/// Settings of password hashing and of browser sessions.
#[derive(Clone, Copy, Debug)]
pub struct LoginConfig {
    /// Work of one password hash. Less than the default is for tests only.
    pub password_hash_cost: PasswordHashCost,
    /// Longest expected wait for a password hash; a request that would wait longer gets 503.
    pub max_hash_wait: Duration,
    /// How long a browser session may be idle.
    pub idle: Duration,
    /// Longest lifetime of a browser session.
    pub lifetime: Duration,
}

impl Default for LoginConfig {
    /// Returns 15 minutes of idle time, as PCI DSS 4.0.1 (8.2.8) requires, and a lifetime of 12 hours.
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
    /// The address is in use, or it is not an address of this machine.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, #[source] std::io::Error),
    /// The database cannot be opened or migrated to the current schema.
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
    /// SQLite was built without the flag for secure deletion.
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
    /// The database is sealed, and no key file was given.
    #[error("the database is sealed with an audit key: name its file with `--audit-key`")]
    AuditKeyNotGiven,
    /// The operating system has no random numbers.
    #[error("the operating system gives no random numbers")]
    NoRandomness,
    /// An export destination cannot be used.
    #[error("{0}")]
    Export(String),
    /// The HTTP client for Duo cannot be built; the machine's TLS roots may be unreadable.
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

/// State that all handlers share.
struct App {
    store: store::Store,
    /// Whether the extensions are enabled.
    has_extensions: bool,
    limiter: Option<rate_limit::RateLimiter>,
    metrics: metrics::PlatformMetrics,
    decoders: Semaphore,
    readers: Semaphore,
    /// Of the readers, those that one partner and everything below it may hold.
    readers_per_partner: keyed_semaphore::KeyedSemaphore<i64>,
    /// Bytes of request bodies and answers.
    memory_budget: Arc<memory_budget::MemoryBudget>,
    image_cache: image::ImageCache,
    seal: audit::Seal,
    exports: export::Exports,
    /// Notified when an event waits for its delivery.
    deliveries: Notify,
    purge_after: Duration,
    log_retention: Duration,
    login: LoginConfig,
    proxies: Vec<IpNetwork>,
    product: String,
    duo: mfa::duo::DuoClient,
    hasher: password_hashing::PasswordHasher,
    /// Lets one password check at a time run for each pair of account and source.
    password_checks: keyed_semaphore::KeyedSemaphore<people::authentication::AttemptKey>,
    /// Refused requests by kind and source, and refused logins and keys by account.
    refusals: refusal_log::RefusalCounter,
    failed_logins: refusal_log::RefusalCounter,
    /// Denied attempts that are not yet written to the audit log.
    denial_sampler: audit::DenialSampler,
    vault: mfa::SecretCipher,
    /// Encrypts the secrets of streams.
    stream_vault: mfa::SecretCipher,
    readiness: store::Readiness,
}

/// Opens the database, creates the first credential and returns the router without a listener. Simulations pass
/// requests to the router themselves.
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
    // Boxed because the future of the migrations is too large for a caller's stack.
    let store = Box::pin(store::Store::open_with(&config.database, pools)).await?;
    let seal = audit::open_seal(&store, config.audit_key.as_deref()).await?;
    let vault = mfa::SecretCipher::for_second_factors(seal.key()).map_err(|_| PlatformStartError::NoRandomness)?;
    let stream_vault = mfa::SecretCipher::for_streams(seal.key()).map_err(|_| PlatformStartError::NoRandomness)?;
    let hasher = password_hashing::PasswordHasher::new(config.login.password_hash_cost, config.login.max_hash_wait);
    let metrics = metrics::PlatformMetrics::new(&store, &hasher);
    // Other machines cannot reach this process under its own address.
    let public = config.public_url.as_ref().map(ToString::to_string);
    let credential =
        Box::pin(credential::load_or_create_first(&store, &seal, config, public.as_deref().unwrap_or(url))).await?;
    let app = App {
        store,
        has_extensions: !config.documented_only,
        limiter: config.limits.map(rate_limit::RateLimiter::new),
        metrics,
        decoders: Semaphore::new(limits::MAX_CONCURRENT_DECODES),
        readers: Semaphore::new(limits::MAX_CONCURRENT_PAGE_READS),
        readers_per_partner: keyed_semaphore::KeyedSemaphore::new(limits::MAX_PAGE_READS_PER_PARTNER),
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

/// Opens the database, creates the first credential and starts to serve requests.
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
    tracing::info!(url, extensions = app.has_extensions, "the platform answers");
    Ok(RunningPlatform { url, credential, stop, server, jobs, app })
}

/// Returns the URL under which this machine reaches a listener. "Any address" becomes loopback, because it is no
/// destination.
fn listener_url(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    format!("http://{address}")
}
