//! The deadline of each request to the API server. A healthy server answers sooner. A half-open connection never
//! answers, and without a deadline a request on it would block its caller for ever.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use axum::http::{Method, Request, Response};
use futures::{Stream, StreamExt};
use kube::client::Body;
use tokio::time::Instant;
use tower::{BoxError, Layer, Service};

use super::activity::{ApiServerActivity, InFlightRequest};
use super::metrics::{ClusterRequestLabels, OperatorMetrics};

/// Deadline of a request for one object, of a write, and of the start of a watch.
const OBJECT_DEADLINE: Duration = Duration::from_secs(30);
/// Deadline of a list. The API server itself gives up on one after a minute.
const LIST_DEADLINE: Duration = Duration::from_mins(1);
/// Silence after which a watch counts as broken. The API server sends a bookmark each minute.
const MAX_WATCH_SILENCE: Duration = Duration::from_mins(2);

/// The error of a request without an answer.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} s", .0.as_secs())]
struct DeadlineExceeded(Duration);

/// Applies the deadline to each request, and records that the API server answered.
#[derive(Clone)]
pub(crate) struct DeadlineLayer {
    activity: ApiServerActivity,
    metrics: Arc<OperatorMetrics>,
}

impl DeadlineLayer {
    pub(crate) fn new(activity: ApiServerActivity, metrics: Arc<OperatorMetrics>) -> Self {
        Self { activity, metrics }
    }
}

/// The purpose of a request: its verb and its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RequestPurpose {
    verb: &'static str,
    limit: Duration,
}

impl RequestPurpose {
    const WATCH: &'static str = "watch";

    fn of_request(request: &Request<Body>) -> Self {
        let is_list = is_collection(request.uri().path());
        let verb = match *request.method() {
            Method::GET if request.uri().query().is_some_and(|query| query.contains("watch=true")) => Self::WATCH,
            Method::GET if is_list => "list",
            Method::GET => "get",
            Method::POST => "create",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE => "delete",
            _ => "other",
        };
        Self { verb, limit: if verb == "list" { LIST_DEADLINE } else { OBJECT_DEADLINE } }
    }
}

/// Returns whether a path names all objects of a kind, in the cluster or in a namespace.
fn is_collection(path: &str) -> bool {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (["api", _, rest @ ..] | ["apis", _, _, rest @ ..]) = parts.as_slice() else { return false };
    matches!(rest, [_] | ["namespaces", _, _])
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = DeadlineService<S>;

    fn layer(&self, inner: S) -> DeadlineService<S> {
        DeadlineService { inner, layer: self.clone() }
    }
}

pub(crate) struct DeadlineService<S> {
    inner: S,
    layer: DeadlineLayer,
}

impl<S, B> Service<Request<Body>> for DeadlineService<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
    S::Future: Send + 'static,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<axum::body::Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<axum::body::Body>, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (purpose, path) = (RequestPurpose::of_request(&request), request.uri().path().to_owned());
        let DeadlineLayer { activity, metrics } = self.layer.clone();
        let sent = self.inner.call(request);
        Box::pin(async move {
            // The deadline counts from when the request is sent, not from when it is built.
            let (deadline, in_flight) = (Instant::now() + purpose.limit, activity.begin_request(purpose.limit));
            let unanswered = |_| Err(DeadlineExceeded(purpose.limit).into());
            let answer = tokio::time::timeout_at(deadline, sent).await.unwrap_or_else(unanswered);
            let code = answer.as_ref().ok().map(|answer| answer.status().as_u16());
            metrics.count_cluster_request(&ClusterRequestLabels::new(purpose.verb, code));
            let (head, body) = answer?.into_parts();
            let chunks = axum::body::Body::new(body).into_data_stream();
            let body = if purpose.verb == RequestPurpose::WATCH && head.status.is_success() {
                drop(in_flight);
                activity.record_watch_event(&path);
                axum::body::Body::from_stream(bound_watch(chunks, activity, path))
            } else {
                axum::body::Body::from_stream(bound_body(
                    chunks,
                    BodyDeadline { deadline, limit: purpose.limit, in_flight },
                ))
            };
            Ok(Response::from_parts(head, body))
        })
    }
}

/// When the body of an answer must be complete.
struct BodyDeadline {
    deadline: Instant,
    limit: Duration,
    in_flight: InFlightRequest,
}

/// Ends a body with an error at its deadline.
fn bound_body<E: Into<BoxError> + Send + 'static>(
    chunks: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    until: BodyDeadline,
) -> impl Stream<Item = Result<Bytes, BoxError>> + Send + 'static {
    futures::stream::unfold(Some((Box::pin(chunks), until)), |state| async {
        let (mut chunks, until) = state?;
        match tokio::time::timeout_at(until.deadline, chunks.next()).await {
            Ok(chunk) => {
                let chunk = chunk?.map_err(Into::into);
                let rest = chunk.is_ok().then_some((chunks, until));
                Some((chunk, rest))
            }
            Err(_elapsed) => {
                let BodyDeadline { deadline: _, limit, in_flight } = until;
                drop(in_flight);
                Some((Err(DeadlineExceeded(limit).into()), None))
            }
        }
    })
}

/// Passes the events of a watch on. The stream ends after a silence, so that the watch restarts at its last event.
fn bound_watch<E: Into<BoxError> + Send + 'static>(
    chunks: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    activity: ApiServerActivity,
    path: String,
) -> impl Stream<Item = Result<Bytes, BoxError>> + Send + 'static {
    futures::stream::unfold((Box::pin(chunks), activity, path), |(mut chunks, activity, path)| async {
        let Ok(chunk) = tokio::time::timeout(MAX_WATCH_SILENCE, chunks.next()).await else {
            tracing::warn!(path, seconds = MAX_WATCH_SILENCE.as_secs(), "the watch is silent and is begun again");
            return None;
        };
        let chunk = chunk?.map_err(Into::into);
        if chunk.is_ok() {
            activity.record_watch_event(&path);
        }
        Some((chunk, (chunks, activity, path)))
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use kube::client::ClientBuilder;
    use tower::service_fn;

    use super::*;

    /// The behaviour of the API server towards a request.
    #[derive(Clone, Copy)]
    enum ServerBehaviour {
        Silent,
        SilentAfterHeaders,
        Answers,
    }

    fn client_with_deadline(server: ServerBehaviour) -> (kube::Client, ApiServerActivity) {
        let activity = ApiServerActivity::default();
        let service = service_fn(move |_: Request<Body>| async move {
            let nothing = futures::stream::pending::<Result<Bytes, Infallible>>();
            let body = match server {
                ServerBehaviour::Silent => {
                    return std::future::pending::<Result<Response<axum::body::Body>, BoxError>>().await;
                }
                ServerBehaviour::SilentAfterHeaders => axum::body::Body::from_stream(nothing),
                ServerBehaviour::Answers => axum::body::Body::from("{}"),
            };
            Ok(Response::new(body))
        });
        let deadline = DeadlineLayer::new(activity.clone(), Arc::new(OperatorMetrics::new()));
        (ClientBuilder::new(service, "default").with_layer(&deadline).build(), activity)
    }

    async fn send_request(client: &kube::Client, path: &str) -> (Option<String>, Duration) {
        let begun = Instant::now();
        let asked = client.request_text(Request::get(path).body(Vec::new()).unwrap()).await;
        (asked.err().map(|error| error.to_string()), begun.elapsed())
    }

    const SECRET: &str = "/api/v1/namespaces/a/secrets/platform";
    const CLIENTS: &str = "/apis/tenantry.dev/v1alpha1/clients";

    #[test]
    fn a_request_has_the_verb_that_the_api_server_knows() {
        let watch = format!("{CLIENTS}?watch=true");
        for (method, path, verb) in [
            (Method::GET, SECRET, "get"),
            (Method::GET, CLIENTS, "list"),
            (Method::GET, watch.as_str(), RequestPurpose::WATCH),
            (Method::POST, CLIENTS, "create"),
            (Method::PUT, SECRET, "update"),
            (Method::PATCH, SECRET, "patch"),
            (Method::DELETE, SECRET, "delete"),
            (Method::OPTIONS, SECRET, "other"),
        ] {
            let request = Request::builder().method(&method).uri(path).body(Body::empty()).unwrap();
            assert_eq!(RequestPurpose::of_request(&request).verb, verb, "{method} {path}");
        }
    }

    /// shows: faults/70
    #[tokio::test(start_paused = true)]
    async fn a_request_without_an_answer_ends_at_its_deadline_also_within_the_body() {
        for server in [ServerBehaviour::Silent, ServerBehaviour::SilentAfterHeaders] {
            let (client, activity) = client_with_deadline(server);
            for (path, limit) in [(SECRET, OBJECT_DEADLINE), (CLIENTS, LIST_DEADLINE)] {
                let (error, took) = send_request(&client, path).await;
                let error = error.unwrap();
                assert!(error.contains(&format!("no answer within {} s", limit.as_secs())), "{error}");
                assert_eq!(took.as_secs(), limit.as_secs());
                assert!(!activity.has_overdue_request(), "what ended is not in flight");
            }
        }
        let (client, _) = client_with_deadline(ServerBehaviour::Answers);
        assert_eq!(send_request(&client, SECRET).await.0, None);
    }

    /// shows: faults/70
    #[tokio::test(start_paused = true)]
    async fn a_watch_that_does_not_begin_ends_at_its_deadline_and_one_that_falls_silent_ends_too() {
        let watch = format!("{CLIENTS}?watch=true");
        let (client, activity) = client_with_deadline(ServerBehaviour::Silent);
        let (error, took) = send_request(&client, &watch).await;
        assert!(error.unwrap().contains("no answer within 30 s") && took.as_secs() == OBJECT_DEADLINE.as_secs());
        assert_eq!(activity.time_since_watch_event("Client"), None, "a watch that never began was never heard of");

        let (client, activity) = client_with_deadline(ServerBehaviour::SilentAfterHeaders);
        assert_eq!(
            send_request(&client, &watch).await,
            (None, MAX_WATCH_SILENCE),
            "it ends as if the server had closed it"
        );
        assert_eq!(activity.time_since_watch_event("Client"), Some(MAX_WATCH_SILENCE));
    }

    #[test]
    fn a_path_names_one_object_or_all_of_a_kind() {
        for (path, is_list) in [
            (CLIENTS, true),
            ("/apis/tenantry.dev/v1alpha1/namespaces/a/clients", true),
            ("/api/v1/configmaps", true),
            ("/api/v1/namespaces", true),
            ("/api/v1/namespaces/a", false),
            ("/apis/tenantry.dev/v1alpha1", false),
            ("/apis/tenantry.dev/v1alpha1/namespaces/a/clients/globex/status", false),
            (SECRET, false),
        ] {
            assert_eq!(is_collection(path), is_list, "{path}");
        }
    }
}
