//! A circuit breaker for one account. While its platform leaves requests unanswered, one request at a time probes
//! whether it is back, and the others fail at once instead of waiting for their timeout.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Request;
use tokio::time::Instant;
use tower::ServiceExt as _;

use super::http::{HttpService, RequestNotSent};

/// This many different requests in a row without an answer open the breaker. One request that is never answered,
/// however often it is repeated, says nothing about the others.
const SILENT_PATHS_TO_OPEN: usize = 3;
/// The error of a request that is not sent.
const NOT_SENT_MESSAGE: &str =
    "it has left requests unanswered, so one request at a time tries whether it is back, and the others are not sent";

/// Decides whether requests to an account are sent. All clones share one state.
#[derive(Clone, Debug, Default)]
pub struct CircuitBreaker(Arc<Mutex<BreakerState>>);

#[derive(Debug, Default)]
struct BreakerState {
    /// Paths of the requests that got no answer since the last answer.
    silent_paths: BTreeSet<String>,
    is_open: bool,
    /// Whether a probe is in flight.
    is_probing: bool,
}

impl CircuitBreaker {
    /// Returns whether the platform is considered unresponsive.
    pub fn is_open(&self) -> bool {
        self.lock_state().is_open
    }

    /// Wraps a service so that requests are sent only while the breaker allows it; `timeout` is the maximum time of a
    /// call.
    pub fn wrap_service(&self, service: HttpService, timeout: Duration) -> HttpService {
        let breaker = self.clone();
        HttpService::new(tower::service_fn(move |request: Request| {
            let (wire, breaker) = (service.clone(), breaker.clone());
            async move {
                let sent = breaker.begin_request(request.url().path(), timeout)?;
                let answer = Box::pin(wire.oneshot(request)).await;
                match &answer {
                    Ok(_) => sent.record_answer(),
                    // A connection that is refused or breaks costs no time; only silence does.
                    Err(_) => sent.record_failure(),
                }
                answer
            }
        }))
    }

    fn begin_request(&self, path: &str, timeout: Duration) -> Result<TrackedRequest, RequestNotSent> {
        let mut state = self.lock_state();
        if state.is_open && std::mem::replace(&mut state.is_probing, true) {
            return Err(RequestNotSent(NOT_SENT_MESSAGE));
        }
        let probes = state.is_open;
        drop(state);
        Ok(TrackedRequest {
            breaker: self.clone(),
            path: path.to_owned(),
            is_probe: probes,
            started: Instant::now(),
            timeout,
            is_over: false,
        })
    }

    fn lock_state(&self) -> MutexGuard<'_, BreakerState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request in flight. If it is dropped after most of its time, it counts as unanswered.
struct TrackedRequest {
    breaker: CircuitBreaker,
    path: String,
    is_probe: bool,
    started: Instant,
    timeout: Duration,
    is_over: bool,
}

impl TrackedRequest {
    fn record_answer(mut self) {
        self.is_over = true;
        let mut state = self.breaker.lock_state();
        state.silent_paths.clear();
        state.is_open = false;
    }

    fn record_failure(mut self) {
        self.is_over = self.started.elapsed() < self.timeout / 2;
    }
}

impl Drop for TrackedRequest {
    fn drop(&mut self) {
        let mut state = self.breaker.lock_state();
        if self.is_probe {
            state.is_probing = false;
        }
        // A request that started late in its call is cut off by the call's deadline and proves nothing.
        if self.is_over || self.started.elapsed() < self.timeout / 2 {
            return;
        }
        // Every request needs a token, so a silent token endpoint counts for all.
        state.is_open |= is_token_path(&self.path);
        state.silent_paths.insert(std::mem::take(&mut self.path));
        state.is_open |= state.silent_paths.len() >= SILENT_PATHS_TO_OPEN;
    }
}

fn is_token_path(path: &str) -> bool {
    path.trim_end_matches('/').ends_with("/oauth/token")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use reqwest::Method;
    use url::Url;

    use super::*;

    const TIMEOUT: Duration = Duration::from_mins(1);

    /// A platform that is silent while the test asks for it, and counts requests.
    struct HangingPlatform {
        wire: HttpService,
        breaker: CircuitBreaker,
        hangs: Arc<AtomicBool>,
        requests: Arc<AtomicUsize>,
    }

    impl HangingPlatform {
        fn new() -> Self {
            let (hangs, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
            let (is_hanging, count) = (Arc::clone(&hangs), Arc::clone(&asked));
            let wire = HttpService::new(tower::service_fn(move |_: Request| {
                count.fetch_add(1, Ordering::SeqCst);
                let hangs = is_hanging.load(Ordering::SeqCst);
                async move {
                    if hangs {
                        std::future::pending::<()>().await;
                    }
                    Ok::<_, tower::BoxError>(http::Response::new(reqwest::Body::from("{}")).into())
                }
            }));
            let breaker = CircuitBreaker::default();
            Self { wire: breaker.wrap_service(wire, TIMEOUT), breaker, hangs, requests: asked }
        }

        /// Requests paths at the same time; returns the results, `None` for a timeout.
        async fn request_paths(&self, paths: &[&str]) -> Vec<Option<Result<(), String>>> {
            let one = |path: &str| {
                let url = Url::parse(&format!("https://acme.example{path}")).unwrap();
                let asked = self.wire.clone().oneshot(Request::new(Method::GET, url));
                async { Some(tokio::time::timeout(TIMEOUT, asked).await.ok()?.map(drop).map_err(|e| e.to_string())) }
            };
            futures::future::join_all(paths.iter().map(|path| one(path))).await
        }

        fn request_count(&self) -> usize {
            self.requests.load(Ordering::SeqCst)
        }
    }

    /// shows: faults/73
    #[tokio::test(start_paused = true)]
    async fn a_platform_that_hangs_gets_one_request_at_a_time_and_all_again_once_it_answers() {
        let platform = HangingPlatform::new();
        platform.request_paths(&["/a", "/b"]).await;
        assert!(!platform.breaker.is_open());
        platform.request_paths(&["/c"]).await;
        assert!(platform.breaker.is_open() && platform.request_count() == 3);
        let begun = Instant::now();
        let refused = platform.request_paths(&["/a", "/b", "/c", "/d"]).await;
        assert_eq!((platform.request_count(), begun.elapsed()), (4, TIMEOUT), "one of the four was sent");
        assert!(refused[1..].iter().flatten().all(|one| one.clone().unwrap_err() == NOT_SENT_MESSAGE), "{refused:?}");
        platform.hangs.store(false, Ordering::SeqCst);
        assert_eq!(platform.request_paths(&["/a"]).await, [Some(Ok(()))]);
        assert_eq!(platform.request_paths(&["/a", "/b", "/c"]).await, [Some(Ok(())), Some(Ok(())), Some(Ok(()))]);
        assert_eq!(platform.request_count(), 8);
    }

    /// shows: faults/73
    #[tokio::test(start_paused = true)]
    async fn one_request_that_is_never_answered_closes_nothing_for_others_and_a_token_does() {
        let platform = HangingPlatform::new();
        for _ in 0..10 {
            platform.request_paths(&["/a"]).await;
        }
        assert!(!platform.breaker.is_open());
        platform.request_paths(&["/b"]).await;
        platform.hangs.store(false, Ordering::SeqCst);
        platform.request_paths(&["/d"]).await;
        platform.hangs.store(true, Ordering::SeqCst);
        platform.request_paths(&["/a", "/b"]).await;
        assert!(!platform.breaker.is_open(), "an answer in between begins the count again");
        platform.request_paths(&["/tenancy/auth/oauth/token"]).await;
        assert!(platform.breaker.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_goes_away_early_says_nothing_and_leaves_no_probe_behind() {
        let platform = HangingPlatform::new();
        platform.request_paths(&["/a", "/b", "/c"]).await;
        for _ in 0..3 {
            let given_up = tokio::time::timeout(Duration::from_secs(1), platform.request_paths(&["/a"])).await;
            given_up.unwrap_err();
        }
        assert_eq!(platform.request_count(), 6, "each of them was the one that tries");
    }
}
