//! Changes without a permit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use serde_json::json;
use tenantry_client::{CallError, ChangeGuard, Connection, PlatformClient, network_connector};

use super::fake_platform::{FakePlatform, FakeReply, extended_token};
use super::{city_change, clients_place, connection_secret, no_payload, test_mark};

fn guarded_client(url: &str, may_change: impl Fn() -> bool + Send + Sync + 'static) -> PlatformClient {
    let connection = Connection::from_secret(&connection_secret(url)).unwrap();
    let timeout = Duration::from_millis(1500);
    let wire = network_connector(None)(&connection, timeout).unwrap();
    PlatformClient::from_service(connection, timeout, wire, ChangeGuard::new(may_change))
}

async fn start_fake() -> FakePlatform {
    FakePlatform::new(|_| success_reply()).await
}

fn success_reply() -> FakeReply {
    FakeReply::json(200, &json!({"uniqueId": "client_1", "name": "A"}))
}

/// Makes one change of each kind.
async fn make_every_change(platform: &PlatformClient) -> Vec<Result<(), CallError>> {
    let (place, changes, payload) = (clients_place(), city_change(), no_payload());
    vec![
        platform.create_tenant(&place, &changes, &payload, &test_mark()).await.map(drop),
        platform.update_tenant(&place, "client_1", &changes, &payload).await,
        platform.write_mark(&place, "client_1", &test_mark()).await,
        platform.suspend_tenant(&place, "client_1").await,
        platform.activate_tenant(&place, "client_1").await,
    ]
}

#[tokio::test]
async fn without_leave_reads_go_out_and_no_change_does() {
    let fake = start_fake().await;
    let leave = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&leave);
    let platform = guarded_client(&fake.url, move || asked.load(Ordering::SeqCst));
    platform.read_tenant(&clients_place(), "client_1", false).await.unwrap();
    assert_eq!(fake.requests().len(), 1);
    for refused in make_every_change(&platform).await {
        let message = "this operator no longer leads".to_owned();
        assert_eq!(refused, Err(CallError::Unavailable { message, maybe_applied: false }));
    }
    assert_eq!(fake.requests().len(), 1);
    leave.store(true, Ordering::SeqCst);
    for result in make_every_change(&platform).await {
        result.unwrap();
    }
    assert_eq!(fake.requests().len(), 6);
}

#[tokio::test]
async fn a_change_that_still_waits_for_its_connection_when_the_leave_ends_is_never_sent() {
    // The connection of the token request is not kept, so that the change needs its own.
    let issue = |number| extended_token(number).with_header("connection", "close");
    let fake = FakePlatform::start_with(issue, |_| std::future::ready(success_reply()).boxed()).await;
    let asked = AtomicUsize::new(0);
    let platform = guarded_client(&fake.url, move || asked.fetch_add(1, Ordering::SeqCst) == 0);
    let refused =
        platform.update_tenant(&clients_place(), "client_1", &city_change(), &no_payload()).await.unwrap_err();
    assert!(refused.to_string().contains("no longer leads") && refused.may_have_been_applied(), "{refused}");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(fake.request_lines(), Vec::<String>::new());
}
