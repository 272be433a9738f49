//! Tests of the operator killed at three points around a create, the API server restarted, and missing resource
//! definitions.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{new_site_in, short_timeout};
use crate::controlplane::{self, ControlPlane};
use crate::http;
use crate::programs::{self, OperatorOptions};
use crate::proxy::rules::{FaultRule, FaultTiming, ProxyFault};
use crate::world::TestWorld;

/// shows: faults/1, faults/2, faults/3
#[test]
fn killed_before_during_and_after_a_create_it_makes_each_tenant_once() {
    let mut world = TestWorld::start("kills", short_timeout).unwrap();
    let proxy = {
        let site = new_site_in(&world, "kills", Vec::new());
        site.namespace.apply_partner("acme", &json!({}));
        site.namespace.wait_until_ready("partner/acme");
        // Intent written and nothing sent; sent and not answered; answered and not recorded.
        site.proxy.set_rules(vec![
            FaultRule::new("POST", "/clients$", ProxyFault::Hang).with_body("before of"),
            FaultRule::new("POST", "/clients$", ProxyFault::HangAfter).with_body("during of"),
            FaultRule::new("GET", "/clients/client_", ProxyFault::Hang).with_timing(FaultTiming::Nth(1)),
        ]);
        for name in ["before", "during", "after"] {
            site.namespace.apply_client(name, &json!({}));
        }
        site.namespace.wait_until("each meets its fault", || Ok(site.proxy.fault_counts() == [1, 1, 1]));
        for name in ["before", "during", "after"] {
            let object = site.namespace.get(&format!("client/{name}")).unwrap();
            assert!(object["metadata"]["finalizers"].is_array(), "{name} has no finalizer");
            assert!(object["status"]["uniqueId"].is_null(), "{name} is recorded already");
        }
        site.proxy
    };
    world.operator.process().kill().unwrap();
    proxy.set_rules(Vec::new());
    world.operator.restart().unwrap();
    let name = world.kubectl.run(&["get", "partners", "-A", "-o", "jsonpath={.items[0].metadata.namespace}"]).unwrap();
    let site = super::FaultSite { namespace: crate::world::TestNamespace::existing(&world, name), proxy };
    for name in ["before", "during", "after"] {
        site.namespace.wait_until_ready(&format!("client/{name}"));
    }
    let partner = site.namespace.wait_until_ready("partner/acme");
    site.assert_each_once(&partner, 3);
    assert_eq!(world.tenancy.create_counts().unwrap().clients, 3);
}

/// shows: faults/8
#[test]
fn after_a_restart_of_the_api_server_it_goes_on_without_one_of_its_own() {
    let mut world = TestWorld::start("restarted", |_| {}).unwrap();
    let (name, partner, client) = {
        let namespace = world.create_namespace("restarted");
        namespace.apply_partner("acme", &json!({}));
        namespace.apply_client("globex", &json!({"details": {"city": "Berlin"}}));
        let ids = (namespace.wait_until_ready("partner/acme"), namespace.wait_until_ready("client/globex"));
        (namespace.name.clone(), ids.0, ids.1)
    };
    let pid = world.operator.pid();
    world.control_plane.apiserver().kill().unwrap();
    // A change on the platform in the meantime must be observed afterwards.
    world.tenancy.change_tenant(&format!("{partner}/clients/{client}"), &json!({"city": "Bonn"})).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    world.control_plane.apiserver().restart().unwrap();
    let kubectl = world.kubectl.clone();
    let limit = Duration::from_mins(1);
    world.control_plane.apiserver().wait_until(limit, || kubectl.run(&["get", "--raw", "/readyz"]).is_ok()).unwrap();
    let namespace = crate::world::TestNamespace::existing(&world, name);
    namespace.wait_until("the drift is put right", || {
        Ok(namespace.read_client_tenant(&partner, &client)["city"] == "Berlin")
    });
    namespace.merge_patch("client/globex", &json!({"spec": {"details": {"city": "Hamburg"}}}));
    namespace.apply_client("initech", &json!({}));
    namespace.wait_until_ready("client/initech");
    namespace.wait_until_ready("client/globex");
    assert_eq!(namespace.read_client_tenant(&partner, &client)["city"], "Hamburg");
    assert_eq!(world.operator.pid(), pid);
    assert_eq!(world.tenancy.create_counts().unwrap().clients, 2);
}

/// shows: faults/30
#[test]
fn without_its_kinds_it_is_not_ready_and_runs_on_and_is_ready_soon_after_they_come() {
    let folder = crate::support::test_folder("kinds").unwrap();
    let control_plane =
        ControlPlane::start(&folder.join("cluster"), &controlplane::ControlPlaneOptions::default()).unwrap();
    let options = OperatorOptions::new(&control_plane.kubeconfig("admin"), "127.0.0.1:1");
    let mut operator = programs::start_operator_now(&folder, &options).unwrap();
    let ready = format!("{}/readyz", operator.url());
    let url = ready.clone();
    let answers = move || http::get(&url).map(|answer| answer.status).unwrap_or_default();
    operator.process().wait_until(Duration::from_secs(30), || answers() == 503).unwrap();
    // Long enough for the backoff between two attempts to have grown.
    let end = Instant::now() + Duration::from_secs(14);
    while Instant::now() < end {
        assert_eq!(answers(), 503);
        operator.process().check().unwrap();
        std::thread::sleep(Duration::from_millis(250));
    }
    let tries = operator.log().unwrap().matches("the watch failed").count();
    assert!((2..60).contains(&tries), "{tries} tries within 14 s");
    let kubectl = control_plane.kubectl("admin").unwrap();
    controlplane::install_kinds(&kubectl).unwrap();
    operator.process().wait_until(Duration::from_mins(1), || answers() == 200).unwrap();
}
