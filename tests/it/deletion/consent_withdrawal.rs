//! Tests of consent that is withdrawn while the `terminate` call waits for the platform's rate limit.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::{confirm_and_delete, tenant_state};
use crate::programs::OperatorOptions;
use crate::proxy::rules::{CannedAnswer, FaultRule, FaultTiming, ProxyFault};
use crate::world::TestWorld;

/// Seconds for which the budget of the Partner's writes is exhausted.
const EXHAUSTED_SECONDS: u64 = 12;

/// shows: faults/44
#[test]
fn no_call_that_ends_a_tenant_is_sent_after_its_consent_was_withdrawn_while_the_call_waited_for_the_rate_limit() {
    // A cancel at that point waits for one request. The call must be able to wait for longer than the budget is
    // exhausted.
    let longer = |options: &mut OperatorOptions| options.flags.extend(["--request-timeout", "20s"].map(str::to_owned));
    let world = TestWorld::start("withdrawn", longer).unwrap();
    let proxy = world.start_proxy(Vec::new());
    let namespace = world.namespace_behind(&proxy, "withdrawn");
    namespace.apply_partner("acme", &json!({}));
    namespace.apply_client("globex", &json!({"deletion": {"policy": "Terminate"}}));
    namespace.apply_client("initech", &json!({}));
    let (partner, client) = (namespace.wait_until_ready("partner/acme"), namespace.wait_until_ready("client/globex"));
    let neighbour = namespace.wait_until_ready("client/initech");
    confirm_and_delete(&namespace, "client/globex", 4);
    namespace.wait_until("the period runs", || Ok(tenant_state(&namespace, &partner, &client) == "SUSPENDED"));

    // The neighbour uses the rest of the budget.
    let reset = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + EXHAUSTED_SECONDS;
    let headers = [
        ("X-RateLimit-Limit", "8".to_owned()),
        ("X-RateLimit-Remaining", "0".to_owned()),
        ("X-RateLimit-Reset", reset.to_string()),
    ];
    let headers: BTreeMap<String, String> = headers.map(|(name, value)| (name.to_owned(), value)).into();
    let answer = CannedAnswer { status: 200, headers, body: "{}".to_owned(), after: true };
    proxy.set_rules(vec![
        FaultRule::new("POST", &format!("/clients/{neighbour}$"), ProxyFault::Answer(answer))
            .with_timing(FaultTiming::Nth(1)),
    ]);
    namespace.merge_patch("client/initech", &json!({"spec": {"details": {"city": "Ulm"}}}));
    namespace.wait_until("the budget is used up", || Ok(proxy.fault_counts() == [1]));

    let step = || namespace.get("client/globex").unwrap_or_default()["status"]["termination"]["step"].clone();
    namespace.wait_until("the call is about to be sent", || Ok(step() == "Terminating"));
    namespace.merge_patch("client/globex", &json!({"spec": {"deletion": {"confirm": null}}}));
    assert_eq!(proxy.count_requests("POST", "/terminate$"), 0, "the call waited when the consent was withdrawn");
    namespace.wait_until_gone("client/globex");
    assert_eq!(proxy.count_requests("POST", "/terminate$"), 0);
    assert_eq!(tenant_state(&namespace, &partner, &client), "ACTIVE");
    namespace
        .wait_until("the event is there", || Ok(namespace.event_reasons("globex").contains(&"Cancelled".to_owned())));
}
