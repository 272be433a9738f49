//! Faults on the way, and the result of each call.

use std::time::{Duration, Instant};

use serde_json::json;
use tenantry_client::{CallError, PlatformClient};

use super::fake_platform::{FakePlatform, FakeReply, FakeRequest};
use super::{city_change, clients_place, no_payload, partners_place, test_mark};

async fn read_client(platform: &PlatformClient) -> Result<bool, CallError> {
    platform.read_tenant(&clients_place(), "client_1", false).await.map(|found| found.is_some())
}

async fn update_city(platform: &PlatformClient) -> Result<(), CallError> {
    platform.update_tenant(&clients_place(), "client_1", &city_change(), &no_payload()).await
}

fn success_reply(_: FakeRequest) -> FakeReply {
    FakeReply::json(200, &json!({"uniqueId": "client_1", "name": "A"}))
}

/// Runs a read and a write against a server that always answers the same. Returns both results, and how often each was
/// sent.
async fn read_and_write(reply: fn() -> FakeReply) -> (Result<bool, CallError>, Result<(), CallError>, [usize; 2]) {
    let fake = FakePlatform::new(move |_| reply()).await;
    let platform = super::client_for_url(&fake.url, Duration::from_millis(1500));
    let read = read_client(&platform).await;
    let reads = fake.requests().len();
    let written = update_city(&platform).await;
    (read, written, [reads, fake.requests().len() - reads])
}

#[tokio::test]
async fn a_passing_failure_is_tried_again_for_reads_alone() {
    let said: [fn() -> FakeReply; 3] = [
        || FakeReply::text(502, "<html>"),
        || FakeReply::text(503, ""),
        || FakeReply::json(500, &json!({"code": "0005", "message": "Boom"})),
    ];
    for said in said {
        let (read, written, sent) = read_and_write(said).await;
        assert!(matches!(read, Err(CallError::Unavailable { maybe_applied: false, .. })), "{read:?}");
        assert!(matches!(written, Err(CallError::Unavailable { maybe_applied: true, .. })), "{written:?}");
        assert_eq!(sent, [3, 1]);
    }
    let (_, _, sent) = read_and_write(|| FakeReply::text(500, "no code")).await;
    assert_eq!(sent, [1, 1]);
    let twice =
        FakePlatform::new(|asked| if asked.number < 2 { FakeReply::text(503, "") } else { success_reply(asked) }).await;
    assert_eq!(read_client(&twice.client_of_fake()).await, Ok(true));
}

#[tokio::test]
async fn a_write_that_was_carried_out_and_not_answered_may_have_been_applied_and_is_sent_once() {
    for said in [(|| FakeReply::Reset) as fn() -> FakeReply, || FakeReply::Hang, || FakeReply::BreakOff] {
        let (read, written, sent) = read_and_write(said).await;
        assert!(matches!(read, Err(CallError::Unavailable { maybe_applied: false, .. })), "{read:?}");
        assert!(matches!(written, Err(CallError::Unavailable { maybe_applied: true, .. })), "{written:?}");
        assert_eq!(sent, [1, 1]);
    }
    let fake = FakePlatform::new(|_| FakeReply::Reset).await;
    let created = fake
        .client_of_fake()
        .create_tenant(&clients_place(), &city_change(), &no_payload(), &test_mark())
        .await
        .unwrap_err();
    assert!(created.may_have_been_applied() && fake.requests().len() == 1, "{created}");
}

#[tokio::test]
async fn a_platform_that_is_not_there_has_applied_nothing() {
    let fake = FakePlatform::new(success_reply).await;
    let platform = fake.client_of_fake();
    platform.check_credential().await.unwrap();
    drop(fake);
    // The idle connection of the token request breaks first.
    let _ = read_client(&platform).await;
    let error = update_city(&platform).await.unwrap_err();
    assert!(matches!(error, CallError::Unavailable { maybe_applied: false, .. }), "{error}");
}

#[tokio::test]
async fn every_call_ends_by_its_deadline() {
    for said in [(|| FakeReply::Drip) as fn() -> FakeReply, || FakeReply::Hang] {
        let begun = Instant::now();
        let (read, written, _) = read_and_write(said).await;
        assert!(read.is_err() && written.is_err());
        // Only the deadline ends it: neither answer is ever complete.
        assert!(begun.elapsed() > Duration::from_millis(2900), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off_at_the_limit() {
    let (read, written, _) = read_and_write(|| FakeReply::Endless).await;
    assert!(matches!(&read, Err(CallError::Malformed { message }) if message.contains("1048576")), "{read:?}");
    assert!(matches!(&written, Err(error) if error.may_have_been_applied()), "{written:?}");
    let fake = FakePlatform::new(|_| FakeReply::text(200, &" ".repeat((1 << 20) + 1))).await;
    assert!(matches!(
        fake.client_of_fake().read_tenant(&clients_place(), "client_1", false).await,
        Err(CallError::Malformed { .. })
    ));
    // A list may be longer than a single object.
    let rows: Vec<_> =
        (0..20_000).map(|n| json!({"uniqueId": format!("client_{n}"), "name": "x".repeat(60)})).collect();
    let list = serde_json::Value::from(rows);
    let fake = FakePlatform::new(move |_| FakeReply::json(200, &list)).await;
    let living = fake
        .client_of_fake()
        .list_live_tenants(&clients_place(), tenantry_client::ListFreshness::Current)
        .await
        .unwrap();
    assert_eq!(living.rows.len(), 20_000);
}

#[tokio::test]
async fn success_with_another_body_than_asked_for_is_malformed() {
    let bodies = [
        "",
        "null",
        "<html>log in</html>",
        "[]",
        r#"{"uniqueId":"client_1"}"#,
        r#"{"name":"A"}"#,
        r#"{"uniqueId":"client_2","name":"A"}"#,
        r#"{"uniqueId":"client_1","name":""}"#,
    ];
    let fake = FakePlatform::new(move |asked| FakeReply::text(200, bodies[asked.number])).await;
    let platform = fake.client_of_fake();
    for body in bodies {
        assert!(matches!(read_client(&platform).await, Err(CallError::Malformed { .. })), "{body}");
    }
    let other =
        FakePlatform::new(|_| FakeReply::json(200, &json!({"uniqueId": "client_2", "name": "A", "counts": {}}))).await;
    let platform = other.client_of_fake();
    assert!(matches!(update_city(&platform).await, Err(CallError::Malformed { .. })));
    assert!(matches!(platform.read_impact("client_1").await, Err(CallError::Malformed { .. })));
    let page = FakePlatform::new(|_| FakeReply::text(200, "<html>")).await;
    assert!(matches!(
        page.client_of_fake().suspend_tenant(&clients_place(), "client_1").await,
        Err(CallError::Malformed { .. })
    ));
}

#[tokio::test]
async fn actions_may_answer_with_nothing() {
    let bodies = ["", "null", "{}", r#"{"uniqueId":"client_1"}"#];
    let fake = FakePlatform::new(move |asked| FakeReply::text(200, bodies[asked.number % 4])).await;
    let platform = fake.client_of_fake();
    for _ in bodies {
        platform.suspend_tenant(&clients_place(), "client_1").await.unwrap();
    }
    for _ in bodies {
        update_city(&platform).await.unwrap();
    }
}

#[tokio::test]
async fn only_the_platform_s_own_word_on_this_very_id_means_that_a_tenant_is_gone() {
    let missing = |text: &str| json!({"code": "0003", "message": text});
    let gone = [(404, missing("Tenant client_1 not found")), (500, missing("No resource found with UUID : client_1"))];
    for (status, body) in gone {
        let fake = FakePlatform::new(move |_| FakeReply::json(status, &body)).await;
        assert_eq!(read_client(&fake.client_of_fake()).await, Ok(false));
        assert!(matches!(update_city(&fake.client_of_fake()).await, Err(CallError::NotFound { .. })));
    }
    let elsewhere = [
        missing("Tenant msp_1 not found").to_string(),
        missing("Path /api/v2/tenants/msp_1/clients/client_1 not found").to_string(),
        json!({"status": 404, "error": "Not Found", "path": "client_1"}).to_string(),
        "<html>client_1 not found</html>".to_owned(),
        String::new(),
    ];
    for body in elsewhere {
        let said = body.clone();
        let fake = FakePlatform::new(move |_| FakeReply::text(404, &said)).await;
        assert!(matches!(read_client(&fake.client_of_fake()).await, Err(CallError::NotFound { .. })), "{body}");
    }
}

#[tokio::test]
async fn each_refusal_has_its_kind() {
    let kind = |said: fn() -> FakeReply| async move {
        let (read, written, sent) = read_and_write(said).await;
        assert_eq!(sent, [1, 1]);
        let (read, written) = (read.unwrap_err(), written.unwrap_err());
        assert_eq!(std::mem::discriminant(&read), std::mem::discriminant(&written));
        read
    };
    let forbidden = || FakeReply::json(403, &json!({"error": "access_denied", "error_description": "no"}));
    assert!(matches!(kind(forbidden).await, CallError::Forbidden { .. }));
    assert!(matches!(kind(|| FakeReply::text(410, "gone")).await, CallError::ParentGone { .. }));
    assert!(matches!(kind(|| FakeReply::text(405, "")).await, CallError::Unsupported { .. }));
    assert!(matches!(kind(|| FakeReply::text(422, "no")).await, CallError::Invalid { .. }));
    let refused = || FakeReply::json(400, &json!([{"code": "0002", "fieldName": "zip", "message": "Too long"}]));
    assert_eq!(kind(refused).await.to_string(), "the platform refuses `zip`: Too long");
    let moved = || FakeReply::text(307, "").with_header("location", "http://127.0.0.1:1/");
    let error = kind(moved).await;
    assert!(matches!(&error, CallError::Malformed { message } if message.contains("redirect")), "{error}");
}

#[tokio::test]
async fn what_is_no_id_never_becomes_part_of_a_path() {
    let fake = FakePlatform::new(success_reply).await;
    let platform = fake.client_of_fake();
    for id in ["", ".", "..", "a/b", "a?b", "minimal"] {
        for error in [
            platform.read_tenant(&clients_place(), id, false).await.unwrap_err(),
            platform.update_tenant(&clients_place(), id, &city_change(), &no_payload()).await.unwrap_err(),
            platform.write_branding(id, &[], &no_payload()).await.unwrap_err(),
            platform.suspend_tenant(&partners_place(), id).await.unwrap_err(),
        ] {
            assert!(matches!(error, CallError::Invalid { .. }), "{id}: {error}");
        }
    }
    assert!(fake.requests().is_empty());
}
