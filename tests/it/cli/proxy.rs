//! `--platform-proxy`: each request of the plugin to a platform goes through it.

use serde_json::json;

use super::PluginRunner;
use crate::assets;
use crate::connect::proxy::RecordingProxy;
use crate::proxy::FaultProxy;
use crate::world::{TestNamespace, TestWorld};

/// An address without a listener: only a proxy that serves as the platform can answer.
const UNREACHABLE_URL: &str = "http://127.0.0.1:1";

fn requested_targets(proxy: &FaultProxy) -> Vec<String> {
    proxy.seen_requests().into_iter().map(|seen| seen.target).collect()
}

fn assert_all_through_proxy(proxy: &FaultProxy) {
    let asked = requested_targets(proxy);
    assert!(!asked.is_empty() && asked.iter().all(|target| target.starts_with(UNREACHABLE_URL)), "{asked:?}");
}

fn unreachable_credential(space: &TestNamespace<'_>) -> serde_json::Value {
    let mut data = space.credential();
    data["url"] = json!(UNREACHABLE_URL);
    data
}

#[test]
fn the_plugin_reaches_a_platform_through_the_proxy_that_a_flag_names() {
    let space = TestWorld::shared_world().create_namespace("forward");
    let desk = PluginRunner::on_cluster_of(&space);
    let proxy = FaultProxy::start("127.0.0.1:0", space.world.platform.host(), Vec::new()).unwrap();
    let data = unreachable_credential(&space);
    let line = |key: &str| format!("{key}={}\n", data[key].as_str().unwrap());
    desk.write_file("platform.env", &["url", "tenantId", "clientId", "clientSecret"].map(line).concat());
    let (url, named) = (proxy.url(), ["export", "--connection", "platform.env", "-o", "out"]);
    let ran = desk.run(&[&named[..], &["--platform-proxy", &url]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_all_through_proxy(&proxy);

    let before = requested_targets(&proxy).len();
    let object = |kind: &str, more: serde_json::Value| {
        let mut object = json!({"metadata": {"name": "platform", "namespace": space.name}, "kind": kind});
        crate::world::merge_json(&mut object, &more);
        object
    };
    let secret = object("Secret", json!({"apiVersion": "v1", "stringData": data}));
    let spec = json!({"connectionSecretRef": {"name": "platform"}, "details": {"name": space.tenant_name("new")}});
    let partner = object("Partner", json!({"apiVersion": "tenantry.dev/v1alpha1", "spec": spec}));
    desk.write_file("tenants.yaml", &format!("{secret}\n---\n{partner}\n"));
    let ran = desk.run(&["plan", "-f", "tenants.yaml", "--offline", "--platform-proxy", &url]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(requested_targets(&proxy).len() > before, "the Secret of an object leads past the proxy");
    assert_all_through_proxy(&proxy);
}

/// Runs `status` on a cluster, behind a proxy that the environment names.
fn status_behind(between: &RecordingProxy, space: &TestNamespace<'_>, no_proxy: &str) -> String {
    let kubeconfig = space.world.control_plane.kubeconfig("admin");
    let mut command = std::process::Command::new(assets::own_program("kubectl-tenantry").unwrap());
    command.args(["status", "-n", &space.name, "--kubeconfig"]).arg(kubeconfig).env_clear().env("NO_PROXY", no_proxy);
    let output = command.env("HTTPS_PROXY", format!("http://{}", between.address)).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_reached_through_the_proxy_of_the_environment_as_kubectl_reaches_it() {
    let world = tokio::task::block_in_place(TestWorld::shared_world);
    // A separate namespace: elsewhere other tests create objects with connections that cannot be used.
    let namespace = tokio::task::block_in_place(|| world.create_namespace("behind-proxy"));
    let between = RecordingProxy::new().await;
    let direct = tokio::task::block_in_place(|| status_behind(&between, &namespace, "127.0.0.1"));
    assert_eq!(between.request_lines(), [""; 0], "`NO_PROXY` counts");
    let behind = tokio::task::block_in_place(|| status_behind(&between, &namespace, ""));
    assert_eq!(direct.is_empty(), behind.is_empty());
    let tunnel = format!("CONNECT {} HTTP/1.1", world.control_plane.url().trim_start_matches("https://"));
    let lines = between.request_lines();
    assert!(!lines.is_empty() && lines.iter().all(|line| *line == tunnel), "{lines:?}");
}

#[test]
fn an_address_of_a_proxy_that_is_none_is_refused_without_its_login() {
    let desk = PluginRunner::without_cluster();
    desk.write_file("platform.env", &format!("url={UNREACHABLE_URL}\ntenantId=sp_1\nclientId=a\nclientSecret=b\n"));
    let wrong = "socks5://key:s3cr3t@proxy.example";
    let run = desk.run(&["export", "--connection", "platform.env", "--offline", "--platform-proxy", wrong]);
    assert!(run.code != 0 && run.err.contains("`--platform-proxy` is no address of a proxy"), "{run:?}");
    assert!(!run.err.contains("s3cr3t") && !run.out.contains("s3cr3t"), "{run:?}");
}
