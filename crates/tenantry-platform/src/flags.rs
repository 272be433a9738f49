//! The program's flags.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use super::credential::{CredentialFiles, FirstCredential};
use super::{
    AdminCommand, AdminError, AuditCommand, AuditError, Backup, BackupError, Config, CredentialCommand,
    CredentialError, DATABASE_CONNECTIONS, DEFAULT_PRODUCT_NAME, DuoConfig, DuoDomain, IpNetwork, LoginConfig,
    NamesCommand, NamesError, PublicUrl, RateLimits, Restore, S3Key, backup,
};

/// A self-hosted platform that speaks the tenancy API. Logs go to stderr; `TENANTRY_LOG` sets their level.
// No Debug, here and in Config: the database URL may carry a password.
#[derive(Parser, Clone)]
#[command(name = "tenantry-platform", version = tenantry_runtime::build::version_text())]
pub struct PlatformFlags {
    /// Address to listen on
    #[arg(long, env = "TENANTRY_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// SQLite path, `sqlite:` or `postgres:` URL
    // The URL may carry a password, which `--help` must not show.
    #[arg(long, env = "TENANTRY_DATABASE", default_value = "tenantry.db", hide_env_values = true, global = true)]
    database: String,
    /// File with the database's URL, which may carry a password that no list of processes should show
    #[arg(long, env = "TENANTRY_DATABASE_URL_FILE", conflicts_with = "database", global = true)]
    database_url_file: Option<PathBuf>,
    /// Connections to the database for reading, and as many again for writing on PostgreSQL
    #[arg(long, env = "TENANTRY_DATABASE_CONNECTIONS", default_value_t = DATABASE_CONNECTIONS,
        value_parser = clap::value_parser!(u32).range(1..=500))]
    database_connections: u32,
    /// File that gets the first credential of a fresh database; an existing one is read and never overwritten
    #[arg(long, env = "TENANTRY_CREDENTIAL_FILE", default_value = "tenantry-credential.json", global = true)]
    credential_file: PathBuf,
    /// Leave out everything that the public API does not document
    #[arg(long, env = "TENANTRY_DOCUMENTED_ONLY")]
    documented_only: bool,
    /// Count no requests and send no rate-limit headers
    #[arg(long, env = "TENANTRY_NO_RATE_LIMITS")]
    no_rate_limits: bool,
    /// Proxies whose X-Forwarded-For is believed: addresses or CIDR blocks, comma-separated
    #[arg(long, env = "TENANTRY_TRUSTED_PROXIES", value_delimiter = ',')]
    trusted_proxies: Vec<IpNetwork>,
    /// What the product is called where people read it
    #[arg(long, env = "TENANTRY_PRODUCT_NAME", default_value = DEFAULT_PRODUCT_NAME)]
    product_name: String,
    /// Where the platform is reached, like `https://tenants.example.com`; Duo needs it, and the credential file names it
    #[arg(long, env = "TENANTRY_PUBLIC_URL", global = true)]
    public_url: Option<PublicUrl>,
    /// Domains that Duo's API hosts lie in, comma-separated; nothing else is asked for a second factor
    #[arg(long, env = "TENANTRY_DUO_HOSTS", value_delimiter = ',', default_value = DuoDomain::KNOWN)]
    duo_hosts: Vec<DuoDomain>,
    /// POST, PUT and DELETE calls per tenant and minute
    #[arg(long, env = "TENANTRY_WRITES_PER_MINUTE", default_value_t = RateLimits::default().writes)]
    writes_per_minute: u32,
    /// Paginated reads per tenant and minute
    #[arg(long, env = "TENANTRY_PAGES_PER_MINUTE", default_value_t = RateLimits::default().pages)]
    pages_per_minute: u32,
    /// Other reads per tenant and minute
    #[arg(long, env = "TENANTRY_READS_PER_MINUTE", default_value_t = RateLimits::default().reads)]
    reads_per_minute: u32,
    /// File with the key that seals the audit log and the secrets of second factors, made where it is not there
    /// [default: beside the credential file]
    #[arg(long, env = "TENANTRY_AUDIT_KEY", global = true)]
    audit_key: Option<PathBuf>,
    /// Folder or URL (`https:`, `s3+https:`) that exports may go to, with all below it; repeat it or separate by commas
    #[arg(long, env = "TENANTRY_EXPORT_DESTINATION", value_delimiter = ',')]
    export_destination: Vec<String>,
    /// Region of the S3 buckets
    #[arg(long, env = "TENANTRY_EXPORT_S3_REGION", default_value = "us-east-1")]
    export_s3_region: String,
    /// Id of the key with which exports write to S3
    #[arg(long, env = "TENANTRY_EXPORT_S3_KEY_ID", requires = "s3_secret")]
    export_s3_key_id: Option<String>,
    /// Its secret; better given by a file or by the environment than on the command line
    #[arg(long, env = "TENANTRY_EXPORT_S3_SECRET", hide_env_values = true, group = "s3_secret")]
    export_s3_secret: Option<String>,
    /// File with its secret
    #[arg(long, env = "TENANTRY_EXPORT_S3_SECRET_FILE", group = "s3_secret")]
    export_s3_secret_file: Option<PathBuf>,
    /// Days after which an ended tenant's data is erased for ever
    #[arg(long, env = "TENANTRY_PURGE_AFTER_DAYS", default_value_t = 90)]
    purge_after_days: u32,
    /// Days for which the audit log and the history of logins are kept
    #[arg(long, env = "TENANTRY_LOG_RETENTION_DAYS", default_value_t = 400)]
    log_retention_days: u32,
    /// Seconds that a request waits for a SQLite file that another process holds
    #[arg(long, env = "TENANTRY_DATABASE_WAIT_SECONDS", default_value_t = 10)]
    database_wait_seconds: u32,
    /// What to do instead of answering requests
    #[command(subcommand)]
    pub command: Option<PlatformCommand>,
}

/// What the program does besides answering requests.
#[derive(Subcommand, Clone, Debug)]
pub enum PlatformCommand {
    /// Make administrators, people who can log in
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Make, list and revoke API credentials
    #[command(subcommand)]
    Credential(CredentialCommand),
    /// Find names that collide
    #[command(subcommand)]
    Names(NamesCommand),
    /// Verify or export the audit log of a database
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Copy a SQLite database into a file while the platform runs
    Backup(Backup),
    /// Bring a database back: no id is given a second time, and nobody stays logged in
    Restore(Restore),
    /// Write a SQLite file again without free space; the platform's writes wait meanwhile
    Compact,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// No administrator was created.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// A command on credentials failed.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// Names were not listed.
    #[error(transparent)]
    Names(#[from] NamesError),
    /// The audit log was not read.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A backup, restore or compaction failed.
    #[error(transparent)]
    Backup(#[from] BackupError),
}

impl PlatformCommand {
    /// Runs one command on the database. The exit code is 1 if the log fails the verification or names collide.
    ///
    /// # Errors
    /// The database, the key or the output failed, or the request is not possible.
    pub async fn run(&self, flags: &PlatformFlags, out: impl Write) -> Result<ExitCode, CommandError> {
        let (database, key) = (&flags.database, flags.audit_key_path());
        Ok(match self {
            Self::Admin(command) => command.run(database, &key, out).await.map(|()| ExitCode::SUCCESS)?,
            Self::Credential(command) => {
                let first = FirstCredential { file: &flags.credential_file, public_url: flags.public_url.as_ref() };
                command.run(database, CredentialFiles { key: &key, first }, out).await.map(|()| ExitCode::SUCCESS)?
            }
            Self::Names(command) => {
                let clean = command.run(database, out).await?;
                if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
            }
            Self::Audit(command) => command.run(database, &key, out).await?,
            Self::Backup(command) => command.run(database, &key, out).await.map(|()| ExitCode::SUCCESS)?,
            Self::Restore(command) => command.run(database, &key, out).await.map(|()| ExitCode::SUCCESS)?,
            Self::Compact => backup::compact_database(database, out).await.map(|()| ExitCode::SUCCESS)?,
        })
    }
}

impl PlatformFlags {
    /// Fills in the values that are given in files.
    ///
    /// # Errors
    /// A file cannot be read, or is empty.
    pub fn resolve_files(mut self) -> Result<Self, String> {
        if let Some(file) = self.database_url_file.take() {
            self.database = read_one_line("--database-url-file", &file)?;
        }
        if let Some(file) = self.export_s3_secret_file.take() {
            self.export_s3_secret = Some(read_one_line("--export-s3-secret-file", &file)?);
        }
        Ok(self)
    }

    /// Returns the path of the audit log's key.
    fn audit_key_path(&self) -> PathBuf {
        self.audit_key.clone().unwrap_or_else(|| self.credential_file.with_file_name("tenantry-audit.key"))
    }
}

/// Reads a file and trims blanks at both ends.
fn read_one_line(flag: &str, file: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("`{}` of `{flag}` cannot be read: {error}", file.display()))?;
    let text = text.trim();
    if text.is_empty() || text.contains('\n') {
        return Err(format!("`{}` of `{flag}` must have one line", file.display()));
    }
    Ok(text.to_owned())
}

impl From<PlatformFlags> for Config {
    fn from(flags: PlatformFlags) -> Self {
        let limits = RateLimits {
            writes: flags.writes_per_minute,
            pages: flags.pages_per_minute,
            reads: flags.reads_per_minute,
        };
        let audit_key = Some(flags.audit_key_path());
        Self {
            listen: flags.listen,
            credential_file: Some(flags.credential_file),
            documented_only: flags.documented_only,
            audit_key,
            export_s3: flags.export_s3_key_id.zip(flags.export_s3_secret).map(|(id, secret)| S3Key {
                region: flags.export_s3_region,
                id,
                secret: secret.into(),
            }),
            export_destinations: flags.export_destination,
            purge_after: Duration::from_hours(24 * u64::from(flags.purge_after_days)),
            log_retention: Duration::from_hours(24 * u64::from(flags.log_retention_days)),
            database_connections: flags.database_connections,
            database_wait: Duration::from_secs(flags.database_wait_seconds.into()),
            login: LoginConfig::default(),
            proxies: flags.trusted_proxies,
            product: flags.product_name,
            public_url: flags.public_url,
            duo: DuoConfig { domains: flags.duo_hosts, ..DuoConfig::default() },
            limits: (!flags.no_rate_limits).then_some(limits),
            ..Self::new(flags.database)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn every_flag_has_its_environment_variable() {
        let command = PlatformFlags::command();
        command.clone().debug_assert();
        for argument in command.get_arguments() {
            let name = argument.get_id().as_str().to_uppercase();
            let variable = argument.get_env().and_then(|name| name.to_str()).unwrap_or_default();
            assert_eq!(variable, format!("TENANTRY_{name}"));
        }
    }

    #[test]
    fn no_flag_is_needed() {
        let config = Config::from(PlatformFlags::parse_from(["tenantry-platform"]));
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.limits.map(|limits| limits.writes), Some(50));
        assert_eq!(config.log_retention, Duration::from_hours(400 * 24));
        assert_eq!((config.public_url, config.duo.domains), (None, DuoDomain::known_domains()));
        let flags = ["tenantry-platform", "--public-url", "https://tenants.example"];
        let config = Config::from(PlatformFlags::parse_from(flags));
        assert_eq!(config.public_url.map(|url| url.to_string()).as_deref(), Some("https://tenants.example"));
    }
}
