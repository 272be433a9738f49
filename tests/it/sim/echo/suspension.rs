//! A suspension that the platform takes and does not carry out.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{family, globex, ready, said};
use crate::sim::ask::Reply;
use crate::sim::life::{live, settings};
use crate::sim::seam::{Fate, Life};
use crate::sim::settle::world;

/// shows: faults/82
#[test]
fn a_suspension_that_is_not_carried_out_is_never_ready_and_is_sent_three_times() {
    let world = world();
    live(&world, &Life::new(1), settings(), async {
        family(&world, &json!({})).await;
        ready(&world, &globex()).await;
        let asked = Arc::<Mutex<usize>>::default();
        let counted = Arc::clone(&asked);
        world.lock().fates = Box::new(move |_, ask| {
            if !ask.path.ends_with("/suspend") {
                return Fate::Pass;
            }
            *counted.lock().unwrap() += 1;
            Fate::Instead(Box::new((Reply::json(200, &Value::Null), false)))
        });
        world.edit(&globex(), &json!({"tenantState": "Suspended"}));
        let said = said(&world, 1800).await;
        let wrong = said.iter().any(|one| one.starts_with("Ready=True/Suspended"));
        assert!(
            !wrong && said.contains("Ready=False/InProgress") && said.contains("Ready=False/NotTakenByPlatform"),
            "{said:?}"
        );
        assert_eq!(*asked.lock().unwrap(), 3);
        world.lock().fates = Box::new(|_, _| Fate::Pass);
        ready(&world, &globex()).await;
        assert_eq!(world.tenant(&globex()).unwrap().state, "SUSPENDED");
        let events = world.lock().oracle.events.clone();
        assert_eq!(events.get("Suspended"), Some(&1), "{events:?}");
    });
}
