//! Tests of rate limits.

use serde_json::{Value, json};
use tenantry_platform::RateLimits;

use super::{ApiResponse, TestPlatform};

fn header_number(answer: &ApiResponse, name: &str) -> i64 {
    answer.headers[name].to_str().unwrap().parse().unwrap()
}

/// Waits if the minute is about to end: a test across the edge would get a new budget.
pub(super) async fn wait_away_from_minute_edge() {
    while jiff::Timestamp::now().as_second() % 60 > 50 {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn each_tenant_and_category_has_a_budget_that_the_headers_tell() {
    wait_away_from_minute_edge().await;
    let platform =
        TestPlatform::start_with(|config| config.limits = Some(RateLimits { writes: 3, pages: 1, reads: 2 })).await;
    let (acme, other) = (platform.create_partner("Acme").await, platform.create_partner("Other").await);
    let list = format!("/tenants/{acme}/clients");
    for left in [2, 1, 0] {
        let answer = platform.sp.post(&list, json!({ "name": format!("C{left}") })).await;
        answer.json();
        assert_eq!(header_number(&answer, "x-ratelimit-limit"), 3);
        assert_eq!(header_number(&answer, "x-ratelimit-remaining"), left);
        let ahead = header_number(&answer, "x-ratelimit-reset") - jiff::Timestamp::now().as_second();
        assert!((0..=60).contains(&ahead), "{ahead}");
    }
    let refused = platform.sp.post(&list, json!({ "name": "C9" })).await;
    assert_eq!(refused.status, 429);
    let body: Value = serde_json::from_str(&refused.text).unwrap();
    assert_eq!(body, json!({ "error": "throttled", "error_description": "Too Many Requests" }));
    assert_eq!(header_number(&refused, "x-ratelimit-remaining"), 0);
    // Reads have separate budgets, and so has the other tenant.
    assert_eq!(platform.sp.get(&format!("{list}/search")).await.status, 200);
    assert_eq!(platform.sp.get(&format!("{list}/search")).await.status, 429);
    assert_eq!(platform.sp.get(&format!("{list}/minimal")).await.json().as_array().unwrap().len(), 3);
    assert_eq!(platform.sp.get(&format!("{list}/client_99")).await.status, 404);
    assert_eq!(platform.sp.get(&format!("{list}/minimal")).await.status, 429);
    platform.sp.create_client(&other, "C").await;
}

#[tokio::test]
async fn tokens_are_not_limited_and_strangers_spend_their_own_budget() {
    wait_away_from_minute_edge().await;
    let platform =
        TestPlatform::start_with(|config| config.limits = Some(RateLimits { writes: 4, pages: 9, reads: 2 })).await;
    let (acme, other) = (platform.create_partner("Acme").await, platform.create_partner("Other").await);
    let caller = platform.caller_for_tenant(&acme).await;
    for _ in 0..3 {
        platform.caller_for_tenant(&acme).await;
    }
    for expected in [404, 404, 429] {
        assert_eq!(caller.get(&format!("/tenants/{other}/clients/minimal")).await.status, expected);
    }
    assert_eq!(platform.sp.get(&format!("/tenants/{other}/clients/minimal")).await.status, 200);
}
