//! Shared by tests that need a Kubernetes API server: one control plane, and a namespace for each test.

pub(crate) mod schema;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::test_runner::{Config as RandomCases, FileFailurePersistence, RngSeed};

use crate::assets;
use crate::controlplane::{ControlPlane, ControlPlaneOptions, install_kinds};
use crate::kubectl::Kubectl;
use crate::process::Result;

/// The control plane of this test process, with the controllers of Kubernetes and our kinds.
#[derive(Debug)]
pub(crate) struct SharedCluster {
    /// `kubectl` as the administrator.
    pub(crate) kubectl: Kubectl,
    /// For further users and for its logs.
    pub(crate) control_plane: ControlPlane,
}

/// Returns the control plane. The first call starts it.
///
/// A static is never dropped: the processes end because the pipes that this process holds open close with it.
pub(crate) fn shared_cluster() -> &'static SharedCluster {
    // The failure is stored too, so that later tests do not wait for a start that cannot succeed.
    static CLUSTER: OnceLock<std::result::Result<SharedCluster, String>> = OnceLock::new();
    match CLUSTER.get_or_init(|| SharedCluster::start().map_err(|error| error.to_string())) {
        Ok(cluster) => cluster,
        Err(error) => panic!("the control plane does not start: {error}"),
    }
}

impl SharedCluster {
    fn start() -> Result<Self> {
        let options = ControlPlaneOptions { controllers: true, ..ControlPlaneOptions::default() };
        let control_plane = ControlPlane::start(&test_folder("cluster")?, &options)?;
        let kubectl = control_plane.kubectl("admin")?;
        install_kinds(&kubectl)?;
        Ok(Self { kubectl, control_plane })
    }

    /// Returns the administrator's kubeconfig.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.control_plane.kubeconfig("admin")
    }

    /// Returns an API client for the calling test, on that test's runtime.
    pub(crate) async fn client(&self) -> kube::Client {
        let config = kube::config::Kubeconfig::read_from(self.kubeconfig()).expect("the kubeconfig is readable");
        let options = kube::config::KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(config, &options).await.expect("the kubeconfig is whole");
        kube::Client::try_from(config).expect("a client can be made")
    }
}

/// Returns a number from an environment variable.
pub(crate) fn env_number<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// Returns the file with the random cases that failed once: each run repeats them first.
pub(crate) fn regression_file(name: &str) -> PathBuf {
    assets::root().join("tests/it/proptest-regressions").join(format!("{name}.txt"))
}

/// Returns the random cases of a test. They are the same in each run, so that a new failure is caused by a change.
/// `TENANTRY_SEED` selects others, `TENANTRY_CASES` a different number.
pub(crate) fn random_cases(name: &str, seed: u64, cases: u32) -> RandomCases {
    let file: &'static str = Box::leak(regression_file(name).display().to_string().into_boxed_str());
    RandomCases {
        cases: env_number("TENANTRY_CASES").unwrap_or(cases),
        rng_seed: RngSeed::Fixed(env_number("TENANTRY_SEED").unwrap_or(0) + seed),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(file))),
        ..RandomCases::default()
    }
}

/// Returns `kubectl` as the cluster's administrator.
pub(crate) fn admin_kubectl() -> &'static Kubectl {
    &shared_cluster().kubectl
}

/// Returns whether golden files are rewritten. Refused if `CI` is set, since every such test would pass.
pub(crate) fn writes_golden_files() -> bool {
    let is_asked = std::env::var_os("TENANTRY_GOLDEN").is_some_and(|wish| wish == "write");
    assert!(!is_asked || std::env::var_os("CI").is_none(), "`TENANTRY_GOLDEN=write` is refused where `CI` is set");
    is_asked
}

/// Creates a namespace that no other test uses. `name` identifies its test.
pub(crate) fn create_namespace(name: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let unique = format!("{name}-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    admin_kubectl().run(&["create", "namespace", &unique]).expect("a namespace can be made");
    unique
}

/// Runs `kubectl apply` as people do. Returns its output, or its error output.
pub(crate) fn kubectl_apply(namespace: &str, yaml: &str) -> std::result::Result<String, String> {
    let output =
        admin_kubectl().run_for_output(&["apply", "-n", namespace, "-f", "-"], yaml).expect("`kubectl` can be run");
    let to_text = |stream: &[u8]| String::from_utf8_lossy(stream).into_owned();
    if output.status.success() { Ok(to_text(&output.stdout)) } else { Err(to_text(&output.stderr)) }
}

/// Creates an empty folder of this process. The next run may remove it.
pub(crate) fn test_folder(name: &str) -> Result<PathBuf> {
    static SWEPT: OnceLock<()> = OnceLock::new();
    let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("it");
    SWEPT.get_or_init(|| remove_stale_folders(&all));
    let folder = all.join(std::process::id().to_string()).join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Removes the folders of processes that have ended, since a test process cannot clean up after itself.
fn remove_stale_folders(all: &Path) {
    let Ok(entries) = fs::read_dir(all) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let pid = path.file_name().unwrap_or_default();
        let alive = Command::new("sh").args(["-c", r#"kill -s 0 "$1""#, "sh"]).arg(pid).stderr(Stdio::null()).status();
        if alive.is_ok_and(|status| !status.success()) {
            let _ = fs::remove_dir_all(path);
        }
    }
}
