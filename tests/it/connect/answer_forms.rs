//! Answers of other servers than ours: every form that an RFC allows is accepted, and every number is bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::IntoResponse as _;
use base64::Engine as _;
use futures::FutureExt as _;
use serde_json::{Value, json};
use tenantry_client::{CallError, PlatformClient};
use tenantry_core::Place;

use super::fake_platform::{FakePlatform, FakeReply, FakeRequest, extended_token};
use super::{SECRETS, city_change, clients_place, no_payload};

async fn update_city(platform: &PlatformClient, place: &Place) -> Result<(), CallError> {
    platform.update_tenant(place, "client_1", &city_change(), &no_payload()).await
}

fn success_reply() -> FakeReply {
    FakeReply::json(200, &json!({"uniqueId": "client_1", "name": "A"}))
}

fn milliseconds() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// Adds the rest of a rate limit, and when it resets.
fn with_rate_limit(reply: FakeReply, left: i64, reset: impl std::fmt::Display) -> FakeReply {
    reply
        .with_header("X-RateLimit-Limit", 50)
        .with_header("X-RateLimit-Remaining", left)
        .with_header("X-RateLimit-Reset", reset)
}

/// shows: faults/50
#[tokio::test]
async fn a_reset_in_milliseconds_is_waited_for_and_the_next_write_goes_out() {
    let fake = FakePlatform::new(|asked| match asked.number {
        0 => with_rate_limit(success_reply(), 0, milliseconds() + 1000),
        _ => with_rate_limit(success_reply(), 49, milliseconds() / 1000 + 60),
    })
    .await;
    let platform = fake.client_of_fake();
    for _ in 0..3 {
        update_city(&platform, &clients_place()).await.unwrap();
    }
    assert_eq!(fake.requests().len(), 3);
}

/// shows: faults/50
#[tokio::test]
async fn an_impossible_reset_stops_nothing_for_longer_than_two_windows_and_the_message_says_until_when() {
    for reset in ["86400", "4102444800", "4102444800000", "Fri, 01 Jan 9999 00:00:00 GMT"] {
        let fake = FakePlatform::new(move |_| with_rate_limit(success_reply(), 0, reset)).await;
        let platform = fake.client_of_fake();
        update_city(&platform, &clients_place()).await.unwrap();
        let error = update_city(&platform, &clients_place()).await.unwrap_err();
        let CallError::Throttled { retry_at: Some(at) } = error else { panic!("{reset}: {error}") };
        assert!((at.as_millisecond() - milliseconds()) <= 120_000, "{reset}: {at}");
        assert!(error.to_string().contains(&at.strftime("until %FT%TZ").to_string()), "{error}");
        assert_eq!(fake.requests().len(), 1, "{reset}");
    }
    for reset in ["-1", "9223372036854775807", "-9223372036854775808", "soon", "", "1e300", "NaN"] {
        let fake = FakePlatform::new(move |_| with_rate_limit(success_reply(), 0, reset)).await;
        let platform = fake.client_of_fake();
        for _ in 0..2 {
            update_city(&platform, &clients_place()).await.unwrap();
        }
        assert_eq!(fake.requests().len(), 2, "{reset}");
    }
}

/// shows: faults/50
#[tokio::test]
async fn a_later_answer_wins_over_an_impossible_one() {
    let fake = FakePlatform::start_with(extended_token, |asked: FakeRequest| {
        async move {
            if asked.number == 0 {
                return with_rate_limit(success_reply(), 0, i64::MAX / 1000);
            }
            tokio::time::sleep(Duration::from_millis(60)).await;
            with_rate_limit(success_reply(), 49, milliseconds() / 1000 + 60)
        }
        .boxed()
    })
    .await;
    let platform = fake.client_of_fake();
    platform.check_credential().await.unwrap();
    let place = clients_place();
    let (first, second) = tokio::join!(update_city(&platform, &place), update_city(&platform, &place));
    assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
    update_city(&platform, &place).await.unwrap();
    assert_eq!(fake.requests().len(), 3);
}

/// shows: faults/51
#[tokio::test]
async fn the_budget_is_the_one_of_the_bucket_that_answers_name_and_not_of_the_tenant_in_the_path() {
    let fake = FakePlatform::new(|asked| {
        let (bucket, left) = match asked.path.as_str() {
            path if path.ends_with("/customBranding") => ("branding", 9),
            path if path.ends_with("/suspend") => ("tenants", 0),
            _ => ("tenants", 9),
        };
        with_rate_limit(FakeReply::text(200, "null"), left, milliseconds() / 1000 + 60)
            .with_header("X-Ratelimit-Bucket", bucket)
    })
    .await;
    let platform = fake.client_of_fake();
    let other = Place::Clients { msp: "msp_2".to_owned() };
    update_city(&platform, &clients_place()).await.unwrap();
    platform.write_branding("client_1", &[], &no_payload()).await.unwrap();
    platform.suspend_tenant(&clients_place(), "client_1").await.unwrap();
    for place in [clients_place(), other] {
        let error = update_city(&platform, &place).await.unwrap_err();
        assert!(matches!(error, CallError::Throttled { retry_at: Some(_) }), "{error}");
    }
    platform.write_branding("client_2", &[], &no_payload()).await.unwrap();
    assert_eq!(fake.requests().len(), 4, "{:?}", fake.request_lines());
}

/// shows: faults/51
#[tokio::test]
async fn without_a_bucket_each_tenant_of_a_path_has_a_budget_of_its_own() {
    let fake = FakePlatform::new(|asked| {
        let left = i64::from(!asked.path.contains("/msp_1/"));
        with_rate_limit(FakeReply::text(200, "null"), left, milliseconds() / 1000 + 60)
    })
    .await;
    let platform = fake.client_of_fake();
    update_city(&platform, &clients_place()).await.unwrap();
    update_city(&platform, &clients_place()).await.unwrap_err();
    update_city(&platform, &Place::Clients { msp: "msp_2".to_owned() }).await.unwrap();
    assert_eq!(fake.requests().len(), 2);
}

/// shows: faults/54
#[tokio::test]
async fn after_503_with_retry_after_no_read_is_sent_before_that_time_and_no_other_tenant_waits() {
    let fake = FakePlatform::new(|asked| {
        if asked.path.contains("client_1") {
            return FakeReply::text(503, "maintenance").with_header("Retry-After", 60);
        }
        FakeReply::json(200, &json!({"uniqueId": "client_2", "name": "B"}))
    })
    .await;
    let platform = fake.client_of_fake();
    for _ in 0..10 {
        let error = platform.read_tenant(&clients_place(), "client_1", false).await.unwrap_err();
        assert!(matches!(error, CallError::Unavailable { maybe_applied: false, .. }), "{error}");
        assert!(error.to_string().contains("no request before 2"), "{error}");
    }
    assert_eq!(fake.requests().len(), 1);
    platform.read_tenant(&clients_place(), "client_2", false).await.unwrap();
    assert_eq!(fake.requests().len(), 2);
}

#[tokio::test]
async fn a_503_with_a_short_retry_after_is_waited_out_by_a_read_and_never_repeated_by_a_write() {
    let fake = FakePlatform::new(|asked| match asked.number {
        0 | 2 => FakeReply::text(503, "").with_header("Retry-After", 1),
        _ => success_reply(),
    })
    .await;
    let platform = fake.client_of_fake();
    platform.read_tenant(&clients_place(), "client_1", false).await.unwrap();
    assert_eq!(fake.requests().len(), 2);
    let error = update_city(&platform, &clients_place()).await.unwrap_err();
    assert!(error.may_have_been_applied(), "{error}");
    assert_eq!(fake.requests().len(), 3);
    update_city(&platform, &clients_place()).await.unwrap();
    assert_eq!(fake.requests().len(), 4);
}

fn token_reply(members: &Value) -> FakeReply {
    let mut body = json!({"access_token": "token-number-1"});
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    FakeReply::json(200, &body).with_header("x-tenantry-extensions", "1")
}

/// shows: faults/52
#[tokio::test]
async fn a_token_is_had_and_kept_in_each_form_of_its_answer() {
    let forms: [fn() -> Value; 10] = [
        || json!({}),
        || json!({"expires_in": null, "scope": null, "token_type": null, "refresh_token": null}),
        || json!({"expires_in": 7199, "scope": "global:manage", "token_type": "bearer"}),
        || json!({"expires_in": "7199", "token_type": "Bearer"}),
        || json!({"expires_in": 7199.0, "token_type": "BEARER"}),
        || json!({"expires_in": "7199.5"}),
        || json!({"expires_in": "never"}),
        || json!({"expires_in": 0}),
        || json!({"expires_in": 1e300}),
        || json!({"scope": ["global:manage"]}),
    ];
    for form in forms {
        // A form is data, and `TokenIssuer` is a plain function. The server below answers by itself.
        let asked = Arc::new(AtomicUsize::new(0));
        let url = serve_token(Arc::clone(&asked), form).await;
        let platform = super::client_for_url(&url, Duration::from_secs(3));
        for _ in 0..2 {
            platform.check_credential().await.unwrap_or_else(|error| panic!("{}: {error}", form()));
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1, "{}", form());
    }
}

/// Starts a platform that answers with a token of this form, and counts the answers.
async fn serve_token(request_count: Arc<AtomicUsize>, form: fn() -> Value) -> String {
    let answer = move || {
        request_count.fetch_add(1, Ordering::SeqCst);
        let FakeReply::Answer { body, .. } = token_reply(&form()) else { unreachable!() };
        std::future::ready(body)
    };
    serve_app(axum::Router::new().route("/tenancy/auth/oauth/token", axum::routing::post(answer))).await
}

async fn serve_app(app: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await });
    url
}

#[tokio::test]
async fn a_token_of_another_type_or_an_empty_one_is_no_token() {
    for form in [json!({"token_type": "mac"}), json!({"access_token": ""}), json!({"access_token": null})] {
        let body = form.to_string();
        let shown = body.clone();
        let full = move || {
            let mut answer = json!({"access_token": "token-number-1"});
            answer.as_object_mut().unwrap().extend(serde_json::from_str::<serde_json::Map<_, _>>(&body).unwrap());
            std::future::ready(axum::Json(answer))
        };
        let url = serve_app(axum::Router::new().route("/tenancy/auth/oauth/token", axum::routing::post(full))).await;
        let error = super::client_for_url(&url, Duration::from_secs(3)).check_credential().await.unwrap_err();
        assert!(matches!(error, CallError::Malformed { .. }), "{shown}: {error}");
        assert!(!error.to_string().contains("token-number-1"), "{error}");
    }
}

/// shows: faults/52
#[tokio::test]
async fn where_the_platform_demands_it_the_credential_goes_into_a_header_and_stays_there() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let answer = move |headers: HeaderMap, body: String| {
        count.fetch_add(1, Ordering::SeqCst);
        let pair = format!("{}:{}", SECRETS[0], SECRETS[1]);
        let wanted = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
        let is_basic = headers.get("authorization").is_some_and(|value| value == wanted.as_str());
        let reply = if is_basic && !body.contains("client_secret") {
            axum::Json(json!({"access_token": "t", "expires_in": 1})).into_response()
        } else {
            let challenge = [("www-authenticate", "Basic realm=\"api\"")];
            (axum::http::StatusCode::UNAUTHORIZED, challenge, r#"{"error":"invalid_client"}"#).into_response()
        };
        std::future::ready(reply)
    };
    let url = serve_app(axum::Router::new().route("/tenancy/auth/oauth/token", axum::routing::post(answer))).await;
    let platform = super::client_for_url(&url, Duration::from_secs(3));
    platform.check_credential().await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    tokio::time::sleep(Duration::from_millis(950)).await;
    platform.check_credential().await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 3, "the second token needs no try without the header");
}
