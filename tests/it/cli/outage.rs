//! The plugin while the API server or the operator is unavailable.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::json;

use super::PluginRunner;
use crate::assets;
use crate::process::{ChildProcess, ProgramCommand, free_port};
use crate::proxy::FaultProxy;
use crate::proxy::rules::{CannedAnswer, FaultRule, ProxyFault};
use crate::world::{TestNamespace, TestWorld};

/// Reads the lines of a program's output.
fn read_lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (send, seen) = channel();
    let lines = BufReader::new(from).lines();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| send.send(line)));
    seen
}

/// Starts the plugin in the background.
fn spawn_plugin(plugin: &PluginRunner, args: &[&str]) -> Child {
    let mut command = plugin.command(&assets::own_program("kubectl-tenantry").unwrap());
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_watch_says_once_that_the_api_server_is_away_and_goes_on_when_it_is_back() {
    let mut world = TestWorld::start("watch-outage", |_| {}).unwrap();
    let name = world.create_namespace("watched").name.clone();
    let mut all: Vec<String> = Vec::new();
    let (mut running, out, err) = {
        let namespace = TestNamespace::existing(&world, name.clone());
        namespace.apply_partner("acme", &json!({}));
        namespace.wait_until_ready("partner/acme");
        let mut running = spawn_plugin(&PluginRunner::on_cluster_of(&namespace), &["status", "-w", "-n", &name]);
        let (out, err) = (read_lines(running.stdout.take().unwrap()), read_lines(running.stderr.take().unwrap()));
        namespace.wait_until("the list is there", || {
            all.extend(out.try_iter());
            Ok(all.iter().any(|line| line.contains("leads in namespace")))
        });
        (running, out, err)
    };
    world.control_plane.apiserver().kill().unwrap();
    let mut notes: Vec<String> = Vec::new();
    TestNamespace::existing(&world, name.clone()).wait_until("the outage is said", || {
        notes.extend(err.try_iter());
        Ok(notes.iter().any(|line| line.contains("interrupted")))
    });
    // Long enough for many retries, if there were no pause between them.
    std::thread::sleep(Duration::from_secs(3));
    world.control_plane.apiserver().restart().unwrap();
    let kubectl = world.kubectl.clone();
    let limit = Duration::from_mins(1);
    world.control_plane.apiserver().wait_until(limit, || kubectl.run(&["get", "--raw", "/readyz"]).is_ok()).unwrap();
    let namespace = TestNamespace::existing(&world, name);
    namespace.merge_patch("partner/acme", &json!({"spec": {"details": {"country": "Atlantis"}}}));
    namespace.wait_until("the change is shown", || {
        all.extend(out.try_iter());
        Ok(all.last().is_some_and(|line| line.contains("InvalidValue")))
    });
    notes.extend(err.try_iter());
    running.kill().unwrap();
    running.wait().unwrap();
    let said = notes.iter().filter(|line| line.contains("interrupted")).count();
    assert!((1..=3).contains(&said), "{said} notes: {:#?}", notes.iter().take(9).collect::<Vec<_>>());
}

/// Starts `kubectl proxy`, which speaks TLS with the API server, and the fault proxy in front of it.
fn kubeconfig_through_proxy(namespace: &TestNamespace<'_>) -> (FaultProxy, ChildProcess, std::path::PathBuf) {
    let (port, folder) = (free_port().unwrap().to_string(), crate::support::test_folder("watch-way").unwrap());
    let mut kubectl =
        ProgramCommand::new("kubectl-proxy", assets::kubectl().unwrap(), folder.join("kubectl-proxy.log"))
            .args(["proxy", "--port", &port, "--kubeconfig"])
            .args([namespace.world.control_plane.kubeconfig("admin")])
            .start()
            .unwrap();
    let through = format!("127.0.0.1:{port}");
    let is_up = || crate::http::get(&format!("http://{through}/readyz")).is_ok_and(|answer| answer.status == 200);
    kubectl.wait_until(Duration::from_secs(30), is_up).unwrap();
    let proxy = FaultProxy::start("127.0.0.1:0", &through, Vec::new()).unwrap();
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "faults",
        "clusters": [{"name": "faults", "cluster": {"server": proxy.url()}}],
        "users": [{"name": "nobody", "user": {}}],
        "contexts": [{"name": "faults", "context": {"cluster": "faults", "user": "nobody"}}],
    });
    let file = folder.join("kubeconfig");
    std::fs::write(&file, kubeconfig.to_string()).unwrap();
    (proxy, kubectl, file)
}

#[test]
fn a_watch_whose_connection_breaks_says_so_each_time() {
    let space = TestWorld::shared_world().create_namespace("watched-twice");
    space.apply_partner("acme", &json!({}));
    space.wait_until_ready("partner/acme");
    let (proxy, _kubectl, kubeconfig) = kubeconfig_through_proxy(&space);
    let kubeconfig = kubeconfig.display().to_string();
    let mut running = spawn_plugin(
        &PluginRunner::on_cluster_of(&space),
        &["status", "-w", "-n", &space.name, "--kubeconfig", &kubeconfig],
    );
    let (out, err) = (read_lines(running.stdout.take().unwrap()), read_lines(running.stderr.take().unwrap()));
    let (mut all, mut notes): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let watches =
        |proxy: &FaultProxy| proxy.seen_requests().iter().filter(|seen| seen.target.contains("watch=true")).count();
    space.wait_until("both kinds are watched", || Ok(watches(&proxy) >= 2));
    for (round, country, reason) in
        [(1, "Atlantis", "InvalidValue"), (2, "Germany", "True"), (3, "Lemuria", "InvalidValue")]
    {
        let refused = ProxyFault::Answer(CannedAnswer { status: 500, ..CannedAnswer::default() });
        proxy.set_rules(vec![FaultRule::new("GET", "/tenantry.dev/v1alpha1/", refused)]);
        space.wait_until("the interruption is said", || {
            // A watch whose response has not begun is not interrupted.
            proxy.break_streams();
            notes.extend(err.try_iter().filter(|line| line.contains("interrupted")));
            Ok(notes.len() >= round)
        });
        proxy.set_rules(Vec::new());
        all.extend(out.try_iter());
        let before = all.len();
        space.merge_patch("partner/acme", &json!({"spec": {"details": {"country": country}}}));
        space.wait_until("the change is shown", || {
            all.extend(out.try_iter());
            Ok(all[before..].iter().any(|line| line.contains("partner/acme") && line.contains(reason)))
        });
    }
    running.kill().unwrap();
    running.wait().unwrap();
}

#[test]
fn two_people_who_ask_for_a_look_at_the_same_time_both_see_it() {
    let mut world = TestWorld::start("two-looks", |_| {}).unwrap();
    let name = world.create_namespace("two").name.clone();
    {
        let space = TestNamespace::existing(&world, name.clone());
        space.apply_partner("acme", &json!({}));
        space.wait_until_ready("partner/acme");
    }
    world.operator.process().stop().unwrap();
    let (first, second) = {
        let space = TestNamespace::existing(&world, name.clone());
        let asked = || {
            space.get("partner/acme").unwrap()["metadata"]["annotations"]["tenantry.dev/reconcile-requested-at"].clone()
        };
        let ask = || spawn_plugin(&PluginRunner::on_cluster_of(&space), &["reconcile", "partner/acme", "-n", &name]);
        let first = ask();
        space.wait_until("the first asks", || Ok(asked().is_string()));
        let before = asked();
        let second = ask();
        space.wait_until("the second asks", || Ok(asked() != before));
        (first, second)
    };
    world.operator.restart().unwrap();
    for running in [first, second] {
        let output = running.wait_with_output().unwrap();
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && out.contains("Ready=True (AsDeclared)"), "{output:?}");
    }
}
