//! A credential that is refused: all its objects together ask no more often than one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::super::life::live;
use super::super::seam::Life;
use super::super::settle::{condition, is_ready, world};
use super::{MANY, SLOW, Trouble, client, in_b, slow_partner, slow_secret, with_flags};

/// shows: faults/72
#[test]
fn all_objects_of_a_refused_credential_ask_once_in_30_seconds_and_go_on_together() {
    let world = world();
    slow_secret(&world, "slow");
    let sent: Arc<Mutex<Vec<jiff::Timestamp>>> = Arc::default();
    let noted = Arc::clone(&sent);
    let done = live(&world, &Life::new(1), with_flags(&[]), async {
        slow_partner(&world).await;
        world.lock().fates = Box::new(move |_, ask| {
            if ask.header("host") == SLOW {
                noted.lock().unwrap().push(tenantry::clock::now());
            }
            Trouble::Refused.fate(ask, "")
        });
        for number in 0..MANY {
            world.create(&in_b(&format!("c{number}")), &client(&format!("Slow {number}"), "acme"));
        }
        // Those that were under way when the first refusal came are no probes.
        tokio::time::sleep(Duration::from_mins(1)).await;
        sent.lock().unwrap().clear();
        tokio::time::sleep(Duration::from_mins(30)).await;
        let times = sent.lock().unwrap().clone();
        println!("{} requests in half an hour", times.len());
        assert!((2..=60).contains(&times.len()), "{} requests in half an hour: {times:?}", times.len());
        let refused = (0..MANY).filter(|number| {
            let object = world.object(&in_b(&format!("c{number}"))).unwrap();
            condition(&object, "Ready").is_some_and(|(_, reason)| reason == "CredentialsRefused")
        });
        assert_eq!(refused.count(), MANY, "each says what it waits for");
        world.lock().fates = Box::new(|_, _| super::Fate::Pass);
        for number in 0..MANY {
            let key = in_b(&format!("c{number}"));
            world.until("it is Ready", |world| world.object(&key).is_some_and(|one| is_ready(&one))).await;
        }
    });
    assert!(done.is_some());
    assert!(world.lock().oracle.violations.is_empty(), "{:#?}", world.lock().oracle.violations);
}
