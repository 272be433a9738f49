//! Health as Flux evaluates it: by the conditions alone, and with the expressions of the example.

use serde_json::json;

use super::shared_fixture;
use crate::page_commands::external_commands::{STRICT_HEALTH, strs};

#[test]
fn conditions_alone_suffice_and_the_strict_health_checks_want_the_platform_equal_too() {
    let fixture = shared_fixture();
    let namespace = fixture.world.create_namespace("flux-health");
    let git = fixture.flux.repository(&namespace);
    git.follow_repository();
    let report = json!({"spec": {"management": {"drift": "Report"}}});
    git.edit_file("globex.yaml", &report);
    git.push_revision();
    let (partner, client) = (namespace.wait_until_ready("partner/acme"), namespace.wait_until_ready("client/globex"));
    let path = namespace.client_path(&partner, &client);
    namespace.world.tenancy.change_tenant(&path, &json!({"city": "Bremen"})).unwrap();
    let in_sync = || Ok(namespace.condition("client/globex", "InSync").is_some_and(|(status, ..)| status == "False"));
    namespace.wait_until("the drift is reported", in_sync);
    git.push_and_wait();

    let words = STRICT_HEALTH.words("kubectl", &[("acme", &namespace.name)]);
    namespace.world.kubectl.run(&strs(&words)).unwrap();
    let (reason, message) = git.push_and_wait_refused();
    assert_eq!(reason, "HealthCheckFailed", "{message}");
    assert!(message.contains("/globex status: 'Failed'"), "{message}");

    // Waiting for a person's approval does not fail the push.
    let asked = json!({"spec": {"management": {"approval": {"mode": "Manual"}}, "details": {"city": "Bonn"}}});
    git.edit_file("globex.yaml", &asked);
    git.push_and_wait();
    let waits = namespace.condition("client/globex", "AwaitingApproval").unwrap();
    assert_eq!(waits.0, "True", "{waits:?}");
    assert_eq!(namespace.world.tenancy.get(&path).unwrap()["city"], "Bremen");
}
