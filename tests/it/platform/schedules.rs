//! Tests of scheduled exports beside other work: their time, their destination, and who created them.

use std::time::Duration;

use serde_json::{Value, json};
use tenantry_catalog::DataCategory;
use tenantry_platform::{Config, S3Key};

use super::TestPlatform;
use super::exports::ExportReceiver;
use super::records::{EVENTS, create_subscriber, records_path};

const ADD_ONS: [&str; 2] = ["Batch Exports", "Stream Exports"];

/// Longer than any wait of these tests, and shorter than the timeout for a destination's answer.
const RECEIVER_PAUSE: Duration = Duration::from_secs(8);

/// A platform that may export to a slow bucket and to a webhook.
struct ScheduleFixture {
    platform: TestPlatform,
    bucket: ExportReceiver,
    hook: ExportReceiver,
    /// The bucket and the webhook as requests name them.
    places: [String; 2],
}

impl ScheduleFixture {
    async fn new(change: impl FnOnce(&mut Config)) -> Self {
        let ((bucket, place), (hook, url)) = (ExportReceiver::start(&[]).await, ExportReceiver::start(&[]).await);
        *bucket.pause.lock().unwrap() = RECEIVER_PAUSE;
        let places = [format!("s3+{place}/data"), url];
        let platform = TestPlatform::start_with(|config| {
            config.export_destinations = places.to_vec();
            let (region, id) = ("eu-central-1".to_owned(), "KEYID".to_owned());
            config.export_s3 = Some(S3Key { region, id, secret: "top-secret".to_owned().into() });
            config.retry = Duration::from_millis(20);
            change(config);
        })
        .await;
        Self { platform, bucket, hook, places }
    }

    /// Creates a schedule. Returns the path of the tenant's schedules.
    async fn create_schedule(&self, tenant: &str) -> String {
        let exports = format!("/tenants/{tenant}/exports/batch");
        let body = json!({ "data": ["usage"], "destination": self.places[0], "schedule": { "everyHours": 6 } });
        self.platform.sp.post(&exports, body).await.json();
        exports
    }
}

#[tokio::test]
async fn a_scheduled_export_to_a_slow_place_delays_no_webhook() {
    let ScheduleFixture { platform, bucket, hook, places } = &ScheduleFixture::new(|_| ()).await;
    let acme = create_subscriber(platform, "Acme", &[EVENTS], &ADD_ONS).await;
    let stream = json!({ "name": "s", "url": places[1] });
    platform.sp.post(&format!("/tenants/{acme}/exports/stream"), stream).await.json();
    let exports = format!("/tenants/{acme}/exports/batch");
    let body = json!({ "data": ["usage"], "destination": places[0], "schedule": { "everyHours": 6 } });
    platform.sp.post(&exports, body).await.json();
    platform.execute_sql("UPDATE export_schedule SET next_at = 1").await;
    bucket.wait_for_requests(1).await;
    platform.sp.post(&records_path(&acme, DataCategory::Alerts), json!({ "name": "A1" })).await.json();
    assert_eq!(hook.wait_for_requests(1).await[0].name(), "A1");
    let listed = platform.sp.get(&exports).await.json();
    assert_eq!(listed[0].get("lastRun"), None, "the export has not ended meanwhile");
}

#[tokio::test]
async fn a_scheduled_export_is_given_up_before_another_process_begins_it() {
    let world = ScheduleFixture::new(|config| config.export_timeout = Duration::from_millis(200)).await;
    let platform = &world.platform;
    let acme = create_subscriber(platform, "Acme", &[EVENTS], &ADD_ONS).await;
    let exports = world.create_schedule(&acme).await;
    let later = jiff::Timestamp::now().as_millisecond() + 7 * 3_600_000;
    platform.running.as_ref().unwrap().run_maintenance(later).await.unwrap();
    let listed = platform.sp.get(&exports).await.json();
    let outcome = listed[0]["lastOutcome"].as_str().unwrap();
    assert!(outcome.contains("took longer than"), "{outcome}");
    let log = super::audit::audit_rows(platform, &acme).await;
    let row = log.iter().find(|row| row["action"] == "export.batch").expect("the run is a row");
    assert_eq!((&row["outcome"], &row["actor"]), (&json!("denied"), &json!("platform")));
    let held: i64 =
        sqlx::query_scalar("SELECT held_until FROM export_schedule").fetch_one(&platform.pool().await).await.unwrap();
    assert_eq!(held, 0, "the lease is given back");
}

#[tokio::test]
async fn a_full_mask_also_hides_who_set_a_scheduled_export_up() {
    let ScheduleFixture { platform, places, .. } = &ScheduleFixture::new(|_| ()).await;
    let acme = create_subscriber(platform, "Acme", &[EVENTS], &ADD_ONS).await;
    let (okapi, id) = platform.create_logged_in_user(&acme, "okapi", &["Partner Administrator"]).await;
    let exports = format!("/tenants/{acme}/exports/batch");
    let body = json!({ "data": ["usage"], "destination": places[0], "schedule": { "everyHours": 6 } });
    okapi.post(&exports, body).await.json();
    let author = async || platform.sp.get(&exports).await.json()[0]["createdBy"].clone();
    assert_eq!(author().await, "okapi");
    let mask = json!({ "maskType": "FULL" });
    platform.sp.post(&format!("/tenants/{acme}/users/{id}/TERMINATE"), mask).await.json();
    assert_eq!(author().await, Value::String(id));
}
