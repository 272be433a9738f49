//! The end of objects while the platform is away, does not know the tenant, or somebody helps by hand.

use std::time::Duration;

use serde_json::json;

use super::{Site, is_tombstone, state, with_client, with_partner};
use crate::proxy::Proxy;
use crate::proxy::rules::{Answer, Fault, Rule, When};

/// A Client that may be terminated, its grace period in seconds confirmed.
fn confirmed(prefix: &str, grace: u32) -> (Site<'static>, String, String) {
    let (site, partner, client) = with_client(prefix, &json!({"deletion": {"policy": "Terminate"}}));
    site.space.patch("client/globex", &site.space.confirm("client/globex", grace));
    (site, partner, client)
}

/// shows: faults/15
#[test]
fn a_terminate_that_is_answered_with_not_found_is_done_and_not_repeated() {
    let (site, partner, client) = confirmed("done", 0);
    let body = json!({"code": "0003", "message": format!("Tenant {client} not found")}).to_string();
    let answer = Fault::Answer(Answer { status: 404, body, after: true, ..Answer::default() });
    site.proxy.set(vec![Rule::new("POST", "/terminate$", answer)]);
    site.space.delete("client/globex");
    site.space.gone("client/globex");
    assert!(is_tombstone(&site, &partner, &client));
    assert_eq!(site.proxy.count("POST", "/terminate$"), 1);
}

/// shows: faults/15
#[test]
fn a_terminate_whose_reply_is_lost_is_read_back_and_not_repeated() {
    let (site, partner, client) = confirmed("lostend", 0);
    site.proxy.set(vec![Rule::new("POST", "/terminate$", Fault::DropAfter).when(When::Nth(1))]);
    site.space.delete("client/globex");
    site.space.gone("client/globex");
    assert!(is_tombstone(&site, &partner, &client));
    assert_eq!(site.proxy.count("POST", "/terminate$"), 1);
}

/// shows: faults/11
#[test]
fn an_object_that_is_deleted_while_its_create_is_under_way_ends_exactly_that_tenant() {
    let (site, partner) = with_partner("hasty");
    site.proxy.set(vec![Rule::new("POST", "/clients$", Fault::Delay(1500))]);
    site.space.client("globex", &json!({"deletion": {"policy": "Suspend"}}));
    site.space.until("the create is under way", || Ok(site.proxy.count("POST", "/clients$") > 0));
    site.space.delete("client/globex");
    site.space.gone("client/globex");
    site.each_once(&partner, 1);
    let client = site.living(&partner)[0]["uniqueId"].as_str().unwrap().to_owned();
    assert_eq!(state(&site, &partner, &client), "SUSPENDED");
    assert_eq!(site.proxy.count("POST", "/clients$"), 1);
}

/// shows: faults/16
#[test]
fn a_deletion_waits_for_a_platform_that_is_away_and_ends_when_it_is_back() {
    let (site, partner, client) = confirmed("away", 0);
    let Site { space, proxy } = site;
    let host = proxy.host();
    drop(proxy);
    space.delete("client/globex");
    // The first try may meet a connection that was open before.
    space.until("it says that the platform is away", || {
        Ok(space.not_ready("client/globex", "PlatformUnavailable").contains("cannot be reached"))
    });
    assert_eq!(space.condition("client/globex", "DeletionBlocked").unwrap().0, "True");
    std::thread::sleep(Duration::from_secs(3));
    assert!(space.get("client/globex").is_some());
    assert_eq!(space.platform_client(&partner, &client)["status"], "ACTIVE");
    let proxy = Proxy::start(&host, space.world.platform.host(), Vec::new()).unwrap();
    space.gone("client/globex");
    assert!(is_tombstone(&Site { space, proxy }, &partner, &client));
}

/// shows: faults/17
#[test]
fn a_finalizer_that_was_stripped_by_hand_ends_no_tenant() {
    let (site, partner, client) = confirmed("stripped", 4);
    site.space.delete("client/globex");
    site.space.until("the grace period runs", || Ok(state(&site, &partner, &client) == "SUSPENDED"));
    site.space.patch("client/globex", &json!({"metadata": {"finalizers": null}}));
    site.space.gone("client/globex");
    site.never(Duration::from_secs(7), "an object that is gone has ended a tenant", || {
        site.proxy.count("POST", "/terminate$") > 0
    });
    assert_eq!(state(&site, &partner, &client), "SUSPENDED");
}

/// shows: faults/17
#[test]
fn a_finalizer_that_was_stripped_from_a_living_object_is_put_back() {
    let (site, partner, client) = with_client("putback", &json!({}));
    site.space.patch("client/globex", &json!({"metadata": {"finalizers": null}}));
    site.space.until("the finalizer is back", || {
        Ok(site.space.get("client/globex").unwrap()["metadata"]["finalizers"] == json!(["tenantry.dev/tenant"]))
    });
    assert_eq!(site.space.ready("client/globex"), client);
    site.each_once(&partner, 1);
}
