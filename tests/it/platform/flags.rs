//! Tests of the real program with flags that differ from their defaults: each flag has its effect. `login::duo` tests
//! the requests to Duo.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use reqwest::Method;
use serde_json::{Value, json};
use tenantry_catalog::DataCategory;

use super::cpu_cost::read_credential;
use super::durability::PlatformProgram;
use super::exports::ExportReceiver;
use super::login::pages::HttpBrowser;
use super::people::{CHOSEN_PASSWORD, PASSWORD, change_password, user_body};
use super::records::{EVENTS, records_path};
use super::{ApiCaller, TestFolder};

/// The program in a folder.
struct LaunchedPlatform {
    program: PlatformProgram,
    url: String,
    /// The log lines from the one that reports the listen address on.
    log: Receiver<Value>,
}

fn launch_platform(folder: &TestFolder, arguments: &[&str]) -> LaunchedPlatform {
    let mut command = Command::new(crate::assets::platform_program());
    command.current_dir(folder.path("")).args(arguments).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let (send, log) = channel();
    std::thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            let _ = send.send(serde_json::from_str::<Value>(&line).unwrap());
        }
    });
    let program = PlatformProgram(child);
    let url = loop {
        let line = log.recv().expect("the program ended");
        if let Some(url) = line["fields"]["url"].as_str() {
            break url.to_owned();
        }
    };
    LaunchedPlatform { program, url, log }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_flags_of_the_program_do_what_they_say() {
    let (bucket, s3) = ExportReceiver::start(&[]).await;
    let folder = TestFolder::new();
    let out = folder.path("out").display().to_string();
    let database = folder.database();
    let destination = format!("s3+{s3}/bucket");
    let arguments = [
        ["--listen", "127.0.0.2:0"],
        ["--database", &database],
        ["--database-connections", "3"],
        ["--credential-file", "tenantry-credential.json"],
        ["--audit-key", "keys/own.key"],
        ["--trusted-proxies", "127.0.0.0/8"],
        ["--product-name", "Zebra Works"],
        ["--writes-per-minute", "31"],
        ["--pages-per-minute", "32"],
        ["--reads-per-minute", "33"],
        ["--export-destination", &out],
        ["--export-destination", &destination],
        ["--export-s3-region", "eu-zebra-7"],
        ["--export-s3-key-id", "ZEBRAID"],
        ["--export-s3-secret", "zebra-secret"],
    ]
    .concat();
    std::fs::create_dir(folder.path("keys")).unwrap();
    let LaunchedPlatform { program, url, log } = launch_platform(&folder, &arguments);
    assert!(url.starts_with("http://127.0.0.2:"), "{url}");
    assert!(folder.path("keys/own.key").exists() && !folder.path("tenantry-audit.key").exists());
    let sp = ApiCaller::new(&url, &read_credential(&folder)).await;
    let partner = json!({ "name": "P", "packages": [EVENTS], "addOns": ["Batch Exports"] });
    let made = sp.post("/tenants/sp_1/msps", partner).await;
    let partner = made.json()["uniqueId"].as_str().unwrap().to_owned();
    let limit = |answer: &super::ApiResponse| answer.headers["x-ratelimit-limit"].to_str().unwrap().to_owned();
    assert_eq!(limit(&made), "31");
    assert_eq!(limit(&sp.get("/tenants/sp_1/msps/search").await), "32");
    assert_eq!(limit(&sp.get(&format!("/tenants/{partner}/subscription")).await), "33");

    // Only a trusted proxy may report the source address of a request.
    let forwarded = reqwest::Client::new().get(format!("{url}/nowhere")).header("x-forwarded-for", "203.0.113.77");
    forwarded.send().await.unwrap();
    let told = log.iter().find(|line| line["target"] == "access" && line["fields"]["route"] == "unmatched").unwrap();
    assert_eq!(told["fields"]["source"], "203.0.113.77");
    assert!(sp.send(Method::GET, "/login", Vec::new()).await.text.contains("Zebra Works"));

    // Exports.
    sp.post(&records_path(&partner, DataCategory::Tickets), json!({ "name": "T" })).await.json();
    for place in [out.clone(), format!("{destination}/x")] {
        let request = json!({ "data": ["tickets"], "destination": place });
        sp.post(&format!("/tenants/{partner}/exports/batch"), request).await.json();
    }
    let uri = bucket.wait_for_requests(1).await[0].uri.clone();
    assert!(uri.contains("ZEBRAID%2F") && uri.contains("eu-zebra-7%2Fs3"), "{uri}");

    // Each pool opens at most three connections, however many requests arrive.
    let ask = || async { sp.send(Method::GET, "/login", Vec::new()).await.status };
    futures::future::join_all((0..40).map(|_| ask())).await;
    let scrape = sp.send(Method::GET, "/metrics", Vec::new()).await.text;
    let open: u64 = scrape
        .lines()
        .filter_map(|line| {
            line.strip_prefix("tenantry_platform_database_connections{pool=\"readers\"")?.split(' ').nth(1)
        })
        .map(|count| count.parse::<u64>().unwrap())
        .sum();
    assert!((1..=3).contains(&open), "{open}");
    drop(program);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn days_are_days_and_the_housekeeping_has_a_clock_of_its_own() {
    let folder = TestFolder::new();
    let flags = ["--listen", "127.0.0.1:0", "--database", &folder.database(), "--purge-after-days", "2"];
    let LaunchedPlatform { program, url, log: _log } = launch_platform(&folder, &flags);
    let sp = ApiCaller::new(&url, &read_credential(&folder)).await;
    let partner = sp.create_tenant("/tenants/sp_1/msps".to_owned(), json!({ "name": "P" })).await;
    for name in ["early", "late"] {
        let client = sp.create_client(&partner, name).await;
        sp.post_empty(&format!("/tenants/{partner}/clients/{client}/terminate")).await.json();
    }
    drop(program);
    let pool = folder.pool().await;
    for (id, hours) in [(3, 49), (4, 47)] {
        let ended = jiff::Timestamp::now().as_millisecond() - hours * 3_600_000;
        let set = sqlx::query("UPDATE tenant SET terminated_at = $1 WHERE id = $2");
        set.bind(ended).bind(id).execute(&pool).await.unwrap();
    }
    let LaunchedPlatform { program, url, log } = launch_platform(&folder, &flags);
    // The metric of the round is written after everything that the round erases.
    let ended = "tenantry_platform_housekeeping_duration_seconds_count 1";
    while !reqwest::get(format!("{url}/metrics")).await.unwrap().text().await.unwrap().contains(ended) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    drop(program);
    let purged: Vec<_> = log.iter().filter(|line| line["fields"]["message"] == "purged").collect();
    let tenants: Vec<_> = purged.iter().map(|line| &line["fields"]["tenant"]).collect();
    assert_eq!(tenants, ["client_3"], "the other has an hour left");
    let kept: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM tenant WHERE purged_at IS NULL AND id = 4")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(kept, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn switches_leave_out_what_they_say() {
    let folder = TestFolder::new();
    let flags = ["--listen", "127.0.0.1:0", "--database", &folder.database(), "--documented-only", "--no-rate-limits"];
    let LaunchedPlatform { program, url, log: _log } = launch_platform(&folder, &flags);
    let first = ApiCaller::new(&url, &read_credential(&folder)).await;
    let answer = first.get("/cfg/countries").await;
    assert_eq!(answer.status, 200);
    let sent = |name: &str| answer.headers.contains_key(name);
    assert!(!sent("x-ratelimit-limit") && !sent("x-tenantry-extensions"), "{answer:?}");
    assert_eq!(first.send(Method::GET, "/login", Vec::new()).await.status, 404);
    drop(program);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_platforms_on_one_database_one_has_each_delivery() {
    let (hook, url) = ExportReceiver::start(&[]).await;
    let keys = TestFolder::new();
    let destination = |config: &mut tenantry_platform::Config| {
        config.export_destinations = vec![url.clone()];
        config.retry = std::time::Duration::from_millis(10);
        config.audit_key = Some(keys.path("k"));
    };
    let platform = super::TestPlatform::start_with(destination).await;
    let mut config = tenantry_platform::Config::new(platform.folder.database());
    config.limits = None;
    destination(&mut config);
    let second = tenantry_platform::start(config).await.unwrap();
    let add_ons = ["Stream Exports"];
    let acme = super::records::create_subscriber(&platform, "Acme", &[EVENTS], &add_ons).await;
    let stream = json!({ "name": "s", "url": format!("{url}/in") });
    platform.sp.post(&format!("/tenants/{acme}/exports/stream"), stream).await.json();
    // Each attempt takes a while, during which the other platform polls for due deliveries many times.
    *hook.pause.lock().unwrap() = std::time::Duration::from_millis(200);
    for number in 0..20 {
        platform
            .sp
            .post(&records_path(&acme, DataCategory::Alerts), json!({ "name": format!("A{number}") }))
            .await
            .json();
    }
    hook.wait_for_requests(20).await;
    // One more event, after everything that could have been sent twice.
    platform.sp.post(&records_path(&acme, DataCategory::Alerts), json!({ "name": "last" })).await.json();
    let mut names: Vec<String> = hook.wait_for_requests(21).await.into_iter().map(|seen| seen.name()).collect();
    names.sort();
    let wanted = (0..20).map(|number| format!("A{number}")).chain(["last".to_owned()]);
    let wanted: std::collections::BTreeSet<String> = wanted.collect();
    assert_eq!(names, wanted.into_iter().collect::<Vec<_>>());
    second.stop().await;
}

/// Returns the text that a user of a partner with Duo sees where the second factor is requested.
async fn duo_offer_text(flags: &[&str]) -> String {
    let folder = TestFolder::new();
    let database = folder.database();
    let all = [&["--listen", "127.0.0.1:0", "--database", &database], flags].concat();
    let LaunchedPlatform { program, url, log: _log } = launch_platform(&folder, &all);
    let sp = ApiCaller::new(&url, &read_credential(&folder)).await;
    let partner = sp.create_tenant("/tenants/sp_1/msps".to_owned(), json!({ "name": "Acme" })).await;
    let ada = sp.post(&format!("/tenants/{partner}/users"), user_body("ada", &[])).await.json();
    let id = ada["id"].as_str().unwrap().to_owned();
    change_password(&sp.log_in_person("ada", PASSWORD).await, (&partner, &id), (PASSWORD, CHOSEN_PASSWORD))
        .await
        .json();
    let keys = json!({ "integrationKey": "DI7H2K9WQ4XN5RZB8TVC", "secretKey": "z".repeat(40), "apiHostName": "api-1.zebra.example" });
    let settings = json!({ "duoSecurity": keys, "twoFactorAuthentication": true, "skipUserConsentForm": true });
    sp.post(&format!("/tenants/sp_1/msps/{partner}"), settings).await.json();
    let mut browser = HttpBrowser::at_url(&url);
    browser.log_in("/login", "ada", CHOSEN_PASSWORD).await;
    let offer = browser.get("/factor").await.text;
    drop(program);
    offer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duo_is_offered_with_its_hosts_and_the_platforms_own_address() {
    let (address, hosts) =
        (["--public-url", "https://tenants.example"], ["--duo-hosts", "zebra.example,other.example"]);
    let both = [address, hosts].concat();
    for (flags, wanted) in [
        (both.as_slice(), "Continue with Duo"),
        (&address, "is not one that this platform asks"),
        (&hosts, "does not know its own address"),
    ] {
        let offer = duo_offer_text(flags).await;
        assert!(offer.contains(wanted), "{flags:?}: {offer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_database_is_waited_for_as_long_as_the_flag_says() {
    let folder = TestFolder::new();
    let database = folder.database();
    let program = |seconds: &str| {
        let flags = ["--listen", "127.0.0.1:0", "--database", &database, "--database-wait-seconds", seconds];
        launch_platform(&folder, &flags)
    };
    let (patient, hasty) = (program("50"), program("1"));
    let credential = read_credential(&folder);
    // Both callers get a token before the database file is locked.
    let pool = folder.pool().await;
    let callers = (ApiCaller::new(&patient.url, &credential).await, ApiCaller::new(&hasty.url, &credential).await);
    let mut other = pool.acquire().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *other).await.unwrap();
    let first = tokio::spawn(async move { callers.0.post("/tenants/sp_1/msps", json!({ "name": "P" })).await });
    // The second request starts later and ends earlier.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let refused = callers.1.post("/tenants/sp_1/msps", json!({ "name": "H" })).await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    sqlx::query("ROLLBACK").execute(&mut *other).await.unwrap();
    assert_eq!(first.await.unwrap().status, 200);
    drop((patient.program, hasty.program));
}

#[test]
fn tenantry_log_sets_the_level_of_the_log_before_rust_log() {
    let folder = TestFolder::new();
    let is_logged = |levels: &[(&str, &str)]| {
        let mut command = Command::new(crate::assets::platform_program());
        command.args(["credential", "list", "--database", "nonsense://"]).current_dir(folder.path(""));
        command.env_remove("TENANTRY_LOG").env_remove("RUST_LOG").envs(levels.iter().copied());
        let output = command.output().unwrap();
        assert!(!output.status.success());
        !output.stderr.is_empty()
    };
    assert!(is_logged(&[]));
    assert!(!is_logged(&[("TENANTRY_LOG", "off")]));
    assert!(!is_logged(&[("RUST_LOG", "off")]));
    assert!(is_logged(&[("TENANTRY_LOG", "error"), ("RUST_LOG", "off")]));
    assert!(!is_logged(&[("TENANTRY_LOG", "off"), ("RUST_LOG", "error")]));
}
