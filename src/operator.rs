//! The operator: keeps the tenants of a platform equal to the Partner and Client objects of a cluster.

mod accounts;
mod activity;
mod apply;
mod audit;
mod calm;
mod claim;
mod connections;
mod context;
mod counts;
mod dated;
mod deadline;
mod dereference;
mod drift;
mod ending;
mod error;
mod events;
mod finalizer;
mod guard;
mod identity;
mod installation;
mod lease;
mod manage;
mod metrics;
mod newer;
mod object;
mod pass;
mod probes;
mod reads;
mod records;
mod secrets;
mod servers;
mod settings;
mod status;
mod tasks;
mod wake;
mod watch;

use std::convert::Infallible;
use std::sync::Arc;

use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, unbounded};
use futures::future::BoxFuture;
use kube::runtime::applier;
use kube::runtime::controller::{Action, Config as ControllerConfig};
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{ObjectRef, store};
use rand::RngExt;

pub use servers::{ClusterWire, Servers};
pub use settings::{Hosts, Moves, Names, Settings};

use crate::api::{Partner, TenantClient};
use crate::connect::{Dial, Exchange, ServerClock, tallied};
use accounts::Accounts;
use activity::Activity;
use claim::Claim;
use connections::Connections;
use context::{Context, Room};
use deadline::Deadline;
use events::Events;
use guard::Layers;
use lease::Keeper;
use metrics::Metrics;
use object::TenantObject;
use records::RecordKeys;
use servers::cluster_id;
use tasks::Tasks;

/// Who writes, as managedFields show it.
const FIELD_MANAGER: &str = "tenantry-operator";

/// What an answer leads to takes some requests to the API server: so much longer than a request may take is waited for one
/// that is under way when the end comes. The chart asks for a little more than both, so that the lease is given back too.
const RECORDING: std::time::Duration = std::time::Duration::from_secs(15);

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
    /// A task without which nothing goes on has ended.
    #[error("the task `{task}` has ended ({why}): the process ends, to be started again")]
    TaskEnded {
        /// Its name.
        task: &'static str,
        /// How it came about.
        why: String,
    },
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
    let servers = Servers::named(&settings).await?;
    let operator = Operator::new(settings, servers).await?;
    let address = operator.context.settings.listen;
    let probes = probes::serve(address, Arc::clone(&operator.context));
    let probes = probes.await.map_err(|error| StartError::Listen { address, error })?;
    tracing::info!(cluster = operator.context.cluster, listen = %address, "started");
    let mut served = Tasks::default();
    served.push("probes", probes);
    tokio::select! {
        worked = operator.work(stop) => worked,
        ended = served.first_ended() => Err(ended),
    }
}

/// An operator that has its servers and has not begun.
pub struct Operator {
    context: Arc<Context>,
    keeper: Keeper,
    partners: Feed<Partner>,
    clients: Feed<TenantClient>,
}

/// What fills the store of a kind and what asks for its passes.
struct Feed<K: TenantObject> {
    writer: Writer<K>,
    wakes: UnboundedReceiver<ObjectRef<K>>,
}

fn room<K: TenantObject>() -> (Room<K>, Feed<K>) {
    let ((store, writer), (queue, wakes)) = (store(), unbounded());
    (Room::new(store, queue), Feed { writer, wakes })
}

/// Ways to platforms that tell the counters and the audit of each exchange.
fn told(dial: Dial, metrics: &Arc<Metrics>) -> Dial {
    let metrics = Arc::clone(metrics);
    let tell = move |exchange: Exchange| {
        audit::note(&exchange);
        metrics.exchanged(&exchange);
    };
    Arc::new(move |connection, timeout| Ok(tallied(dial(connection, timeout)?, tell.clone())))
}

impl Operator {
    /// An operator on these servers.
    ///
    /// # Errors
    /// When the flags do not fit together or the cluster cannot be told from others.
    pub async fn new(settings: Settings, servers: Servers) -> Result<Self, StartError> {
        // Boxed here and below, so that all of it is compiled once, here, and not again by each who calls it.
        let made: BoxFuture<'static, Result<Self, StartError>> = Box::pin(Self::made(settings, servers));
        made.await
    }

    async fn made(settings: Settings, servers: Servers) -> Result<Self, StartError> {
        let claim = Claim::default();
        let terms = settings.terms().map_err(StartError::Terms)?;
        let unfit = |error: kube::Error| StartError::Client(error.to_string());
        let (activity, metrics) = (Activity::default(), Arc::new(Metrics::new()));
        let (clock, deadline) =
            (Arc::new(ServerClock::default()), Deadline::new(activity.clone(), Arc::clone(&metrics)));
        let layers = Layers { claim: claim.clone(), clock: Arc::clone(&clock), deadline };
        let client = layers.client((servers.cluster)().map_err(unfit)?);
        // No queue of other requests may stand before a renewal, and the guard would refuse the first claim.
        let own = (servers.cluster)().map_err(unfit)?.build();
        let keeper = Keeper::new(own, &servers.namespace, terms, claim.clone());
        let ((partner_room, partners), (client_room, clients)) = (room(), room());
        let context = Arc::new(Context {
            cluster: cluster_id(&client, &settings).await?,
            installation: format!("{}/{}", servers.namespace, crate::object::LEASE),
            partners: partner_room,
            clients: client_room,
            accounts: Accounts::new(settings.limits()),
            connections: Connections::new(settings.request_timeout, told(servers.platform, &metrics), claim.clone()),
            secrets: secrets::secrets(client.clone()),
            config_maps: secrets::config_maps(client.clone()),
            record_keys: RecordKeys::new(client.clone(), &servers.namespace),
            events: Events::new(client.clone()),
            client,
            clock,
            metrics,
            activity,
            creating: std::sync::Mutex::default(),
            ready: tokio::sync::watch::Sender::new(false),
            claim,
            settings,
        });
        Ok(Self { context, keeper, partners, clients })
    }

    /// Works until `stop` is done, then lets the calls in flight end.
    ///
    /// # Errors
    /// When it led and does so no more.
    pub async fn work(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), StartError> {
        let worked: BoxFuture<'static, Result<(), StartError>> = Box::pin(self.work_until(Box::pin(stop)));
        worked.await
    }

    async fn work_until(self, stop: BoxFuture<'static, ()>) -> Result<(), StartError> {
        let Self { context, keeper, partners, clients } = self;
        let (ended, end) = tokio::sync::watch::channel(false);
        tokio::spawn(async move {
            stop.await;
            let _ = ended.send(true);
        });
        let client = &context.client;
        let mut tasks = Tasks::default();
        let watching = watch::watch(client.clone(), partners.writer, Arc::clone(&context));
        tasks.push("watch of Partners", tokio::spawn(watching));
        let watching = watch::watch(client.clone(), clients.writer, Arc::clone(&context));
        tasks.push("watch of Clients", tokio::spawn(watching));
        tasks.push("watch of ConfigMaps", tokio::spawn(watch::watch_images(client.clone(), Arc::clone(&context))));
        tasks.push("newer Partners", tokio::spawn(newer::work::<Partner>(Arc::clone(&context))));
        tasks.push("newer Clients", tokio::spawn(newer::work::<TenantClient>(Arc::clone(&context))));
        tasks.push("look for drift", tokio::spawn(when_synced(Arc::clone(&context))));
        let passes = futures::future::join(
            work(partners.wakes, Arc::clone(&context), end.clone()),
            work(clients.wakes, Arc::clone(&context), end.clone()),
        );
        // Without one of them the process would look alive and do half of its work.
        let led = lead(keeper, Arc::clone(&context), Work { passes, failed: tasks.first_ended() }, end).await;
        drop(tasks);
        tracing::info!("stopped");
        led
    }
}

/// What a leader does, and what must not end meanwhile.
struct Work<P, F> {
    passes: P,
    failed: F,
}

/// Keeps the lease while passes are made, and gives it back after the last; without it nothing goes on.
async fn lead<T>(
    keeper: Keeper,
    context: Arc<Context>,
    work: Work<impl Future<Output = T>, impl Future<Output = StartError>>,
    mut end: tokio::sync::watch::Receiver<bool>,
) -> Result<(), StartError> {
    let Work { passes, failed } = work;
    let drain = context.settings.request_timeout + RECORDING;
    let (let_go, mut is_over) = tokio::sync::oneshot::channel();
    let listed = Arc::clone(&context);
    let mut keeping = tokio::spawn(async move {
        // One that cannot list the objects would keep another from working on them.
        tokio::select! {
            () = listed.synced() => {}
            _ = &mut is_over => return Ok(()),
        }
        keeper.keep(is_over).await
    });
    let overdue = async {
        let _ = end.wait_for(|is_over| *is_over).await;
        tokio::time::sleep(drain).await;
    };
    let kept = tokio::select! {
        ended = &mut keeping => ended,
        _ = passes => { let _ = let_go.send(()); keeping.await }
        () = overdue => { let _ = let_go.send(()); keeping.await }
        failed = failed => {
            context.claim.end();
            // Given back as after any other end, so that a standby need not wait for its duration.
            let _ = let_go.send(());
            let _ = keeping.await;
            return Err(failed);
        }
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
    mut wakes: UnboundedReceiver<ObjectRef<K>>,
    context: Arc<Context>,
    mut end: tokio::sync::watch::Receiver<bool>,
) {
    tokio::select! {
        () = stand_by(&mut wakes, &context) => {}
        _ = end.wait_for(|is_over| *is_over) => return,
    }
    // Before the first pass, so that what it writes is recorded under the key.
    context.record_keys.key().await;
    let store = K::room(&context).store.clone();
    K::room(&context).begin_anew();
    for object in store.state() {
        K::room(&context).wake(ObjectRef::from_obj(object.as_ref()));
    }
    let ending = end.clone();
    let queue = wakes.map(Ok::<_, Infallible>).take_until(async move {
        let _ = end.wait_for(|is_over| *is_over).await;
    });
    // Without a limit here: objects wait in the lanes of their accounts, where they hold up no other account.
    let config = ControllerConfig::default();
    let pass = |object: Arc<K>, context: Arc<Context>| {
        let ending = ending.clone();
        Box::pin(async move { Ok::<Action, Infallible>(pass::queue(object, context, ending).await) })
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

fn random_nonce() -> String {
    format!("{:032x}", rand::rng().random::<u128>())
}
