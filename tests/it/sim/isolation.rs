//! An object that is blocked for ever delays no other: for each resource that objects share, requests are counted.

mod credential;
mod drift;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Parser;
use serde_json::{Value, json};
use tenantry_operator::OperatorFlags;

use super::cluster::responses::error_status;
use super::cluster::{CLIENTS, LEASES, PARTNERS, SECRETS, SimObjectKey};
use super::crash_sweep::scenarios;
use super::exchange::{OperatorLife, RequestFate, SimWorld};
use super::idle::{condition, is_ready, new_default_world};
use super::operator_life::{OPERATOR_NAMESPACE, PLATFORM_HOST, run_life, settings};
use super::request::{SimReply, SimRequest, SimServer};
use super::user_actions::merge_spec;

/// A second host name of the platform, which may be slow.
const SLOW_HOST: &str = "slow.example";
/// Longer than any test runs.
const UNREACHABLE_TIME: Duration = Duration::from_hours(1000);
/// Number of faulty Clients.
const CLIENT_COUNT: usize = 40;

fn settings_with_slow_host(more: &[&str]) -> OperatorFlags {
    let hosts = format!("{PLATFORM_HOST},{SLOW_HOST}");
    let flags = ["tenantry-operator", "--platform-hosts", &hosts];
    let OperatorFlags { platform_hosts, concurrency, account_concurrency, .. } =
        OperatorFlags::parse_from(flags.iter().chain(more));
    OperatorFlags { platform_hosts, concurrency, account_concurrency, ..settings() }
}

fn client_in_b(name: &str) -> SimObjectKey {
    SimObjectKey::new(CLIENTS, "b", name)
}

fn client_in_a(name: &str) -> SimObjectKey {
    SimObjectKey::new(CLIENTS, "a", name)
}

/// Creates a Secret in namespace `b` for the slow host name.
fn create_slow_secret(world: &SimWorld, name: &str) {
    let credential = world.lock().platform.credential.clone();
    let data = json!({
        "url": STANDARD.encode(format!("https://{SLOW_HOST}")), "tenantId": STANDARD.encode(&credential.tenant_id),
        "clientId": STANDARD.encode(&credential.client_id), "clientSecret": STANDARD.encode(&credential.client_secret),
    });
    let body =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "b"}, "data": data});
    world.kubectl(Method::POST, &SECRETS.path("b", ""), &body);
}

fn client_spec(name: &str, partner: &str) -> Value {
    json!({"partnerRef": {"name": partner}, "details": {"name": name, "address": "Hauptstr. 1"}})
}

/// A fault of the Clients in namespace `b`. The Clients in `a` are healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NeighbourFault {
    None,
    /// Workers: their platform does not answer.
    Hangs,
    /// The list: the one of their Partner is never answered. Other Partners of the same account are healthy.
    ListHangs,
    /// The Secret slot: the API server does not answer requests for their Secret.
    SecretHangs,
    /// The credential gate: the credential lacks a permission for each of their tenants.
    Forbidden,
    /// The credential gate: their credential itself is refused.
    Refused,
    /// The rate limit: that of their Partner is used up. Other Partners of the same account are healthy.
    Throttled,
}

impl NeighbourFault {
    /// Returns whether the healthy Clients use the same account.
    fn is_within_account(self) -> bool {
        matches!(self, Self::ListHangs | Self::Forbidden | Self::Throttled)
    }

    fn fate(self, ask: &SimRequest, partner: &str) -> RequestFate {
        let plain = |status: u16, body: &'static str, headers: Vec<(String, String)>| {
            RequestFate::Replaced(Box::new((
                SimReply { status, headers, body: Bytes::from_static(body.as_bytes()) },
                false,
            )))
        };
        let is_theirs = ask.side == SimServer::Platform && ask.path.contains(&format!("/{partner}/"));
        match self {
            Self::None => RequestFate::Pass,
            Self::Hangs if ask.header("host") == SLOW_HOST => RequestFate::Silent(UNREACHABLE_TIME),
            Self::SecretHangs if ask.path.ends_with("/namespaces/b/secrets/slow") => {
                RequestFate::Silent(UNREACHABLE_TIME)
            }
            Self::ListHangs if is_theirs && ask.method == Method::GET => RequestFate::Silent(UNREACHABLE_TIME),
            Self::Forbidden if is_theirs => plain(403, r#"{"code":"0004","message":"not allowed"}"#, Vec::new()),
            Self::Refused if ask.header("host") == SLOW_HOST => plain(401, r#"{"error":"invalid_client"}"#, Vec::new()),
            Self::Throttled if is_theirs => {
                let headers = [("retry-after", "45"), ("x-ratelimit-remaining", "0")];
                plain(429, "", headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
            }
            _ => RequestFate::Pass,
        }
    }
}

/// The cost between the declaration of a Client and its create.
#[derive(Debug)]
struct CreateCost {
    /// Requests to a platform.
    requests: Vec<String>,
    /// Seconds of the simulated clock, which does not advance during computation.
    waited: i64,
}

/// Declares many faulty Clients, and one after the other five healthy ones. Returns the cost before the create of each
/// healthy one.
fn measure_create_costs(trouble: NeighbourFault, settings: OperatorFlags) -> Vec<CreateCost> {
    let world = new_default_world();
    create_slow_secret(&world, "slow");
    let asked: Arc<Mutex<Vec<(String, jiff::Timestamp)>>> = Arc::default();
    let befores = run_life(&world, &OperatorLife::new(1), settings, async {
        let secret = |name: &str| json!({"connectionSecretRef": {"name": name}});
        let slow = SimObjectKey::new(PARTNERS, "b", "acme");
        let own = if trouble.is_within_account() { "platform" } else { "slow" };
        world.create(&slow, &scenarios::partner_spec(&merge_spec(secret(own), &json!({"details": {"name": "Slow"}}))));
        let acme = SimObjectKey::new(PARTNERS, "a", "acme");
        world.create(&acme, &scenarios::partner_spec(&json!({})));
        for key in [&slow, &acme] {
            world
                .wait_until("the Partners are Ready", |world| world.object(key).is_some_and(|one| is_ready(&one)))
                .await;
        }
        let partner = world.tenant(&slow).unwrap().id;
        let noted = Arc::clone(&asked);
        world.lock().fates = Box::new(move |_, ask| {
            if ask.side == SimServer::Platform {
                noted.lock().unwrap().push((ask.log_line(), tenantry_runtime::clock::now()));
            }
            trouble.fate(ask, &partner)
        });
        for number in 0..CLIENT_COUNT {
            world.create(&client_in_b(&format!("c{number}")), &client_spec(&format!("Slow {number}"), "acme"));
        }
        let mut befores = Vec::new();
        for number in 0..5 {
            tokio::time::sleep(Duration::from_secs(if number == 0 { 1 } else { 20 })).await;
            asked.lock().unwrap().clear();
            let (key, declared) = (client_in_a(&format!("new{number}")), tenantry_runtime::clock::now());
            world.create(&key, &client_spec(&format!("New {number}"), "acme"));
            world.wait_until("it is Ready", |world| world.object(&key).is_some_and(|one| is_ready(&one))).await;
            let all = asked.lock().unwrap().clone();
            let own = format!(" POST /api/v2/tenants/{}/clients", world.tenant(&acme).unwrap().id);
            let at = all.iter().position(|(line, _)| line.ends_with(&own)).unwrap();
            let waited = all[at].1.duration_since(declared).as_secs();
            befores.push(CreateCost { requests: all[..at].iter().map(|(line, _)| line.clone()).collect(), waited });
        }
        befores
    });
    let befores = befores.unwrap();
    assert!(world.lock().oracle.violations.is_empty(), "{trouble:?}: {:#?}", world.lock().oracle.violations);
    befores
}

/// Returns the number of requests and the seconds for each.
fn cost_figures(befores: &[CreateCost]) -> Vec<(usize, i64)> {
    befores.iter().map(|CreateCost { requests, waited }| (requests.len(), *waited)).collect()
}

/// shows: faults/72
#[test]
fn whatever_many_objects_wait_for_a_new_one_elsewhere_has_no_more_requests_before_it() {
    use NeighbourFault::{Forbidden, Hangs, ListHangs, Refused, SecretHangs, Throttled};
    // Fewer passes in all than faulty Clients, which could use up every one of them.
    let settings = || settings_with_slow_host(&["--concurrency", "32"]);
    let usual = cost_figures(&measure_create_costs(NeighbourFault::None, settings()));
    for trouble in [Hangs, SecretHangs, ListHangs, Forbidden, Refused, Throttled] {
        let troubled = measure_create_costs(trouble, settings());
        assert_eq!(cost_figures(&troubled), usual, "{trouble:?}: {troubled:#?}");
    }
}

/// shows: faults/72
#[test]
fn without_bulkheads_the_same_count_shows_who_waits() {
    // As many passes for one account as in all, as before there were bulkheads.
    let flags = ["--concurrency", "16", "--account-concurrency", "32"];
    let without = cost_figures(&measure_create_costs(NeighbourFault::Hangs, settings_with_slow_host(&flags)));
    assert!(without[0].1 > 30, "{without:?}");
}

/// Creates a Ready Partner in namespace `b` behind the slow host name.
async fn create_slow_partner(world: &SimWorld) {
    let slow = SimObjectKey::new(PARTNERS, "b", "acme");
    world.create(&slow, &scenarios::partner_spec(&json!({"connectionSecretRef": {"name": "slow"}})));
    world.wait_until("the Partner is Ready", |world| world.object(&slow).is_some_and(|one| is_ready(&one))).await;
}

/// Waits until each of the many Clients is Ready for its current spec.
async fn wait_until_all_ready(world: &SimWorld) {
    for number in 0..CLIENT_COUNT {
        let key = client_in_b(&format!("c{number}"));
        world.wait_until("it is Ready", |world| world.object(&key).is_some_and(|one| is_ready(&one))).await;
    }
}

/// shows: faults/73
#[test]
fn a_platform_that_hangs_gets_one_request_at_a_time_and_all_its_objects_go_on_once_it_answers() {
    let world = new_default_world();
    create_slow_secret(&world, "slow");
    let sent: Arc<Mutex<Vec<jiff::Timestamp>>> = Arc::default();
    let noted = Arc::clone(&sent);
    let done = run_life(&world, &OperatorLife::new(1), settings_with_slow_host(&[]), async {
        create_slow_partner(&world).await;
        for number in 0..CLIENT_COUNT {
            world.create(&client_in_b(&format!("c{number}")), &client_spec(&format!("Slow {number}"), "acme"));
        }
        wait_until_all_ready(&world).await;
        world.lock().fates = Box::new(move |_, ask| {
            if ask.header("host") != SLOW_HOST {
                return RequestFate::Pass;
            }
            noted.lock().unwrap().push(tenantry_runtime::clock::now());
            RequestFate::Silent(UNREACHABLE_TIME)
        });
        // Each needs a different tenant, so that one request does not serve them all.
        for number in 0..CLIENT_COUNT {
            world.edit(&client_in_b(&format!("c{number}")), &json!({"details": {"city": "Bonn"}}));
        }
        tokio::time::sleep(Duration::from_mins(30)).await;
        let requests = sent.lock().unwrap().len();
        // The requests that had already begun, and then one in each minute.
        assert!(requests <= 16 + 30, "{requests} requests in half an hour");
        let unavailable = (0..CLIENT_COUNT).filter(|number| {
            let object = world.object(&client_in_b(&format!("c{number}"))).unwrap();
            condition(&object, "Ready").is_some_and(|(_, reason)| reason == "PlatformUnavailable")
        });
        assert_eq!(unavailable.count(), CLIENT_COUNT, "each says what it waits for");
        world.lock().fates = Box::new(|_, _| RequestFate::Pass);
        wait_until_all_ready(&world).await;
        println!("{requests} requests in half an hour");
    });
    assert!(done.is_some());
    assert!(world.lock().oracle.violations.is_empty(), "{:#?}", world.lock().oracle.violations);
}

/// Runs a world with the Ready Client `globex` under the Ready Partner `acme` in `a`.
fn run_update_scenario(world: &SimWorld) {
    let scenario = scenarios::scenario_named("update");
    let done = run_life(world, &OperatorLife::new(1), settings(), async {
        for (what, act, is_so) in &scenario.steps[..2] {
            act(world);
            world.wait_until(what, is_so).await;
        }
    });
    assert!(done.is_some());
}

/// shows: faults/70
#[test]
fn a_watch_whose_beginning_is_never_answered_is_begun_again_and_an_edit_is_applied() {
    let world = new_default_world();
    let scenario = scenarios::scenario_named("update");
    let begun = Arc::new(Mutex::new(0));
    let count = Arc::clone(&begun);
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        for (what, act, is_so) in &scenario.steps[..2] {
            act(&world);
            world.wait_until(what, is_so).await;
        }
        world.lock().fates = Box::new(move |_, ask| {
            let is_it = ask.parameter("watch").is_some() && ask.path.ends_with("/clients");
            if !is_it {
                return RequestFate::Pass;
            }
            let mut count = count.lock().unwrap();
            *count += 1;
            if *count == 1 { RequestFate::Silent(UNREACHABLE_TIME) } else { RequestFate::Pass }
        });
        // The server closes each watch after some minutes.
        world.wait_until("the watch is begun again", |_| *begun.lock().unwrap() == 1).await;
        world.edit(&client_in_a("globex"), &json!({"details": {"city": "Bonn"}}));
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert_eq!(*begun.lock().unwrap(), 2);
        assert_eq!(world.tenant(&client_in_a("globex")).unwrap().settings["city"], "Bonn");
    });
    assert!(done.is_some());
}

/// shows: faults/70
#[test]
fn one_secret_that_is_never_answered_stops_neither_other_objects_nor_the_look_for_drift_nor_its_own_for_ever() {
    let world = new_default_world();
    run_update_scenario(&world);
    create_slow_secret(&world, "slow");
    let stuck = Arc::new(Mutex::new(true));
    let is_stuck = Arc::clone(&stuck);
    let done = run_life(&world, &OperatorLife::new(2), settings_with_slow_host(&[]), async {
        let other = SimObjectKey::new(PARTNERS, "b", "other");
        let spec = json!({"connectionSecretRef": {"name": "slow"}, "details": {"name": "Other"}});
        world.create(&other, &scenarios::partner_spec(&spec));
        world.wait_until("the Partner is Ready", |world| world.object(&other).is_some_and(|one| is_ready(&one))).await;
        world.lock().fates = Box::new(move |_, ask| {
            let is_it = ask.path.ends_with("/namespaces/b/secrets/slow") && *is_stuck.lock().unwrap();
            if is_it { RequestFate::Silent(UNREACHABLE_TIME) } else { RequestFate::Pass }
        });
        world.change_in_console(&world.tenant(&client_in_a("globex")).unwrap(), &json!({"city": "Ulm"}));
        world.edit(&client_in_a("globex"), &json!({"details": {"address": "Nebenstr. 2"}}));
        world.edit(&other, &json!({"details": {"city": "Bonn"}}));
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(world.tenant(&client_in_a("globex")).unwrap().settings["address"], "Nebenstr. 2");
        world.change_in_console(&world.tenant(&client_in_a("globex")).unwrap(), &json!({"address": "Elsewhere"}));
        tokio::time::sleep(Duration::from_mins(25)).await;
        assert_eq!(
            world.tenant(&client_in_a("globex")).unwrap().settings["address"],
            "Nebenstr. 2",
            "drift is looked for"
        );
        let told = condition(&world.object(&other).unwrap(), "InSync").unwrap();
        assert_eq!(told.1, "ClusterUnavailable", "it says what it waits for");
        *stuck.lock().unwrap() = false;
        world.wait_until("the edit is applied", |world| world.tenant(&other).unwrap().settings["city"] == "Bonn").await;
    });
    assert!(done.is_some());
    assert!(world.lock().oracle.violations.is_empty(), "{:#?}", world.lock().oracle.violations);
}

/// shows: faults/74
#[test]
fn a_task_that_dies_ends_the_operator_with_its_name_and_gives_the_lease_back() {
    let world = new_default_world();
    let holder = |world: &SimWorld| {
        let lease = world.object(&SimObjectKey::new(LEASES, OPERATOR_NAMESPACE, "tenantry-operator"))?;
        lease["spec"]["holderIdentity"].as_str().map(str::to_owned)
    };
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        world.wait_until("it leads", |world| holder(world).is_some()).await;
        world.lock().fates = Box::new(|_, ask| {
            let is_it = ask.parameter("watch").is_some() && ask.path.ends_with("/clients");
            assert!(!is_it, "a defect in the watch");
            RequestFate::Pass
        });
        world
            .wait_until("the watch is begun again", |world| world.lock().log.join("").contains("the operator ended"))
            .await;
    });
    assert!(done.is_some());
    let story = world.lock().log.join("\n");
    assert!(story.contains("the operator ended: Err(TaskEnded { task: \"watch of Clients\""), "{story}");
    // The lease must be released before the process ends.
    let before = story.split("the operator ended").next().unwrap_or_default();
    assert!(before.contains(" PUT /apis/coordination.k8s.io/v1/namespaces/tenantry-system/leases/"), "{story}");
    assert_eq!(holder(&world), None, "a standby would wait for its duration");
}

/// Creates twenty Ready Clients under the Ready Partner `acme` in `a`, with additional spec members.
async fn create_twenty_clients(world: &SimWorld, more: &Value) {
    world.create(&SimObjectKey::new(PARTNERS, "a", "acme"), &scenarios::partner_spec(&json!({})));
    for number in 0..20 {
        world.create(
            &client_in_a(&format!("c{number}")),
            &merge_spec(client_spec(&format!("Client {number}"), "acme"), more),
        );
    }
    for number in 0..20 {
        let key = client_in_a(&format!("c{number}"));
        world.wait_until("it is Ready", |world| world.object(&key).is_some_and(|one| is_ready(&one))).await;
    }
}

/// Counts the requests that match.
fn count_requests(
    world: &SimWorld,
    fits: impl Fn(&SimRequest) -> bool + Send + 'static,
    fate: impl Fn(&SimRequest) -> RequestFate + Send + 'static,
) -> Arc<Mutex<usize>> {
    let counted = Arc::new(Mutex::new(0));
    let count = Arc::clone(&counted);
    world.lock().fates = Box::new(move |_, ask| {
        *count.lock().unwrap() += usize::from(fits(ask));
        fate(ask)
    });
    counted
}

/// shows: faults/76
#[test]
fn an_object_whose_writes_all_meet_a_conflict_is_tried_at_growing_pauses_and_says_so() {
    let world = new_default_world();
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        let acme = SimObjectKey::new(PARTNERS, "a", "acme");
        world.create(&acme, &scenarios::partner_spec(&json!({})));
        world.wait_until("it is Ready", |world| world.object(&acme).is_some_and(|one| is_ready(&one))).await;
        let is_write = |ask: &SimRequest| ask.method == Method::PATCH && ask.path.ends_with("/clients/globex");
        let tries = count_requests(&world, is_write, move |ask| {
            let conflict = error_status(409, "Conflict", "the object has been modified");
            if is_write(ask) { RequestFate::Replaced(Box::new((conflict, false))) } else { RequestFate::Pass }
        });
        world.create(&client_in_a("globex"), &client_spec("Globex", "acme"));
        tokio::time::sleep(Duration::from_mins(10)).await;
        let ready = condition(&world.object(&client_in_a("globex")).unwrap(), "Ready");
        assert_eq!(ready, Some(("False".to_owned(), "ClusterUnavailable".to_owned())));
        let tries = *tries.lock().unwrap();
        assert!(tries < 30, "{tries} tries in ten minutes");
        world.lock().fates = Box::new(|_, _| RequestFate::Pass);
        world
            .wait_until("it is Ready", |world| world.object(&client_in_a("globex")).is_some_and(|one| is_ready(&one)))
            .await;
    });
    assert!(done.is_some());
}
