//! The effects of a push, and their limits.

use serde_json::json;

use super::{count_created_tenants, shared_fixture};

#[test]
fn whatever_comes_first_all_is_ready_and_what_others_change_is_put_back() {
    let fixture = shared_fixture();
    let namespace = fixture.world.create_namespace("flux-order");
    let git = fixture.flux.repository(&namespace);
    git.follow_repository();
    git.list_only(&["globex.yaml"]);
    let revision = git.push_revision();
    git.wait_until_unhealthy(&revision);
    namespace.wait_until_not_ready("client/globex", "PartnerNotFound");

    git.restore_file("kustomization.yaml");
    git.push_and_wait();
    let (partner, client) = (namespace.wait_until_ready("partner/acme"), namespace.wait_until_ready("client/globex"));
    let city = || namespace.read_client_tenant(&partner, &client)["city"].clone();
    assert_eq!(city(), "Hamburg");

    namespace.merge_patch("client/globex", &json!({"spec": {"details": {"city": "Bremen"}}}));
    namespace.wait_until("the edit by hand is put back", || {
        Ok(namespace.get("client/globex").unwrap()["spec"]["details"]["city"] == "Hamburg" && city() == "Hamburg")
    });

    git.edit_file("globex.yaml", &json!({"spec": {"details": {"city": "Bonn"}}}));
    git.push_revision();
    namespace.wait_until("the push is on the platform", || Ok(city() == "Bonn"));
    git.restore_file("globex.yaml");
    git.push_revision();
    namespace.wait_until("the revert is on the platform", || Ok(city() == "Hamburg"));

    git.list_only(&["globex.yaml"]);
    git.push_and_wait();
    assert_eq!(namespace.wait_until_ready("partner/acme"), partner, "a Partner that vanishes from Git stays");
    assert_eq!(count_created_tenants(&namespace, &partner), 1);
}

#[test]
fn a_bad_push_fails_and_says_why() {
    let fixture = shared_fixture();
    let namespace = fixture.world.create_namespace("flux-bad");
    let git = fixture.flux.repository(&namespace);
    git.follow_repository();
    git.push_revision();
    let partner = namespace.wait_until_ready("partner/acme");
    let client = namespace.wait_until_ready("client/globex");

    // A refusal of the API server, in our own words.
    git.edit_file(
        "globex.yaml",
        &json!({"spec": {"addOns": ["SLAManagement"], "packages": ["HybridDiscoveryAndMonitoring"]}}),
    );
    let (reason, message) = git.push_and_wait_refused();
    assert_eq!(reason, "ReconciliationFailed", "{message}");
    assert!(message.contains("SLAManagement") && message.contains("EventAndIncidentManagement"), "{message}");

    // A refusal that only the operator can give: Flux names the object, and the object gives the reason.
    git.edit_file("globex.yaml", &json!({"spec": {"details": {"timezone": "Mars/Olympus"}}}));
    let (reason, message) = git.push_and_wait_refused();
    assert_eq!(reason, "HealthCheckFailed", "{message}");
    assert!(message.contains(&format!("Client/{}/globex status: 'Failed'", namespace.name)), "{message}");
    let error_message = namespace.wait_until_not_ready("client/globex", "InvalidValue");
    assert!(error_message.contains("Mars/Olympus"), "{error_message}");

    git.restore_file("globex.yaml");
    git.push_and_wait();
    assert_eq!(namespace.wait_until_ready("client/globex"), client);
    assert_eq!(count_created_tenants(&namespace, &partner), 1);
}
