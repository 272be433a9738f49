//! Tests of a platform that was restored from an old backup and has lost its newer state.

use std::fs;

use serde_json::json;

use super::short_timeout;
use crate::world::{TestNamespace, TestWorld};

/// shows: faults/43
#[test]
fn a_tenant_that_a_restored_platform_does_not_know_is_missing_and_neither_made_again_nor_mistaken_for_another() {
    let mut world = TestWorld::start("backup", short_timeout).unwrap();
    let (name, partner, kept) = {
        let namespace = world.create_namespace("backup");
        namespace.apply_partner("acme", &json!({}));
        namespace.apply_client("kept", &json!({"details": {"city": "Berlin"}}));
        let ids = (namespace.wait_until_ready("partner/acme"), namespace.wait_until_ready("client/kept"));
        (namespace.name.clone(), ids.0, ids.1)
    };
    let database = world.platform.database.clone();
    let backup = database.with_extension("backup");
    world.platform.service.process().stop().unwrap();
    fs::copy(&database, &backup).unwrap();
    world.platform.service.restart().unwrap();
    let lost = {
        let namespace = TestNamespace::existing(&world, name.clone());
        namespace.apply_client("lost", &json!({"details": {"city": "Bonn"}}));
        let lost = namespace.wait_until_ready("client/lost");
        namespace.merge_patch("client/kept", &json!({"spec": {"details": {"city": "Munich"}}}));
        namespace
            .wait_until("the edit is there", || Ok(namespace.read_client_tenant(&partner, &kept)["city"] == "Munich"));
        lost
    };
    world.platform.service.process().stop().unwrap();
    for end in ["db-wal", "db-shm"] {
        let _ = fs::remove_file(database.with_extension(end));
    }
    fs::copy(&backup, &database).unwrap();
    world.platform.service.restart().unwrap();

    let namespace = TestNamespace::existing(&world, name);
    assert!(namespace.wait_until_not_ready("client/lost", "TenantMissing").contains(&lost));
    namespace.wait_until("what was lost of the other is written again", || {
        Ok(namespace.read_client_tenant(&partner, &kept)["city"] == "Munich")
    });
    assert_eq!(namespace.wait_until_ready("client/kept"), kept);
    let active_clients =
        |space: &TestNamespace<'_>| space.world.tenancy.list_tenants(&format!("{partner}/clients"), true).unwrap();
    assert_eq!(active_clients(&namespace).len(), 1, "nothing was made again");

    // The restored platform issues the same id again.
    world
        .tenancy
        .change_tenant(&format!("{partner}/clients"), &json!({"name": "Somebody Else", "city": "Cologne"}))
        .unwrap();
    assert_eq!(
        active_clients(&namespace).iter().filter(|one| one["uniqueId"] == lost.as_str()).count(),
        1,
        "it is another id"
    );
    namespace.kubectl(&["annotate", "client/lost", "tenantry.dev/reconcile-requested-at=now"]);
    let message = namespace.wait_until_not_ready("client/lost", "NotAdopted");
    assert!(message.contains(&lost), "{message}");
    assert_eq!(namespace.read_client_tenant(&partner, &lost)["city"], "Cologne");
    namespace.delete("client/lost");
    namespace.wait_until_gone("client/lost");
    assert_eq!(namespace.read_client_tenant(&partner, &lost)["status"], "ACTIVE");
}
