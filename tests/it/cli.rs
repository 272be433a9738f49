//! The kubectl plugin as people use it: the built program against a real control plane and a real platform.

mod broken_connections;
mod cancel;
mod check;
mod complete;
mod events;
mod export;
mod export_and_adopt;
mod export_any_tenant;
mod golden;
mod help_and_errors;
mod krew;
mod lint;
mod list;
mod offline;
mod outage;
mod page;
mod plan;
mod plan_accuracy;
mod proxy;
mod pull_request;
mod refusals;
mod release;
mod status;
mod terminate;
mod unmanaged;
mod write_commands;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use crate::assets;
use crate::world::TestNamespace;

/// The result of a plugin run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PluginRun {
    /// Exit status.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl PluginRun {
    /// Parses the output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

static NEXT_FOLDER: AtomicU32 = AtomicU32::new(1);

/// A working folder for one test, with the plugin in it.
pub(crate) struct PluginRunner {
    /// The path.
    pub(crate) folder: PathBuf,
    kubeconfig: Option<PathBuf>,
}

impl PluginRunner {
    /// Creates a working folder without a cluster.
    pub(crate) fn without_cluster() -> Self {
        let number = NEXT_FOLDER.fetch_add(1, Ordering::Relaxed);
        let folder = crate::support::test_folder(&format!("desk-{number}")).unwrap();
        Self { folder, kubeconfig: None }
    }

    /// Creates a working folder for the administrator of a cluster.
    pub(crate) fn on_cluster_of(namespace: &TestNamespace<'_>) -> Self {
        Self { kubeconfig: Some(namespace.world.control_plane.kubeconfig("admin")), ..Self::without_cluster() }
    }

    /// Writes a file into the folder.
    pub(crate) fn write_file(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
        file
    }

    /// Writes a file with the platform's connection, and returns its path.
    pub(crate) fn write_connection_file(&self, namespace: &TestNamespace<'_>) -> String {
        let data = namespace.credential();
        let line = |key: &str| format!("{key}={}\n", data[key].as_str().unwrap());
        let text: String = ["url", "tenantId", "clientId", "clientSecret"].map(line).concat();
        self.write_file("platform.env", &text).display().to_string()
    }

    /// Runs the plugin.
    pub(crate) fn run(&self, args: &[&str]) -> PluginRun {
        self.run_with(args, "")
    }

    /// Runs the plugin with `input` on its standard input.
    pub(crate) fn run_with(&self, args: &[&str], input: &str) -> PluginRun {
        let file = self.write_file("stdin", input);
        let mut command = self.command(&assets::own_program("kubectl-tenantry").unwrap());
        command.args(args).stdin(std::fs::File::open(file).unwrap());
        let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        PluginRun { code: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Returns a command that runs in the folder.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder).stdin(Stdio::null());
        command.env_clear().env("NO_PROXY", "127.0.0.1,localhost").env("HOME", &self.folder);
        command.env("PATH", kubectl_path());
        if let Some(kubeconfig) = &self.kubeconfig {
            command.env("KUBECONFIG", kubeconfig);
        }
        command
    }
}

/// Returns a folder for the PATH in which `kubectl` is the one of this cluster.
fn kubectl_path() -> PathBuf {
    let kubectl = assets::kubectl().unwrap();
    kubectl.parent().map(Path::to_owned).unwrap_or_default()
}
