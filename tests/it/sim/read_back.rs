//! Platforms whose reads are late, which normalise values, or which accept writes without applying them. Writes are
//! counted; at rest there are none.

mod suspension;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::cluster::{CLIENTS, LEASES, PARTNERS, SimObjectKey};
use super::crash_sweep::scenarios::{client_spec, partner_spec};
use super::exchange::{OperatorLife, RequestFate, SimWorld};
use super::idle::{condition, is_ready, new_default_world};
use super::operator_life::{OPERATOR_NAMESPACE, run_life, settings};
use super::request::{SimReply, SimRequest, SimServer};

fn acme() -> SimObjectKey {
    SimObjectKey::new(PARTNERS, "a", "acme")
}

fn globex() -> SimObjectKey {
    SimObjectKey::new(CLIENTS, "a", "globex")
}

/// Returns the client id of a request for one client with this method and no further path segment.
fn requested_client_id(request: &SimRequest, method: &Method) -> Option<String> {
    let last = request.path.rsplit('/').next().unwrap_or_default();
    let is_it = request.side == SimServer::Platform && request.method == method && last.starts_with("client_");
    is_it.then(|| last.to_owned())
}

/// Waits until an object is Ready for its current spec.
async fn wait_until_ready(world: &SimWorld, key: &SimObjectKey) {
    world
        .wait_until(&format!("{} is Ready", key.name), |world| world.object(key).is_some_and(|one| is_ready(&one)))
        .await;
}

/// Creates a Partner and a Client, both Ready; `more` is the Client's spec.
async fn create_partner_and_client(world: &SimWorld, more: &Value) {
    world.create(&acme(), &partner_spec(&json!({})));
    wait_until_ready(world, &acme()).await;
    world.create(&globex(), &client_spec("Globex", more));
}

/// Collects the conditions of an object, sampled each second for some time.
async fn collect_conditions(world: &SimWorld, seconds: u64) -> BTreeSet<String> {
    let mut conditions = BTreeSet::new();
    for _ in 0..seconds {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let Some(object) = world.object(&globex()) else { continue };
        for one in object["status"]["conditions"].as_array().into_iter().flatten() {
            let part = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
            conditions.insert(format!("{}={}/{}", part("type"), part("status"), part("reason")));
        }
        let is = |kind| condition(&object, kind).unwrap_or_default();
        if is("Ready") == ("True".to_owned(), "AsDeclared".to_owned()) && is("InSync").0 == "False" {
            conditions.insert("as declared and not in sync".to_owned());
        }
    }
    conditions
}

/// Records updates of clients by what they write.
fn count_updates(world: &SimWorld) -> Arc<Mutex<Vec<Value>>> {
    let updates = Arc::<Mutex<Vec<Value>>>::default();
    let counted = Arc::clone(&updates);
    world.lock().fates = Box::new(move |_, ask| {
        if requested_client_id(ask, &Method::POST).is_some() {
            counted.lock().unwrap().push(ask.json());
        }
        RequestFate::Pass
    });
    updates
}

fn request_reconcile(world: &SimWorld) {
    let now = tenantry_runtime::clock::now().to_string();
    world.patch(&globex(), &json!({"metadata": {"annotations": {"tenantry.dev/reconcile-requested-at": now}}}));
}

/// Rewrites a member of each client in answers.
fn edit_shown_member(world: &SimWorld, member: &'static str, form: impl Fn(&str) -> Value + Send + 'static) {
    world.lock().edit = Some(Box::new(move |ask, reply| {
        let mut body = reply.json_body();
        if let Some(text) = body[member].as_str().filter(|_| requested_client_id(ask, &Method::GET).is_some()) {
            body[member] = form(text);
            *reply = SimReply::json(reply.status, &body);
        }
    }));
}

fn assert_no_condition(conditions: &BTreeSet<String>, words: &[&str]) {
    let wrong: Vec<&String> = conditions.iter().filter(|one| words.iter().any(|word| one.contains(word))).collect();
    assert!(wrong.is_empty(), "{wrong:?} among {conditions:?}");
}

/// Runs with a tenant that reads do not show for some seconds after its create. Returns the conditions of three
/// minutes.
fn run_with_hidden_tenant(seconds: i64, restart_after: Option<Duration>) -> (SimWorld, BTreeSet<String>) {
    let world = new_default_world();
    let born = Mutex::new(BTreeMap::<String, Timestamp>::new());
    world.lock().edit = Some(Box::new(move |ask, reply| {
        let at = tenantry_runtime::clock::now();
        let mut born = born.lock().unwrap();
        if ask.method == Method::POST && ask.path.ends_with("/clients") && reply.is_success() {
            born.insert(reply.json_body()["uniqueId"].as_str().unwrap().to_owned(), at);
        }
        let young = |id: &String| {
            born.get(id).is_some_and(|born| at.duration_since(*born) < SignedDuration::from_secs(seconds))
        };
        if let Some(id) = requested_client_id(ask, &Method::GET).filter(young) {
            *reply =
                SimReply::json(404, &json!({"code": "0003", "message": format!("No resource found with UUID : {id}")}));
        }
    }));
    let mut all = BTreeSet::new();
    run_life(&world, &OperatorLife::new(1), settings(), async {
        create_partner_and_client(&world, &json!({})).await;
        all.extend(collect_conditions(&world, restart_after.map_or(180, |pause| pause.as_secs())).await);
    });
    if restart_after.is_some() {
        // An operator that ends releases it too, so that the next one leads at once.
        world.delete(&SimObjectKey::new(LEASES, OPERATOR_NAMESPACE, "tenantry-operator"));
        run_life(&world, &OperatorLife::new(2), settings(), async {
            all.extend(collect_conditions(&world, 3600).await);
        });
    }
    (world, all)
}

/// shows: faults/79
#[test]
fn a_new_tenant_that_reads_do_not_show_yet_is_waited_for_and_nobody_is_told_to_delete_its_object() {
    for (seconds, restart_after) in [(6, None), (90, None), (110, Some(Duration::from_secs(20)))] {
        let (world, said) = run_with_hidden_tenant(seconds, restart_after);
        assert_no_condition(&said, &["Stalled", "TenantMissing"]);
        assert!(said.contains("Ready=False/InProgress") && said.contains("Reconciling=True/InProgress"), "{said:?}");
        assert!(is_ready(&world.object(&globex()).unwrap()), "{seconds}: {said:?}\n{}", world.lock().log.join("\n"));
        assert_eq!(world.lock().oracle.created.values().map(Vec::len).sum::<usize>(), 2);
    }
}

#[test]
fn a_tenant_that_a_list_names_and_reads_do_not_show_yet_is_not_made_a_second_time() {
    let world = new_default_world();
    let born = Mutex::new(None::<Timestamp>);
    world.lock().edit = Some(Box::new(move |ask, reply| {
        let at = tenantry_runtime::clock::now();
        let mut born = born.lock().unwrap();
        if ask.method == Method::POST && ask.path.ends_with("/clients") {
            born.get_or_insert(at);
        }
        let is_young = born.is_some_and(|born| at.duration_since(born) < SignedDuration::from_secs(90));
        if requested_client_id(ask, &Method::GET).is_some() && is_young {
            *reply = SimReply::json(404, &json!({"code": "0003", "message": "No resource found"}));
        }
    }));
    let posts = Arc::new(Mutex::new(0));
    let count = Arc::clone(&posts);
    // The operator never learns the id.
    world.lock().fates = Box::new(move |_, ask| {
        if ask.side != SimServer::Platform || ask.method != Method::POST || !ask.path.ends_with("/clients") {
            return RequestFate::Pass;
        }
        *count.lock().unwrap() += 1;
        RequestFate::ReplyLost
    });
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        create_partner_and_client(&world, &json!({})).await;
        wait_until_ready(&world, &globex()).await;
    });
    assert!(done.is_some());
    assert_eq!(*posts.lock().unwrap(), 1, "{}", world.lock().log.join("\n"));
    assert_eq!(world.idle_faults(), Vec::<String>::new());
}

/// shows: faults/79
#[test]
fn a_tenant_that_reads_never_show_is_missing_after_two_minutes() {
    let (world, said) = run_with_hidden_tenant(1 << 20, None);
    assert!(said.contains("Ready=False/InProgress") && said.contains("Ready=False/TenantMissing"), "{said:?}");
    assert_eq!(world.lock().oracle.created.values().map(Vec::len).sum::<usize>(), 2);
}

#[test]
fn a_write_to_a_new_tenant_that_is_not_found_yet_is_tried_again() {
    let world = new_default_world();
    run_life(&world, &OperatorLife::new(1), settings(), async {
        let tries = Arc::<Mutex<usize>>::default();
        let counted = Arc::clone(&tries);
        world.lock().fates = Box::new(move |_, ask| {
            let Some(path) = ask.path.strip_suffix("/suspend") else { return RequestFate::Pass };
            let mut tries = counted.lock().unwrap();
            *tries += 1;
            let id = path.rsplit('/').next().unwrap_or_default();
            let unknown = json!({"code": "0003", "message": format!("No resource found with UUID : {id}")});
            if *tries > 1 {
                RequestFate::Pass
            } else {
                RequestFate::Replaced(Box::new((SimReply::json(404, &unknown), false)))
            }
        });
        create_partner_and_client(&world, &json!({"tenantState": "Suspended"})).await;
        assert_no_condition(&collect_conditions(&world, 60).await, &["Stalled", "RefusedByPlatform"]);
        assert_eq!((*tries.lock().unwrap(), world.tenant(&globex()).unwrap().state.as_str()), (2, "SUSPENDED"));
        assert!(is_ready(&world.object(&globex()).unwrap()));
    });
}

/// Runs on a platform whose reads show the former state for a minute after an update, with or without its revision.
fn run_with_late_reads(has_revision: bool) {
    let world = new_default_world();
    let updates = count_updates(&world);
    run_life(&world, &OperatorLife::new(1), settings(), async {
        create_partner_and_client(&world, &json!({"details": {"city": "Bonn"}})).await;
        wait_until_ready(&world, &globex()).await;
        let former = world
            .console(Method::GET, &SimWorld::tenant_path(&world.tenant(&globex()).unwrap()), &Value::Null)
            .json_body();
        let mut written = None::<Timestamp>;
        world.lock().edit = Some(Box::new(move |ask, reply| {
            let at = tenantry_runtime::clock::now();
            if requested_client_id(ask, &Method::POST).is_some() {
                written.get_or_insert(at);
            }
            let is_late = written.is_none_or(|written| at.duration_since(written) < SignedDuration::from_mins(1));
            let mut body = if is_late { former.clone() } else { reply.json_body() };
            if requested_client_id(ask, &Method::GET).is_none() {
                return;
            }
            if !has_revision {
                body.as_object_mut().unwrap().remove("revision");
            }
            *reply = SimReply::json(200, &body);
        }));
        world.edit(&globex(), &json!({"details": {"city": "Berlin"}}));
        let conditions = collect_conditions(&world, 120).await;
        assert_no_condition(&conditions, &["Stalled", "ConflictingWriter", "NotTaken", "as declared and not"]);
        assert!(conditions.contains("Ready=False/InProgress"), "{conditions:?}");
        assert!(is_ready(&world.object(&globex()).unwrap()), "{conditions:?}");
        assert_eq!(updates.lock().unwrap().len(), 1, "{updates:?}");
    });
}

/// shows: faults/80
#[test]
fn an_old_value_right_after_our_own_write_is_no_drift_and_is_not_written_again() {
    run_with_late_reads(true);
    run_with_late_reads(false);
}

/// shows: faults/81
#[test]
fn a_form_of_the_platform_s_own_is_in_sync_once_a_later_read_confirms_it_and_after_a_restart_too() {
    let world = new_default_world();
    let updates = count_updates(&world);
    edit_shown_member(&world, "phoneNumber", |text| json!(text.replace('-', "")));
    let phone = |number: &str| json!({"details": {"phone": {"number": number}}});
    let in_sync = |world: &SimWorld| condition(&world.object(&globex()).unwrap(), "InSync").unwrap_or_default();
    let wanted = ("True".to_owned(), "NormalisedByPlatform".to_owned());
    run_life(&world, &OperatorLife::new(1), settings(), async {
        create_partner_and_client(&world, &phone("555-0100")).await;
        wait_until_ready(&world, &globex()).await;
        assert_eq!((in_sync(&world), updates.lock().unwrap().len()), (wanted.clone(), 0));
        world.edit(&globex(), &phone("555-0199"));
        assert_no_condition(&collect_conditions(&world, 60).await, &["Stalled", "as declared and not"]);
        assert_eq!((in_sync(&world), updates.lock().unwrap().len()), (wanted.clone(), 1));
        world.change_in_console(&world.tenant(&globex()).unwrap(), &json!({"phoneNumber": "666"}));
        request_reconcile(&world);
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert_eq!((in_sync(&world), updates.lock().unwrap().len()), (wanted.clone(), 2));
        // The Partner counts its clients in its next drift check.
        tokio::time::sleep(Duration::from_mins(15)).await;
    });
    let before = world.lock().oracle.writes;
    run_life(&world, &OperatorLife::new(2), settings(), async { tokio::time::sleep(Duration::from_hours(2)).await });
    assert_eq!((in_sync(&world), updates.lock().unwrap().len()), (wanted, 2));
    let writes = world.lock().oracle.writes;
    let story = world.lock().log.join("\n");
    assert_eq!(writes, before, "{story}");
}

/// shows: faults/81
#[test]
fn a_rule_of_access_that_the_platform_shows_otherwise_is_never_in_sync_and_is_written_three_times_an_hour() {
    let world = new_default_world();
    let updates = count_updates(&world);
    run_life(&world, &OperatorLife::new(1), settings(), async {
        create_partner_and_client(&world, &json!({})).await;
        wait_until_ready(&world, &globex()).await;
        // A different rule than before the write, so that it could be mistaken for the platform's normal form.
        edit_shown_member(&world, "whiteListedIps", |text| json!(if text.is_empty() { "" } else { "0.0.0.0/0" }));
        world.edit(&globex(), &json!({"security": {"access": {"allowedIPs": ["10.0.0.1"]}}}));
        let conditions = collect_conditions(&world, 1800).await;
        assert_no_condition(&conditions, &["NormalisedByPlatform", "as declared and not", "ConflictingWriter"]);
        let object = world.object(&globex()).unwrap();
        assert_eq!(
            condition(&object, "Ready"),
            Some(("False".to_owned(), "NotTakenByPlatform".to_owned())),
            "{object}"
        );
        assert_eq!(updates.lock().unwrap().len(), 3);
        let before = world.lock().oracle.writes;
        tokio::time::sleep(Duration::from_mins(25)).await;
        assert_eq!(world.lock().oracle.writes, before);
    });
}

#[test]
fn a_rule_of_access_that_cannot_be_put_right_is_not_called_ready_meanwhile() {
    let world = new_default_world();
    run_life(&world, &OperatorLife::new(1), settings(), async {
        create_partner_and_client(&world, &json!({"security": {"access": {"allowedIPs": ["10.0.0.1"]}}})).await;
        wait_until_ready(&world, &globex()).await;
        world.change_in_console(&world.tenant(&globex()).unwrap(), &json!({"whiteListedIps": "0.0.0.0/0"}));
        let updates = ignore_updates(&world);
        request_reconcile(&world);
        // The object was not edited. That it was Ready for this spec before does not count.
        let conditions = collect_conditions(&world, 60).await;
        assert!(conditions.contains("Ready=False/InProgress"), "{conditions:?}");
        assert!(!updates.lock().unwrap().is_empty());
    });
}

/// Lets the platform accept updates without applying them.
fn ignore_updates(world: &SimWorld) -> Arc<Mutex<Vec<Value>>> {
    let updates = Arc::<Mutex<Vec<Value>>>::default();
    let counted = Arc::clone(&updates);
    world.lock().fates = Box::new(move |_, ask| {
        if requested_client_id(ask, &Method::POST).is_none() {
            return RequestFate::Pass;
        }
        counted.lock().unwrap().push(ask.json());
        RequestFate::Replaced(Box::new((SimReply::json(200, &Value::Null), false)))
    });
    updates
}

/// shows: faults/82
#[test]
fn what_the_platform_does_not_take_is_written_three_times_and_goes_on_once_its_value_is_declared() {
    let world = new_default_world();
    run_life(&world, &OperatorLife::new(1), settings(), async {
        create_partner_and_client(&world, &json!({"details": {"city": "Bonn"}})).await;
        wait_until_ready(&world, &globex()).await;
        let updates = ignore_updates(&world);
        world.edit(&globex(), &json!({"details": {"city": "Berlin"}}));
        let conditions = collect_conditions(&world, 1200).await;
        assert_no_condition(&conditions, &["ConflictingWriter", "as declared and not"]);
        let object = world.object(&globex()).unwrap();
        assert_eq!(
            condition(&object, "Ready"),
            Some(("False".to_owned(), "NotTakenByPlatform".to_owned())),
            "{conditions:?}"
        );
        let message = object["status"]["conditions"][0]["message"].as_str().unwrap();
        assert!(message.contains("`details.city`") && message.contains("declare the value that it shows"), "{message}");
        assert_eq!(updates.lock().unwrap().len(), 3);
        world.edit(&globex(), &json!({"details": {"city": "Bonn"}}));
        wait_until_ready(&world, &globex()).await;
        assert_eq!(updates.lock().unwrap().len(), 3);
        world.lock().fates = Box::new(|_, _| RequestFate::Pass);
    });
}

/// shows: faults/82
#[test]
fn a_platform_that_has_learnt_to_take_a_value_is_asked_again_after_an_hour() {
    let world = new_default_world();
    run_life(&world, &OperatorLife::new(1), settings(), async {
        create_partner_and_client(&world, &json!({"details": {"city": "Bonn"}})).await;
        wait_until_ready(&world, &globex()).await;
        let updates = ignore_updates(&world);
        world.edit(&globex(), &json!({"details": {"city": "Berlin"}}));
        tokio::time::sleep(Duration::from_mins(20)).await;
        assert_eq!(updates.lock().unwrap().len(), 3);
        world.lock().fates = Box::new(|_, _| RequestFate::Pass);
        tokio::time::sleep(Duration::from_mins(30)).await;
        assert!(!is_ready(&world.object(&globex()).unwrap()), "before the hour is over nothing is written");
        wait_until_ready(&world, &globex()).await;
        assert_eq!(world.tenant(&globex()).unwrap().settings["city"], "Berlin");
    });
}

#[test]
fn what_somebody_keeps_changing_is_healed_again_after_an_hour() {
    let world = new_default_world();
    let updates = count_updates(&world);
    run_life(&world, &OperatorLife::new(1), settings(), async {
        create_partner_and_client(&world, &json!({"details": {"city": "Berlin"}})).await;
        wait_until_ready(&world, &globex()).await;
        let tenant = world.tenant(&globex()).unwrap();
        for number in 1..=4 {
            world.change_in_console(&tenant, &json!({"city": "Bonn"}));
            request_reconcile(&world);
            tokio::time::sleep(Duration::from_secs(40)).await;
            assert_eq!(updates.lock().unwrap().len(), number.min(3));
        }
        let why = condition(&world.object(&globex()).unwrap(), "Ready").unwrap();
        assert_eq!(why, ("False".to_owned(), "ConflictingWriter".to_owned()));
        tokio::time::sleep(Duration::from_mins(50)).await;
        assert_eq!(updates.lock().unwrap().len(), 3, "before the hour is over it is left alone");
        tokio::time::sleep(Duration::from_mins(25)).await;
        assert_eq!(updates.lock().unwrap().len(), 4);
        assert!(is_ready(&world.object(&globex()).unwrap()));
        assert_eq!(world.tenant(&globex()).unwrap().settings["city"], "Berlin");
    });
}
