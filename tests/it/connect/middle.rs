//! Answers of what stands between: a gateway, a firewall, a page to log in.

use futures::FutureExt as _;
use serde_json::json;
use tenantry::connect::{Error, Platform};

use super::fake::{Fake, Reply, extended};
use super::{city, clients, mark, nothing};

const PAGE: &str = "<!DOCTYPE html><html><head><title>Attention Required!</title><style>body{font:12px}</style></head>\
    <body><h1>The request was blocked</h1><hr>nginx</body></html>";

fn blocked(status: u16) -> Reply {
    Reply::text(status, PAGE).with("Server", "edge/2.1").with("Content-Type", "text/html")
}

async fn read(platform: &Platform) -> Result<bool, Error> {
    platform.read(&clients(), "client_1", false).await.map(|found| found.is_some())
}

/// shows: faults/53
#[tokio::test]
async fn a_page_says_nothing_of_the_credential_and_is_told_in_a_sentence() {
    for status in [401, 403, 407, 502] {
        let fake = Fake::new(move |_| blocked(status)).await;
        let platform = fake.platform();
        let errors = [
            read(&platform).await.unwrap_err(),
            platform.update(&clients(), "client_1", &city(), &nothing()).await.unwrap_err(),
            platform.create(&clients(), &city(), &nothing(), &mark()).await.unwrap_err(),
        ];
        for error in &errors {
            assert!(matches!(error, Error::Unavailable { .. }), "{status}: {error:?}");
            let sentence = format!("HTTP {status} from something before the platform (edge: `Attention Required!`)");
            assert_eq!(error.to_string(), format!("the platform is not available: {sentence}"));
        }
        // What blocks an answer lets the request through.
        assert_eq!(errors.map(|error| error.maybe_applied()), [false, true, true]);
        let sent = |method: &str| fake.asked().iter().filter(|asked| asked.method == method).count();
        assert_eq!(sent("POST"), 2, "{status}: a write is sent once");
    }
}

/// shows: faults/53
#[tokio::test]
async fn a_page_in_place_of_a_token_is_no_refusal_and_is_asked_again() {
    for status in [400, 401, 403, 502] {
        let issue: fn(usize) -> Reply = match status {
            400 => |number| if number == 1 { blocked(400) } else { extended(number) },
            401 => |number| if number == 1 { blocked(401) } else { extended(number) },
            403 => |number| if number == 1 { blocked(403) } else { extended(number) },
            _ => |number| if number == 1 { blocked(502) } else { extended(number) },
        };
        let found = || Reply::json(200, &json!({"uniqueId": "client_1", "name": "A"}));
        let fake = Fake::with(issue, move |_| futures::future::ready(found()).boxed()).await;
        let platform = fake.platform();
        let error = read(&platform).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { maybe_applied: false, .. }), "{status}: {error:?}");
        assert!(!error.to_string().contains('<'), "{error}");
        assert_eq!(read(&platform).await, Ok(true));
        assert_eq!(fake.tokens(), 2);
    }
}

#[tokio::test]
async fn the_documented_refusals_of_a_token_are_about_the_credential() {
    let refusals: [fn(usize) -> Reply; 4] = [
        |_| Reply::json(400, &json!({"error": "invalid_client", "error_description": null})),
        |_| Reply::json(401, &json!({"error": "unauthorized", "error_description": "Bad API credentials"})),
        |_| Reply::json(400, &json!([{"code": "0002", "fieldName": null, "message": "Bad API credentials"}])),
        |_| Reply::json(403, &json!({"code": "0002", "message": "Bad API credentials"})),
    ];
    for refusal in refusals {
        let fake = Fake::with(refusal, |_| futures::future::ready(Reply::Hang).boxed()).await;
        let error = fake.platform().check().await.unwrap_err();
        assert!(matches!(error, Error::Unauthorised { .. }), "{error:?}");
    }
    let busy = |_| Reply::json(400, &json!({"error": "temporarily_unavailable"}));
    let fake = Fake::with(busy, |_| futures::future::ready(Reply::Hang).boxed()).await;
    let error = fake.platform().check().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_challenge_of_oauth_without_a_body_is_a_refusal() {
    let fake = Fake::new(|_| Reply::text(401, "").with("WWW-Authenticate", "Bearer error=\"invalid_token\"")).await;
    assert!(matches!(read(&fake.platform()).await, Err(Error::Unauthorised { .. })));
    assert_eq!((fake.asked().len(), fake.tokens()), (2, 2));
}

#[tokio::test]
async fn a_token_that_ends_early_is_renewed_by_a_read_whatever_says_so() {
    let fake = Fake::new(|asked| match asked.token() {
        "token-number-1" => Reply::text(401, ""),
        _ => Reply::json(200, &json!({"uniqueId": "client_1", "name": "A"})),
    })
    .await;
    assert_eq!(read(&fake.platform()).await, Ok(true));
    assert_eq!((fake.asked().len(), fake.tokens()), (2, 2));
}
