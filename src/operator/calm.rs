//! Keeps watches from being begun without a pause. A watch that ends well is begun again at once, so a server that closes
//! each of them would be asked without end.

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

/// Pause before a watch whose last one ended soon; it doubles with each of them.
const FIRST: Duration = Duration::from_millis(250);
/// Longest of these pauses.
const LONGEST: Duration = Duration::from_secs(4);
/// A watch that lasted longer did not end soon.
const SOON: Duration = Duration::from_secs(10);

/// When the watch of a path may begin.
#[derive(Clone, Copy)]
struct Begun {
    at: Instant,
    pause: Duration,
}

/// When each watch was begun last, by path.
#[derive(Clone, Default)]
pub(crate) struct Calm(Arc<Mutex<HashMap<String, Begun>>>);

impl Calm {
    /// When the next watch of this path may begin.
    fn turn(&self, path: &str) -> Instant {
        let (mut all, now) = (lock(&self.0), Instant::now());
        let next = match all.get(path) {
            Some(last) if now < last.at + SOON => {
                Begun { at: now.max(last.at + last.pause), pause: (last.pause * 2).clamp(FIRST, LONGEST) }
            }
            _ => Begun { at: now, pause: Duration::ZERO },
        };
        all.insert(path.to_owned(), next);
        next.at
    }
}

impl<S> Layer<S> for Calm {
    type Service = Calmed<S>;

    fn layer(&self, inner: S) -> Calmed<S> {
        Calmed { inner, calm: self.clone() }
    }
}

pub(crate) struct Calmed<S> {
    inner: S,
    calm: Calm,
}

impl<S> Service<Request<Body>> for Calmed<S>
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
        let turn = is_watch.then(|| self.calm.turn(request.uri().path()));
        // A request is sent when its future goes on, not when it is made.
        let sent = self.inner.call(request);
        Box::pin(async move {
            if let Some(turn) = turn {
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
        let calm = Calm::default();
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let turn = calm.turn("/clients");
            pauses.push((turn - Instant::now()).as_millis());
            tokio::time::sleep_until(turn).await;
        }
        assert_eq!(pauses, [0, 0, 250, 500, 1000, 2000, 4000, 4000]);
        assert_eq!(calm.turn("/partners"), Instant::now());
        tokio::time::sleep(SOON).await;
        assert_eq!(calm.turn("/clients"), Instant::now());
    }
}
