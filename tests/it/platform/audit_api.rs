//! Tests of a tenant's audit log, read through the API.

use serde_json::{Value, json};
use tenantry_platform::RateLimits;

use super::audit::{audit_rows, start_with_audit_key};
use super::people::{CHOSEN_PASSWORD, PASSWORD, user_body};
use super::{ApiCaller, TestPlatform};

async fn audit_page(caller: &ApiCaller, tenant: &str, query: &str) -> Value {
    caller.get(&format!("/tenants/{tenant}/audit?{query}")).await.json()
}

fn row_numbers(page: &Value) -> Vec<i64> {
    page["results"].as_array().unwrap().iter().map(|row| row["number"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn a_tenants_log_is_read_page_by_page_and_by_time_action_and_actor() {
    let (platform, _keys) = start_with_audit_key().await;
    let partner = platform.create_partner("Acme").await;
    for city in ["A", "B", "C"] {
        platform.sp.post(&format!("{}/{partner}", platform.partners_path()), json!({ "city": city })).await.json();
    }
    let caller = platform.caller_for_tenant(&partner).await;
    let whole = audit_page(&caller, &partner, "").await;
    assert_eq!((&whole["totalResults"], row_numbers(&whole)), (&json!(6), vec![6, 5, 4, 3, 2, 1]));
    let row = &whole["results"][0];
    assert_eq!(
        (&row["action"], &row["outcome"], &row["source"]),
        (&json!("token.issue"), &json!("done"), &json!("127.0.0.1"))
    );
    for member in ["time", "actor", "object", "request", "hash"] {
        assert!(!row[member].as_str().unwrap().is_empty(), "{member}: {row}");
    }
    let second = audit_page(&caller, &partner, "pageNo=2&pageSize=4&isDescendingOrder=false").await;
    assert_eq!((row_numbers(&second), &second["totalPages"]), (vec![5, 6], &json!(2)));
    let actor = row["actor"].as_str().unwrap().replace('#', "%23");
    let tomorrow = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(48);
    let tomorrow = tomorrow.strftime("%Y-%m-%d");
    for (query, found) in [
        ("action:tenant.update".to_owned(), vec![4, 3, 2]),
        (format!("actor:{actor}"), vec![6]),
        ("outcome:denied".to_owned(), vec![]),
        ("startDate:2020-01-01+action:tenant.create".to_owned(), vec![1]),
        ("endDate:2020-01-01".to_owned(), vec![]),
        (format!("startDate:{tomorrow}"), vec![]),
        (format!("endDate:{tomorrow}+outcome:done+action:token.issue"), vec![6]),
    ] {
        assert_eq!(
            row_numbers(&audit_page(&caller, &partner, &format!("queryString={query}")).await),
            found,
            "{query}"
        );
    }
}

#[tokio::test]
async fn only_who_administers_a_tenant_reads_its_log_and_nobody_another_ones() {
    let platform = TestPlatform::start().await;
    let (acme, other) = (platform.create_partner("Acme").await, platform.create_partner("Other").await);
    let client = platform.sp.create_client(&acme, "Globex").await;
    let path = |tenant: &str| format!("/tenants/{tenant}/audit");
    let key = platform.caller_for_tenant(&acme).await;
    key.get(&path(&client)).await.json();
    key.get(&path(&other)).await.assert_error(404, "not found");
    key.get(&path("sp_1")).await.assert_error(404, "not found");
    let (admin, _) = platform.create_logged_in_user(&acme, "ada", &["Partner Administrator"]).await;
    admin.get(&path(&acme)).await.json();
    admin.get(&path(&client)).await.json();
    admin.get(&path(&other)).await.assert_error(404, "not found");
    let (plain, _) = platform.create_logged_in_user(&acme, "bob", &[]).await;
    assert_eq!(plain.get(&path(&acme)).await.status, 403);
    let (viewer, _) = platform.create_logged_in_user(&client, "eve", &["Client user"]).await;
    assert_eq!(viewer.get(&path(&client)).await.status, 403);
}

#[tokio::test]
async fn what_the_log_cannot_be_asked_is_refused_with_the_way_out() {
    let platform = TestPlatform::start().await;
    let path = |query: &str| format!("/tenants/sp_1/audit?{query}");
    for (query, field, said) in [
        ("pageSize=101", "pageSize", "1 to 100"),
        ("sortName=actor", "sortName", "number or time"),
        ("queryString=colour:red", "queryString", "action, actor, outcome, startDate, endDate"),
        ("queryString=outcome:maybe", "queryString", "done or denied"),
        ("queryString=startDate:soon", "queryString", "2016-08-29"),
        ("queryString=actor:a%2Bactor:b", "queryString", "twice"),
    ] {
        let message = platform.sp.get(&path(query)).await.assert_field_refused(field);
        assert!(message.contains(said), "{query}: {message}");
    }
}

#[tokio::test]
async fn pages_of_the_log_are_rationed_as_other_pages_are() {
    let limits = Some(RateLimits { pages: 2, ..RateLimits::default() });
    let platform = TestPlatform::start_with(|config| config.limits = limits).await;
    let statuses = [0; 3].map(|_| platform.sp.get("/tenants/sp_1/audit"));
    let mut rows = Vec::new();
    for status in statuses {
        rows.push(status.await.status.as_u16());
    }
    // A new minute may begin between the requests.
    assert!(rows == [200, 200, 429] || rows == [200, 200, 200], "{rows:?}");
    assert_eq!(platform.sp.get("/tenants/sp_1/audit").await.headers["x-ratelimit-limit"], "2");
}

/// shows: security/asvs/16.2.5
#[tokio::test]
async fn a_row_says_from_which_address_it_came_as_the_trusted_proxy_wrote_it() {
    let platform = TestPlatform::start_with(|config| config.proxies = vec!["127.0.0.1".parse().unwrap()]).await;
    let partner = platform.create_partner("Acme").await;
    platform.sp.post(&format!("/tenants/{partner}/users"), user_body("ada", &[])).await.json();
    for (address, password) in [("203.0.113.9", CHOSEN_PASSWORD), ("2001:db8::1", PASSWORD)] {
        let form = [("grant_type", "password"), ("username", "ada"), ("password", password)];
        let request = reqwest::Client::new().post(format!("{}/auth/oauth/token", platform.url())).form(&form);
        request.header("x-forwarded-for", address).send().await.unwrap();
    }
    let rows = audit_page(&platform.sp, &partner, "isDescendingOrder=false").await;
    let told: Vec<(&str, &str)> = rows["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["outcome"].as_str().unwrap(), row["source"].as_str().unwrap()))
        .collect();
    assert_eq!(told[2..], [("denied", "203.0.113.9"), ("done", "2001:db8::1")], "{told:?}");
    let exported = audit_rows(&platform, &partner).await;
    assert_eq!(exported[2]["source"], "203.0.113.9");
    // A row that no request caused has no source.
    assert_eq!(audit_rows(&platform, "sp_1").await[0]["source"], "");
}
