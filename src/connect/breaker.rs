//! A circuit breaker for one account: while its platform leaves requests unanswered, one at a time tries whether it is
//! back, and the others fail at once instead of waiting for their timeout.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Request;
use tokio::time::Instant;
use tower::ServiceExt as _;

use super::http::{Unsent, Wire};

/// So many different requests in a row without an answer open it. One request that is never answered, however often it
/// is repeated, says nothing about the others.
const SILENT: usize = 3;
/// What a request comes to that is not sent.
const REFUSED: &str =
    "it has left requests unanswered, so one request at a time tries whether it is back, and the others are not sent";

/// Says whether requests to an account are sent. All clones are one.
#[derive(Clone, Debug, Default)]
pub struct Breaker(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Paths of the requests that were left unanswered since the last answer.
    silent: BTreeSet<String>,
    is_open: bool,
    /// Whether a request is under way that tries.
    is_probing: bool,
}

impl Breaker {
    /// Whether the platform counts as one that hangs.
    pub fn is_open(&self) -> bool {
        self.state().is_open
    }

    /// A wire on which requests are sent only while this allows it; `timeout` is the longest time of a call.
    pub fn guard(&self, wire: Wire, timeout: Duration) -> Wire {
        let breaker = self.clone();
        Wire::new(tower::service_fn(move |request: Request| {
            let (wire, breaker) = (wire.clone(), breaker.clone());
            async move {
                let sent = breaker.send(request.url().path(), timeout)?;
                let answer = Box::pin(wire.oneshot(request)).await;
                match &answer {
                    Ok(_) => sent.answered(),
                    // A connection that is refused or breaks costs no time: only silence does.
                    Err(_) => sent.failed(),
                }
                answer
            }
        }))
    }

    fn send(&self, path: &str, timeout: Duration) -> Result<Sent, Unsent> {
        let mut state = self.state();
        if state.is_open && std::mem::replace(&mut state.is_probing, true) {
            return Err(Unsent(REFUSED));
        }
        let probes = state.is_open;
        drop(state);
        Ok(Sent {
            breaker: self.clone(),
            path: path.to_owned(),
            probes,
            begun: Instant::now(),
            timeout,
            is_over: false,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request on its way. Dropped after most of its time it was left unanswered.
struct Sent {
    breaker: Breaker,
    path: String,
    probes: bool,
    begun: Instant,
    timeout: Duration,
    is_over: bool,
}

impl Sent {
    fn answered(mut self) {
        self.is_over = true;
        let mut state = self.breaker.state();
        state.silent.clear();
        state.is_open = false;
    }

    fn failed(mut self) {
        self.is_over = self.begun.elapsed() < self.timeout / 2;
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        let mut state = self.breaker.state();
        if self.probes {
            state.is_probing = false;
        }
        // One that began late in its call is cut off by the call's deadline and says nothing.
        if self.is_over || self.begun.elapsed() < self.timeout / 2 {
            return;
        }
        // Nothing goes without a token, so its silence is that of all.
        state.is_open |= is_token(&self.path);
        state.silent.insert(std::mem::take(&mut self.path));
        state.is_open |= state.silent.len() >= SILENT;
    }
}

fn is_token(path: &str) -> bool {
    path.trim_end_matches('/').ends_with("/oauth/token")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use reqwest::Method;
    use url::Url;

    use super::*;

    const TIMEOUT: Duration = Duration::from_mins(1);

    /// A platform that is silent while it is told so, and counts.
    struct Platform {
        wire: Wire,
        breaker: Breaker,
        hangs: Arc<AtomicBool>,
        asked: Arc<AtomicUsize>,
    }

    impl Platform {
        fn new() -> Self {
            let (hangs, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
            let (is_hanging, count) = (Arc::clone(&hangs), Arc::clone(&asked));
            let wire = Wire::new(tower::service_fn(move |_: Request| {
                count.fetch_add(1, Ordering::SeqCst);
                let hangs = is_hanging.load(Ordering::SeqCst);
                async move {
                    if hangs {
                        std::future::pending::<()>().await;
                    }
                    Ok::<_, tower::BoxError>(http::Response::new(reqwest::Body::from("{}")).into())
                }
            }));
            let breaker = Breaker::default();
            Self { wire: breaker.guard(wire, TIMEOUT), breaker, hangs, asked }
        }

        /// Asks for paths at the same time; returns the errors, nothing for what timed out.
        async fn ask(&self, paths: &[&str]) -> Vec<Option<Result<(), String>>> {
            let one = |path: &str| {
                let url = Url::parse(&format!("https://acme.example{path}")).unwrap();
                let asked = self.wire.clone().oneshot(Request::new(Method::GET, url));
                async { Some(tokio::time::timeout(TIMEOUT, asked).await.ok()?.map(drop).map_err(|e| e.to_string())) }
            };
            futures::future::join_all(paths.iter().map(|path| one(path))).await
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::SeqCst)
        }
    }

    /// shows: faults/73
    #[tokio::test(start_paused = true)]
    async fn a_platform_that_hangs_gets_one_request_at_a_time_and_all_again_once_it_answers() {
        let platform = Platform::new();
        platform.ask(&["/a", "/b"]).await;
        assert!(!platform.breaker.is_open());
        platform.ask(&["/c"]).await;
        assert!(platform.breaker.is_open() && platform.asked() == 3);
        let begun = Instant::now();
        let refused = platform.ask(&["/a", "/b", "/c", "/d"]).await;
        assert_eq!((platform.asked(), begun.elapsed()), (4, TIMEOUT), "one of the four was sent");
        assert!(refused[1..].iter().flatten().all(|one| one.clone().unwrap_err() == REFUSED), "{refused:?}");
        platform.hangs.store(false, Ordering::SeqCst);
        assert_eq!(platform.ask(&["/a"]).await, [Some(Ok(()))]);
        assert_eq!(platform.ask(&["/a", "/b", "/c"]).await, [Some(Ok(())), Some(Ok(())), Some(Ok(()))]);
        assert_eq!(platform.asked(), 8);
    }

    /// shows: faults/73
    #[tokio::test(start_paused = true)]
    async fn one_request_that_is_never_answered_closes_nothing_for_others_and_a_token_does() {
        let platform = Platform::new();
        for _ in 0..10 {
            platform.ask(&["/a"]).await;
        }
        assert!(!platform.breaker.is_open());
        platform.ask(&["/b"]).await;
        platform.hangs.store(false, Ordering::SeqCst);
        platform.ask(&["/d"]).await;
        platform.hangs.store(true, Ordering::SeqCst);
        platform.ask(&["/a", "/b"]).await;
        assert!(!platform.breaker.is_open(), "an answer in between begins the count again");
        platform.ask(&["/tenancy/auth/oauth/token"]).await;
        assert!(platform.breaker.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_goes_away_early_says_nothing_and_leaves_no_probe_behind() {
        let platform = Platform::new();
        platform.ask(&["/a", "/b", "/c"]).await;
        for _ in 0..3 {
            let given_up = tokio::time::timeout(Duration::from_secs(1), platform.ask(&["/a"])).await;
            given_up.unwrap_err();
        }
        assert_eq!(platform.asked(), 6, "each of them was the one that tries");
    }
}
