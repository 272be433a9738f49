//! The database: SQLite or PostgreSQL, one SQL text for both.
//!
//! Writes: a transaction first locks the parent's row by an update that changes nothing. On SQLite this takes the write
//! lock before anything is read, on PostgreSQL it locks the row. Both then see the committed data, which no other write
//! can change.

mod audit;
mod branding;
mod credentials;
mod defaults;
mod duo_states;
mod login_attempts;
mod paged_queries;
mod people;
mod permission_sets;
mod pools;
mod purge;
#[cfg(test)]
mod query_plans;
mod readiness;
mod records;
mod roles;
mod schedules;
mod scrub;
mod second_factors;
mod sessions;
pub(super) mod sqlite_files;
mod tenant_lists;
mod tenants;
mod tx;
mod unique_names;
mod webhook_streams;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use prometheus_client::metrics::histogram::Histogram;
use sqlx::AnyPool;
use sqlx::any::AnyConnectOptions;

use super::PlatformStartError;
use super::keyed_semaphore::KeyedSemaphore;

pub(super) use audit::{
    ChainHead, SealedHeads, SealedRow, StatementTable, StoredAnchor, VerifiableRow, check_sealed_heads, insert_row,
    last_row, lock_anchor, lock_head, purge_chain, reseal_statements, save_anchor, trim_chain,
};
pub(super) use branding::{StoredImage, load_branding, save_branding};
pub(super) use credentials::{
    CREDENTIAL_ID_CHARS, CredentialRecord, CredentialStatus, EndedToken, NewCredential, NewSecret, NewToken,
    ValidCredential, count_active_credentials, count_all_credentials, credential_id, delete_tenant_credentials,
    end_token, insert_credential, insert_token, revoke_credential, rotate_credential,
};
pub(super) use duo_states::{save_duo_state, take_duo_state};
pub(super) use login_attempts::{delete_account_attempts, delete_attempts};
pub(super) use paged_queries::{PageRange, Term, TermValue};
pub(super) use people::{
    LoginCandidate, NewPassword, NewPerson, PersonRecord, PersonStatus, UserOrder, deactivate_people,
    find_login_holder, find_person, insert_person, rename_author, require_password_change, save_password, save_person,
};
pub(super) use permission_sets::{SetRecord, delete_set, find_set_by_name, save_set};
pub(super) use pools::PoolConfig;
pub(super) use purge::{TerminatedTenant, claim_purge, erase_tenant};
pub(super) use readiness::{PoolUsage, Readiness};
pub(super) use records::{
    Record, RecordScope, account_holder_settings, erase_old_records, find_record_id_by_name, insert_record,
    lock_record, next_number, save_record,
};
pub(super) use roles::{
    RoleContent, RoleRecord, delete_role, find_role_by_name, role_unique_id, save_role, set_person_roles,
    set_role_users,
};
pub(super) use schedules::{
    Schedule, ScheduleResponse, delete_schedule, finish_run, insert_schedule, tenant_schedules,
};
pub(super) use scrub::request_scrub;
pub(super) use second_factors::{
    NewFactor, accept_consent, delete_factor, grant_fresh_proof, insert_factor, lock_factor, lock_pending_secret,
    mark_session_verified, save_failed_codes, save_pending_secret, session_began_after, use_code_step, use_fresh_proof,
    use_recovery_code,
};
pub(super) use sessions::{
    NewSession, SessionCarrier, SessionClock, end_session, end_sessions_begun_before, end_sessions_of,
    end_sessions_under, insert_failed_login, simulate_failed_login, start_session,
};
pub(super) use tenant_lists::{ChildrenPage, TenantFilter, TenantOrder, fold_case, unterminated_child_settings};
pub(super) use tenants::{
    NewTenant, TenantLevel, TenantRecord, find_child, find_formerly_marked, find_mark_holder, find_name_holder,
    insert_tenant, lock_tenant, save_tenant,
};
pub(super) use tx::Tx;
pub(super) use unique_names::NameRecord;
pub(super) use webhook_streams::{
    Delivery, NewStream, WebhookStream, delete_stream, enqueue_delivery, insert_stream, tenant_streams,
};

/// The open database.
pub(super) struct Store {
    readers: AnyPool,
    writer: AnyPool,
    is_sqlite: bool,
    /// Of the connections for writing on PostgreSQL, those that may wait for one tenant's row. SQLite has one writer.
    row_permits: Option<KeyedSemaphore<i64>>,
    /// How long each write waited for a permit of its tenant's row and then for its connection, in seconds.
    waits: Histogram,
}

/// Bucket bounds of the wait histogram, in seconds.
const WAIT_BUCKETS: [f64; 8] = [0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 5.0];

/// Divisor for the share of the write connections that one tenant's writes may use.
const TENANT_WRITE_SHARE: u32 = 4;

impl Store {
    /// Opens the database and migrates it to the current schema. Creates a SQLite file that does not exist.
    pub(super) async fn open(database: &str, wait: Duration) -> Result<Self, PlatformStartError> {
        Self::open_with(database, PoolConfig { wait, ..PoolConfig::default() }).await
    }

    /// Opens the database with the given pools.
    pub(super) async fn open_with(database: &str, pools: PoolConfig) -> Result<Self, PlatformStartError> {
        sqlx::any::install_default_drivers();
        let url = database_url(database)?;
        let sqlite = url.starts_with("sqlite:");
        pools::make_private(&url)?;
        let options: AnyConnectOptions = url.parse()?;
        // One writer on SQLite: it has a single write lock, and the queue of the pool is fair, unlike SQLite's retries.
        let writer = if sqlite {
            pools::sqlite_pool(pools::WRITER_PRAGMAS, pools.wait, 1).connect_with(options.clone()).await?
        } else {
            // A migration may take longer than any request.
            let patient = pools::unlimited_connection().connect_with(options.clone()).await?;
            sqlx::migrate!("./migrations").run(&patient).await?;
            patient.close().await;
            pools::postgres_pool(&url, pools.connections).connect_with(options.clone()).await?
        };
        if sqlite {
            sqlx::migrate!("./migrations").run(&writer).await?;
        }
        let readers = if sqlite {
            pools::sqlite_pool(pools::READER_PRAGMAS, pools.wait, pools.connections)
        } else {
            pools::postgres_pool(&url, pools.connections)
        };
        let readers = readers.connect_with(options).await?;
        if sqlite {
            let pages = sqlx::query("SELECT pgno FROM sqlite_dbpage LIMIT 1");
            pages.execute(&readers).await.map_err(|_| PlatformStartError::MissingDbpage)?;
        }
        let each = usize::try_from(pools.connections / TENANT_WRITE_SHARE).unwrap_or_default();
        let row_permits = (!sqlite).then(|| KeyedSemaphore::new(each));
        let store = Self { readers, writer, is_sqlite: sqlite, row_permits, waits: Histogram::new(WAIT_BUCKETS) };
        store.write_defaults().await?;
        store.write_login_keys().await?;
        store.write_name_claims().await?;
        store.write_served_digests().await?;
        Ok(store)
    }

    /// Opens an existing database for reading only: nothing is created, migrated or written.
    pub(super) async fn open_read_only(database: &str, wait: Duration) -> Result<Self, PlatformStartError> {
        sqlx::any::install_default_drivers();
        let url = database_url(database)?;
        let sqlite = url.starts_with("sqlite:");
        let url = if sqlite { read_only_url(&url) } else { url };
        let options: AnyConnectOptions = url.parse()?;
        // One connection and one transaction: everything is read at one point in time, even while a platform writes.
        let one =
            if sqlite { pools::sqlite_pool("PRAGMA query_only = ON;", wait, 1) } else { pools::unlimited_connection() };
        let readers = one.max_lifetime(None).idle_timeout(None).connect_with(options).await?;
        let begin = if sqlite { "BEGIN" } else { "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" };
        sqlx::query(begin).execute(&readers).await?;
        Ok(Self {
            writer: readers.clone(),
            readers,
            is_sqlite: sqlite,
            row_permits: None,
            waits: Histogram::new(WAIT_BUCKETS),
        })
    }

    /// Starts a write.
    pub(super) async fn begin(&self) -> Result<Tx, sqlx::Error> {
        let asked = Instant::now();
        let begun = self.writer.begin().await.map(Tx::new);
        self.waits.observe(asked.elapsed().as_secs_f64());
        begun
    }

    /// Starts a write that locks a tenant's row first. While another write holds that row, other tenants still get a
    /// connection: writes beyond the tenant's share wait without one. Both waits together last at most as long as one
    /// wait for a connection.
    pub(super) async fn begin_for_tenant(&self, tenant: i64) -> Result<Tx, sqlx::Error> {
        let Some(row_permits) = &self.row_permits else { return self.begin().await };
        let asked = Instant::now();
        let write = async {
            let permit = row_permits.acquire(tenant).await;
            Ok(Tx::new(self.writer.begin().await?).with_permit(permit))
        };
        let begun = tokio::time::timeout(pools::ACQUIRE_TIMEOUT, write).await;
        self.waits.observe(asked.elapsed().as_secs_f64());
        begun.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    /// Starts a write of the housekeeping, whose statements may take longer on PostgreSQL than those of a request.
    pub(super) async fn begin_without_timeout(&self) -> Result<Tx, sqlx::Error> {
        let mut tx = self.begin().await?;
        if !self.is_sqlite {
            sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut *tx).await?;
        }
        Ok(tx)
    }

    /// Returns the histogram of how long writes waited for their connection, in seconds.
    pub(super) fn wait_histogram(&self) -> Histogram {
        self.waits.clone()
    }

    /// Closes all connections after their work.
    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Returns the URL that opens a SQLite file for reading only.
fn read_only_url(url: &str) -> String {
    match url.split_once('?') {
        Some((file, "mode=rwc")) => format!("{file}?mode=ro"),
        _ => url.to_owned(),
    }
}

/// Returns the URL of the given database. A path becomes the URL of the SQLite file there.
fn database_url(database: &str) -> Result<String, sqlx::Error> {
    let is = |scheme: &str| database.starts_with(scheme);
    if is("postgres:") || is("postgresql:") {
        return Ok(database.to_owned());
    }
    if database.contains(":memory:") || database.contains("mode=memory") {
        return Err(sqlx::Error::Configuration("a database in memory is lost at exit; name a file".into()));
    }
    if is("sqlite:") && database.contains('?') {
        return Ok(database.to_owned());
    }
    let path = database.strip_prefix("sqlite://").or(database.strip_prefix("sqlite:")).unwrap_or(database);
    let path = std::path::absolute(path)?;
    let mut url = "sqlite://".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'~' => url.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => url.push(char::from(*byte)),
            // Writing to a String cannot fail.
            byte => drop(write!(url, "%{byte:02X}")),
        }
    }
    Ok(url + "?mode=rwc")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_the_url_of_its_file() {
        assert_eq!(database_url("/tmp/a b?.db").unwrap(), "sqlite:///tmp/a%20b%3F.db?mode=rwc");
        assert_eq!(database_url("sqlite:/tmp/a.db").unwrap(), "sqlite:///tmp/a.db?mode=rwc");
        assert!(database_url("a.db").unwrap().ends_with("/a.db?mode=rwc"));
        assert_eq!(database_url("postgres://u@h/d").unwrap(), "postgres://u@h/d");
        assert!(database_url("sqlite::memory:").is_err());
    }
}
