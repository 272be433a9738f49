//! A real Kubernetes control plane on loopback: etcd, the API server and, on request, the Kubernetes controllers. There
//! is no kubelet, so a Pod stays pending.

#![allow(dead_code)]

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::assets;
use super::kubectl::Kubectl;
use super::process::{ChildProcess, ProgramCommand, Result, free_port};

/// A busy machine needs much longer than the usual three to five seconds.
const START_TIMEOUT: Duration = Duration::from_secs(90);

/// The data is discarded, and a graceful shutdown of the API server takes seconds.
const NO_GRACE: Duration = Duration::ZERO;

/// A user that the API server identifies by a token.
#[derive(Clone, Debug)]
pub struct KubernetesUser {
    /// Name of the user and of its kubeconfig.
    pub name: String,
    /// Groups of the user; `system:masters` has all rights.
    pub groups: Vec<String>,
}

/// Options of a control plane.
#[derive(Clone, Debug, Default)]
pub struct ControlPlaneOptions {
    /// Whether the controller manager runs: namespace deletion, garbage collection, service accounts.
    pub controllers: bool,
    /// Whether each write is synced to disk before it is acknowledged, as in a real cluster.
    pub durable: bool,
    /// Users in addition to `admin`; RBAC grants their rights.
    pub users: Vec<KubernetesUser>,
    /// Text of an audit policy; the log is then at [`ControlPlane::audit_log`].
    pub audit_policy: Option<String>,
    /// Additional flags of the API server.
    pub flags: Vec<String>,
}

/// A running control plane; it stops when this value is dropped.
#[derive(Debug)]
pub struct ControlPlane {
    folder: PathBuf,
    url: String,
    // Dropped in this order: clients of the store stop before the store.
    controllers: Option<ChildProcess>,
    apiserver: ChildProcess,
    etcd: ChildProcess,
}

impl ControlPlane {
    /// Starts a control plane with its data in `folder`, which is emptied first, and waits until it is ready.
    pub fn start(folder: &Path, options: &ControlPlaneOptions) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
        let folder = folder.canonicalize()?;
        let store = format!("http://127.0.0.1:{}", free_port()?);
        let etcd = start_etcd(&folder, &store, options)?;
        let users = write_users(&folder, &options.users)?;
        let port = free_port()?;
        let url = format!("https://127.0.0.1:{port}");
        let mut apiserver = start_apiserver(&folder, &store, port, options)?;
        apiserver.wait_until(START_TIMEOUT, || TcpStream::connect(("127.0.0.1", port)).is_ok())?;
        for (user, token) in &users {
            write_kubeconfig(&folder, &url, user, token)?;
        }
        let admin = Kubectl::new(&kubeconfig_path(&folder, "admin"))?;
        apiserver.wait_until(START_TIMEOUT, || admin.run(&["get", "--raw", "/readyz"]).is_ok())?;
        // The API server creates the namespace `default` itself, slightly later.
        apiserver.wait_until(START_TIMEOUT, || admin.run(&["get", "namespace", "default"]).is_ok())?;
        let controllers = if options.controllers { Some(start_controllers(&folder)?) } else { None };
        Ok(Self { folder, url, controllers, apiserver, etcd })
    }

    /// Returns the URL of the API server.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the kubeconfig of `admin` or of a user from the options.
    pub fn kubeconfig(&self, user: &str) -> PathBuf {
        kubeconfig_path(&self.folder, user)
    }

    /// Returns `kubectl` for that user.
    pub fn kubectl(&self, user: &str) -> Result<Kubectl> {
        Kubectl::new(&self.kubeconfig(user))
    }

    /// Writes a kubeconfig for a token from another source, such as a service account.
    pub fn add_kubeconfig(&self, name: &str, token: &str) -> Result<PathBuf> {
        write_kubeconfig(&self.folder, &self.url, name, token)?;
        Ok(self.kubeconfig(name))
    }

    /// Returns the path of the audit log, which is written if the options contain a policy.
    pub fn audit_log(&self) -> PathBuf {
        self.folder.join("audit.log")
    }

    /// Returns the process of the API server.
    pub fn apiserver(&mut self) -> &mut ChildProcess {
        &mut self.apiserver
    }

    /// Returns an error with the last log lines of the first component that has stopped.
    pub fn check(&mut self) -> Result<()> {
        self.etcd.check()?;
        self.apiserver.check()?;
        self.controllers.as_mut().map_or(Ok(()), ChildProcess::check)
    }
}

fn start_etcd(folder: &Path, store: &str, options: &ControlPlaneOptions) -> Result<ChildProcess> {
    let peers = format!("http://127.0.0.1:{}", free_port()?);
    let mut program = ProgramCommand::new("etcd", assets::etcd()?, folder.join("etcd.log"))
        .args(["--data-dir".into(), folder.join("etcd")])
        .args(["--listen-client-urls", store, "--advertise-client-urls", store])
        .args(["--listen-peer-urls", &peers])
        .args(["--log-level", "warn"])
        .grace(NO_GRACE);
    if !options.durable {
        program = program.args(["--unsafe-no-fsync"]);
    }
    let mut etcd = program.start()?;
    let address = store.trim_start_matches("http://").to_owned();
    etcd.wait_until(START_TIMEOUT, || TcpStream::connect(&address).is_ok())?;
    Ok(etcd)
}

fn start_apiserver(folder: &Path, store: &str, port: u16, options: &ControlPlaneOptions) -> Result<ChildProcess> {
    let certificates = folder.join("certificates");
    let flag = |name: &str, path: PathBuf| format!("--{name}={}", path.display());
    let mut args = vec![
        format!("--etcd-servers={store}"),
        format!("--secure-port={port}"),
        "--bind-address=127.0.0.1".to_owned(),
        // A machine without a network has no address to advertise, and the API server then fails to find one.
        "--advertise-address=127.0.0.1".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        flag("cert-dir", certificates.clone()),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        // The API server creates its serving key before it reads this flag, so no other tool on this machine needs to
        // create keys.
        flag("service-account-signing-key-file", certificates.join("apiserver.key")),
        flag("service-account-key-file", certificates.join("apiserver.crt")),
        "--authorization-mode=RBAC".to_owned(),
        flag("token-auth-file", folder.join("tokens.csv")),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
    ];
    if !options.controllers {
        // Nothing creates the service account `default`, without which that plugin admits no Pod.
        args.push("--disable-admission-plugins=ServiceAccount".to_owned());
    }
    if let Some(policy) = &options.audit_policy {
        let path = folder.join("audit-policy.yaml");
        fs::write(&path, policy)?;
        args.push(flag("audit-policy-file", path));
        args.push(flag("audit-log-path", folder.join("audit.log")));
    }
    args.extend(options.flags.iter().cloned());
    let log = folder.join("kube-apiserver.log");
    ProgramCommand::new("kube-apiserver", assets::kube_apiserver()?, log).args(args).grace(NO_GRACE).start()
}

fn start_controllers(folder: &Path) -> Result<ChildProcess> {
    let certificates = folder.join("certificates");
    let key = certificates.join("apiserver.key");
    let log = folder.join("kube-controller-manager.log");
    ProgramCommand::new("kube-controller-manager", assets::kube_controller_manager()?, log)
        .args(["--kubeconfig".into(), kubeconfig_path(folder, "admin")])
        .args(["--service-account-private-key-file".into(), key])
        .args(["--root-ca-file".into(), certificates.join("apiserver.crt")])
        .args([
            "--controllers=namespace-controller,garbage-collector-controller,\
             serviceaccount-controller,serviceaccount-token-controller,\
             root-ca-certificate-publisher-controller,clusterrole-aggregation-controller",
            "--leader-elect=false",
            // Admission policies then see each controller under its own account, as in a real cluster.
            "--use-service-account-credentials",
            // Nothing here uses its endpoints.
            "--secure-port=0",
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
        ])
        .grace(NO_GRACE)
        .start()
}

/// Creates a token for each user and for `admin`.
fn write_users(folder: &Path, users: &[KubernetesUser]) -> Result<Vec<(String, String)>> {
    let admin = KubernetesUser { name: "admin".to_owned(), groups: vec!["system:masters".to_owned()] };
    let mut lines = String::new();
    let mut tokens = Vec::new();
    for KubernetesUser { name, groups } in std::iter::once(&admin).chain(users) {
        let token = format!("{:032x}", rand::random::<u128>());
        let line = format!("{token},{name},{name},\"{}\"\n", groups.join(","));
        lines.push_str(&line);
        tokens.push((name.clone(), token));
    }
    write_private(&folder.join("tokens.csv"), &lines)?;
    Ok(tokens)
}

fn kubeconfig_path(folder: &Path, user: &str) -> PathBuf {
    folder.join(format!("{user}.kubeconfig"))
}

fn write_kubeconfig(folder: &Path, url: &str, user: &str, token: &str) -> Result<()> {
    let authority = STANDARD.encode(fs::read(folder.join("certificates/apiserver.crt"))?);
    let text = format!(
        r"apiVersion: v1
kind: Config
current-context: local
clusters:
- name: local
  cluster: {{server: '{url}', certificate-authority-data: {authority}}}
contexts:
- name: local
  context: {{cluster: local, user: '{user}', namespace: default}}
users:
- name: '{user}'
  user: {{token: '{token}'}}
"
    );
    write_private(&kubeconfig_path(folder, user), &text)
}

/// Installs our CRDs in a cluster and waits until it serves them.
pub fn install_kinds(kubectl: &Kubectl) -> Result<()> {
    let crds = assets::root().join("crds");
    if !crds.is_dir() {
        return Err("`crds/` is missing: run `make crds`".into());
    }
    kubectl.run(&["apply", "--server-side", "-f", &crds.display().to_string()])?;
    let established = ["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"];
    // A new CRD has no conditions at first, which `wait` reports as an error.
    if kubectl.run(&established).is_err() {
        std::thread::sleep(Duration::from_secs(1));
        kubectl.run(&established)?;
    }
    Ok(())
}

/// Writes a file that holds a token.
pub fn write_private(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| format!("{} cannot be written: {error}", path.display()).into())
}
