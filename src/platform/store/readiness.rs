//! Whether the database does what requests need of it.

use std::time::{Duration, Instant};

use sqlx::AnyPool;
use tokio::sync::Mutex;

use super::Store;
use crate::platform::error::ApiError;

/// How long the database may take for its answer, and for how long one counts: anybody may ask.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
const CACHE_TIME: Duration = Duration::from_secs(1);

/// What was found last, and when.
#[derive(Default)]
pub(in crate::platform) struct Readiness(Mutex<Option<CachedReadiness>>);

#[derive(Clone, Copy)]
struct CachedReadiness {
    at: Instant,
    ready: bool,
}

/// How many connections of a pool there are, and how many of them wait for work.
#[derive(Clone, Copy, Debug)]
pub(in crate::platform) struct PoolUsage {
    pub(in crate::platform) pool: &'static str,
    pub(in crate::platform) open: u32,
    pub(in crate::platform) idle: usize,
}

impl Readiness {
    /// Whether the database can be written. All who ask at the same time get one answer.
    pub(in crate::platform) async fn is_ready(&self, store: &Store) -> bool {
        let mut last = self.0.lock().await;
        if let Some(found) = last.filter(|found| found.at.elapsed() < CACHE_TIME) {
            return found.ready;
        }
        let answered = tokio::time::timeout(ANSWER_TIMEOUT, store.can_write()).await;
        let ready = matches!(answered, Ok(Ok(true)));
        if !ready {
            tracing::warn!(?answered, "the database cannot be written; `/readyz` says so");
        }
        *last = Some(CachedReadiness { at: Instant::now(), ready });
        ready
    }
}

impl Store {
    /// Whether a write would be kept. On SQLite one is: a full disk refuses nothing before that.
    async fn can_write(&self) -> Result<bool, ApiError> {
        let mut tx = self.begin().await?;
        if self.sqlite {
            let write = "INSERT INTO counter (name, value) VALUES ('probe', 1) \
                         ON CONFLICT (name) DO UPDATE SET value = counter.value + 1";
            sqlx::query(write).execute(&mut *tx).await?;
            tx.commit().await?;
            return Ok(true);
        }
        let only_reads: String =
            sqlx::query_scalar("SELECT current_setting('transaction_read_only')").fetch_one(&mut *tx).await?;
        tx.roll_back().await?;
        Ok(only_reads != "on")
    }

    /// How full the pools are.
    pub(in crate::platform) fn pool_usage(&self) -> [PoolUsage; 2] {
        let of =
            |pool, connections: &AnyPool| PoolUsage { pool, open: connections.size(), idle: connections.num_idle() };
        [of("readers", &self.readers), of("writers", &self.writer)]
    }
}
