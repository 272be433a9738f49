//! Creates whose fate is not known, and plans that stop half-way.

use serde_json::json;

use super::{Site, TIMEOUT, site, status, with_partner};
use crate::proxy::rules::{Answer, Fault, Rule, When};

/// A Client whose create meets a fault; how many creates it took.
fn create_under(prefix: &str, fault: Fault) -> (Site<'static>, usize) {
    let (site, partner) = with_partner(prefix);
    site.proxy.set(vec![Rule::new("POST", "/clients$", fault).when(When::Nth(1))]);
    site.space.client("globex", &json!({}));
    site.space.ready("client/globex");
    site.each_once(&partner, 1);
    assert_eq!(site.proxy.done(), [1], "the fault did not come about");
    let creates = site.proxy.count("POST", "/clients$");
    (site, creates)
}

/// shows: faults/4
#[test]
fn a_create_whose_reply_is_lost_is_found_again_and_not_repeated() {
    assert_eq!(create_under("lost", Fault::DropAfter).1, 1);
}

/// shows: faults/4
#[test]
fn a_create_that_a_gateway_gave_up_on_is_found_again_and_not_repeated() {
    let gateway = Answer { status: 504, body: "<html>".to_owned(), after: true, ..Answer::default() };
    assert_eq!(create_under("gateway", Fault::Answer(gateway)).1, 1);
}

/// shows: faults/4
#[test]
fn a_create_whose_reply_cannot_be_read_is_found_again_and_not_repeated() {
    assert_eq!(create_under("unreadable", Fault::Malformed).1, 1);
    assert_eq!(create_under("cut", Fault::Truncate(5)).1, 1);
}

/// shows: faults/4
#[test]
fn a_create_that_is_carried_out_after_its_connection_broke_is_waited_for_and_not_repeated() {
    assert_eq!(create_under("late", Fault::Late(1800)).1, 1);
}

/// shows: faults/1
#[test]
fn a_create_that_never_arrived_is_repeated_once_it_can_no_longer_arrive() {
    let (site, creates) = create_under("unsent", Fault::DropBefore);
    assert_eq!(creates, 2);
    let seen = site.proxy.seen();
    let mut at =
        seen.iter().filter(|seen| seen.method == "POST" && seen.target.ends_with("/clients")).map(|seen| seen.at);
    let (first, second) = (at.next().unwrap(), at.next().unwrap());
    assert!(second - first >= TIMEOUT, "repeated after {:?}", second - first);
}

/// shows: faults/4
#[test]
fn a_partner_whose_create_was_not_answered_is_found_again_and_not_repeated() {
    let site = site("sp", vec![Rule::new("POST", "/msps$", Fault::DropAfter).when(When::Nth(1))]);
    site.space.partner("acme", &json!({}));
    site.space.ready("partner/acme");
    assert_eq!((site.proxy.done(), site.proxy.count("POST", "/msps$")), (vec![1], 1));
    let name = site.space.tenant_name("acme");
    let path = format!("{}/msps", site.space.world.tenancy.tenant());
    let living = site.space.world.tenancy.get(&format!("{path}/minimal")).unwrap();
    assert_eq!(living.as_array().unwrap().iter().filter(|one| one["name"] == *name).count(), 1);
}

/// shows: faults/38
#[test]
fn after_a_failed_branding_step_the_create_is_not_repeated() {
    let (site, partner) = with_partner("branding");
    site.proxy.set(vec![Rule::new("PUT", "/customBranding$", status(503)).when(When::First(2))]);
    site.space.client("globex", &json!({"branding": {"websiteTitle": "Globex Console"}}));
    let message = site.space.not_ready("client/globex", "PlatformUnavailable");
    assert!(message.contains("503"), "{message}");
    let client = site.space.ready("client/globex");
    site.each_once(&partner, 1);
    let creates = site.proxy.count("POST", "/clients$");
    let updates = site.proxy.count("POST", &format!("/clients/{client}$"));
    assert_eq!((creates, updates, site.proxy.count("PUT", "/customBranding$")), (1, 0, 3));
    let branding = site.space.world.tenancy.get(&format!("{client}/customBranding")).unwrap();
    assert!(branding.to_string().contains("Globex Console"), "{branding}");
}
