//! Faults that only a scripted server can produce: an outdated list, watches that end again and again, a full store,
//! and two operators at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use jiff::Timestamp;
use serde_json::json;

use super::actions::{SimAction, SimActor};
use super::cluster::responses::{error_status, expired_watch};
use super::cluster::{CLIENTS, PARTNERS, SimObjectKey};
use super::crash_sweep::scenarios;
use super::exchange::{OperatorLife, RequestFate, SimWorld};
use super::idle::{condition, is_ready, new_default_world, wait_until_idle};
use super::operator_life::{run_life, run_operator, run_operator_until, settings};
use super::request::{SimReply, SimRequest};

fn acme() -> SimObjectKey {
    SimObjectKey::new(PARTNERS, "a", "acme")
}

fn globex() -> SimObjectKey {
    SimObjectKey::new(CLIENTS, "a", "globex")
}

/// Runs a scenario in one life until the world is at rest.
fn play_scenario(name: &str, number: usize, world: &SimWorld) {
    let scenario = scenarios::scenario_named(name);
    let done = run_life(world, &OperatorLife::new(number), settings(), async {
        for (what, act, is_so) in &scenario.steps {
            act(world);
            world.wait_until(what, is_so).await;
        }
        wait_until_idle(world, 1).await;
    });
    assert!(done.is_some());
}

fn assert_no_faults(world: &SimWorld) {
    let faults = world.idle_faults();
    assert!(faults.is_empty(), "{faults:#?}\n{}", world.lock().log.join("\n"));
}

fn count_creates(world: &SimWorld) -> usize {
    world.lock().oracle.created.values().map(Vec::len).sum()
}

#[test]
fn under_a_paused_partner_that_somebody_suspended_a_client_is_not_asked_for_again_and_again() {
    let world = new_default_world();
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        world.perform_action(&SimAction::Create(SimActor::Acme));
        world
            .wait_until("the Partner is Ready", |world| world.object(&acme()).is_some_and(|acme| is_ready(&acme)))
            .await;
        world.perform_action(&SimAction::Edit(SimActor::Acme, json!({"management": {"mode": "Paused"}})));
        tokio::time::sleep(Duration::from_secs(30)).await;
        world.perform_action(&SimAction::ChangeState(SimActor::Acme, "suspend"));
        world.perform_action(&SimAction::Create(SimActor::Globex));
        let refused = |world: &SimWorld| {
            world
                .object(&globex())
                .and_then(|globex| condition(&globex, "Ready"))
                .is_some_and(|(_, why)| why == "PartnerSuspended")
        };
        world.wait_until("the Client waits for the Partner", refused).await;
        let writes = world.lock().oracle.writes;
        tokio::time::sleep(Duration::from_mins(30)).await;
        assert_eq!(world.lock().oracle.writes, writes, "something was asked for that would be refused");
        world.perform_action(&SimAction::ChangeState(SimActor::Acme, "activate"));
        world
            .wait_until("the Client is Ready", |world| world.object(&globex()).is_some_and(|globex| is_ready(&globex)))
            .await;
    });
    assert!(done.is_some());
    assert_no_faults(&world);
}

/// shows: faults/7
#[test]
fn after_a_restart_a_list_of_any_age_makes_no_second_tenant() {
    let world = new_default_world();
    play_scenario("update", 1, &world);
    let (before, newest) = (world.final_state(), world.lock().cluster.version());
    let oldest = 110;
    for (number, version) in (oldest..newest).enumerate() {
        world.lock().list_at = Some(version);
        run_life(&world, &OperatorLife::new(number + 2), settings(), async {
            tokio::time::sleep(Duration::from_mins(40)).await;
            world.lock().list_at = None;
            wait_until_idle(&world, 1).await;
        });
        assert_no_faults(&world);
        assert_eq!(world.final_state(), before, "after a list at {version}");
    }
    assert_eq!(count_creates(&world), 2);
    println!("{} lists of different ages", newest - oldest);
}

#[test]
fn without_the_kind_client_the_end_of_a_partner_is_held_and_looked_at_seldom() {
    let world = new_default_world();
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        world.create(&acme(), &scenarios::partner_spec(&json!({})));
        world.wait_until("it is ready", |world| world.object(&acme()).is_some_and(|object| is_ready(&object))).await;
        world.delete_definition(CLIENTS);
        world.run_controllers();
        world.edit(&acme(), &scenarios::confirmed_deletion(&world, &acme(), 30));
        world.delete(&acme());
        let why = |world: &SimWorld| condition(&world.object(&acme()).unwrap(), "DeletionBlocked");
        world.wait_until("it is held", |world| why(world).is_some_and(|(_, reason)| reason == "CannotTellWhy")).await;
        let before = world.lock().request_count;
        tokio::time::sleep(Duration::from_mins(30)).await;
        let asked = world.lock().request_count - before;
        assert!(asked < 1_500, "{asked} requests in half an hour:\n{}", world.lock().log.join("\n"));
        assert_eq!(world.tenant(&acme()).unwrap().state, "ACTIVE");
        world.create_definition(CLIENTS);
        world.wait_until("it is ended", |world| world.object(&acme()).is_none()).await;
    });
    assert!(done.is_some());
    assert_no_faults(&world);
    assert_eq!(world.tenants()[0].state, "TERMINATED");
}

/// Times at which the objects of a kind were listed or watched.
type WatchTimes = Arc<Mutex<Vec<Timestamp>>>;

/// Ends every watch in one way for half an hour. Returns when Clients were listed or watched.
fn end_every_watch(end: impl Fn(&SimRequest) -> RequestFate + Send + 'static) -> Vec<Timestamp> {
    let world = new_default_world();
    let times = WatchTimes::default();
    play_scenario("create", 1, &world);
    let recorded = Arc::clone(&times);
    world.lock().fates = Box::new(move |_, ask| {
        if ask.path == "/apis/tenantry.dev/v1alpha1/clients" {
            recorded.lock().unwrap().push(tenantry_runtime::clock::now());
        }
        if ask.parameter("watch").is_some() { end(ask) } else { RequestFate::Pass }
    });
    let done = run_life(&world, &OperatorLife::new(2), settings(), async {
        tokio::time::sleep(Duration::from_mins(40)).await;
        world.edit(&acme(), &json!({"details": {"city": "Bonn"}}));
        tokio::time::sleep(Duration::from_mins(1)).await;
        world.lock().fates = Box::new(|_, _| RequestFate::Pass);
        wait_until_idle(&world, 1).await;
    });
    assert_no_faults(&world);
    assert!(done.is_some());

    times.lock().unwrap().clone()
}

fn assert_pauses(times: &[Timestamp]) {
    let pauses: Vec<f64> = times.windows(2).map(|pair| pair[1].duration_since(pair[0]).as_secs_f64()).collect();
    let long = pauses.iter().filter(|pause| **pause > 1.0).count();
    assert!(pauses.iter().all(|pause| *pause < 5.0), "nobody looks for {pauses:?}");
    assert!(long * 3 > pauses.len(), "{long} pauses among {} requests", times.len());
    println!("{} requests in 41 minutes", times.len());
}

/// shows: faults/9
#[test]
fn watches_that_expire_or_break_again_and_again_are_begun_anew_after_pauses() {
    assert_pauses(&end_every_watch(|_| RequestFate::Lost));
    assert_pauses(&end_every_watch(|_| RequestFate::Replaced(Box::new((expired_watch(), false)))));
}

/// shows: faults/9
#[test]
fn watches_that_are_closed_at_once_are_begun_anew_after_pauses() {
    let empty = SimReply { status: 200, headers: Vec::new(), body: Bytes::new() };
    assert_pauses(&end_every_watch(move |_| RequestFate::Replaced(Box::new((empty.clone(), false)))));
}

/// shows: faults/31
#[test]
fn a_store_that_is_full_at_any_request_leads_to_no_second_tenant_and_to_none_that_is_not_recorded() {
    let plain = new_default_world();
    play_scenario("family", 1, &plain);
    let (wanted, requests) = (plain.final_state(), plain.lock().request_count);
    let mut full = 0;
    for number in (1..requests).step_by(3) {
        let world = new_default_world();
        let asked = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&asked);
        world.lock().fates = Box::new(move |_, ask| {
            let count = seen.fetch_add(1, Ordering::Relaxed);
            let is_full = (number..number + 12).contains(&count) && ask.is_write() && ask.path.starts_with("/api");
            if is_full && !ask.path.starts_with("/api/v2") {
                let why = "rpc error: code = ResourceExhausted desc = etcdserver: mvcc: database space exceeded";
                return RequestFate::Replaced(Box::new((error_status(500, "", why), false)));
            }
            RequestFate::Pass
        });
        play_scenario("family", 1, &world);
        assert_no_faults(&world);
        assert_eq!(world.final_state()["tenants"], wanted["tenants"], "full from request {number} on");
        full += 1;
    }
    println!("{full} times full");
}

/// shows: faults/31
#[test]
fn what_cannot_be_recorded_is_not_created() {
    let world = new_default_world();
    run_life(&world, &OperatorLife::new(1), settings(), async {
        world.lock().oracle.writes = 0;
        scenarios::scenario_named("create").steps[0].1(&world);
        world.lock().cluster.is_full = true;
        tokio::time::sleep(Duration::from_mins(30)).await;
        assert_eq!((count_creates(&world), world.tenants().len()), (0, 0));
        world.lock().cluster.is_full = false;
        wait_until_idle(&world, 1).await;
    });
    assert_no_faults(&world);
    assert_eq!(count_creates(&world), 1);
}

#[test]
fn a_status_that_lands_late_does_not_stand_over_a_newer_one() {
    let world = new_default_world();
    let mut is_first = true;
    world.lock().fates = Box::new(move |_, ask| {
        let is_it = ask.path.ends_with("/clients/globex/status") && std::mem::take(&mut is_first);
        if is_it { RequestFate::Late(Duration::from_secs(18)) } else { RequestFate::Pass }
    });
    run_life(&world, &OperatorLife::new(1), settings(), async {
        let spec = json!({"partnerRef": {"name": "acme"}, "details": {"name": "Globex", "address": "Hauptstr. 1"}});
        world.create(&globex(), &spec);
        tokio::time::sleep(Duration::from_secs(1)).await;
        scenarios::scenario_named("create").steps[0].1(&world);
        wait_until_idle(&world, 1).await;
    });
    assert_no_faults(&world);
    assert!(is_ready(&world.object(&globex()).unwrap()));
}

#[test]
fn of_two_operators_one_writes_and_the_other_goes_on_when_the_first_is_cut_off() {
    let world = new_default_world();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        tenantry_runtime::clock::follow_tokio_clock(world.lock().now);
        let (one, two) = (OperatorLife::new(1), OperatorLife::new(2));
        let script = async {
            tokio::time::sleep(Duration::from_mins(5)).await;
            let scenario = scenarios::scenario_named("update");
            for (at, (what, act, is_so)) in scenario.steps.iter().enumerate() {
                if at == 2 {
                    // The leader loses the API server, and the other operator takes over.
                    let asked = world.lock().oracle.request_counts.clone();
                    let leader = if asked[&1] > asked[&2] { 1 } else { 2 };
                    world.lock().fates = Box::new(move |(life, _), ask| {
                        if life == leader && ask.path.starts_with("/api") && !ask.path.starts_with("/api/v2") {
                            RequestFate::Lost
                        } else {
                            RequestFate::Pass
                        }
                    });
                }
                act(&world);
                world.wait_until(what, is_so).await;
            }
            wait_until_idle(&world, 1).await;
        };
        let first = async {
            let ended = run_operator(&world, &one, settings()).await;
            world.lock().add_log_line(tenantry_runtime::clock::now(), format!("one ended: {ended:?}"));
            std::future::pending::<()>().await;
        };
        let second = async {
            let ended = run_operator(&world, &two, settings()).await;
            world.lock().add_log_line(tenantry_runtime::clock::now(), format!("two ended: {ended:?}"));
            std::future::pending::<()>().await;
        };
        tokio::select! { () = script => {} () = first => {} () = second => {} }
    });
    assert_no_faults(&world);
    assert_eq!(count_creates(&world), 2);
    assert!(is_ready(&world.object(&globex()).unwrap()));
    let ended = world.lock().log.iter().filter(|line| line.contains(" ended: Err(NoLongerLeads")).count();
    assert_eq!(ended, 1, "{}", world.lock().log.join("\n"));
}

/// shows: faults/48
#[test]
fn asked_to_end_while_a_slow_create_is_under_way_it_records_the_tenant_keeps_the_lease_till_then_and_gives_it_back() {
    let world = new_default_world();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        tenantry_runtime::clock::follow_tokio_clock(world.lock().now);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let stop = Arc::new(Mutex::new(Some(stop)));
        // Longer than the Pod of an unconfigured program would get. The default timeout is even longer.
        world.lock().fates = Box::new(move |_, ask| {
            if ask.method == axum::http::Method::POST && ask.path.ends_with("/msps") {
                let asked = stop.lock().unwrap().take().map(|stop| stop.send(()));
                assert_eq!(asked, Some(Ok(())), "one create");
                return RequestFate::Slow(Duration::from_secs(35));
            }
            RequestFate::Pass
        });
        world.create(&acme(), &scenarios::partner_spec(&json!({})));
        let begun = tokio::time::Instant::now();
        let asked = async {
            let _ = stopped.await;
        };
        let ended = run_operator_until(&world, &OperatorLife::new(1), settings(), asked).await;
        assert!(ended.is_ok(), "{ended:?}");
        assert!(begun.elapsed() < Duration::from_secs(75), "it ends soon after: {:?}", begun.elapsed());
    });
    let recorded = world.object(&acme()).unwrap()["status"]["uniqueId"].clone();
    assert_eq!(recorded, json!(world.tenants()[0].id), "{}", world.lock().log.join("\n"));
    let lease = world
        .lock()
        .cluster
        .get(&SimObjectKey::new(super::cluster::LEASES, super::operator_life::OPERATOR_NAMESPACE, "tenantry-operator"))
        .cloned();
    let holder = lease.unwrap()["spec"]["holderIdentity"].clone();
    assert!(holder.as_str().unwrap_or_default().is_empty(), "{holder}");
}
