use reqwest::header::{HeaderName, HeaderValue};

use super::*;

const WRITE: (BudgetCategory, RequestPriority) = (BudgetCategory::Write, RequestPriority::Change);

fn header_map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

fn rate_limit_request(
    tenant: &str,
    class: &str,
    (category, lane): (BudgetCategory, RequestPriority),
) -> RateLimitRequest {
    let route = RateLimitRoute { tenant: tenant.to_owned(), class: class.to_owned() };
    RateLimitRequest { route, subject: tenant.to_owned(), category, priority: lane }
}

fn test_deadline() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

async fn send_and_answer(
    limiter: &RequestRateLimiter,
    request: RateLimitRequest,
    status: u16,
    pairs: &[(&'static str, &'static str)],
) {
    limiter.acquire_permit(request, test_deadline()).await.unwrap().record_answer(status, &header_map(pairs));
}

async fn is_throttled(limiter: &RequestRateLimiter, request: RateLimitRequest) -> bool {
    matches!(limiter.acquire_permit(request, test_deadline()).await, Err(CallError::Throttled { retry_at: Some(at) }) if at > Timestamp::now())
}

#[tokio::test]
async fn what_cannot_be_sent_before_the_deadline_is_refused_at_once() {
    let limiter = RequestRateLimiter::default();
    send_and_answer(&limiter, rate_limit_request("msp_1", "create", WRITE), 429, &[("retry-after", "60")]).await;
    assert!(is_throttled(&limiter, rate_limit_request("msp_1", "create", WRITE)).await);
    assert!(
        !is_throttled(&limiter, rate_limit_request("msp_2", "create", WRITE)).await,
        "another tenant has a budget of its own"
    );
    assert!(
        !is_throttled(&limiter, rate_limit_request("msp_1", "read", (BudgetCategory::Read, RequestPriority::Change)))
            .await
    );
}

#[tokio::test]
async fn a_budget_is_the_one_of_the_bucket_that_answers_name() {
    let limiter = RequestRateLimiter::default();
    let full = [("x-ratelimit-bucket", "tenants"), ("x-ratelimit-remaining", "9"), ("x-ratelimit-reset", "60")];
    let empty = [("x-ratelimit-bucket", "tenants"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "60")];
    let other = [("x-ratelimit-bucket", "other"), ("x-ratelimit-remaining", "9"), ("x-ratelimit-reset", "60")];
    send_and_answer(&limiter, rate_limit_request("msp_1", "create", WRITE), 200, &full).await;
    send_and_answer(&limiter, rate_limit_request("msp_1", "brand", WRITE), 200, &other).await;
    send_and_answer(&limiter, rate_limit_request("msp_1", "update", WRITE), 200, &empty).await;
    assert!(is_throttled(&limiter, rate_limit_request("msp_1", "create", WRITE)).await, "two paths share a bucket");
    assert!(is_throttled(&limiter, rate_limit_request("msp_2", "create", WRITE)).await, "and so do two tenants");
    assert!(!is_throttled(&limiter, rate_limit_request("msp_1", "brand", WRITE)).await, "another bucket has room");
    assert!(!is_throttled(&limiter, rate_limit_request("msp_1", "suspend", WRITE)).await, "of this no bucket is known");
}

#[tokio::test]
async fn requests_on_their_way_are_counted_in_the_bucket_that_their_answer_names() {
    let limiter = RequestRateLimiter::default();
    let passes = [
        limiter.acquire_permit(rate_limit_request("msp_1", "create", WRITE), test_deadline()).await.unwrap(),
        limiter.acquire_permit(rate_limit_request("msp_1", "create", WRITE), test_deadline()).await.unwrap(),
    ];
    let one = header_map(&[("x-ratelimit-bucket", "a"), ("x-ratelimit-remaining", "1"), ("x-ratelimit-reset", "60")]);
    for pass in passes {
        pass.record_answer(200, &one);
    }
    let last = limiter.acquire_permit(rate_limit_request("msp_1", "create", WRITE), test_deadline()).await.unwrap();
    let soon = Instant::now() + Duration::from_millis(20);
    assert!(
        limiter.acquire_permit(rate_limit_request("msp_1", "create", WRITE), soon).await.is_err(),
        "the last one is on its way"
    );
    last.release_unsent();
    let soon = Instant::now() + Duration::from_millis(20);
    assert!(limiter.acquire_permit(rate_limit_request("msp_1", "create", WRITE), soon).await.is_ok());
}

/// shows: faults/54
#[tokio::test]
async fn after_503_with_retry_after_the_tenant_is_left_alone_and_the_others_are_not() {
    let limiter = RequestRateLimiter::default();
    send_and_answer(&limiter, rate_limit_request("client_1", "read", WRITE), 503, &[("retry-after", "60")]).await;
    let Err(error) = limiter.acquire_permit(rate_limit_request("client_1", "update", WRITE), test_deadline()).await
    else {
        panic!("not held")
    };
    assert!(matches!(error, CallError::Unavailable { maybe_applied: false, .. }), "{error:?}");
    assert!(error.to_string().contains("no request before 20"), "{error}");
    send_and_answer(&limiter, rate_limit_request("client_2", "read", WRITE), 200, &[]).await;
    for tenant in ["client_3", "client_4", "client_5"] {
        send_and_answer(&limiter, rate_limit_request(tenant, "read", WRITE), 503, &[("retry-after", "60")]).await;
    }
    assert!(
        limiter.acquire_permit(rate_limit_request("client_2", "read", WRITE), test_deadline()).await.is_err(),
        "three in a row are the platform"
    );
}

#[tokio::test]
async fn an_answer_ends_a_wait_for_a_window_that_was_impossible() {
    let limiter = RequestRateLimiter::default();
    let first = limiter.acquire_permit(rate_limit_request("msp_1", "create", WRITE), test_deadline()).await.unwrap();
    let second = limiter.acquire_permit(rate_limit_request("msp_1", "create", WRITE), test_deadline()).await.unwrap();
    first.record_answer(200, &header_map(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "99999")]));
    let later = Instant::now() + Duration::from_mins(10);
    let waits = limiter.acquire_permit(rate_limit_request("msp_1", "create", WRITE), later);
    let answers = async {
        tokio::task::yield_now().await;
        second.record_answer(200, &header_map(&[("x-ratelimit-remaining", "9"), ("x-ratelimit-reset", "60")]));
    };
    let both = async { tokio::join!(waits, answers).0.is_ok() };
    assert_eq!(tokio::time::timeout(Duration::from_secs(5), both).await, Ok(true));
}

#[tokio::test]
async fn budgets_that_say_nothing_any_more_are_forgotten() {
    let limiter = RequestRateLimiter::default();
    for tenant in 0..3 * MAX_BUDGETS {
        drop(
            limiter
                .acquire_permit(
                    rate_limit_request(&tenant.to_string(), "read", (BudgetCategory::Read, RequestPriority::Change)),
                    test_deadline(),
                )
                .await
                .unwrap(),
        );
    }
    assert!(limiter.lock_state().budgets.len() <= MAX_BUDGETS);
}
