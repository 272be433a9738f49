//! The database: SQLite or PostgreSQL, one SQL text for both.
//!
//! Writes: a transaction first locks the parent's row by an update that changes nothing. On SQLite that takes the write
//! lock before anything was read, on PostgreSQL the row; both then see what is committed and nothing moves under them.

mod attempts;
mod audit;
mod branding;
mod connect;
pub(super) mod copies;
mod credentials;
mod defaults;
mod duo;
mod factors;
mod lists;
mod names;
mod people;
mod ping;
#[cfg(test)]
mod plans;
mod purge;
mod records;
mod roles;
mod schedules;
mod scrub;
mod sessions;
mod sets;
mod streams;
mod tenants;
mod terms;
mod tx;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use prometheus_client::metrics::histogram::Histogram;
use sqlx::AnyPool;
use sqlx::any::AnyConnectOptions;

use super::StartError;
use super::keyed_semaphore::KeyedSemaphore;

pub(super) use attempts::{forget_all_attempts, forget_attempts};
pub(super) use audit::{
    Head, Kept, Read, SealedHeads, Statements, StoredAnchor, advance, bury, cut_off, head, last_row, locked_anchor,
    reseal, save_anchor, some_head,
};
pub(super) use branding::{StoredImage, load_branding, save_branding};
pub(super) use connect::Pools;
pub(super) use credentials::{
    CREDENTIAL_ID, CredentialRecord, EndedToken, Held, Known, NewCredential, NewSecret, NewToken, credential_id,
    credentials_ever, end_token, insert_credential, insert_token, living_credentials, revoke, revoke_credential,
    rotate_credential,
};
pub(super) use duo::{note_sent, take_sent};
pub(super) use factors::{
    NewFactor, accept_consent, began_after, forget_factor, held_factor, hold_pending, insert_factor, note_codes,
    pending_of, prove_session, spend_verification, use_recovery_code, use_step, verify_session,
};
pub(super) use lists::{Filter, Order, Page, folded, living_settings};
pub(super) use names::Named;
pub(super) use people::{
    Candidate, NewPassword, NewPerson, PersonRecord, Status, UserOrder, deactivate_people, holder_of_login,
    insert_person, must_change_under, person_of, rename_author, save_password, save_person,
};
pub(super) use ping::{Fill, Readiness};
pub(super) use purge::{Ended, erase, take_purge};
pub(super) use records::{
    Datum, Shelf, erase_aged, holder_of_datum, holders_of_account, insert_datum, locked_datum, next_number, save_datum,
};
pub(super) use roles::{
    RoleContent, RoleRecord, delete_role, id_of_role, name_of_role, put_role, set_roles_of, set_users_of,
};
pub(super) use schedules::{Schedule, ShownSchedule, delete_schedule, finish_run, insert_schedule, schedules_of};
pub(super) use scrub::want_scrub;
pub(super) use sessions::{
    Carrier, Clock, NewSession, end_session, end_sessions_begun_before, end_sessions_of, end_sessions_under,
    failed_login, failed_nobody, start_session,
};
pub(super) use sets::{SetRecord, delete_set, name_of_set, put_set};
pub(super) use streams::{Delivery, NewStream, Stream, delete_stream, enqueue, insert_stream, streams_of};
pub(super) use tenants::{Kind, New, Record, child, holder_of_mark, holder_of_name, insert, lock, once_marked, save};
pub(super) use terms::{Part, Term, Value};
pub(super) use tx::Tx;

/// The open database.
pub(super) struct Store {
    readers: AnyPool,
    writer: AnyPool,
    sqlite: bool,
    /// Of the connections for writing on PostgreSQL those that may wait for one tenant's row. SQLite has one writer.
    row_permits: Option<KeyedSemaphore<i64>>,
    /// How long each write waited for its connection, and for a permit of its tenant's row before, in seconds.
    waits: Histogram,
}

/// Bounds in which waits are counted, in seconds.
const WAITS: [f64; 8] = [0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 5.0];

/// One tenant's writes have at most this part of the connections for writing.
const SHARE: u32 = 4;

impl Store {
    /// Opens the database, creating a SQLite file that is not there, and brings it to today's schema.
    pub(super) async fn open(database: &str, wait: Duration) -> Result<Self, StartError> {
        Self::open_with(database, Pools { wait, ..Pools::default() }).await
    }

    /// The same with so many connections.
    pub(super) async fn open_with(database: &str, pools: Pools) -> Result<Self, StartError> {
        sqlx::any::install_default_drivers();
        let url = url(database)?;
        let sqlite = url.starts_with("sqlite:");
        connect::make_private(&url)?;
        let options: AnyConnectOptions = url.parse()?;
        // One writer on SQLite: it has a single write lock, and a queue in the pool is fair where its retries are not.
        let writer = if sqlite {
            connect::sqlite(connect::WRITING, pools.wait, 1).connect_with(options.clone()).await?
        } else {
            // A migration may take longer than any request.
            let patient = connect::patient().connect_with(options.clone()).await?;
            sqlx::migrate!("./migrations").run(&patient).await?;
            patient.close().await;
            connect::postgres(&url, pools.connections).connect_with(options.clone()).await?
        };
        if sqlite {
            sqlx::migrate!("./migrations").run(&writer).await?;
        }
        let readers = if sqlite {
            connect::sqlite(connect::READING, pools.wait, pools.connections)
        } else {
            connect::postgres(&url, pools.connections)
        };
        let readers = readers.connect_with(options).await?;
        if sqlite {
            let pages = sqlx::query("SELECT pgno FROM sqlite_dbpage LIMIT 1");
            pages.execute(&readers).await.map_err(|_| StartError::WithoutPages)?;
        }
        let each = usize::try_from(pools.connections / SHARE).unwrap_or_default();
        let row_permits = (!sqlite).then(|| KeyedSemaphore::new(each));
        let store = Self { readers, writer, sqlite, row_permits, waits: Histogram::new(WAITS) };
        store.write_defaults().await?;
        store.write_login_keys().await?;
        store.write_name_claims().await?;
        store.write_served_digests().await?;
        Ok(store)
    }

    /// Opens a database that is there, only to read it: nothing is created, migrated or written.
    pub(super) async fn open_to_read(database: &str, wait: Duration) -> Result<Self, StartError> {
        sqlx::any::install_default_drivers();
        let url = url(database)?;
        let sqlite = url.starts_with("sqlite:");
        let url = if sqlite { reading(&url) } else { url };
        let options: AnyConnectOptions = url.parse()?;
        // One connection, in one transaction: all that is read is of one moment, also while a platform writes.
        let one = if sqlite { connect::sqlite("PRAGMA query_only = ON;", wait, 1) } else { connect::patient() };
        let readers = one.max_lifetime(None).idle_timeout(None).connect_with(options).await?;
        let begin = if sqlite { "BEGIN" } else { "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" };
        sqlx::query(begin).execute(&readers).await?;
        Ok(Self { writer: readers.clone(), readers, sqlite, row_permits: None, waits: Histogram::new(WAITS) })
    }

    /// Starts a write.
    pub(super) async fn begin(&self) -> Result<Tx, sqlx::Error> {
        let asked = Instant::now();
        let begun = self.writer.begin().await.map(Tx::new);
        self.waits.observe(asked.elapsed().as_secs_f64());
        begun
    }

    /// Starts a write that locks a tenant's row first. While somebody holds that row, others still find a connection: those who
    /// would take more than the tenant's share wait for it without one. Both waits together are no longer than one for a connection.
    pub(super) async fn begin_under(&self, tenant: i64) -> Result<Tx, sqlx::Error> {
        let Some(row_permits) = &self.row_permits else { return self.begin().await };
        let asked = Instant::now();
        let write = async {
            let permit = row_permits.acquire(tenant).await;
            Ok(Tx::new(self.writer.begin().await?).with_permit(permit))
        };
        let begun = tokio::time::timeout(connect::ACQUIRE, write).await;
        self.waits.observe(asked.elapsed().as_secs_f64());
        begun.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    /// Starts a write of the housekeeping, whose statements may take longer on PostgreSQL than those of a request.
    pub(super) async fn begin_long(&self) -> Result<Tx, sqlx::Error> {
        let mut tx = self.begin().await?;
        if !self.sqlite {
            sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut *tx).await?;
        }
        Ok(tx)
    }

    /// How long writes waited for their connection.
    pub(super) fn waits(&self) -> Histogram {
        self.waits.clone()
    }

    /// Ends all connections after their work.
    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// The URL of a SQLite file that is only read.
fn reading(url: &str) -> String {
    match url.split_once('?') {
        Some((file, "mode=rwc")) => format!("{file}?mode=ro"),
        _ => url.to_owned(),
    }
}

/// A URL of what was given: a path becomes the SQLite file there.
fn url(database: &str) -> Result<String, sqlx::Error> {
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
        assert_eq!(url("/tmp/a b?.db").unwrap(), "sqlite:///tmp/a%20b%3F.db?mode=rwc");
        assert_eq!(url("sqlite:/tmp/a.db").unwrap(), "sqlite:///tmp/a.db?mode=rwc");
        assert!(url("a.db").unwrap().ends_with("/a.db?mode=rwc"));
        assert_eq!(url("postgres://u@h/d").unwrap(), "postgres://u@h/d");
        assert!(url("sqlite::memory:").is_err());
    }
}
