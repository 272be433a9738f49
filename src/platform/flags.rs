//! The program's flags.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::{AuditCommand, CommandError, Config, Limits};

/// A self-hosted platform that speaks the tenancy API. Logs go to stderr; `RUST_LOG` sets their level.
// No Debug, here and in Config: the database URL may carry a password.
#[derive(Parser, Clone)]
#[command(name = "tenantry-platform", version)]
pub struct Flags {
    /// Address to listen on
    #[arg(long, env = "TENANTRY_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// SQLite path, `sqlite:` or `postgres:` URL
    // The URL may carry a password, which `--help` must not show.
    #[arg(long, env = "TENANTRY_DATABASE", default_value = "tenantry.db", hide_env_values = true, global = true)]
    database: String,
    /// File that gets the first credential; an existing one is read and never overwritten
    #[arg(long, env = "TENANTRY_CREDENTIAL_FILE", default_value = "tenantry-credential.json")]
    credential_file: PathBuf,
    /// Leave out everything that the public API does not document
    #[arg(long, env = "TENANTRY_DOCUMENTED_ONLY")]
    documented_only: bool,
    /// Count no requests and send no rate-limit headers
    #[arg(long, env = "TENANTRY_NO_RATE_LIMITS")]
    no_rate_limits: bool,
    /// POST, PUT and DELETE calls per tenant and minute
    #[arg(long, env = "TENANTRY_WRITES_PER_MINUTE", default_value_t = Limits::default().writes)]
    writes_per_minute: u32,
    /// Paginated reads per tenant and minute
    #[arg(long, env = "TENANTRY_PAGES_PER_MINUTE", default_value_t = Limits::default().pages)]
    pages_per_minute: u32,
    /// Other reads per tenant and minute
    #[arg(long, env = "TENANTRY_READS_PER_MINUTE", default_value_t = Limits::default().reads)]
    reads_per_minute: u32,
    /// File with the key that seals the audit log, made where it is not there [default: beside the credential file]
    #[arg(long, env = "TENANTRY_AUDIT_KEY", global = true)]
    audit_key: Option<PathBuf>,
    /// What to do instead of answering requests
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What the program does besides answering requests.
#[derive(Subcommand, Clone, Debug)]
pub enum Command {
    /// Verify or export the audit log of a database
    #[command(subcommand)]
    Audit(AuditCommand),
}

impl Command {
    /// Does one thing with the database. The code is 1 where the log does not hold.
    ///
    /// # Errors
    /// Database, key or output failed.
    pub async fn run(&self, flags: &Flags, out: impl Write) -> Result<ExitCode, CommandError> {
        match self {
            Self::Audit(command) => command.run(&flags.database, &flags.key(), out).await,
        }
    }
}

impl Flags {
    /// The file of the audit log's key.
    fn key(&self) -> PathBuf {
        self.audit_key.clone().unwrap_or_else(|| self.credential_file.with_file_name("tenantry-audit.key"))
    }
}

impl From<Flags> for Config {
    fn from(flags: Flags) -> Self {
        let limits =
            Limits { writes: flags.writes_per_minute, pages: flags.pages_per_minute, reads: flags.reads_per_minute };
        let audit_key = Some(flags.key());
        Self {
            listen: flags.listen,
            database: flags.database,
            credential_file: Some(flags.credential_file),
            documented_only: flags.documented_only,
            audit_key,
            limits: (!flags.no_rate_limits).then_some(limits),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn every_flag_has_its_environment_variable() {
        let command = Flags::command();
        command.clone().debug_assert();
        for argument in command.get_arguments() {
            let name = argument.get_id().as_str().to_uppercase();
            let variable = argument.get_env().and_then(|name| name.to_str()).unwrap_or_default();
            assert_eq!(variable, format!("TENANTRY_{name}"));
        }
    }

    #[test]
    fn no_flag_is_needed() {
        let config = Config::from(Flags::parse_from(["tenantry-platform"]));
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.limits.map(|limits| limits.writes), Some(50));
    }
}
