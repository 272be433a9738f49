//! One token for all requests: it is renewed once and never printed.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::join_all;
use serde_json::json;
use tenantry_client::CallError;

use super::fake_platform::{FakePlatform, FakeReply, FakeRequest, extended_token};
use super::{SECRETS, city_change, clients_place, no_payload, test_mark};

/// Answers reads of clients, but refuses the first token.
fn refuse_first_token(status: u16) -> impl Fn(FakeRequest) -> FakeReply + Send + Sync {
    move |asked| {
        if asked.token() == "token-number-1" {
            return FakeReply::json(
                status,
                &json!({"error": "invalid_token", "error_description": "Invalid access token"}),
            );
        }
        FakeReply::json(200, &json!({"uniqueId": "client_1", "name": "A"}))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn thirty_two_workers_on_an_expired_token_renew_it_once() {
    for status in [401, 407] {
        let fake = FakePlatform::new(refuse_first_token(status)).await;
        let platform = fake.client_of_fake();
        platform.check_credential().await.unwrap();
        assert_eq!(fake.token_count(), 1);
        let reads = (0..32).map(|_| {
            let platform = platform.clone();
            tokio::spawn(async move { platform.read_tenant(&clients_place(), "client_1", false).await })
        });
        for read in join_all(reads).await {
            assert!(read.unwrap().unwrap().is_some());
        }
        assert_eq!(fake.token_count(), 2);
    }
}

#[tokio::test]
async fn a_write_goes_out_again_after_a_renewal_since_it_was_not_carried_out() {
    let fake = FakePlatform::new(refuse_first_token(401)).await;
    let id = fake
        .client_of_fake()
        .create_tenant(&clients_place(), &city_change(), &no_payload(), &test_mark())
        .await
        .unwrap();
    assert_eq!((id.as_str(), fake.requests().len(), fake.token_count()), ("client_1", 2, 2));
}

#[tokio::test]
async fn a_fresh_token_that_is_refused_as_well_ends_the_call() {
    let fake = FakePlatform::new(|_| FakeReply::json(401, &json!({"error": "invalid_token"}))).await;
    let error = fake.client_of_fake().read_tenant(&clients_place(), "client_1", false).await.unwrap_err();
    assert!(matches!(error, CallError::Unauthorised { .. }), "{error}");
    assert_eq!((fake.requests().len(), fake.token_count()), (2, 2));
}

#[tokio::test]
async fn a_refused_credential_is_tried_once_however_many_ask() {
    let refuse =
        |_| FakeReply::json(401, &json!({"error": "unauthorized", "error_description": "Bad API credentials"}));
    let fake = FakePlatform::start_with(refuse, |_| futures::future::ready(FakeReply::Hang).boxed()).await;
    let (platform, place) = (fake.client_of_fake(), clients_place());
    for _ in 0..2 {
        for outcome in join_all((0..32).map(|_| platform.read_tenant(&place, "client_1", false))).await {
            let error = outcome.unwrap_err();
            assert!(
                matches!(&error, CallError::Unauthorised { message } if message.contains("Bad API credentials")),
                "{error}"
            );
        }
    }
    assert_eq!((fake.requests().len(), fake.token_count()), (0, 1));
}

#[tokio::test]
async fn a_failure_without_a_verdict_is_tried_again_by_the_next_call() {
    let flaky = |number| if number == 1 { FakeReply::text(503, "") } else { extended_token(number) };
    let fake = FakePlatform::start_with(flaky, |_| futures::future::ready(FakeReply::Hang).boxed()).await;
    let platform = fake.client_of_fake();
    let error = platform.check_credential().await.unwrap_err();
    assert!(matches!(error, CallError::Unavailable { maybe_applied: false, .. }), "{error}");
    assert_eq!(platform.has_extensions().await, Ok(true));
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    let short =
        |number| FakeReply::json(200, &json!({"access_token": format!("token-number-{number}"), "expires_in": 1}));
    let fake = FakePlatform::start_with(short, |_| futures::future::ready(FakeReply::Hang).boxed()).await;
    let platform = fake.client_of_fake();
    platform.check_credential().await.unwrap();
    platform.check_credential().await.unwrap();
    assert_eq!(fake.token_count(), 1);
    tokio::time::sleep(Duration::from_millis(950)).await;
    platform.check_credential().await.unwrap();
    assert_eq!(fake.token_count(), 2);
}

#[tokio::test]
async fn the_older_path_serves_where_the_newer_is_missing_and_what_has_neither_is_no_platform() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let token = axum::Json(json!({"access_token": "t", "expires_in": 7199}));
    let app = axum::Router::new().route("/base/auth/oauth/token", axum::routing::post(|| async { token }));
    tokio::spawn(async { axum::serve(listener, app).await });
    let platform = |url: &str| super::client_for_url(url, Duration::from_secs(3));
    assert_eq!(platform(&format!("{url}/base/")).has_extensions().await, Ok(false));
    let error = platform(&url).check_credential().await.unwrap_err();
    assert!(error.to_string().contains("check `url`"), "{error}");
}

#[tokio::test]
async fn no_secret_is_in_any_error_or_debug_text() {
    let echo = SECRETS.join(" ");
    let said = echo.clone();
    let fake = FakePlatform::new(move |asked| match asked.number {
        0 => FakeReply::json(400, &json!([{"code": said, "fieldName": said, "message": said, "holder": said}])),
        1 => FakeReply::json(500, &json!({"code": said, "message": said})),
        2 => FakeReply::text(200, &said),
        3 => FakeReply::text(403, &said),
        _ => FakeReply::json(401, &json!({"error": said, "error_description": said})),
    })
    .await;
    let platform = fake.client_of_fake();
    let payload = tenantry_core::SettingsPayload {
        secrets: [(tenantry_core::Field::DuoSecretKey, SECRETS[3].into())].into(),
        ..no_payload()
    };
    let mut texts = vec![format!("{platform:?}")];
    for number in 0..5 {
        let error = platform.update_tenant(&clients_place(), "client_1", &city_change(), &payload).await.unwrap_err();
        texts.push(format!("{number}: {error} {error:?}"));
    }
    assert_eq!(fake.token_count(), 2);
    // The last refusal was about the second token.
    for secret in SECRETS.iter().filter(|secret| !secret.starts_with("token")) {
        assert!(!texts.iter().any(|text| text.contains(secret)), "{texts:#?}");
    }
    assert!(!texts[..5].iter().any(|text| text.contains("token-number")), "{texts:#?}");
}
