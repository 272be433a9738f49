//! There is no container engine here, so `bwrap` does what one does for the Pod of the chart: the image's files as a
//! read-only root, the Pod's user without any capability, a separate PID namespace, the account's token as files.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::{OperatorImage, run_command};
use crate::chart::{Helm, find_object, operator_flags_and_env, parse_objects};
use crate::process::{ChildProcess, ProgramCommand, free_port};
use crate::{assets, http, support};

const START_TIMEOUT: Duration = Duration::from_mins(1);
/// Path of the account's token in a Pod.
const ACCOUNT_FOLDER: &str = "var/run/secrets/kubernetes.io/serviceaccount";

/// A folder that every user can read, independent of the project's folder.
struct SharedFolder(PathBuf);

impl SharedFolder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("tenantry-image-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        Self(folder)
    }

    fn subfolder(&self, name: &str) -> PathBuf {
        let folder = self.0.join(name);
        fs::create_dir_all(&folder).unwrap();
        folder
    }
}

impl Drop for SharedFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Renders the chart's objects for one namespace of the shared cluster, without cluster-wide objects.
fn rendered_objects(namespace: &str, port: u16, host: &str) -> Vec<Value> {
    let values = [
        format!("namespaces={{{namespace}}}"),
        format!("platformHosts={{{host}}}"),
        format!("metrics.port={port}"),
        "clusterId=image".to_owned(),
        "crds.install=false".to_owned(),
        "policies.install=false".to_owned(),
        "roles.install=false".to_owned(),
    ];
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    parse_objects(&Helm::without_cluster("image").render(namespace, &values).unwrap())
}

/// Writes the files of the chart's account, as a node mounts them into a Pod. Returns their folder.
fn write_account_files(shared_folder: &SharedFolder, namespace: &str) -> PathBuf {
    let (folder, kubectl) = (shared_folder.subfolder("account"), support::admin_kubectl());
    let token = kubectl.run(&["-n", namespace, "create", "token", "tenantry"]).unwrap();
    let authority = ["-n", namespace, "get", "configmap", "kube-root-ca.crt", "-o", r"jsonpath={.data.ca\.crt}"];
    fs::write(folder.join("token"), token.trim()).unwrap();
    fs::write(folder.join("namespace"), namespace).unwrap();
    fs::write(folder.join("ca.crt"), kubectl.run(&authority).unwrap()).unwrap();
    folder
}

/// Builds the command that runs the program in a container.
fn container_command(
    shared_folder: &SharedFolder,
    image: &OperatorImage,
    pod: &Value,
    account: &Path,
) -> ProgramCommand {
    let root = shared_folder.subfolder("root");
    image.unpack(&root);
    // Mount points, which a container engine creates too.
    for folder in ["proc", "dev", ACCOUNT_FOLDER] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    let bwrap = shared_folder.0.join("bwrap");
    fs::copy(assets::target().unwrap().join("controlplane/bwrap"), &bwrap).expect("run `make bwrap`");
    let user = pod["spec"]["template"]["spec"]["securityContext"]["runAsUser"].to_string();
    assert_eq!(image.config["config"]["User"], format!("{user}:{user}"), "image and chart name different users");
    assert!(user.parse::<u32>().unwrap() > 0);

    let mut line: Vec<String> = Vec::new();
    // An unprivileged user needs neither a change of user nor dropped capabilities.
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        let nobody = ["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups", "--bounding-set=-all"];
        line.extend(nobody.map(str::to_owned));
        line.push("--no-new-privs".to_owned());
    }
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    line.push(text(&bwrap));
    let isolated = ["--unshare-all", "--share-net", "--uid", &user, "--gid", &user, "--cap-drop", "ALL", "--as-pid-1"];
    line.extend(isolated.map(str::to_owned));
    line.extend(["--clearenv", "--die-with-parent", "--ro-bind"].map(str::to_owned));
    line.extend([text(&root), "/".to_owned(), "--ro-bind".to_owned(), text(account), format!("/{ACCOUNT_FOLDER}")]);
    line.extend(["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"].map(str::to_owned));
    let server = support::shared_cluster().control_plane.url().trim_start_matches("https://").to_owned();
    let (host, port) = server.split_once(':').unwrap();
    let (args, env) = operator_flags_and_env(pod);
    let server = [("KUBERNETES_SERVICE_HOST", host), ("KUBERNETES_SERVICE_PORT", port)];
    for (name, value) in server.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().chain(env) {
        line.extend(["--setenv".to_owned(), name, value]);
    }
    line.push(image.config["config"]["Entrypoint"][0].as_str().unwrap().to_owned());
    line.extend(args);
    let log = support::test_folder("image-started").unwrap().join("tenantry-operator.log");
    ProgramCommand::new("tenantry-operator in its image", line.remove(0), log).args(line)
}

/// Returns the process id of the operator, whose parent is `bwrap`.
fn operator_pid(process: &ChildProcess) -> String {
    let pid = process.pid();
    let listed = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let is_child = |other: &String| {
        let status = fs::read_to_string(format!("/proc/{other}/status")).unwrap_or_default();
        status.lines().any(|line| line == format!("PPid:\t{pid}"))
    };
    listed.filter(|other| other.bytes().all(|byte| byte.is_ascii_digit())).find(is_child).unwrap()
}

/// Asserts that the process runs as the Pod's security context requires.
fn assert_confined(pid: &str, user: &Value) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(&format!("{name}:\t")));
        line.unwrap_or_else(|| panic!("no {name} in {status}"))
    };
    assert_eq!(field("Name"), "tenantry-operat");
    assert!(field("NSpid").ends_with("\t1"), "it is not the first process");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!(field("NoNewPrivs"), "1");
    let (is_root, user) = (fs::metadata("/proc/self").unwrap().uid() == 0, user.to_string());
    assert!(!is_root || field("Uid").split('\t').all(|id| id == user), "{}", field("Uid"));
    let mounts = fs::read_to_string(format!("/proc/{pid}/mounts")).unwrap();
    let options = |line: &str| line.split(' ').nth(3).unwrap_or_default().split(',').any(|option| option == "ro");
    for place in ["/", "/dev"] {
        let mount = mounts.lines().find(|line| line.split(' ').nth(1) == Some(place)).unwrap();
        assert!(options(mount), "{mount}");
    }
}

#[test]
fn started_read_only_as_nobody_it_becomes_ready_works_and_ends_when_asked() {
    let (image, place, kubectl) = (OperatorImage::load(), SharedFolder::new(), support::admin_kubectl());
    let namespace = support::create_namespace("image");
    let (port, closed) = (free_port().unwrap(), format!("127.0.0.1:{}", free_port().unwrap()));
    let chart = rendered_objects(&namespace, port, &closed);
    let pod = find_object(&chart, "Deployment", "tenantry");
    let others: Vec<String> = chart.iter().filter(|one| one["kind"] != "Deployment").map(Value::to_string).collect();
    kubectl.run_with(&["apply", "-f", "-"], &others.join("\n---\n")).unwrap();
    let mut process = container_command(&place, &image, pod, &write_account_files(&place, &namespace)).start().unwrap();
    let get = |path: &str| http::get(&format!("http://127.0.0.1:{port}{path}"));
    process.wait_until(START_TIMEOUT, || get("/readyz").is_ok_and(|answer| answer.status == 200)).unwrap();
    assert_eq!(get("/healthz").unwrap().status, 200);
    let pid = operator_pid(&process);
    assert_confined(&pid, &pod["spec"]["template"]["spec"]["securityContext"]["runAsUser"]);

    // Nothing listens at this address: the error shows that the operator has certificate authorities and may write
    // status.
    let manifest = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "platform"}, "stringData": {
            "url": format!("https://{closed}"), "tenantId": "msp_1", "clientId": "a", "clientSecret": "b",
        }},
        {"apiVersion": "tenantry.dev/v1alpha1", "kind": "Partner", "metadata": {"name": "acme"},
         "spec": {"connectionSecretRef": {"name": "platform"}, "details": {"name": "Acme"}}},
    ]});
    support::kubectl_apply(&namespace, &manifest.to_string()).unwrap();
    let read = ["-n", &namespace, "get", "partner/acme", "-o", "jsonpath={.status.conditions}"];
    let mut conditions = String::new();
    let told = || {
        conditions = kubectl.run(&read).unwrap();
        conditions.contains("\"InSync\"")
    };
    process.wait_until(START_TIMEOUT, told).unwrap();
    assert!(conditions.contains("connection refused"), "{conditions}");

    run_command(Command::new("kill").args(["-s", "TERM", &pid])).unwrap();
    assert_eq!(process.wait(START_TIMEOUT).unwrap(), Some(0));
    let log = fs::read_to_string(process.log()).unwrap();
    assert!(log.contains("the lease is given back") && log.contains("\"stopped\""), "{log}");
}
