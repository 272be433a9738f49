//! Each flag of the operator changes its behaviour when it is started with another value than the default.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::CommandFactory as _;
use jiff::Timestamp;
use serde_json::json;
use tenantry_operator::OperatorFlags;

use super::cluster::{CLIENTS, PARTNERS, SimObjectKey};
use super::crash_sweep::scenarios;
use super::exchange::{OperatorLife, RequestFate, SimWorld};
use super::idle::{condition, is_ready, new_default_world};
use super::operator_life::{run_life, settings_with};
use super::request::{SimRequest, SimServer};

/// A test for each flag: here, or where a real process or a real API server shows the effect.
const FLAGS_WITH_TEST: [(&str, &str); 21] = [
    ("account-concurrency", "it::sim::isolation::without_bulkheads_the_same_count_shows_who_waits"),
    ("cluster-id", "the_cluster_id_is_in_every_mark"),
    ("concurrency", "as_many_passes_as_allowed_wait_for_a_slow_platform"),
    ("context", "tenantry_operator::server_clients::tests::the_context_that_is_named_is_used"),
    ("default-connection", "it::sim::defaults::the_default_connection_serves_partners_of_its_namespaces_alone"),
    (
        "default-connection-namespaces",
        "it::sim::defaults::the_default_connection_serves_partners_of_its_namespaces_alone",
    ),
    ("drift-interval", "drift_is_looked_for_at_the_interval"),
    ("kubeconfig", "it::operator::reconcile::a_partner_and_its_clients_are_made_in_any_order_of_applying"),
    (
        "lease-duration",
        "it::leader_election::of_two_operators_one_works_and_the_other_takes_over_at_once_from_one_that_ends_and_in_time_from_one_that_died",
    ),
    ("listen", "it::faults::restart::without_its_kinds_it_is_not_ready_and_runs_on_and_is_ready_soon_after_they_come"),
    ("max-client-terminations-per-hour", "no_more_tenants_are_ended_than_allowed"),
    ("max-partner-terminations-per-hour", "no_more_tenants_are_ended_than_allowed"),
    ("namespace", "it::operator::deletion::terminate_waits_for_consent_then_for_the_grace_period_then_ends_the_tenant"),
    (
        "namespaces",
        "it::operator::namespaces::with_rights_in_its_namespaces_alone_it_keeps_what_is_there_ends_what_is_confirmed_and_sees_nothing_else",
    ),
    ("pass-timeout", "a_pass_is_given_up_after_its_time"),
    (
        "platform-moved",
        "it::sim::host_change::a_platform_that_moved_keeps_its_objects_only_where_the_flag_names_both_hosts",
    ),
    ("platform-proxy", "it::operator::proxy::the_operator_reaches_its_platform_through_the_proxy_that_a_flag_names"),
    ("platform-hosts", "it::status_advice::platform::a_host_that_is_not_allowed_is_corrected"),
    (
        "renew-deadline",
        "it::leader_election::lost_lease::a_leader_that_may_not_or_cannot_renew_its_lease_ends_as_failed_and_changes_nothing_more",
    ),
    ("request-timeout", "a_request_is_given_up_after_its_time"),
    (
        "retry-period",
        "it::leader_election::of_two_operators_one_works_and_the_other_takes_over_at_once_from_one_that_ends_and_in_time_from_one_that_died",
    ),
];

#[test]
fn every_flag_is_followed_to_its_effect_by_a_test() {
    let command = OperatorFlags::command();
    let own = ["help", "version"];
    let flags: BTreeSet<&str> =
        command.get_arguments().filter_map(clap::Arg::get_long).filter(|flag| !own.contains(flag)).collect();
    let shown: BTreeSet<&str> = FLAGS_WITH_TEST.iter().map(|(flag, _)| *flag).collect();
    assert_eq!(flags, shown, "a test for each flag, and none for another");
    let tests = crate::test_index::all_test_names();
    for (flag, test) in FLAGS_WITH_TEST {
        let name = if test.contains("::") { test.to_owned() } else { format!("it::sim::flags::{test}") };
        assert!(tests.contains(&name), "{flag}: there is no test `{name}`");
    }
}

fn acme() -> SimObjectKey {
    SimObjectKey::new(PARTNERS, "a", "acme")
}

fn globex() -> SimObjectKey {
    SimObjectKey::new(CLIENTS, "a", "globex")
}

/// Runs a script with these flags instead of their defaults.
fn run_script_with_flags(world: &SimWorld, flags: &[&str], script: impl AsyncFnOnce()) {
    assert!(run_life(world, &OperatorLife::new(1), settings_with(flags), script()).is_some());
    let violations = world.lock().oracle.violations.clone();
    assert!(violations.is_empty(), "{violations:#?}\n{}", world.lock().log.join("\n"));
}

fn create_partner(world: &SimWorld) {
    world.create(&acme(), &scenarios::partner_spec(&json!({})));
}

async fn wait_until_ready(world: &SimWorld, key: &SimObjectKey) {
    let is_so = |world: &SimWorld| world.object(key).is_some_and(|object| is_ready(&object));
    world.wait_until(&format!("{} is Ready", key.name), is_so).await;
}

fn has_condition(world: &SimWorld, key: &SimObjectKey, kind: &str, reason: &str) -> bool {
    world.object(key).and_then(|object| condition(&object, kind)).is_some_and(|(_, why)| why == reason)
}

/// Delays every answer of the platform, except for tokens.
fn slow_down_platform(world: &SimWorld, pause: Duration) {
    world.lock().fates = Box::new(move |_, ask: &SimRequest| {
        let is_tenants = ask.side == SimServer::Platform && ask.path.starts_with("/api/");
        if is_tenants { RequestFate::SlowReply(pause) } else { RequestFate::Pass }
    });
}

#[test]
fn the_cluster_id_is_in_every_mark() {
    let world = new_default_world();
    let mut settings = settings_with(&[]);
    settings.cluster_id = Some("elsewhere".to_owned());
    let done = run_life(&world, &OperatorLife::new(1), settings, async {
        create_partner(&world);
        wait_until_ready(&world, &acme()).await;
        let place = world.tenant(&acme()).unwrap().place;
        assert_eq!(place.as_deref(), Some("elsewhere/Partner/a/acme"));
    });
    assert!(done.is_some());
}

#[test]
fn drift_is_looked_for_at_the_interval() {
    let world = new_default_world();
    run_script_with_flags(&world, &["--drift-interval", "3h"], async || {
        create_partner(&world);
        wait_until_ready(&world, &acme()).await;
        tokio::time::sleep(Duration::from_mins(10)).await;
        let tenant = world.tenant(&acme()).unwrap();
        world.change_in_console(&tenant, &json!({"name": "Renamed"}));
        tokio::time::sleep(Duration::from_hours(2)).await;
        assert_eq!(world.tenant(&acme()).unwrap().name, "Renamed", "the interval is not over");
        tokio::time::sleep(Duration::from_mins(90)).await;
        assert_eq!(world.tenant(&acme()).unwrap().name, "Acme");
    });
}

#[test]
fn a_request_is_given_up_after_its_time() {
    for (flags, is_made) in [(&["--request-timeout", "5s"][..], false), (&[], true)] {
        let world = new_default_world();
        run_script_with_flags(&world, flags, async || {
            slow_down_platform(&world, Duration::from_secs(12));
            create_partner(&world);
            tokio::time::sleep(Duration::from_mins(15)).await;
            let object = world.object(&acme()).unwrap();
            assert_eq!(is_ready(&object), is_made, "{flags:?}: {}", object["status"]);
        });
    }
}

#[test]
fn a_pass_is_given_up_after_its_time() {
    let world = new_default_world();
    run_script_with_flags(&world, &["--pass-timeout", "20s"], async || {
        slow_down_platform(&world, Duration::from_secs(12));
        create_partner(&world);
        world.wait_until("it is given up", |world| has_condition(world, &acme(), "Ready", "InternalError")).await;
    });
}

#[test]
fn as_many_passes_as_allowed_wait_for_a_slow_platform() {
    for (flags, at_once) in [(&["--concurrency", "1"][..], false), (&[], true)] {
        let world = new_default_world();
        run_script_with_flags(&world, flags, async || {
            let looks: std::sync::Arc<std::sync::Mutex<Vec<Timestamp>>> = std::sync::Arc::default();
            let recorded = std::sync::Arc::clone(&looks);
            world.lock().fates = Box::new(move |_, ask: &SimRequest| {
                let is_create = ask.side == SimServer::Platform && ask.is_write() && ask.path.ends_with("/msps");
                if !is_create {
                    return RequestFate::Pass;
                }
                recorded.lock().unwrap().push(tenantry_runtime::clock::now());
                RequestFate::SlowReply(Duration::from_secs(30))
            });
            for name in ["one", "two"] {
                let spec = scenarios::partner_spec(&json!({"details": {"name": name}}));
                world.create(&SimObjectKey::new(PARTNERS, "a", name), &spec);
            }
            for name in ["one", "two"] {
                wait_until_ready(&world, &SimObjectKey::new(PARTNERS, "a", name)).await;
            }
            let times = looks.lock().unwrap().clone();
            let apart = times[1].duration_since(times[0]).as_secs();
            assert_eq!(apart < 30, at_once, "{flags:?}: {times:?}");
        });
    }
}

#[test]
fn no_more_tenants_are_ended_than_allowed() {
    for (flag, key) in
        [("--max-partner-terminations-per-hour", acme()), ("--max-client-terminations-per-hour", globex())]
    {
        let world = new_default_world();
        run_script_with_flags(&world, &[flag, "0"], async || {
            create_partner(&world);
            wait_until_ready(&world, &acme()).await;
            if key == globex() {
                world.create(&globex(), &json!({"partnerRef": {"name": "acme"}, "details": {"name": "Globex"}}));
                wait_until_ready(&world, &globex()).await;
            }
            world.edit(&key, &scenarios::confirmed_deletion(&world, &key, 0));
            world.delete(&key);
            world.wait_until("it is held", |world| has_condition(world, &key, "DeletionBlocked", "BreakerOpen")).await;
            tokio::time::sleep(Duration::from_hours(3)).await;
            assert_ne!(world.tenant(&key).unwrap().state, "TERMINATED", "{flag}");
        });
    }
}
