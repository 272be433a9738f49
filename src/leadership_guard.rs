//! Restricts every change of the cluster to the time in which this process leads.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::http::{Method, Request, Response};
use kube::Client;
use kube::client::{Body, ClientBuilder};
use tenantry_client::ServerClock;
use tower::{BoxError, Layer, Service};

use super::leadership_claim::LeadershipClaim;
use super::request_deadline::DeadlineLayer;
use super::server_clients::ClusterService;
use super::server_date_layer::ServerDateLayer;
use super::watch_backoff::WatchBackoffLayer;

/// The error of a change without the claim.
#[derive(Debug, thiserror::Error)]
#[error("this operator no longer leads")]
struct NotLeading;

/// The layers between the operator and the API server.
pub(crate) struct ClusterLayers {
    /// Changes are sent only while this claim holds. The lease keeper needs a client without it.
    pub(crate) claim: LeadershipClaim,
    /// Learns the API server's time.
    pub(crate) clock: Arc<ServerClock>,
    /// The deadline of each request.
    pub(crate) deadline: DeadlineLayer,
}

impl ClusterLayers {
    /// Builds a client with these layers.
    pub(crate) fn build_client(self, builder: ClientBuilder<ClusterService>) -> Client {
        let Self { claim, clock, deadline } = self;
        let inner = builder.with_layer(&ServerDateLayer(clock)).with_layer(&deadline);
        inner.with_layer(&WatchBackoffLayer::default()).with_layer(&LeadershipLayer(claim)).build()
    }
}

struct LeadershipLayer(LeadershipClaim);

impl<S> Layer<S> for LeadershipLayer {
    type Service = LeadershipService<S>;

    fn layer(&self, inner: S) -> LeadershipService<S> {
        LeadershipService { inner, claim: self.0.clone() }
    }
}

struct LeadershipService<S> {
    inner: S,
    claim: LeadershipClaim,
}

impl<S, B> Service<Request<Body>> for LeadershipService<S>
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
        if request.method() == Method::GET {
            return Box::pin(self.inner.call(request));
        }
        if !self.claim.is_leading() {
            return Box::pin(async { Err(NotLeading.into()) });
        }
        let (claim, sent) = (self.claim.clone(), self.inner.call(request));
        Box::pin(async move { claim.run_while_leading(sent).await.unwrap_or_else(|| Err(NotLeading.into())) })
    }
}

#[cfg(test)]
mod tests {
    use std::future::Ready;
    use std::time::Duration;

    use super::*;

    /// A server that answers every request.
    struct AnsweringServer;

    impl Service<Request<Body>> for AnsweringServer {
        type Response = Response<()>;
        type Error = BoxError;
        type Future = Ready<Result<Response<()>, BoxError>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            std::future::ready(Ok(Response::new(())))
        }
    }

    async fn is_let_through(method: Method, guarded: &mut LeadershipService<AnsweringServer>) -> bool {
        let request = Request::builder().method(method).uri("/").body(Body::empty()).unwrap();
        match guarded.call(request).await {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.to_string(), "this operator no longer leads");
                false
            }
        }
    }

    #[tokio::test]
    async fn whoever_does_not_lead_reads_and_changes_nothing() {
        let claim = LeadershipClaim::default();
        let mut guarded = LeadershipLayer(claim.clone()).layer(AnsweringServer);
        let changes = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        for leads in [false, true, false] {
            if leads {
                claim.extend_until(claim.process_time() + Duration::from_mins(1));
            } else {
                claim.revoke();
            }
            assert!(is_let_through(Method::GET, &mut guarded).await);
            for change in &changes {
                assert_eq!(is_let_through(change.clone(), &mut guarded).await, leads, "{change}");
            }
        }
    }
}
