//! Tests of packages and add-ons.

use serde_json::{Value, json};

use super::TestPlatform;

const HYBRID: &str = "Hybrid Discovery and Monitoring";
const EVENTS: &str = "Event and Incident Management";

async fn create_partner_with_packages(platform: &TestPlatform) -> String {
    let body = json!({ "name": "Acme", "packages": [EVENTS], "addOns": ["SLA Management", "Offline Alerts"] });
    platform.sp.create_tenant(platform.partners_path(), body).await
}

/// shows: seeds/packages/default
#[tokio::test]
async fn the_first_package_is_always_there() {
    let platform = TestPlatform::start().await;
    let partner = create_partner_with_packages(&platform).await;
    let path = format!("{}/{partner}", platform.partners_path());
    assert_eq!(platform.sp.get(&path).await.json()["packages"], json!([HYBRID, EVENTS]));
    let cleared = platform.sp.post(&path, json!({ "packages": [] })).await.json();
    assert_eq!((&cleared["packages"], &cleared["addOns"]), (&json!([HYBRID]), &json!(["Offline Alerts"])));
    assert_eq!(platform.sp.post(&path, json!({ "addOns": [] })).await.json()["addOns"], json!([]));
}

#[tokio::test]
async fn unknown_names_and_add_ons_without_their_package_are_refused() {
    let platform = TestPlatform::start().await;
    let partner = create_partner_with_packages(&platform).await;
    let path = format!("{}/{partner}", platform.partners_path());
    let post = async |body: Value| platform.sp.post(&path, body).await;
    assert!(post(json!({ "packages": ["Gold"] })).await.assert_field_refused("packages").contains("Gold"));
    assert!(post(json!({ "addOns": ["Gold"] })).await.assert_field_refused("addOns").contains("Gold"));
    let message = post(json!({ "addOns": ["Process Automation"] })).await.assert_field_refused("addOns");
    assert!(message.contains("Remediation and Automation"), "{message}");
    post(json!({ "packages": [], "addOns": ["SLA Management"] })).await.assert_field_refused("addOns");
    let both = post(json!({ "packages": ["Gold"], "addOns": ["Silver"] })).await;
    both.assert_field_refused("packages");
    both.assert_field_refused("addOns");
    // Older names and other spellings are accepted for the same add-on.
    let read =
        post(json!({ "addOns": ["event enrichment", "Knowledge Base Management", "Alert Enrichment"] })).await.json();
    assert_eq!(read["addOns"], json!(["Alert Problem Area", "Knowledgebase Management"]));
    assert_eq!(read["mspDetails"]["kbSupport"], true);
}

/// shows: seeds/remediation-add-ons/contact-support
#[tokio::test]
async fn a_client_stays_within_its_partner() {
    let platform = TestPlatform::start().await;
    let partner = create_partner_with_packages(&platform).await;
    let list = format!("/tenants/{partner}/clients");
    let body = json!({ "name": "A", "packages": ["Remediation and Automation"] });
    assert!(platform.sp.post(&list, body).await.assert_field_refused("packages").contains("partner does not have"));
    let body = json!({ "name": "A", "packages": [EVENTS], "addOns": ["SMS and Voice"] });
    let message = platform.sp.post(&list, body).await.assert_field_refused("addOns");
    assert!(message.ends_with(tenantry_catalog::CONTACT_SUPPORT), "{message}");
    let body = json!({ "name": "A", "packages": [EVENTS], "addOns": ["SLA Management"] });
    let client = platform.sp.create_tenant(list.clone(), body).await;
    let path = format!("{list}/{client}");
    platform.sp.post(&path, json!({ "addOns": ["Batch Exports"] })).await.assert_field_refused("addOns");
    let less = platform.sp.post(&path, json!({ "packages": [HYBRID] })).await.json();
    assert_eq!(less["addOns"], json!([]));
}

#[tokio::test]
async fn a_partner_keeps_what_living_clients_use() {
    let platform = TestPlatform::start().await;
    let partner = create_partner_with_packages(&platform).await;
    let list = format!("/tenants/{partner}/clients");
    let mut clients = Vec::new();
    for name in ["A", "B"] {
        let body = json!({ "name": name, "packages": [EVENTS], "addOns": ["SLA Management"] });
        clients.push(platform.sp.create_tenant(list.clone(), body).await);
    }
    let path = format!("{}/{partner}", platform.partners_path());
    let message = platform.sp.post(&path, json!({ "packages": [] })).await.assert_field_refused("packages");
    assert!(message.starts_with("2 clients") && message.contains(&clients[1]), "{message}");
    platform.sp.post(&path, json!({ "addOns": ["Offline Alerts"] })).await.assert_field_refused("addOns");
    // A package that nothing uses can be dropped, and so can all packages once their uses are gone.
    platform.sp.post(&path, json!({ "addOns": ["SLA Management"] })).await.json();
    platform.sp.post(&format!("{list}/{}", clients[0]), json!({ "packages": [] })).await.json();
    platform.sp.post_empty(&format!("{list}/{}/terminate", clients[1])).await.json();
    assert_eq!(platform.sp.post(&path, json!({ "packages": [] })).await.json()["packages"], json!([HYBRID]));
}
