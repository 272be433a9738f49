//! Tests of two operators on one cluster: one works, and the other one takes over if and only if it may.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::controlplane::{ControlPlaneOptions, KubernetesUser};
use crate::programs::{OperatorOptions, PlatformOptions, ServiceProcess};
use crate::world::{TestNamespace, TestWorld, use_short_lease};

mod installations;
mod lost_lease;
mod paused_leader;

/// Audits completed changes by the operators' own users, and every lease request of `limited`.
const AUDIT: &str = "
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  users: [first, second]
  verbs: [create, update, patch, delete, deletecollection]
- level: Metadata
  users: [limited]
  resources: [{group: coordination.k8s.io, resources: [leases]}]
- level: None
";

/// Starts a world whose first operator is the user `first`, so that the API server's log distinguishes it from the
/// others.
fn start_world(name: &str, change: impl FnOnce(&mut OperatorOptions)) -> TestWorld {
    let user = |name: &str| KubernetesUser { name: name.to_owned(), groups: vec!["system:masters".to_owned()] };
    let limited = KubernetesUser { name: "limited".to_owned(), groups: Vec::new() };
    let options = ControlPlaneOptions {
        users: vec![user("first"), user("second"), limited],
        audit_policy: Some(AUDIT.to_owned()),
        ..ControlPlaneOptions::default()
    };
    TestWorld::start_on(name, (options, &PlatformOptions::default()), |options| {
        options.kubeconfig = options.kubeconfig.with_file_name("first.kubeconfig");
        change(options);
    })
    .unwrap()
}

/// Returns what a user changed in the cluster, from the API server's audit log.
fn audited_changes(world: &TestWorld, user: &str) -> Vec<String> {
    let log = fs::read_to_string(world.control_plane.audit_log()).unwrap();
    let events = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events
        .filter(|event| event["user"]["username"] == user)
        .map(|event| format!("{} {}", event["verb"], event["objectRef"]["resource"]).replace('"', ""))
        .collect()
}

/// Does the same and counts them, without the changes of the lease itself.
fn count_changes_without_leases(world: &TestWorld, user: &str) -> usize {
    audited_changes(world, user).iter().filter(|change| !change.ends_with(" leases")).count()
}

/// Returns a user's lease requests, from the API server's audit log.
fn audited_lease_requests(world: &TestWorld, user: &str) -> Vec<Value> {
    let log = fs::read_to_string(world.control_plane.audit_log()).unwrap();
    let events = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["user"]["username"] == user && event["objectRef"]["resource"] == "leases").collect()
}

fn is_leading(operator: &ServiceProcess) -> bool {
    operator.metric("tenantry_operator_leader", &[]).is_ok_and(|leads| leads > 0.5)
}

fn pass_count(operator: &ServiceProcess) -> f64 {
    operator.metric("tenantry_operator_reconciles_total", &[]).unwrap()
}

/// Returns the time from `begin` until an operator is the leader.
fn wait_for_leadership(operator: &ServiceProcess, begin: Instant) -> Duration {
    while !is_leading(operator) {
        assert!(begin.elapsed() < Duration::from_mins(1), "it never led:\n{}", operator.log().unwrap());
        std::thread::sleep(Duration::from_millis(10));
    }
    begin.elapsed()
}

fn create_clients(space: &TestNamespace<'_>, numbers: std::ops::Range<usize>) {
    for number in numbers {
        space.apply_client(&format!("c{number}"), &json!({}));
    }
}

/// shows: faults/28
#[test]
fn of_two_operators_one_works_and_the_other_takes_over_at_once_from_one_that_ends_and_in_time_from_one_that_died() {
    let mut world = start_world("leader", |options| "1h".clone_into(&mut options.drift_interval));
    let begin = Instant::now();
    let alone = wait_for_leadership(&world.operator, begin);
    assert!(alone < Duration::from_secs(5), "one that is alone led only after {alone:?}");
    let mut second = world.start_another_operator("second", "second").unwrap();
    let space = world.create_namespace("leader");
    space.apply_partner("acme", &json!({}));
    create_clients(&space, 0..5);
    for number in 0..5 {
        space.wait_until_ready(&format!("client/c{number}"));
    }
    assert!(is_leading(&world.operator) && !is_leading(&second));
    assert_eq!(audited_changes(&world, "second"), Vec::<String>::new());
    assert!(pass_count(&second).abs() < 0.5, "a standby makes no pass, so it asks the platform for nothing");
    let name = space.name.clone();

    let begin = Instant::now();
    world.operator.process().signal("TERM").unwrap();
    let handed = wait_for_leadership(&second, begin);
    println!("handed over after {handed:?}");
    assert!(handed < Duration::from_secs(2), "a leader that was asked to end handed over after {handed:?}");
    assert_eq!(world.operator.process().wait(Duration::from_secs(5)).unwrap(), Some(0));
    let before = count_changes_without_leases(&world, "first");
    let space = TestNamespace::existing(&world, name.clone());
    create_clients(&space, 5..8);
    for number in 5..8 {
        space.wait_until_ready(&format!("client/c{number}"));
    }
    assert_eq!(count_changes_without_leases(&world, "first"), before);

    let third = world.start_another_operator("third", "admin").unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let begin = Instant::now();
    second.process().kill().unwrap();
    // There is no leader. The standby receives this event and must still reconcile it after it becomes the leader.
    let space = TestNamespace::existing(&world, name);
    space.apply_client("c0", &json!({"details": {"city": "Bonn"}}));
    let waited = wait_for_leadership(&third, begin);
    println!("taken over after {waited:?}");
    // The leader renewed at most one retry period before, and the standby checked at most a quarter of that later.
    assert!(waited > Duration::from_millis(12_500), "it took over {waited:?} after the last leader's death");
    assert!(waited < Duration::from_secs(25), "it took over only {waited:?} after the last leader's death");
    create_clients(&space, 8..9);
    space.wait_until_ready("client/c8");
    space.wait_until_ready("client/c0");
    assert_eq!(world.tenancy.create_counts().unwrap().clients, 9);
}
