//! Flux's kustomize-controller. The tests take the part of its source-controller: they publish revisions of a
//! repository.

use std::cell::Cell;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::example_path;
use crate::kubectl::Kubectl;
use crate::process::{ChildProcess, ProgramCommand, Result, free_port};
use crate::world::{TestNamespace, merge_json};
use crate::{assets, http, support};

/// Generous, since the machine may be loaded.
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// The controller, with Flux's kinds in the cluster.
pub(crate) struct FluxController {
    _process: ChildProcess,
    folder: PathBuf,
    url: String,
}

impl FluxController {
    /// Installs the kinds and starts the controller with the permissions of a kubeconfig.
    pub(crate) fn start(name: &str, (kubeconfig, kubectl): (&Path, &Kubectl)) -> Result<Self> {
        let kinds = assets::flux_kinds()?.display().to_string();
        kubectl.run(&["apply", "--server-side", "-f", &kinds])?;
        let folder = support::test_folder(&format!("flux-{name}"))?;
        let health = format!("127.0.0.1:{}", free_port()?);
        // The controller clears its temporary folder at the start, so it needs its own, or it would delete another
        // one's files.
        let temporary = folder.join("temporary");
        fs::create_dir(&temporary)?;
        let log = folder.join("kustomize-controller.log");
        let mut process = ProgramCommand::new("kustomize-controller", assets::kustomize_controller()?, log)
            .args(["--watch-all-namespaces", "--events-addr=", "--concurrent=8"])
            // By default it waits at least half a minute for unhealthy objects, and would ignore another push
            // meanwhile.
            .args(["--feature-gates=CancelHealthCheckOnNewRevision=true"])
            .args([format!("--health-addr={health}"), format!("--metrics-addr=127.0.0.1:{}", free_port()?)])
            .env("KUBECONFIG", &kubeconfig.display().to_string())
            .env("RUNTIME_NAMESPACE", "flux-system")
            .env("TMPDIR", &temporary.display().to_string())
            .start()?;
        let ready = format!("http://{health}/readyz");
        process.wait_until(START_TIMEOUT, || http::get(&ready).is_ok_and(|answer| answer.status == 200))?;
        let url = serve_folder(folder.clone())?;
        Ok(Self { _process: process, folder, url })
    }

    /// Creates a repository with the tenants of the examples. The namespace does not follow it yet.
    pub(crate) fn repository<'a>(&'a self, space: &'a TestNamespace<'a>) -> GitRepository<'a> {
        let folder = self.folder.join(&space.name);
        let repository = GitRepository { flux: self, namespace: space, folder, push_count: Cell::default() };
        fs::create_dir_all(repository.file_path("")).unwrap();
        for entry in fs::read_dir(example_path("tenants")).unwrap() {
            repository.restore_file(entry.unwrap().file_name().to_str().unwrap());
        }
        repository
    }
}

/// A repository that one namespace follows.
pub(crate) struct GitRepository<'a> {
    flux: &'a FluxController,
    namespace: &'a TestNamespace<'a>,
    folder: PathBuf,
    push_count: Cell<u32>,
}

impl GitRepository<'_> {
    fn file_path(&self, name: &str) -> PathBuf {
        self.folder.join("tree/tenants").join(name)
    }

    /// Returns a file of the examples with this namespace, and with tenant names that no other test uses.
    fn adapted_example(&self, path: &str) -> String {
        let text = fs::read_to_string(example_path(path)).unwrap();
        let text = text.replace("namespace: acme", &format!("namespace: {}", self.namespace.name));
        let text = text.replace("Acme Managed Services", &self.namespace.tenant_name("acme"));
        text.replace("Globex GmbH", &self.namespace.tenant_name("globex"))
    }

    /// Restores a file to its state in the examples.
    pub(crate) fn restore_file(&self, name: &str) {
        fs::write(self.file_path(name), self.adapted_example(&format!("tenants/{name}"))).unwrap();
    }

    /// Sets the files that belong to the tree.
    pub(crate) fn list_only(&self, names: &[&str]) {
        let mut tree: Value = serde_yaml::from_str(&self.adapted_example("tenants/kustomization.yaml")).unwrap();
        tree["resources"] = json!(names);
        fs::write(self.file_path("kustomization.yaml"), tree.to_string()).unwrap();
    }

    /// Merges a change into a file of the examples.
    pub(crate) fn edit_file(&self, name: &str, change: &Value) {
        let mut object: Value = serde_yaml::from_str(&self.adapted_example(&format!("tenants/{name}"))).unwrap();
        merge_json(&mut object, change);
        fs::write(self.file_path(name), object.to_string()).unwrap();
    }

    /// Applies a file of the examples to the cluster, as an administrator does once.
    pub(crate) fn apply_as_admin(&self, path: &str) {
        for text in self.adapted_example(path).split("\n---\n") {
            let mut object: Value = serde_yaml::from_str(text).unwrap();
            if object["kind"] == "Kustomization" {
                merge_json(&mut object, &json!({"spec": {"interval": "2s", "retryInterval": "1s"}}));
            }
            self.namespace.apply(&object);
        }
    }

    /// Lets the namespace follow the repository from the first push on.
    pub(crate) fn follow_repository(&self) {
        self.apply_as_admin("account.yaml");
        self.apply_as_admin("flux/sync.yaml");
    }

    /// Publishes the current tree as the newest revision, as source-controller would. Returns the revision.
    pub(crate) fn push_revision(&self) -> String {
        let number = self.push_count.replace(self.push_count.get() + 1);
        let name = format!("{number}.tar.gz");
        let archive = self.folder.join(&name);
        let tree = self.folder.join("tree");
        let packed = Command::new("tar").arg("-czf").arg(&archive).arg("-C").arg(tree).arg(".").status().unwrap();
        assert!(packed.success());
        let digest: Vec<String> =
            Sha256::digest(fs::read(&archive).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect();
        let revision = format!("main@sha1:{number:040x}");
        let now = "2026-01-01T00:00:00Z";
        let path = format!("{}/{name}", self.namespace.name);
        let stored = json!({"status": {
            "observedGeneration": 1,
            "artifact": {
                "url": format!("{}/{path}", self.flux.url), "path": path, "revision": revision,
                "digest": format!("sha256:{}", digest.concat()), "lastUpdateTime": now,
            },
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "Succeeded", "message": "stored", "lastTransitionTime": now,
            }],
        }});
        self.namespace.kubectl(&[
            "patch",
            "gitrepository/tenants",
            "--subresource=status",
            "--type=merge",
            "-p",
            &stored.to_string(),
        ]);
        revision
    }

    /// Pushes, and waits until Flux reports all objects as applied and healthy.
    pub(crate) fn push_and_wait(&self) {
        let revision = self.push_revision();
        self.wait_until_applied(&revision);
    }

    /// Waits until Flux reports a revision as applied and healthy.
    pub(crate) fn wait_until_applied(&self, revision: &str) {
        self.wait_for_status(&format!("{revision} is applied"), |status, ready| {
            status["lastAppliedRevision"] == revision && ready["status"] == "True"
        });
    }

    /// Waits until Flux has applied a revision and waits for its health.
    pub(crate) fn wait_until_unhealthy(&self, revision: &str) {
        self.wait_for_status(&format!("{revision} is waited for"), |status, ready| {
            let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
            let healthy = conditions.iter().any(|one| one["type"] == "Healthy" && one["status"] == "Unknown");
            status["lastAttemptedRevision"] == revision && ready["status"] == "Unknown" && healthy
        });
    }

    /// Pushes, and waits until Flux reports a failure. Returns the reason and the message.
    pub(crate) fn push_and_wait_refused(&self) -> (String, String) {
        let revision = self.push_revision();
        self.wait_until_refused(&revision)
    }

    /// Waits until Flux reports a failure of a revision. Returns the reason and the message.
    pub(crate) fn wait_until_refused(&self, revision: &str) -> (String, String) {
        let ready = self.wait_for_status(&format!("{revision} is refused"), |status, ready| {
            status["lastAttemptedRevision"] == revision && ready["status"] == "False"
        });
        let text = |key: &str| ready[key].as_str().unwrap_or_default().to_owned();
        (text("reason"), text("message"))
    }

    /// Requests another try now, as `flux reconcile` does.
    pub(crate) fn request_reconcile(&self) {
        let asked = format!("reconcile.fluxcd.io/requestedAt={}", self.push_count.get());
        self.namespace.kubectl(&["annotate", "kustomization/tenants", "--overwrite", &asked]);
    }

    /// Waits for a state of the Kustomization's status and its condition Ready. Returns that condition.
    fn wait_for_status(&self, what: &str, is_so: impl Fn(&Value, &Value) -> bool) -> Value {
        let mut ready = Value::Null;
        self.namespace.wait_until(what, || {
            let found = self.namespace.get("kustomizations.kustomize.toolkit.fluxcd.io/tenants").unwrap_or_default();
            let conditions = found["status"]["conditions"].as_array().cloned().unwrap_or_default();
            ready = conditions.into_iter().find(|one| one["type"] == "Ready").unwrap_or_default();
            if is_so(&found["status"], &ready) { Ok(true) } else { Err(ready.to_string().into()) }
        });
        ready
    }
}

impl Drop for GitRepository<'_> {
    /// Removes the Kustomization, so that Flux does not apply it every two seconds while other tests run.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.namespace.kubectl(&["delete", "kustomization", "tenants", "--wait=false"]);
        }
    }
}

/// Serves the files of a folder on loopback until this process ends. Returns the address.
fn serve_folder(folder: PathBuf) -> Result<String> {
    let port = free_port()?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A request for a missing file, or a closed connection, gets no answer. Flux retries.
            let _ = answer_request(stream, &folder);
        }
    });
    Ok(format!("http://127.0.0.1:{port}"))
}

fn answer_request(mut stream: TcpStream, folder: &Path) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = first.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
    let body = fs::read(folder.join(path))?;
    write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len())?;
    stream.write_all(&body)
}
