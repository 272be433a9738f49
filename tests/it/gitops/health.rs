//! Health as Flux evaluates it: by the conditions alone, and with the expressions of the example.

use serde_json::json;

use super::shared_fixture;
use crate::consoles::apart::{STRICT_HEALTH, strs};

#[test]
fn conditions_alone_suffice_and_the_strict_health_checks_want_the_platform_equal_too() {
    let stage = shared_fixture();
    let space = stage.world.create_namespace("flux-health");
    let git = stage.flux.repository(&space);
    git.follow_repository();
    let report = json!({"spec": {"management": {"drift": "Report"}}});
    git.edit_file("globex.yaml", &report);
    git.push_revision();
    let (partner, client) = (space.wait_until_ready("partner/acme"), space.wait_until_ready("client/globex"));
    let path = space.client_path(&partner, &client);
    space.world.tenancy.change_tenant(&path, &json!({"city": "Bremen"})).unwrap();
    let in_sync = || Ok(space.condition("client/globex", "InSync").is_some_and(|(status, ..)| status == "False"));
    space.wait_until("the drift is reported", in_sync);
    git.push_and_wait();

    let words = STRICT_HEALTH.words("kubectl", &[("acme", &space.name)]);
    space.world.kubectl.run(&strs(&words)).unwrap();
    let (reason, message) = git.push_and_wait_refused();
    assert_eq!(reason, "HealthCheckFailed", "{message}");
    assert!(message.contains("/globex status: 'Failed'"), "{message}");

    // Waiting for a person's approval does not fail the push.
    let asked = json!({"spec": {"management": {"approval": {"mode": "Manual"}}, "details": {"city": "Bonn"}}});
    git.edit_file("globex.yaml", &asked);
    git.push_and_wait();
    let waits = space.condition("client/globex", "AwaitingApproval").unwrap();
    assert_eq!(waits.0, "True", "{waits:?}");
    assert_eq!(space.world.tenancy.get(&path).unwrap()["city"], "Bremen");
}
