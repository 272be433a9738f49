//! A suspension that the platform accepts and does not apply.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{collect_conditions, create_partner_and_client, globex, wait_until_ready};
use crate::sim::exchange::{OperatorLife, RequestFate};
use crate::sim::idle::new_default_world;
use crate::sim::operator_life::{run_life, settings};
use crate::sim::request::SimReply;

/// shows: faults/82
#[test]
fn a_suspension_that_is_not_carried_out_is_never_ready_and_is_sent_three_times() {
    let world = new_default_world();
    run_life(&world, &OperatorLife::new(1), settings(), async {
        create_partner_and_client(&world, &json!({})).await;
        wait_until_ready(&world, &globex()).await;
        let asked = Arc::<Mutex<usize>>::default();
        let counted = Arc::clone(&asked);
        world.lock().fates = Box::new(move |_, ask| {
            if !ask.path.ends_with("/suspend") {
                return RequestFate::Pass;
            }
            *counted.lock().unwrap() += 1;
            RequestFate::Replaced(Box::new((SimReply::json(200, &Value::Null), false)))
        });
        world.edit(&globex(), &json!({"tenantState": "Suspended"}));
        let conditions = collect_conditions(&world, 1800).await;
        let wrong = conditions.iter().any(|one| one.starts_with("Ready=True/Suspended"));
        assert!(
            !wrong
                && conditions.contains("Ready=False/InProgress")
                && conditions.contains("Ready=False/NotTakenByPlatform"),
            "{conditions:?}"
        );
        assert_eq!(*asked.lock().unwrap(), 3);
        world.lock().fates = Box::new(|_, _| RequestFate::Pass);
        wait_until_ready(&world, &globex()).await;
        assert_eq!(world.tenant(&globex()).unwrap().state, "SUSPENDED");
        let events = world.lock().oracle.events.clone();
        assert_eq!(events.get("Suspended"), Some(&1), "{events:?}");
    });
}
