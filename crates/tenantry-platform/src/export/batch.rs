//! Batch exports: five kinds of data as JSON lines, on demand or on a schedule.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tenantry_catalog::{AddOn, DataCategory};

use super::allowlist::Destination;
use super::{bucket, schedule};
use crate::audit::{Actor, AuditAction, AuditEvent, append_event, record_denial};
use crate::authorize::RequestScope;
use crate::error::{ApiError, quote};
use crate::json_body::StrictJson;
use crate::limits;
use crate::records::RecordView;
use crate::store::{ScheduleResponse, TenantRecord};
use crate::subscription::Subscription;
use crate::tenant_availability::{TenantOperation, ensure_tenant_accepts};
use crate::{App, retention, time};

/// A kind of data, as the documentation lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExportKind {
    Records(&'static str, DataCategory),
    /// Number of records of each category.
    Usage,
}

impl ExportKind {
    const ALL: [Self; 5] = [
        Self::Records("tickets", DataCategory::Tickets),
        Self::Records("alerts", DataCategory::Alerts),
        Self::Records("metrics", DataCategory::Metrics),
        Self::Records("inventory", DataCategory::Resources),
        Self::Usage,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Records(name, _) => name,
            Self::Usage => "usage",
        }
    }
}

/// Body of a batch export request.
#[derive(Deserialize)]
pub(crate) struct BatchRequest {
    data: Vec<String>,
    destination: String,
    /// Schedule of repeated runs. Without it the export runs once, immediately.
    schedule: Option<schedule::ScheduleRequest>,
}

/// Destination of a batch, and the time as of which its data is read, in milliseconds since 1970.
pub(super) struct BatchRun {
    pub(super) destination: Destination,
    pub(super) now: i64,
}

/// A validated batch.
pub(super) struct Batch {
    pub(super) data: Vec<ExportKind>,
    pub(super) destination: String,
}

impl Batch {
    /// Returns the names of its kinds of data.
    pub(super) fn kind_names(&self) -> Vec<&'static str> {
        self.data.iter().map(|data| data.name()).collect()
    }

    /// Writes the files of the batch.
    pub(super) async fn write_files(
        &self,
        app: &App,
        tenant: &TenantRecord,
        run: BatchRun,
    ) -> Result<Vec<ExportedFile>, ApiError> {
        let BatchRun { destination, now } = run;
        let subscription = Subscription::of_tenant(tenant);
        let mut job = BatchJob { app, tenant, subscription, destination, now, files: Vec::new() };
        for data in &self.data {
            job.write_kind(*data).await?;
        }
        Ok(job.files)
    }
}

/// Result of a batch export request.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum BatchResponse {
    /// The export ran immediately.
    Written { files: Vec<ExportedFile> },
    /// The export is scheduled.
    Scheduled(ScheduleResponse),
}

#[derive(Serialize)]
pub(crate) struct ExportedFile {
    data: &'static str,
    records: usize,
    location: String,
}

/// `POST .../exports/batch`.
pub(crate) async fn export_batch(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    actor: Actor,
    StrictJson(request): StrictJson<BatchRequest, { limits::MAX_JSON_BODY_BYTES }>,
) -> Result<Json<BatchResponse>, ApiError> {
    let tenant = scope.tenant()?;
    ensure_tenant_accepts(tenant, TenantOperation::Write)?;
    let subscription = Subscription::of_tenant(tenant);
    subscription.ensure_add_on(AddOn::BatchExports)?;
    let BatchRequest { data, destination: place, schedule } = request;
    let batch = Batch { data: requested_kinds(&data, &subscription)?, destination: place };
    let place = batch_destination(&app, &batch.destination)?;
    if let Some(when) = schedule {
        let planned = schedule::PlannedExport { batch: &batch, schedule: &when };
        return Ok(Json(BatchResponse::Scheduled(schedule::create_schedule(&app, &scope, &actor, planned).await?)));
    }
    let files = match batch.write_files(&app, tenant, BatchRun { destination: place, now: time::now() }).await {
        Ok(files) => files,
        Err(error) => {
            // Some of the data may already have left the platform.
            record_denial(
                &app,
                tenant.id,
                &actor,
                AuditEvent::denial(AuditAction::ExportBatch, &batch.kind_names().join(",")),
            )
            .await;
            return Err(error);
        }
    };
    let names: Vec<&str> = files.iter().map(|file| file.data).collect();
    let object = names.join(",");
    let mut tx = app.store.begin().await?;
    append_event(&app.seal, &mut tx, tenant.id, &actor, AuditEvent::success(AuditAction::ExportBatch, &object)).await?;
    tx.commit().await?;
    Ok(Json(BatchResponse::Written { files }))
}

/// Returns the destination if the platform allows it for batches.
pub(super) fn batch_destination(app: &App, wanted: &str) -> Result<Destination, ApiError> {
    app.exports.allowlist.find(wanted).filter(|found| !matches!(found, Destination::Webhook(_))).ok_or_else(|| {
        let message = "The destination is none of those that the platform's `--export-destination` allows for batches";
        ApiError::field("destination", message)
    })
}

pub(super) fn requested_kinds(names: &[String], subscription: &Subscription) -> Result<Vec<ExportKind>, ApiError> {
    if let Some(unknown) = names.iter().find(|name| !ExportKind::ALL.iter().any(|data| data.name() == name.as_str())) {
        let known = ExportKind::ALL.map(ExportKind::name).join(", ");
        return Err(ApiError::field("data", format!("{} is not known; the kinds are {known}", quote(unknown))));
    }
    let wanted: Vec<ExportKind> =
        ExportKind::ALL.into_iter().filter(|data| names.iter().any(|name| data.name() == name)).collect();
    if wanted.is_empty() {
        return Err(ApiError::field("data", "At least one kind of data is required"));
    }
    for data in &wanted {
        if let ExportKind::Records(_, category) = data {
            subscription.ensure_category(*category)?;
        }
    }
    Ok(wanted)
}

/// An export in progress.
struct BatchJob<'a> {
    app: &'a App,
    tenant: &'a TenantRecord,
    subscription: Subscription,
    destination: Destination,
    now: i64,
    files: Vec<ExportedFile>,
}

impl BatchJob<'_> {
    async fn write_kind(&mut self, data: ExportKind) -> Result<(), ApiError> {
        let ExportKind::Records(name, category) = data else {
            let counts = self.app.store.record_counts(self.tenant.id).await?;
            let mut lines = JsonLines::default();
            lines.add_record(&usage_record(self.tenant, &counts, self.now));
            return self.write_part(data.name(), 1, lines).await;
        };
        let place = retention::record_scope(self.tenant, category, self.now);
        let shown = RecordView::new(self.tenant, &self.subscription);
        let (mut after, mut number, mut lines) = (i64::MIN, 1, JsonLines::default());
        loop {
            let page = self.app.store.records_after(place, after, limits::MAX_RECORD_PAGE_ROWS).await?;
            let full = i64::try_from(page.len()).is_ok_and(|rows| rows == limits::MAX_RECORD_PAGE_ROWS);
            after = page.last().map_or(after, |datum| datum.id);
            for record in shown.render_all(category, page).await? {
                if lines.is_full() {
                    self.write_part(name, number, std::mem::take(&mut lines)).await?;
                    number += 1;
                }
                lines.add_record(&record);
            }
            if !full {
                return self.write_part(name, number, lines).await;
            }
        }
    }

    /// Writes one file completely or not at all.
    async fn write_part(&mut self, data: &'static str, number: usize, lines: JsonLines) -> Result<(), ApiError> {
        let stamp: String = time::to_wire(self.now).chars().filter(char::is_ascii_alphanumeric).take(15).collect();
        let millis = self.now.rem_euclid(1000);
        let file = format!("{}/{data}-{stamp}{millis:03}-{number:04}.jsonl", self.tenant.unique_id);
        let JsonLines { records, content } = lines;
        let written = match &self.destination {
            Destination::Folder { root, below } => {
                let (root, file, content) = (root.clone(), below.join(file), content.into_bytes());
                tokio::task::spawn_blocking(move || write_to_folder(&root, &file, &content))
                    .await
                    .map_err(|_| ApiError::Internal)?
                    .map_err(|error| error.to_string())
            }
            Destination::Bucket { endpoint, bucket, prefix } => {
                let key = if prefix.is_empty() { file } else { format!("{}/{file}", prefix.trim_matches('/')) };
                bucket::put_object(&self.app.exports, (endpoint, bucket), &key, content.into_bytes()).await
            }
            Destination::Webhook(_) => return Err(ApiError::Internal),
        };
        let location = written.map_err(|reason| {
            tracing::warn!(tenant = self.tenant.unique_id, data, reason, "an export failed");
            ApiError::Unavailable(
                "The destination did not take the export; the platform's log has the cause".to_owned(),
            )
        })?;
        self.files.push(ExportedFile { data, records, location });
        Ok(())
    }
}

/// Content of a file. It is bounded, so that an export of any size needs the same memory.
#[derive(Default)]
struct JsonLines {
    records: usize,
    content: String,
}

impl JsonLines {
    fn add_record(&mut self, record: &serde_json::Value) {
        self.records += 1;
        self.content += &record.to_string();
        self.content.push('\n');
    }

    fn is_full(&self) -> bool {
        self.records >= limits::MAX_EXPORT_FILE_RECORDS || self.content.len() >= limits::MAX_EXPORT_FILE_BYTES
    }
}

fn usage_record(tenant: &TenantRecord, counts: &BTreeMap<String, i64>, now: i64) -> serde_json::Value {
    json!({ "tenantId": tenant.unique_id, "time": time::to_wire(now), "records": counts })
}

/// Writes a file under a temporary name and renames it. Every path component is resolved relative to the allowed
/// folder, so that a symbolic link that leads outside is not followed, even if it is created in between.
fn write_to_folder(root: &Path, file: &Path, content: &[u8]) -> std::io::Result<String> {
    std::fs::create_dir_all(root)?;
    let folder = Dir::open_ambient_dir(root, ambient_authority())?;
    if let Some(parent) = file.parent() {
        folder.create_dir_all(parent)?;
    }
    let draft = file.with_extension("part");
    let mut target = folder.create(&draft)?;
    target.write_all(content)?;
    target.sync_all()?;
    folder.rename(&draft, &folder, file)?;
    Ok(root.join(file).display().to_string())
}
