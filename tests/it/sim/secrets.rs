//! Secrets that settings are read from: they rotate, and nobody learns what is in them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::ask::{Ask, Side};
use super::cluster::answer::refuse;
use super::cluster::{CLIENTS, Key, PARTNERS, SECRETS};
use super::life::{HOME, live, settings};
use super::people::with;
use super::seam::{Fate, Life, World};
use super::settle::{condition, is_ready, rest, world};
use super::sweep::scenarios;
use crate::hex::{hex, sha256};

const LABEL: &str = "tenantry.dev/allow-reference";

fn acme() -> Key {
    Key::new(PARTNERS, "a", "acme")
}

fn client(name: &str) -> Key {
    Key::new(CLIENTS, "a", name)
}

/// Settings whose keys stand in a Secret.
fn duo(secret: &str) -> Value {
    let reference = |key: &str| json!({"name": secret, "key": key});
    json!({"duo": {
        "integrationKeySecretRef": reference("ikey"), "secretKeySecretRef": reference("skey"),
        "apiHostname": "api-1.duosecurity.com",
    }})
}

fn data(skey: &str) -> Value {
    json!({"ikey": STANDARD.encode("DIXXXXXXXXXXXXXXXXXX"), "skey": STANDARD.encode(skey)})
}

impl World {
    /// Makes a Secret with keys of Duo, with the label or without.
    fn duo_secret(&self, name: &str, skey: &str, is_allowed: bool) {
        let labels = if is_allowed { json!({LABEL: "true"}) } else { json!({}) };
        let metadata = json!({"name": name, "namespace": "a", "labels": labels});
        let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data(skey)});
        assert!(self.kubectl(Method::POST, &SECRETS.path("a", ""), &body).is_success());
    }

    /// A Client of `acme` with these access settings.
    fn client_with(&self, name: &str, access: &Value, more: &Value) {
        let spec = json!({"partnerRef": {"name": "acme"}, "details": {"name": format!("The {name}")}});
        let spec = if access.is_null() { spec } else { with(spec, &json!({"security": {"access": access}})) };
        assert!(self.create(&client(name), &with(spec, more)).is_success());
    }

    async fn until_ready(&self, key: &Key) {
        self.until(&format!("{} is Ready", key.name), |world| {
            world.object(key).is_some_and(|object| is_ready(&object))
        })
        .await;
    }

    /// Reason and message of a condition that is False.
    fn stopped(&self, key: &Key) -> Option<(String, String)> {
        let object = self.object(key)?;
        let all = object["status"]["conditions"].as_array()?.clone();
        let found = all.into_iter().find(|one| one["type"] == "Ready" && one["status"] == "False")?;
        Some((found["reason"].as_str()?.to_owned(), found["message"].as_str()?.to_owned()))
    }
}

/// Changes of the platform that an operator asked for, and what each said of Duo.
type Writes = Arc<Mutex<Vec<(String, Value)>>>;

fn note_writes(world: &World) -> Writes {
    let writes = Writes::default();
    let noted = Arc::clone(&writes);
    world.lock().fates = Box::new(move |_, ask: &Ask| {
        if ask.side == Side::Platform && ask.is_write() {
            noted.lock().unwrap().push((ask.path.clone(), ask.json()["duoSecurity"].clone()));
        }
        Fate::Pass
    });
    writes
}

/// Values of the key that were written since the last time, by the tenants' paths.
fn keys(writes: &Writes) -> Vec<String> {
    let all = std::mem::take(&mut *writes.lock().unwrap());
    let mut keys: Vec<String> =
        all.iter().filter_map(|(_, duo)| duo["secretKey"].as_str().map(str::to_owned)).collect();
    keys.sort_unstable();
    keys
}

fn must_be_whole(world: &World) {
    let faults = world.faults();
    assert!(faults.is_empty(), "{faults:#?}\n{}", world.lock().story.join("\n"));
}

/// shows: faults/66
#[test]
fn a_rotated_secret_behind_the_defaults_reaches_each_client_that_inherits_it_once() {
    let world = world();
    let writes = note_writes(&world);
    let done = live(&world, &Life::new(1), settings(), async {
        world.duo_secret("duo", "old", true);
        let defaults = json!({"clients": {"defaults": {"access": duo("duo")}}});
        world.create(&acme(), &scenarios::partner(&defaults));
        for name in ["globex", "hooli"] {
            world.client_with(name, &Value::Null, &json!({}));
        }
        world.client_with("own", &duo("duo"), &json!({}));
        for name in ["globex", "hooli", "own"] {
            world.until_ready(&client(name)).await;
        }
        rest(&world, 1).await;
        assert_eq!(keys(&writes), ["old", "old", "old"]);
        world.patch(&Key::new(SECRETS, "a", "duo"), &json!({"data": data("new")}));
        rest(&world, 2).await;
        assert_eq!(keys(&writes), ["new", "new", "new"], "{}", world.lock().story.join("\n"));
        // A change that is none of the value costs a status and no write.
        world.patch(&Key::new(SECRETS, "a", "duo"), &json!({"metadata": {"labels": {"team": "msp"}}}));
        let before = world.lock().oracle.writes;
        rest(&world, 2).await;
        assert_eq!(keys(&writes), Vec::<String>::new());
        let written = world.lock().oracle.writes - before;
        assert!(written <= 4, "{written} writes after a label:\n{}", world.lock().story.join("\n"));
        let shown = shown(&world.object(&client("globex")).unwrap());
        let version = world.object(&Key::new(SECRETS, "a", "duo")).unwrap()["metadata"]["resourceVersion"].clone();
        assert_eq!(shown, format!("\"duo/skey@{}\"", version.as_str().unwrap()));
    });
    assert!(done.is_some());
    must_be_whole(&world);
}

/// What status shows of the secret key.
fn shown(object: &Value) -> String {
    let effective = object["status"]["effective"].as_array().unwrap();
    let found = effective.iter().find(|one| one["path"] == "security.access.duo.secretKeySecretRef").unwrap();
    found["value"].as_str().unwrap().to_owned()
}

/// Everything that somebody reads who may read all but Secrets, after a Client named a Secret with this value in each of
/// the ways in which the operator speaks of it.
fn read_with(skey: &str) -> String {
    let world = world();
    world.duo_secret("db", skey, true);
    world.duo_secret("private", skey, false);
    let done = live(&world, &Life::new(1), settings(), async {
        let clients = json!({"clients": {"defaults": {"access": duo("db")}, "locked": ["access"]}});
        world.create(&acme(), &scenarios::partner(&clients));
        let manual = json!({"management": {"approval": {"mode": "Manual"}}});
        world.client_with("planned", &duo("db"), &manual);
        world.client_with("applied", &duo("db"), &json!({}));
        let other = json!({"duo": {"secretKeySecretRef": {"name": "private"}}});
        world.client_with("beyond", &with(duo("db"), &other), &json!({}));
        world.until_ready(&client("applied")).await;
        world.edit(&client("applied"), &with(manual, &json!({"details": {"city": "Bonn"}})));
        tokio::time::sleep(Duration::from_hours(1)).await;
    });
    assert!(done.is_some());
    let state = world.lock();
    let mut all = Vec::new();
    for (key, object) in state.cluster.ours() {
        let mut status = object["status"].clone();
        for one in status["applied"]["writeOnly"].as_array_mut().into_iter().flatten() {
            // Under a key that is another one in each cluster.
            let record = one["digest"].take();
            assert!(record.as_str().unwrap().starts_with("hmac-sha256:"), "{record}");
        }
        // What the platform counts depends on which of several passes was first.
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
    let (one, other) = (read_with("sunshine42"), read_with("correct-horse-battery-staple"));
    let differs = one.lines().zip(other.lines()).find(|(one, other)| one != other);
    assert_eq!(differs, None, "{one}\n=====\n{other}");
    assert_eq!(one.len(), other.len());
    let digest = sha256("sunshine42");
    assert!(!one.contains(&digest) && !one.contains("sunshine42"));
}

/// shows: faults/67
#[test]
fn a_reference_that_was_applied_goes_on_without_the_label_and_a_new_one_waits_for_it() {
    let world = world();
    let writes = note_writes(&world);
    let done = live(&world, &Life::new(1), settings(), async {
        world.duo_secret("duo", "old", true);
        world.duo_secret("db", "other", false);
        world.create(&acme(), &scenarios::partner(&json!({})));
        world.client_with("globex", &duo("duo"), &json!({}));
        world.until_ready(&client("globex")).await;
        // As it is for objects of a release that knew no label.
        world.patch(
            &Key::new(SECRETS, "a", "duo"),
            &json!({"metadata": {"labels": {LABEL: null}}, "data": data("new")}),
        );
        rest(&world, 2).await;
        assert_eq!(keys(&writes), ["new", "old"], "it rotates without the label");
        let warnings = world.lock().oracle.events.get("ReferenceNotAllowed").copied();
        assert_eq!(warnings, Some(2), "one for each of its keys");
        let ready = world.object(&client("globex")).unwrap()["status"]["conditions"].to_string();
        assert!(ready.contains("until release 0.3"), "{ready}");
        world.edit(&client("globex"), &json!({"security": {"access": duo("db")}}));
        world.client_with("hooli", &duo("duo"), &json!({}));
        for (name, secret) in [("globex", "db"), ("hooli", "duo")] {
            world.until("it is refused", |world| world.stopped(&client(name)).is_some()).await;
            let (reason, message) = world.stopped(&client(name)).unwrap();
            let command = format!("kubectl label secret {secret} --namespace a {LABEL}=true");
            assert!(reason == "ReferenceNotAllowed" && message.contains(&command), "{reason}: {message}");
        }
        assert_eq!(condition(&world.object(&client("hooli")).unwrap(), "ReferencesResolved").unwrap().0, "False");
        assert_eq!(keys(&writes), Vec::<String>::new());
        for secret in ["db", "duo"] {
            world.patch(&Key::new(SECRETS, "a", secret), &json!({"metadata": {"labels": {LABEL: "true"}}}));
        }
        rest(&world, 1).await;
        assert_eq!(keys(&writes), ["new", "other"]);
    });
    assert!(done.is_some());
    must_be_whole(&world);
}

#[test]
fn a_create_that_waits_for_approval_names_a_rotated_secret_with_the_next_look() {
    let world = world();
    let secret = Key::new(SECRETS, "a", "duo");
    let is_named = |world: &World| {
        let version = world.object(&secret).unwrap()["metadata"]["resourceVersion"].clone();
        let plan = world.object(&client("globex")).unwrap()["status"]["plan"]["steps"].to_string();
        plan.contains(&format!("duo/skey@{}", version.as_str().unwrap()))
    };
    let done = live(&world, &Life::new(1), settings(), async {
        world.duo_secret("duo", "old", true);
        world.create(&acme(), &scenarios::partner(&json!({})));
        world.client_with("globex", &duo("duo"), &json!({"management": {"approval": {"mode": "Manual"}}}));
        world.until("the plan waits", is_named).await;
        // No watch tells of it, and an object that has no tenant yet is looked at all the same.
        world.patch(&secret, &json!({"data": data("new")}));
        world.until("the plan names the new version", is_named).await;
    });
    assert!(done.is_some());
    assert!(world.lock().oracle.violations.is_empty(), "{:#?}", world.lock().oracle.violations);
}

fn record_key() -> Key {
    Key::new(SECRETS, HOME, "tenantry-record-key")
}

/// A world with a Client whose keys are written.
fn with_keys(writes: &Writes, world: &World) {
    let done = live(world, &Life::new(1), settings(), async {
        world.duo_secret("duo", "one", true);
        world.create(&acme(), &scenarios::partner(&json!({})));
        world.client_with("globex", &duo("duo"), &json!({}));
        world.until_ready(&client("globex")).await;
        rest(world, 1).await;
    });
    assert!(done.is_some());
    assert_eq!(keys(writes), ["one"]);
}

/// shows: faults/68
#[test]
fn a_lost_key_of_the_records_writes_each_setting_once_and_nothing_else() {
    let world = world();
    let writes = note_writes(&world);
    with_keys(&writes, &world);
    live(&world, &Life::new(2), settings(), rest(&world, 1));
    assert_eq!(keys(&writes), Vec::<String>::new(), "a restart with the key writes nothing");
    world.delete(&record_key());
    let before = world.lock().oracle.writes;
    live(&world, &Life::new(3), settings(), rest(&world, 2));
    let all = std::mem::take(&mut *writes.lock().unwrap());
    assert_eq!(all.len(), 1, "{all:?}");
    let duo = json!({"integrationKey": "DIXXXXXXXXXXXXXXXXXX", "secretKey": "one"});
    assert_eq!(all[0].1, duo);
    // The key, the write, and the status with the new records.
    assert_eq!(world.lock().oracle.writes - before, 3, "{}", world.lock().story.join("\n"));
    live(&world, &Life::new(4), settings(), rest(&world, 1));
    assert_eq!(keys(&writes), Vec::<String>::new());
    must_be_whole(&world);
}

/// shows: faults/68
#[test]
fn of_two_operators_that_make_the_key_one_is_first_and_both_have_the_same() {
    let world = world();
    let writes = note_writes(&world);
    with_keys(&writes, &world);
    let made = world.object(&record_key()).unwrap();
    assert_eq!(made["immutable"], true);
    // The second one looked before the first had made it.
    let mut is_first = true;
    let noted = Arc::clone(&writes);
    world.lock().fates = Box::new(move |_, ask: &Ask| {
        if ask.side == Side::Platform && ask.is_write() {
            noted.lock().unwrap().push((ask.path.clone(), ask.json()["duoSecurity"].clone()));
        }
        if ask.path.ends_with("/secrets/tenantry-record-key") && std::mem::take(&mut is_first) {
            return Fate::Instead(Box::new((
                refuse(404, "NotFound", "secrets \"tenantry-record-key\" not found"),
                false,
            )));
        }
        Fate::Pass
    });
    live(&world, &Life::new(2), settings(), rest(&world, 1));
    let refused = world
        .lock()
        .story
        .iter()
        .filter(|line| line.contains("/tenantry-system/secrets") && line.ends_with(" -> 409"))
        .count();
    assert_eq!(refused, 1, "{}", world.lock().story.join("\n"));
    assert_eq!(world.object(&record_key()).unwrap(), made);
    assert_eq!(keys(&writes), Vec::<String>::new());
    must_be_whole(&world);
}

/// shows: faults/68
#[test]
fn without_the_key_of_the_records_all_goes_on_and_the_key_that_comes_writes_nothing() {
    let world = world();
    let writes = note_writes(&world);
    let noted = Arc::clone(&writes);
    let is_refused = |ask: &Ask| ask.path.contains(&format!("/namespaces/{HOME}/secrets"));
    world.lock().fates = Box::new(move |_, ask: &Ask| {
        if ask.side == Side::Platform && ask.is_write() {
            noted.lock().unwrap().push((ask.path.clone(), ask.json()["duoSecurity"].clone()));
        }
        if is_refused(ask) { Fate::Instead(Box::new((refuse(403, "Forbidden", "no"), false))) } else { Fate::Pass }
    });
    with_keys(&writes, &world);
    let before = keys(&writes);
    live(&world, &Life::new(2), settings(), async {
        world.patch(&Key::new(SECRETS, "a", "duo"), &json!({"data": data("two")}));
        rest(&world, 2).await;
    });
    assert_eq!((before, keys(&writes)), (Vec::new(), vec!["two".to_owned()]));
    let writes = note_writes(&world);
    live(&world, &Life::new(3), settings(), rest(&world, 1));
    assert_eq!(keys(&writes), Vec::<String>::new());
    assert!(world.object(&record_key()).is_some());
    let record = world.object(&client("globex")).unwrap()["status"]["applied"]["writeOnly"].to_string();
    assert_eq!(record.matches("hmac-sha256:").count(), 2, "{record}");
    must_be_whole(&world);
}

fn salted(salt: &str, bytes: &[u8]) -> String {
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
        let world = world();
        let writes = note_writes(&world);
        with_keys(&writes, &world);
        let key = client("globex");
        if is_paused {
            world.edit(&key, &json!({"management": {"mode": "Paused"}}));
        }
        let object = world.object(&key).unwrap();
        let uid = object["metadata"]["uid"].as_str().unwrap();
        let digest = |value: &str| salted(uid, value.as_bytes());
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
        world.patch(&Key::new(SECRETS, "a", "duo"), &json!({"metadata": {"labels": {LABEL: null}}}));
        live(&world, &Life::new(2), settings(), rest(&world, 1));
        let text = world.object(&key).unwrap()["status"].to_string();
        for value in ["DIXXXXXXXXXXXXXXXXXX", "one"] {
            let old = digest(value);
            assert!(!text.contains(&old) && !text.contains(&digest(&format!("\"{old}\""))), "{text}");
        }
        assert_eq!(keys(&writes), Vec::<String>::new());
        if !is_paused {
            assert_eq!(text.matches("hmac-sha256:").count(), 2, "{text}");
            must_be_whole(&world);
        }
    }
}
