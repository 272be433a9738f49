//! Tests of temporary refusals, mixed failures, and one object that always fails among many that do not.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{FaultSite, site_with_partner, status_fault};
use crate::proxy::rules::{CannedAnswer, FaultRule, FaultTiming, ProxyFault, SeenRequest};

fn too_many_requests_fault(retry_after: Option<&str>) -> ProxyFault {
    let headers: BTreeMap<String, String> =
        retry_after.map(|seconds| ("Retry-After".to_owned(), seconds.to_owned())).into_iter().collect();
    ProxyFault::Answer(CannedAnswer { status: 429, headers, ..CannedAnswer::default() })
}

/// Applies Clients `c0`, `c1` and so on.
fn apply_clients(site: &FaultSite<'_>, count: usize) {
    let mut text = String::new();
    for number in 0..count {
        let client = json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client", "metadata": {"name": format!("c{number}")},
            "spec": {"partnerRef": {"name": "acme"}, "details": {"name": format!("Client {number}"), "city": "Berlin"}},
        });
        writeln!(text, "---\n{client}").unwrap();
    }
    site.namespace
        .world
        .kubectl
        .run_with(&["-n", &site.namespace.name, "apply", "--server-side", "-f", "-"], &text)
        .unwrap();
}

/// Waits until `count` Clients are Ready.
fn wait_until_all_ready(site: &FaultSite<'_>, count: usize) {
    site.namespace.wait_until(&format!("{count} are Ready"), || {
        let path = r#"jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}"#;
        let text = site.namespace.kubectl(&["get", "clients", "-o", path]);
        Ok(text.lines().filter(|line| *line == "True").count() == count)
    });
}

fn create_requests(site: &FaultSite<'_>) -> Vec<SeenRequest> {
    let mut seen = site.proxy.seen_requests();
    seen.retain(|seen| seen.method == "POST" && seen.target.ends_with("/clients"));
    seen
}

/// shows: faults/18
#[test]
fn after_too_many_requests_nothing_of_that_kind_is_sent_before_the_time_that_the_platform_named() {
    let (site, partner) = site_with_partner("named");
    site.proxy.set_rules(vec![
        FaultRule::new("POST", "/clients$", too_many_requests_fault(Some("4"))).with_timing(FaultTiming::First(1)),
    ]);
    apply_clients(&site, 8);
    wait_until_all_ready(&site, 8);
    let creates = create_requests(&site);
    // Requests in flight with the first one were sent before the operator knew of the refusal.
    let refused = creates.iter().find(|seen| seen.is_faulty).unwrap().at;
    let early = creates.iter().filter(|seen| seen.at > refused + Duration::from_millis(500));
    let first = early.map(|seen| seen.at).min().unwrap_or(refused + Duration::from_secs(4));
    assert!(first - refused >= Duration::from_secs(4), "sent again after {:?}", first - refused);
    assert_eq!(creates.len(), 9);
    site.assert_each_once(&partner, 8);
}

/// shows: faults/18
#[test]
fn too_many_requests_without_a_time_are_repeated_after_growing_pauses() {
    let (site, partner) = site_with_partner("unnamed");
    site.proxy.set_rules(vec![
        FaultRule::new("POST", "/clients$", too_many_requests_fault(None)).with_timing(FaultTiming::First(4)),
    ]);
    site.namespace.apply_client("globex", &json!({}));
    site.namespace.wait_until_ready("client/globex");
    let creates = create_requests(&site);
    let pauses: Vec<Duration> = creates.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    assert_eq!(pauses.len(), 4);
    assert!(pauses.iter().is_sorted() && pauses[3] >= Duration::from_secs(2), "{pauses:?}");
    site.assert_each_once(&partner, 1);
}

/// shows: faults/18
#[test]
fn too_many_token_requests_are_not_answered_with_more_of_them() {
    let site = super::new_site(
        "tokens",
        vec![
            FaultRule::new("POST", "/oauth/token", too_many_requests_fault(Some("4")))
                .with_timing(FaultTiming::First(1)),
        ],
    );
    for number in 0..5 {
        site.namespace.apply_partner(&format!("p{number}"), &json!({}));
    }
    for number in 0..5 {
        site.namespace.wait_until_ready(&format!("partner/p{number}"));
    }
    let tokens: Vec<Instant> = site
        .proxy
        .seen_requests()
        .iter()
        .filter(|seen| seen.target.contains("/oauth/token"))
        .map(|seen| seen.at)
        .collect();
    assert_eq!(tokens.len(), 2);
    assert!(tokens[1] - tokens[0] >= Duration::from_secs(4), "asked again after {:?}", tokens[1] - tokens[0]);
}

/// shows: faults/19
#[test]
fn with_a_third_of_all_requests_failing_everything_converges_and_nothing_is_made_twice() {
    let (site, partner) = site_with_partner("third");
    let chance = |percent, seed| FaultTiming::Chance { percent, seed };
    let late = ProxyFault::Answer(CannedAnswer { status: 504, after: true, ..CannedAnswer::default() });
    site.proxy.set_rules(vec![
        FaultRule::new("", "", status_fault(503)).with_timing(chance(10, 1)),
        FaultRule::new("", "", status_fault(500)).with_timing(chance(8, 2)),
        FaultRule::new("", "", late).with_timing(chance(8, 3)),
        FaultRule::new("", "", ProxyFault::DropAfter).with_timing(chance(8, 4)),
        FaultRule::new("", "", ProxyFault::DropBefore).with_timing(chance(6, 5)),
    ]);
    apply_clients(&site, 12);
    wait_until_all_ready(&site, 12);
    site.assert_each_once(&partner, 12);
    let struck: u64 = site.proxy.fault_counts().iter().sum();
    let all = site.proxy.seen_requests().len();
    assert!(struck * 6 > all as u64, "only {struck} of {all} requests failed");
}

/// shows: faults/36
#[test]
fn one_object_whose_every_call_fails_delays_no_other() {
    let (site, partner) = site_with_partner("poison");
    site.proxy.set_rules(vec![FaultRule::new("POST", "", status_fault(500)).with_body("poison of")]);
    site.namespace.apply_client("poison", &json!({}));
    site.namespace.wait_until_not_ready("client/poison", "PlatformUnavailable");
    apply_clients(&site, 20);
    wait_until_all_ready(&site, 20);
    let before = site.proxy.fault_counts()[0];
    std::thread::sleep(Duration::from_secs(4));
    assert!(site.proxy.fault_counts()[0] - before <= 2, "the failing one is tried without pauses");
    assert_eq!(site.living_clients(&partner).len(), 20);
    site.proxy.set_rules(Vec::new());
    site.namespace.kubectl(&["annotate", "client/poison", "tenantry.dev/reconcile-requested-at=now"]);
    site.namespace.wait_until_ready("client/poison");
}
