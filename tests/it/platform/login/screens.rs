//! Tests of the screens of packages.

use serde_json::json;

use super::pages::HttpBrowser;
use crate::platform::TestPlatform;
use crate::platform::people::CHOSEN_PASSWORD;
use crate::platform::records::size::create_oversized_record;

const DENIED: &str = "Access Denied! The partner is not subscribed to this product package.";
const HYBRID: &str = "Hybrid Discovery and Monitoring";
const EVENT: &str = "Event and Incident Management";
const REMEDIATION: &str = "Remediation and Automation";

async fn create_subscriber(platform: &TestPlatform, name: &str, packages: &[&str]) -> String {
    platform.sp.create_tenant(platform.partners_path(), json!({ "name": name, "packages": packages })).await
}

/// shows: seeds/packages/remediation, seeds/without-remediation/automation-menu, seeds/without-remediation/alerts-screen
/// shows: seeds/without-remediation/service-desk-screen, seeds/without-remediation/automation-screen
/// shows: seeds/without-remediation/sentence, seeds/without-events/alerts-menu, seeds/without-events/alerts-screen
/// shows: seeds/without-events/service-desk-screen, seeds/without-events/automation-screen, seeds/without-events/sentence
#[tokio::test]
async fn the_screens_of_a_missing_package_are_denied_and_its_menus_are_gone() {
    let platform = TestPlatform::start().await;
    // For each screen, one module of each package.
    let modules = [
        ("alerts", "Alert Correlation", "Run Book Automation"),
        ("service-desk", "Service Desk</li>", "Remote Access with Session Replay"),
        ("automation", "First Response Policies", "Patch Management"),
    ];
    for (number, packages, menus) in [
        (0, &[HYBRID, EVENT, REMEDIATION][..], &["Alerts", "Automation"][..]),
        (1, &[HYBRID, EVENT], &["Alerts"]),
        (2, &[HYBRID, REMEDIATION], &["Automation"]),
        (3, &[HYBRID], &[]),
    ] {
        let denied = 3 - packages.len();
        let partner = create_subscriber(&platform, &format!("P{number}"), packages).await;
        let name = format!("user{number}");
        platform.create_logged_in_user(&partner, &name, &["Partner Administrator"]).await;
        let mut browser = HttpBrowser::new(&platform);
        browser.log_in("/login", &name, CHOSEN_PASSWORD).await;
        for (screen, of_event, of_remediation) in modules {
            let answer = browser.get(&format!("/screens/{screen}")).await;
            assert_eq!(answer.status, if denied == 0 { 200 } else { 403 }, "{packages:?} {screen}");
            assert_eq!(answer.text.matches(DENIED).count(), denied, "{packages:?} {screen}");
            for (package, module) in [(EVENT, of_event), (REMEDIATION, of_remediation)] {
                let shown = answer.text.contains(module);
                assert_eq!(shown, packages.contains(&package), "{packages:?} {screen} {module}");
            }
        }
        let has = platform.sp.get(&format!("/tenants/{partner}/subscription")).await.json();
        let home = browser.get("/").await.text;
        for menu in ["Alerts", "Automation"] {
            let shown = home.contains(&format!(">{menu}</a>"));
            assert_eq!(shown, menus.contains(&menu), "{packages:?} {menu}: {home}");
            let hidden = has["hiddenMenus"].as_array().unwrap().iter().filter_map(|hidden| hidden.as_str());
            assert_eq!(shown, !hidden.map(str::to_owned).any(|hidden| hidden.ends_with(menu)), "{has}");
        }
    }
}

/// shows: security/asvs/8.2.1
#[tokio::test]
async fn a_screen_lists_the_records_of_its_package_to_whoever_may_read_them() {
    let platform = TestPlatform::start().await;
    let partner = create_subscriber(&platform, "Acme", &[HYBRID, EVENT]).await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    for category in ["alerts", "tickets"] {
        for part in ["<disk>", "fan"] {
            let body = json!({ "name": format!("The {part} of {category}") });
            platform.sp.post(&format!("/tenants/{partner}/records/{category}"), body).await.json();
        }
    }
    for (name, tenant, role) in
        [("ada", &partner, &["Partner Administrator"][..]), ("bob", &partner, &[]), ("sue", &platform.sp_id, &[])]
    {
        let _ = platform.create_logged_in_user(tenant, name, role).await;
    }
    let mut browser = HttpBrowser::new(&platform);
    browser.log_in("/login", "ada", CHOSEN_PASSWORD).await;
    for (screen, category, heading) in [("alerts", "alerts", "Alerts (2)"), ("service-desk", "tickets", "Tickets (2)")]
    {
        let page = browser.get(&format!("/screens/{screen}")).await.text;
        assert!(page.contains(&format!("<td>The &lt;disk&gt; of {category}</td>")) && page.contains(heading), "{page}");
        assert!(page.contains(&format!("<td>The fan of {category}</td>")), "{page}");
        let below = browser.get(&format!("/screens/{screen}?tenant={client}")).await.text;
        assert!(below.contains(DENIED) && !below.contains("disk"), "{below}");
    }
    assert!(!browser.get("/screens/automation").await.text.contains("Maintenance windows"), "nobody paid for them");
    let mut bob = HttpBrowser::new(&platform);
    bob.log_in("/login", "bob", CHOSEN_PASSWORD).await;
    let answer = bob.get("/screens/alerts").await;
    assert!(answer.text.contains("Alert Correlation") && !answer.text.contains("disk"), "{}", answer.text);
    // A user without access to a client does not even see its packages.
    let mut sue = HttpBrowser::new(&platform);
    sue.log_in("/login", "sue", CHOSEN_PASSWORD).await;
    let answer = sue.get(&format!("/screens/alerts?tenant={partner}")).await;
    assert!(answer.status == 404 && !answer.text.contains("Acme") && !answer.text.contains("Alert"), "{}", answer.text);
    platform.sp.post(&format!("{}/{partner}", platform.partners_path()), json!({ "packages": [HYBRID] })).await.json();
    let page = browser.get("/screens/alerts").await.text;
    assert!(page.contains(DENIED) && !page.contains("disk"), "{page}");
}

#[tokio::test]
async fn a_record_from_before_its_bound_takes_no_screen_away() {
    let platform = TestPlatform::start().await;
    let partner = create_subscriber(&platform, "Acme", &[EVENT]).await;
    let list = format!("/tenants/{partner}/records/alerts");
    for name in ["Old", "Grown", "New"] {
        let _ = if name == "Grown" {
            create_oversized_record(&platform, &list, name).await
        } else {
            platform.sp.post(&list, json!({ "name": name })).await.text
        };
    }
    let _ = platform.create_logged_in_user(&partner, "ada", &["Partner Administrator"]).await;
    let mut browser = HttpBrowser::new(&platform);
    browser.log_in("/login", "ada", CHOSEN_PASSWORD).await;
    let answer = browser.get("/screens/alerts").await;
    assert!(answer.text.contains("<td>New</td>") && answer.text.contains("Alerts (3)"), "{}", answer.text);
}

#[tokio::test]
async fn a_tenant_below_is_selected_and_a_foreign_one_is_not_there() {
    let platform = TestPlatform::start().await;
    let (acme, other) = (platform.create_partner("Acme").await, platform.create_partner("Other").await);
    let client = platform.sp.create_client(&acme, "Globex").await;
    let _ = platform.create_logged_in_user(&acme, "ada", &["Partner Administrator"]).await;
    let _ = platform.create_logged_in_user(&platform.sp_id, "sue", &["Service Provider Administrator"]).await;
    let mut browser = HttpBrowser::new(&platform);
    browser.log_in("/login", "ada", CHOSEN_PASSWORD).await;
    // The client has only the default package.
    let screen = |tenant: &str| format!("/screens/alerts?tenant={tenant}");
    assert_eq!(browser.get(&screen(&client)).await.text.matches(DENIED).count(), 2);
    for foreign in [other.as_str(), platform.sp_id.as_str(), "msp_99", "%00"] {
        let answer = browser.get(&screen(foreign)).await;
        assert_eq!(answer.status, 404, "{foreign}: {}", answer.text);
    }
    assert_eq!(browser.get("/screens/nothing").await.status, 404);
    let mut provider = HttpBrowser::new(&platform);
    provider.log_in("/login", "sue", CHOSEN_PASSWORD).await;
    assert!(provider.get("/screens/alerts").await.text.contains("Unique id of a partner or client"));
    assert_eq!(provider.get(&screen(&other)).await.status, 200);
    assert_eq!(provider.get(&screen(&client)).await.status, 403);
}
