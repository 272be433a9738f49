//! Secrets that settings are read from: they rotate, and their values are never shown.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::cluster::responses::error_status;
use super::cluster::{CLIENTS, PARTNERS, SECRETS, SimObjectKey};
use super::crash_sweep::scenarios;
use super::exchange::{OperatorLife, RequestFate, SimWorld};
use super::idle::{condition, is_ready, new_default_world, wait_until_idle};
use super::operator_life::{OPERATOR_NAMESPACE, run_life, settings};
use super::request::{SimRequest, SimServer};
use super::user_actions::merge_spec;
use crate::digests::{hex, sha256};

const LABEL: &str = "tenantry.dev/allow-reference";

fn acme() -> SimObjectKey {
    SimObjectKey::new(PARTNERS, "a", "acme")
}

fn client_key(name: &str) -> SimObjectKey {
    SimObjectKey::new(CLIENTS, "a", name)
}

/// Returns settings whose keys are in a Secret.
fn duo_access(secret: &str) -> Value {
    let reference = |key: &str| json!({"name": secret, "key": key});
    json!({"duo": {
        "integrationKeySecretRef": reference("ikey"), "secretKeySecretRef": reference("skey"),
        "apiHostname": "api-1.duosecurity.com",
    }})
}

fn secret_data(secret_key: &str) -> Value {
    json!({"ikey": STANDARD.encode("DIXXXXXXXXXXXXXXXXXX"), "skey": STANDARD.encode(secret_key)})
}

impl SimWorld {
    /// Creates a Secret with keys of Duo, with or without the label.
    fn create_duo_secret(&self, name: &str, secret_key: &str, is_allowed: bool) {
        let labels = if is_allowed { json!({LABEL: "true"}) } else { json!({}) };
        let metadata = json!({"name": name, "namespace": "a", "labels": labels});
        let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": secret_data(secret_key)});
        assert!(self.kubectl(Method::POST, &SECRETS.path("a", ""), &body).is_success());
    }

    /// Creates a Client of `acme` with these access settings.
    fn create_client(&self, name: &str, access: &Value, more: &Value) {
        let spec = json!({"partnerRef": {"name": "acme"}, "details": {"name": format!("The {name}")}});
        let spec = if access.is_null() { spec } else { merge_spec(spec, &json!({"security": {"access": access}})) };
        assert!(self.create(&client_key(name), &merge_spec(spec, more)).is_success());
    }

    async fn wait_until_ready(&self, key: &SimObjectKey) {
        self.wait_until(&format!("{} is Ready", key.name), |world| {
            world.object(key).is_some_and(|object| is_ready(&object))
        })
        .await;
    }

    /// Returns reason and message of a condition that is False.
    fn not_ready_reason(&self, key: &SimObjectKey) -> Option<(String, String)> {
        let object = self.object(key)?;
        let all = object["status"]["conditions"].as_array()?.clone();
        let found = all.into_iter().find(|one| one["type"] == "Ready" && one["status"] == "False")?;
        Some((found["reason"].as_str()?.to_owned(), found["message"].as_str()?.to_owned()))
    }
}

/// An operator's changes on the platform, each with its values for Duo.
type DuoWriteLog = Arc<Mutex<Vec<(String, Value)>>>;

fn record_writes(world: &SimWorld) -> DuoWriteLog {
    let writes = DuoWriteLog::default();
    let recorded = Arc::clone(&writes);
    world.lock().fates = Box::new(move |_, ask: &SimRequest| {
        if ask.side == SimServer::Platform && ask.is_write() {
            recorded.lock().unwrap().push((ask.path.clone(), ask.json()["duoSecurity"].clone()));
        }
        RequestFate::Pass
    });
    writes
}

/// Takes the values of the key that were written since the last call, by the tenants' paths.
fn take_written_keys(writes: &DuoWriteLog) -> Vec<String> {
    let all = std::mem::take(&mut *writes.lock().unwrap());
    let mut keys: Vec<String> =
        all.iter().filter_map(|(_, duo)| duo["secretKey"].as_str().map(str::to_owned)).collect();
    keys.sort_unstable();
    keys
}

fn assert_no_faults(world: &SimWorld) {
    let faults = world.idle_faults();
    assert!(faults.is_empty(), "{faults:#?}\n{}", world.lock().log.join("\n"));
}

/// shows: faults/66
#[test]
fn a_rotated_secret_behind_the_defaults_reaches_each_client_that_inherits_it_once() {
    let world = new_default_world();
    let writes = record_writes(&world);
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        world.create_duo_secret("duo", "old", true);
        let defaults = json!({"clients": {"defaults": {"access": duo_access("duo")}}});
        world.create(&acme(), &scenarios::partner_spec(&defaults));
        for name in ["globex", "hooli"] {
            world.create_client(name, &Value::Null, &json!({}));
        }
        world.create_client("own", &duo_access("duo"), &json!({}));
        for name in ["globex", "hooli", "own"] {
            world.wait_until_ready(&client_key(name)).await;
        }
        wait_until_idle(&world, 1).await;
        assert_eq!(take_written_keys(&writes), ["old", "old", "old"]);
        world.patch(&SimObjectKey::new(SECRETS, "a", "duo"), &json!({"data": secret_data("new")}));
        wait_until_idle(&world, 2).await;
        assert_eq!(take_written_keys(&writes), ["new", "new", "new"], "{}", world.lock().log.join("\n"));
        // A change that leaves the value as it is costs a status write and no platform write.
        world.patch(&SimObjectKey::new(SECRETS, "a", "duo"), &json!({"metadata": {"labels": {"team": "msp"}}}));
        let before = world.lock().oracle.writes;
        wait_until_idle(&world, 2).await;
        assert_eq!(take_written_keys(&writes), Vec::<String>::new());
        let written = world.lock().oracle.writes - before;
        assert!(written <= 4, "{written} writes after a label:\n{}", world.lock().log.join("\n"));
        let shown = shown_secret_key(&world.object(&client_key("globex")).unwrap());
        let version =
            world.object(&SimObjectKey::new(SECRETS, "a", "duo")).unwrap()["metadata"]["resourceVersion"].clone();
        assert_eq!(shown, format!("\"duo/skey@{}\"", version.as_str().unwrap()));
    });
    assert!(done.is_some());
    assert_no_faults(&world);
}

/// Returns what status shows of the secret key.
fn shown_secret_key(object: &Value) -> String {
    let effective = object["status"]["effective"].as_array().unwrap();
    let found = effective.iter().find(|one| one["path"] == "security.access.duo.secretKeySecretRef").unwrap();
    found["value"].as_str().unwrap().to_owned()
}

/// Collects everything that a person may read who may read all but Secrets, after a Client used a Secret with this
/// value in each way that the operator reports.
fn collect_operator_output(secret_key: &str) -> String {
    let world = new_default_world();
    world.create_duo_secret("db", secret_key, true);
    world.create_duo_secret("private", secret_key, false);
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        let clients = json!({"clients": {"defaults": {"access": duo_access("db")}, "locked": ["access"]}});
        world.create(&acme(), &scenarios::partner_spec(&clients));
        let manual = json!({"management": {"approval": {"mode": "Manual"}}});
        world.create_client("planned", &duo_access("db"), &manual);
        world.create_client("applied", &duo_access("db"), &json!({}));
        let other = json!({"duo": {"secretKeySecretRef": {"name": "private"}}});
        world.create_client("beyond", &merge_spec(duo_access("db"), &other), &json!({}));
        world.wait_until_ready(&client_key("applied")).await;
        world.edit(&client_key("applied"), &merge_spec(manual, &json!({"details": {"city": "Bonn"}})));
        tokio::time::sleep(Duration::from_hours(1)).await;
    });
    assert!(done.is_some());
    let state = world.lock();
    let mut all = Vec::new();
    for (key, object) in state.cluster.partners_and_clients() {
        let mut status = object["status"].clone();
        for one in status["applied"]["writeOnly"].as_array_mut().into_iter().flatten() {
            // Its key differs from cluster to cluster.
            let record = one["digest"].take();
            assert!(record.as_str().unwrap().starts_with("hmac-sha256:"), "{record}");
        }
        // The platform's count depends on the order of several passes.
        status["applied"]["revision"].take();
        status["clients"].take();
        all.push(format!("{}: {}", key.name, serde_json::to_string_pretty(&status).unwrap()));
    }
    let events = state.cluster.all(super::cluster::EVENTS).map(|(_, event)| event["note"].to_string());
    let notes: BTreeSet<String> = events.collect();
    all.extend(notes);
    let text = all.join("\n");
    assert!(text.contains("ReferenceNotAllowed") && text.contains("ApprovalNeeded"), "{text}");
    text
}

/// shows: faults/67
#[test]
fn of_two_secrets_with_different_values_nothing_that_others_read_tells_which_is_which() {
    let (one, other) = (collect_operator_output("sunshine42"), collect_operator_output("correct-horse-battery-staple"));
    let differs = one.lines().zip(other.lines()).find(|(one, other)| one != other);
    assert_eq!(differs, None, "{one}\n=====\n{other}");
    assert_eq!(one.len(), other.len());
    let digest = sha256("sunshine42");
    assert!(!one.contains(&digest) && !one.contains("sunshine42"));
}

/// shows: faults/67
#[test]
fn a_reference_that_was_applied_goes_on_without_the_label_and_a_new_one_waits_for_it() {
    let world = new_default_world();
    let writes = record_writes(&world);
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        world.create_duo_secret("duo", "old", true);
        world.create_duo_secret("db", "other", false);
        world.create(&acme(), &scenarios::partner_spec(&json!({})));
        world.create_client("globex", &duo_access("duo"), &json!({}));
        world.wait_until_ready(&client_key("globex")).await;
        // As for objects of a release without the label.
        world.patch(
            &SimObjectKey::new(SECRETS, "a", "duo"),
            &json!({"metadata": {"labels": {LABEL: null}}, "data": secret_data("new")}),
        );
        wait_until_idle(&world, 2).await;
        assert_eq!(take_written_keys(&writes), ["new", "old"], "it rotates without the label");
        let warnings = world.lock().oracle.events.get("ReferenceNotAllowed").copied();
        assert_eq!(warnings, Some(2), "one for each of its keys");
        let ready = world.object(&client_key("globex")).unwrap()["status"]["conditions"].to_string();
        assert!(ready.contains("until release 0.3"), "{ready}");
        world.edit(&client_key("globex"), &json!({"security": {"access": duo_access("db")}}));
        world.create_client("hooli", &duo_access("duo"), &json!({}));
        for (name, secret) in [("globex", "db"), ("hooli", "duo")] {
            world.wait_until("it is refused", |world| world.not_ready_reason(&client_key(name)).is_some()).await;
            let (reason, message) = world.not_ready_reason(&client_key(name)).unwrap();
            let command = format!("kubectl label secret {secret} --namespace a {LABEL}=true");
            assert!(reason == "ReferenceNotAllowed" && message.contains(&command), "{reason}: {message}");
        }
        assert_eq!(condition(&world.object(&client_key("hooli")).unwrap(), "ReferencesResolved").unwrap().0, "False");
        assert_eq!(take_written_keys(&writes), Vec::<String>::new());
        for secret in ["db", "duo"] {
            world.patch(&SimObjectKey::new(SECRETS, "a", secret), &json!({"metadata": {"labels": {LABEL: "true"}}}));
        }
        wait_until_idle(&world, 1).await;
        assert_eq!(take_written_keys(&writes), ["new", "other"]);
    });
    assert!(done.is_some());
    assert_no_faults(&world);
}

#[test]
fn a_create_that_waits_for_approval_names_a_rotated_secret_with_the_next_look() {
    let world = new_default_world();
    let secret = SimObjectKey::new(SECRETS, "a", "duo");
    let is_named = |world: &SimWorld| {
        let version = world.object(&secret).unwrap()["metadata"]["resourceVersion"].clone();
        let plan = world.object(&client_key("globex")).unwrap()["status"]["plan"]["steps"].to_string();
        plan.contains(&format!("duo/skey@{}", version.as_str().unwrap()))
    };
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        world.create_duo_secret("duo", "old", true);
        world.create(&acme(), &scenarios::partner_spec(&json!({})));
        world.create_client("globex", &duo_access("duo"), &json!({"management": {"approval": {"mode": "Manual"}}}));
        world.wait_until("the plan waits", is_named).await;
        // There is no watch on it, but an object without a tenant is reconciled all the same.
        world.patch(&secret, &json!({"data": secret_data("new")}));
        world.wait_until("the plan names the new version", is_named).await;
    });
    assert!(done.is_some());
    assert!(world.lock().oracle.violations.is_empty(), "{:#?}", world.lock().oracle.violations);
}

fn record_key() -> SimObjectKey {
    SimObjectKey::new(SECRETS, OPERATOR_NAMESPACE, "tenantry-record-key")
}

/// Creates a Client whose keys are written.
fn create_client_with_keys(writes: &DuoWriteLog, world: &SimWorld) {
    let done = run_life(world, &OperatorLife::new(1), settings(), async {
        world.create_duo_secret("duo", "one", true);
        world.create(&acme(), &scenarios::partner_spec(&json!({})));
        world.create_client("globex", &duo_access("duo"), &json!({}));
        world.wait_until_ready(&client_key("globex")).await;
        wait_until_idle(world, 1).await;
    });
    assert!(done.is_some());
    assert_eq!(take_written_keys(writes), ["one"]);
}

/// shows: faults/68
#[test]
fn a_lost_key_of_the_records_writes_each_setting_once_and_nothing_else() {
    let world = new_default_world();
    let writes = record_writes(&world);
    create_client_with_keys(&writes, &world);
    run_life(&world, &OperatorLife::new(2), settings(), wait_until_idle(&world, 1));
    assert_eq!(take_written_keys(&writes), Vec::<String>::new(), "a restart with the key writes nothing");
    world.delete(&record_key());
    let before = world.lock().oracle.writes;
    run_life(&world, &OperatorLife::new(3), settings(), wait_until_idle(&world, 2));
    let all = std::mem::take(&mut *writes.lock().unwrap());
    assert_eq!(all.len(), 1, "{all:?}");
    let duo = json!({"integrationKey": "DIXXXXXXXXXXXXXXXXXX", "secretKey": "one"});
    assert_eq!(all[0].1, duo);
    // The key, the write, and the status with the new records.
    assert_eq!(world.lock().oracle.writes - before, 3, "{}", world.lock().log.join("\n"));
    run_life(&world, &OperatorLife::new(4), settings(), wait_until_idle(&world, 1));
    assert_eq!(take_written_keys(&writes), Vec::<String>::new());
    assert_no_faults(&world);
}

/// shows: faults/68
#[test]
fn of_two_operators_that_make_the_key_one_is_first_and_both_have_the_same() {
    let world = new_default_world();
    let writes = record_writes(&world);
    create_client_with_keys(&writes, &world);
    let made = world.object(&record_key()).unwrap();
    assert_eq!(made["immutable"], true);
    // The second one read before the first had created it.
    let mut is_first = true;
    let recorded = Arc::clone(&writes);
    world.lock().fates = Box::new(move |_, ask: &SimRequest| {
        if ask.side == SimServer::Platform && ask.is_write() {
            recorded.lock().unwrap().push((ask.path.clone(), ask.json()["duoSecurity"].clone()));
        }
        if ask.path.ends_with("/secrets/tenantry-record-key") && std::mem::take(&mut is_first) {
            return RequestFate::Replaced(Box::new((
                error_status(404, "NotFound", "secrets \"tenantry-record-key\" not found"),
                false,
            )));
        }
        RequestFate::Pass
    });
    run_life(&world, &OperatorLife::new(2), settings(), wait_until_idle(&world, 1));
    let refused = world
        .lock()
        .log
        .iter()
        .filter(|line| line.contains("/tenantry-system/secrets") && line.ends_with(" -> 409"))
        .count();
    assert_eq!(refused, 1, "{}", world.lock().log.join("\n"));
    assert_eq!(world.object(&record_key()).unwrap(), made);
    assert_eq!(take_written_keys(&writes), Vec::<String>::new());
    assert_no_faults(&world);
}

/// shows: faults/68
#[test]
fn without_the_key_of_the_records_all_goes_on_and_the_key_that_comes_writes_nothing() {
    let world = new_default_world();
    let writes = record_writes(&world);
    let recorded = Arc::clone(&writes);
    let is_refused = |ask: &SimRequest| ask.path.contains(&format!("/namespaces/{OPERATOR_NAMESPACE}/secrets"));
    world.lock().fates = Box::new(move |_, ask: &SimRequest| {
        if ask.side == SimServer::Platform && ask.is_write() {
            recorded.lock().unwrap().push((ask.path.clone(), ask.json()["duoSecurity"].clone()));
        }
        if is_refused(ask) {
            RequestFate::Replaced(Box::new((error_status(403, "Forbidden", "no"), false)))
        } else {
            RequestFate::Pass
        }
    });
    create_client_with_keys(&writes, &world);
    let before = take_written_keys(&writes);
    run_life(&world, &OperatorLife::new(2), settings(), async {
        world.patch(&SimObjectKey::new(SECRETS, "a", "duo"), &json!({"data": secret_data("two")}));
        wait_until_idle(&world, 2).await;
    });
    assert_eq!((before, take_written_keys(&writes)), (Vec::new(), vec!["two".to_owned()]));
    let writes = record_writes(&world);
    run_life(&world, &OperatorLife::new(3), settings(), wait_until_idle(&world, 1));
    assert_eq!(take_written_keys(&writes), Vec::<String>::new());
    assert!(world.object(&record_key()).is_some());
    let record = world.object(&client_key("globex")).unwrap()["status"]["applied"]["writeOnly"].to_string();
    assert_eq!(record.matches("hmac-sha256:").count(), 2, "{record}");
    assert_no_faults(&world);
}

fn salted_digest(salt: &str, bytes: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update((salt.len() as u64).to_be_bytes());
    hash.update(salt.as_bytes());
    hash.update(bytes);
    format!("sha256:{}", hex(hash.finalize()))
}

/// shows: faults/68
#[test]
fn a_status_with_digests_of_an_earlier_release_is_migrated_without_a_write() {
    for is_paused in [false, true] {
        let world = new_default_world();
        let writes = record_writes(&world);
        create_client_with_keys(&writes, &world);
        let key = client_key("globex");
        if is_paused {
            world.edit(&key, &json!({"management": {"mode": "Paused"}}));
        }
        let object = world.object(&key).unwrap();
        let uid = object["metadata"]["uid"].as_str().unwrap();
        let digest = |value: &str| salted_digest(uid, value.as_bytes());
        let mut status = object["status"].clone();
        for (path, value) in [("integrationKey", "DIXXXXXXXXXXXXXXXXXX"), ("secretKey", "one")] {
            let path = format!("security.access.duo.{path}SecretRef");
            let find = |list: &mut Value, member: &str, text: String| {
                let found = list.as_array_mut().unwrap().iter_mut().find(|one| one["path"] == path.as_str()).unwrap();
                found[member] = json!(text);
            };
            let json = format!("\"{}\"", digest(value));
            find(&mut status["effective"], "value", json.clone());
            find(&mut status["applied"]["writeOnly"], "digest", digest(&json));
        }
        let body = json!({"metadata": {"name": "globex"}, "status": status});
        assert!(world.apply_status(&key, &body).is_success());
        // The label is newer than that release.
        world.patch(&SimObjectKey::new(SECRETS, "a", "duo"), &json!({"metadata": {"labels": {LABEL: null}}}));
        run_life(&world, &OperatorLife::new(2), settings(), wait_until_idle(&world, 1));
        let text = world.object(&key).unwrap()["status"].to_string();
        for value in ["DIXXXXXXXXXXXXXXXXXX", "one"] {
            let old = digest(value);
            assert!(!text.contains(&old) && !text.contains(&digest(&format!("\"{old}\""))), "{text}");
        }
        assert_eq!(take_written_keys(&writes), Vec::<String>::new());
        if !is_paused {
            assert_eq!(text.matches("hmac-sha256:").count(), 2, "{text}");
            assert_no_faults(&world);
        }
    }
}
