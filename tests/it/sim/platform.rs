//! The real platform in this process: a separate runtime on another thread, SQLite in memory that survives the lives of
//! operators, and a clock that each request sets. The caller blocks until the answer arrives, so that the virtual time
//! of a simulation does not advance meanwhile.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use jiff::Timestamp;
use serde_json::Value;
use sqlx::{AnyPool, Row};
use tenantry_platform::{Config, Credential, router_for_simulation};
use tower::ServiceExt;

use super::request::{SimReply, SimRequest};

/// A tenant in the database.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SimTenant {
    pub(crate) id: String,
    /// Unique id of the parent tenant.
    pub(crate) parent: String,
    pub(crate) name: String,
    /// `ACTIVE`, `SUSPENDED` or `TERMINATED`.
    pub(crate) state: String,
    /// `cluster/kind/namespace/name` of the owner.
    pub(crate) place: Option<String>,
    /// UID of the owner.
    pub(crate) uid: Option<String>,
    pub(crate) settings: Value,
}

enum PlatformJob {
    Ask(Timestamp, Box<SimRequest>, SyncSender<SimReply>),
    Tenants(SyncSender<Vec<SimTenant>>),
    Reset(SyncSender<()>),
}

/// A platform for the simulations of one thread, one after the other.
pub(crate) struct SimPlatform {
    jobs: Sender<PlatformJob>,
    pub(crate) credential: Credential,
    folder: PathBuf,
}

impl Drop for SimPlatform {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Returns a folder in memory, if the machine has one.
fn memory_folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let memory = PathBuf::from("/dev/shm");
    let root = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let folder = root.join(format!("tenantry-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

impl SimPlatform {
    /// Starts a platform with the extensions, or with only the documented API.
    pub(crate) fn start(documented_only: bool) -> Self {
        let folder = memory_folder();
        let database = folder.join("platform.db").display().to_string();
        let (jobs, queue) = channel();
        let (started, credential) = channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(Box::pin(serve_jobs(database, documented_only, queue, started)));
        });
        Self { jobs, credential: credential.recv().unwrap(), folder }
    }

    fn run_job<T>(&self, job: impl FnOnce(SyncSender<T>) -> PlatformJob) -> T {
        let (answer, answered) = sync_channel(1);
        self.jobs.send(job(answer)).unwrap();
        answered.recv().unwrap()
    }

    /// Carries out a request at a time.
    pub(crate) fn carry_out(&self, request: &SimRequest, at: Timestamp) -> SimReply {
        self.run_job(|answer| PlatformJob::Ask(at, Box::new(request.clone()), answer))
    }

    /// Returns every tenant, including terminated ones.
    pub(crate) fn tenants(&self) -> Vec<SimTenant> {
        self.run_job(PlatformJob::Tenants)
    }

    /// Removes everything except the service provider and its credential.
    pub(crate) fn reset(&self) {
        self.run_job(PlatformJob::Reset);
    }
}

async fn serve_jobs(
    database: String,
    documented_only: bool,
    queue: Receiver<PlatformJob>,
    started: Sender<Credential>,
) {
    let config = Config { limits: None, documented_only, ..Config::new(&database) };
    let (router, credential) = router_for_simulation(&config).await.unwrap();
    let pool = AnyPool::connect(&format!("sqlite://{database}")).await.unwrap();
    started.send(credential.unwrap()).unwrap();
    while let Ok(job) = queue.recv() {
        match job {
            PlatformJob::Ask(at, ask, answer) => {
                tenantry_runtime::clock::follow_tokio_clock(at);
                let _ = answer.send(carry_out(&router, &ask).await);
            }
            PlatformJob::Tenants(answer) => {
                let _ = answer.send(read_tenants(&pool).await);
            }
            PlatformJob::Reset(answer) => {
                for statement in if documented_only { &RESET_DOCUMENTED[..] } else { &RESET[..] } {
                    sqlx::query(*statement).execute(&pool).await.unwrap();
                }
                let _ = answer.send(());
            }
        }
    }
}

const RESET: [&str; 9] = [
    "DELETE FROM audit",
    "DELETE FROM audit_head",
    "DELETE FROM image",
    "DELETE FROM branding",
    "DELETE FROM mark",
    "DELETE FROM token",
    "DELETE FROM tenant WHERE kind = 'CLIENT'",
    "DELETE FROM tenant WHERE kind = 'MSP'",
    "UPDATE counter SET value = 1 WHERE name = 'tenant'",
];

/// The same, but keeps the partner of the credential.
const RESET_DOCUMENTED: [&str; 8] = [
    "DELETE FROM audit",
    "DELETE FROM audit_head",
    "DELETE FROM image",
    "DELETE FROM branding",
    "DELETE FROM mark",
    "DELETE FROM token",
    "DELETE FROM tenant WHERE kind = 'CLIENT'",
    "UPDATE counter SET value = 2 WHERE name = 'tenant'",
];

async fn carry_out(router: &Router, ask: &SimRequest) -> SimReply {
    let query = if ask.query.is_empty() { String::new() } else { format!("?{}", ask.query) };
    let mut request = Request::builder().method(ask.method.clone()).uri(format!("{}{query}", ask.path));
    for (name, value) in &ask.headers {
        request = request.header(name, value);
    }
    let request = request.body(Body::from(ask.body.clone())).unwrap();
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let headers =
        parts.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()));
    let (status, headers) = (parts.status.as_u16(), headers.collect());
    SimReply { status, headers, body: body.collect().await.unwrap().to_bytes() }
}

async fn read_tenants(pool: &AnyPool) -> Vec<SimTenant> {
    let rows = sqlx::query(
        "SELECT t.unique_id, p.unique_id AS parent, t.name, t.state, t.mark_place, t.mark_uid, t.settings \
         FROM tenant t JOIN tenant p ON p.id = t.parent_id ORDER BY t.id",
    );
    let rows = rows.fetch_all(pool).await.unwrap();
    rows.iter()
        .map(|row| SimTenant {
            id: row.get("unique_id"),
            parent: row.get("parent"),
            name: row.get("name"),
            state: row.get("state"),
            place: row.get("mark_place"),
            uid: row.get("mark_uid"),
            settings: serde_json::from_str(row.get("settings")).unwrap(),
        })
        .collect()
}
