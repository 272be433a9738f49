//! The operator: keeps the tenants of a platform equal to the Partner and Client objects of a cluster.

mod apply;
mod claim;
mod connections;
mod context;
mod counts;
mod dereference;
mod drift;
mod ending;
mod error;
mod events;
mod finalizer;
mod guard;
mod identity;
mod lease;
mod manage;
mod metrics;
mod object;
mod pass;
mod probes;
mod resolve;
mod secrets;
mod settings;
mod status;
mod wake;
mod watch;

use std::convert::Infallible;
use std::sync::Arc;

use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, unbounded};
use k8s_openapi::api::core::v1::Namespace;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::applier;
use kube::runtime::controller::{Action, Config as ControllerConfig};
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::{Api, Client, Config};
use rand::RngExt;

pub use settings::Settings;

use claim::Claim;
use connections::Connections;
use context::{Context, Room};
use events::Events;
use lease::Keeper;
use metrics::Metrics;
use object::TenantObject;
use secrets::Secrets;

/// Who writes, as managedFields show it.
const FIELD_MANAGER: &str = "tenantry-operator";

/// A Pod is killed 30 s after it was asked to end: a lease given back before that spares the successor the wait.
const DRAIN: std::time::Duration = std::time::Duration::from_secs(20);

/// Why the operator cannot start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No cluster is named.
    #[error(
        "outside a cluster name one: set `--kubeconfig` or `--context`, since the current context may be somebody's production"
    )]
    NoCluster,
    /// No namespace is named.
    #[error("outside a cluster name the operator's namespace: set `--namespace`")]
    NoNamespace,
    /// The kubeconfig cannot be used.
    #[error("the kubeconfig cannot be used: {0}")]
    Kubeconfig(String),
    /// The cluster cannot be told from others.
    #[error("the UID of namespace `kube-system` cannot be read ({0}): set `--cluster-id`")]
    NoClusterId(String),
    /// The times of leadership do not fit together.
    #[error("{0}")]
    Terms(&'static str),
    /// It led and does so no more.
    #[error("this operator no longer leads: {0}; it ends, to begin anew as a standby")]
    NoLongerLeads(String),
    /// The client cannot be made.
    #[error("the API server cannot be reached: {0}")]
    Client(String),
    /// The probes cannot be served.
    #[error("`--listen {address}` cannot be bound: {error}")]
    Listen {
        /// Address that was asked for.
        address: std::net::SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
}

/// Runs until `stop` is done, then lets the calls in flight end.
///
/// # Errors
/// When it cannot start, and when it led and does so no more.
pub async fn run(settings: Settings, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), StartError> {
    let claim = Claim::default();
    let (client, keeper) = clients(&settings, &claim).await?;
    let cluster = cluster_id(&client, &settings).await?;
    let (partner_store, partner_writer) = store();
    let (client_store, client_writer) = store();
    let (partner_queue, partner_wakes) = unbounded();
    let (client_queue, client_wakes) = unbounded();
    let context = Arc::new(Context {
        client: client.clone(),
        cluster,
        partners: Room::new(partner_store.clone(), partner_queue),
        clients: Room::new(client_store.clone(), client_queue),
        connections: Connections::new(settings.request_timeout, claim.clone()),
        secrets: Secrets::new(client.clone()),
        events: Events::new(client.clone()),
        metrics: Metrics::new(),
        creating: std::sync::Mutex::default(),
        ready: tokio::sync::watch::Sender::new(false),
        claim,
        settings,
    });
    let address = context.settings.listen;
    probes::serve(address, Arc::clone(&context)).await.map_err(|error| StartError::Listen { address, error })?;
    tracing::info!(cluster = context.cluster, listen = %address, "started");
    let (ended, end) = tokio::sync::watch::channel(false);
    tokio::spawn(async move {
        stop.await;
        let _ = ended.send(true);
    });
    let watches = [
        tokio::spawn(watch::watch(client.clone(), partner_writer, Arc::clone(&context))),
        tokio::spawn(watch::watch(client.clone(), client_writer, Arc::clone(&context))),
        tokio::spawn(watch::watch_images(client, Arc::clone(&context))),
        tokio::spawn(when_synced(Arc::clone(&context))),
    ];
    let passes = futures::future::join(
        work(partner_store, partner_wakes, Arc::clone(&context), end.clone()),
        work(client_store, client_wakes, Arc::clone(&context), end.clone()),
    );
    let led = lead(keeper, context, passes, end).await;
    for watch in watches {
        watch.abort();
    }
    tracing::info!("stopped");
    led
}

/// The client of everybody, which changes something only under the claim, and the keeper of the lease with its own.
async fn clients(settings: &Settings, claim: &Claim) -> Result<(Client, Keeper), StartError> {
    let terms = settings.terms().map_err(StartError::Terms)?;
    let config = config(settings).await?;
    let unfit = |error: kube::Error| StartError::Client(error.to_string());
    let namespace = settings.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let keeper = Keeper::new(config.clone(), &namespace, terms, claim.clone()).map_err(unfit)?;
    Ok((guard::client(config, claim).map_err(unfit)?, keeper))
}

/// Keeps the lease while passes are made, and gives it back after the last; without it nothing goes on.
async fn lead<T>(
    keeper: Keeper,
    context: Arc<Context>,
    passes: impl Future<Output = T>,
    mut end: tokio::sync::watch::Receiver<bool>,
) -> Result<(), StartError> {
    let (let_go, mut is_over) = tokio::sync::oneshot::channel();
    let mut keeping = tokio::spawn(async move {
        // One that cannot list the objects would keep another from working on them.
        tokio::select! {
            () = context.synced() => {}
            _ = &mut is_over => return Ok(()),
        }
        keeper.keep(is_over).await
    });
    let overdue = async {
        let _ = end.wait_for(|is_over| *is_over).await;
        tokio::time::sleep(DRAIN).await;
    };
    let kept = tokio::select! {
        ended = &mut keeping => ended,
        _ = passes => { let _ = let_go.send(()); keeping.await }
        () = overdue => { let _ = let_go.send(()); keeping.await }
    };
    match kept {
        Ok(Ok(())) => Ok(()),
        Ok(Err(lost)) => Err(StartError::NoLongerLeads(lost.to_string())),
        Err(failed) => Err(StartError::NoLongerLeads(failed.to_string())),
    }
}

/// Waits for both stores in one task alone, since a store wakes only the last that waits for it; then looks for drift.
async fn when_synced(context: Arc<Context>) {
    let synced = tokio::join!(context.partners.store.wait_until_ready(), context.clients.store.wait_until_ready());
    if let (Ok(()), Ok(())) = synced {
        context.ready.send_replace(true);
        context.claim.begun().await;
        drift::poll(context).await;
    }
}

/// Works off the queue of one kind; when the end comes, passes in flight are finished and no other is begun.
async fn work<K: TenantObject>(
    store: Store<K>,
    mut wakes: UnboundedReceiver<ObjectRef<K>>,
    context: Arc<Context>,
    mut end: tokio::sync::watch::Receiver<bool>,
) {
    tokio::select! {
        () = stand_by(&mut wakes, &context) => {}
        _ = end.wait_for(|is_over| *is_over) => return,
    }
    for object in store.state() {
        K::room(&context).wake(ObjectRef::from_obj(object.as_ref()));
    }
    let queue = wakes.map(Ok::<_, Infallible>).take_until(async move {
        let _ = end.wait_for(|is_over| *is_over).await;
    });
    let config = ControllerConfig::default().concurrency(context.settings.concurrency);
    let pass = |object: Arc<K>, context: Arc<Context>| {
        Box::pin(async move { Ok::<Action, Infallible>(pass::reconcile(object, context).await) })
    };
    let policy = |_: Arc<K>, error: &Infallible, _: Arc<Context>| match *error {};
    applier(pass, policy, context, store, queue, config)
        .for_each(|result| {
            if let Err(error) = result {
                // An object that went before its pass began: nothing is left to be done.
                tracing::debug!(kind = K::KIND.name(), %error, "no pass");
            }
            std::future::ready(())
        })
        .await;
}

/// Waits until this process leads. What is asked for meanwhile is dropped, since a leader begins with every object.
async fn stand_by<K: TenantObject>(wakes: &mut UnboundedReceiver<ObjectRef<K>>, context: &Context) {
    tokio::select! {
        () = context.claim.begun() => {}
        () = wakes.for_each(|_| std::future::ready(())) => {}
    }
}

async fn config(settings: &Settings) -> Result<Config, StartError> {
    let mut config = if settings.kubeconfig.is_some() || settings.context.is_some() {
        let read = settings.kubeconfig.as_ref().map_or_else(Kubeconfig::read, Kubeconfig::read_from);
        let kubeconfig = read.map_err(|error| StartError::Kubeconfig(error.to_string()))?;
        let options = KubeConfigOptions { context: settings.context.clone(), ..KubeConfigOptions::default() };
        let made = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        made.map_err(|error| StartError::Kubeconfig(error.to_string()))?
    } else {
        Config::incluster().map_err(|_| StartError::NoCluster)?
    };
    if settings.namespace.is_none() && (settings.kubeconfig.is_some() || settings.context.is_some()) {
        return Err(StartError::NoNamespace);
    }
    // A pass has its own deadline and its own pauses: a retry below it would send a change after its time.
    config.default_retry = false;
    Ok(config)
}

async fn cluster_id(client: &Client, settings: &Settings) -> Result<String, StartError> {
    if let Some(id) = &settings.cluster_id {
        return Ok(id.clone());
    }
    let mut pause = std::time::Duration::from_millis(250);
    let mut last = String::new();
    for _ in 0..8 {
        match Api::<Namespace>::all(client.clone()).get_metadata("kube-system").await {
            Ok(namespace) => {
                return namespace.metadata.uid.ok_or_else(|| StartError::NoClusterId("it has none".to_owned()));
            }
            Err(kube::Error::Api(status)) if status.is_forbidden() => {
                return Err(StartError::NoClusterId(status.message.clone()));
            }
            // A new cluster makes the namespace a moment after it begins to answer.
            Err(error) => last = error::sentence(&error),
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(std::time::Duration::from_secs(5));
    }
    Err(StartError::NoClusterId(last))
}

fn random_nonce() -> String {
    format!("{:032x}", rand::rng().random::<u128>())
}
