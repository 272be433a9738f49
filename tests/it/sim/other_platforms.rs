//! A foreign platform: one with only the documented API, or one whose answers this release does not know.

mod full_reads;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Method;
use serde_json::{Value, json};

use super::actions::{SimAction, SimActor, object_spec};
use super::cluster::{CLIENTS, SimObjectKey};
use super::crash_sweep::scenarios::confirmed_deletion;
use super::exchange::{CrashPoint, OperatorLife, RequestFate, SimWorld};
use super::idle::{condition, is_ready, new_default_world, new_documented_world, wait_until_idle};
use super::operator_life::{run_life, settings};
use super::platform::SimTenant;
use super::request::{SimReply, SimRequest, SimServer};
use super::user_actions::merge_spec;

fn globex() -> SimObjectKey {
    SimObjectKey::new(CLIENTS, "a", "globex")
}

/// Returns a Client of the partner that the credential belongs to.
fn client_spec(world: &SimWorld, name: &str) -> Value {
    let partner = world.lock().platform.credential.tenant_id.clone();
    json!({
        "partnerUniqueId": partner, "connectionSecretRef": {"name": "platform"},
        "details": {"name": name, "address": "Hauptstr. 1", "timezone": "Europe/Berlin", "country": "Germany"},
    })
}

/// Creates a tenant in the console.
fn create_in_console(world: &SimWorld, name: &str) -> SimTenant {
    let partner = world.lock().platform.credential.tenant_id.clone();
    let body = json!({"name": name, "address": "x", "timeZone": "Europe/Berlin", "country": "Germany"});
    let id = world.console(Method::POST, &format!("{partner}/clients"), &body).json_body()["uniqueId"].clone();
    world.tenants().into_iter().find(|tenant| id == *tenant.id).unwrap()
}

fn tenants_named(world: &SimWorld, name: &str) -> Vec<SimTenant> {
    world.tenants().into_iter().filter(|tenant| tenant.name == name).collect()
}

fn run_log_text(world: &SimWorld) -> String {
    world.lock().log.join("\n")
}

async fn wait_until_ready(world: &SimWorld) {
    world.wait_until("it is ready", |world| world.object(&globex()).is_some_and(|object| is_ready(&object))).await;
}

/// Edits a JSON answer.
fn edit_reply(reply: &mut SimReply, edit: impl FnOnce(&mut Value)) {
    let mut value = reply.json_body();
    edit(&mut value);
    reply.body = Bytes::from(value.to_string());
}

fn is_create(request: &SimRequest) -> bool {
    request.side == SimServer::Platform && request.method == Method::POST && request.path.ends_with("/clients")
}

fn is_search_page(request: &SimRequest, number: &str) -> bool {
    request.path.ends_with("/search") && request.parameter("pageNo").as_deref() == Some(number)
}

/// How often a list shifts: more often than the lookups before one create read it.
const LIST_SHIFTS: usize = 24;

/// Creates a tenant with an operator that ends before it receives the answer.
fn crash_after_create(world: &SimWorld, name: &str) {
    world.create(&globex(), &client_spec(world, name));
    world.lock().fates =
        Box::new(|_, ask| if is_create(ask) { RequestFate::Crash(CrashPoint::BeforeReply) } else { RequestFate::Pass });
    run_life(world, &OperatorLife::new(1), settings(), std::future::pending::<()>());
    assert_eq!(tenants_named(world, name).len(), 1);
    assert!(world.object(&globex()).unwrap()["status"]["uniqueId"].is_null());
    world.lock().fates = Box::new(|_, _| RequestFate::Pass);
}

/// Creates a tenant whose create gets no answer. The tenant is then suspended among a hundred suspended siblings. One
/// sibling is activated between the first page and the second, and suspended again before the next first page, so that
/// each reading of the list lacks the tenant.
fn create_with_shifting_list(name: &str) -> (usize, usize, usize) {
    let world = new_documented_world();
    let siblings: Vec<SimTenant> =
        (0..100).map(|number| create_in_console(&world, &format!("Sibling {number}"))).collect();
    for sibling in &siblings {
        world.act_in_console(sibling, "suspend");
    }
    crash_after_create(&world, name);
    world.act_in_console(&tenants_named(&world, name)[0], "suspend");
    let (shifts, creates) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, made) = (Arc::clone(&shifts), Arc::clone(&creates));
    let (platform, path) = (Arc::clone(&world.lock().platform), SimWorld::tenant_path(&siblings[0]));
    world.lock().fates = Box::new(move |_, ask| {
        made.fetch_add(usize::from(is_create(ask)), Ordering::SeqCst);
        let number = counted.load(Ordering::SeqCst);
        let (is_first, is_second) = (is_search_page(ask, "1"), is_search_page(ask, "2"));
        counted.fetch_add(usize::from(is_second), Ordering::SeqCst);
        // After this number of shifts the sibling does not change any more.
        if number < LIST_SHIFTS && (is_first || is_second) {
            let action = if is_second { "activate" } else { "suspend" };
            let mut act = SimRequest::from_person(
                SimServer::Platform,
                Method::POST,
                &format!("/api/v2/tenants/{path}/{action}"),
                &Value::Null,
            );
            act.headers.insert("authorization".to_owned(), ask.header("authorization").to_owned());
            let done = platform.carry_out(&act, tenantry_runtime::clock::now());
            assert!(done.is_success() || !is_second, "{done:?}");
        }
        RequestFate::Pass
    });
    run_life(&world, &OperatorLife::new(2), settings(), async {
        wait_until_ready(&world).await;
        tokio::time::sleep(Duration::from_mins(30)).await;
    });
    assert!(is_ready(&world.object(&globex()).unwrap()), "{}", run_log_text(&world));
    let counts = (tenants_named(&world, name).len(), creates.load(Ordering::SeqCst), shifts.load(Ordering::SeqCst));
    println!("{name}: {counts:?}");
    counts
}

/// shows: faults/55
#[test]
fn a_tenant_that_moves_to_a_page_which_was_read_is_not_made_a_second_time() {
    let (tenants, creates, _) = create_with_shifting_list("Globex");
    assert_eq!((tenants, creates), (1, 0));
}

/// shows: faults/55
#[test]
fn a_name_that_cannot_be_asked_for_is_looked_for_in_lists_that_hold_still() {
    let (tenants, creates, shifts) = create_with_shifting_list("Globex + Co: one");
    assert_eq!((tenants, creates), (1, 0));
    assert_eq!(shifts, LIST_SHIFTS, "the list was read in pages until it held still");
}

/// shows: faults/55
#[test]
fn a_tenant_that_one_answer_leaves_out_is_not_made_a_second_time() {
    let world = new_documented_world();
    crash_after_create(&world, "Globex");
    let mut answers = 0;
    // Each second list lacks it, with a total of 0, as from a replica that is behind.
    world.lock().edit = Some(Box::new(move |ask, reply| {
        if ask.path.ends_with("/search") && reply.json_body()["totalResults"] == json!(1) {
            answers += 1;
            if answers % 2 == 1 && answers < 8 {
                edit_reply(reply, |page| {
                    page["results"] = json!([]);
                    page["totalResults"] = json!(0);
                });
            }
        }
    }));
    run_life(&world, &OperatorLife::new(2), settings(), async {
        wait_until_ready(&world).await;
        tokio::time::sleep(Duration::from_mins(10)).await;
    });
    assert!(is_ready(&world.object(&globex()).unwrap()), "{}", run_log_text(&world));
    assert_eq!(tenants_named(&world, "Globex").len(), 1, "{}", run_log_text(&world));
}

/// shows: faults/60
#[test]
fn drift_on_a_platform_that_tells_of_no_change_is_found_within_a_day() {
    let world = new_documented_world();
    world.create(&globex(), &client_spec(&world, "Globex"));
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&reads);
    run_life(&world, &OperatorLife::new(1), settings(), async {
        wait_until_ready(&world).await;
        let tenant = tenants_named(&world, "Globex").remove(0);
        let id = tenant.id.clone();
        world.lock().fates = Box::new(move |_, ask| {
            counted.fetch_add(usize::from(ask.method == Method::GET && ask.path.ends_with(&id)), Ordering::SeqCst);
            RequestFate::Pass
        });
        // Not immediately, as after a restart: every daily slice has begun.
        tokio::time::sleep(Duration::from_hours(25)).await;
        world.change_in_console(&tenant, &json!({"address": "elsewhere"}));
        tokio::time::sleep(Duration::from_hours(25)).await;
        assert_eq!(tenants_named(&world, "Globex")[0].settings["address"], "Hauptstr. 1", "{}", run_log_text(&world));
    });
    let reads = reads.load(Ordering::SeqCst);
    println!("{reads} reads in 50 hours");
    assert!((2..=8).contains(&reads), "{reads} reads of one tenant in 50 hours, and looks every ten minutes");
}

/// shows: faults/58
#[test]
fn a_mark_that_does_not_come_back_is_written_twice_and_then_no_more() {
    let world = new_documented_world();
    world.create(&globex(), &client_spec(&world, "Globex"));
    let marks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&marks);
    world.lock().edit = Some(Box::new(move |ask, reply| {
        let writes_mark = ask.method == Method::POST && ask.json()["extOrgId"].is_string();
        counted.fetch_add(usize::from(writes_mark), Ordering::SeqCst);
        if ask.method == Method::GET && reply.json_body()["uniqueId"].is_string() {
            edit_reply(reply, |tenant| drop(tenant.as_object_mut().unwrap().remove("extOrgId")));
        }
    }));
    for life in 1..=3 {
        run_life(&world, &OperatorLife::new(life), settings(), async {
            wait_until_ready(&world).await;
            tokio::time::sleep(Duration::from_hours(30)).await;
        });
        assert_eq!(marks.load(Ordering::SeqCst), 2, "in life {life}: {}", run_log_text(&world));
    }
    let object = world.object(&globex()).unwrap();
    assert_eq!(condition(&object, "InSync").map(|(truth, _)| truth).as_deref(), Some("True"));
    let message = object["status"]["conditions"][0]["message"].as_str().unwrap();
    assert!(message.contains("does not show the mark"), "{message}");
}

/// shows: faults/59
#[test]
fn where_the_extensions_are_hidden_in_the_middle_of_a_life_nothing_is_written() {
    let world = new_default_world();
    let hidden = Arc::new(AtomicBool::new(false));
    let is_hidden = Arc::clone(&hidden);
    world.lock().edit = Some(Box::new(move |_, reply| {
        if is_hidden.load(Ordering::SeqCst) {
            reply.headers.retain(|(name, _)| name != "x-tenantry-extensions");
        }
    }));
    let script = async {
        world.perform_action(&SimAction::Create(SimActor::Acme));
        world.perform_action(&SimAction::Create(SimActor::Globex));
        wait_until_ready(&world).await;
    };
    run_life(&world, &OperatorLife::new(1), settings(), script);
    hidden.store(true, Ordering::SeqCst);
    let changes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&changes);
    world.lock().fates = Box::new(move |_, ask| {
        counted.fetch_add(usize::from(ask.side == SimServer::Platform && ask.is_write()), Ordering::SeqCst);
        RequestFate::Pass
    });
    let why = |world: &SimWorld, key: &SimObjectKey| condition(&world.object(key).unwrap(), "Ready").unwrap().1;
    run_life(&world, &OperatorLife::new(2), settings(), async {
        world.edit(&globex(), &json!({"details": {"city": "Bonn"}}));
        // An object that is created only now, under a Partner that was created with the extensions.
        world.perform_action(&SimAction::Create(SimActor::Initech));
        world.wait_until("it is told", |world| why(world, &globex()) == "ExtensionsMissing").await;
        world.wait_until("of both", |world| why(world, &SimActor::Initech.key()) == "ExtensionsMissing").await;
        tokio::time::sleep(Duration::from_hours(2)).await;
        assert_eq!(changes.load(Ordering::SeqCst), 0, "{}", run_log_text(&world));
        hidden.store(false, Ordering::SeqCst);
    });
    run_life(&world, &OperatorLife::new(3), settings(), wait_until_idle(&world, 1));
    assert!(world.idle_faults().is_empty(), "{:#?}\n{}", world.idle_faults(), run_log_text(&world));
    assert!(world.tenants().iter().all(|tenant| tenant.settings["extOrgId"].is_null()));
    assert_eq!(world.tenants().len(), 3);
}

/// shows: faults/56
#[test]
fn add_ons_of_a_later_release_are_kept_shown_and_sent_back() {
    let world = new_default_world();
    let sold = json!({
        "packages": ["HybridDiscoveryAndMonitoring", "EventAndIncidentManagement"],
        "addOns": ["KnowledgeBaseManagement", "SLAManagement"],
    });
    let sent = Arc::new(Mutex::new(Vec::new()));
    let recorded = Arc::clone(&sent);
    // The platform gives every client an add-on that was not requested.
    world.lock().edit = Some(Box::new(move |ask, reply| {
        if !ask.path.contains("/clients") {
            return;
        }
        if ask.method == Method::POST && ask.json()["addOns"].is_array() {
            recorded.lock().unwrap().push(ask.json()["addOns"].clone());
        }
        if ask.method == Method::GET && reply.json_body()["addOns"].is_array() {
            edit_reply(reply, |tenant| tenant["addOns"].as_array_mut().unwrap().push(json!("Synthetic Monitoring")));
        }
    }));
    run_life(&world, &OperatorLife::new(1), settings(), async {
        world.create(&SimActor::Acme.key(), &merge_spec(object_spec(SimActor::Acme), &sold));
        let only = json!({"packages": sold["packages"], "addOns": ["SLAManagement"]});
        world.create(&globex(), &merge_spec(object_spec(SimActor::Globex), &only));
        wait_until_ready(&world).await;
        tokio::time::sleep(Duration::from_hours(2)).await;
        assert_eq!(*sent.lock().unwrap(), [json!(["SLA Management"])], "the create alone");
        let status = world.object(&globex()).unwrap()["status"].clone();
        assert_eq!(status["unknown"], json!([{"path": "addOns", "values": ["Synthetic Monitoring"]}]));
        assert_eq!(condition(&world.object(&globex()).unwrap(), "InSync").unwrap().0, "True");
        // The other platform accepts what ours refuses. Only the request counts here.
        world.edit(&globex(), &json!({"addOns": sold["addOns"]}));
        let count = Arc::clone(&sent);
        world.wait_until("the list is written", move |_| count.lock().unwrap().len() > 1).await;
    });
    let last = sent.lock().unwrap()[1].clone();
    assert_eq!(last, json!(["Knowledgebase Management", "SLA Management", "Synthetic Monitoring"]));
}

/// shows: faults/56
#[test]
fn in_a_state_of_a_later_release_nothing_is_done_that_depends_on_it_and_no_end_is_believed() {
    let world = new_default_world();
    let (migrates, acts) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (is_so, counted) = (Arc::clone(&migrates), Arc::clone(&acts));
    world.lock().edit = Some(Box::new(move |ask, reply| {
        let is_act = ["/suspend", "/activate", "/terminate"].iter().any(|end| ask.path.ends_with(end));
        counted.fetch_add(usize::from(is_act), Ordering::SeqCst);
        let is_client = ask.method == Method::GET && ask.path.contains("/clients/");
        if is_client && is_so.load(Ordering::SeqCst) && reply.json_body()["uniqueId"].is_string() {
            edit_reply(reply, |tenant| {
                tenant["status"] = json!("MIGRATING");
                tenant["activated"] = json!(false);
            });
        }
    }));
    run_life(&world, &OperatorLife::new(1), settings(), async {
        world.perform_action(&SimAction::Create(SimActor::Acme));
        world.perform_action(&SimAction::Create(SimActor::Globex));
        wait_until_ready(&world).await;
        migrates.store(true, Ordering::SeqCst);
        world.edit(&globex(), &json!({"details": {"city": "Bonn"}, "tenantState": "Suspended"}));
        let why = |world: &SimWorld, kind| condition(&world.object(&globex()).unwrap(), kind);
        let expected = Some(("Unknown".to_owned(), "AnswerNotUnderstood".to_owned()));
        world.wait_until("it is told", |world| why(world, "Ready") == expected).await;
        assert_eq!(
            tenants_named(&world, "Globex")[0].settings["city"],
            "Bonn",
            "what does not depend on the state is written"
        );
        let status = world.object(&globex()).unwrap()["status"].clone();
        assert_eq!(status["unknown"], json!([{"path": "tenantState", "values": ["MIGRATING"]}]));
        world.edit(&globex(), &confirmed_deletion(&world, &globex(), 0));
        world.delete(&globex());
        let held =
            |world: &SimWorld| why(world, "DeletionBlocked").is_some_and(|(_, why)| why == "AnswerNotUnderstood");
        world.wait_until("the end is held", held).await;
        tokio::time::sleep(Duration::from_hours(2)).await;
        assert_eq!(acts.load(Ordering::SeqCst), 0, "{}", run_log_text(&world));
        migrates.store(false, Ordering::SeqCst);
        world.wait_until("it is ended", |world| world.object(&globex()).is_none()).await;
    });
    assert_eq!(tenants_named(&world, "Globex")[0].state, "TERMINATED");
    assert!(world.idle_faults().is_empty(), "{:#?}", world.idle_faults());
}

/// shows: faults/57
#[test]
fn one_member_that_cannot_be_read_is_named_and_nothing_else_is_the_worse_for_it() {
    let world = new_documented_world();
    let writes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&writes);
    world.lock().edit = Some(Box::new(move |ask, reply| {
        counted.fetch_add(usize::from(ask.is_write()), Ordering::SeqCst);
        if ask.method == Method::GET && reply.json_body()["uniqueId"].is_string() {
            edit_reply(reply, |tenant| {
                tenant["zip"] = json!(10115);
                tenant["nocDetails"] = json!("");
                tenant["channel"] = json!({"id": "7"});
                tenant["city"] = json!({"name": tenant["city"]});
            });
        }
    }));
    run_life(&world, &OperatorLife::new(1), settings(), async {
        let more = json!({"details": {"city": "Berlin", "postalCode": "10115", "channelId": 7}});
        world.create(&globex(), &merge_spec(client_spec(&world, "Globex"), &more));
        world.create(&SimObjectKey::new(CLIENTS, "a", "other"), &client_spec(&world, "Other"));
        wait_until_ready(&world).await;
        tokio::time::sleep(Duration::from_hours(60)).await;
        assert!(is_ready(&world.object(&SimObjectKey::new(CLIENTS, "a", "other")).unwrap()));
    });
    let status = world.object(&globex()).unwrap()["status"].clone();
    let told = "`city` is an object where a text is documented";
    assert_eq!(status["unknown"], json!([{"path": "details.city", "message": told}]));
    let in_sync = condition(&world.object(&globex()).unwrap(), "InSync");
    assert_eq!(in_sync, Some(("Unknown".to_owned(), "AnswerNotUnderstood".to_owned())));
    // Two creates: a city that cannot be read back is not written again.
    assert_eq!(writes.load(Ordering::SeqCst), 2, "{}", run_log_text(&world));
}

#[test]
fn a_row_without_a_name_stops_no_create_and_a_name_that_it_holds_is_still_not_taken_twice() {
    let world = new_default_world();
    // The platform shows no name in any row of a list.
    world.lock().edit = Some(Box::new(|ask, reply| {
        if ask.is_list() {
            edit_reply(reply, |list| {
                let rows = if list.is_array() { list } else { &mut list["results"] };
                for row in rows.as_array_mut().unwrap() {
                    row["name"] = Value::Null;
                }
            });
        }
    }));
    let why =
        |world: &SimWorld, key: &SimObjectKey| condition(&world.object(key).unwrap(), "Ready").map(|(_, why)| why);
    run_life(&world, &OperatorLife::new(1), settings(), async {
        world.perform_action(&SimAction::Create(SimActor::Acme));
        world.perform_action(&SimAction::Create(SimActor::Globex));
        wait_until_ready(&world).await;
        let same = merge_spec(object_spec(SimActor::Initech), &json!({"details": {"name": "Globex"}}));
        world.create(&SimActor::Initech.key(), &same);
        world
            .wait_until("it is told", |world| why(world, &SimActor::Initech.key()).as_deref() == Some("NameTaken"))
            .await;
    });
    assert_eq!(tenants_named(&world, "Globex").len(), 1);
}
