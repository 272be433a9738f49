//! A credential that is refused: all its objects together retry no more often than one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::super::exchange::OperatorLife;
use super::super::idle::{condition, is_ready, new_default_world};
use super::super::operator_life::run_life;
use super::{
    CLIENT_COUNT, NeighbourFault, SLOW_HOST, client_in_b, client_spec, create_slow_partner, create_slow_secret,
    settings_with_slow_host,
};

/// shows: faults/72
#[test]
fn all_objects_of_a_refused_credential_ask_once_in_30_seconds_and_go_on_together() {
    let world = new_default_world();
    create_slow_secret(&world, "slow");
    let sent: Arc<Mutex<Vec<jiff::Timestamp>>> = Arc::default();
    let recorded = Arc::clone(&sent);
    let done = run_life(&world, &OperatorLife::new(1), settings_with_slow_host(&[]), async {
        create_slow_partner(&world).await;
        world.lock().fates = Box::new(move |_, ask| {
            if ask.header("host") == SLOW_HOST {
                recorded.lock().unwrap().push(tenantry_runtime::clock::now());
            }
            NeighbourFault::Refused.fate(ask, "")
        });
        for number in 0..CLIENT_COUNT {
            world.create(&client_in_b(&format!("c{number}")), &client_spec(&format!("Slow {number}"), "acme"));
        }
        // Requests that had already begun at the first refusal are no probes.
        tokio::time::sleep(Duration::from_mins(1)).await;
        sent.lock().unwrap().clear();
        tokio::time::sleep(Duration::from_mins(30)).await;
        let times = sent.lock().unwrap().clone();
        println!("{} requests in half an hour", times.len());
        assert!((2..=60).contains(&times.len()), "{} requests in half an hour: {times:?}", times.len());
        let refused = (0..CLIENT_COUNT).filter(|number| {
            let object = world.object(&client_in_b(&format!("c{number}"))).unwrap();
            condition(&object, "Ready").is_some_and(|(_, reason)| reason == "CredentialsRefused")
        });
        assert_eq!(refused.count(), CLIENT_COUNT, "each says what it waits for");
        world.lock().fates = Box::new(|_, _| super::RequestFate::Pass);
        for number in 0..CLIENT_COUNT {
            let key = client_in_b(&format!("c{number}"));
            world.wait_until("it is Ready", |world| world.object(&key).is_some_and(|one| is_ready(&one))).await;
        }
    });
    assert!(done.is_some());
    assert!(world.lock().oracle.violations.is_empty(), "{:#?}", world.lock().oracle.violations);
}
