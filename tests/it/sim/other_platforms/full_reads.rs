//! On a platform that does not report changes every tenant is read within a day, and never all of them at once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::Method;

use super::super::cluster::{CLIENTS, SimObjectKey};
use super::super::exchange::{OperatorLife, RequestFate};
use super::super::idle::{is_ready, new_documented_world};
use super::super::operator_life::{run_life, settings};
use super::{client_spec, tenants_named};

const NAMES: [&str; 4] = ["one", "two", "three", "four"];

#[test]
fn the_reads_of_all_tenants_are_spread_over_a_day() {
    let world = new_documented_world();
    let key = |name: &str| SimObjectKey::new(CLIENTS, "a", name);
    for name in NAMES {
        world.create(&key(name), &client_spec(&world, name));
    }
    let read: Arc<Mutex<Vec<String>>> = Arc::default();
    let mut looks = Vec::new();
    run_life(&world, &OperatorLife::new(1), settings(), async {
        for name in NAMES {
            world.wait_until("it is ready", |world| world.object(&key(name)).is_some_and(|one| is_ready(&one))).await;
        }
        let ids = NAMES.map(|name| tenants_named(&world, name).remove(0).id);
        tokio::time::sleep(Duration::from_hours(1)).await;
        let reads = Arc::clone(&read);
        world.lock().fates = Box::new(move |_, ask| {
            let found = ids.iter().find(|id| ask.method == Method::GET && ask.path.ends_with(*id));
            reads.lock().unwrap().extend(found.cloned());
            RequestFate::Pass
        });
        // As often as the operator checks for drift.
        for _ in 0..6 * 24 {
            tokio::time::sleep(Duration::from_mins(10)).await;
            looks.push(read.lock().unwrap().drain(..).collect::<BTreeSet<_>>());
        }
    });
    let all: BTreeSet<&String> = looks.iter().flatten().collect();
    assert_eq!(all.len(), NAMES.len(), "each is read within a day");
    assert!(looks.iter().all(|look| look.len() < NAMES.len()), "{looks:?}");
}
