//! The client obeys the rate limit in the headers of answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::StreamExt as _;
use serde_json::json;
use tenantry_client::{CallError, PlatformClient};

use super::fake_platform::{FakePlatform, FakeReply, FakeRequest};
use super::{city_change, clients_place, no_payload};

async fn update_city(platform: &PlatformClient) -> Result<(), CallError> {
    platform.update_tenant(&clients_place(), "client_1", &city_change(), &no_payload()).await
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn success_reply() -> FakeReply {
    FakeReply::json(200, &json!({"uniqueId": "client_1", "name": "A", "results": []}))
}

#[tokio::test]
async fn a_429_with_retry_after_is_waited_out_even_by_a_write() {
    let fake = FakePlatform::new(|asked| match asked.number {
        0 => FakeReply::json(429, &json!({"error": "throttled"})).with_header("Retry-After", 1),
        _ => success_reply(),
    })
    .await;
    let begun = Instant::now();
    update_city(&fake.client_of_fake()).await.unwrap();
    // Not earlier than the platform allowed. How much later depends on this machine.
    assert!(begun.elapsed() > Duration::from_millis(950), "{:?}", begun.elapsed());
    assert_eq!(fake.requests().len(), 2);
}

#[tokio::test]
async fn a_429_that_names_no_time_is_tried_again_after_growing_pauses() {
    let fake =
        FakePlatform::new(|asked| if asked.number < 2 { FakeReply::text(429, "") } else { success_reply() }).await;
    let begun = Instant::now();
    update_city(&fake.client_of_fake()).await.unwrap();
    assert!(begun.elapsed() > Duration::from_millis(1400), "{:?}", begun.elapsed());
    assert_eq!(fake.requests().len(), 3);
}

#[tokio::test]
async fn a_budget_that_comes_back_after_the_deadline_is_throttled_at_once_and_nothing_is_sent() {
    let fake = FakePlatform::new(|_| {
        let reset = seconds() + 60;
        FakeReply::text(429, "")
            .with_header("X-RateLimit-Limit", 50)
            .with_header("X-RateLimit-Remaining", 0)
            .with_header("X-RateLimit-Reset", reset)
    })
    .await;
    let platform = fake.client_of_fake();
    // Waiting for each deadline would use up the rest of the minute below its bound.
    for _ in 0..3 {
        let Err(CallError::Throttled { retry_at: Some(at) }) = update_city(&platform).await else {
            panic!("not throttled")
        };
        let ahead = u64::try_from(at.as_second()).unwrap() - seconds();
        assert!((52..=61).contains(&ahead), "{at}");
    }
    assert_eq!(fake.requests().len(), 1);
}

/// Counts requests per window of two seconds, path and category, as the platform does per minute.
#[derive(Default)]
struct WindowCounter {
    used: HashMap<(u64, &'static str), i64>,
    refused: usize,
}

const WINDOW: u64 = 2;

fn reply_within_limit(counter: &Mutex<WindowCounter>, limit: i64, request: &FakeRequest) -> FakeReply {
    let category = match request.method.as_str() {
        "GET" if request.path.contains("/search") => "page",
        "GET" => "read",
        _ => "write",
    };
    let window = seconds() / WINDOW;
    let mut counter = counter.lock().unwrap();
    let used = counter.used.entry((window, category)).or_default();
    let granted = *used < limit;
    *used += i64::from(granted);
    let remaining = limit - *used;
    counter.refused += usize::from(!granted);
    let reply = if granted { success_reply() } else { FakeReply::text(429, "") };
    reply
        .with_header("X-RateLimit-Limit", format!("\"{limit}\""))
        .with_header("X-RateLimit-Remaining", remaining)
        .with_header("X-RateLimit-Reset", (window + 1) * WINDOW)
}

async fn start_limited(limit: i64) -> (FakePlatform, Arc<Mutex<WindowCounter>>) {
    let counter = Arc::new(Mutex::new(WindowCounter::default()));
    let shared = Arc::clone(&counter);
    let slowly = move |asked: FakeRequest| {
        let shared = Arc::clone(&shared);
        let answer = async move {
            let reply = reply_within_limit(&shared, limit, &asked);
            tokio::time::sleep(Duration::from_millis(u64::try_from(asked.number % 7).unwrap() * 5)).await;
            reply
        };
        Box::pin(answer) as futures::future::BoxFuture<'static, FakeReply>
    };
    (FakePlatform::start_with(super::fake_platform::extended_token, slowly).await, counter)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn thirty_two_workers_use_the_whole_budget_and_never_more() {
    let (fake, counter) = start_limited(40).await;
    // A stalled machine loses complete windows, and no write may fail because of that.
    let platform = super::client_for_url(&fake.url, Duration::from_secs(30));
    // Start at the beginning of a window, so that the count of windows is exact.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    tokio::time::sleep(Duration::from_secs((now.as_secs() / WINDOW + 1) * WINDOW).saturating_sub(now)).await;
    let begun = Instant::now();
    let writes = futures::stream::iter(0..160).map(|_| {
        let platform = platform.clone();
        tokio::spawn(async move { update_city(&platform).await })
    });
    writes.buffer_unordered(32).for_each(|done| async { done.unwrap().unwrap() }).await;
    let took = begun.elapsed();
    let counter = counter.lock().unwrap();
    let used: Vec<i64> = counter.used.values().copied().collect();
    println!("160 writes at 40 per 2 s took {took:?}; per window {used:?}; 429: {}", counter.refused);
    assert_eq!(counter.refused, 0);
    assert_eq!(used.iter().sum::<i64>(), 160);
    // On a machine that stalls, a window may pass unused. None may be exceeded, and at least one must be full.
    assert!(used.iter().all(|window| *window <= 40) && used.contains(&40), "{used:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn polling_leaves_a_fifth_of_the_reads_to_changes() {
    let (fake, counter) = start_limited(20).await;
    let platform = super::client_for_url(&fake.url, Duration::from_secs(30));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    tokio::time::sleep(Duration::from_secs((now.as_secs() / WINDOW + 1) * WINDOW).saturating_sub(now)).await;
    let polling = platform.for_polling();
    // More requests than the rate limit, one after the other: they wait for the next window before they use its last
    // fifth.
    let poller = tokio::spawn(async move {
        for page in 1..=17 {
            polling.list_page(&clients_place(), page).await.unwrap();
        }
    });
    while counter.lock().unwrap().used.values().sum::<i64>() < 16 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for page in 1..=4 {
        platform.list_page(&clients_place(), page).await.unwrap();
    }
    poller.await.unwrap();
    let counter = counter.lock().unwrap();
    assert_eq!(counter.refused, 0);
    // If the machine stalls, windows pass in between. None may be exceeded, and no request may be lost.
    assert!(counter.used.values().all(|used| *used <= 20), "{:?}", counter.used);
    assert_eq!(counter.used.values().sum::<i64>(), 21);
}
