//! Tests of deletion while the platform is unreachable or does not know the tenant, or while an administrator
//! intervenes.

use std::time::Duration;

use serde_json::json;

use super::{FaultSite, is_tombstone, site_with_client, site_with_partner, tenant_state};
use crate::proxy::FaultProxy;
use crate::proxy::rules::{CannedAnswer, FaultRule, FaultTiming, ProxyFault};

/// Creates a Client that may be terminated, with its grace period in seconds confirmed.
fn site_with_confirmed_client(prefix: &str, grace: u32) -> (FaultSite<'static>, String, String) {
    let (site, partner, client) = site_with_client(prefix, &json!({"deletion": {"policy": "Terminate"}}));
    site.namespace.merge_patch("client/globex", &site.namespace.offered_confirmation("client/globex", grace));
    (site, partner, client)
}

/// shows: faults/15
#[test]
fn a_terminate_that_is_answered_with_not_found_is_done_and_not_repeated() {
    let (site, partner, client) = site_with_confirmed_client("done", 0);
    let body = json!({"code": "0003", "message": format!("Tenant {client} not found")}).to_string();
    let answer = ProxyFault::Answer(CannedAnswer { status: 404, body, after: true, ..CannedAnswer::default() });
    site.proxy.set_rules(vec![FaultRule::new("POST", "/terminate$", answer)]);
    site.namespace.delete("client/globex");
    site.namespace.wait_until_gone("client/globex");
    assert!(is_tombstone(&site, &partner, &client));
    assert_eq!(site.proxy.count_requests("POST", "/terminate$"), 1);
}

/// shows: faults/15
#[test]
fn a_terminate_whose_reply_is_lost_is_read_back_and_not_repeated() {
    let (site, partner, client) = site_with_confirmed_client("lostend", 0);
    site.proxy
        .set_rules(vec![FaultRule::new("POST", "/terminate$", ProxyFault::DropAfter).with_timing(FaultTiming::Nth(1))]);
    site.namespace.delete("client/globex");
    site.namespace.wait_until_gone("client/globex");
    assert!(is_tombstone(&site, &partner, &client));
    assert_eq!(site.proxy.count_requests("POST", "/terminate$"), 1);
}

/// shows: faults/11
#[test]
fn an_object_that_is_deleted_while_its_create_is_under_way_ends_exactly_that_tenant() {
    let (site, partner) = site_with_partner("hasty");
    site.proxy.set_rules(vec![FaultRule::new("POST", "/clients$", ProxyFault::Delay(1500))]);
    site.namespace.apply_client("globex", &json!({"deletion": {"policy": "Suspend"}}));
    site.namespace.wait_until("the create is under way", || Ok(site.proxy.count_requests("POST", "/clients$") > 0));
    site.namespace.delete("client/globex");
    site.namespace.wait_until_gone("client/globex");
    site.assert_each_once(&partner, 1);
    let client = site.living_clients(&partner)[0]["uniqueId"].as_str().unwrap().to_owned();
    assert_eq!(tenant_state(&site, &partner, &client), "SUSPENDED");
    assert_eq!(site.proxy.count_requests("POST", "/clients$"), 1);
}

/// shows: faults/16
#[test]
fn a_deletion_waits_for_a_platform_that_is_away_and_ends_when_it_is_back() {
    let (site, partner, client) = site_with_confirmed_client("away", 0);
    let FaultSite { namespace: space, proxy } = site;
    let host = proxy.host();
    drop(proxy);
    space.delete("client/globex");
    // The first attempt may use a connection that was already open.
    space.wait_until("it says that the platform is away", || {
        Ok(space.wait_until_not_ready("client/globex", "PlatformUnavailable").contains("cannot be reached"))
    });
    assert_eq!(space.condition("client/globex", "DeletionBlocked").unwrap().0, "True");
    std::thread::sleep(Duration::from_secs(3));
    assert!(space.get("client/globex").is_some());
    assert_eq!(space.read_client_tenant(&partner, &client)["status"], "ACTIVE");
    let proxy = FaultProxy::start(&host, space.world.platform.host(), Vec::new()).unwrap();
    space.wait_until_gone("client/globex");
    assert!(is_tombstone(&FaultSite { namespace: space, proxy }, &partner, &client));
}

/// shows: faults/17
#[test]
fn a_finalizer_that_was_stripped_by_hand_ends_no_tenant() {
    let (site, partner, client) = site_with_confirmed_client("stripped", 4);
    site.namespace.delete("client/globex");
    site.namespace.wait_until("the grace period runs", || Ok(tenant_state(&site, &partner, &client) == "SUSPENDED"));
    site.namespace.merge_patch("client/globex", &json!({"metadata": {"finalizers": null}}));
    site.namespace.wait_until_gone("client/globex");
    site.assert_never(Duration::from_secs(7), "an object that is gone has ended a tenant", || {
        site.proxy.count_requests("POST", "/terminate$") > 0
    });
    assert_eq!(tenant_state(&site, &partner, &client), "SUSPENDED");
}

/// shows: faults/17
#[test]
fn a_finalizer_that_was_stripped_from_a_living_object_is_put_back() {
    let (site, partner, client) = site_with_client("putback", &json!({}));
    site.namespace.merge_patch("client/globex", &json!({"metadata": {"finalizers": null}}));
    site.namespace.wait_until("the finalizer is back", || {
        Ok(site.namespace.get("client/globex").unwrap()["metadata"]["finalizers"] == json!(["tenantry.dev/tenant"]))
    });
    assert_eq!(site.namespace.wait_until_ready("client/globex"), client);
    site.assert_each_once(&partner, 1);
}
