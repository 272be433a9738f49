//! What the tests that need a Kubernetes API server share: one control plane, and a namespace for each test.

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

/// The one control plane of this test process, controllers of Kubernetes included, with our kinds in place.
#[derive(Debug)]
pub(crate) struct SharedCluster {
    /// As its administrator.
    pub(crate) kubectl: Kubectl,
    /// For further users and for its logs.
    pub(crate) control_plane: ControlPlane,
}

/// The control plane, started by the first test that asks for it.
///
/// A static is never dropped: the processes end because the pipes that this process holds open close with it.
pub(crate) fn shared_cluster() -> &'static SharedCluster {
    // The failure is kept too: each test would else wait anew for what cannot start.
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

    /// The administrator's kubeconfig.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.control_plane.kubeconfig("admin")
    }

    /// A client of its API for the calling test: it lives on that test's runtime.
    pub(crate) async fn client(&self) -> kube::Client {
        let config = kube::config::Kubeconfig::read_from(self.kubeconfig()).expect("the kubeconfig is readable");
        let options = kube::config::KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(config, &options).await.expect("the kubeconfig is whole");
        kube::Client::try_from(config).expect("a client can be made")
    }
}

/// A number that the environment sets.
pub(crate) fn env_number<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// The file that keeps the random cases of a test that failed once: each run plays them first.
pub(crate) fn regression_file(name: &str) -> PathBuf {
    assets::root().join("tests/it/proptest-regressions").join(format!("{name}.txt"))
}

/// Random cases of a test: the same in each run, so that what turns red is what was changed. `TENANTRY_SEED` plays others,
/// `TENANTRY_CASES` more of them.
pub(crate) fn random_cases(name: &str, seed: u64, cases: u32) -> RandomCases {
    let file: &'static str = Box::leak(regression_file(name).display().to_string().into_boxed_str());
    RandomCases {
        cases: env_number("TENANTRY_CASES").unwrap_or(cases),
        rng_seed: RngSeed::Fixed(env_number("TENANTRY_SEED").unwrap_or(0) + seed),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(file))),
        ..RandomCases::default()
    }
}

/// `kubectl` as the cluster's administrator.
pub(crate) fn admin_kubectl() -> &'static Kubectl {
    &shared_cluster().kubectl
}

/// Files that hold what is expected are to be written anew. Where `CI` is set that is refused: every such test would pass.
pub(crate) fn writes_golden_files() -> bool {
    let is_asked = std::env::var_os("TENANTRY_GOLDEN").is_some_and(|wish| wish == "write");
    assert!(!is_asked || std::env::var_os("CI").is_none(), "`TENANTRY_GOLDEN=write` is refused where `CI` is set");
    is_asked
}

/// Makes a namespace that no other test uses; `name` tells whose it was.
pub(crate) fn create_namespace(name: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let unique = format!("{name}-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    admin_kubectl().run(&["create", "namespace", &unique]).expect("a namespace can be made");
    unique
}

/// `kubectl apply` as people type it: what it printed, or what it complained about.
pub(crate) fn kubectl_apply(namespace: &str, yaml: &str) -> std::result::Result<String, String> {
    let output =
        admin_kubectl().run_for_output(&["apply", "-n", namespace, "-f", "-"], yaml).expect("`kubectl` can be run");
    let said = |stream: &[u8]| String::from_utf8_lossy(stream).into_owned();
    if output.status.success() { Ok(said(&output.stdout)) } else { Err(said(&output.stderr)) }
}

/// An empty folder of this process that the next run may clear away.
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

/// Removes what processes left behind that are gone: no test process has a last word.
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
