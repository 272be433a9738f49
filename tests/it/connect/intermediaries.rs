//! Answers of intermediaries: a gateway, a firewall, a login page.

use futures::FutureExt as _;
use serde_json::json;
use tenantry_client::{CallError, PlatformClient};

use super::fake_platform::{FakePlatform, FakeReply, extended_token};
use super::{city_change, clients_place, no_payload, test_mark};

const PAGE: &str = "<!DOCTYPE html><html><head><title>Attention Required!</title><style>body{font:12px}</style></head>\
    <body><h1>The request was blocked</h1><hr>nginx</body></html>";

fn blocked_reply(status: u16) -> FakeReply {
    FakeReply::text(status, PAGE).with_header("Server", "edge/2.1").with_header("Content-Type", "text/html")
}

async fn read_client(platform: &PlatformClient) -> Result<bool, CallError> {
    platform.read_tenant(&clients_place(), "client_1", false).await.map(|found| found.is_some())
}

/// shows: faults/53
#[tokio::test]
async fn a_page_says_nothing_of_the_credential_and_is_told_in_a_sentence() {
    for status in [401, 403, 407, 502] {
        let fake = FakePlatform::new(move |_| blocked_reply(status)).await;
        let platform = fake.client_of_fake();
        let errors = [
            read_client(&platform).await.unwrap_err(),
            platform.update_tenant(&clients_place(), "client_1", &city_change(), &no_payload()).await.unwrap_err(),
            platform.create_tenant(&clients_place(), &city_change(), &no_payload(), &test_mark()).await.unwrap_err(),
        ];
        for error in &errors {
            assert!(matches!(error, CallError::Unavailable { .. }), "{status}: {error:?}");
            let sentence = format!("HTTP {status} from something before the platform (edge: `Attention Required!`)");
            assert_eq!(error.to_string(), format!("the platform is not available: {sentence}"));
        }
        // An intermediary that blocks the answer has passed the request on.
        assert_eq!(errors.map(|error| error.may_have_been_applied()), [false, true, true]);
        let sent = |method: &str| fake.requests().iter().filter(|asked| asked.method == method).count();
        assert_eq!(sent("POST"), 2, "{status}: a write is sent once");
    }
}

/// shows: faults/53
#[tokio::test]
async fn a_page_in_place_of_a_token_is_no_refusal_and_is_asked_again() {
    for status in [400, 401, 403, 502] {
        let issue: fn(usize) -> FakeReply = match status {
            400 => |number| if number == 1 { blocked_reply(400) } else { extended_token(number) },
            401 => |number| if number == 1 { blocked_reply(401) } else { extended_token(number) },
            403 => |number| if number == 1 { blocked_reply(403) } else { extended_token(number) },
            _ => |number| if number == 1 { blocked_reply(502) } else { extended_token(number) },
        };
        let found = || FakeReply::json(200, &json!({"uniqueId": "client_1", "name": "A"}));
        let fake = FakePlatform::start_with(issue, move |_| futures::future::ready(found()).boxed()).await;
        let platform = fake.client_of_fake();
        let error = read_client(&platform).await.unwrap_err();
        assert!(matches!(error, CallError::Unavailable { maybe_applied: false, .. }), "{status}: {error:?}");
        assert!(!error.to_string().contains('<'), "{error}");
        assert_eq!(read_client(&platform).await, Ok(true));
        assert_eq!(fake.token_count(), 2);
    }
}

#[tokio::test]
async fn the_documented_refusals_of_a_token_are_about_the_credential() {
    let refusals: [fn(usize) -> FakeReply; 4] = [
        |_| FakeReply::json(400, &json!({"error": "invalid_client", "error_description": null})),
        |_| FakeReply::json(401, &json!({"error": "unauthorized", "error_description": "Bad API credentials"})),
        |_| FakeReply::json(400, &json!([{"code": "0002", "fieldName": null, "message": "Bad API credentials"}])),
        |_| FakeReply::json(403, &json!({"code": "0002", "message": "Bad API credentials"})),
    ];
    for refusal in refusals {
        let fake = FakePlatform::start_with(refusal, |_| futures::future::ready(FakeReply::Hang).boxed()).await;
        let error = fake.client_of_fake().check_credential().await.unwrap_err();
        assert!(matches!(error, CallError::Unauthorised { .. }), "{error:?}");
    }
    let busy = |_| FakeReply::json(400, &json!({"error": "temporarily_unavailable"}));
    let fake = FakePlatform::start_with(busy, |_| futures::future::ready(FakeReply::Hang).boxed()).await;
    let error = fake.client_of_fake().check_credential().await.unwrap_err();
    assert!(matches!(error, CallError::Unavailable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_challenge_of_oauth_without_a_body_is_a_refusal() {
    let fake = FakePlatform::new(|_| {
        FakeReply::text(401, "").with_header("WWW-Authenticate", "Bearer error=\"invalid_token\"")
    })
    .await;
    assert!(matches!(read_client(&fake.client_of_fake()).await, Err(CallError::Unauthorised { .. })));
    assert_eq!((fake.requests().len(), fake.token_count()), (2, 2));
}

#[tokio::test]
async fn a_token_that_ends_early_is_renewed_by_a_read_whatever_says_so() {
    let fake = FakePlatform::new(|asked| match asked.token() {
        "token-number-1" => FakeReply::text(401, ""),
        _ => FakeReply::json(200, &json!({"uniqueId": "client_1", "name": "A"})),
    })
    .await;
    assert_eq!(read_client(&fake.client_of_fake()).await, Ok(true));
    assert_eq!((fake.requests().len(), fake.token_count()), (2, 2));
}
