//! The API server, behind a proxy that leaves requests unanswered.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::assets;
use crate::http;
use crate::process::{Process, Program, Result, free_port};
use crate::programs::{OperatorOptions, Service};
use crate::proxy::Proxy;
use crate::proxy::rules::{Fault, Rule, When};
use crate::world::{Space, World};

/// More than the two minutes of a silent watch with the three of the probe: only their coming counts.
const LONG: Duration = Duration::from_mins(7);

/// The way of one operator to the API server: `kubectl proxy` speaks TLS with it, and the proxy of faults stands before that.
struct Way {
    proxy: Proxy,
    _kubectl: Process,
}

impl Way {
    fn lead(options: &mut OperatorOptions) -> Result<Self> {
        let port = free_port()?.to_string();
        let folder = options.kubeconfig.parent().unwrap_or(Path::new("."));
        let mut kubectl = Program::new("kubectl-proxy", assets::kubectl()?, folder.join("kubectl-proxy.log"))
            .args(["proxy", "--port", &port, "--kubeconfig"])
            .args([options.kubeconfig.clone()])
            .start()?;
        let through = format!("127.0.0.1:{port}");
        kubectl.wait_until(Duration::from_secs(30), || {
            http::get(&format!("http://{through}/readyz")).is_ok_and(|answer| answer.status == 200)
        })?;
        let proxy = Proxy::start("127.0.0.1:0", &through, Vec::new())?;
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "faults",
            "clusters": [{"name": "faults", "cluster": {"server": proxy.url()}}],
            "users": [{"name": "nobody", "user": {}}],
            "contexts": [{"name": "faults", "context": {"cluster": "faults", "user": "nobody"}}],
        });
        options.kubeconfig = folder.join("faults.kubeconfig");
        fs::write(&options.kubeconfig, kubeconfig.to_string())?;
        Ok(Self { proxy, _kubectl: kubectl })
    }
}

fn start(name: &str) -> (World, Way) {
    let mut way = None;
    let world = World::start(name, |options| way = Some(Way::lead(options).unwrap())).unwrap();
    (world, way.unwrap())
}

fn readiness(operator: &Service) -> (u16, String) {
    http::get(&format!("{}/readyz", operator.url())).map_or((0, String::new()), |answer| (answer.status, answer.body))
}

fn wait(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < LONG, "in vain waited for: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Requests to the API server without an answer, as the operator counts them.
fn unanswered(operator: &Service, verb: &str) -> f64 {
    let verb = format!("verb=\"{verb}\"");
    operator.metric("tenantry_operator_cluster_requests_total", &[&verb, "code=\"none\""]).unwrap()
}

/// A namespace with a Ready Partner and a Ready Client.
fn family<'a>(world: &'a World, prefix: &str) -> Space<'a> {
    let space = world.namespace(prefix);
    space.partner("acme", &json!({}));
    space.client("globex", &json!({}));
    space.ready("client/globex");
    space
}

fn edit(space: &Space<'_>, object: &str, city: &str) {
    space.patch(object, &json!({"spec": {"details": {"city": city}}}));
}

/// shows: faults/70
#[test]
fn a_secret_and_a_watch_that_the_api_server_never_answers_end_by_their_deadline() {
    let (world, way) = start("unanswered");
    let (stuck, other) = (family(&world, "stuck"), family(&world, "other"));
    way.proxy.set(vec![
        Rule::new("GET", &format!("/namespaces/{}/secrets/platform$", stuck.name), Fault::Hang).when(When::First(1)),
    ]);
    stuck.until("the look for drift asks", || Ok(way.proxy.done() == [1]));
    edit(&stuck, "client/globex", "Bonn");
    edit(&other, "client/globex", "Ulm");
    other.ready("client/globex");
    stuck.ready("client/globex");
    assert!((unanswered(&world.operator, "get") - 1.0).abs() < 0.5 && way.proxy.done() == [1]);

    let begin =
        |when| Rule::new("GET", "/tenantry.dev/v1alpha1/clients$", Fault::Hang).with_query("watch=true").when(when);
    way.proxy.set(vec![begin(When::First(1))]);
    way.proxy.cut();
    stuck.until("the watch is begun again", || Ok(way.proxy.done() == [1]));
    edit(&stuck, "client/globex", "Kiel");
    edit(&other, "partner/acme", "Ulm");
    other.ready("partner/acme");
    stuck.ready("client/globex");
    assert!((unanswered(&world.operator, "watch") - 1.0).abs() < 0.5);
    assert_eq!(readiness(&world.operator), (200, "ok\n".to_owned()));

    way.proxy.set(vec![begin(When::Always)]);
    way.proxy.cut();
    wait("the silent kind is named", || {
        let (status, why) = readiness(&world.operator);
        status == 503 && why.contains("the watch of Client objects has brought nothing")
    });
    edit(&stuck, "client/globex", "Bonn");
    edit(&other, "partner/acme", "Kiel");
    other.ready("partner/acme");
    way.proxy.set(Vec::new());
    stuck.ready("client/globex");
    stuck.until("it is ready again", || Ok(readiness(&world.operator).0 == 200));
}

/// shows: faults/70
#[test]
fn a_list_that_the_api_server_never_answers_ends_by_its_deadline_and_nobody_calls_that_ready() {
    let (mut world, way) = start("unlisted");
    let name = family(&world, "listed").name;
    way.proxy.set(vec![
        Rule::new("GET", "/tenantry.dev/v1alpha1/clients$", Fault::Hang).with_query("limit=").when(When::First(1)),
    ]);
    world.operator.restart_now().unwrap();
    let space = Space::at(&world, name);
    space.until("the list is asked for", || Ok(way.proxy.done() == [1]));
    space.until("the probes answer", || Ok(readiness(&world.operator).0 != 0));
    assert_eq!(readiness(&world.operator).0, 503, "nobody knows the Clients");
    edit(&space, "client/globex", "Bonn");
    wait("it is ready", || readiness(&world.operator).0 == 200);
    space.ready("client/globex");
    assert!((unanswered(&world.operator, "list") - 1.0).abs() < 0.5 && way.proxy.done() == [1]);
}
