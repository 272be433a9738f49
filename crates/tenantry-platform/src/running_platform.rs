//! A running platform, from its start to its stop.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{App, Credential, audit, error, export, housekeeping};

/// How long a stop waits for requests in flight.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// A platform that serves requests.
pub struct RunningPlatform {
    /// Base URL, for example `http://127.0.0.1:8080`.
    pub url: String,
    /// The first credential: of the service provider, or of the first partner under `documented_only`. `None` if this
    /// start did not create it and the file does not hold it.
    pub credential: Option<Credential>,
    pub(super) stop: watch::Sender<bool>,
    pub(super) server: JoinHandle<()>,
    /// Background jobs: deliveries, scheduled exports, housekeeping, and audit rows for denials that were not logged
    /// one by one.
    pub(super) jobs: [JoinHandle<()>; 4],
    pub(super) app: Arc<App>,
}

impl RunningPlatform {
    /// Runs the housekeeping and the scheduled exports as if the time were `now`, in milliseconds since 1970: writes
    /// the audit rows for denials that were left out, and erases data whose retention has ended and the data of
    /// terminated tenants. Returns the unique ids of the purged tenants.
    ///
    /// # Errors
    /// The database failed; the next round does what remains.
    pub async fn run_maintenance(&self, now: i64) -> Result<Vec<String>, String> {
        let done = async {
            export::schedule::run_due_exports(&self.app, now).await?;
            audit::record_omitted_denials(&self.app, now).await;
            housekeeping::run_maintenance_round(&self.app, now).await
        };
        done.await.map_err(|error: error::ApiError| format!("{error:?}"))
    }

    /// Accepts no more connections, waits up to ten seconds for requests in flight and closes the database.
    pub async fn stop(mut self) {
        tracing::info!("the platform stops: requests in flight have {DRAIN_TIMEOUT:?}");
        self.stop.send_replace(true);
        self.jobs.iter().for_each(JoinHandle::abort);
        if tokio::time::timeout(DRAIN_TIMEOUT, &mut self.server).await.is_err() {
            tracing::warn!("requests were still in flight after {DRAIN_TIMEOUT:?}; they are cut off");
            self.server.abort();
            // The connections end with the server, and their requests with them.
            let _ = (&mut self.server).await;
        }
        let close = async {
            audit::record_omitted_denials(&self.app, i64::MAX).await;
            self.app.store.close().await;
        };
        if tokio::time::timeout(DRAIN_TIMEOUT, close).await.is_err() {
            tracing::warn!("the database was still busy after {DRAIN_TIMEOUT:?}");
        }
        tracing::info!("the platform has stopped");
    }
}

impl Drop for RunningPlatform {
    /// Closes the listener at once if `stop` was not called, so that a failed test leaves nothing behind.
    fn drop(&mut self) {
        self.server.abort();
        self.jobs.iter().for_each(JoinHandle::abort);
    }
}
