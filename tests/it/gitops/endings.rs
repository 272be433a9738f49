//! The end of a tenant through Git, and all the ways back.

use serde_json::{Value, json};

use super::flux::Repository;
use super::{created, page, stage};
use crate::world::Space;

fn state(space: &Space<'_>, path: &str) -> Value {
    space.world.tenancy.get(path).map_or(Value::Null, |tenant| tenant["status"].clone())
}

fn uid(space: &Space<'_>) -> Value {
    space.get("client/globex").unwrap()["metadata"]["uid"].clone()
}

/// Writes the consent into the repository: the block that the object's status offers.
fn consent(git: &Repository<'_>, space: &Space<'_>, grace: u32) {
    let mut spec = space.confirm("client/globex", grace);
    spec["spec"]["deletion"]["policy"] = json!("Terminate");
    git.edit("globex.yaml", &spec);
}

/// Pushes the wish for an end, without consent.
fn wanted(git: &Repository<'_>, space: &Space<'_>) {
    git.edit("globex.yaml", &json!({"spec": {"deletion": {"policy": "Terminate"}}}));
    git.push();
    space.confirm("client/globex", 0);
}

/// A namespace whose Client is there, and the paths of Partner and Client on the platform.
fn followed<'a>(git: &Repository<'_>, space: &'a Space<'a>) -> (String, String) {
    git.follow();
    git.push();
    let (partner, client) = (space.ready("partner/acme"), space.ready("client/globex"));
    let path = space.client_path(&partner, &client);
    (partner, path)
}

#[test]
fn a_prune_leaves_the_tenant_and_a_revert_takes_it_up_again() {
    let stage = stage();
    let space = stage.world.namespace("flux-prune");
    let git = stage.flux.repository(&space);
    let (partner, path) = followed(&git, &space);
    let first = uid(&space);
    git.only(&["acme.yaml"]);
    git.push();
    space.gone("client/globex");
    assert_eq!(state(&space, &path), "ACTIVE");
    git.restore("kustomization.yaml");
    git.push();
    assert_eq!(space.client_path(&partner, &space.ready("client/globex")), path);
    assert_ne!(uid(&space), first, "it is another object");
    space.until("it says so", || Ok(space.events("globex").contains(&"Reattached".to_owned())));
    assert_eq!(created(&space, &partner), 1);
}

#[test]
fn an_end_takes_the_verb_of_the_account_and_both_reverted_bring_the_tenant_back() {
    let stage = stage();
    let space = stage.world.namespace("flux-end");
    let git = stage.flux.repository(&space);
    let (partner, path) = followed(&git, &space);

    wanted(&git, &space);
    git.only(&["acme.yaml"]);
    let (reason, message) = git.refused();
    assert_eq!(reason, "PruneFailed", "{message}");
    assert!(message.contains("this would end the tenant for ever"), "{message}");

    git.restore("kustomization.yaml");
    consent(&git, &space, 3600);
    let revision = git.push();
    let (reason, message) = git.is_refused(&revision);
    assert_eq!(reason, "ReconciliationFailed", "{message}");
    let account = format!("`system:serviceaccount:{}:tenants` may not consent to the end of a tenant", space.name);
    assert!(message.contains(&account) && message.contains("verb `terminate`"), "{message}");
    let words = message.replace(&space.name, "acme");
    let quoted =
        words.find("`system:").zip(words.find("in namespace `acme`")).map(|(from, to)| &words[from..to]).unwrap();
    assert!(page::says(quoted), "docs/gitops.md does not say: {quoted}");
    let is_confirmed = || Ok(space.get("client/globex").unwrap()["spec"]["deletion"]["confirm"].is_object());
    assert!(matches!(is_confirmed(), Ok(false)));
    git.administer("terminator.yaml");
    space.until("the consent is there", is_confirmed);

    let first = uid(&space);
    git.only(&["acme.yaml"]);
    git.push();
    space.until("it is suspended for its end", || Ok(state(&space, &path) == "SUSPENDED"));
    git.restore("globex.yaml");
    git.restore("kustomization.yaml");
    git.push();
    space.until("the tenant is active again", || Ok(state(&space, &path) == "ACTIVE"));
    space.until("the object has gone", || {
        Ok(space.get("client/globex").is_none_or(|found| found["metadata"]["uid"] != first))
    });
    git.reconcile();
    assert_eq!(space.client_path(&partner, &space.ready("client/globex")), path);
    assert_ne!(uid(&space), first, "it is another object");

    wanted(&git, &space);
    consent(&git, &space, 2);
    git.push();
    space.until("the consent is there again", is_confirmed);
    git.only(&["acme.yaml"]);
    git.push();
    space.gone("client/globex");
    assert!([json!("TERMINATED"), Value::Null].contains(&state(&space, &path)), "{}", state(&space, &path));
    assert_eq!(created(&space, &partner), 1);
    assert_eq!(space.ready("partner/acme"), partner);
}
