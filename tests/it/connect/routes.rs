//! The request that each call sends, with and without the extensions.

use serde_json::{Value, json};
use tenantry_client::{CallError, ListFreshness, PlatformClient};
use tenantry_core::{Field, LifecycleState, SettingChange, Value as Setting, short_mark};

use super::fake_platform::{FakePlatform, FakeReply, FakeRequest};
use super::{city_change, clients_place, no_payload, partners_place, test_mark};

fn reply_to(request: &FakeRequest) -> FakeReply {
    let id = if request.path.contains("msp_7") { "msp_7" } else { "client_7" };
    match request.path.rsplit('/').next().unwrap() {
        "minimal" => FakeReply::json(200, &json!([])),
        search if search.starts_with("search") => FakeReply::json(200, &json!({"results": [], "totalResults": 0})),
        "suspend" | "activate" | "terminate" => FakeReply::text(200, "null"),
        _ => FakeReply::json(200, &json!({"uniqueId": id, "name": "X", "extOrgId": "", "counts": {"clients": 2}})),
    }
}

fn last_request(fake: &FakePlatform) -> (String, Value) {
    let asked = fake.requests().pop().unwrap();
    let body = if asked.body.is_empty() { Value::Null } else { asked.json() };
    (format!("{} {}", asked.method, asked.path), body)
}

async fn check_writes(fake: &FakePlatform, platform: &PlatformClient) {
    platform.update_tenant(&clients_place(), "client_7", &city_change(), &no_payload()).await.unwrap();
    assert_eq!(last_request(fake), ("POST /api/v2/tenants/msp_1/clients/client_7".into(), json!({"city": "Berlin"})));
    let title = [SettingChange { field: Field::WebsiteTitle, to: Setting::text("X") }];
    platform.write_branding("client_7", &title, &no_payload()).await.unwrap();
    assert_eq!(
        last_request(fake),
        ("PUT /api/v2/tenants/client_7/customBranding".into(), json!({"applicationTitle": "X"}))
    );
    platform.suspend_tenant(&clients_place(), "client_7").await.unwrap();
    assert_eq!(last_request(fake), ("POST /api/v2/tenants/msp_1/clients/client_7/suspend".into(), Value::Null));
    platform.activate_tenant(&clients_place(), "client_7").await.unwrap();
    assert_eq!(last_request(fake), ("POST /api/v2/tenants/msp_1/clients/client_7/activate".into(), Value::Null));
    platform.list_page(&clients_place(), 3).await.unwrap();
    let page = "GET /api/v2/tenants/msp_1/clients/search?pageNo=3&pageSize=100&isDescendingOrder=false";
    assert_eq!(last_request(fake), (page.into(), Value::Null));
    platform.read_tenant(&clients_place(), "client_7", true).await.unwrap();
    let lines = fake.request_lines();
    assert_eq!(
        lines[lines.len() - 2..],
        ["GET /api/v2/tenants/msp_1/clients/client_7", "GET /api/v2/tenants/client_7/customBranding"]
    );
    let count = lines.len();
    platform.read_tenant(&clients_place(), "client_7", false).await.unwrap();
    assert_eq!(fake.request_lines().len(), count + 1);
}

#[tokio::test]
async fn with_the_extensions_partners_are_clients_one_level_up_and_marks_are_whole() {
    let fake = FakePlatform::new(|asked| reply_to(&asked)).await;
    let platform = fake.client_of_fake();
    assert_eq!((platform.has_extensions().await, platform.tenant_id()), (Ok(true), "msp_1"));
    check_writes(&fake, &platform).await;
    platform.create_tenant(&clients_place(), &city_change(), &no_payload(), &test_mark()).await.unwrap();
    let body = json!({"city": "Berlin", "managedBy": test_mark()});
    assert_eq!(last_request(&fake), ("POST /api/v2/tenants/msp_1/clients".into(), body));
    platform.write_mark(&clients_place(), "client_7", &test_mark()).await.unwrap();
    assert_eq!(last_request(&fake).1, json!({"managedBy": test_mark()}));
    assert_eq!(platform.read_impact("client_7").await.unwrap().unwrap()["clients"], 2);
    platform.create_tenant(&partners_place(), &city_change(), &no_payload(), &test_mark()).await.unwrap();
    assert_eq!(last_request(&fake).0, "POST /api/v2/tenants/sp_1/msps");
    platform.read_tenant(&partners_place(), "msp_7", false).await.unwrap().unwrap();
    assert_eq!(last_request(&fake).0, "GET /api/v2/tenants/sp_1/msps/msp_7");
    platform.suspend_tenant(&partners_place(), "msp_7").await.unwrap();
    assert_eq!(last_request(&fake).0, "POST /api/v2/tenants/sp_1/msps/msp_7/suspend");
}

#[tokio::test]
async fn without_them_a_partner_is_only_read_and_the_mark_takes_an_empty_external_id() {
    let fake = FakePlatform::new_documented(|asked| reply_to(&asked)).await;
    let platform = fake.client_of_fake();
    check_writes(&fake, &platform).await;
    platform.create_tenant(&clients_place(), &city_change(), &no_payload(), &test_mark()).await.unwrap();
    assert_eq!(last_request(&fake).1, json!({"city": "Berlin", "extOrgId": short_mark(&test_mark())}));
    let own = [SettingChange { field: Field::ExternalId, to: Setting::text("CRM-1") }];
    platform.create_tenant(&clients_place(), &own, &no_payload(), &test_mark()).await.unwrap();
    assert_eq!(last_request(&fake).1, json!({"extOrgId": "CRM-1"}));
    platform.write_mark(&clients_place(), "client_7", &test_mark()).await.unwrap();
    assert_eq!(last_request(&fake).1, json!({"extOrgId": short_mark(&test_mark())}));
    assert_eq!(platform.read_impact("client_7").await, Ok(None));
    let partner = platform.read_tenant(&partners_place(), "msp_7", false).await.unwrap().unwrap();
    assert_eq!(
        (last_request(&fake).0.as_str(), partner.lifecycle),
        ("GET /api/v2/tenants/msp_7", LifecycleState::Active)
    );
    let count = fake.requests().len();
    for error in [
        platform.create_tenant(&partners_place(), &city_change(), &no_payload(), &test_mark()).await.unwrap_err(),
        platform.update_tenant(&partners_place(), "msp_7", &city_change(), &no_payload()).await.unwrap_err(),
        platform.write_mark(&partners_place(), "msp_7", &test_mark()).await.unwrap_err(),
        platform.suspend_tenant(&partners_place(), "msp_7").await.unwrap_err(),
        platform.list_live_tenants(&partners_place(), ListFreshness::Current).await.unwrap_err(),
        platform.list_page(&partners_place(), 1).await.unwrap_err(),
    ] {
        assert!(matches!(error, CallError::Unsupported { .. }), "{error}");
    }
    assert_eq!(fake.requests().len(), count);
}

#[tokio::test]
async fn a_customers_own_number_is_never_overwritten_by_a_mark() {
    let fake = FakePlatform::new_documented(|_| {
        FakeReply::json(200, &json!({"uniqueId": "client_7", "name": "X", "extOrgId": "CRM-1"}))
    })
    .await;
    let error = fake.client_of_fake().write_mark(&clients_place(), "client_7", &test_mark()).await.unwrap_err();
    assert!(error.to_string().contains("extOrgId"), "{error}");
    assert_eq!(fake.requests().len(), 1);
}

#[tokio::test]
async fn branding_that_is_not_shown_is_no_failure() {
    for status in [404, 405, 410] {
        let fake = FakePlatform::new_documented(move |asked| {
            if asked.path.ends_with("/customBranding") {
                return FakeReply::text(status, "");
            }
            FakeReply::json(200, &json!({"uniqueId": "client_7", "name": "X", "activated": false}))
        })
        .await;
        let seen = fake.client_of_fake().read_tenant(&clients_place(), "client_7", true).await.unwrap().unwrap();
        assert_eq!(seen.values[&Field::Logo], tenantry_core::ObservedValue::Unreadable, "{status}");
    }
}
