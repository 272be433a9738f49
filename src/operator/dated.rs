//! Keeps what the API server says of the time with each of its answers.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::http::header::DATE;
use axum::http::{Request, Response};
use kube::client::Body;
use tower::{BoxError, Layer, Service};

use crate::connect::ServerClock;

/// Notes the `Date` of each answer.
pub(crate) struct Dated(pub(crate) Arc<ServerClock>);

impl<S> Layer<S> for Dated {
    type Service = DatedService<S>;

    fn layer(&self, inner: S) -> DatedService<S> {
        DatedService { inner, clock: Arc::clone(&self.0) }
    }
}

pub(crate) struct DatedService<S> {
    inner: S,
    clock: Arc<ServerClock>,
}

impl<S, B> Service<Request<Body>> for DatedService<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (clock, sent) = (Arc::clone(&self.clock), self.inner.call(request));
        Box::pin(async move {
            let asked = crate::clock::now();
            let answer = sent.await?;
            clock.saw(asked, answer.headers().get(DATE));
            Ok(answer)
        })
    }
}
