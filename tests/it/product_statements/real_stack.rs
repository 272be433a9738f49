//! Statements of the pages as a user of `kubectl` experiences them, on the real stack.

use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{ImageFormat, RgbImage};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::world::{TestNamespace, TestWorld};

fn object_status(namespace: &TestNamespace<'_>, object: &str) -> Value {
    namespace.get(object).unwrap()["status"].clone()
}

/// shows: seeds/packages/monitoring, seeds/packages/events, seeds/packages/remediation, seeds/packages/default
/// shows: seeds/packages/select, seeds/without-remediation/automation-menu, seeds/without-events/alerts-menu
#[test]
fn a_partner_tells_what_its_packages_bring_and_what_it_does_without() {
    let namespace = TestWorld::shared_world().create_namespace("modules");
    let (events, remediation) = ("EventAndIncidentManagement", "RemediationAndAutomation");
    namespace.apply_partner("bare", &json!({}));
    namespace.apply_partner("events", &json!({"packages": [events]}));
    namespace.apply_partner("all", &json!({"packages": [events, remediation]}));
    let hybrid =
        ["Resource Management", "Monitoring", "Reports", "Dashboards", "Alerting & Forwarding"].map(str::to_owned);
    let hybrid = [&hybrid[..], &["Anomaly Detection and Metric Forecasting".to_owned()]].concat();
    let of_events = ["Service Desk", "Alert Correlation", "First Response Policies", "Alert Escalation"];
    let of_events = [&of_events[..], &["OpsQ Machine Learning Bot"]].concat();
    let of_remediation = ["Patch Management", "Run Book Automation", "Job Automation", "Process Automation"];
    let of_remediation = [&of_remediation[..], &["Remote Access with Session Replay"]].concat();
    let (alerts, automation) = ("Setup > Alerts", "Workspace > Automation");
    let sets_of_events =
        ["OpsQ", "Incident", "Change Request", "Task Request", "Service Request", "Problem", "Time-bound request"];
    let sets_of_remediation = ["Jobs", "Consoles", "Patch Approvals", "Recording Audits", "Scripts", "Commands"];
    for (name, modules, menus, sets) in [
        ("bare", vec![], vec![alerts, automation], [&sets_of_events[..], &sets_of_remediation].concat()),
        ("events", of_events.clone(), vec![automation], sets_of_remediation.to_vec()),
        ("all", [of_events, of_remediation].concat(), vec![], vec![]),
    ] {
        namespace.wait_until_ready(&format!("partner/{name}"));
        let status = object_status(&namespace, &format!("partner/{name}"));
        let list = |value: &Value| -> Vec<String> {
            let entries = value.as_array().cloned().unwrap_or_default();
            let mut entries: Vec<String> = entries.iter().map(|entry| entry.as_str().unwrap().to_owned()).collect();
            entries.sort();
            entries
        };
        let sorted = |mut entries: Vec<String>| {
            entries.sort();
            entries
        };
        let owned = |entries: Vec<&str>| entries.into_iter().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(list(&status["modules"]), sorted([hybrid.clone(), owned(modules)].concat()), "{name}");
        assert_eq!(list(&status["unavailable"]["menus"]), sorted(owned(menus)), "{name}");
        assert_eq!(list(&status["unavailable"]["permissionSets"]), sorted(owned(sets)), "{name}");
    }
}

/// shows: seeds/account/api-server, seeds/details/account-id, seeds/details/url, seeds/details/api-endpoint
/// shows: seeds/details/created
#[test]
fn what_status_says_of_an_account_is_what_the_platform_says() {
    let namespace = TestWorld::shared_world().create_namespace("account");
    let address = format!("https://{}.app.example.com", namespace.name);
    namespace.apply_partner("acme", &json!({"details": {"applicationServer": address}}));
    let partner = namespace.wait_until_ready("partner/acme");
    let tenant = namespace.world.tenancy.get(&partner).unwrap();
    let status = object_status(&namespace, "partner/acme");
    assert_eq!(status["uniqueId"], json!(partner));
    assert_eq!(status["accountId"].to_string().trim_matches('"'), tenant["id"].to_string().trim_matches('"'));
    assert_eq!(status["url"], json!(address));
    assert_eq!(status["apiEndpoint"], json!(format!("{}.api.example.com", namespace.name)));
    let seconds = |time: &Value| time.as_str().unwrap()[..19].to_owned();
    assert_eq!(seconds(&status["createdTime"]), seconds(&tenant["createdTime"]));
}

/// Returns an image as a spec holds it.
fn inline_image(image: &RgbImage) -> Value {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).unwrap();
    json!({"inline": STANDARD.encode(bytes.into_inner())})
}

/// shows: seeds/branding/logo-size, seeds/branding/logo-height, seeds/branding/logo-width, seeds/branding/favicon-size
/// shows: seeds/branding/favicon-square, seeds/branding/background-recommended
#[test]
fn advice_on_an_image_is_an_event_and_the_image_is_taken() {
    let space = TestWorld::shared_world().create_namespace("advice");
    let plain = |width, height| inline_image(&RgbImage::new(width, height));
    // Noise of this size is larger than 10 KB.
    let noise = StdRng::seed_from_u64(1).random_iter().take(3 * 62 * 62).collect();
    let noise = inline_image(&RgbImage::from_raw(62, 62, noise).unwrap());
    space.apply_partner(
        "acme",
        &json!({"branding": {
            "logo": plain(600, 600), "favicon": noise,
            "loginPage": {"backgroundImage": plain(1500, 100)},
        }}),
    );
    let partner = space.wait_until_ready("partner/acme");
    space.wait_until("it is told", || Ok(space.event_reasons("acme").contains(&"ImageAdvice".to_owned())));
    let advice = object_status(&space, "partner/acme")["imageAdvice"].to_string();
    for (field, recommended) in [
        ("branding.logo", "a height of 512 and a width of at most 512"),
        ("branding.favicon", "128 x 128"),
        ("branding.loginPage.backgroundImage", "1440 x 900"),
    ] {
        assert!(advice.contains(field) && advice.contains(recommended), "{field}: {advice}");
    }
    let branding = space.world.tenancy.get(&format!("{partner}/customBranding")).unwrap();
    assert!(branding["logo"]["sha256"].is_string() && branding["favIcon"]["sha256"].is_string(), "{branding}");

    space.apply_partner("wide", &json!({"branding": {"favicon": plain(128, 64)}}));
    assert!(space.wait_until_not_ready("partner/wide", "ImageInvalid").contains("square"));
}
