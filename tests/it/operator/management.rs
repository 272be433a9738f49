//! Tests of adoption, observation, pause, reported drift, approval and locks.

use serde_json::{Value, json};

use crate::world::{TestNamespace, TestWorld};

/// Creates a Partner that is Ready and a tenant under it that no object declares.
fn partner_with_undeclared_tenant(prefix: &str, tenant: &Value) -> (TestNamespace<'static>, String, String) {
    let namespace = TestWorld::shared_world().create_namespace(prefix);
    namespace.apply_partner("acme", &json!({}));
    let partner = namespace.wait_until_ready("partner/acme");
    let mut body = json!({"name": namespace.tenant_name("globex"), "city": "Bonn"});
    crate::world::merge_json(&mut body, tenant);
    namespace.world.tenancy.change_tenant(&format!("{partner}/clients"), &body).unwrap();
    let active_clients = namespace.world.tenancy.get(&format!("{partner}/clients/minimal")).unwrap();
    let id = active_clients[0]["uniqueId"].as_str().unwrap().to_owned();
    (namespace, partner, id)
}

fn count_clients(namespace: &TestNamespace<'_>, partner: &str) -> usize {
    namespace.world.tenancy.get(&format!("{partner}/clients/minimal")).unwrap().as_array().unwrap().len()
}

#[test]
fn a_tenant_is_refused_by_name_then_taken_over_by_id_when_nothing_differs() {
    let (space, partner, id) = partner_with_undeclared_tenant("adopt", &json!({}));
    space.apply_client("globex", &json!({"details": {"city": "Berlin"}}));
    let message = space.wait_until_not_ready("client/globex", "NameTaken");
    assert!(message.contains(&format!("uniqueId: {id}")), "{message}");
    space.merge_patch("client/globex", &json!({"spec": {"adoption": {"policy": "IfIdentical", "uniqueId": id}}}));
    let message = space.wait_until_not_ready("client/globex", "NotIdentical");
    assert!(message.contains("`details.city`"), "{message}");
    assert_eq!(space.read_client_tenant(&partner, &id)["city"], "Bonn", "nothing was written");
    space.merge_patch("client/globex", &json!({"spec": {"details": {"city": "Bonn"}}}));
    assert_eq!(space.wait_until_ready("client/globex"), id);
    space.wait_until("the mark is there", || {
        Ok(space.read_client_tenant(&partner, &id)["managedBy"]["name"] == "globex")
    });
    assert_eq!(count_clients(&space, &partner), 1);
    space.wait_until("the event is there", || Ok(space.event_reasons("globex").contains(&"Adopted".to_owned())));
    // Adoption happens once: a later edit is written as for any tenant.
    space.merge_patch("client/globex", &json!({"spec": {"details": {"city": "Berlin"}}}));
    space.wait_until("the edit is there", || Ok(space.read_client_tenant(&partner, &id)["city"] == "Berlin"));
}

#[test]
fn a_name_of_another_object_of_the_namespace_says_whose_it_is_and_how_the_tenant_moves() {
    let namespace = TestWorld::shared_world().create_namespace("twins");
    namespace.apply_partner("acme", &json!({}));
    namespace.wait_until_ready("partner/acme");
    namespace.apply_client("globex", &json!({}));
    let id = namespace.wait_until_ready("client/globex");
    let name = namespace.tenant_name("globex");
    namespace.apply_client("twin", &json!({"details": {"name": name}}));
    let message = namespace.wait_until_not_ready("client/twin", "NameTaken");
    for word in [
        format!("tenant `{id}`"),
        format!("belongs to Client `{}/globex`", namespace.name),
        "`handOver: {name: twin}`".to_owned(),
    ] {
        assert!(message.contains(&word), "`{message}` does not say `{word}`");
    }
    // The remedy in the message works.
    namespace.merge_patch("client/globex", &json!({"spec": {"handOver": {"name": "twin"}}}));
    namespace.merge_patch("client/twin", &json!({"spec": {"adoption": {"policy": "IfIdentical", "uniqueId": id}}}));
    assert_eq!(namespace.wait_until_ready("client/twin"), id);
}

#[test]
fn adopt_writes_what_differs_and_an_id_that_is_not_there_creates_nothing() {
    let (space, partner, id) = partner_with_undeclared_tenant("adopt", &json!({}));
    let spec = json!({"details": {"city": "Berlin"}, "adoption": {"policy": "Adopt", "uniqueId": id}});
    space.apply_client("globex", &spec);
    assert_eq!(space.wait_until_ready("client/globex"), id);
    assert_eq!(space.read_client_tenant(&partner, &id)["city"], "Berlin");
    space.apply_client("ghost", &json!({"adoption": {"policy": "Adopt", "uniqueId": "client_999999"}}));
    space.wait_until_not_ready("client/ghost", "AdoptionTargetNotFound");
    assert_eq!(count_clients(&space, &partner), 1);
}

#[test]
fn a_tenant_of_another_cluster_is_taken_only_when_its_owner_is_named() {
    let uid = format!("u-{}", std::process::id());
    let foreign = json!({"managedBy": {
        "cluster": "elsewhere", "kind": "Client", "namespace": "theirs", "name": "a", "uid": uid,
    }});
    let (space, partner, id) = partner_with_undeclared_tenant("owner", &foreign);
    space.apply_client("globex", &json!({"adoption": {"policy": "Adopt", "uniqueId": id}}));
    let message = space.wait_until_not_ready("client/globex", "OwnedElsewhere");
    for (word, is_said) in [("adoption.takeFrom", true), ("elsewhere", false), ("theirs", false), (&uid, false)] {
        assert_eq!(message.contains(word), is_said, "{message}");
    }
    assert_eq!(space.read_client_tenant(&partner, &id)["managedBy"]["cluster"], "elsewhere");
    space.merge_patch("client/globex", &json!({"spec": {"adoption": {"takeFrom": "elsewhere/Client/theirs/a"}}}));
    assert_eq!(space.wait_until_ready("client/globex"), id);
    assert_eq!(space.read_client_tenant(&partner, &id)["managedBy"]["name"], "globex");
}

#[test]
fn observe_writes_nothing_anywhere_and_promotion_runs_adoption() {
    let (space, partner, id) = partner_with_undeclared_tenant("observe", &json!({}));
    let observe = json!({
        "details": {"city": "Berlin"}, "adoption": {"uniqueId": id}, "management": {"mode": "Observe"},
    });
    space.apply_client("globex", &observe);
    assert_eq!(space.wait_until_ready("client/globex"), id);
    let object = space.get("client/globex").unwrap();
    assert_eq!(object["metadata"]["finalizers"], Value::Null);
    assert_eq!(object["status"]["drift"][0]["path"], "details.city");
    assert_eq!(space.condition("client/globex", "InSync").unwrap().0, "False");
    assert_eq!(space.read_client_tenant(&partner, &id)["managedBy"], Value::Null);
    space.merge_patch("client/globex", &json!({"spec": {"adoption": null, "management": null}}));
    space.wait_until_not_ready("client/globex", "NotAdopted");
    assert_eq!(space.read_client_tenant(&partner, &id)["city"], "Bonn");
    space.merge_patch("client/globex", &json!({"spec": {"adoption": {"policy": "Adopt", "uniqueId": id}}}));
    assert_eq!(space.wait_until_ready("client/globex"), id);
    assert_eq!(space.read_client_tenant(&partner, &id)["city"], "Berlin");
    space.merge_patch("client/globex", &json!({"spec": {"management": {"mode": "Observe"}}}));
    space.wait_until("the finalizer is gone", || {
        Ok(space.get("client/globex").unwrap()["metadata"]["finalizers"] == Value::Null)
    });
    assert_eq!(space.read_client_tenant(&partner, &id)["managedBy"]["name"], "globex", "the mark stays");
}

#[test]
fn paused_does_nothing_and_goes_on_where_it_was() {
    let namespace = TestWorld::shared_world().create_namespace("paused");
    namespace.apply_partner("acme", &json!({}));
    namespace.apply_client("globex", &json!({"details": {"city": "Berlin"}}));
    let (partner, client) = (namespace.wait_until_ready("partner/acme"), namespace.wait_until_ready("client/globex"));
    namespace.merge_patch(
        "client/globex",
        &json!({"spec": {"management": {"mode": "Paused"}, "details": {"city": "Bonn"}}}),
    );
    namespace.wait_until("it says so", || {
        Ok(namespace.condition("client/globex", "Paused").is_some_and(|(status, ..)| status == "True"))
    });
    assert_eq!(namespace.condition("client/globex", "Ready").unwrap().0, "True", "Ready keeps its value");
    std::thread::sleep(std::time::Duration::from_millis(2500));
    assert_eq!(namespace.read_client_tenant(&partner, &client)["city"], "Berlin");
    namespace.merge_patch("client/globex", &json!({"spec": {"management": {"mode": "Manage"}}}));
    namespace.wait_until("the edit is there", || Ok(namespace.read_client_tenant(&partner, &client)["city"] == "Bonn"));
    namespace.wait_until_ready("client/globex");
    assert_eq!(namespace.condition("client/globex", "Paused"), None);
}

#[test]
fn reported_drift_is_shown_and_left_while_an_edit_is_written() {
    let namespace = TestWorld::shared_world().create_namespace("report");
    namespace.apply_partner("acme", &json!({}));
    let spec = json!({"details": {"city": "Berlin", "state": "Berlin"}, "management": {"drift": "Report"}});
    namespace.apply_client("globex", &spec);
    let (partner, client) = (namespace.wait_until_ready("partner/acme"), namespace.wait_until_ready("client/globex"));
    namespace.world.tenancy.change_tenant(&namespace.client_path(&partner, &client), &json!({"city": "Bonn"})).unwrap();
    namespace.wait_until("it is shown", || {
        Ok(namespace.get("client/globex").unwrap()["status"]["drift"][0]["observed"] == "\"Bonn\"")
    });
    assert_eq!(namespace.condition("client/globex", "Ready").unwrap().0, "True");
    namespace.merge_patch("client/globex", &json!({"spec": {"details": {"state": "Brandenburg"}}}));
    namespace.wait_until("the edit is written", || {
        Ok(namespace.read_client_tenant(&partner, &client)["state"] == "Brandenburg")
    });
    namespace.wait_until_ready("client/globex");
    assert_eq!(namespace.read_client_tenant(&partner, &client)["city"], "Bonn", "only what was edited is written");
    assert_eq!(namespace.get("client/globex").unwrap()["status"]["drift"][0]["path"], "details.city");
}

#[test]
fn a_risky_plan_waits_for_its_hash_and_a_changed_world_needs_another() {
    let namespace = TestWorld::shared_world().create_namespace("approval");
    namespace.apply_partner("acme", &json!({}));
    let spec = json!({"management": {"approval": {"mode": "ManualIfRisky"}}, "details": {"city": "Berlin"}});
    namespace.apply_client("globex", &spec);
    let (partner, client) = (namespace.wait_until_ready("partner/acme"), namespace.wait_until_ready("client/globex"));
    namespace.merge_patch("client/globex", &json!({"spec": {"security": {"access": {"allowedIPs": ["10.0.0.1"]}}}}));
    let hash = |space: &TestNamespace<'_>| {
        space.get("client/globex").unwrap()["status"]["plan"]["hash"].as_str().unwrap_or_default().to_owned()
    };
    namespace.wait_until("a plan waits", || Ok(!hash(&namespace).is_empty()));
    let (status, reason, _) = namespace.condition("client/globex", "Ready").unwrap();
    assert_eq!((status.as_str(), reason.as_str()), ("Unknown", "ApprovalNeeded"));
    assert_eq!(namespace.condition("client/globex", "AwaitingApproval").unwrap().0, "True");
    let first = hash(&namespace);
    let path = namespace.client_path(&partner, &client);
    namespace.world.tenancy.change_tenant(&path, &json!({"city": "Bonn"})).unwrap();
    namespace.wait_until("another plan waits", || Ok(hash(&namespace) != first && !hash(&namespace).is_empty()));
    namespace.merge_patch("client/globex", &json!({"spec": {"management": {"approval": {"approvedPlan": first}}}}));
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert_eq!(namespace.read_client_tenant(&partner, &client)["whiteListedIps"].as_str().unwrap_or_default(), "");
    let approve = json!({"spec": {"management": {"approval": {"approvedPlan": hash(&namespace)}}}});
    namespace.merge_patch("client/globex", &approve);
    namespace.wait_until("it is written", || {
        Ok(namespace.read_client_tenant(&partner, &client)["whiteListedIps"] == "10.0.0.1")
    });
    namespace.wait_until_ready("client/globex");
    assert_eq!(namespace.get("client/globex").unwrap()["status"]["plan"], Value::Null);
}

#[test]
fn a_setting_that_somebody_keeps_changing_back_is_fought_over_three_times_and_then_reported() {
    let namespace = TestWorld::shared_world().create_namespace("fight");
    namespace.apply_partner("acme", &json!({}));
    namespace.apply_client("globex", &json!({"details": {"city": "Berlin"}}));
    let (partner, client) = (namespace.wait_until_ready("partner/acme"), namespace.wait_until_ready("client/globex"));
    let path = namespace.client_path(&partner, &client);
    for _ in 0..3 {
        namespace.world.tenancy.change_tenant(&path, &json!({"city": "Bonn"})).unwrap();
        namespace
            .wait_until("it is put right", || Ok(namespace.read_client_tenant(&partner, &client)["city"] == "Berlin"));
    }
    namespace.world.tenancy.change_tenant(&path, &json!({"city": "Bonn"})).unwrap();
    let message = namespace.wait_until_not_ready("client/globex", "ConflictingWriter");
    assert!(message.contains("`details.city`"), "{message}");
    assert_eq!(namespace.read_client_tenant(&partner, &client)["city"], "Bonn");
}

#[test]
fn a_locked_default_holds() {
    let namespace = TestWorld::shared_world().create_namespace("locked");
    let clients = json!({"defaults": {"country": "Germany"}, "locked": ["country"]});
    namespace.apply_partner("acme", &json!({"clients": clients}));
    namespace.wait_until_ready("partner/acme");
    namespace.apply_client("globex", &json!({"details": {"country": "France"}}));
    let message = namespace.wait_until_not_ready("client/globex", "PolicyViolation");
    assert!(message.contains("details.country") && message.contains("Germany"), "{message}");
    namespace.merge_patch("client/globex", &json!({"spec": {"details": {"country": "Germany"}}}));
    namespace.wait_until_ready("client/globex");
}
