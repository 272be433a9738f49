//! Readiness of the database.

use std::time::{Duration, Instant};

use sqlx::AnyPool;
use tokio::sync::Mutex;

use super::Store;
use crate::error::ApiError;

/// Timeout of the check, and how long its result is cached. The endpoint needs no authentication, so the cache limits
/// the load.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
const CACHE_TIME: Duration = Duration::from_secs(1);

/// The last result and its time.
#[derive(Default)]
pub(crate) struct Readiness(Mutex<Option<CachedReadiness>>);

#[derive(Clone, Copy)]
struct CachedReadiness {
    at: Instant,
    is_ready: bool,
}

/// Number of open and idle connections of a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolUsage {
    pub(crate) pool: &'static str,
    pub(crate) open: u32,
    pub(crate) idle: usize,
}

impl Readiness {
    /// Returns whether the database accepts writes. Concurrent callers share one check.
    pub(crate) async fn is_ready(&self, store: &Store) -> bool {
        let mut last = self.0.lock().await;
        if let Some(found) = last.filter(|found| found.at.elapsed() < CACHE_TIME) {
            return found.is_ready;
        }
        let answered = tokio::time::timeout(ANSWER_TIMEOUT, store.can_write()).await;
        let ready = matches!(answered, Ok(Ok(true)));
        if !ready {
            tracing::warn!(?answered, "the database cannot be written; `/readyz` says so");
        }
        *last = Some(CachedReadiness { at: Instant::now(), is_ready: ready });
        ready
    }
}

impl Store {
    /// Checks whether a write would be kept. On SQLite it really writes: a full disk refuses nothing before that.
    async fn can_write(&self) -> Result<bool, ApiError> {
        let mut tx = self.begin().await?;
        if self.is_sqlite {
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

    /// Returns the usage of both pools.
    pub(crate) fn pool_usage(&self) -> [PoolUsage; 2] {
        let of =
            |pool, connections: &AnyPool| PoolUsage { pool, open: connections.size(), idle: connections.num_idle() };
        [of("readers", &self.readers), of("writers", &self.writer)]
    }
}
