//! The forms in which a platform that has nothing but what is documented says that a tenant was ended.

use serde_json::{Value, json};

use super::{blocked, end};
use crate::programs::PlatformOptions;
use crate::proxy::Proxy;
use crate::proxy::rules::{Answer, Fault, Rule, When};
use crate::world::{Space, World};

const HTML: &str = "<html><body><h1>404 Not Found</h1></body></html>";

fn world(name: &str) -> World {
    let options = PlatformOptions { documented_only: true, ..PlatformOptions::default() };
    World::start_with(name, &options, |_| {}).unwrap()
}

/// A Client behind a proxy of its own that may be terminated: the id of its tenant.
fn client(space: &Space<'_>) -> String {
    let partner = space.world.platform.credential.tenant_id.clone();
    space.orphan("globex", &json!({"partnerUniqueId": partner, "deletion": {"policy": "Terminate"}}));
    space.ready("client/globex")
}

/// Each read of the tenant is answered so.
fn reads(id: &str, status: u16, body: &str) -> Rule {
    let answer = Answer { status, body: body.to_owned(), ..Answer::default() };
    Rule::new("GET", &format!("/clients/{id}$"), Fault::Answer(answer))
}

/// Ends the tenant; from when the platform has got the call on, all reads are answered by a rule.
fn ended(space: &Space<'_>, proxy: &Proxy, then: Rule) {
    proxy.set(vec![Rule::new("POST", "/terminate$", Fault::Delay(2000)).when(When::Nth(1))]);
    end(space, "client/globex", 0);
    space.until("the call is on its way", || Ok(proxy.done() == [1]));
    assert_eq!(proxy.count("POST", "/terminate$"), 1);
    proxy.set(vec![then]);
}

/// shows: faults/47
#[test]
fn after_our_own_call_each_form_of_not_being_there_is_the_end_and_the_call_is_sent_once() {
    let world = world("forms");
    let oauth = json!({"error": "invalid_request", "error_description": "Tenant not found"}).to_string();
    let gone = json!({"code": "0010", "message": "Tenant is unavailable or deactivated"}).to_string();
    for (name, status, body) in [
        ("oauth", 404, oauth.as_str()),
        ("html", 404, HTML),
        ("empty", 404, ""),
        ("gone", 410, &gone),
        ("bare", 410, HTML),
    ] {
        let proxy = world.proxy(Vec::new());
        let space = world.behind(&proxy, name);
        let id = client(&space);
        ended(&space, &proxy, reads(&id, status, body));
        space.gone("client/globex");
        assert_eq!(proxy.count("POST", "/terminate$"), 1, "{name}: {:?}", proxy.seen());
        space.until("the event is there", || Ok(space.events("globex").contains(&"Terminated".to_owned())));
    }
}

/// shows: faults/47
#[test]
fn after_our_own_call_out_of_service_under_an_id_that_the_inactive_list_names_is_the_end_also_after_a_restart() {
    let mut world = world("inactive");
    let (name, id, proxy) = {
        let proxy = world.proxy(Vec::new());
        let space = world.behind(&proxy, "inactive");
        let id = client(&space);
        let partner = space.world.platform.credential.tenant_id.clone();
        let mut shown = space.platform_client(&partner, &id);
        shown["activated"] = json!(false);
        // The list does not name it yet.
        let none = json!({"results": [], "totalResults": 0, "pageNo": 1, "pageSize": 100, "nextPage": false});
        let search = Answer { status: 200, body: none.to_string(), ..Answer::default() };
        let hidden = Rule::new("GET", "/clients/search", Fault::Answer(search));
        proxy.set(vec![Rule::new("POST", "/terminate$", Fault::Delay(2000)).when(When::Nth(1))]);
        end(&space, "client/globex", 0);
        space.until("the call is on its way", || Ok(proxy.done() == [1]));
        proxy.set(vec![reads(&id, 200, &shown.to_string()), hidden]);
        let says = |found: &Value| found["status"]["termination"]["acceptedAt"].is_string();
        space.until("it is recorded that the platform took it", || Ok(says(&space.get("client/globex").unwrap())));
        space.until("it is looked at again", || Ok(proxy.done()[0] > 2));
        let (_, _, message) = space.condition("client/globex", "Ready").unwrap();
        assert!(message.contains("is not sent again"), "{message}");
        (space.name, id, proxy)
    };
    world.restart_operator().unwrap();
    let space = Space::at(&world, name);
    let before = proxy.done()[0];
    space.until("the next operator looks too", || Ok(proxy.done()[0] > before + 1));
    assert!(space.get("client/globex").is_some());
    let partner = world.platform.credential.tenant_id.clone();
    let shown = json!({"uniqueId": id, "name": space.tenant_name("globex"), "activated": false, "parentId": partner});
    proxy.set(vec![reads(&id, 200, &shown.to_string())]);
    space.gone("client/globex");
    assert_eq!(proxy.count("POST", "/terminate$"), 1, "of both operators");
}

/// shows: faults/47
#[test]
fn before_our_own_call_no_other_form_of_not_being_there_is_believed() {
    let world = world("early");
    for (name, status, reason) in [("html", 404, "RefusedByPlatform"), ("gone", 410, "PartnerSuspended")] {
        let proxy = world.proxy(Vec::new());
        let space = world.behind(&proxy, name);
        let id = client(&space);
        space.patch("client/globex", &space.confirm("client/globex", 0));
        proxy.set(vec![reads(&id, status, HTML)]);
        space.delete("client/globex");
        blocked(&space, "client/globex", reason);
        space.until("it is looked at again", || Ok(proxy.done()[0] > 2));
        assert!(space.get("client/globex").is_some());
        assert_eq!(proxy.count("POST", &format!("/{id}/")), 0, "nothing is suspended or ended");
        proxy.set(Vec::new());
        space.gone("client/globex");
        assert_eq!(proxy.count("POST", "/terminate$"), 1);
    }
}
