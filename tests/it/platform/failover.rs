//! Tests of PostgreSQL failures: the standby becomes the primary, sessions become read-only, the server is frozen.
//! Every acknowledged write is kept, no error message is wrong, and `/readyz` reports the real state.

mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use sqlx::{Any, AnyPool, Transaction};
use tenantry_catalog::DataCategory;
use tenantry_platform::{Config, RunningPlatform};

use super::people::{PASSWORD, user_body};
use super::records::records_path;
use super::slow_clients::create_caller;
use super::{ApiCaller, ApiResponse, CHEAP_HASH};
use server::PostgresServer;

/// Starts a port forwarder whose target can be changed, like an address that moves in a failover.
async fn start_forwarder(server: &PostgresServer) -> (u16, Arc<AtomicU16>) {
    let to = Arc::new(AtomicU16::new(server.port));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let target = Arc::clone(&to);
    tokio::spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let target = Arc::clone(&target);
            tokio::spawn(async move {
                let Ok(mut far) = tokio::net::TcpStream::connect(("127.0.0.1", target.load(Ordering::SeqCst))).await
                else {
                    return;
                };
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    (port, to)
}

async fn start_platform(port: u16) -> (RunningPlatform, ApiCaller) {
    let mut config = Config::new(PostgresServer::url(port));
    config.limits = None;
    config.login.password_hash_cost = CHEAP_HASH;
    let running = tenantry_platform::start(config).await.unwrap();
    let sp = ApiCaller::new(&running.url, running.credential.as_ref().unwrap()).await;
    (running, sp)
}

async fn probe_status(sp: &ApiCaller, path: &str) -> u16 {
    sp.send(Method::GET, path, Vec::new()).await.status.as_u16()
}

/// Waits until a probe answers with a status.
async fn wait_for_status(sp: &ApiCaller, path: &str, status: u16) {
    for _ in 0..300 {
        if probe_status(sp, path).await == status {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{path} does not answer {status}");
}

async fn create_partner(sp: &ApiCaller, name: &str) -> ApiResponse {
    sp.post("/tenants/sp_1/msps", json!({ "name": name })).await
}

/// The results of a series of writes.
#[derive(Default)]
struct WriteOutcomes {
    created: Vec<String>,
    refused: Vec<String>,
}

impl WriteOutcomes {
    /// Records an answer. An error must say that nothing was changed, or that the result is unknown.
    fn record_answer(&mut self, name: String, answer: &ApiResponse) {
        if answer.status == 200 {
            self.created.push(name);
            return;
        }
        assert_eq!(answer.status, 503, "{}", answer.text);
        assert_eq!(answer.headers["retry-after"], "1");
        if answer.text.contains("nothing was changed") {
            self.refused.push(name);
        } else {
            assert!(answer.text.contains("is not known"), "{}", answer.text);
        }
    }

    async fn assert_outcomes(&self, sp: &ApiCaller) {
        let there = sp.get("/tenants/sp_1/msps/minimal").await.text;
        let is = |name: &&String| there.contains(&format!("\"{name}\""));
        let lost: Vec<_> = self.created.iter().filter(|name| !is(name)).collect();
        let false_words: Vec<_> = self.refused.iter().filter(is).collect();
        assert!(
            lost.is_empty() && false_words.is_empty(),
            "lost {lost:?}, made in spite of the answer {false_words:?}"
        );
    }
}

/// Sends twenty writes after the failure, none of which may fail. Then verifies all recorded outcomes.
async fn assert_writes_succeed(sp: &ApiCaller, outcomes: &mut WriteOutcomes) {
    for number in 0..20 {
        let name = format!("after {number}.");
        let answer = create_partner(sp, &name).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        outcomes.record_answer(name, &answer);
    }
    outcomes.assert_outcomes(sp).await;
}

/// shows: faults/39
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_becomes_the_primary_has_every_acknowledged_write() {
    let mut primary = PostgresServer::start_primary();
    let standby = PostgresServer::start_standby(&primary);
    let (port, to) = start_forwarder(&primary).await;
    let (running, sp) = start_platform(port).await;
    // From now on a commit is acknowledged only when the standby has it.
    primary.execute_sql("ALTER SYSTEM SET synchronous_standby_names = '*'").await;
    primary.execute_sql("SELECT pg_reload_conf()").await;
    let mut outcomes = WriteOutcomes::default();
    for number in 0..40 {
        let name = format!("before {number}.");
        let answer = create_partner(&sp, &name).await;
        outcomes.record_answer(name, &answer);
    }
    assert_eq!(outcomes.created.len(), 40);
    let writer = {
        let sp = sp.clone();
        tokio::spawn(async move {
            let mut outcomes = WriteOutcomes::default();
            for number in 0.. {
                let name = format!("during {number}.");
                let answer = create_partner(&sp, &name).await;
                let refused = answer.status != 200;
                outcomes.record_answer(name, &answer);
                if refused {
                    break;
                }
            }
            outcomes
        })
    };
    primary.kill();
    let during = writer.await.unwrap();
    wait_for_status(&sp, "/readyz", 503).await;
    assert_eq!(probe_status(&sp, "/healthz").await, 200);
    // The address moves while the standby is still read-only.
    to.store(standby.port, Ordering::SeqCst);
    let early = create_partner(&sp, "early.").await;
    outcomes.record_answer("early.".to_owned(), &early);
    assert_eq!((early.status.as_u16(), probe_status(&sp, "/readyz").await), (503, 503));
    assert!(early.text.contains("only reads"), "{}", early.text);
    standby.promote();
    wait_for_status(&sp, "/readyz", 200).await;
    assert_writes_succeed(&sp, &mut outcomes).await;
    during.assert_outcomes(&sp).await;
    running.stop().await;
}

/// shows: faults/39
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_only_read_are_given_up_as_soon_as_others_can_be_had() {
    let server = PostgresServer::start_primary();
    let (running, sp) = start_platform(server.port).await;
    let mut outcomes = WriteOutcomes::default();
    assert_eq!((create_partner(&sp, "A.").await.status.as_u16(), probe_status(&sp, "/readyz").await), (200, 200));
    server.execute_sql("ALTER ROLE tests SET default_transaction_read_only = on").await;
    server
        .execute_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tenantry-platform'",
        )
        .await;
    wait_for_status(&sp, "/readyz", 503).await;
    for number in 0..10 {
        let name = format!("refused {number}.");
        let answer = create_partner(&sp, &name).await;
        assert!(answer.text.contains("only reads") && !answer.text.contains("disk"), "{}", answer.text);
        outcomes.record_answer(name, &answer);
    }
    assert_eq!((outcomes.refused.len(), probe_status(&sp, "/healthz").await), (10, 200));
    assert_eq!(sp.get("/tenants/sp_1/msps/minimal").await.status, 200, "what is there can be read");
    server.execute_sql("BEGIN READ WRITE; ALTER ROLE tests RESET default_transaction_read_only; COMMIT").await;
    for number in 0..20 {
        let name = format!("again {number}.");
        let answer = create_partner(&sp, &name).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        outcomes.record_answer(name, &answer);
    }
    wait_for_status(&sp, "/readyz", 200).await;
    outcomes.assert_outcomes(&sp).await;
    running.stop().await;
}

/// shows: faults/39
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_is_frozen_is_told_and_what_it_did_not_do_is_not_done_later() {
    let server = PostgresServer::start_primary();
    let (running, sp) = start_platform(server.port).await;
    let mut outcomes = WriteOutcomes::default();
    let first = create_partner(&sp, "A.").await;
    outcomes.record_answer("A.".to_owned(), &first);
    server.freeze();
    let names: Vec<String> = (0..12).map(|number| format!("frozen {number}.")).collect();
    let answers = futures::future::join_all(names.iter().map(|name| create_partner(&sp, name))).await;
    assert!(answers.iter().all(|answer| answer.status == 503));
    wait_for_status(&sp, "/readyz", 503).await;
    assert_eq!(probe_status(&sp, "/healthz").await, 200);
    server.thaw();
    wait_for_status(&sp, "/readyz", 200).await;
    for (name, answer) in names.into_iter().zip(&answers) {
        outcomes.record_answer(name, answer);
    }
    assert_eq!(outcomes.refused.len(), 12);
    assert_writes_succeed(&sp, &mut outcomes).await;
    running.stop().await;
}

/// Returns how many of the platform's sessions wait for a row lock.
async fn count_waiting_sessions(pool: &sqlx::AnyPool) -> i64 {
    let count = "SELECT count(*) FROM pg_stat_activity \
                 WHERE application_name = 'tenantry-platform' AND wait_event_type = 'Lock'";
    sqlx::query_scalar(count).fetch_one(pool).await.unwrap()
}

/// A platform with two partners. The tests lock the row of one of them.
struct LockedPartnerFixture {
    running: RunningPlatform,
    sp: ApiCaller,
    locked: String,
    unlocked: String,
}

impl LockedPartnerFixture {
    async fn start(server: &PostgresServer) -> Self {
        let (running, sp) = start_platform(server.port).await;
        let [held, free] = ["Held.", "Free."].map(|name| create_partner(&sp, name));
        let id = |answer: ApiResponse| answer.json()["uniqueId"].as_str().unwrap().to_owned();
        let (held, free) = (id(held.await), id(free.await));
        Self { running, sp, locked: held, unlocked: free }
    }
}

/// Locks the row of a tenant until the transaction ends.
async fn lock_tenant_row(pool: &AnyPool, tenant: &str) -> Transaction<'static, Any> {
    let mut holder = pool.begin().await.unwrap();
    sqlx::query("UPDATE tenant SET name = name WHERE unique_id = $1").bind(tenant).execute(&mut *holder).await.unwrap();
    holder
}

async fn create_client(sp: ApiCaller, tenant: String, number: usize) -> ApiResponse {
    sp.post(&format!("/tenants/{tenant}/clients"), json!({ "name": format!("C{number}") })).await
}

/// shows: faults/39
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_row_that_many_requests_wait_for_leaves_connections_for_other_tenants() {
    let server = PostgresServer::start_primary();
    let LockedPartnerFixture { running, sp, locked: held, unlocked: free } = LockedPartnerFixture::start(&server).await;
    sp.post(&format!("/tenants/{free}/users"), user_body("ada", &[])).await.json();
    let pool = server.pool().await;
    let holder = lock_tenant_row(&pool, &held).await;
    let under = |tenant: &str, number: usize| create_client(sp.clone(), tenant.to_owned(), number);
    let crowd = futures::future::join_all((0..40).map(|number| under(&held, number)));
    let others = async {
        while count_waiting_sessions(&pool).await < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let mut statuses = Vec::new();
        for number in 0..10 {
            statuses.push(under(&free, number).await.status.as_u16());
            statuses.push(sp.login("ada", PASSWORD).await.status.as_u16());
        }
        (statuses, count_waiting_sessions(&pool).await)
    };
    let (crowd, (statuses, waited)) = tokio::join!(crowd, others);
    assert_eq!(statuses, [200; 20], "while the row was held");
    assert!(waited <= 2, "a quarter of the connections, and not {waited}");
    for answer in &crowd {
        assert_eq!(answer.status, 503);
        assert!(answer.headers.contains_key("retry-after") && answer.text.contains("nothing was changed"));
    }
    // The writes that wait without a connection show that a row is locked.
    let scrape = sp.send(Method::GET, "/metrics", Vec::new()).await.text;
    let counted = |series: &str| -> usize {
        let series = format!("tenantry_platform_database_wait_seconds_{series} ");
        scrape
            .lines()
            .find_map(|line| line.strip_prefix(&series))
            .unwrap_or_else(|| panic!("{scrape}"))
            .parse()
            .unwrap()
    };
    let long = counted("count") - counted("bucket{le=\"1.0\"}");
    assert!(long >= 30, "{long} long waits of {}", crowd.len());
    holder.rollback().await.unwrap();
    assert_eq!(under(&held, 99).await.status, 200);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_partner_whose_pages_take_long_leaves_readers_for_others() {
    let server = PostgresServer::start_primary();
    let LockedPartnerFixture { running, sp, locked: held, unlocked: free } = LockedPartnerFixture::start(&server).await;
    let (slow, other) = (create_caller(&sp, &held).await, create_caller(&sp, &free).await);
    let pool = server.pool().await;
    let mut holder = pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE record IN ACCESS EXCLUSIVE MODE").execute(&mut *holder).await.unwrap();
    let answered = AtomicU16::new(0);
    let list = records_path(&held, DataCategory::Resources);
    let pages = futures::future::join_all((0..12).map(|_| async {
        let answer = slow.get(&list).await;
        answered.fetch_add(1, Ordering::SeqCst);
        answer.status.as_u16()
    }));
    let others = async {
        while count_waiting_sessions(&pool).await < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let found = other.get(&format!("/tenants/{free}/clients/search")).await.status.as_u16();
        let seen = (found, answered.load(Ordering::SeqCst), count_waiting_sessions(&pool).await);
        holder.rollback().await.unwrap();
        seen
    };
    let (pages, seen) = tokio::join!(pages, others);
    assert_eq!(seen, (200, 0, 2), "another partner's page, before any of those that wait");
    assert_eq!(pages, [200; 12]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_row_that_somebody_holds_stops_the_writes_below_it_and_nobody_elses() {
    let server = PostgresServer::start_primary();
    let LockedPartnerFixture { running, sp, locked: held, unlocked: free } = LockedPartnerFixture::start(&server).await;
    let pool = server.pool().await;
    let holder = lock_tenant_row(&pool, &held).await;
    let under = |tenant: &str, number: usize| create_client(sp.clone(), tenant.to_owned(), number);
    let waiting = futures::future::join_all((0..30).map(|number| under(&held, number)));
    let others = async {
        let mut made = 0;
        // Until a connection is free, a write is refused at once with a correct message.
        for number in 0..200 {
            made += usize::from(under(&free, number).await.status == 200);
            if made == 5 {
                break;
            }
        }
        made
    };
    let (waiting, made) = tokio::join!(waiting, others);
    assert_eq!(made, 5, "while the row was held");
    assert!(waiting.iter().all(|answer| answer.status == 503 && answer.text.contains("nothing was changed")));
    holder.rollback().await.unwrap();
    assert_eq!(under(&held, 99).await.status, 200);
    running.stop().await;
}
