//! Backs off restarts of watches. The client restarts a watch that ended normally at once, so a server that closes each
//! watch would get requests without end.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::Request;
use kube::client::Body;
use tokio::time::Instant;
use tower::{Layer, Service};

use super::context::lock;

/// Pause before a watch whose predecessor ended early; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// A watch that lasted longer did not end early.
const SHORT_WATCH: Duration = Duration::from_secs(10);

/// When the watch of a path may start.
#[derive(Clone, Copy)]
struct WatchStart {
    at: Instant,
    pause: Duration,
}

/// When each watch started last, by path.
#[derive(Clone, Default)]
pub(crate) struct WatchBackoffLayer(Arc<Mutex<HashMap<String, WatchStart>>>);

impl WatchBackoffLayer {
    /// Returns when the next watch of this path may start.
    fn next_start(&self, path: &str) -> Instant {
        let (mut all, now) = (lock(&self.0), Instant::now());
        let next = match all.get(path) {
            Some(last) if now < last.at + SHORT_WATCH => WatchStart {
                at: now.max(last.at + last.pause),
                pause: (last.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE),
            },
            _ => WatchStart { at: now, pause: Duration::ZERO },
        };
        all.insert(path.to_owned(), next);
        next.at
    }
}

impl<S> Layer<S> for WatchBackoffLayer {
    type Service = WatchBackoffService<S>;

    fn layer(&self, inner: S) -> WatchBackoffService<S> {
        WatchBackoffService { inner, layer: self.clone() }
    }
}

pub(crate) struct WatchBackoffService<S> {
    inner: S,
    layer: WatchBackoffLayer,
}

impl<S> Service<Request<Body>> for WatchBackoffService<S>
where
    S: Service<Request<Body>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let is_watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        let start_at = is_watch.then(|| self.layer.next_start(request.uri().path()));
        // The request is sent when its future is polled, not when it is created.
        let sent = self.inner.call(request);
        Box::pin(async move {
            if let Some(turn) = start_at {
                tokio::time::sleep_until(turn).await;
            }
            sent.await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn watches_that_end_at_once_are_begun_after_growing_pauses_and_others_at_once() {
        let backoff = WatchBackoffLayer::default();
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let start_at = backoff.next_start("/clients");
            pauses.push((start_at - Instant::now()).as_millis());
            tokio::time::sleep_until(start_at).await;
        }
        assert_eq!(pauses, [0, 0, 250, 500, 1000, 2000, 4000, 4000]);
        assert_eq!(backoff.next_start("/partners"), Instant::now());
        tokio::time::sleep(SHORT_WATCH).await;
        assert_eq!(backoff.next_start("/clients"), Instant::now());
    }
}
