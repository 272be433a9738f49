//! A platform that was restored from an old backup, and no longer knows what it once said.

use std::fs;

use serde_json::json;

use super::short_timeout;
use crate::world::{Space, World};

/// shows: faults/43
#[test]
fn a_tenant_that_a_restored_platform_does_not_know_is_missing_and_neither_made_again_nor_mistaken_for_another() {
    let mut world = World::start("backup", short_timeout).unwrap();
    let (name, partner, kept) = {
        let space = world.namespace("backup");
        space.partner("acme", &json!({}));
        space.client("kept", &json!({"details": {"city": "Berlin"}}));
        let ids = (space.ready("partner/acme"), space.ready("client/kept"));
        (space.name.clone(), ids.0, ids.1)
    };
    let database = world.platform.database.clone();
    let backup = database.with_extension("backup");
    world.platform.service.process().stop().unwrap();
    fs::copy(&database, &backup).unwrap();
    world.platform.service.restart().unwrap();
    let lost = {
        let space = Space::at(&world, name.clone());
        space.client("lost", &json!({"details": {"city": "Bonn"}}));
        let lost = space.ready("client/lost");
        space.patch("client/kept", &json!({"spec": {"details": {"city": "Munich"}}}));
        space.until("the edit is there", || Ok(space.platform_client(&partner, &kept)["city"] == "Munich"));
        lost
    };
    world.platform.service.process().stop().unwrap();
    for end in ["db-wal", "db-shm"] {
        let _ = fs::remove_file(database.with_extension(end));
    }
    fs::copy(&backup, &database).unwrap();
    world.platform.service.restart().unwrap();

    let space = Space::at(&world, name);
    assert!(space.not_ready("client/lost", "TenantMissing").contains(&lost));
    space.until("what was lost of the other is written again", || {
        Ok(space.platform_client(&partner, &kept)["city"] == "Munich")
    });
    assert_eq!(space.ready("client/kept"), kept);
    let living = |space: &Space<'_>| space.world.tenancy.list(&format!("{partner}/clients"), true).unwrap();
    assert_eq!(living(&space).len(), 1, "nothing was made again");

    // The restored platform gives the same id away once more.
    world.tenancy.change(&format!("{partner}/clients"), &json!({"name": "Somebody Else", "city": "Cologne"})).unwrap();
    assert_eq!(living(&space).iter().filter(|one| one["uniqueId"] == lost.as_str()).count(), 1, "it is another id");
    space.kubectl(&["annotate", "client/lost", "tenantry.dev/reconcile-requested-at=now"]);
    let message = space.not_ready("client/lost", "NotAdopted");
    assert!(message.contains(&lost), "{message}");
    assert_eq!(space.platform_client(&partner, &lost)["city"], "Cologne");
    space.delete("client/lost");
    space.gone("client/lost");
    assert_eq!(space.platform_client(&partner, &lost)["status"], "ACTIVE");
}
