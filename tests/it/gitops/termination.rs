//! Terminates a tenant through Git, and cancels in every way.

use serde_json::{Value, json};

use super::flux::GitRepository;
use super::{count_created_tenants, page, shared_fixture};
use crate::world::TestNamespace;

fn tenant_state(namespace: &TestNamespace<'_>, path: &str) -> Value {
    namespace.world.tenancy.get(path).map_or(Value::Null, |tenant| tenant["status"].clone())
}

fn client_uid(namespace: &TestNamespace<'_>) -> Value {
    namespace.get("client/globex").unwrap()["metadata"]["uid"].clone()
}

/// Writes the consent into the repository: the block that the object's status offers.
fn write_consent(git: &GitRepository<'_>, namespace: &TestNamespace<'_>, grace: u32) {
    let mut spec = namespace.offered_confirmation("client/globex", grace);
    spec["spec"]["deletion"]["policy"] = json!("Terminate");
    git.edit_file("globex.yaml", &spec);
}

/// Pushes `policy: Terminate` without a consent.
fn push_termination_request(git: &GitRepository<'_>, namespace: &TestNamespace<'_>) {
    git.edit_file("globex.yaml", &json!({"spec": {"deletion": {"policy": "Terminate"}}}));
    git.push_revision();
    namespace.offered_confirmation("client/globex", 0);
}

/// Waits until the namespace has its Client. Returns the paths of Partner and Client on the platform.
fn follow_repository<'a>(git: &GitRepository<'_>, namespace: &'a TestNamespace<'a>) -> (String, String) {
    git.follow_repository();
    git.push_revision();
    let (partner, client) = (namespace.wait_until_ready("partner/acme"), namespace.wait_until_ready("client/globex"));
    let path = namespace.client_path(&partner, &client);
    (partner, path)
}

#[test]
fn a_prune_leaves_the_tenant_and_a_revert_takes_it_up_again() {
    let fixture = shared_fixture();
    let namespace = fixture.world.create_namespace("flux-prune");
    let git = fixture.flux.repository(&namespace);
    let (partner, path) = follow_repository(&git, &namespace);
    let first = client_uid(&namespace);
    git.list_only(&["acme.yaml"]);
    git.push_revision();
    namespace.wait_until_gone("client/globex");
    assert_eq!(tenant_state(&namespace, &path), "ACTIVE");
    git.restore_file("kustomization.yaml");
    git.push_revision();
    assert_eq!(namespace.client_path(&partner, &namespace.wait_until_ready("client/globex")), path);
    assert_ne!(client_uid(&namespace), first, "it is another object");
    namespace.wait_until("it says so", || Ok(namespace.event_reasons("globex").contains(&"Reattached".to_owned())));
    assert_eq!(count_created_tenants(&namespace, &partner), 1);
}

#[test]
fn an_end_takes_the_verb_of_the_account_and_both_reverted_bring_the_tenant_back() {
    let fixture = shared_fixture();
    let namespace = fixture.world.create_namespace("flux-end");
    let git = fixture.flux.repository(&namespace);
    let (partner, path) = follow_repository(&git, &namespace);

    push_termination_request(&git, &namespace);
    git.list_only(&["acme.yaml"]);
    let (reason, message) = git.push_and_wait_refused();
    assert_eq!(reason, "PruneFailed", "{message}");
    assert!(message.contains("this would end the tenant for ever"), "{message}");

    git.restore_file("kustomization.yaml");
    write_consent(&git, &namespace, 3600);
    let revision = git.push_revision();
    let (reason, message) = git.wait_until_refused(&revision);
    assert_eq!(reason, "ReconciliationFailed", "{message}");
    let account = format!("`system:serviceaccount:{}:tenants` may not consent to the end of a tenant", namespace.name);
    assert!(message.contains(&account) && message.contains("verb `terminate`"), "{message}");
    let words = message.replace(&namespace.name, "acme");
    let quoted =
        words.find("`system:").zip(words.find("in namespace `acme`")).map(|(from, to)| &words[from..to]).unwrap();
    assert!(page::page_contains(quoted), "docs/gitops.md does not say: {quoted}");
    let is_confirmed = || Ok(namespace.get("client/globex").unwrap()["spec"]["deletion"]["confirm"].is_object());
    assert!(matches!(is_confirmed(), Ok(false)));
    git.apply_as_admin("terminator.yaml");
    namespace.wait_until("the consent is there", is_confirmed);

    let first = client_uid(&namespace);
    git.list_only(&["acme.yaml"]);
    git.push_revision();
    namespace.wait_until("it is suspended for its end", || Ok(tenant_state(&namespace, &path) == "SUSPENDED"));
    git.restore_file("globex.yaml");
    git.restore_file("kustomization.yaml");
    git.push_revision();
    namespace.wait_until("the tenant is active again", || Ok(tenant_state(&namespace, &path) == "ACTIVE"));
    namespace.wait_until("the object has gone", || {
        Ok(namespace.get("client/globex").is_none_or(|found| found["metadata"]["uid"] != first))
    });
    git.request_reconcile();
    assert_eq!(namespace.client_path(&partner, &namespace.wait_until_ready("client/globex")), path);
    assert_ne!(client_uid(&namespace), first, "it is another object");

    push_termination_request(&git, &namespace);
    write_consent(&git, &namespace, 2);
    git.push_revision();
    namespace.wait_until("the consent is there again", is_confirmed);
    git.list_only(&["acme.yaml"]);
    git.push_revision();
    namespace.wait_until_gone("client/globex");
    assert!(
        [json!("TERMINATED"), Value::Null].contains(&tenant_state(&namespace, &path)),
        "{}",
        tenant_state(&namespace, &path)
    );
    assert_eq!(count_created_tenants(&namespace, &partner), 1);
    assert_eq!(namespace.wait_until_ready("partner/acme"), partner);
}
