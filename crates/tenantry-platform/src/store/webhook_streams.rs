//! Webhook streams and their pending deliveries.

use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AnyExecutor, Row as _};

use super::{Store, Tx};
use crate::error::ApiError;

/// A webhook of a tenant.
#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebhookStream {
    pub(crate) id: String,
    #[serde(skip)]
    pub(crate) number: i64,
    pub(crate) name: String,
    pub(crate) url: String,
    /// Number of delivered events.
    pub(crate) delivered: i64,
    /// Number of events that were given up.
    pub(crate) given_up: i64,
}

impl WebhookStream {
    /// Creates a stream with zero counters.
    pub(crate) fn new(number: i64, name: String, url: String) -> Self {
        Self { id: number.to_string(), number, name, url, delivered: 0, given_up: 0 }
    }
}

/// A stream to be stored, with its secret as sealed by the vault.
#[derive(Clone, Copy)]
pub(crate) struct NewStream<'a> {
    pub(crate) stream: &'a WebhookStream,
    pub(crate) sealed: &'a str,
}

/// An event that waits for delivery.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) id: i64,
    pub(crate) stream: i64,
    pub(crate) destination: String,
    /// The sealed secret of its stream; `None` if the stream is older than signatures.
    pub(crate) secret: Option<String>,
    pub(crate) document: String,
    /// Number of attempts, including this one.
    pub(crate) attempts: i64,
}

fn read_stream(row: &AnyRow) -> Result<WebhookStream, ApiError> {
    let number: i64 = row.try_get("id")?;
    let fresh = WebhookStream::new(number, row.try_get("name")?, row.try_get("destination")?);
    Ok(WebhookStream { delivered: row.try_get("delivered")?, given_up: row.try_get("given_up")?, ..fresh })
}

async fn select_streams<'e>(executor: impl AnyExecutor<'e>, tenant: i64) -> Result<Vec<WebhookStream>, ApiError> {
    let rows =
        sqlx::query("SELECT id, name, destination, delivered, given_up FROM stream WHERE tenant_id = $1 ORDER BY id");
    rows.bind(tenant).fetch_all(executor).await?.iter().map(read_stream).collect()
}

/// Lists a tenant's streams within a write.
pub(crate) async fn tenant_streams(tx: &mut Tx, tenant: i64) -> Result<Vec<WebhookStream>, ApiError> {
    select_streams(&mut **tx, tenant).await
}

/// Stores a stream.
pub(crate) async fn insert_stream(
    tx: &mut Tx,
    tenant: i64,
    id: i64,
    NewStream { stream: new, sealed }: NewStream<'_>,
) -> Result<(), ApiError> {
    sqlx::query(
        "INSERT INTO stream (id, tenant_id, name, destination, delivered, given_up, secret) \
         VALUES ($1, $2, $3, $4, 0, 0, $5)",
    )
    .bind(id)
    .bind(tenant)
    .bind(&new.name)
    .bind(&new.url)
    .bind(sealed)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Deletes a stream with its pending deliveries. Returns whether it existed.
pub(crate) async fn delete_stream(tx: &mut Tx, tenant: i64, id: i64) -> Result<bool, ApiError> {
    let waiting = sqlx::query("DELETE FROM delivery WHERE tenant_id = $1 AND stream_id = $2").bind(tenant).bind(id);
    waiting.execute(&mut **tx).await?;
    let gone = sqlx::query("DELETE FROM stream WHERE tenant_id = $1 AND id = $2").bind(tenant).bind(id);
    Ok(gone.execute(&mut **tx).await?.rows_affected() == 1)
}

/// Stores an event for delivery.
pub(crate) async fn enqueue_delivery(
    tx: &mut Tx,
    id: i64,
    tenant: i64,
    stream: i64,
    document: &str,
    now: i64,
) -> Result<(), ApiError> {
    sqlx::query(
        "INSERT INTO delivery (id, stream_id, tenant_id, document, attempts, next_at) VALUES ($1, $2, $3, $4, 0, $5)",
    )
    .bind(id)
    .bind(stream)
    .bind(tenant)
    .bind(document)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

impl Store {
    /// Lists a tenant's streams.
    pub(crate) async fn list_streams(&self, tenant: i64) -> Result<Vec<WebhookStream>, ApiError> {
        select_streams(&self.readers, tenant).await
    }

    /// Returns whether a delivery is due. The job calls this first, so that an idle platform writes nothing.
    pub(crate) async fn has_due_delivery(&self, now: i64) -> Result<bool, ApiError> {
        let row = sqlx::query(
            "SELECT d.id FROM delivery d JOIN tenant t ON t.id = d.tenant_id \
             WHERE d.next_at <= $1 AND t.state = 'ACTIVE' LIMIT 1",
        );
        Ok(row.bind(now).fetch_optional(&self.readers).await?.is_some())
    }

    /// Claims due deliveries of tenants in service, so that no other process tries them before `until`.
    pub(crate) async fn claim_deliveries(&self, now: i64, until: i64, max: i64) -> Result<Vec<Delivery>, ApiError> {
        let mut tx = self.begin().await?;
        let rows = sqlx::query(
            "UPDATE delivery SET attempts = attempts + 1, next_at = $1 WHERE id IN (SELECT d.id FROM delivery d \
             JOIN tenant t ON t.id = d.tenant_id WHERE d.next_at <= $2 AND t.state = 'ACTIVE' ORDER BY d.id LIMIT $3) \
             AND next_at <= $2 RETURNING id, stream_id, document, attempts, \
             (SELECT s.destination FROM stream s WHERE s.id = stream_id) AS destination, \
             (SELECT s.secret FROM stream s WHERE s.id = stream_id) AS secret",
        );
        let rows = rows.bind(until).bind(now).bind(max).fetch_all(&mut *tx).await?;
        tx.commit().await?;
        let delivery = |row: &AnyRow| {
            Ok(Delivery {
                id: row.try_get("id")?,
                stream: row.try_get("stream_id")?,
                destination: row.try_get("destination")?,
                secret: row.try_get("secret")?,
                document: row.try_get("document")?,
                attempts: row.try_get("attempts")?,
            })
        };
        rows.iter().map(delivery).collect()
    }

    /// Counts a delivery as delivered or given up, and deletes it.
    pub(crate) async fn finish_delivery(&self, delivery: &Delivery, has_arrived: bool) -> Result<(), ApiError> {
        let mut tx = self.begin().await?;
        sqlx::query("DELETE FROM delivery WHERE id = $1").bind(delivery.id).execute(&mut *tx).await?;
        sqlx::query("UPDATE stream SET delivered = delivered + $1, given_up = given_up + $2 WHERE id = $3")
            .bind(i64::from(has_arrived))
            .bind(i64::from(!has_arrived))
            .bind(delivery.stream)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Schedules another attempt for a delivery.
    pub(crate) async fn postpone_delivery(&self, delivery: i64, next: i64) -> Result<(), ApiError> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE delivery SET next_at = $1 WHERE id = $2")
            .bind(next)
            .bind(delivery)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }
}
