//! Status that is lost, refused or old, and what it says while the platform is away.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use super::ask::{Reply, Side};
use super::cluster::answer::refuse;
use super::cluster::{CLIENTS, Key, PARTNERS};
use super::life::{live, settings};
use super::seam::{Fate, Life, World};
use super::settle::{condition, is_ready, world};
use super::sweep::scenarios::{client, confirm, partner};

fn acme() -> Key {
    Key::new(PARTNERS, "a", "acme")
}

fn globex() -> Key {
    Key::new(CLIENTS, "a", "globex")
}

async fn ready(world: &World, key: &Key) {
    world.until(&format!("{} is Ready", key.name), |world| world.object(key).is_some_and(|one| is_ready(&one))).await;
}

async fn family(world: &World) {
    world.create(&acme(), &partner(&json!({"details": {"applicationServer": "acme.example.com"}})));
    ready(world, &acme()).await;
    world.create(&globex(), &client("Globex", &json!({})));
    ready(world, &globex()).await;
}

fn is(world: &World, key: &Key, kind: &str) -> (String, String) {
    world.object(key).and_then(|object| condition(&object, kind)).unwrap_or_default()
}

fn pair(status: &str, reason: &str) -> (String, String) {
    (status.to_owned(), reason.to_owned())
}

/// shows: faults/83
#[test]
fn status_that_somebody_takes_away_is_written_again_at_once_and_at_rest_nothing_is() {
    let world = world();
    live(&world, &Life::new(1), settings(), async {
        family(&world).await;
        for key in [acme(), globex()] {
            let before = world.object(&key).unwrap();
            for lost in [Value::Null, json!({"observedGeneration": 1, "conditions": before["status"]["conditions"]})] {
                let body = json!({"apiVersion": "tenantry.dev/v1alpha1", "kind": key.resource.kind, "metadata": {}, "status": lost});
                world.apply_status(&key, &body);
                assert!(world.object(&key).unwrap()["status"]["uniqueId"].is_null());
                // Long before the next look for drift.
                tokio::time::sleep(Duration::from_secs(30)).await;
                let after = world.object(&key).unwrap();
                assert_eq!(after["status"]["uniqueId"], before["status"]["uniqueId"], "{key:?}");
                assert!(is_ready(&after), "{after}");
            }
        }
        assert_eq!(world.tenants().len(), 2);
        tokio::time::sleep(Duration::from_mins(30)).await;
        let writes = world.lock().oracle.writes;
        tokio::time::sleep(Duration::from_mins(45)).await;
        assert_eq!(world.lock().oracle.writes, writes);
    });
}

/// shows: faults/78
#[test]
fn a_status_that_the_api_server_refuses_for_good_is_written_without_what_may_be_too_long_and_then_nothing_is() {
    for (code, reason) in [(422, "Invalid"), (413, "RequestEntityTooLarge")] {
        let world = world();
        live(&world, &Life::new(1), settings(), async {
            world.create(&acme(), &partner(&json!({})));
            ready(&world, &acme()).await;
            world.lock().fates = Box::new(move |_, ask| {
                let is_refused =
                    ask.path.ends_with("/clients/globex/status") && !ask.json()["status"]["effective"].is_null();
                let refused =
                    || refuse(code, reason, "status.effective[1].value: Too long: may not be more than 32768 bytes");
                if is_refused { Fate::Instead(Box::new((refused(), false))) } else { Fate::Pass }
            });
            world.create(&globex(), &client("Globex", &json!({})));
            ready(&world, &globex()).await;
            let object = world.object(&globex()).unwrap();
            assert_eq!(condition(&object, "InSync"), Some(pair("Unknown", "StatusIncomplete")), "{object}");
            assert_eq!(object["status"]["uniqueId"], world.tenants()[1].id);
            assert!(object["status"]["connection"].is_object() && object["status"]["applied"].is_object(), "{object}");
            assert_eq!(world.lock().oracle.events.get("StatusIncomplete"), Some(&1));
            tokio::time::sleep(Duration::from_mins(15)).await;
            let writes = world.lock().oracle.writes;
            tokio::time::sleep(Duration::from_mins(45)).await;
            assert_eq!(world.lock().oracle.writes, writes);
            // The record of its end is written all the same, and the end comes.
            world.edit(&globex(), &confirm(&world, &globex(), 60));
            world.delete(&globex());
            world.until("it is ended", |world| world.object(&globex()).is_none()).await;
            assert_eq!(world.tenants()[1].state, "TERMINATED");
        });
        let violations = world.lock().oracle.violations.clone();
        assert!(violations.is_empty(), "{violations:#?}");
    }
}

#[test]
fn a_tenant_is_called_ready_for_half_an_hour_without_its_platform_and_then_nobody_knows() {
    let world = world();
    live(&world, &Life::new(1), settings(), async {
        family(&world).await;
        world.lock().fates = Box::new(|_, ask| if ask.side == Side::Platform { Fate::Lost } else { Fate::Pass });
        tokio::time::sleep(Duration::from_mins(28)).await;
        assert_eq!(is(&world, &globex(), "Ready"), pair("True", "AsDeclared"));
        assert_eq!(is(&world, &globex(), "InSync"), pair("Unknown", "PlatformUnavailable"));
        tokio::time::sleep(Duration::from_mins(22)).await;
        assert_eq!(is(&world, &globex(), "Ready"), pair("Unknown", "PlatformUnavailable"));
        tokio::time::sleep(Duration::from_hours(2)).await;
        assert_eq!(is(&world, &globex(), "Ready"), pair("Unknown", "PlatformUnavailable"));
        world.lock().fates = Box::new(|_, _| Fate::Pass);
        ready(&world, &globex()).await;
    });
}

#[test]
fn a_new_object_that_is_paused_is_not_taken_for_one_that_is_ready() {
    let world = world();
    live(&world, &Life::new(1), settings(), async {
        world.create(&acme(), &partner(&json!({"management": {"mode": "Paused"}})));
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(is(&world, &acme(), "Ready"), pair("Unknown", "ManagementPaused"));
        world.edit(&acme(), &json!({"management": {"mode": "Manage"}}));
        ready(&world, &acme()).await;
        world.edit(&acme(), &json!({"management": {"mode": "Paused"}}));
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(is(&world, &acme(), "Ready"), pair("True", "AsDeclared"), "a pause changes nothing of a tenant");
    });
}

#[test]
fn an_object_that_is_being_deleted_keeps_the_addresses_of_its_tenant() {
    let world = world();
    live(&world, &Life::new(1), settings(), async {
        family(&world).await;
        // The addresses of a Client come with its branding, which a deletion does not read.
        world.lock().edit = Some(Box::new(|ask, reply| {
            if ask.method == Method::GET && ask.path.ends_with("/customBranding") {
                let mut body = reply.value();
                (body["appURL"], body["apiURL"]) = (json!("globex.app.example"), json!("globex.api.example"));
                *reply = Reply::json(200, &body);
            }
        }));
        world.edit(&globex(), &json!({"branding": {"websiteTitle": "Globex"}}));
        ready(&world, &globex()).await;
        for key in [globex(), acme()] {
            let before = world.object(&key).unwrap()["status"].clone();
            assert!(before["apiEndpoint"].is_string() && before["url"].is_string(), "{before}");
            world.edit(&key, &json!({"deletion": {"policy": "Terminate"}}));
            world.delete(&key);
            tokio::time::sleep(Duration::from_mins(2)).await;
            let after = world.object(&key).unwrap()["status"].clone();
            assert_eq!(is(&world, &key, "DeletionBlocked").0, "True");
            assert_eq!((&after["url"], &after["apiEndpoint"]), (&before["url"], &before["apiEndpoint"]));
        }
    });
}

#[test]
fn a_client_whose_row_cannot_be_read_counts_as_living() {
    let world = world();
    live(&world, &Life::new(1), settings(), async {
        family(&world).await;
        world.lock().edit = Some(Box::new(|ask, reply| {
            let mut rows = reply.value();
            if ask.path.ends_with("/clients/minimal")
                && let Some(list) = rows.as_array_mut()
            {
                list.push(json!({"uniqueId": "client_900"}));
                *reply = Reply::json(200, &rows);
            }
        }));
        world.edit(&acme(), &json!({"details": {"city": "Bonn"}}));
        tokio::time::sleep(Duration::from_mins(15)).await;
        let counted = world.object(&acme()).unwrap()["status"]["clients"].clone();
        assert_eq!(counted, json!({"declared": 1, "live": 2, "unmanaged": 1}));
    });
}

#[test]
fn a_deletion_that_waits_for_a_reference_names_the_reason_of_the_reference() {
    let world = world();
    live(&world, &Life::new(1), settings(), async {
        family(&world).await;
        world.edit(&globex(), &json!({"connectionSecretRef": {"name": "none"}, "deletion": {"policy": "Suspend"}}));
        world.delete(&globex());
        tokio::time::sleep(Duration::from_mins(5)).await;
        let (_, reason) = is(&world, &globex(), "Ready");
        assert_eq!(reason, "CredentialsUnavailable", "{:?}", world.object(&globex()));
    });
}

#[test]
fn the_status_of_an_object_is_not_written_on_one_that_took_its_name_meanwhile() {
    let world = world();
    live(&world, &Life::new(1), settings(), async {
        family(&world).await;
        world.lock().fates = Box::new(move |_, ask| {
            let is_slow = ask.side == Side::Platform && ask.path.starts_with("/api/");
            if is_slow { Fate::SlowReply(Duration::from_secs(12)) } else { Fate::Pass }
        });
        world.edit(&globex(), &json!({"details": {"city": "Bonn"}}));
        tokio::time::sleep(Duration::from_secs(5)).await;
        world.strip(&globex());
        world.delete(&globex());
        world.create(&globex(), &client("Other", &json!({"management": {"mode": "Paused"}})));
        tokio::time::sleep(Duration::from_mins(5)).await;
        let status = world.object(&globex()).unwrap()["status"].clone();
        assert!(status["uniqueId"].is_null(), "{status}");
    });
}

#[test]
fn an_object_from_a_backup_for_which_nothing_was_sent_goes_without_its_partner() {
    let world = world();
    live(&world, &Life::new(1), settings(), async {
        world.create(&globex(), &client("Globex", &json!({"deletion": {"policy": "Suspend"}})));
        world.patch(&globex(), &json!({"metadata": {"finalizers": ["tenantry.dev/tenant"]}}));
        tokio::time::sleep(Duration::from_mins(5)).await;
        assert_eq!(is(&world, &globex(), "Ready"), pair("False", "PartnerNotFound"));
        world.delete(&globex());
        tokio::time::sleep(Duration::from_mins(5)).await;
        assert_eq!(world.object(&globex()), None);
    });
}
