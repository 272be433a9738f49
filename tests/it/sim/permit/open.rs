//! The end of one Partner waits for that of another only while the operator is not done with it.

use std::time::Duration;

use serde_json::json;

use super::super::life::{live, settings};
use super::super::seam::{Life, World};
use super::super::settle::{is_ready, world};
use super::super::sweep::scenarios;
use super::{acme, state, umbrella};

#[test]
fn a_partner_whose_end_is_done_holds_up_no_other_although_somebody_else_keeps_its_object() {
    let world = world();
    live(&world, &Life::new(1), settings(), async {
        world.create(&acme(), &scenarios::partner(&json!({})));
        world.create(&umbrella(), &scenarios::partner(&json!({"details": {"name": "Umbrella"}})));
        let are_ready =
            |world: &World| [acme(), umbrella()].iter().all(|key| world.object(key).is_some_and(|one| is_ready(&one)));
        world.until("both are Ready", are_ready).await;
        let mut kept = world.object(&acme()).unwrap()["metadata"]["finalizers"].clone();
        kept.as_array_mut().unwrap().push(json!("example.com/later"));
        world.patch(&acme(), &json!({"metadata": {"finalizers": kept}}));
        for (key, name) in [(acme(), "Acme"), (umbrella(), "Umbrella")] {
            world.edit(&key, &scenarios::confirm(&world, &key, 0));
            world.delete(&key);
            tokio::time::sleep(Duration::from_hours(3)).await;
            assert_eq!(state(&world, name), "TERMINATED", "{:?}", world.object(&key));
        }
        assert!(world.object(&acme()).is_some());
    });
}
