//! What a push brings, and what it does not.

use serde_json::json;

use super::{created, stage};

#[test]
fn whatever_comes_first_all_is_ready_and_what_others_change_is_put_back() {
    let stage = stage();
    let space = stage.world.namespace("flux-order");
    let git = stage.flux.repository(&space);
    git.follow();
    git.only(&["globex.yaml"]);
    let revision = git.push();
    git.is_waited_for(&revision);
    space.not_ready("client/globex", "PartnerNotFound");

    git.restore("kustomization.yaml");
    git.applied();
    let (partner, client) = (space.ready("partner/acme"), space.ready("client/globex"));
    let city = || space.platform_client(&partner, &client)["city"].clone();
    assert_eq!(city(), "Hamburg");

    space.patch("client/globex", &json!({"spec": {"details": {"city": "Bremen"}}}));
    space.until("the edit by hand is put back", || {
        Ok(space.get("client/globex").unwrap()["spec"]["details"]["city"] == "Hamburg" && city() == "Hamburg")
    });

    git.edit("globex.yaml", &json!({"spec": {"details": {"city": "Bonn"}}}));
    git.push();
    space.until("the push is on the platform", || Ok(city() == "Bonn"));
    git.restore("globex.yaml");
    git.push();
    space.until("the revert is on the platform", || Ok(city() == "Hamburg"));

    git.only(&["globex.yaml"]);
    git.applied();
    assert_eq!(space.ready("partner/acme"), partner, "a Partner that vanishes from Git stays");
    assert_eq!(created(&space, &partner), 1);
}

#[test]
fn a_bad_push_fails_and_says_why() {
    let stage = stage();
    let space = stage.world.namespace("flux-bad");
    let git = stage.flux.repository(&space);
    git.follow();
    git.push();
    let partner = space.ready("partner/acme");
    let client = space.ready("client/globex");

    // What the API server refuses, in our own words.
    git.edit(
        "globex.yaml",
        &json!({"spec": {"addOns": ["SLAManagement"], "packages": ["HybridDiscoveryAndMonitoring"]}}),
    );
    let (reason, message) = git.refused();
    assert_eq!(reason, "ReconciliationFailed", "{message}");
    assert!(message.contains("SLAManagement") && message.contains("EventAndIncidentManagement"), "{message}");

    // What only the operator can know: Flux names the object, and the object says why.
    git.edit("globex.yaml", &json!({"spec": {"details": {"timezone": "Mars/Olympus"}}}));
    let (reason, message) = git.refused();
    assert_eq!(reason, "HealthCheckFailed", "{message}");
    assert!(message.contains(&format!("Client/{}/globex status: 'Failed'", space.name)), "{message}");
    let said = space.not_ready("client/globex", "InvalidValue");
    assert!(said.contains("Mars/Olympus"), "{said}");

    git.restore("globex.yaml");
    git.applied();
    assert_eq!(space.ready("client/globex"), client);
    assert_eq!(created(&space, &partner), 1);
}
