//! The operator: keeps the tenants of a platform equal to the Partner and Client objects of a cluster.

mod account_bulkheads;
mod activity;
mod apply_plan;
mod audit;
mod background_tasks;
mod cached_reads;
mod client_counts;
mod connections;
mod context;
mod create_intent;
mod deletion;
mod drift;
mod enqueue_related;
mod events;
mod finalizer;
mod flags;
mod installation;
mod leadership_claim;
mod leadership_guard;
mod lease;
mod metrics;
mod not_understood;
mod pass;
mod pass_stop;
mod probes;
mod reconcile_tenant;
mod record_key;
mod request_deadline;
mod resolve_references;
mod secrets;
mod server_clients;
mod server_date_layer;
mod status;
mod tenant_object;
mod watch;
mod watch_backoff;

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
use tenantry_api::{Partner, TenantClient};
use tenantry_client::{Connector, Exchange, ServerClock, with_observer};

pub use flags::{NamespaceNames, OperatorFlags, PlatformHosts, PlatformMoves};
pub use server_clients::{ClusterService, Servers};

use account_bulkheads::AccountBulkheads;
use activity::ApiServerActivity;
use background_tasks::BackgroundTasks;
use connections::PlatformConnections;
use context::{Context, KindState};
use events::Events;
use leadership_claim::LeadershipClaim;
use leadership_guard::ClusterLayers;
use lease::LeaseKeeper;
use metrics::OperatorMetrics;
use record_key::RecordKeyStore;
use request_deadline::DeadlineLayer;
use server_clients::read_cluster_id;
use tenant_object::TenantObject;

/// The field manager of every write, as managedFields shows it.
const FIELD_MANAGER: &str = "tenantry-operator";

/// On shutdown, a request in flight may take its full timeout, and its answer leads to a few requests to the API
/// server. This margin covers those. The chart's grace period is a little longer than both, so that the lease is
/// released too.
const SHUTDOWN_MARGIN: std::time::Duration = std::time::Duration::from_secs(15);

/// Why the operator cannot start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
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
    /// The cluster has no id that distinguishes it from others.
    #[error("the UID of namespace `kube-system` cannot be read ({0}): set `--cluster-id`")]
    NoClusterId(String),
    /// The leader election durations do not fit together.
    #[error("{0}")]
    Terms(&'static str),
    /// The process was the leader and has lost the lease.
    #[error("this operator no longer leads: {0}; the process ends and starts again as a standby")]
    NoLongerLeads(String),
    /// A required background task has ended.
    #[error("the task `{task}` has ended ({why}): the process ends, to be started again")]
    TaskEnded {
        /// Its name.
        task: &'static str,
        /// How it ended.
        why: String,
    },
    /// The Kubernetes client cannot be built.
    #[error("the API server cannot be reached: {0}")]
    Client(String),
    /// The probes cannot be served.
    #[error("`--listen {address}` cannot be bound: {error}")]
    Listen {
        /// The requested address.
        address: std::net::SocketAddr,
        /// The error of the operating system.
        error: std::io::Error,
    },
}

/// Runs until `stop` completes, then waits for the calls in flight.
///
/// # Errors
/// If the operator cannot start, or if it loses leadership.
pub async fn run(
    settings: OperatorFlags,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), OperatorError> {
    let servers = Servers::from_flags(&settings).await?;
    let operator = Operator::new(settings, servers).await?;
    let address = operator.context.settings.listen;
    let probes = probes::serve_probes(address, Arc::clone(&operator.context));
    let probes = probes.await.map_err(|error| OperatorError::Listen { address, error })?;
    tracing::info!(cluster = operator.context.cluster, listen = %address, "started");
    let mut served = BackgroundTasks::default();
    served.push("probes", probes);
    tokio::select! {
        worked = operator.run_until(stop) => worked,
        ended = served.wait_for_first_end() => Err(ended),
    }
}

/// An operator that is set up and not yet started.
pub struct Operator {
    context: Arc<Context>,
    keeper: LeaseKeeper,
    partners: KindFeed<Partner>,
    clients: KindFeed<TenantClient>,
}

/// The writer of a kind's store, and the receiver of its queue.
struct KindFeed<K: TenantObject> {
    writer: Writer<K>,
    requests: UnboundedReceiver<ObjectRef<K>>,
}

fn new_kind_state<K: TenantObject>() -> (KindState<K>, KindFeed<K>) {
    let ((store, writer), (queue, wakes)) = (store(), unbounded());
    (KindState::new(store, queue), KindFeed { writer, requests: wakes })
}

/// Wraps a connector so that metrics and audit log observe each exchange with a platform.
fn instrument_connector(connector: Connector, metrics: &Arc<OperatorMetrics>) -> Connector {
    let metrics = Arc::clone(metrics);
    let tell = move |exchange: Exchange| {
        audit::record_exchange(&exchange);
        metrics.record_exchange(&exchange);
    };
    Arc::new(move |connection, timeout| Ok(with_observer(connector(connection, timeout)?, tell.clone())))
}

impl Operator {
    /// Builds an operator for these servers.
    ///
    /// # Errors
    /// If the flags do not fit together, or the cluster has no id that distinguishes it from others.
    pub async fn new(settings: OperatorFlags, servers: Servers) -> Result<Self, OperatorError> {
        // Boxed here and below, so that the future is compiled once here and not again in each caller.
        let made: BoxFuture<'static, Result<Self, OperatorError>> = Box::pin(Self::build(settings, servers));
        made.await
    }

    async fn build(settings: OperatorFlags, servers: Servers) -> Result<Self, OperatorError> {
        let claim = LeadershipClaim::default();
        let terms = settings.lease_terms().map_err(OperatorError::Terms)?;
        let unfit = |error: kube::Error| OperatorError::Client(error.to_string());
        let (activity, metrics) = (ApiServerActivity::default(), Arc::new(OperatorMetrics::new()));
        let (clock, deadline) =
            (Arc::new(ServerClock::default()), DeadlineLayer::new(activity.clone(), Arc::clone(&metrics)));
        let layers = ClusterLayers { claim: claim.clone(), clock: Arc::clone(&clock), deadline };
        let client = layers.build_client((servers.cluster_client)().map_err(unfit)?);
        // The lease client has its own connection: no queue of other requests delays a renewal, and the leadership
        // guard does not refuse the first claim.
        let own = (servers.cluster_client)().map_err(unfit)?.build();
        let keeper = LeaseKeeper::new(own, &servers.namespace, terms, claim.clone());
        let ((partner_room, partners), (client_room, clients)) = (new_kind_state(), new_kind_state());
        let context = Arc::new(Context {
            cluster: read_cluster_id(&client, &settings).await?,
            installation: format!("{}/{}", servers.namespace, tenantry_core::object::LEASE_NAME),
            partners: partner_room,
            clients: client_room,
            accounts: AccountBulkheads::new(settings.concurrency_limits()),
            connections: PlatformConnections::new(
                settings.request_timeout,
                instrument_connector(servers.connector, &metrics),
                claim.clone(),
            ),
            secrets: secrets::secret_reads(client.clone()),
            config_maps: secrets::config_map_reads(client.clone()),
            record_keys: RecordKeyStore::new(client.clone(), &servers.namespace),
            events: Events::new(client.clone()),
            client,
            clock,
            metrics,
            activity,
            create_locks: std::sync::Mutex::default(),
            ready: tokio::sync::watch::Sender::new(false),
            claim,
            settings,
        });
        Ok(Self { context, keeper, partners, clients })
    }

    /// Runs until `stop` completes, then waits for the calls in flight.
    ///
    /// # Errors
    /// If it loses leadership.
    pub async fn run_until(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), OperatorError> {
        let worked: BoxFuture<'static, Result<(), OperatorError>> = Box::pin(self.run_tasks(Box::pin(stop)));
        worked.await
    }

    async fn run_tasks(self, stop: BoxFuture<'static, ()>) -> Result<(), OperatorError> {
        let Self { context, keeper, partners, clients } = self;
        let (ended, end) = tokio::sync::watch::channel(false);
        tokio::spawn(async move {
            stop.await;
            let _ = ended.send(true);
        });
        let client = &context.client;
        let mut tasks = BackgroundTasks::default();
        let watching = watch::watch_kind(client.clone(), partners.writer, Arc::clone(&context));
        tasks.push("watch of Partners", tokio::spawn(watching));
        let watching = watch::watch_kind(client.clone(), clients.writer, Arc::clone(&context));
        tasks.push("watch of Clients", tokio::spawn(watching));
        tasks.push("watch of ConfigMaps", tokio::spawn(watch::watch_images(client.clone(), Arc::clone(&context))));
        tasks.push(
            "newer Partners",
            tokio::spawn(not_understood::handle_not_understood::<Partner>(Arc::clone(&context))),
        );
        tasks.push(
            "newer Clients",
            tokio::spawn(not_understood::handle_not_understood::<TenantClient>(Arc::clone(&context))),
        );
        tasks.push("look for drift", tokio::spawn(poll_drift_when_synced(Arc::clone(&context))));
        let passes = futures::future::join(
            run_controller(partners.requests, Arc::clone(&context), end.clone()),
            run_controller(clients.requests, Arc::clone(&context), end.clone()),
        );
        // Without one of these tasks the process would seem alive and do half of its work.
        let led = run_as_leader(
            keeper,
            Arc::clone(&context),
            LeaderWork { passes, task_failure: tasks.wait_for_first_end() },
            end,
        )
        .await;
        drop(tasks);
        tracing::info!("stopped");
        led
    }
}

/// The passes of a leader, and the background tasks that must not end meanwhile.
struct LeaderWork<P, F> {
    passes: P,
    task_failure: F,
}

/// Keeps the lease while passes run and releases it after the last one. Without the lease all work stops.
async fn run_as_leader<T>(
    keeper: LeaseKeeper,
    context: Arc<Context>,
    work: LeaderWork<impl Future<Output = T>, impl Future<Output = OperatorError>>,
    mut end: tokio::sync::watch::Receiver<bool>,
) -> Result<(), OperatorError> {
    let LeaderWork { passes, task_failure: failed } = work;
    let drain = context.settings.request_timeout + SHUTDOWN_MARGIN;
    let (let_go, mut is_over) = tokio::sync::oneshot::channel();
    let listed = Arc::clone(&context);
    let mut keeping = tokio::spawn(async move {
        // A process that cannot list the objects must not hold the lease, since it would keep another from working on
        // them.
        tokio::select! {
            () = listed.wait_until_synced() => {}
            _ = &mut is_over => return Ok(()),
        }
        keeper.keep_lease(is_over).await
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
            context.claim.revoke();
            // Released as after any other end, so that a standby need not wait for the lease duration.
            let _ = let_go.send(());
            let _ = keeping.await;
            return Err(failed);
        }
    };
    match kept {
        Ok(Ok(())) => Ok(()),
        Ok(Err(lost)) => Err(OperatorError::NoLongerLeads(lost.to_string())),
        Err(failed) => Err(OperatorError::NoLongerLeads(failed.to_string())),
    }
}

/// Waits for both stores, then polls for drift. Only this task waits, since a store wakes only its last waiter.
async fn poll_drift_when_synced(context: Arc<Context>) {
    let synced = tokio::join!(context.partners.store.wait_until_ready(), context.clients.store.wait_until_ready());
    if let (Ok(()), Ok(())) = synced {
        context.ready.send_replace(true);
        context.claim.wait_until_leading().await;
        drift::poll_drift(context).await;
    }
}

/// Runs the controller of one kind. On shutdown, passes in flight are finished and no new one begins.
async fn run_controller<K: TenantObject>(
    mut requests: UnboundedReceiver<ObjectRef<K>>,
    context: Arc<Context>,
    mut end: tokio::sync::watch::Receiver<bool>,
) {
    tokio::select! {
        () = wait_as_standby(&mut requests, &context) => {}
        _ = end.wait_for(|is_over| *is_over) => return,
    }
    // Before the first pass, so that the records that it writes use the key.
    context.record_keys.load_key().await;
    let store = K::kind_state(&context).store.clone();
    K::kind_state(&context).clear_due();
    for object in store.state() {
        K::kind_state(&context).enqueue(ObjectRef::from_obj(object.as_ref()));
    }
    let ending = end.clone();
    let queue = requests.map(Ok::<_, Infallible>).take_until(async move {
        let _ = end.wait_for(|is_over| *is_over).await;
    });
    // No limit here: objects wait in the queues of their accounts, where they hold up no other account.
    let config = ControllerConfig::default();
    let pass = |object: Arc<K>, context: Arc<Context>| {
        let ending = ending.clone();
        Box::pin(async move { Ok::<Action, Infallible>(pass::wait_and_reconcile(object, context, ending).await) })
    };
    let policy = |_: Arc<K>, error: &Infallible, _: Arc<Context>| match *error {};
    applier(pass, policy, context, store, queue, config)
        .for_each(|result| {
            if let Err(error) = result {
                // The object was removed before its pass began; there is nothing to do.
                tracing::debug!(kind = K::KIND.name(), %error, "no pass");
            }
            std::future::ready(())
        })
        .await;
}

/// Waits until this process leads. Requests that arrive meanwhile are dropped, since a new leader enqueues every
/// object.
async fn wait_as_standby<K: TenantObject>(requests: &mut UnboundedReceiver<ObjectRef<K>>, context: &Context) {
    tokio::select! {
        () = context.claim.wait_until_leading() => {}
        () = requests.for_each(|_| std::future::ready(())) => {}
    }
}

fn random_nonce() -> String {
    format!("{:032x}", rand::rng().random::<u128>())
}
