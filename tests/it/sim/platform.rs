//! The real platform in this process: its own runtime on another thread, SQLite in memory that survives the lives of
//! operators, and its time of day set by each request. Whoever asks blocks until the answer is there, so that the virtual
//! time of a simulation stands still meanwhile.

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
use tenantry::platform::{Config, Credential, unlistened};
use tower::ServiceExt;

use super::ask::{Ask, Reply};

/// A tenant as the database holds it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tenant {
    pub(crate) id: String,
    /// Unique id of the tenant above.
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

enum Job {
    Ask(Timestamp, Box<Ask>, SyncSender<Reply>),
    Tenants(SyncSender<Vec<Tenant>>),
    Reset(SyncSender<()>),
}

/// A platform for one thread's simulations, one after the other.
pub(crate) struct Platform {
    jobs: Sender<Job>,
    pub(crate) credential: Credential,
    folder: PathBuf,
}

impl Drop for Platform {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A folder in memory where the machine has one.
fn folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let memory = PathBuf::from("/dev/shm");
    let root = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let folder = root.join(format!("tenantry-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

impl Platform {
    /// One that has the extensions, or one that has only what is documented.
    pub(crate) fn start(documented_only: bool) -> Self {
        let folder = folder();
        let database = folder.join("platform.db").display().to_string();
        let (jobs, queue) = channel();
        let (started, credential) = channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(Box::pin(serve((database, documented_only), queue, started)));
        });
        Self { jobs, credential: credential.recv().unwrap(), folder }
    }

    fn job<T>(&self, job: impl FnOnce(SyncSender<T>) -> Job) -> T {
        let (answer, answered) = sync_channel(1);
        self.jobs.send(job(answer)).unwrap();
        answered.recv().unwrap()
    }

    /// Carries a request out as of a time.
    pub(crate) fn answer(&self, ask: &Ask, at: Timestamp) -> Reply {
        self.job(|answer| Job::Ask(at, Box::new(ask.clone()), answer))
    }

    /// Every tenant, tombstones included.
    pub(crate) fn tenants(&self) -> Vec<Tenant> {
        self.job(Job::Tenants)
    }

    /// Leaves nothing but the service provider and its credential.
    pub(crate) fn reset(&self) {
        self.job(Job::Reset);
    }
}

async fn serve((database, documented_only): (String, bool), queue: Receiver<Job>, started: Sender<Credential>) {
    let config = Config { limits: None, documented_only, ..Config::new(&database) };
    let (router, credential) = unlistened(&config).await.unwrap();
    let pool = AnyPool::connect(&format!("sqlite://{database}")).await.unwrap();
    started.send(credential.unwrap()).unwrap();
    while let Ok(job) = queue.recv() {
        match job {
            Job::Ask(at, ask, answer) => {
                tenantry::clock::follow(at);
                let _ = answer.send(carry_out(&router, &ask).await);
            }
            Job::Tenants(answer) => {
                let _ = answer.send(tenants(&pool).await);
            }
            Job::Reset(answer) => {
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

/// The same where the partner of the credential must stay.
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

async fn carry_out(router: &Router, ask: &Ask) -> Reply {
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
    Reply { status, headers, body: body.collect().await.unwrap().to_bytes() }
}

async fn tenants(pool: &AnyPool) -> Vec<Tenant> {
    let rows = sqlx::query(
        "SELECT t.unique_id, p.unique_id AS parent, t.name, t.state, t.mark_place, t.mark_uid, t.settings \
         FROM tenant t JOIN tenant p ON p.id = t.parent_id ORDER BY t.id",
    );
    let rows = rows.fetch_all(pool).await.unwrap();
    rows.iter()
        .map(|row| Tenant {
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
