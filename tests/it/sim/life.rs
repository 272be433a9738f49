//! A life of the operator on the simulated servers: the real one, on a paused clock.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Request, Response};
use clap::Parser;
use http_body_util::BodyExt;
use kube::client::{Body, ClientBuilder, DynBody};
use tenantry::connect::Wire;
use tenantry::operator::{ClusterWire, Operator, Servers, Settings, StartError};
use tower::{BoxError, service_fn};

use super::ask::{Ask, Reply, Side};
use super::cluster::Cluster;
use super::seam::{Life, World};
use super::troubles::OTHER_HOST;

/// Namespace of lease, evidence and ledger.
pub(crate) const HOME: &str = "tenantry-system";
/// Host of the platform.
pub(crate) const HOST: &str = "platform.example";

/// The operator's flags. Long leases, since their renewals are requests too; nothing else differs from the defaults.
pub(crate) fn settings() -> Settings {
    settings_with(&[])
}

/// The same with more flags.
pub(crate) fn settings_with(more: &[&str]) -> Settings {
    let flags = [
        "--platform-hosts",
        HOST,
        "--namespace",
        HOME,
        "--cluster-id",
        "sim",
        "--lease-duration",
        "30m",
        "--renew-deadline",
        "25m",
        "--retry-period",
        "12m",
    ];
    Settings::parse_from(["tenantry-operator"].iter().chain(&flags).chain(more))
}

/// The same where the accounts have hosts of their own.
pub(crate) fn wide_settings() -> Settings {
    let hosts = format!("{HOST},{OTHER_HOST}");
    let Settings { platform_hosts, .. } = Settings::parse_from(["tenantry-operator", "--platform-hosts", &hosts]);
    Settings { platform_hosts, ..settings() }
}

/// Lives one life while `script` goes on beside it; ends with the script, or when the operator ends by itself or crashes.
/// Returns the script's result where it came to its end.
pub(crate) fn live<T>(world: &World, life: &Life, settings: Settings, script: impl Future<Output = T>) -> Option<T> {
    live_beside(world, (life, false), settings, script)
}

/// An operator beside the one of a life, which crashes and is started again for itself.
async fn second(world: &World, life: &Life, settings: &Settings) {
    for number in 1.. {
        let own = Life::new(1000 * life.number + number);
        tokio::select! {
            biased;
            () = own.over() => {}
            _ = operate(world, &own, settings.clone()) => {}
        }
        own.end();
        world.lock().oracle.alive.remove(&own.number);
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

/// The same, with a second operator beside it or without.
pub(crate) fn live_beside<T>(
    world: &World,
    (life, is_doubled): (&Life, bool),
    settings: Settings,
    script: impl Future<Output = T>,
) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let ended = runtime.block_on(async {
        tenantry::clock::follow(world.lock().now);
        tokio::pin!(script);
        let beside = async {
            if is_doubled {
                second(world, life, &settings).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::pin!(beside);
        loop {
            let running = operate(world, life, settings.clone());
            tokio::select! {
                biased;
                () = life.over() => break None,
                done = &mut script => break Some(done),
                () = &mut beside => break None,
                // A Pod whose operator ends is started again.
                ended = running => {
                    let mut state = world.lock();
                    state.oracle.left(life.number);
                    state.tell(tenantry::clock::now(), format!(" ! the operator ended: {ended:?}"));
                }
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    });
    {
        let mut state = world.lock();
        state.now = runtime.block_on(async { tenantry::clock::now() });
        let now = state.now;
        state.tell(now, format!("life {} ends", life.number));
        state.oracle.alive.clear();
    }
    life.end();
    drop(runtime);
    ended
}

/// One operator, until it ends by itself.
pub(crate) async fn operate(world: &World, life: &Life, settings: Settings) -> Result<(), StartError> {
    operate_until(world, life, (settings, std::future::pending())).await
}

/// One operator, until it is asked to end or ends by itself.
pub(crate) async fn operate_until(
    world: &World,
    life: &Life,
    (settings, stop): (Settings, impl Future<Output = ()> + Send + 'static),
) -> Result<(), StartError> {
    world.lock().oracle.alive.insert(life.number);
    let home = settings.namespace.clone().unwrap_or_else(|| HOME.to_owned());
    let operator = Box::pin(Operator::new(settings, servers(world, life, home))).await?;
    Box::pin(operator.work(stop)).await
}

fn servers(world: &World, life: &Life, home: String) -> Servers {
    let (for_cluster, for_platform) = ((world.clone(), life.clone()), (world.clone(), life.clone()));
    Servers {
        cluster: Box::new(move || {
            let (world, life) = for_cluster.clone();
            let service = service_fn(move |request| {
                let (world, life) = (world.clone(), life.clone());
                async move { Box::pin(to_cluster(world, life, request)).await }
            });
            Ok(ClientBuilder::new(ClusterWire::new(service), "default"))
        }),
        namespace: home,
        platform: Arc::new(move |_, _| {
            let (world, life) = for_platform.clone();
            let service = service_fn(move |request| {
                let (world, life) = (world.clone(), life.clone());
                async move { Box::pin(to_platform(world, life, request)).await }
            });
            Ok(Wire::new(service))
        }),
    }
}

fn headers(all: &axum::http::HeaderMap) -> BTreeMap<String, String> {
    let text = |value: &axum::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    all.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

/// All hosts lead to the same platform; faults tell them apart.
fn with_host(mut headers: BTreeMap<String, String>, url: &url::Url) -> BTreeMap<String, String> {
    headers.insert("host".to_owned(), url.host_str().unwrap_or_default().to_owned());
    headers
}

async fn to_platform(world: World, life: Life, request: reqwest::Request) -> Result<reqwest::Response, BoxError> {
    let ask = Ask {
        side: Side::Platform,
        method: request.method().clone(),
        path: request.url().path().to_owned(),
        query: request.url().query().unwrap_or_default().to_owned(),
        headers: with_host(headers(request.headers()), request.url()),
        body: Bytes::copy_from_slice(request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default()),
    };
    let Reply { status, headers, body } = world.exchange(&life, ask).await?;
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Ok(response.body(body)?.into())
}

async fn to_cluster(world: World, life: Life, request: Request<Body>) -> Result<Response<Box<DynBody>>, BoxError> {
    let (parts, body) = request.into_parts();
    let ask = Ask {
        side: Side::Cluster,
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: headers(&parts.headers),
        body: body.collect().await?.to_bytes(),
    };
    if ask.parameter("watch").is_some() {
        return watch(world, life, ask).await;
    }
    answer(world.exchange(&life, ask).await?)
}

fn answer(Reply { status, headers, body }: Reply) -> Result<Response<Box<DynBody>>, BoxError> {
    let body: Box<DynBody> = Box::new(Body::from(body.to_vec()).map_err(BoxError::from));
    let mut response = Response::builder().status(status).header("content-type", "application/json");
    for (name, value) in headers.into_iter().filter(|(name, _)| name == "date") {
        response = response.header(name, value);
    }
    Ok(response.body(body)?)
}

/// Time between two bookmarks of a watch in which nothing happens.
const BOOKMARKS: Duration = Duration::from_mins(1);

/// A watch: what changed is told in order, after the lag, until its time is over.
async fn watch(world: World, life: Life, ask: Ask) -> Result<Response<Box<DynBody>>, BoxError> {
    let begun = world.begin_watch(&life, &ask).await?;
    let mut watching = match begun {
        Ok(watching) => watching,
        Err(reply) => return answer(reply),
    };
    let (lines, told) = futures::channel::mpsc::unbounded::<Result<Bytes, Infallible>>();
    tokio::spawn(async move {
        let closes = tokio::time::Instant::now() + Duration::from_secs(watching.seconds);
        let mut changes = world.lock().cluster.changes();
        loop {
            changes.borrow_and_update();
            let untold = {
                let state = world.lock();
                let until = tenantry::clock::now() - state.lag;
                while let Some(line) = state.cluster.next_event(&mut watching, &ask, until) {
                    if lines.unbounded_send(Ok(line)).is_err() {
                        return;
                    }
                }
                state.cluster.oldest_untold(&watching).map(|at| at + state.lag)
            };
            let pause = untold.map_or(BOOKMARKS, |due| {
                Duration::try_from(due.duration_since(tenantry::clock::now()))
                    .unwrap_or_default()
                    .max(Duration::from_millis(1))
            });
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(closes) => break,
                _ = changes.changed() => {}
                () = tokio::time::sleep(pause) => {
                    let is_gone = untold.is_none() && lines.unbounded_send(Ok(Cluster::bookmark(&watching))).is_err();
                    if is_gone {
                        return;
                    }
                }
            }
        }
        let _ = lines.unbounded_send(Ok(Cluster::bookmark(&watching)));
    });
    let body: Box<DynBody> = Box::new(axum::body::Body::from_stream(told).map_err(BoxError::from));
    Ok(Response::builder().status(200).header("content-type", "application/json").body(body)?)
}
