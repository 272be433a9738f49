//! Records the API server's time from each of its answers.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::http::header::DATE;
use axum::http::{Request, Response};
use kube::client::Body;
use tenantry_client::ServerClock;
use tower::{BoxError, Layer, Service};

/// Records the `Date` of each answer.
pub(crate) struct ServerDateLayer(pub(crate) Arc<ServerClock>);

impl<S> Layer<S> for ServerDateLayer {
    type Service = ServerDateService<S>;

    fn layer(&self, inner: S) -> ServerDateService<S> {
        ServerDateService { inner, clock: Arc::clone(&self.0) }
    }
}

pub(crate) struct ServerDateService<S> {
    inner: S,
    clock: Arc<ServerClock>,
}

impl<S, B> Service<Request<Body>> for ServerDateService<S>
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
            let asked = tenantry_runtime::clock::now();
            let answer = sent.await?;
            clock.record_date(asked, answer.headers().get(DATE));
            Ok(answer)
        })
    }
}
