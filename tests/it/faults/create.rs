//! Tests of creates with an unknown result, and of plans that stop in the middle.

use serde_json::json;

use super::{FaultSite, REQUEST_TIMEOUT, new_site, site_with_partner, status_fault};
use crate::proxy::rules::{CannedAnswer, FaultRule, FaultTiming, ProxyFault};

/// Creates a Client whose create meets a fault. Returns the number of creates that this took.
fn create_with_fault(prefix: &str, fault: ProxyFault) -> (FaultSite<'static>, usize) {
    let (site, partner) = site_with_partner(prefix);
    site.proxy.set_rules(vec![FaultRule::new("POST", "/clients$", fault).with_timing(FaultTiming::Nth(1))]);
    site.namespace.apply_client("globex", &json!({}));
    site.namespace.wait_until_ready("client/globex");
    site.assert_each_once(&partner, 1);
    assert_eq!(site.proxy.fault_counts(), [1], "the fault did not come about");
    let creates = site.proxy.count_requests("POST", "/clients$");
    (site, creates)
}

/// shows: faults/4
#[test]
fn a_create_whose_reply_is_lost_is_found_again_and_not_repeated() {
    assert_eq!(create_with_fault("lost", ProxyFault::DropAfter).1, 1);
}

/// shows: faults/4
#[test]
fn a_create_that_a_gateway_gave_up_on_is_found_again_and_not_repeated() {
    let gateway = CannedAnswer { status: 504, body: "<html>".to_owned(), after: true, ..CannedAnswer::default() };
    assert_eq!(create_with_fault("gateway", ProxyFault::Answer(gateway)).1, 1);
}

/// shows: faults/4
#[test]
fn a_create_whose_reply_cannot_be_read_is_found_again_and_not_repeated() {
    assert_eq!(create_with_fault("unreadable", ProxyFault::Malformed).1, 1);
    assert_eq!(create_with_fault("cut", ProxyFault::Truncate(5)).1, 1);
}

/// shows: faults/4
#[test]
fn a_create_that_is_carried_out_after_its_connection_broke_is_waited_for_and_not_repeated() {
    assert_eq!(create_with_fault("late", ProxyFault::Late(1800)).1, 1);
}

/// shows: faults/1
#[test]
fn a_create_that_never_arrived_is_repeated_once_it_can_no_longer_arrive() {
    let (site, creates) = create_with_fault("unsent", ProxyFault::DropBefore);
    assert_eq!(creates, 2);
    let seen = site.proxy.seen_requests();
    let mut at =
        seen.iter().filter(|seen| seen.method == "POST" && seen.target.ends_with("/clients")).map(|seen| seen.at);
    let (first, second) = (at.next().unwrap(), at.next().unwrap());
    assert!(second - first >= REQUEST_TIMEOUT, "repeated after {:?}", second - first);
}

/// shows: faults/4
#[test]
fn a_partner_whose_create_was_not_answered_is_found_again_and_not_repeated() {
    let site =
        new_site("sp", vec![FaultRule::new("POST", "/msps$", ProxyFault::DropAfter).with_timing(FaultTiming::Nth(1))]);
    site.namespace.apply_partner("acme", &json!({}));
    site.namespace.wait_until_ready("partner/acme");
    assert_eq!((site.proxy.fault_counts(), site.proxy.count_requests("POST", "/msps$")), (vec![1], 1));
    let name = site.namespace.tenant_name("acme");
    let path = format!("{}/msps", site.namespace.world.tenancy.provider_id());
    let active_clients = site.namespace.world.tenancy.get(&format!("{path}/minimal")).unwrap();
    assert_eq!(active_clients.as_array().unwrap().iter().filter(|one| one["name"] == *name).count(), 1);
}

/// shows: faults/38
#[test]
fn after_a_failed_branding_step_the_create_is_not_repeated() {
    let (site, partner) = site_with_partner("branding");
    site.proxy.set_rules(vec![
        FaultRule::new("PUT", "/customBranding$", status_fault(503)).with_timing(FaultTiming::First(2)),
    ]);
    site.namespace.apply_client("globex", &json!({"branding": {"websiteTitle": "Globex Console"}}));
    let message = site.namespace.wait_until_not_ready("client/globex", "PlatformUnavailable");
    assert!(message.contains("503"), "{message}");
    let client = site.namespace.wait_until_ready("client/globex");
    site.assert_each_once(&partner, 1);
    let creates = site.proxy.count_requests("POST", "/clients$");
    let updates = site.proxy.count_requests("POST", &format!("/clients/{client}$"));
    assert_eq!((creates, updates, site.proxy.count_requests("PUT", "/customBranding$")), (1, 0, 3));
    let branding = site.namespace.world.tenancy.get(&format!("{client}/customBranding")).unwrap();
    assert!(branding.to_string().contains("Globex Console"), "{branding}");
}
