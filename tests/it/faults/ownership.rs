//! Tests of falsified records, name conflicts, and tenants that were changed outside the cluster.

use std::time::Duration;

use serde_json::{Value, json};

use super::{FaultSite, site_with_client, site_with_partner, tenant_state};

/// Writes another unique id into an object's status, as only an administrator can.
fn write_foreign_id(site: &FaultSite<'_>, object: &str, id: &str) {
    let patch = json!({"status": {"uniqueId": id}}).to_string();
    site.namespace.kubectl(&["patch", object, "--subresource=status", "--type=merge", "-p", &patch]);
    site.namespace.kubectl(&["annotate", "--overwrite", object, "tenantry.dev/reconcile-requested-at=flipped"]);
}

/// shows: faults/32, security/credential/status-writer
#[test]
fn an_id_of_another_object_s_tenant_in_status_is_owned_elsewhere_and_that_tenant_is_not_touched() {
    let (site, partner, globex) = site_with_client("flipped", &json!({"details": {"city": "Berlin"}}));
    site.namespace.apply_client("initech", &json!({"details": {"city": "Bonn"}}));
    let initech = site.namespace.wait_until_ready("client/initech");
    let before = site.count_changes(&format!("/{initech}"));
    write_foreign_id(&site, "client/globex", &initech);
    let message = site.namespace.wait_until_not_ready("client/globex", "OwnedElsewhere");
    assert!(message.contains(&initech) && !message.contains("initech`"), "{message}");
    assert_eq!(site.namespace.condition("client/globex", "Stalled").unwrap().0, "True");
    site.namespace.merge_patch("client/globex", &json!({"spec": {"details": {"city": "Hamburg"}}}));
    site.namespace.merge_patch("client/globex", &json!({"spec": {"deletion": {"policy": "Suspend"}}}));
    site.namespace.delete("client/globex");
    site.namespace.wait_until("the deletion waits", || {
        let blocked = site.namespace.condition("client/globex", "DeletionBlocked");
        Ok(blocked.is_some_and(|(_, reason, _)| reason == "OwnedElsewhere"))
    });
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(site.count_changes(&format!("/{initech}")), before, "the other tenant was written to");
    assert_eq!(site.namespace.read_client_tenant(&partner, &initech)["city"], "Bonn");
    assert_eq!(tenant_state(&site, &partner, &globex), "ACTIVE");
    site.namespace.kubectl(&["annotate", "client/globex", &format!("tenantry.dev/abandon={initech}")]);
    site.namespace.wait_until_gone("client/globex");
}

/// shows: faults/32
#[test]
fn an_id_of_a_tenant_that_nobody_marked_in_status_is_not_taken_over() {
    let (site, partner, _) = site_with_client("unmarked", &json!({"details": {"city": "Berlin"}}));
    let path = format!("{partner}/clients");
    site.namespace
        .world
        .tenancy
        .change_tenant(&path, &json!({"name": site.namespace.tenant_name("console"), "city": "Bonn"}))
        .unwrap();
    let made = site.living_clients(&partner);
    let console = made.iter().find(|one| one["name"] == site.namespace.tenant_name("console")).unwrap();
    let console = console["uniqueId"].as_str().unwrap();
    write_foreign_id(&site, "client/globex", console);
    let message = site.namespace.wait_until_not_ready("client/globex", "NotAdopted");
    assert!(message.contains(console) && message.contains("adoption"), "{message}");
    assert_eq!(site.count_changes(&format!("/{console}")), 0, "a tenant that nobody declared was written to");
    assert_eq!(site.namespace.read_client_tenant(&partner, console)["city"], "Bonn");
}

/// shows: faults/33
#[test]
fn of_two_objects_that_want_one_name_one_gets_it_and_the_other_says_so_and_is_quiet() {
    let (site, partner) = site_with_partner("two");
    let guest = site.namespace.world.namespace_behind(&site.proxy, "twoguest");
    site.namespace.merge_patch("partner/acme", &json!({"spec": {"clients": {"allowedNamespaces": {"from": "All"}}}}));
    let name = site.namespace.tenant_name("globex");
    site.namespace.apply_client("globex", &json!({}));
    guest.apply_client(
        "globex",
        &json!({
            "partnerRef": {"name": "acme", "namespace": site.namespace.name}, "details": {"name": name},
        }),
    );
    let ready = |space: &crate::world::TestNamespace<'_>| {
        space.condition("client/globex", "Ready").map(|(status, reason, _)| (status, reason)).unwrap_or_default()
    };
    let wanted = [("True", "AsDeclared"), ("False", "NameTaken")];
    site.namespace.wait_until("one has it and the other has not", || {
        let mut both = [ready(&site.namespace), ready(&guest)];
        both.sort();
        both.reverse();
        Ok(both.iter().zip(wanted).all(|(is, wanted)| (is.0.as_str(), is.1.as_str()) == wanted))
    });
    site.assert_each_once(&partner, 1);
    let versions = || -> [Value; 2] {
        [&site.namespace, &guest]
            .map(|space| space.get("client/globex").unwrap()["metadata"]["resourceVersion"].clone())
    };
    std::thread::sleep(Duration::from_secs(1));
    let before = versions();
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(versions(), before, "the two write to each other");
}

/// shows: faults/35
#[test]
fn a_tenant_that_was_renamed_elsewhere_gets_its_name_back_and_is_never_doubled() {
    let (site, partner, client) = site_with_client("renamed", &json!({}));
    let path = site.namespace.client_path(&partner, &client);
    site.namespace.world.tenancy.change_tenant(&path, &json!({"name": site.namespace.tenant_name("renamed")})).unwrap();
    let name = site.namespace.tenant_name("globex");
    site.namespace.wait_until("it has its name again", || {
        Ok(site.namespace.read_client_tenant(&partner, &client)["name"] == name)
    });
    site.assert_each_once(&partner, 1);
    assert_eq!(site.proxy.count_requests("POST", "/clients$"), 1);
}
