//! The platform and the operator as separate processes.

#![allow(dead_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::assets;
use super::http;
use super::process::{ChildProcess, ProgramCommand, Result, free_port};

/// Enough for a debug build on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// One of our programs that serves HTTP. It can be stopped and restarted on the same port.
#[derive(Debug)]
pub struct ServiceProcess {
    program: ProgramCommand,
    process: ChildProcess,
    url: String,
    ready: &'static str,
}

impl ServiceProcess {
    fn start(program: ProgramCommand, url: String, ready: &'static str) -> Result<Self> {
        let mut process = program.start()?;
        wait_ready(&mut process, &url, ready)?;
        Ok(Self { program, process, url, ready })
    }

    /// Returns its URL without a trailing slash.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Returns its process.
    pub fn process(&mut self) -> &mut ChildProcess {
        &mut self.process
    }

    /// Restarts it with the same flags, stopping it first if it is still running, and waits until it is ready.
    pub fn restart(&mut self) -> Result<()> {
        self.process.stop()?;
        self.process = self.program.start()?;
        wait_ready(&mut self.process, &self.url, self.ready)
    }

    /// Restarts it with the same flags and does not wait until it is ready.
    pub fn restart_now(&mut self) -> Result<()> {
        self.process.stop()?;
        self.process = self.program.start()?;
        Ok(())
    }

    /// Returns its complete log.
    pub fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.process.log())?)
    }

    /// Returns its metrics as text.
    pub fn metrics(&self) -> Result<String> {
        Ok(http::get(&format!("{}/metrics", self.url))?.body)
    }

    /// Returns the sum of all series of `name` that have each of `labels`, such as `method="POST"`.
    pub fn metric(&self, name: &str, labels: &[&str]) -> Result<f64> {
        Ok(sum_metric(&self.metrics()?, name, labels))
    }
}

fn wait_ready(process: &mut ChildProcess, url: &str, path: &str) -> Result<()> {
    let url = format!("{url}{path}");
    process.wait_until(START_TIMEOUT, || http::get(&url).is_ok_and(|answer| answer.status == 200))
}

/// Returns the sum of all series of `name` in `text` that have each of `labels`.
pub fn sum_metric(text: &str, name: &str, labels: &[&str]) -> f64 {
    let of_series = |line: &str| -> Option<f64> {
        let rest = line.strip_prefix(name)?;
        let carries = rest.starts_with(['{', ' ']) && labels.iter().all(|label| rest.contains(label));
        let value = rest.rsplit_once('}').map_or(rest, |(_, value)| value);
        value.split_whitespace().next().filter(|_| carries)?.parse().ok()
    };
    text.lines().filter_map(of_series).sum()
}

/// The platform's first credential, which belongs to a service provider.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlatformCredential {
    /// URL of the platform.
    pub url: String,
    /// Id of the service provider.
    pub tenant_id: String,
    /// The API key.
    pub client_id: String,
    /// The API secret.
    pub client_secret: String,
}

/// Options of a platform.
#[derive(Clone, Debug, Default)]
pub struct PlatformOptions {
    /// Whether to answer 429 above the documented rates.
    pub rate_limits: bool,
    /// Whether to leave out all our extensions.
    pub documented_only: bool,
    /// Additional flags.
    pub flags: Vec<String>,
}

/// A running platform with its database in a folder.
#[derive(Debug)]
pub struct PlatformProcess {
    /// Process and URL.
    pub service: ServiceProcess,
    /// First credential.
    pub credential: PlatformCredential,
    /// Path of the database file.
    pub database: PathBuf,
}

impl PlatformProcess {
    /// Starts a platform in `folder`; existing data is used.
    pub fn start(folder: &Path, options: &PlatformOptions) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let listen = format!("127.0.0.1:{}", free_port()?);
        let file = folder.join("credential.json");
        let log = folder.join("tenantry-platform.log");
        let database = folder.join("platform.db");
        let mut program = ProgramCommand::new("tenantry-platform", assets::own_program("tenantry-platform")?, log)
            .args(["--listen", &listen])
            .args(["--database".into(), database.clone()])
            .args(["--credential-file".into(), file.clone()]);
        if !options.rate_limits {
            program = program.args(["--no-rate-limits"]);
        }
        if options.documented_only {
            program = program.args(["--documented-only"]);
        }
        let program = program.args(&options.flags);
        let service = ServiceProcess::start(program, format!("http://{listen}"), "/healthz")?;
        let text = fs::read_to_string(&file)
            .map_err(|error| format!("`tenantry-platform` left no {}: {error}", file.display()))?;
        let mut credential: PlatformCredential =
            serde_json::from_str(&text).map_err(|error| format!("{} is not understood: {error}", file.display()))?;
        // The file is written only once: after a start on another port it still contains the first one.
        service.url().clone_into(&mut credential.url);
        Ok(Self { service, credential, database })
    }

    /// Creates an administrator. Returns the login name and a password that must be changed.
    pub fn one_time_login(&self, login: &str, tenant: Option<&str>) -> Result<(String, String)> {
        one_time_login(&self.database, &self.audit_key(), login, tenant)
    }

    /// Returns the path of the audit log's key.
    pub fn audit_key(&self) -> PathBuf {
        self.database.with_file_name("tenantry-audit.key")
    }

    /// Returns host and port, as the operator's list of allowed hosts expects it.
    pub fn host(&self) -> &str {
        self.service.url().trim_start_matches("http://")
    }
}

/// Creates an administrator of a tenant, or of the service provider. Returns the login name and a password that must be
/// changed.
pub fn one_time_login(
    database: &Path,
    audit_key: &Path,
    login: &str,
    tenant: Option<&str>,
) -> Result<(String, String)> {
    let mut command = Command::new(assets::own_program("tenantry-platform")?);
    command.args(["admin", "create", "--login", login]).args(tenant.iter().flat_map(|tenant| ["--tenant", tenant]));
    command.arg("--database").arg(database).arg("--audit-key").arg(audit_key);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TENANTRY_")) {
        command.env_remove(name);
    }
    let made = command.output()?;
    let stderr = [made.stderr.as_slice(), &made.stdout].map(String::from_utf8_lossy).concat();
    let word = |key: &str| stderr.lines().find_map(|line| Some(line.strip_prefix(key)?.trim().to_owned()));
    word("login:").zip(word("password:")).filter(|_| made.status.success()).ok_or_else(|| {
        format!("`tenantry-platform admin create` failed: {}", String::from_utf8_lossy(&made.stderr)).into()
    })
}

/// Options of an operator.
#[derive(Clone, Debug)]
pub struct OperatorOptions {
    /// Kubeconfig with the operator's rights.
    pub kubeconfig: PathBuf,
    /// Namespace of its lease and its records.
    pub namespace: String,
    /// Hosts that it may send credentials to.
    pub platform_hosts: Vec<String>,
    /// Interval of drift checks, such as `2s`.
    pub drift_interval: String,
    /// Additional flags, such as `--cluster-id`.
    pub flags: Vec<String>,
    /// Additional environment variables, such as `TENANTRY_LOG`.
    pub env: Vec<(String, String)>,
}

impl OperatorOptions {
    /// Returns options for one platform.
    pub fn new(kubeconfig: &Path, platform_host: &str) -> Self {
        Self {
            kubeconfig: kubeconfig.to_owned(),
            namespace: "tenantry-system".to_owned(),
            platform_hosts: vec![platform_host.to_owned()],
            drift_interval: "2s".to_owned(),
            flags: Vec::new(),
            env: Vec::new(),
        }
    }
}

/// Starts an operator with its log in `folder` and waits until it is ready.
pub fn start_operator(folder: &Path, options: &OperatorOptions) -> Result<ServiceProcess> {
    let (program, url) = operator_command(folder, options)?;
    ServiceProcess::start(program, url, "/readyz")
}

/// Starts an operator that cannot become ready yet.
pub fn start_operator_now(folder: &Path, options: &OperatorOptions) -> Result<ServiceProcess> {
    let (program, url) = operator_command(folder, options)?;
    Ok(ServiceProcess { process: program.start()?, program, url, ready: "/readyz" })
}

/// Starts an operator with the flags of a Deployment and a service account's rights. Only the address differs: a free
/// port is used.
pub fn start_deployed(
    folder: &Path,
    kubeconfig: &Path,
    namespace: &str,
    flags: &[String],
    env: &[(String, String)],
) -> Result<ServiceProcess> {
    let listen = format!("127.0.0.1:{}", free_port()?);
    let log = folder.join("tenantry-operator.log");
    let mut program = ProgramCommand::new("tenantry-operator", assets::own_program("tenantry-operator")?, log)
        // In a Pod, both come from the files of the service account.
        .args(["--kubeconfig".into(), kubeconfig.to_owned()])
        .args(["--namespace", namespace])
        .args(["--listen", &listen])
        .args(flags.iter().filter(|flag| !flag.starts_with("--listen=")))
        // In a Pod this is the Pod's name.
        .env("HOSTNAME", "tenantry-6b7f9c5d4-x2x8k");
    for (name, value) in env {
        program = program.env(name, value);
    }
    ServiceProcess::start(program, format!("http://{listen}"), "/readyz")
}

fn operator_command(folder: &Path, options: &OperatorOptions) -> Result<(ProgramCommand, String)> {
    let listen = format!("127.0.0.1:{}", free_port()?);
    let log = folder.join("tenantry-operator.log");
    let mut program = ProgramCommand::new("tenantry-operator", assets::own_program("tenantry-operator")?, log)
        .args(["--kubeconfig".into(), options.kubeconfig.clone()])
        .args(["--namespace", &options.namespace])
        .args(["--listen", &listen])
        .args(["--platform-hosts", &options.platform_hosts.join(",")])
        .args(["--drift-interval", &options.drift_interval])
        .args(&options.flags);
    for (name, value) in &options.env {
        program = program.env(name, value);
    }
    Ok((program, format!("http://{listen}")))
}

#[cfg(test)]
mod tests {
    use super::sum_metric;

    #[test]
    fn sums_the_series_that_carry_all_labels() {
        let text = "# TYPE hits counter\nhits_total{method=\"GET\",status=\"200\"} 3\n\
                    hits_total{method=\"GET\",status=\"404\"} 2 1700000000\n\
                    hits_total{method=\"PUT\",status=\"200\"} 5\nhits_total_more 7\nup 1\n";
        assert!((sum_metric(text, "hits_total", &["method=\"GET\""]) - 5.0).abs() < 0.1);
        assert!((sum_metric(text, "hits_total", &[]) - 10.0).abs() < 0.1);
        assert!((sum_metric(text, "up", &[]) - 1.0).abs() < 0.1);
        assert!(sum_metric(text, "down", &[]).abs() < 0.1);
    }
}
