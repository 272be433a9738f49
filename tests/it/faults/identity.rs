//! Records that were falsified, names that two want, and tenants that were changed elsewhere.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Site, state, with_client, with_partner};

/// Writes another unique id into an object's status, as only an administrator can.
fn flip(site: &Site<'_>, object: &str, id: &str) {
    let patch = json!({"status": {"uniqueId": id}}).to_string();
    site.space.kubectl(&["patch", object, "--subresource=status", "--type=merge", "-p", &patch]);
    site.space.kubectl(&["annotate", "--overwrite", object, "tenantry.dev/reconcile-requested-at=flipped"]);
}

/// shows: faults/32, security/credential/status-writer
#[test]
fn an_id_of_another_object_s_tenant_in_status_is_owned_elsewhere_and_that_tenant_is_not_touched() {
    let (site, partner, globex) = with_client("flipped", &json!({"details": {"city": "Berlin"}}));
    site.space.client("initech", &json!({"details": {"city": "Bonn"}}));
    let initech = site.space.ready("client/initech");
    let before = site.changes(&format!("/{initech}"));
    flip(&site, "client/globex", &initech);
    let message = site.space.not_ready("client/globex", "OwnedElsewhere");
    assert!(message.contains(&initech) && !message.contains("initech`"), "{message}");
    assert_eq!(site.space.condition("client/globex", "Stalled").unwrap().0, "True");
    site.space.patch("client/globex", &json!({"spec": {"details": {"city": "Hamburg"}}}));
    site.space.patch("client/globex", &json!({"spec": {"deletion": {"policy": "Suspend"}}}));
    site.space.delete("client/globex");
    site.space.until("the deletion waits", || {
        let blocked = site.space.condition("client/globex", "DeletionBlocked");
        Ok(blocked.is_some_and(|(_, reason, _)| reason == "OwnedElsewhere"))
    });
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(site.changes(&format!("/{initech}")), before, "the other tenant was written to");
    assert_eq!(site.space.platform_client(&partner, &initech)["city"], "Bonn");
    assert_eq!(state(&site, &partner, &globex), "ACTIVE");
    site.space.kubectl(&["annotate", "client/globex", &format!("tenantry.dev/abandon={initech}")]);
    site.space.gone("client/globex");
}

/// shows: faults/32
#[test]
fn an_id_of_a_tenant_that_nobody_marked_in_status_is_not_taken_over() {
    let (site, partner, _) = with_client("unmarked", &json!({"details": {"city": "Berlin"}}));
    let path = format!("{partner}/clients");
    site.space
        .world
        .tenancy
        .change(&path, &json!({"name": site.space.tenant_name("console"), "city": "Bonn"}))
        .unwrap();
    let made = site.living(&partner);
    let console = made.iter().find(|one| one["name"] == site.space.tenant_name("console")).unwrap();
    let console = console["uniqueId"].as_str().unwrap();
    flip(&site, "client/globex", console);
    let message = site.space.not_ready("client/globex", "NotAdopted");
    assert!(message.contains(console) && message.contains("adoption"), "{message}");
    assert_eq!(site.changes(&format!("/{console}")), 0, "a tenant that nobody declared was written to");
    assert_eq!(site.space.platform_client(&partner, console)["city"], "Bonn");
}

/// shows: faults/33
#[test]
fn of_two_objects_that_want_one_name_one_gets_it_and_the_other_says_so_and_is_quiet() {
    let (site, partner) = with_partner("two");
    let guest = site.space.world.behind(&site.proxy, "twoguest");
    site.space.patch("partner/acme", &json!({"spec": {"clients": {"allowedNamespaces": {"from": "All"}}}}));
    let name = site.space.tenant_name("globex");
    site.space.client("globex", &json!({}));
    guest.client(
        "globex",
        &json!({
            "partnerRef": {"name": "acme", "namespace": site.space.name}, "details": {"name": name},
        }),
    );
    let ready = |space: &crate::world::Space<'_>| {
        space.condition("client/globex", "Ready").map(|(status, reason, _)| (status, reason)).unwrap_or_default()
    };
    let wanted = [("True", "AsDeclared"), ("False", "NameTaken")];
    site.space.until("one has it and the other has not", || {
        let mut both = [ready(&site.space), ready(&guest)];
        both.sort();
        both.reverse();
        Ok(both.iter().zip(wanted).all(|(is, wanted)| (is.0.as_str(), is.1.as_str()) == wanted))
    });
    site.each_once(&partner, 1);
    let versions = || -> [Value; 2] {
        [&site.space, &guest].map(|space| space.get("client/globex").unwrap()["metadata"]["resourceVersion"].clone())
    };
    std::thread::sleep(Duration::from_secs(1));
    let before = versions();
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(versions(), before, "the two write to each other");
}

/// shows: faults/35
#[test]
fn a_tenant_that_was_renamed_elsewhere_gets_its_name_back_and_is_never_doubled() {
    let (site, partner, client) = with_client("renamed", &json!({}));
    let path = site.space.client_path(&partner, &client);
    site.space.world.tenancy.change(&path, &json!({"name": site.space.tenant_name("renamed")})).unwrap();
    let name = site.space.tenant_name("globex");
    site.space.until("it has its name again", || Ok(site.space.platform_client(&partner, &client)["name"] == name));
    site.each_once(&partner, 1);
    assert_eq!(site.proxy.count("POST", "/clients$"), 1);
}
