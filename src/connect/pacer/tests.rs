use reqwest::header::{HeaderName, HeaderValue};

use super::*;

const WRITE: (Category, Lane) = (Category::Write, Lane::Change);

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

fn wanted(tenant: &str, class: &str, (category, lane): (Category, Lane)) -> Wanted {
    let route = Route { tenant: tenant.to_owned(), class: class.to_owned() };
    Wanted { route, subject: tenant.to_owned(), category, lane }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

async fn answer(pacer: &Pacer, wanted: Wanted, (status, pairs): (u16, &[(&'static str, &'static str)])) {
    pacer.enter(wanted, soon()).await.unwrap().answered(status, &headers(pairs));
}

async fn is_throttled(pacer: &Pacer, wanted: Wanted) -> bool {
    matches!(pacer.enter(wanted, soon()).await, Err(Error::Throttled { retry_at: Some(at) }) if at > Timestamp::now())
}

#[tokio::test]
async fn what_cannot_be_sent_before_the_deadline_is_refused_at_once() {
    let pacer = Pacer::default();
    answer(&pacer, wanted("msp_1", "create", WRITE), (429, &[("retry-after", "60")])).await;
    assert!(is_throttled(&pacer, wanted("msp_1", "create", WRITE)).await);
    assert!(!is_throttled(&pacer, wanted("msp_2", "create", WRITE)).await, "another tenant has a budget of its own");
    assert!(!is_throttled(&pacer, wanted("msp_1", "read", (Category::Read, Lane::Change))).await);
}

#[tokio::test]
async fn a_budget_is_the_one_of_the_bucket_that_answers_name() {
    let pacer = Pacer::default();
    let full = [("x-ratelimit-bucket", "tenants"), ("x-ratelimit-remaining", "9"), ("x-ratelimit-reset", "60")];
    let empty = [("x-ratelimit-bucket", "tenants"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "60")];
    let other = [("x-ratelimit-bucket", "other"), ("x-ratelimit-remaining", "9"), ("x-ratelimit-reset", "60")];
    answer(&pacer, wanted("msp_1", "create", WRITE), (200, &full)).await;
    answer(&pacer, wanted("msp_1", "brand", WRITE), (200, &other)).await;
    answer(&pacer, wanted("msp_1", "update", WRITE), (200, &empty)).await;
    assert!(is_throttled(&pacer, wanted("msp_1", "create", WRITE)).await, "two paths share a bucket");
    assert!(is_throttled(&pacer, wanted("msp_2", "create", WRITE)).await, "and so do two tenants");
    assert!(!is_throttled(&pacer, wanted("msp_1", "brand", WRITE)).await, "another bucket has room");
    assert!(!is_throttled(&pacer, wanted("msp_1", "suspend", WRITE)).await, "of this no bucket is known");
}

#[tokio::test]
async fn requests_on_their_way_are_counted_in_the_bucket_that_their_answer_names() {
    let pacer = Pacer::default();
    let passes = [
        pacer.enter(wanted("msp_1", "create", WRITE), soon()).await.unwrap(),
        pacer.enter(wanted("msp_1", "create", WRITE), soon()).await.unwrap(),
    ];
    let one = headers(&[("x-ratelimit-bucket", "a"), ("x-ratelimit-remaining", "1"), ("x-ratelimit-reset", "60")]);
    for pass in passes {
        pass.answered(200, &one);
    }
    let last = pacer.enter(wanted("msp_1", "create", WRITE), soon()).await.unwrap();
    let soon = Instant::now() + Duration::from_millis(20);
    assert!(pacer.enter(wanted("msp_1", "create", WRITE), soon).await.is_err(), "the last one is on its way");
    last.unsent();
    let soon = Instant::now() + Duration::from_millis(20);
    assert!(pacer.enter(wanted("msp_1", "create", WRITE), soon).await.is_ok());
}

/// shows: faults/54
#[tokio::test]
async fn after_503_with_retry_after_the_tenant_is_left_alone_and_the_others_are_not() {
    let pacer = Pacer::default();
    answer(&pacer, wanted("client_1", "read", WRITE), (503, &[("retry-after", "60")])).await;
    let Err(error) = pacer.enter(wanted("client_1", "update", WRITE), soon()).await else { panic!("not held") };
    assert!(matches!(error, Error::Unavailable { maybe_applied: false, .. }), "{error:?}");
    assert!(error.to_string().contains("no request before 20"), "{error}");
    answer(&pacer, wanted("client_2", "read", WRITE), (200, &[])).await;
    for tenant in ["client_3", "client_4", "client_5"] {
        answer(&pacer, wanted(tenant, "read", WRITE), (503, &[("retry-after", "60")])).await;
    }
    assert!(pacer.enter(wanted("client_2", "read", WRITE), soon()).await.is_err(), "three in a row are the platform");
}

#[tokio::test]
async fn an_answer_ends_a_wait_for_a_window_that_was_impossible() {
    let pacer = Pacer::default();
    let first = pacer.enter(wanted("msp_1", "create", WRITE), soon()).await.unwrap();
    let second = pacer.enter(wanted("msp_1", "create", WRITE), soon()).await.unwrap();
    first.answered(200, &headers(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "99999")]));
    let later = Instant::now() + Duration::from_mins(10);
    let waits = pacer.enter(wanted("msp_1", "create", WRITE), later);
    let answers = async {
        tokio::task::yield_now().await;
        second.answered(200, &headers(&[("x-ratelimit-remaining", "9"), ("x-ratelimit-reset", "60")]));
    };
    let both = async { tokio::join!(waits, answers).0.is_ok() };
    assert_eq!(tokio::time::timeout(Duration::from_secs(5), both).await, Ok(true));
}

#[tokio::test]
async fn budgets_that_say_nothing_any_more_are_forgotten() {
    let pacer = Pacer::default();
    for tenant in 0..3 * MANY {
        drop(pacer.enter(wanted(&tenant.to_string(), "read", (Category::Read, Lane::Change)), soon()).await.unwrap());
    }
    assert!(pacer.lock().budgets.len() <= MANY);
}
