//! Which request each call sends, with and without the extensions.

use serde_json::{Value, json};
use tenantry::connect::{Error, Freshness, Platform};
use tenantry::plan::{Change, Field, TenantLife, Value as Setting, short_mark};

use super::fake::{Asked, Fake, Reply};
use super::{city, clients, mark, nothing, partners};

fn answer(asked: &Asked) -> Reply {
    let id = if asked.path.contains("msp_7") { "msp_7" } else { "client_7" };
    match asked.path.rsplit('/').next().unwrap() {
        "minimal" => Reply::json(200, &json!([])),
        search if search.starts_with("search") => Reply::json(200, &json!({"results": [], "totalResults": 0})),
        "suspend" | "activate" | "terminate" => Reply::text(200, "null"),
        _ => Reply::json(200, &json!({"uniqueId": id, "name": "X", "extOrgId": "", "counts": {"clients": 2}})),
    }
}

fn last(fake: &Fake) -> (String, Value) {
    let asked = fake.asked().pop().unwrap();
    let body = if asked.body.is_empty() { Value::Null } else { asked.json() };
    (format!("{} {}", asked.method, asked.path), body)
}

async fn writes(fake: &Fake, platform: &Platform) {
    platform.update(&clients(), "client_7", &city(), &nothing()).await.unwrap();
    assert_eq!(last(fake), ("POST /api/v2/tenants/msp_1/clients/client_7".into(), json!({"city": "Berlin"})));
    let title = [Change { field: Field::WebsiteTitle, to: Setting::text("X") }];
    platform.brand("client_7", &title, &nothing()).await.unwrap();
    assert_eq!(last(fake), ("PUT /api/v2/tenants/client_7/customBranding".into(), json!({"applicationTitle": "X"})));
    platform.suspend(&clients(), "client_7").await.unwrap();
    assert_eq!(last(fake), ("POST /api/v2/tenants/msp_1/clients/client_7/suspend".into(), Value::Null));
    platform.activate(&clients(), "client_7").await.unwrap();
    assert_eq!(last(fake), ("POST /api/v2/tenants/msp_1/clients/client_7/activate".into(), Value::Null));
    platform.page(&clients(), 3).await.unwrap();
    let page = "GET /api/v2/tenants/msp_1/clients/search?pageNo=3&pageSize=100&isDescendingOrder=false";
    assert_eq!(last(fake), (page.into(), Value::Null));
    platform.read(&clients(), "client_7", true).await.unwrap();
    let lines = fake.lines();
    assert_eq!(
        lines[lines.len() - 2..],
        ["GET /api/v2/tenants/msp_1/clients/client_7", "GET /api/v2/tenants/client_7/customBranding"]
    );
    let count = lines.len();
    platform.read(&clients(), "client_7", false).await.unwrap();
    assert_eq!(fake.lines().len(), count + 1);
}

#[tokio::test]
async fn with_the_extensions_partners_are_clients_one_level_up_and_marks_are_whole() {
    let fake = Fake::new(|asked| answer(&asked)).await;
    let platform = fake.platform();
    assert_eq!((platform.has_extensions().await, platform.tenant_id()), (Ok(true), "msp_1"));
    writes(&fake, &platform).await;
    platform.create(&clients(), &city(), &nothing(), &mark()).await.unwrap();
    let body = json!({"city": "Berlin", "managedBy": mark()});
    assert_eq!(last(&fake), ("POST /api/v2/tenants/msp_1/clients".into(), body));
    platform.mark(&clients(), "client_7", &mark()).await.unwrap();
    assert_eq!(last(&fake).1, json!({"managedBy": mark()}));
    assert_eq!(platform.impact("client_7").await.unwrap().unwrap()["clients"], 2);
    platform.create(&partners(), &city(), &nothing(), &mark()).await.unwrap();
    assert_eq!(last(&fake).0, "POST /api/v2/tenants/sp_1/msps");
    platform.read(&partners(), "msp_7", false).await.unwrap().unwrap();
    assert_eq!(last(&fake).0, "GET /api/v2/tenants/sp_1/msps/msp_7");
    platform.suspend(&partners(), "msp_7").await.unwrap();
    assert_eq!(last(&fake).0, "POST /api/v2/tenants/sp_1/msps/msp_7/suspend");
}

#[tokio::test]
async fn without_them_a_partner_is_only_read_and_the_mark_takes_an_empty_external_id() {
    let fake = Fake::documented(|asked| answer(&asked)).await;
    let platform = fake.platform();
    writes(&fake, &platform).await;
    platform.create(&clients(), &city(), &nothing(), &mark()).await.unwrap();
    assert_eq!(last(&fake).1, json!({"city": "Berlin", "extOrgId": short_mark(&mark())}));
    let own = [Change { field: Field::ExternalId, to: Setting::text("CRM-1") }];
    platform.create(&clients(), &own, &nothing(), &mark()).await.unwrap();
    assert_eq!(last(&fake).1, json!({"extOrgId": "CRM-1"}));
    platform.mark(&clients(), "client_7", &mark()).await.unwrap();
    assert_eq!(last(&fake).1, json!({"extOrgId": short_mark(&mark())}));
    assert_eq!(platform.impact("client_7").await, Ok(None));
    let partner = platform.read(&partners(), "msp_7", false).await.unwrap().unwrap();
    assert_eq!((last(&fake).0.as_str(), partner.life), ("GET /api/v2/tenants/msp_7", TenantLife::Active));
    let count = fake.asked().len();
    for error in [
        platform.create(&partners(), &city(), &nothing(), &mark()).await.unwrap_err(),
        platform.update(&partners(), "msp_7", &city(), &nothing()).await.unwrap_err(),
        platform.mark(&partners(), "msp_7", &mark()).await.unwrap_err(),
        platform.suspend(&partners(), "msp_7").await.unwrap_err(),
        platform.living(&partners(), Freshness::Now).await.unwrap_err(),
        platform.page(&partners(), 1).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    }
    assert_eq!(fake.asked().len(), count);
}

#[tokio::test]
async fn a_customers_own_number_is_never_overwritten_by_a_mark() {
    let fake =
        Fake::documented(|_| Reply::json(200, &json!({"uniqueId": "client_7", "name": "X", "extOrgId": "CRM-1"})))
            .await;
    let error = fake.platform().mark(&clients(), "client_7", &mark()).await.unwrap_err();
    assert!(error.to_string().contains("extOrgId"), "{error}");
    assert_eq!(fake.asked().len(), 1);
}

#[tokio::test]
async fn branding_that_is_not_shown_is_no_failure() {
    for status in [404, 405, 410] {
        let fake = Fake::documented(move |asked| {
            if asked.path.ends_with("/customBranding") {
                return Reply::text(status, "");
            }
            Reply::json(200, &json!({"uniqueId": "client_7", "name": "X", "activated": false}))
        })
        .await;
        let seen = fake.platform().read(&clients(), "client_7", true).await.unwrap().unwrap();
        assert_eq!(seen.seen[&Field::Logo], tenantry::plan::Seen::Unreadable, "{status}");
    }
}
