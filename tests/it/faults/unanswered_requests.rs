//! Tests of the API server behind a proxy that leaves requests unanswered.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::assets;
use crate::http;
use crate::process::{ChildProcess, ProgramCommand, Result, free_port};
use crate::programs::{OperatorOptions, ServiceProcess};
use crate::proxy::FaultProxy;
use crate::proxy::rules::{FaultRule, FaultTiming, ProxyFault};
use crate::world::{TestNamespace, TestWorld};

/// More than the two minutes of a silent watch plus the three minutes of the probe, because only the result counts.
const SILENCE_TIMEOUT: Duration = Duration::from_mins(7);

/// The route of one operator to the API server: `kubectl proxy` speaks TLS with the server, and the fault proxy is in
/// front of it.
struct ApiServerRoute {
    proxy: FaultProxy,
    _kubectl: ChildProcess,
}

impl ApiServerRoute {
    fn route_operator(options: &mut OperatorOptions) -> Result<Self> {
        let port = free_port()?.to_string();
        let folder = options.kubeconfig.parent().unwrap_or(Path::new("."));
        let mut kubectl = ProgramCommand::new("kubectl-proxy", assets::kubectl()?, folder.join("kubectl-proxy.log"))
            .args(["proxy", "--port", &port, "--kubeconfig"])
            .args([options.kubeconfig.clone()])
            .start()?;
        let through = format!("127.0.0.1:{port}");
        kubectl.wait_until(Duration::from_secs(30), || {
            http::get(&format!("http://{through}/readyz")).is_ok_and(|answer| answer.status == 200)
        })?;
        let proxy = FaultProxy::start("127.0.0.1:0", &through, Vec::new())?;
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

fn start_behind_proxy(name: &str) -> (TestWorld, ApiServerRoute) {
    let mut way = None;
    let world = TestWorld::start(name, |options| way = Some(ApiServerRoute::route_operator(options).unwrap())).unwrap();
    (world, way.unwrap())
}

fn read_readiness(operator: &ServiceProcess) -> (u16, String) {
    http::get(&format!("{}/readyz", operator.url())).map_or((0, String::new()), |answer| (answer.status, answer.body))
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < SILENCE_TIMEOUT, "in vain waited for: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Returns the number of unanswered requests to the API server in the operator's metrics.
fn count_unanswered(operator: &ServiceProcess, verb: &str) -> f64 {
    let verb = format!("verb=\"{verb}\"");
    operator.metric("tenantry_operator_cluster_requests_total", &[&verb, "code=\"none\""]).unwrap()
}

/// Creates a namespace with a Ready Partner and a Ready Client.
fn create_partner_and_client<'a>(world: &'a TestWorld, prefix: &str) -> TestNamespace<'a> {
    let namespace = world.create_namespace(prefix);
    namespace.apply_partner("acme", &json!({}));
    namespace.apply_client("globex", &json!({}));
    namespace.wait_until_ready("client/globex");
    namespace
}

fn edit_city(namespace: &TestNamespace<'_>, object: &str, city: &str) {
    namespace.merge_patch(object, &json!({"spec": {"details": {"city": city}}}));
}

/// shows: faults/70
#[test]
fn a_secret_and_a_watch_that_the_api_server_never_answers_end_by_their_deadline() {
    let (world, way) = start_behind_proxy("unanswered");
    let (stuck, other) = (create_partner_and_client(&world, "stuck"), create_partner_and_client(&world, "other"));
    way.proxy.set_rules(vec![
        FaultRule::new("GET", &format!("/namespaces/{}/secrets/platform$", stuck.name), ProxyFault::Hang)
            .with_timing(FaultTiming::First(1)),
    ]);
    stuck.wait_until("the look for drift asks", || Ok(way.proxy.fault_counts() == [1]));
    edit_city(&stuck, "client/globex", "Bonn");
    edit_city(&other, "client/globex", "Ulm");
    other.wait_until_ready("client/globex");
    stuck.wait_until_ready("client/globex");
    assert!((count_unanswered(&world.operator, "get") - 1.0).abs() < 0.5 && way.proxy.fault_counts() == [1]);

    let begin = |when| {
        FaultRule::new("GET", "/tenantry.dev/v1alpha1/clients$", ProxyFault::Hang)
            .with_query("watch=true")
            .with_timing(when)
    };
    way.proxy.set_rules(vec![begin(FaultTiming::First(1))]);
    way.proxy.break_streams();
    stuck.wait_until("the watch is begun again", || Ok(way.proxy.fault_counts() == [1]));
    edit_city(&stuck, "client/globex", "Kiel");
    edit_city(&other, "partner/acme", "Ulm");
    other.wait_until_ready("partner/acme");
    stuck.wait_until_ready("client/globex");
    assert!((count_unanswered(&world.operator, "watch") - 1.0).abs() < 0.5);
    assert_eq!(read_readiness(&world.operator), (200, "ok\n".to_owned()));

    way.proxy.set_rules(vec![begin(FaultTiming::Always)]);
    way.proxy.break_streams();
    wait_until("the silent kind is named", || {
        let (status, why) = read_readiness(&world.operator);
        status == 503 && why.contains("the watch of Client objects has brought nothing")
    });
    edit_city(&stuck, "client/globex", "Bonn");
    edit_city(&other, "partner/acme", "Kiel");
    other.wait_until_ready("partner/acme");
    way.proxy.set_rules(Vec::new());
    stuck.wait_until_ready("client/globex");
    stuck.wait_until("it is ready again", || Ok(read_readiness(&world.operator).0 == 200));
}

/// shows: faults/70
#[test]
fn a_list_that_the_api_server_never_answers_ends_by_its_deadline_and_nobody_calls_that_ready() {
    let (mut world, way) = start_behind_proxy("unlisted");
    let name = create_partner_and_client(&world, "listed").name;
    way.proxy.set_rules(vec![
        FaultRule::new("GET", "/tenantry.dev/v1alpha1/clients$", ProxyFault::Hang)
            .with_query("limit=")
            .with_timing(FaultTiming::First(1)),
    ]);
    world.operator.restart_now().unwrap();
    let namespace = TestNamespace::existing(&world, name);
    namespace.wait_until("the list is asked for", || Ok(way.proxy.fault_counts() == [1]));
    namespace.wait_until("the probes answer", || Ok(read_readiness(&world.operator).0 != 0));
    assert_eq!(read_readiness(&world.operator).0, 503, "nobody knows the Clients");
    edit_city(&namespace, "client/globex", "Bonn");
    wait_until("it is ready", || read_readiness(&world.operator).0 == 200);
    namespace.wait_until_ready("client/globex");
    assert!((count_unanswered(&world.operator, "list") - 1.0).abs() < 0.5 && way.proxy.fault_counts() == [1]);
}
