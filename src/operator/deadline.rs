//! The time by which each request to the API server is answered. A server that is healthy answers sooner; a connection
//! that is half open never does, and without an end a request on it would keep its caller for ever.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body as Answer, Bytes, HttpBody};
use axum::http::{Method, Request, Response};
use futures::{Stream, StreamExt};
use kube::client::Body;
use tokio::time::Instant;
use tower::{BoxError, Layer, Service};

use super::activity::{Activity, InFlight};
use super::metrics::{ClusterRequest, Metrics};

/// For one object, for a write, and for the beginning of a watch.
const ONE: Duration = Duration::from_secs(30);
/// For a list, which the API server itself gives up on after a minute.
const LIST: Duration = Duration::from_mins(1);
/// Silence after which a watch counts as broken: the API server sends a bookmark each minute.
const SILENCE: Duration = Duration::from_mins(2);

/// What a request without an answer comes to.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} s", .0.as_secs())]
struct Unanswered(Duration);

/// Gives each request its time, and notes what the API server answers.
#[derive(Clone)]
pub(crate) struct Deadline {
    activity: Activity,
    metrics: Arc<Metrics>,
}

impl Deadline {
    pub(crate) fn new(activity: Activity, metrics: Arc<Metrics>) -> Self {
        Self { activity, metrics }
    }
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Purpose {
    verb: &'static str,
    limit: Duration,
}

impl Purpose {
    const WATCH: &'static str = "watch";

    fn of(request: &Request<Body>) -> Self {
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
        Self { verb, limit: if verb == "list" { LIST } else { ONE } }
    }
}

/// Whether a path names all objects of a kind, in the cluster or in a namespace.
fn is_collection(path: &str) -> bool {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (["api", _, rest @ ..] | ["apis", _, _, rest @ ..]) = parts.as_slice() else { return false };
    matches!(rest, [_] | ["namespaces", _, _])
}

impl<S> Layer<S> for Deadline {
    type Service = Bounded<S>;

    fn layer(&self, inner: S) -> Bounded<S> {
        Bounded { inner, deadline: self.clone() }
    }
}

pub(crate) struct Bounded<S> {
    inner: S,
    deadline: Deadline,
}

impl<S, B> Service<Request<Body>> for Bounded<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
    S::Future: Send + 'static,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Answer>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Answer>, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (purpose, path) = (Purpose::of(&request), request.uri().path().to_owned());
        let Deadline { activity, metrics } = self.deadline.clone();
        let sent = self.inner.call(request);
        Box::pin(async move {
            // The time runs from when the request is sent, not from when it is made.
            let (deadline, in_flight) = (Instant::now() + purpose.limit, activity.begin(purpose.limit));
            let unanswered = |_| Err(Unanswered(purpose.limit).into());
            let answer = tokio::time::timeout_at(deadline, sent).await.unwrap_or_else(unanswered);
            let code = answer.as_ref().ok().map(|answer| answer.status().as_u16());
            metrics.asked_cluster(&ClusterRequest::new(purpose.verb, code));
            let (head, body) = answer?.into_parts();
            let chunks = Answer::new(body).into_data_stream();
            let body = if purpose.verb == Purpose::WATCH && head.status.is_success() {
                drop(in_flight);
                activity.heard(&path);
                Answer::from_stream(watched(chunks, activity, path))
            } else {
                Answer::from_stream(bounded(chunks, Until { deadline, limit: purpose.limit, in_flight }))
            };
            Ok(Response::from_parts(head, body))
        })
    }
}

/// When an answer must have come as a whole.
struct Until {
    deadline: Instant,
    limit: Duration,
    in_flight: InFlight,
}

/// An answer that ends with an error at its deadline.
fn bounded<E: Into<BoxError> + Send + 'static>(
    chunks: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    until: Until,
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
                let Until { deadline: _, limit, in_flight } = until;
                drop(in_flight);
                Some((Err(Unanswered(limit).into()), None))
            }
        }
    })
}

/// The events of a watch. It ends after a silence, so that it is begun again where the last event left off.
fn watched<E: Into<BoxError> + Send + 'static>(
    chunks: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    activity: Activity,
    path: String,
) -> impl Stream<Item = Result<Bytes, BoxError>> + Send + 'static {
    futures::stream::unfold((Box::pin(chunks), activity, path), |(mut chunks, activity, path)| async {
        let Ok(chunk) = tokio::time::timeout(SILENCE, chunks.next()).await else {
            tracing::warn!(path, seconds = SILENCE.as_secs(), "the watch is silent and is begun again");
            return None;
        };
        let chunk = chunk?.map_err(Into::into);
        if chunk.is_ok() {
            activity.heard(&path);
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

    /// What the API server does with a request.
    #[derive(Clone, Copy)]
    enum Server {
        Silent,
        SilentAfterHeaders,
        Answers,
    }

    fn bounded_client(server: Server) -> (kube::Client, Activity) {
        let activity = Activity::default();
        let service = service_fn(move |_: Request<Body>| async move {
            let nothing = futures::stream::pending::<Result<Bytes, Infallible>>();
            let body = match server {
                Server::Silent => return std::future::pending::<Result<Response<Answer>, BoxError>>().await,
                Server::SilentAfterHeaders => Answer::from_stream(nothing),
                Server::Answers => Answer::from("{}"),
            };
            Ok(Response::new(body))
        });
        let deadline = Deadline::new(activity.clone(), Arc::new(Metrics::new()));
        (ClientBuilder::new(service, "default").with_layer(&deadline).build(), activity)
    }

    async fn ask(client: &kube::Client, path: &str) -> (Option<String>, Duration) {
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
            (Method::GET, watch.as_str(), Purpose::WATCH),
            (Method::POST, CLIENTS, "create"),
            (Method::PUT, SECRET, "update"),
            (Method::PATCH, SECRET, "patch"),
            (Method::DELETE, SECRET, "delete"),
            (Method::OPTIONS, SECRET, "other"),
        ] {
            let request = Request::builder().method(&method).uri(path).body(Body::empty()).unwrap();
            assert_eq!(Purpose::of(&request).verb, verb, "{method} {path}");
        }
    }

    /// shows: faults/70
    #[tokio::test(start_paused = true)]
    async fn a_request_without_an_answer_ends_at_its_deadline_also_within_the_body() {
        for server in [Server::Silent, Server::SilentAfterHeaders] {
            let (client, activity) = bounded_client(server);
            for (path, limit) in [(SECRET, ONE), (CLIENTS, LIST)] {
                let (error, took) = ask(&client, path).await;
                let error = error.unwrap();
                assert!(error.contains(&format!("no answer within {} s", limit.as_secs())), "{error}");
                assert_eq!(took.as_secs(), limit.as_secs());
                assert!(!activity.is_overdue(), "what ended is not in flight");
            }
        }
        let (client, _) = bounded_client(Server::Answers);
        assert_eq!(ask(&client, SECRET).await.0, None);
    }

    /// shows: faults/70
    #[tokio::test(start_paused = true)]
    async fn a_watch_that_does_not_begin_ends_at_its_deadline_and_one_that_falls_silent_ends_too() {
        let watch = format!("{CLIENTS}?watch=true");
        let (client, activity) = bounded_client(Server::Silent);
        let (error, took) = ask(&client, &watch).await;
        assert!(error.unwrap().contains("no answer within 30 s") && took.as_secs() == ONE.as_secs());
        assert_eq!(activity.since("Client"), None, "a watch that never began was never heard of");

        let (client, activity) = bounded_client(Server::SilentAfterHeaders);
        assert_eq!(ask(&client, &watch).await, (None, SILENCE), "it ends as if the server had closed it");
        assert_eq!(activity.since("Client"), Some(SILENCE));
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
