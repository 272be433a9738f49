//! Changes without leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use serde_json::json;
use tenantry::connect::{Connection, Error, Guard, Platform, dial};

use super::fake::{Fake, Reply, extended};
use super::{city, clients, mark, nothing, secret};

fn guarded(url: &str, may_change: impl Fn() -> bool + Send + Sync + 'static) -> Platform {
    let connection = Connection::from_secret(&secret(url)).unwrap();
    let timeout = Duration::from_millis(1500);
    let wire = dial(None)(&connection, timeout).unwrap();
    Platform::guarded(connection, timeout, (wire, Guard::new(may_change)))
}

async fn fake() -> Fake {
    Fake::new(|_| answer()).await
}

fn answer() -> Reply {
    Reply::json(200, &json!({"uniqueId": "client_1", "name": "A"}))
}

/// One change of each kind.
async fn changes(platform: &Platform) -> Vec<Result<(), Error>> {
    let (place, changes, payload) = (clients(), city(), nothing());
    vec![
        platform.create(&place, &changes, &payload, &mark()).await.map(drop),
        platform.update(&place, "client_1", &changes, &payload).await,
        platform.mark(&place, "client_1", &mark()).await,
        platform.suspend(&place, "client_1").await,
        platform.activate(&place, "client_1").await,
    ]
}

#[tokio::test]
async fn without_leave_reads_go_out_and_no_change_does() {
    let fake = fake().await;
    let leave = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&leave);
    let platform = guarded(&fake.url, move || asked.load(Ordering::SeqCst));
    platform.read(&clients(), "client_1", false).await.unwrap();
    assert_eq!(fake.asked().len(), 1);
    for refused in changes(&platform).await {
        let message = "this operator no longer leads".to_owned();
        assert_eq!(refused, Err(Error::Unavailable { message, maybe_applied: false }));
    }
    assert_eq!(fake.asked().len(), 1);
    leave.store(true, Ordering::SeqCst);
    for result in changes(&platform).await {
        result.unwrap();
    }
    assert_eq!(fake.asked().len(), 6);
}

#[tokio::test]
async fn a_change_that_still_waits_for_its_connection_when_the_leave_ends_is_never_sent() {
    // The connection of the token is not kept, so that the change needs one of its own.
    let issue = |number| extended(number).with("connection", "close");
    let fake = Fake::with(issue, |_| std::future::ready(answer()).boxed()).await;
    let asked = AtomicUsize::new(0);
    let platform = guarded(&fake.url, move || asked.fetch_add(1, Ordering::SeqCst) == 0);
    let refused = platform.update(&clients(), "client_1", &city(), &nothing()).await.unwrap_err();
    assert!(refused.to_string().contains("no longer leads") && refused.maybe_applied(), "{refused}");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(fake.lines(), Vec::<String>::new());
}
