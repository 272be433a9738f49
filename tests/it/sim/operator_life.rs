//! A life of the operator on the simulated servers: the real program, on a paused clock.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Request, Response};
use clap::Parser;
use http_body_util::BodyExt;
use kube::client::{Body, ClientBuilder, DynBody};
use tenantry_client::HttpService;
use tenantry_operator::{ClusterService, Operator, OperatorError, OperatorFlags, Servers};
use tower::{BoxError, service_fn};

use super::cluster::SimCluster;
use super::exchange::{OperatorLife, SimWorld};
use super::lasting_faults::OTHER_HOST;
use super::request::{SimReply, SimRequest, SimServer};

/// Namespace of lease, evidence and ledger.
pub(crate) const OPERATOR_NAMESPACE: &str = "tenantry-system";
/// Host of the platform.
pub(crate) const PLATFORM_HOST: &str = "platform.example";

/// Returns the operator's flags. Leases are long, since their renewals are requests too; all others have their
/// defaults.
pub(crate) fn settings() -> OperatorFlags {
    settings_with(&[])
}

/// Returns the same flags with additional ones.
pub(crate) fn settings_with(more: &[&str]) -> OperatorFlags {
    let flags = [
        "--platform-hosts",
        PLATFORM_HOST,
        "--namespace",
        OPERATOR_NAMESPACE,
        "--cluster-id",
        "sim",
        "--lease-duration",
        "30m",
        "--renew-deadline",
        "25m",
        "--retry-period",
        "12m",
    ];
    OperatorFlags::parse_from(["tenantry-operator"].iter().chain(&flags).chain(more))
}

/// Returns the same flags for accounts with different hosts.
pub(crate) fn wide_settings() -> OperatorFlags {
    let hosts = format!("{PLATFORM_HOST},{OTHER_HOST}");
    let OperatorFlags { platform_hosts, .. } =
        OperatorFlags::parse_from(["tenantry-operator", "--platform-hosts", &hosts]);
    OperatorFlags { platform_hosts, ..settings() }
}

/// Runs one life beside `script`. It ends with the script, or when the operator ends by itself or crashes. Returns the
/// script's result if the script finished.
pub(crate) fn run_life<T>(
    world: &SimWorld,
    life: &OperatorLife,
    settings: OperatorFlags,
    script: impl Future<Output = T>,
) -> Option<T> {
    run_life_with_standby(world, life, false, settings, script)
}

/// Runs an operator beside the one of a life. It crashes and restarts independently.
async fn restart_second_operator(world: &SimWorld, life: &OperatorLife, settings: &OperatorFlags) {
    for number in 1.. {
        let own = OperatorLife::new(1000 * life.number + number);
        tokio::select! {
            biased;
            () = own.wait_for_end() => {}
            _ = run_operator(world, &own, settings.clone()) => {}
        }
        own.end();
        world.lock().oracle.running_lives.remove(&own.number);
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

/// Runs one life with or without a second operator.
pub(crate) fn run_life_with_standby<T>(
    world: &SimWorld,
    life: &OperatorLife,
    is_doubled: bool,
    settings: OperatorFlags,
    script: impl Future<Output = T>,
) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let ended = runtime.block_on(async {
        tenantry_runtime::clock::follow_tokio_clock(world.lock().now);
        tokio::pin!(script);
        let beside = async {
            if is_doubled {
                restart_second_operator(world, life, &settings).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::pin!(beside);
        loop {
            let running = run_operator(world, life, settings.clone());
            tokio::select! {
                biased;
                () = life.wait_for_end() => break None,
                done = &mut script => break Some(done),
                () = &mut beside => break None,
                // A Pod whose operator ends is restarted.
                ended = running => {
                    let mut state = world.lock();
                    state.oracle.clear_lease_holder(life.number);
                    state.add_log_line(tenantry_runtime::clock::now(), format!(" ! the operator ended: {ended:?}"));
                }
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    });
    {
        let mut state = world.lock();
        state.now = runtime.block_on(async { tenantry_runtime::clock::now() });
        let now = state.now;
        state.add_log_line(now, format!("life {} ends", life.number));
        state.oracle.running_lives.clear();
    }
    life.end();
    drop(runtime);
    ended
}

/// Runs one operator until it ends by itself.
pub(crate) async fn run_operator(
    world: &SimWorld,
    life: &OperatorLife,
    settings: OperatorFlags,
) -> Result<(), OperatorError> {
    run_operator_until(world, life, settings, std::future::pending()).await
}

/// Runs one operator until it is asked to end or ends by itself.
pub(crate) async fn run_operator_until(
    world: &SimWorld,
    life: &OperatorLife,
    settings: OperatorFlags,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), OperatorError> {
    world.lock().oracle.running_lives.insert(life.number);
    let home = settings.namespace.clone().unwrap_or_else(|| OPERATOR_NAMESPACE.to_owned());
    let operator = Box::pin(Operator::new(settings, servers(world, life, home))).await?;
    Box::pin(operator.run_until(stop)).await
}

fn servers(world: &SimWorld, life: &OperatorLife, home: String) -> Servers {
    let (for_cluster, for_platform) = ((world.clone(), life.clone()), (world.clone(), life.clone()));
    Servers {
        cluster_client: Box::new(move || {
            let (world, life) = for_cluster.clone();
            let service = service_fn(move |request| {
                let (world, life) = (world.clone(), life.clone());
                async move { Box::pin(forward_to_cluster(world, life, request)).await }
            });
            Ok(ClientBuilder::new(ClusterService::new(service), "default"))
        }),
        namespace: home,
        connector: Arc::new(move |_, _| {
            let (world, life) = for_platform.clone();
            let service = service_fn(move |request| {
                let (world, life) = (world.clone(), life.clone());
                async move { Box::pin(forward_to_platform(world, life, request)).await }
            });
            Ok(HttpService::new(service))
        }),
    }
}

fn headers(all: &axum::http::HeaderMap) -> BTreeMap<String, String> {
    let text = |value: &axum::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    all.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

/// Adds the host, by which faults distinguish accounts: all hosts lead to the same platform.
fn with_host(mut headers: BTreeMap<String, String>, url: &url::Url) -> BTreeMap<String, String> {
    headers.insert("host".to_owned(), url.host_str().unwrap_or_default().to_owned());
    headers
}

async fn forward_to_platform(
    world: SimWorld,
    life: OperatorLife,
    request: reqwest::Request,
) -> Result<reqwest::Response, BoxError> {
    let ask = SimRequest {
        side: SimServer::Platform,
        method: request.method().clone(),
        path: request.url().path().to_owned(),
        query: request.url().query().unwrap_or_default().to_owned(),
        headers: with_host(headers(request.headers()), request.url()),
        body: Bytes::copy_from_slice(request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default()),
    };
    let SimReply { status, headers, body } = world.exchange_request(&life, ask).await?;
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Ok(response.body(body)?.into())
}

async fn forward_to_cluster(
    world: SimWorld,
    life: OperatorLife,
    request: Request<Body>,
) -> Result<Response<Box<DynBody>>, BoxError> {
    let (parts, body) = request.into_parts();
    let ask = SimRequest {
        side: SimServer::Cluster,
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: headers(&parts.headers),
        body: body.collect().await?.to_bytes(),
    };
    if ask.parameter("watch").is_some() {
        return serve_watch(world, life, ask).await;
    }
    to_http_response(world.exchange_request(&life, ask).await?)
}

fn to_http_response(SimReply { status, headers, body }: SimReply) -> Result<Response<Box<DynBody>>, BoxError> {
    let body: Box<DynBody> = Box::new(Body::from(body.to_vec()).map_err(BoxError::from));
    let mut response = Response::builder().status(status).header("content-type", "application/json");
    for (name, value) in headers.into_iter().filter(|(name, _)| name == "date") {
        response = response.header(name, value);
    }
    Ok(response.body(body)?)
}

/// Time between two bookmarks of an idle watch.
const BOOKMARKS: Duration = Duration::from_mins(1);

/// Serves a watch: it sends changes in order, after the lag, until its time is over.
async fn serve_watch(
    world: SimWorld,
    life: OperatorLife,
    request: SimRequest,
) -> Result<Response<Box<DynBody>>, BoxError> {
    let begun = world.begin_watch(&life, &request).await?;
    let mut watching = match begun {
        Ok(watching) => watching,
        Err(reply) => return to_http_response(reply),
    };
    let (lines, told) = futures::channel::mpsc::unbounded::<Result<Bytes, Infallible>>();
    tokio::spawn(async move {
        let closes = tokio::time::Instant::now() + Duration::from_secs(watching.seconds);
        let mut changes = world.lock().cluster.subscribe_changes();
        loop {
            changes.borrow_and_update();
            let untold = {
                let state = world.lock();
                let until = tenantry_runtime::clock::now() - state.watch_delay;
                while let Some(line) = state.cluster.next_event(&mut watching, &request, until) {
                    if lines.unbounded_send(Ok(line)).is_err() {
                        return;
                    }
                }
                state.cluster.oldest_unsent_change(&watching).map(|at| at + state.watch_delay)
            };
            let pause = untold.map_or(BOOKMARKS, |due| {
                Duration::try_from(due.duration_since(tenantry_runtime::clock::now()))
                    .unwrap_or_default()
                    .max(Duration::from_millis(1))
            });
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(closes) => break,
                _ = changes.changed() => {}
                () = tokio::time::sleep(pause) => {
                    let is_gone = untold.is_none() && lines.unbounded_send(Ok(SimCluster::bookmark(&watching))).is_err();
                    if is_gone {
                        return;
                    }
                }
            }
        }
        let _ = lines.unbounded_send(Ok(SimCluster::bookmark(&watching)));
    });
    let body: Box<DynBody> = Box::new(axum::body::Body::from_stream(told).map_err(BoxError::from));
    Ok(Response::builder().status(200).header("content-type", "application/json").body(body)?)
}
