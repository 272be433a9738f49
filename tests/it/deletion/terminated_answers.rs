//! Tests of the ways in which a platform with only the documented API reports that a tenant was terminated.

use serde_json::{Value, json};

use super::{confirm_and_delete, wait_until_blocked};
use crate::programs::PlatformOptions;
use crate::proxy::FaultProxy;
use crate::proxy::rules::{CannedAnswer, FaultRule, FaultTiming, ProxyFault};
use crate::world::{TestNamespace, TestWorld};

const HTML: &str = "<html><body><h1>404 Not Found</h1></body></html>";

fn start_documented_world(name: &str) -> TestWorld {
    let options = PlatformOptions { documented_only: true, ..PlatformOptions::default() };
    TestWorld::start_with(name, &options, |_| {}).unwrap()
}

/// Creates a Client that may be terminated, behind a separate proxy. Returns its tenant's id.
fn create_terminable_client(namespace: &TestNamespace<'_>) -> String {
    let partner = namespace.world.platform.credential.tenant_id.clone();
    namespace.apply_client_without_partner(
        "globex",
        &json!({"partnerUniqueId": partner, "deletion": {"policy": "Terminate"}}),
    );
    namespace.wait_until_ready("client/globex")
}

/// Returns a rule that answers each read of the tenant in this way.
fn answer_reads_with(id: &str, status: u16, body: &str) -> FaultRule {
    let answer = CannedAnswer { status, body: body.to_owned(), ..CannedAnswer::default() };
    FaultRule::new("GET", &format!("/clients/{id}$"), ProxyFault::Answer(answer))
}

/// Terminates the tenant. Once the platform has received the call, a rule answers all reads.
fn terminate_with_reads(namespace: &TestNamespace<'_>, proxy: &FaultProxy, then: FaultRule) {
    proxy.set_rules(vec![
        FaultRule::new("POST", "/terminate$", ProxyFault::Delay(2000)).with_timing(FaultTiming::Nth(1)),
    ]);
    confirm_and_delete(namespace, "client/globex", 0);
    namespace.wait_until("the call is on its way", || Ok(proxy.fault_counts() == [1]));
    assert_eq!(proxy.count_requests("POST", "/terminate$"), 1);
    proxy.set_rules(vec![then]);
}

/// shows: faults/47
#[test]
fn after_our_own_call_each_form_of_not_being_there_is_the_end_and_the_call_is_sent_once() {
    let world = start_documented_world("forms");
    let oauth = json!({"error": "invalid_request", "error_description": "Tenant not found"}).to_string();
    let gone = json!({"code": "0010", "message": "Tenant is unavailable or deactivated"}).to_string();
    for (name, status, body) in [
        ("oauth", 404, oauth.as_str()),
        ("html", 404, HTML),
        ("empty", 404, ""),
        ("gone", 410, &gone),
        ("bare", 410, HTML),
    ] {
        let proxy = world.start_proxy(Vec::new());
        let namespace = world.namespace_behind(&proxy, name);
        let id = create_terminable_client(&namespace);
        terminate_with_reads(&namespace, &proxy, answer_reads_with(&id, status, body));
        namespace.wait_until_gone("client/globex");
        assert_eq!(proxy.count_requests("POST", "/terminate$"), 1, "{name}: {:?}", proxy.seen_requests());
        namespace.wait_until("the event is there", || {
            Ok(namespace.event_reasons("globex").contains(&"Terminated".to_owned()))
        });
    }
}

/// shows: faults/47
#[test]
fn after_our_own_call_out_of_service_under_an_id_that_the_inactive_list_names_is_the_end_also_after_a_restart() {
    let mut world = start_documented_world("inactive");
    let (name, id, proxy) = {
        let proxy = world.start_proxy(Vec::new());
        let namespace = world.namespace_behind(&proxy, "inactive");
        let id = create_terminable_client(&namespace);
        let partner = namespace.world.platform.credential.tenant_id.clone();
        let mut shown = namespace.read_client_tenant(&partner, &id);
        shown["activated"] = json!(false);
        // The list does not contain it yet.
        let none = json!({"results": [], "totalResults": 0, "pageNo": 1, "pageSize": 100, "nextPage": false});
        let search = CannedAnswer { status: 200, body: none.to_string(), ..CannedAnswer::default() };
        let hidden = FaultRule::new("GET", "/clients/search", ProxyFault::Answer(search));
        proxy.set_rules(vec![
            FaultRule::new("POST", "/terminate$", ProxyFault::Delay(2000)).with_timing(FaultTiming::Nth(1)),
        ]);
        confirm_and_delete(&namespace, "client/globex", 0);
        namespace.wait_until("the call is on its way", || Ok(proxy.fault_counts() == [1]));
        proxy.set_rules(vec![answer_reads_with(&id, 200, &shown.to_string()), hidden]);
        let says = |found: &Value| found["status"]["termination"]["acceptedAt"].is_string();
        namespace.wait_until("it is recorded that the platform took it", || {
            Ok(says(&namespace.get("client/globex").unwrap()))
        });
        namespace.wait_until("it is looked at again", || Ok(proxy.fault_counts()[0] > 2));
        let (_, _, message) = namespace.condition("client/globex", "Ready").unwrap();
        assert!(message.contains("is not sent again"), "{message}");
        (namespace.name, id, proxy)
    };
    world.restart_operator().unwrap();
    let namespace = TestNamespace::existing(&world, name);
    let before = proxy.fault_counts()[0];
    namespace.wait_until("the next operator looks too", || Ok(proxy.fault_counts()[0] > before + 1));
    assert!(namespace.get("client/globex").is_some());
    let partner = world.platform.credential.tenant_id.clone();
    let shown =
        json!({"uniqueId": id, "name": namespace.tenant_name("globex"), "activated": false, "parentId": partner});
    proxy.set_rules(vec![answer_reads_with(&id, 200, &shown.to_string())]);
    namespace.wait_until_gone("client/globex");
    assert_eq!(proxy.count_requests("POST", "/terminate$"), 1, "of both operators");
}

/// shows: faults/47
#[test]
fn before_our_own_call_no_other_form_of_not_being_there_is_believed() {
    let world = start_documented_world("early");
    for (name, status, reason) in [("html", 404, "RefusedByPlatform"), ("gone", 410, "PartnerSuspended")] {
        let proxy = world.start_proxy(Vec::new());
        let namespace = world.namespace_behind(&proxy, name);
        let id = create_terminable_client(&namespace);
        namespace.merge_patch("client/globex", &namespace.offered_confirmation("client/globex", 0));
        proxy.set_rules(vec![answer_reads_with(&id, status, HTML)]);
        namespace.delete("client/globex");
        wait_until_blocked(&namespace, "client/globex", reason);
        namespace.wait_until("it is looked at again", || Ok(proxy.fault_counts()[0] > 2));
        assert!(namespace.get("client/globex").is_some());
        assert_eq!(proxy.count_requests("POST", &format!("/{id}/")), 0, "nothing is suspended or ended");
        proxy.set_rules(Vec::new());
        namespace.wait_until_gone("client/globex");
        assert_eq!(proxy.count_requests("POST", "/terminate$"), 1);
    }
}
