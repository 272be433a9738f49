//! The operator killed at the three places around a create, the API server restarted, the kinds not there yet.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{short_timeout, site_in};
use crate::controlplane::{self, ControlPlane};
use crate::http;
use crate::programs::{self, OperatorOptions};
use crate::proxy::rules::{Fault, Rule, When};
use crate::world::World;

/// shows: faults/1, faults/2, faults/3
#[test]
fn killed_before_during_and_after_a_create_it_makes_each_tenant_once() {
    let mut world = World::start("kills", short_timeout).unwrap();
    let proxy = {
        let site = site_in(&world, "kills", Vec::new());
        site.space.partner("acme", &json!({}));
        site.space.ready("partner/acme");
        // Intent written and nothing sent; sent and not answered; answered and not recorded.
        site.proxy.set(vec![
            Rule::new("POST", "/clients$", Fault::Hang).with_body("before of"),
            Rule::new("POST", "/clients$", Fault::HangAfter).with_body("during of"),
            Rule::new("GET", "/clients/client_", Fault::Hang).when(When::Nth(1)),
        ]);
        for name in ["before", "during", "after"] {
            site.space.client(name, &json!({}));
        }
        site.space.until("each meets its fault", || Ok(site.proxy.done() == [1, 1, 1]));
        for name in ["before", "during", "after"] {
            let object = site.space.get(&format!("client/{name}")).unwrap();
            assert!(object["metadata"]["finalizers"].is_array(), "{name} has no finalizer");
            assert!(object["status"]["uniqueId"].is_null(), "{name} is recorded already");
        }
        site.proxy
    };
    world.operator.process().kill().unwrap();
    proxy.set(Vec::new());
    world.operator.restart().unwrap();
    let name = world.kubectl.run(&["get", "partners", "-A", "-o", "jsonpath={.items[0].metadata.namespace}"]).unwrap();
    let site = super::Site { space: crate::world::Space::at(&world, name), proxy };
    for name in ["before", "during", "after"] {
        site.space.ready(&format!("client/{name}"));
    }
    let partner = site.space.ready("partner/acme");
    site.each_once(&partner, 3);
    assert_eq!(world.tenancy.creates().unwrap().clients, 3);
}

/// shows: faults/8
#[test]
fn after_a_restart_of_the_api_server_it_goes_on_without_one_of_its_own() {
    let mut world = World::start("restarted", |_| {}).unwrap();
    let (name, partner, client) = {
        let space = world.namespace("restarted");
        space.partner("acme", &json!({}));
        space.client("globex", &json!({"details": {"city": "Berlin"}}));
        let ids = (space.ready("partner/acme"), space.ready("client/globex"));
        (space.name.clone(), ids.0, ids.1)
    };
    let pid = world.operator.pid();
    world.control_plane.apiserver().kill().unwrap();
    // What happens on the platform meanwhile must be seen afterwards.
    world.tenancy.change(&format!("{partner}/clients/{client}"), &json!({"city": "Bonn"})).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    world.control_plane.apiserver().restart().unwrap();
    let kubectl = world.kubectl.clone();
    let limit = Duration::from_mins(1);
    world.control_plane.apiserver().wait_until(limit, || kubectl.run(&["get", "--raw", "/readyz"]).is_ok()).unwrap();
    let space = crate::world::Space::at(&world, name);
    space.until("the drift is put right", || Ok(space.platform_client(&partner, &client)["city"] == "Berlin"));
    space.patch("client/globex", &json!({"spec": {"details": {"city": "Hamburg"}}}));
    space.client("initech", &json!({}));
    space.ready("client/initech");
    space.ready("client/globex");
    assert_eq!(space.platform_client(&partner, &client)["city"], "Hamburg");
    assert_eq!(world.operator.pid(), pid);
    assert_eq!(world.tenancy.creates().unwrap().clients, 2);
}

/// shows: faults/30
#[test]
fn without_its_kinds_it_is_not_ready_and_runs_on_and_is_ready_soon_after_they_come() {
    let folder = crate::support::folder("kinds").unwrap();
    let control_plane = ControlPlane::start(&folder.join("cluster"), &controlplane::Options::default()).unwrap();
    let options = OperatorOptions::new(&control_plane.kubeconfig("admin"), "127.0.0.1:1");
    let mut operator = programs::start_operator_now(&folder, &options).unwrap();
    let ready = format!("{}/readyz", operator.url());
    let url = ready.clone();
    let answers = move || http::get(&url).map(|answer| answer.status).unwrap_or_default();
    operator.process().wait_until(Duration::from_secs(30), || answers() == 503).unwrap();
    // Long enough for the pauses between two tries to have grown.
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
