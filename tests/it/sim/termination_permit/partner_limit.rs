//! The termination of a Partner waits for that of another one only until the operator is done with it.

use std::time::Duration;

use serde_json::json;

use super::super::crash_sweep::scenarios;
use super::super::exchange::{OperatorLife, SimWorld};
use super::super::idle::{is_ready, new_default_world};
use super::super::operator_life::{run_life, settings};
use super::{acme, tenant_state, umbrella};

#[test]
fn a_partner_whose_end_is_done_holds_up_no_other_although_somebody_else_keeps_its_object() {
    let world = new_default_world();
    run_life(&world, &OperatorLife::new(1), settings(), async {
        world.create(&acme(), &scenarios::partner_spec(&json!({})));
        world.create(&umbrella(), &scenarios::partner_spec(&json!({"details": {"name": "Umbrella"}})));
        let are_ready = |world: &SimWorld| {
            [acme(), umbrella()].iter().all(|key| world.object(key).is_some_and(|one| is_ready(&one)))
        };
        world.wait_until("both are Ready", are_ready).await;
        let mut kept = world.object(&acme()).unwrap()["metadata"]["finalizers"].clone();
        kept.as_array_mut().unwrap().push(json!("example.com/later"));
        world.patch(&acme(), &json!({"metadata": {"finalizers": kept}}));
        for (key, name) in [(acme(), "Acme"), (umbrella(), "Umbrella")] {
            world.edit(&key, &scenarios::confirmed_deletion(&world, &key, 0));
            world.delete(&key);
            tokio::time::sleep(Duration::from_hours(3)).await;
            assert_eq!(tenant_state(&world, name), "TERMINATED", "{:?}", world.object(&key));
        }
        assert!(world.object(&acme()).is_some());
    });
}
