//! Consent that is withdrawn while the call that ends a tenant waits for the platform's rate limit.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::{end, state};
use crate::programs::OperatorOptions;
use crate::proxy::rules::{Answer, Fault, Rule, When};
use crate::world::World;

/// Seconds for which the budget of the Partner's writes is used up.
const USED_UP: u64 = 12;

/// shows: faults/44
#[test]
fn no_call_that_ends_a_tenant_is_sent_after_its_consent_was_withdrawn_while_the_call_waited_for_the_rate_limit() {
    // A cancel that late waits for one request; the call must be able to wait for longer than the budget is used up.
    let longer = |options: &mut OperatorOptions| options.flags.extend(["--request-timeout", "20s"].map(str::to_owned));
    let world = World::start("withdrawn", longer).unwrap();
    let proxy = world.proxy(Vec::new());
    let space = world.behind(&proxy, "withdrawn");
    space.partner("acme", &json!({}));
    space.client("globex", &json!({"deletion": {"policy": "Terminate"}}));
    space.client("initech", &json!({}));
    let (partner, client) = (space.ready("partner/acme"), space.ready("client/globex"));
    let neighbour = space.ready("client/initech");
    end(&space, "client/globex", 4);
    space.until("the period runs", || Ok(state(&space, &partner, &client) == "SUSPENDED"));

    // The neighbour uses up what is left of the budget.
    let reset = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + USED_UP;
    let headers = [
        ("X-RateLimit-Limit", "8".to_owned()),
        ("X-RateLimit-Remaining", "0".to_owned()),
        ("X-RateLimit-Reset", reset.to_string()),
    ];
    let headers: BTreeMap<String, String> = headers.map(|(name, value)| (name.to_owned(), value)).into();
    let answer = Answer { status: 200, headers, body: "{}".to_owned(), after: true };
    proxy.set(vec![Rule::new("POST", &format!("/clients/{neighbour}$"), Fault::Answer(answer)).when(When::Nth(1))]);
    space.patch("client/initech", &json!({"spec": {"details": {"city": "Ulm"}}}));
    space.until("the budget is used up", || Ok(proxy.done() == [1]));

    let step = || space.get("client/globex").unwrap_or_default()["status"]["termination"]["step"].clone();
    space.until("the call is about to be sent", || Ok(step() == "Terminating"));
    space.patch("client/globex", &json!({"spec": {"deletion": {"confirm": null}}}));
    assert_eq!(proxy.count("POST", "/terminate$"), 0, "the call waited when the consent was withdrawn");
    space.gone("client/globex");
    assert_eq!(proxy.count("POST", "/terminate$"), 0);
    assert_eq!(state(&space, &partner, &client), "ACTIVE");
    space.until("the event is there", || Ok(space.events("globex").contains(&"Cancelled".to_owned())));
}
