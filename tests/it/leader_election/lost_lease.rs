//! Tests of a leader that can no longer renew its lease.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{ServiceProcess, audited_lease_requests, is_leading, start_world, use_short_lease, wait_for_leadership};
use crate::world::{TestNamespace, TestWorld};

/// All permissions that the operator needs except those for the lease, and separately those for the lease.
const RIGHTS: &str = "
apiVersion: v1
kind: List
items:
- apiVersion: rbac.authorization.k8s.io/v1
  kind: ClusterRole
  metadata: {name: limited}
  rules:
  - {apiGroups: ['', tenantry.dev, events.k8s.io, apiextensions.k8s.io], resources: ['*'], verbs: ['*']}
- apiVersion: rbac.authorization.k8s.io/v1
  kind: ClusterRoleBinding
  metadata: {name: limited}
  roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: limited}
  subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: limited}]
- apiVersion: rbac.authorization.k8s.io/v1
  kind: Role
  metadata: {name: lease, namespace: tenantry-system}
  rules:
  - {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, create, update]}
";

const LEASE: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: lease, namespace: tenantry-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: lease}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: limited}]
";

fn apply_manifest(world: &TestWorld, text: &str) {
    world.kubectl.run_with(&["apply", "-f", "-"], text).unwrap();
}

/// Waits until an operator has exited with a failure.
fn wait_until_failed(operator: &mut ServiceProcess) {
    let ended = operator.process().wait(Duration::from_secs(30)).unwrap();
    assert_eq!(ended, Some(1), "it did not end as failed:\n{}", operator.log().unwrap());
}

fn parse_time_value(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

/// Asserts that an operator that cannot renew has stepped down `times` times, each time before its lease expired: after
/// that another one may lead. Both times are recorded as they happen, the renewals by the API server.
fn assert_stepped_down_in_time(world: &TestWorld, operator: &ServiceProcess, times: usize) {
    let lease = SignedDuration::from_secs(6);
    let log = operator.log().unwrap();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let is_down = |line: &Value| line.to_string().contains("could not be renewed");
    let downs: Vec<Timestamp> = lines.filter(is_down).map(|line| parse_time_value(&line["timestamp"])).collect();
    assert_eq!(downs.len(), times, "{log}");
    let granted = audited_lease_requests(world, "limited")
        .into_iter()
        .filter(|event| event["verb"] != "get" && event["responseStatus"]["code"].as_u64() < Some(300));
    let renewed: Vec<Timestamp> = granted.map(|event| parse_time_value(&event["requestReceivedTimestamp"])).collect();
    for down in downs {
        let last = *renewed.iter().filter(|renewed| **renewed < down).max().unwrap();
        assert!(down < last + lease, "renewed at {last}, it stepped down only at {down}");
    }
}

/// shows: faults/26
#[test]
fn a_leader_that_may_not_or_cannot_renew_its_lease_ends_as_failed_and_changes_nothing_more() {
    let mut world = start_world("cut-off", use_short_lease);
    world.operator.process().stop().unwrap();
    apply_manifest(&world, RIGHTS);
    apply_manifest(&world, LEASE);
    let mut limited = world.start_another_operator("limited", "limited").unwrap();
    wait_for_leadership(&limited, Instant::now());
    let namespace = world.create_namespace("cut-off");
    let name = namespace.name.clone();
    namespace.apply_partner("acme", &json!({}));
    namespace.apply_client("globex", &json!({}));
    namespace.wait_until_ready("client/globex");

    world.kubectl.run(&["-n", "tenantry-system", "delete", "rolebinding", "lease"]).unwrap();
    wait_until_failed(&mut limited);
    let is_refused = |event: &Value| event["responseStatus"]["code"] == 403;
    let refused = audited_lease_requests(&world, "limited").iter().filter(|event| is_refused(event)).count();
    assert!(refused > 1, "one refused renewal is no reason to end: {refused}");
    let log = limited.log().unwrap();
    assert!(log.contains("could not be renewed") && log.contains("forbidden"), "{log}");
    assert_stepped_down_in_time(&world, &limited, 1);
    let before = world.platform_writes();
    namespace.apply_client("globex", &json!({"details": {"city": "Berlin"}}));

    // Without the permission it is a standby that reports why and never works.
    limited.restart().unwrap();
    std::thread::sleep(Duration::from_secs(5));
    assert!(!is_leading(&limited) && (world.platform_writes() - before).abs() < 0.5);
    assert!(limited.log().unwrap().contains("the lease cannot be kept"));
    apply_manifest(&world, LEASE);
    wait_for_leadership(&limited, Instant::now());
    namespace.wait_until_ready("client/globex");
    assert!(world.platform_writes() > before);

    // A server that never answers has the same effect as one that refuses.
    world.control_plane.apiserver().signal("STOP").unwrap();
    wait_until_failed(&mut limited);
    world.control_plane.apiserver().signal("CONT").unwrap();
    let namespace = TestNamespace::existing(&world, name);
    namespace.get("client/globex");
    assert_stepped_down_in_time(&world, &limited, 2);
    limited.restart().unwrap();
    namespace.apply_client("globex", &json!({"details": {"city": "Bonn"}}));
    namespace.wait_until_ready("client/globex");
}
