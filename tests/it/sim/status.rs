//! Status that is lost, refused or outdated, and its content while the platform is unavailable.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use super::cluster::responses::error_status;
use super::cluster::{CLIENTS, PARTNERS, SimObjectKey};
use super::crash_sweep::scenarios::{client_spec, confirmed_deletion, partner_spec};
use super::exchange::{OperatorLife, RequestFate, SimWorld};
use super::idle::{condition, is_ready, new_default_world};
use super::operator_life::{run_life, settings};
use super::request::{SimReply, SimServer};

fn acme() -> SimObjectKey {
    SimObjectKey::new(PARTNERS, "a", "acme")
}

fn globex() -> SimObjectKey {
    SimObjectKey::new(CLIENTS, "a", "globex")
}

async fn wait_until_ready(world: &SimWorld, key: &SimObjectKey) {
    world
        .wait_until(&format!("{} is Ready", key.name), |world| world.object(key).is_some_and(|one| is_ready(&one)))
        .await;
}

async fn create_partner_and_client(world: &SimWorld) {
    world.create(&acme(), &partner_spec(&json!({"details": {"applicationServer": "acme.example.com"}})));
    wait_until_ready(world, &acme()).await;
    world.create(&globex(), &client_spec("Globex", &json!({})));
    wait_until_ready(world, &globex()).await;
}

fn condition_of(world: &SimWorld, key: &SimObjectKey, kind: &str) -> (String, String) {
    world.object(key).and_then(|object| condition(&object, kind)).unwrap_or_default()
}

fn status_and_reason(status: &str, reason: &str) -> (String, String) {
    (status.to_owned(), reason.to_owned())
}

/// shows: faults/83
#[test]
fn status_that_somebody_takes_away_is_written_again_at_once_and_at_rest_nothing_is() {
    let world = new_default_world();
    run_life(&world, &OperatorLife::new(1), settings(), async {
        create_partner_and_client(&world).await;
        for key in [acme(), globex()] {
            let before = world.object(&key).unwrap();
            for lost in [Value::Null, json!({"observedGeneration": 1, "conditions": before["status"]["conditions"]})] {
                let body = json!({"apiVersion": "tenantry.dev/v1alpha1", "kind": key.resource.kind, "metadata": {}, "status": lost});
                world.apply_status(&key, &body);
                assert!(world.object(&key).unwrap()["status"]["uniqueId"].is_null());
                // Long before the next drift check.
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
        let world = new_default_world();
        run_life(&world, &OperatorLife::new(1), settings(), async {
            world.create(&acme(), &partner_spec(&json!({})));
            wait_until_ready(&world, &acme()).await;
            world.lock().fates = Box::new(move |_, ask| {
                let is_refused =
                    ask.path.ends_with("/clients/globex/status") && !ask.json()["status"]["effective"].is_null();
                let refused = || {
                    error_status(code, reason, "status.effective[1].value: Too long: may not be more than 32768 bytes")
                };
                if is_refused { RequestFate::Replaced(Box::new((refused(), false))) } else { RequestFate::Pass }
            });
            world.create(&globex(), &client_spec("Globex", &json!({})));
            wait_until_ready(&world, &globex()).await;
            let object = world.object(&globex()).unwrap();
            assert_eq!(
                condition(&object, "InSync"),
                Some(status_and_reason("Unknown", "StatusIncomplete")),
                "{object}"
            );
            assert_eq!(object["status"]["uniqueId"], world.tenants()[1].id);
            assert!(object["status"]["connection"].is_object() && object["status"]["applied"].is_object(), "{object}");
            assert_eq!(world.lock().oracle.events.get("StatusIncomplete"), Some(&1));
            tokio::time::sleep(Duration::from_mins(15)).await;
            let writes = world.lock().oracle.writes;
            tokio::time::sleep(Duration::from_mins(45)).await;
            assert_eq!(world.lock().oracle.writes, writes);
            // The record of its termination is written all the same, and the tenant is terminated.
            world.edit(&globex(), &confirmed_deletion(&world, &globex(), 60));
            world.delete(&globex());
            world.wait_until("it is ended", |world| world.object(&globex()).is_none()).await;
            assert_eq!(world.tenants()[1].state, "TERMINATED");
        });
        let violations = world.lock().oracle.violations.clone();
        assert!(violations.is_empty(), "{violations:#?}");
    }
}

#[test]
fn a_tenant_is_called_ready_for_half_an_hour_without_its_platform_and_then_nobody_knows() {
    let world = new_default_world();
    run_life(&world, &OperatorLife::new(1), settings(), async {
        create_partner_and_client(&world).await;
        world.lock().fates =
            Box::new(|_, ask| if ask.side == SimServer::Platform { RequestFate::Lost } else { RequestFate::Pass });
        tokio::time::sleep(Duration::from_mins(28)).await;
        assert_eq!(condition_of(&world, &globex(), "Ready"), status_and_reason("True", "AsDeclared"));
        assert_eq!(condition_of(&world, &globex(), "InSync"), status_and_reason("Unknown", "PlatformUnavailable"));
        tokio::time::sleep(Duration::from_mins(22)).await;
        assert_eq!(condition_of(&world, &globex(), "Ready"), status_and_reason("Unknown", "PlatformUnavailable"));
        tokio::time::sleep(Duration::from_hours(2)).await;
        assert_eq!(condition_of(&world, &globex(), "Ready"), status_and_reason("Unknown", "PlatformUnavailable"));
        world.lock().fates = Box::new(|_, _| RequestFate::Pass);
        wait_until_ready(&world, &globex()).await;
    });
}

#[test]
fn a_new_object_that_is_paused_is_not_taken_for_one_that_is_ready() {
    let world = new_default_world();
    run_life(&world, &OperatorLife::new(1), settings(), async {
        world.create(&acme(), &partner_spec(&json!({"management": {"mode": "Paused"}})));
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(condition_of(&world, &acme(), "Ready"), status_and_reason("Unknown", "ManagementPaused"));
        world.edit(&acme(), &json!({"management": {"mode": "Manage"}}));
        wait_until_ready(&world, &acme()).await;
        world.edit(&acme(), &json!({"management": {"mode": "Paused"}}));
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(
            condition_of(&world, &acme(), "Ready"),
            status_and_reason("True", "AsDeclared"),
            "a pause changes nothing of a tenant"
        );
    });
}

#[test]
fn an_object_that_is_being_deleted_keeps_the_addresses_of_its_tenant() {
    let world = new_default_world();
    run_life(&world, &OperatorLife::new(1), settings(), async {
        create_partner_and_client(&world).await;
        // The addresses of a Client are part of its branding, which a deletion does not read.
        world.lock().edit = Some(Box::new(|ask, reply| {
            if ask.method == Method::GET && ask.path.ends_with("/customBranding") {
                let mut body = reply.json_body();
                (body["appURL"], body["apiURL"]) = (json!("globex.app.example"), json!("globex.api.example"));
                *reply = SimReply::json(200, &body);
            }
        }));
        world.edit(&globex(), &json!({"branding": {"websiteTitle": "Globex"}}));
        wait_until_ready(&world, &globex()).await;
        for key in [globex(), acme()] {
            let before = world.object(&key).unwrap()["status"].clone();
            assert!(before["apiEndpoint"].is_string() && before["url"].is_string(), "{before}");
            world.edit(&key, &json!({"deletion": {"policy": "Terminate"}}));
            world.delete(&key);
            tokio::time::sleep(Duration::from_mins(2)).await;
            let after = world.object(&key).unwrap()["status"].clone();
            assert_eq!(condition_of(&world, &key, "DeletionBlocked").0, "True");
            assert_eq!((&after["url"], &after["apiEndpoint"]), (&before["url"], &before["apiEndpoint"]));
        }
    });
}

#[test]
fn a_client_whose_row_cannot_be_read_counts_as_living() {
    let world = new_default_world();
    run_life(&world, &OperatorLife::new(1), settings(), async {
        create_partner_and_client(&world).await;
        world.lock().edit = Some(Box::new(|ask, reply| {
            let mut rows = reply.json_body();
            if ask.path.ends_with("/clients/minimal")
                && let Some(list) = rows.as_array_mut()
            {
                list.push(json!({"uniqueId": "client_900"}));
                *reply = SimReply::json(200, &rows);
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
    let world = new_default_world();
    run_life(&world, &OperatorLife::new(1), settings(), async {
        create_partner_and_client(&world).await;
        world.edit(&globex(), &json!({"connectionSecretRef": {"name": "none"}, "deletion": {"policy": "Suspend"}}));
        world.delete(&globex());
        tokio::time::sleep(Duration::from_mins(5)).await;
        let (_, reason) = condition_of(&world, &globex(), "Ready");
        assert_eq!(reason, "CredentialsUnavailable", "{:?}", world.object(&globex()));
    });
}

#[test]
fn the_status_of_an_object_is_not_written_on_one_that_took_its_name_meanwhile() {
    let world = new_default_world();
    run_life(&world, &OperatorLife::new(1), settings(), async {
        create_partner_and_client(&world).await;
        world.lock().fates = Box::new(move |_, ask| {
            let is_slow = ask.side == SimServer::Platform && ask.path.starts_with("/api/");
            if is_slow { RequestFate::SlowReply(Duration::from_secs(12)) } else { RequestFate::Pass }
        });
        world.edit(&globex(), &json!({"details": {"city": "Bonn"}}));
        tokio::time::sleep(Duration::from_secs(5)).await;
        world.remove_finalizer(&globex());
        world.delete(&globex());
        world.create(&globex(), &client_spec("Other", &json!({"management": {"mode": "Paused"}})));
        tokio::time::sleep(Duration::from_mins(5)).await;
        let status = world.object(&globex()).unwrap()["status"].clone();
        assert!(status["uniqueId"].is_null(), "{status}");
    });
}

#[test]
fn an_object_from_a_backup_for_which_nothing_was_sent_goes_without_its_partner() {
    let world = new_default_world();
    run_life(&world, &OperatorLife::new(1), settings(), async {
        world.create(&globex(), &client_spec("Globex", &json!({"deletion": {"policy": "Suspend"}})));
        world.patch(&globex(), &json!({"metadata": {"finalizers": ["tenantry.dev/tenant"]}}));
        tokio::time::sleep(Duration::from_mins(5)).await;
        assert_eq!(condition_of(&world, &globex(), "Ready"), status_and_reason("False", "PartnerNotFound"));
        world.delete(&globex());
        tokio::time::sleep(Duration::from_mins(5)).await;
        assert_eq!(world.object(&globex()), None);
    });
}
