//! Tests of answers that do not match the request.

use std::time::Duration;

use serde_json::json;

use super::{FaultSite, shared_world, site_with_client, site_with_partner};
use crate::proxy::rules::{FaultRule, FaultTiming, ProxyFault};

/// Answers reads of a Client's tenant wrongly. Asserts that the Client reports it and keeps its id, and that nothing is
/// written.
fn check_wrong_answer(site: &FaultSite<'_>, client: &str, fault: ProxyFault, words: &str) {
    let space = &site.namespace;
    site.reconcile_now("client/globex", "before");
    let changes = site.count_changes("/api/");
    site.proxy.set_rules(vec![FaultRule::new("GET", &format!("/clients/{client}$"), fault)]);
    space.kubectl(&["annotate", "--overwrite", "client/globex", "tenantry.dev/reconcile-requested-at=now"]);
    let in_sync = || space.condition("client/globex", "InSync").unwrap();
    space.wait_until(words, || Ok(in_sync().1 == "PlatformUnavailable" && in_sync().2.contains(words)));
    // Unreadable answers make no tenant less ready. Only its state is unknown.
    assert_eq!(in_sync().0, "Unknown");
    assert_eq!(space.condition("client/globex", "Ready").unwrap().0, "True");
    assert_eq!(space.get("client/globex").unwrap()["status"]["uniqueId"], client);
    assert_eq!(site.count_changes("/api/"), changes, "something was written");
    site.proxy.set_rules(Vec::new());
    space.wait_until("it is known again", || Ok(in_sync().0 == "True"));
    assert_eq!(space.get("client/globex").unwrap()["status"]["uniqueId"], client);
}

/// shows: faults/21
#[test]
fn an_answer_that_is_no_json_or_cut_or_about_another_tenant_changes_nothing() {
    let (site, partner, client) = site_with_client("wrong", &json!({"details": {"city": "Berlin"}}));
    site.namespace.apply_client("other", &json!({"details": {"city": "Bonn"}}));
    let other = site.namespace.wait_until_ready("client/other");
    let elsewhere = ProxyFault::Elsewhere(format!("/api/v2/tenants/{partner}/clients/{other}"));
    for (fault, words) in [
        (ProxyFault::Malformed, "cannot be used"),
        (ProxyFault::Truncate(20), "not available"),
        (elsewhere, "not about tenant"),
    ] {
        check_wrong_answer(&site, &client, fault, words);
    }
    assert_eq!(site.namespace.read_client_tenant(&partner, &other)["city"], "Bonn");
}

/// shows: faults/21
#[test]
fn an_answer_of_a_gigabyte_is_cut_off_and_takes_no_memory() {
    let (site, _, client) = site_with_client("huge", &json!({}));
    let before = operator_peak_memory();
    check_wrong_answer(&site, &client, ProxyFault::Huge(1 << 30), "1048576 bytes");
    let grown = operator_peak_memory().saturating_sub(before);
    assert!(grown < 64 << 10, "the peak of memory grew by {grown} KiB");
}

/// Returns the peak memory of the operator's process, in KiB. Other work runs in the same process, and the limit leaves
/// room for it.
fn operator_peak_memory() -> u64 {
    let log = shared_world().operator.log().unwrap();
    assert!(!log.contains("panicked"), "{log}");
    let path = format!("/proc/{}/status", shared_world().operator.pid());
    let text = std::fs::read_to_string(path).unwrap();
    let line = text.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// shows: faults/21
#[test]
fn a_list_that_cannot_be_read_lets_nothing_be_created() {
    let (site, partner) = site_with_partner("list");
    site.proxy.set_rules(vec![FaultRule::new("GET", "/clients/minimal$", ProxyFault::Malformed)]);
    // The Partner's own count has just read the list, and a burst of creates may use that answer for a while.
    site.namespace.wait_until("the list is read again", || Ok(site.proxy.fault_counts()[0] > 0));
    site.namespace.apply_client("globex", &json!({}));
    site.namespace.wait_until_not_ready("client/globex", "PlatformUnavailable");
    site.assert_never(Duration::from_secs(2), "a create without a look", || {
        site.proxy.count_requests("POST", "/clients$") > 0
    });
    site.proxy.set_rules(Vec::new());
    site.namespace.wait_until_ready("client/globex");
    site.assert_each_once(&partner, 1);
}

/// Number of rounds. Most of them must not wait for a slow call; on a busy machine one may take longer than the call by
/// itself.
const ROUNDS: usize = 9;

/// Returns the number of a slow call that has just begun. Requesting a pass of the objects makes one.
fn begin_slow_call(slow: &FaultSite<'_>, round: &str) -> u64 {
    let before = slow.proxy.open().into_iter().max().unwrap_or_default();
    slow.namespace.kubectl(&[
        "annotate",
        "--overwrite",
        "clients",
        "--all",
        &format!("tenantry.dev/reconcile-requested-at={round}"),
    ]);
    let newest = || slow.proxy.open().into_iter().max().filter(|newest| *newest > before);
    slow.namespace.wait_until("a slow call has begun", || Ok(newest().is_some()));
    newest().unwrap_or(before)
}

/// Asserts that in most rounds `does` finishes before a slow call ends that was open when it began.
fn assert_not_delayed(slow: &FaultSite<'_>, what: &str, mut action: impl FnMut(usize)) {
    let done = (0..ROUNDS).filter(|round| {
        let call = begin_slow_call(slow, &format!("{what}-{round}"));
        action(*round);
        slow.proxy.open().contains(&call)
    });
    let count = done.count();
    assert!(count > ROUNDS / 2, "of {ROUNDS} rounds {count} did {what} before a slow call ended");
}

/// shows: faults/20
#[test]
fn a_body_that_drips_ends_by_the_deadline_and_holds_nobody_else_up() {
    let (slow, _, _) = site_with_client("slow", &json!({}));
    let (quick, partner) = site_with_partner("quick");
    // Between two bytes the proxy learns that the operator has closed the connection.
    slow.proxy.set_rules(vec![FaultRule::new("GET", "/api/", ProxyFault::Slow(200)).with_timing(FaultTiming::Always)]);
    for number in 0..4 {
        slow.namespace.apply_client(&format!("c{number}"), &json!({}));
    }
    let message = slow.namespace.wait_until_not_ready("client/c0", "PlatformUnavailable");
    assert!(message.contains("no answer within"), "{message}");
    let mut ids = Vec::new();
    assert_not_delayed(&slow, "creates", |round| {
        quick.namespace.apply_client(&format!("new{round}"), &json!({"details": {"city": "Berlin"}}));
        ids.push(quick.namespace.wait_until_ready(&format!("client/new{round}")));
    });
    assert_not_delayed(&slow, "corrections", |round| {
        let path = quick.namespace.client_path(&partner, &ids[round]);
        quick.namespace.world.tenancy.change_tenant(&path, &json!({"city": "Bonn"})).unwrap();
        let is_right = || Ok(quick.namespace.read_client_tenant(&partner, &ids[round])["city"] == "Berlin");
        quick.namespace.wait_until("the drift is put right", is_right);
    });
}
