//! Keeps every change of the cluster to the time in which this process leads.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::http::{Method, Request, Response};
use kube::Client;
use kube::client::{Body, ClientBuilder};
use tower::{BoxError, Layer, Service};

use super::calm::Calm;
use super::claim::Claim;
use super::dated::Dated;
use super::servers::ClusterWire;
use crate::connect::ServerClock;

/// What a change without the claim comes to.
#[derive(Debug, thiserror::Error)]
#[error("this operator no longer leads")]
struct NoLongerLeads;

/// A client whose changes are sent only while the claim holds; whoever keeps the lease needs another one.
pub(crate) fn client(builder: ClientBuilder<ClusterWire>, claim: &Claim, clock: &Arc<ServerClock>) -> Client {
    let dated = builder.with_layer(&Dated(Arc::clone(clock)));
    dated.with_layer(&Calm::default()).with_layer(&Guard(claim.clone())).build()
}

struct Guard(Claim);

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, claim: self.0.clone() }
    }
}

struct Guarded<S> {
    inner: S,
    claim: Claim,
}

impl<S, B> Service<Request<Body>> for Guarded<S>
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
        if !self.claim.holds() {
            return Box::pin(async { Err(NoLongerLeads.into()) });
        }
        let (claim, sent) = (self.claim.clone(), self.inner.call(request));
        Box::pin(async move { claim.during(sent).await.unwrap_or_else(|| Err(NoLongerLeads.into())) })
    }
}

#[cfg(test)]
mod tests {
    use std::future::Ready;
    use std::time::Duration;

    use super::*;

    /// Answers everything.
    struct Server;

    impl Service<Request<Body>> for Server {
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

    async fn passes(method: Method, guarded: &mut Guarded<Server>) -> bool {
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
        let claim = Claim::default();
        let mut guarded = Guard(claim.clone()).layer(Server);
        let changes = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        for leads in [false, true, false] {
            if leads {
                claim.extend(claim.now() + Duration::from_mins(1));
            } else {
                claim.end();
            }
            assert!(passes(Method::GET, &mut guarded).await);
            for change in &changes {
                assert_eq!(passes(change.clone(), &mut guarded).await, leads, "{change}");
            }
        }
    }
}
