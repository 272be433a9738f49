//! Control plane, platform and operator together, and the file that describes how to reach them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::assets;
use super::controlplane::{self, ControlPlane};
use super::policies;
use super::process::Result;
use super::programs::{self, OperatorOptions, PlatformCredential, PlatformOptions, PlatformProcess};
use super::restart::RestartedService;

/// Everything that runs; it stops when this value is dropped.
pub struct RunningStack {
    // Dropped in this order: clients stop before their servers.
    operator: RestartedService,
    platform: RestartedService,
    control_plane: ControlPlane,
}

impl RunningStack {
    /// Starts everything with its data in `folder`, and writes `folder/env` last.
    pub fn start(folder: &Path) -> Result<Self> {
        // With the controllers, as in a real cluster: without them, the deletion of a namespace never finishes.
        let options =
            controlplane::ControlPlaneOptions { controllers: true, ..controlplane::ControlPlaneOptions::default() };
        let control_plane = ControlPlane::start(&folder.join("cluster"), &options)?;
        let rate_limits = std::env::var_os("RATE_LIMITS").is_some_and(|value| value == "1");
        let options = PlatformOptions { rate_limits, ..PlatformOptions::default() };
        let platform = PlatformProcess::start(&folder.join("platform"), &options)?;
        let kubeconfig = control_plane.kubeconfig("admin");
        install_prerequisites(&control_plane, &platform.credential)?;
        let options = OperatorOptions::new(&kubeconfig, platform.host());
        let operator = programs::start_operator(folder, &options)?;
        let (login_name, login_password) = platform.one_time_login("admin", None)?;
        let PlatformCredential { url, tenant_id, client_id, client_secret } = platform.credential.clone();
        let access = StackConnectionInfo {
            kubeconfig,
            login_url: format!("{url}/login"),
            login_name,
            login_password,
            platform_url: url,
            tenant_id,
            client_id,
            client_secret,
            metrics_url: format!("{}/metrics", operator.url()),
        };
        let operator = RestartedService::new(operator, "operator", folder)?;
        let platform = RestartedService::new(platform.service, "platform", folder)?;
        access.write(folder)?;
        Ok(Self { operator, platform, control_plane })
    }

    /// Restarts the operator and the platform if they have stopped; fails if the control plane has stopped.
    pub fn restart_ended(&mut self) -> Result<()> {
        self.control_plane.check()?;
        self.platform.restart_if_ended()?;
        self.operator.restart_if_ended()
    }
}

/// Installs the CRDs, the policies, the operator's namespace and the connection that the examples refer to.
fn install_prerequisites(control_plane: &ControlPlane, credential: &PlatformCredential) -> Result<()> {
    let kubectl = control_plane.kubectl("admin")?;
    controlplane::install_kinds(&kubectl)?;
    let secret = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "tenantry-system"}},
        {"apiVersion": "v1", "kind": "Secret",
         "metadata": {"name": "platform", "namespace": "default"},
         "stringData": {
            "url": credential.url,
            "tenantId": credential.tenant_id,
            "clientId": credential.client_id,
            "clientSecret": credential.client_secret,
         }},
    ]});
    kubectl.run_with(&["create", "-f", "-"], &secret.to_string())?;
    policies::install_policies(&kubectl)
}

/// How to reach a running stack.
pub struct StackConnectionInfo {
    /// Kubeconfig of the administrator.
    pub kubeconfig: PathBuf,
    /// URL of the platform.
    pub platform_url: String,
    /// Id of the service provider.
    pub tenant_id: String,
    /// The API key.
    pub client_id: String,
    /// The API secret.
    pub client_secret: String,
    /// URL of the operator's metrics.
    pub metrics_url: String,
    /// URL of the login page.
    pub login_url: String,
    /// Login name of the service provider's first administrator.
    pub login_name: String,
    /// Password, which must be changed at the first login.
    pub login_password: String,
}

impl StackConnectionInfo {
    /// Writes `folder/env` for a shell (`. target/demo/env`).
    fn write(&self, folder: &Path) -> Result<()> {
        // `kubectl` is then available on a machine without it, and finds the plugin as `kubectl tenantry`.
        let programs = folder.join("bin");
        fs::create_dir_all(&programs)?;
        std::os::unix::fs::symlink(assets::kubectl()?, programs.join("kubectl"))?;
        std::os::unix::fs::symlink(assets::own_program("kubectl-tenantry")?, programs.join("kubectl-tenantry"))?;
        let kubeconfig = self.kubeconfig.display().to_string();
        let lines = [
            ("KUBECONFIG", kubeconfig.as_str()),
            ("PLATFORM_URL", &self.platform_url),
            ("PLATFORM_TENANT_ID", &self.tenant_id),
            ("PLATFORM_CLIENT_ID", &self.client_id),
            ("PLATFORM_CLIENT_SECRET", &self.client_secret),
            ("METRICS_URL", &self.metrics_url),
            ("TENANTRY_LOGIN_URL", &self.login_url),
            ("TENANTRY_LOGIN_NAME", &self.login_name),
            ("TENANTRY_LOGIN_PASSWORD", &self.login_password),
        ]
        .map(|(name, value)| format!("export {name}='{}'\n", value.replace('\'', r"'\''")));
        let path = format!("export PATH='{}':\"$PATH\"\n", programs.display());
        controlplane::write_private(&folder.join("env"), &(lines.concat() + &path))
    }

    /// Describes how to log in.
    pub fn login_hint(&self) -> String {
        let Self { login_url, login_name, login_password, .. } = self;
        format!(
            "log in at {login_url} as `{login_name}` with the password `{login_password}`, and choose your own then"
        )
    }

    /// Reads what [`RunningStack::start`] wrote.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("env");
        let text = fs::read_to_string(&path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        let mut values: BTreeMap<&str, String> = text
            .lines()
            .filter_map(|line| line.strip_prefix("export ")?.split_once('='))
            .map(|(name, value)| (name, value.trim_matches('\'').replace(r"'\''", "'")))
            .collect();
        let mut take = |name: &str| values.remove(name).ok_or_else(|| format!("{} holds no `{name}`", path.display()));
        Ok(Self {
            kubeconfig: take("KUBECONFIG")?.into(),
            platform_url: take("PLATFORM_URL")?,
            tenant_id: take("PLATFORM_TENANT_ID")?,
            client_id: take("PLATFORM_CLIENT_ID")?,
            client_secret: take("PLATFORM_CLIENT_SECRET")?,
            metrics_url: take("METRICS_URL")?,
            login_url: take("TENANTRY_LOGIN_URL")?,
            login_name: take("TENANTRY_LOGIN_NAME")?,
            login_password: take("TENANTRY_LOGIN_PASSWORD")?,
        })
    }
}
