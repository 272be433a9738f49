//! Tests of activate, suspend and terminate, and of what a terminated tenant still answers.

use reqwest::Method;
use serde_json::json;

use super::{ApiResponse, TestPlatform};

/// shows: seeds/termination/not-retrieved, seeds/termination/not-activated
/// shows: faults/41
#[tokio::test]
async fn a_client_is_suspended_activated_and_terminated_for_ever() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    let path = format!("/tenants/{partner}/clients/{client}");
    for (action, activated, status) in [
        ("suspend", false, "SUSPENDED"),
        ("suspend", false, "SUSPENDED"),
        ("activate", true, "ACTIVE"),
        ("activate", true, "ACTIVE"),
        ("suspend", false, "SUSPENDED"),
    ] {
        let answer = platform.sp.post_empty(&format!("{path}/{action}")).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "null"));
        let read = platform.sp.get(&path).await.json();
        assert_eq!((&read["activated"], &read["status"]), (&json!(activated), &json!(status)));
        assert!(read.get("terminatedTime").is_none());
    }
    // A suspended tenant accepts updates through its parent's route.
    assert_eq!(platform.sp.post(&path, json!({ "city": "Bonn" })).await.json()["status"], "SUSPENDED");

    assert_eq!(platform.sp.post_empty(&format!("{path}/terminate")).await.text, "null");
    platform.sp.get(&path).await.assert_error(404, "not found");
    platform.sp.get(&format!("/tenants/client/{client}")).await.assert_error(404, "not found");
    platform.sp.post(&path, json!({ "city": "Rome" })).await.assert_error(404, "not found");
    for action in ["activate", "suspend", "terminate"] {
        platform.sp.post_empty(&format!("{path}/{action}")).await.assert_error(404, "not found");
    }
    platform.sp.get(&format!("/tenants/{client}/customBranding")).await.assert_error(410, "terminated");
    let search = format!("/tenants/{partner}/clients/search?queryString=activeStatus:false");
    let row = platform.sp.get(&search).await.json()["results"][0].clone();
    assert_eq!(
        (&row["uniqueId"], &row["activated"], &row["status"]),
        (&json!(client), &json!(false), &json!("TERMINATED"))
    );
    // The number is never used again.
    assert_eq!(platform.sp.create_client(&partner, "Globex").await, "client_4");
}

#[tokio::test]
async fn a_partner_outlives_its_clients() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let (one, two) = (platform.sp.create_client(&partner, "A").await, platform.sp.create_client(&partner, "B").await);
    let path = format!("{}/{partner}", platform.partners_path());
    platform.sp.post_empty(&format!("/tenants/{partner}/clients/{one}/suspend")).await.json();
    let impact = async || platform.sp.get(&format!("/tenants/{partner}/impact")).await.json();
    assert_eq!((&impact().await["uniqueId"], &impact().await["counts"]["clients"]), (&json!(partner), &json!(2)));
    let message = platform.sp.post_empty(&format!("{path}/terminate")).await.assert_field_refused("uniqueId");
    assert!(
        message.starts_with("2 clients still live") && message.contains("terminate every client first"),
        "{message}"
    );
    platform.sp.post_empty(&format!("/tenants/{partner}/clients/{one}/terminate")).await.json();
    assert_eq!(impact().await["counts"]["clients"], 1);
    platform.sp.post_empty(&format!("{path}/terminate")).await.assert_field_refused("uniqueId");
    platform.sp.post_empty(&format!("/tenants/{partner}/clients/{two}/terminate")).await.json();
    platform.sp.post_empty(&format!("{path}/terminate")).await.json();
    platform.sp.get(&path).await.assert_error(404, "not found");
    platform.sp.get(&format!("/tenants/{partner}")).await.assert_error(404, "not found");
    let page =
        platform.sp.get(&format!("{}/search?queryString=activeStatus:false", platform.partners_path())).await.json();
    assert_eq!(page["results"][0]["status"], "TERMINATED");
}

/// Calls every route under a partner. Returns each call with whether it should succeed while the partner is suspended,
/// and its answer.
async fn call_every_route(platform: &TestPlatform, partner: &str, client: &str) -> Vec<(String, bool, ApiResponse)> {
    let mut answers = Vec::new();
    for (call, answered) in [
        (format!("GET /tenants/{partner}/clients/{client}"), true),
        (format!("GET /tenants/{partner}/clients/minimal"), true),
        (format!("GET /tenants/{partner}/clients/search"), true),
        (format!("GET /tenants/{partner}/customBranding"), true),
        (format!("GET /tenants/{client}/customBranding?cascade=true"), true),
        (format!("GET /tenants/{partner}/impact"), true),
        (format!("GET /tenants/{partner}/subscription"), true),
        (format!("GET /tenants/{partner}/records/alerts"), true),
        (format!("GET /tenants/{client}/records/metrics"), true),
        (format!("GET /tenants/{client}/exports/stream"), true),
        (format!("POST /tenants/{partner}/records/alerts"), false),
        (format!("POST /tenants/{client}/records/metrics"), false),
        (format!("POST /tenants/{client}/records/metrics/1"), false),
        (format!("POST /tenants/{partner}/clients/{client}/suspend"), true),
        (format!("POST /tenants/{partner}/clients/{client}/activate"), true),
        (format!("POST /tenants/{partner}/clients"), false),
        (format!("POST /tenants/{partner}/clients/{client}"), false),
        (format!("PUT /tenants/{partner}/customBranding"), false),
        (format!("PUT /tenants/{client}/customBranding"), false),
        (format!("POST /tenants/{partner}/credentials"), false),
        (format!("POST /tenants/{client}/credentials"), false),
    ] {
        let (method, path) = call.split_once(' ').unwrap();
        let method: Method = method.parse().unwrap();
        let body = json!({ "name": "New", "applicationTitle": "T" }).to_string().into_bytes();
        let answer = platform.sp.send(method, &format!("/api/v2{path}"), body).await;
        answers.push((call, answered, answer));
    }
    answers
}

#[tokio::test]
async fn a_suspended_partner_answers_reads_and_lifecycle_calls_only() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    let path = format!("{}/{partner}", platform.partners_path());
    platform.sp.post_empty(&format!("{path}/suspend")).await.json();
    for (call, answered, answer) in call_every_route(&platform, &partner, &client).await {
        if answered {
            assert_eq!(answer.status, 200, "{call}: {}", answer.text);
        } else {
            assert_eq!(answer.status, 410, "{call}: {}", answer.text);
            answer.assert_error(410, "suspended");
        }
    }
    assert_eq!(platform.sp.get(&format!("/tenants/{partner}")).await.json()["activated"], false);
    assert_eq!(platform.sp.post(&path, json!({ "city": "Bonn" })).await.json()["city"], "Bonn");
    platform.sp.post_empty(&format!("/tenants/{partner}/clients/{client}/terminate")).await.json();
    platform.sp.post_empty(&format!("{path}/activate")).await.json();
    platform.sp.create_client(&partner, "New").await;
}

/// shows: seeds/termination/not-retrieved, seeds/termination/not-activated
#[tokio::test]
async fn under_a_terminated_partner_everything_is_gone() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    platform.sp.post_empty(&format!("/tenants/{partner}/clients/{client}/terminate")).await.json();
    platform.sp.post_empty(&format!("{}/{partner}/terminate", platform.partners_path())).await.json();
    for (call, _, answer) in call_every_route(&platform, &partner, &client).await {
        assert_eq!(answer.status, 410, "{call}: {}", answer.text);
        answer.assert_error(410, "terminated");
    }
}
