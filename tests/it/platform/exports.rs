//! Tests of exports over real HTTP, to real files and to a fake bucket.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use tenantry_catalog::{CONTACT_SUPPORT, DataCategory};
use tenantry_platform::S3Key;

use super::records::{EVENTS, create_subscriber, records_path};
use super::{TestFolder, TestPlatform};

const BATCH: &str = "Batch Exports";
const STREAM: &str = "Stream Exports";
const MASK: &str = "Mask Resource Identity Management";

/// A request that reached the fake receiver.
#[derive(Clone, Debug)]
pub(super) struct ReceivedExport {
    method: Method,
    pub(super) uri: String,
    headers: HeaderMap,
    body: String,
}

impl ReceivedExport {
    /// Returns the name of the record that an event reports.
    pub(super) fn name(&self) -> String {
        let event: Value = serde_json::from_str(&self.body).unwrap();
        event["record"]["name"].as_str().unwrap().to_owned()
    }
}

/// A fake receiver that accepts every request after its first scripted answers.
#[derive(Clone, Default)]
pub(super) struct ExportReceiver {
    seen: Arc<Mutex<Vec<ReceivedExport>>>,
    /// The statuses to answer first.
    first_statuses: Arc<Mutex<Vec<StatusCode>>>,
    /// How long each answer takes.
    pub(super) pause: Arc<Mutex<Duration>>,
}

impl ExportReceiver {
    /// Starts the receiver. Returns it and its URL.
    pub(super) async fn start(first: &[u16]) -> (Self, String) {
        let stand_in = Self::default();
        *stand_in.first_statuses.lock().unwrap() =
            first.iter().rev().map(|code| StatusCode::from_u16(*code).unwrap()).collect();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(receive_export).with_state(stand_in.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (stand_in, url)
    }

    /// Waits until `count` requests have arrived.
    pub(super) async fn wait_for_requests(&self, count: usize) -> Vec<ReceivedExport> {
        for _ in 0..600 {
            let seen = self.seen.lock().unwrap().clone();
            if seen.len() >= count {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{:?}", self.seen.lock().unwrap());
    }
}

async fn receive_export(
    State(stand_in): State<ExportReceiver>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap) {
    let body = String::from_utf8_lossy(&body).into_owned();
    stand_in.seen.lock().unwrap().push(ReceivedExport { method, uri: uri.to_string(), headers, body });
    let pause = *stand_in.pause.lock().unwrap();
    tokio::time::sleep(pause).await;
    let status = stand_in.first_statuses.lock().unwrap().pop().unwrap_or(StatusCode::OK);
    let mut headers = HeaderMap::new();
    if status.is_redirection() {
        headers.insert("location", "/elsewhere".parse().unwrap());
    }
    (status, headers)
}

/// Returns whether a received request is signed by the sender, according to Standard Webhooks.
fn is_signed(seen: &ReceivedExport, secret: &str) -> bool {
    let header = |name: &str| seen.headers[name].to_str().unwrap().to_owned();
    let age = jiff::Timestamp::now().as_second() - header("webhook-timestamp").parse::<i64>().unwrap();
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{}.{}.{}", header("webhook-id"), header("webhook-timestamp"), seen.body).as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    (0..3600).contains(&age) && header("webhook-signature") == signature
}

/// shows: seeds/monitoring-add-ons/batch-exports, seeds/monitoring-add-ons/batch-tickets
/// shows: seeds/monitoring-add-ons/batch-alerts, seeds/monitoring-add-ons/batch-metrics
/// shows: seeds/monitoring-add-ons/batch-inventory, seeds/monitoring-add-ons/batch-usage
#[tokio::test]
async fn a_batch_of_the_five_kinds_of_data_is_written_as_json_lines_to_an_allowed_folder_only() {
    let folder = TestFolder::new();
    let out = folder.path("out");
    let allowed = out.display().to_string();
    let platform = TestPlatform::start_with(|config| config.export_destinations = vec![allowed.clone()]).await;
    let acme = create_subscriber(&platform, "Acme", &[EVENTS], &[BATCH, MASK]).await;
    for category in [DataCategory::Tickets, DataCategory::Alerts, DataCategory::Metrics, DataCategory::Resources] {
        for number in 0..2 {
            let body = json!({ "name": format!("n{number}"), "ip": "10.9.8.7" });
            platform.sp.post(&records_path(&acme, category), body).await.json();
        }
    }
    let all = ["tickets", "alerts", "metrics", "inventory", "usage"];
    let exports = |tenant: &str| format!("/tenants/{tenant}/exports/batch");
    let body = |to: &str| json!({ "data": all, "destination": to });
    let written = platform.sp.post(&exports(&acme), body(&format!("{allowed}/daily"))).await.json();
    let files = written["files"].as_array().unwrap();
    assert_eq!(files.iter().map(|file| file["data"].as_str().unwrap()).collect::<Vec<_>>(), all);
    for file in files {
        let text = std::fs::read_to_string(file["location"].as_str().unwrap()).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), if file["data"] == "usage" { 1 } else { 2 }, "{text}");
        assert!(lines.iter().all(|line| line["tenantId"] == acme.as_str()));
        assert!(!text.contains("10.9.8.7"), "masked data leaves unmasked: {text}");
        if file["data"] == "usage" {
            assert_eq!(lines[0]["records"]["tickets"], 2);
        }
    }
    // No spelling of a path and no link leads out of the folder.
    for outside in
        ["/tmp/elsewhere", &format!("{allowed}/../x"), &format!("{allowed}2"), "relative", "https://example.com/"]
    {
        platform.sp.post(&exports(&acme), body(outside)).await.assert_field_refused("destination");
    }
    std::os::unix::fs::symlink(folder.path(""), out.join("link")).unwrap();
    for led_out in ["link", "link/x", "link/../link"] {
        let answer = platform.sp.post(&exports(&acme), body(&format!("{allowed}/{led_out}"))).await;
        assert!(matches!(answer.status.as_u16(), 400 | 503), "{led_out}: {}", answer.text);
    }
    assert!(!folder.path("x").exists() && !folder.path(&acme).exists(), "something was written outside");
    std::fs::create_dir_all(out.join("trap")).unwrap();
    std::os::unix::fs::symlink(folder.path(""), out.join("trap").join(&acme)).unwrap();
    assert_eq!(platform.sp.post(&exports(&acme), body(&format!("{allowed}/trap"))).await.status, 503);
    platform
        .sp
        .post(&exports(&acme), json!({ "data": ["gossip"], "destination": allowed }))
        .await
        .assert_field_refused("data");
    platform.sp.post(&exports(&acme), json!({ "data": [], "destination": allowed })).await.assert_field_refused("data");
    // A batch needs the add-on, and contains only data of the tenant's packages.
    let plain = create_subscriber(&platform, "Plain", &[EVENTS], &[]).await;
    let answer = platform.sp.post(&exports(&plain), body(&allowed)).await;
    assert!(answer.status == 403 && answer.text.contains(CONTACT_SUPPORT), "{}", answer.text);
    let hybrid = create_subscriber(&platform, "Hybrid", &[], &[BATCH]).await;
    let answer = platform.sp.post(&exports(&hybrid), body(&allowed)).await;
    assert!(answer.status == 403 && answer.text.contains("not subscribed"), "{}", answer.text);
    let inventory = json!({ "data": ["inventory"], "destination": allowed });
    assert_eq!(platform.sp.post(&exports(&hybrid), inventory).await.json()["files"][0]["records"], 0);
}

/// One hour in milliseconds.
const HOUR: i64 = 60 * 60 * 1000;

/// Counts the files below a folder.
fn count_files(folder: &std::path::Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.map(|entry| entry.unwrap().path()).map(|path| if path.is_dir() { count_files(&path) } else { 1 }).sum()
}

/// shows: seeds/monitoring-add-ons/batch-exports
#[tokio::test]
async fn a_schedule_runs_once_across_replicas_and_survives_a_restart() {
    let folder = TestFolder::new();
    let out = folder.path("out");
    let allowed = out.display().to_string();
    let export = |config: &mut tenantry_platform::Config| config.export_destinations = vec![allowed.clone()];
    let mut platform = TestPlatform::start_with(export).await;
    let acme = create_subscriber(&platform, "Acme", &[EVENTS], &[BATCH]).await;
    platform.sp.post(&records_path(&acme, DataCategory::Tickets), json!({ "name": "T1" })).await.json();
    let exports = format!("/tenants/{acme}/exports/batch");
    let body = |schedule: Value| json!({ "data": ["usage", "tickets"], "destination": allowed, "schedule": schedule });
    for (schedule, field) in [
        (json!({ "everyHours": 0 }), "schedule.everyHours"),
        (json!({ "everyHours": 8785 }), "schedule.everyHours"),
        (json!({ "everyHours": 1, "start": "soon" }), "schedule.start"),
        (json!({ "everyHours": 1, "start": "2999-01-01" }), "schedule.start"),
    ] {
        platform.sp.post(&exports, body(schedule)).await.assert_field_refused(field);
    }
    let daily = json!({ "data": ["usage"], "destination": allowed, "schedule": "daily" });
    assert_eq!(platform.sp.post(&exports, daily).await.status, 400, "a schedule of another form is not dropped");
    let made = platform.sp.post(&exports, body(json!({ "everyHours": 6 }))).await.json();
    assert_eq!((&made["data"], &made["everyHours"]), (&json!(["tickets", "usage"]), &json!(6)));
    assert_eq!(count_files(&out), 0, "nothing is written at once");
    platform.restart(export).await;
    let now = jiff::Timestamp::now().as_millisecond();
    let one = platform.running.as_ref().unwrap();
    one.run_maintenance(now + 5 * HOUR).await.unwrap();
    assert_eq!(count_files(&out), 0);
    // Another process has started this run and does not report its end. Until its time is over no other process starts
    // it.
    platform.execute_sql("UPDATE export_schedule SET held_until = next_at + 7200000").await;
    one.run_maintenance(now + 7 * HOUR).await.unwrap();
    assert_eq!(count_files(&out), 0);
    // Two platforms on one database start the due run at the same time, and one of them writes the two files.
    let other = {
        let mut config = tenantry_platform::Config::new(platform.folder.database());
        config.limits = None;
        export(&mut config);
        tenantry_platform::start(config).await.unwrap()
    };
    let (first, second) = tokio::join!(one.run_maintenance(now + 9 * HOUR), other.run_maintenance(now + 9 * HOUR));
    first.and(second).unwrap();
    assert_eq!(count_files(&out), 2);
    // One run makes up for all missed runs, and the next one is on schedule again.
    one.run_maintenance(now + 100 * HOUR).await.unwrap();
    assert_eq!(count_files(&out), 4);
    let listed = platform.sp.get(&exports).await.json();
    assert_eq!((&listed[0]["id"], &listed[0]["lastOutcome"]), (&made["id"], &json!("2 files were written")));
    assert_eq!(listed.as_array().unwrap().len(), 1);
    // A run is authorized like a request.
    platform.sp.post(&format!("{}/{acme}", platform.partners_path()), json!({ "addOns": [] })).await.json();
    one.run_maintenance(now + 200 * HOUR).await.unwrap();
    assert_eq!(count_files(&out), 4);
    let outcome = platform.sp.get(&exports).await.json()[0]["lastOutcome"].to_string();
    assert!(outcome.contains("Batch Exports") && outcome.contains(CONTACT_SUPPORT), "{outcome}");
    let end = format!("{exports}/{}", made["id"].as_str().unwrap());
    platform.sp.send(Method::DELETE, &format!("/api/v2{end}"), Vec::new()).await.json();
    platform.sp.send(Method::DELETE, &format!("/api/v2{end}"), Vec::new()).await.assert_error(404, "not found");
    assert_eq!(platform.sp.get(&exports).await.json(), json!([]));
    other.stop().await;
}

/// shows: seeds/monitoring-add-ons/batch-s3
#[tokio::test]
async fn a_batch_to_a_bucket_is_a_signed_put_and_a_bucket_that_fails_is_told() {
    let (bucket, url) = ExportReceiver::start(&[]).await;
    let (platform, acme, whole) = start_exporter(&url).await;
    let allowed = whole["destination"].as_str().unwrap();
    platform.sp.post(&records_path(&acme, DataCategory::Tickets), json!({ "name": "T1" })).await.json();
    let exports = format!("/tenants/{acme}/exports/batch");
    let request = json!({ "data": ["tickets"], "destination": format!("{allowed}/acme") });
    let answer = platform.sp.post(&exports, request.clone()).await;
    let location = answer.json()["files"][0]["location"].as_str().unwrap().to_owned();
    assert!(location.starts_with(&format!("{url}/data/tenantry/acme/{acme}/tickets-")), "{location}");
    let seen = bucket.wait_for_requests(1).await;
    assert_eq!((seen.len(), &seen[0].method), (1, &Method::PUT));
    assert!(seen[0].body.contains("\"name\":\"T1\"") && seen[0].body.ends_with("}\n"), "{seen:?}");
    for part in [
        "X-Amz-Algorithm=AWS4-HMAC-SHA256",
        "X-Amz-Credential=KEYID%2F",
        "eu-central-1%2Fs3%2Faws4_request",
        "X-Amz-Signature=",
    ] {
        assert!(seen[0].uri.contains(part), "{}", seen[0].uri);
    }
    assert!(!answer.text.contains("X-Amz") && !seen[0].uri.contains("top-secret"));
    for failure in [StatusCode::FORBIDDEN, StatusCode::TEMPORARY_REDIRECT] {
        bucket.first_statuses.lock().unwrap().push(failure);
        assert_eq!(platform.sp.post(&exports, request.clone()).await.status, 503);
    }
    assert_eq!(bucket.wait_for_requests(3).await.len(), 3, "a redirect is not followed");
}

/// Returns the rows about batches in a tenant's audit log.
async fn batch_audit_rows(platform: &TestPlatform, tenant: &str) -> Vec<String> {
    let log = super::audit::audit_rows(platform, tenant).await;
    let rows = log.iter().filter(|row| row["action"] == "export.batch");
    rows.map(|row| format!("{} {}", row["object"].as_str().unwrap(), row["outcome"].as_str().unwrap())).collect()
}

/// Starts a platform that may export to a bucket. Returns it, a tenant, and the request for a batch of two files.
async fn start_exporter(place: &str) -> (TestPlatform, String, Value) {
    let allowed = format!("s3+{place}/data/tenantry");
    let platform = TestPlatform::start_with(|config| {
        config.export_destinations = vec![allowed.clone()];
        let (region, id) = ("eu-central-1".to_owned(), "KEYID".to_owned());
        config.export_s3 = Some(S3Key { region, id, secret: "top-secret".to_owned().into() });
    })
    .await;
    let acme = create_subscriber(&platform, "Acme", &[EVENTS], &[BATCH]).await;
    (platform, acme, json!({ "data": ["tickets", "usage"], "destination": allowed }))
}

#[tokio::test]
async fn a_batch_that_fails_is_a_row() {
    let (_bucket, url) = ExportReceiver::start(&[200, 403]).await;
    let (platform, acme, request) = start_exporter(&url).await;
    assert_eq!(platform.sp.post(&format!("/tenants/{acme}/exports/batch"), request).await.status, 503);
    assert_eq!(batch_audit_rows(&platform, &acme).await, ["tickets,usage denied"]);
}

/// shows: security/asvs/16.2.5
#[tokio::test]
async fn a_batch_whose_caller_hangs_up_is_a_row() {
    let (bucket, url) = ExportReceiver::start(&[]).await;
    let (platform, acme, request) = start_exporter(&url).await;
    let exports = format!("/tenants/{acme}/exports/batch");
    *bucket.pause.lock().unwrap() = Duration::from_millis(500);
    let caller = platform.sp.clone();
    let hasty = tokio::spawn(async move { caller.post(&exports, request).await });
    // The first file is being sent, and the second one is not yet.
    bucket.wait_for_requests(1).await;
    hasty.abort();
    assert!(hasty.await.unwrap_err().is_cancelled());
    for _ in 0..200 {
        if !batch_audit_rows(&platform, &acme).await.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(batch_audit_rows(&platform, &acme).await, ["tickets,usage done"]);
    bucket.wait_for_requests(2).await;
}

/// shows: seeds/monitoring-add-ons/stream-exports, seeds/monitoring-add-ons/stream-webhook
#[tokio::test]
async fn a_stream_posts_each_event_with_bounded_retries_to_an_allowed_url_only() {
    let (hook, url) = ExportReceiver::start(&[500, 307, 200]).await;
    let allowed = format!("{url}/in");
    let platform = TestPlatform::start_with(|config| {
        config.export_destinations = vec![allowed.clone()];
        config.retry = Duration::from_millis(10);
    })
    .await;
    let acme = create_subscriber(&platform, "Acme", &[EVENTS], &[STREAM, MASK]).await;
    let streams = format!("/tenants/{acme}/exports/stream");
    for outside in
        ["http://169.254.169.254/latest", &format!("{url}/admin"), &format!("{url}/in/../admin"), "/tmp/x", "x"]
            .into_iter()
            .chain(
                ["/in/..%2fadmin", "/in/..%5Cadmin", "/in/..;/admin", "/in//admin"]
                    .map(|path| format!("{url}{path}").leak() as &str),
            )
    {
        platform.sp.post(&streams, json!({ "name": "s", "url": outside })).await.assert_field_refused("url");
    }
    let stream = platform.sp.post(&streams, json!({ "name": "s", "url": format!("{allowed}/acme") })).await.json();
    platform.sp.post(&streams, json!({ "name": "s", "url": allowed })).await.assert_field_refused("name");
    let plain = create_subscriber(&platform, "Plain", &[EVENTS], &[]).await;
    let answer =
        platform.sp.post(&format!("/tenants/{plain}/exports/stream"), json!({ "name": "s", "url": allowed })).await;
    assert!(answer.status == 403 && answer.text.contains(CONTACT_SUPPORT), "{}", answer.text);

    platform
        .sp
        .post(&records_path(&acme, DataCategory::Alerts), json!({ "name": "A1", "ip": "10.9.8.7" }))
        .await
        .json();
    platform.sp.post(&records_path(&plain, DataCategory::Alerts), json!({ "name": "A2" })).await.json();
    let seen = hook.wait_for_requests(3).await;
    assert!(seen.iter().all(|seen| seen.method == Method::POST && seen.uri == "/in/acme"), "{seen:?}");
    let delivery = &seen[0].headers["x-tenantry-delivery"];
    assert!(seen.iter().all(|seen| seen.headers["x-tenantry-delivery"] == delivery), "one event, tried again");
    let event: Value = serde_json::from_str(&seen[2].body).unwrap();
    let secret = stream["secret"].as_str().unwrap();
    for seen in &seen {
        assert!(is_signed(seen, secret), "{seen:?}");
        let changed = ReceivedExport { body: seen.body.replace("A1", "A9"), ..seen.clone() };
        assert!(!is_signed(&changed, secret));
    }
    let listed = platform.sp.get(&streams).await.text;
    assert!(listed.contains(r#""name":"s""#) && !listed.contains("secret"), "{listed}");
    let kept: String = sqlx::query_scalar("SELECT secret FROM stream").fetch_one(&platform.pool().await).await.unwrap();
    assert!(!kept.contains(secret.trim_start_matches("whsec_")), "{kept}");
    assert_eq!(
        (&event["event"], &event["tenantId"], &event["record"]["ip"]),
        (&json!("create"), &json!(acme), &json!("****"))
    );

    // A delivery that never succeeds is abandoned after five attempts.
    *hook.first_statuses.lock().unwrap() = vec![StatusCode::BAD_GATEWAY; 5];
    platform.sp.post(&records_path(&acme, DataCategory::Alerts), json!({ "name": "A3" })).await.json();
    hook.wait_for_requests(8).await;
    platform.sp.post(&records_path(&acme, DataCategory::Alerts), json!({ "name": "A4" })).await.json();
    let seen = hook.wait_for_requests(9).await;
    assert!(seen[3..8].iter().all(|seen| seen.body.contains("A3")) && seen[8].body.contains("A4"), "{seen:?}");
    let mut counts = (Value::Null, Value::Null);
    for _ in 0..200 {
        let listed = platform.sp.get(&streams).await.json();
        counts = (listed[0]["delivered"].clone(), listed[0]["givenUp"].clone());
        if counts.0 == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(counts, (json!(2), json!(1)));
    let one = format!("/api/v2{streams}/{}", stream["id"].as_str().unwrap());
    assert_eq!(platform.sp.send(reqwest::Method::DELETE, &one, Vec::new()).await.status, 200);
    assert_eq!(platform.sp.get(&streams).await.json(), json!([]));
}
