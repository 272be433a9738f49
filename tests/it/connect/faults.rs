//! What goes wrong on the way, and what each call makes of it.

use std::time::{Duration, Instant};

use serde_json::json;
use tenantry::connect::{Error, Platform};

use super::fake::{Asked, Fake, Reply};
use super::{city, clients, mark, nothing, partners};

async fn read(platform: &Platform) -> Result<bool, Error> {
    platform.read(&clients(), "client_1", false).await.map(|found| found.is_some())
}

async fn update(platform: &Platform) -> Result<(), Error> {
    platform.update(&clients(), "client_1", &city(), &nothing()).await
}

fn fine(_: Asked) -> Reply {
    Reply::json(200, &json!({"uniqueId": "client_1", "name": "A"}))
}

/// A server that says the same to everything, what a read and what a write make of it, and how often each was sent.
async fn both(said: fn() -> Reply) -> (Result<bool, Error>, Result<(), Error>, [usize; 2]) {
    let fake = Fake::new(move |_| said()).await;
    let platform = super::platform(&fake.url, Duration::from_millis(1500));
    let read = read(&platform).await;
    let reads = fake.asked().len();
    let written = update(&platform).await;
    (read, written, [reads, fake.asked().len() - reads])
}

#[tokio::test]
async fn a_passing_failure_is_tried_again_for_reads_alone() {
    let said: [fn() -> Reply; 3] = [
        || Reply::text(502, "<html>"),
        || Reply::text(503, ""),
        || Reply::json(500, &json!({"code": "0005", "message": "Boom"})),
    ];
    for said in said {
        let (read, written, sent) = both(said).await;
        assert!(matches!(read, Err(Error::Unavailable { maybe_applied: false, .. })), "{read:?}");
        assert!(matches!(written, Err(Error::Unavailable { maybe_applied: true, .. })), "{written:?}");
        assert_eq!(sent, [3, 1]);
    }
    let (_, _, sent) = both(|| Reply::text(500, "no code")).await;
    assert_eq!(sent, [1, 1]);
    let twice = Fake::new(|asked| if asked.number < 2 { Reply::text(503, "") } else { fine(asked) }).await;
    assert_eq!(read(&twice.platform()).await, Ok(true));
}

#[tokio::test]
async fn a_write_that_was_carried_out_and_not_answered_may_have_been_applied_and_is_sent_once() {
    for said in [(|| Reply::Reset) as fn() -> Reply, || Reply::Hang, || Reply::BreakOff] {
        let (read, written, sent) = both(said).await;
        assert!(matches!(read, Err(Error::Unavailable { maybe_applied: false, .. })), "{read:?}");
        assert!(matches!(written, Err(Error::Unavailable { maybe_applied: true, .. })), "{written:?}");
        assert_eq!(sent, [1, 1]);
    }
    let fake = Fake::new(|_| Reply::Reset).await;
    let created = fake.platform().create(&clients(), &city(), &nothing(), &mark()).await.unwrap_err();
    assert!(created.maybe_applied() && fake.asked().len() == 1, "{created}");
}

#[tokio::test]
async fn a_platform_that_is_not_there_has_applied_nothing() {
    let fake = Fake::new(fine).await;
    let platform = fake.platform();
    platform.check().await.unwrap();
    drop(fake);
    // The idle connection of the token breaks first.
    let _ = read(&platform).await;
    let error = update(&platform).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { maybe_applied: false, .. }), "{error}");
}

#[tokio::test]
async fn every_call_ends_by_its_deadline() {
    for said in [(|| Reply::Drip) as fn() -> Reply, || Reply::Hang] {
        let begun = Instant::now();
        let (read, written, _) = both(said).await;
        assert!(read.is_err() && written.is_err());
        // That it ends at all is the deadline's doing: neither answer ever comes.
        assert!(begun.elapsed() > Duration::from_millis(2900), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off_at_the_limit() {
    let (read, written, _) = both(|| Reply::Endless).await;
    assert!(matches!(&read, Err(Error::Malformed { message }) if message.contains("1048576")), "{read:?}");
    assert!(matches!(&written, Err(error) if error.maybe_applied()), "{written:?}");
    let fake = Fake::new(|_| Reply::text(200, &" ".repeat((1 << 20) + 1))).await;
    assert!(matches!(fake.platform().read(&clients(), "client_1", false).await, Err(Error::Malformed { .. })));
    // A list may be longer than one thing.
    let rows: Vec<_> =
        (0..20_000).map(|n| json!({"uniqueId": format!("client_{n}"), "name": "x".repeat(60)})).collect();
    let list = serde_json::Value::from(rows);
    let fake = Fake::new(move |_| Reply::json(200, &list)).await;
    let living = fake.platform().living(&clients(), tenantry::connect::Freshness::Now).await.unwrap();
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
    let fake = Fake::new(move |asked| Reply::text(200, bodies[asked.number])).await;
    let platform = fake.platform();
    for body in bodies {
        assert!(matches!(read(&platform).await, Err(Error::Malformed { .. })), "{body}");
    }
    let other = Fake::new(|_| Reply::json(200, &json!({"uniqueId": "client_2", "name": "A", "counts": {}}))).await;
    let platform = other.platform();
    assert!(matches!(update(&platform).await, Err(Error::Malformed { .. })));
    assert!(matches!(platform.impact("client_1").await, Err(Error::Malformed { .. })));
    let page = Fake::new(|_| Reply::text(200, "<html>")).await;
    assert!(matches!(page.platform().suspend(&clients(), "client_1").await, Err(Error::Malformed { .. })));
}

#[tokio::test]
async fn actions_may_answer_with_nothing() {
    let bodies = ["", "null", "{}", r#"{"uniqueId":"client_1"}"#];
    let fake = Fake::new(move |asked| Reply::text(200, bodies[asked.number % 4])).await;
    let platform = fake.platform();
    for _ in bodies {
        platform.suspend(&clients(), "client_1").await.unwrap();
    }
    for _ in bodies {
        update(&platform).await.unwrap();
    }
}

#[tokio::test]
async fn only_the_platform_s_own_word_on_this_very_id_means_that_a_tenant_is_gone() {
    let missing = |text: &str| json!({"code": "0003", "message": text});
    let gone = [(404, missing("Tenant client_1 not found")), (500, missing("No resource found with UUID : client_1"))];
    for (status, body) in gone {
        let fake = Fake::new(move |_| Reply::json(status, &body)).await;
        assert_eq!(read(&fake.platform()).await, Ok(false));
        assert!(matches!(update(&fake.platform()).await, Err(Error::NotFound { .. })));
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
        let fake = Fake::new(move |_| Reply::text(404, &said)).await;
        assert!(matches!(read(&fake.platform()).await, Err(Error::NotFound { .. })), "{body}");
    }
}

#[tokio::test]
async fn each_refusal_has_its_kind() {
    let kind = |said: fn() -> Reply| async move {
        let (read, written, sent) = both(said).await;
        assert_eq!(sent, [1, 1]);
        let (read, written) = (read.unwrap_err(), written.unwrap_err());
        assert_eq!(std::mem::discriminant(&read), std::mem::discriminant(&written));
        read
    };
    let forbidden = || Reply::json(403, &json!({"error": "access_denied", "error_description": "no"}));
    assert!(matches!(kind(forbidden).await, Error::Forbidden { .. }));
    assert!(matches!(kind(|| Reply::text(410, "gone")).await, Error::ParentGone { .. }));
    assert!(matches!(kind(|| Reply::text(405, "")).await, Error::Unsupported { .. }));
    assert!(matches!(kind(|| Reply::text(422, "no")).await, Error::Invalid { .. }));
    let refused = || Reply::json(400, &json!([{"code": "0002", "fieldName": "zip", "message": "Too long"}]));
    assert_eq!(kind(refused).await.to_string(), "the platform refuses `zip`: Too long");
    let moved = || Reply::text(307, "").with("location", "http://127.0.0.1:1/");
    let error = kind(moved).await;
    assert!(matches!(&error, Error::Malformed { message } if message.contains("redirect")), "{error}");
}

#[tokio::test]
async fn what_is_no_id_never_becomes_part_of_a_path() {
    let fake = Fake::new(fine).await;
    let platform = fake.platform();
    for id in ["", ".", "..", "a/b", "a?b", "minimal"] {
        for error in [
            platform.read(&clients(), id, false).await.unwrap_err(),
            platform.update(&clients(), id, &city(), &nothing()).await.unwrap_err(),
            platform.brand(id, &[], &nothing()).await.unwrap_err(),
            platform.suspend(&partners(), id).await.unwrap_err(),
        ] {
            assert!(matches!(error, Error::Invalid { .. }), "{id}: {error}");
        }
    }
    assert!(fake.asked().is_empty());
}
