//! Batch exports: five kinds of data as JSON lines, on demand or by a schedule.

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

use super::allowed::Destination;
use super::{bucket, schedule};
use crate::catalog::{AddOn, Category};
use crate::platform::audit::{Action, Actor, Event, append, denied};
use crate::platform::body::Strict;
use crate::platform::bounds;
use crate::platform::error::{Error, quote};
use crate::platform::gate::Scope;
use crate::platform::records::Shown;
use crate::platform::standing::{Act, admit};
use crate::platform::store::{Record, ShownSchedule};
use crate::platform::subscription::Subscription;
use crate::platform::{App, retention, time};

/// A kind of data, as the documentation lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Data {
    Of(&'static str, Category),
    /// How many records there are of each category.
    Usage,
}

impl Data {
    const ALL: [Self; 5] = [
        Self::Of("tickets", Category::Tickets),
        Self::Of("alerts", Category::Alerts),
        Self::Of("metrics", Category::Metrics),
        Self::Of("inventory", Category::Resources),
        Self::Usage,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Of(name, _) => name,
            Self::Usage => "usage",
        }
    }
}

/// What is to be written, and where.
#[derive(Deserialize)]
pub(in crate::platform) struct Request {
    data: Vec<String>,
    destination: String,
    /// When it runs again and again; without one it runs at once and once.
    schedule: Option<schedule::Wanted>,
}

/// Where a batch goes, and at what time its data is read, in milliseconds since 1970.
pub(super) struct Run {
    pub(super) destination: Destination,
    pub(super) now: i64,
}

/// A batch that was judged.
pub(super) struct Batch {
    pub(super) data: Vec<Data>,
    pub(super) destination: String,
}

impl Batch {
    /// Names of its kinds of data.
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.data.iter().map(|data| data.name()).collect()
    }

    /// Writes it.
    pub(super) async fn write(&self, app: &App, tenant: &Record, run: Run) -> Result<Vec<File>, Error> {
        let Run { destination, now } = run;
        let subscription = Subscription::of_record(tenant);
        let mut job = Job { app, tenant, subscription, destination, now, files: Vec::new() };
        for data in &self.data {
            job.write(*data).await?;
        }
        Ok(job.files)
    }
}

/// What was written.
#[derive(Serialize)]
#[serde(untagged)]
pub(in crate::platform) enum Answer {
    /// At once.
    Written { files: Vec<File> },
    /// Nothing yet.
    Scheduled(ShownSchedule),
}

#[derive(Serialize)]
pub(in crate::platform) struct File {
    data: &'static str,
    records: usize,
    location: String,
}

/// `POST .../exports/batch`.
pub(in crate::platform) async fn write(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<Scope>,
    actor: Actor,
    Strict(request): Strict<Request, { bounds::TENANT }>,
) -> Result<Json<Answer>, Error> {
    let tenant = scope.tenant()?;
    admit(tenant, Act::Write)?;
    let subscription = Subscription::of_record(tenant);
    subscription.need(AddOn::BatchExports)?;
    let Request { data, destination: place, schedule } = request;
    let batch = Batch { data: wanted(&data, &subscription)?, destination: place };
    let place = destination(&app, &batch.destination)?;
    if let Some(when) = schedule {
        let planned = schedule::Planned { batch: &batch, when: &when };
        return Ok(Json(Answer::Scheduled(schedule::keep(&app, &scope, &actor, planned).await?)));
    }
    let files = match batch.write(&app, tenant, Run { destination: place, now: time::now() }).await {
        Ok(files) => files,
        Err(error) => {
            // Some of it may have left the platform already.
            denied(&app, tenant.id, &actor, Event::denied(Action::ExportBatch, &batch.names().join(","))).await;
            return Err(error);
        }
    };
    let names: Vec<&str> = files.iter().map(|file| file.data).collect();
    let object = names.join(",");
    let mut tx = app.store.begin().await?;
    append(&app.seal, &mut tx, (tenant.id, &actor), Event::done(Action::ExportBatch, &object)).await?;
    tx.commit().await?;
    Ok(Json(Answer::Written { files }))
}

/// The place of a destination that the platform allows for batches.
pub(super) fn destination(app: &App, wanted: &str) -> Result<Destination, Error> {
    app.exports.allowed.find(wanted).filter(|found| !matches!(found, Destination::Webhook(_))).ok_or_else(|| {
        let message = "The destination is none of those that the platform's `--export-destination` allows for batches";
        Error::field("destination", message)
    })
}

pub(super) fn wanted(names: &[String], subscription: &Subscription) -> Result<Vec<Data>, Error> {
    if let Some(unknown) = names.iter().find(|name| !Data::ALL.iter().any(|data| data.name() == name.as_str())) {
        let known = Data::ALL.map(Data::name).join(", ");
        return Err(Error::field("data", format!("{} is not known; the kinds are {known}", quote(unknown))));
    }
    let wanted: Vec<Data> = Data::ALL.into_iter().filter(|data| names.iter().any(|name| data.name() == name)).collect();
    if wanted.is_empty() {
        return Err(Error::field("data", "At least one kind of data is required"));
    }
    for data in &wanted {
        if let Data::Of(_, category) = data {
            subscription.admit(*category)?;
        }
    }
    Ok(wanted)
}

/// An export in progress.
struct Job<'a> {
    app: &'a App,
    tenant: &'a Record,
    subscription: Subscription,
    destination: Destination,
    now: i64,
    files: Vec<File>,
}

impl Job<'_> {
    async fn write(&mut self, data: Data) -> Result<(), Error> {
        let Data::Of(name, category) = data else {
            let counts = self.app.store.counts(self.tenant.id).await?;
            let mut lines = Lines::default();
            lines.add(&usage(self.tenant, &counts, self.now));
            return self.part(data.name(), 1, lines).await;
        };
        let place = retention::shelf(self.tenant, category, self.now);
        let shown = Shown::new(self.tenant, &self.subscription);
        let (mut after, mut number, mut lines) = (i64::MIN, 1, Lines::default());
        loop {
            let page = self.app.store.data(place, after, bounds::RECORD_PAGE).await?;
            let full = i64::try_from(page.len()).is_ok_and(|rows| rows == bounds::RECORD_PAGE);
            after = page.last().map_or(after, |datum| datum.id);
            for record in shown.all(category, page).await? {
                if lines.is_full() {
                    self.part(name, number, std::mem::take(&mut lines)).await?;
                    number += 1;
                }
                lines.add(&record);
            }
            if !full {
                return self.part(name, number, lines).await;
            }
        }
    }

    /// A file that is there whole or not at all.
    async fn part(&mut self, data: &'static str, number: usize, lines: Lines) -> Result<(), Error> {
        let stamp: String = time::wire(self.now).chars().filter(char::is_ascii_alphanumeric).take(15).collect();
        let millis = self.now.rem_euclid(1000);
        let file = format!("{}/{data}-{stamp}{millis:03}-{number:04}.jsonl", self.tenant.unique_id);
        let Lines { records, content } = lines;
        let written = match &self.destination {
            Destination::Folder { root, below } => {
                let (root, file, content) = (root.clone(), below.join(file), content.into_bytes());
                tokio::task::spawn_blocking(move || to_folder(&root, &file, &content))
                    .await
                    .map_err(|_| Error::Internal)?
                    .map_err(|error| error.to_string())
            }
            Destination::Bucket { endpoint, bucket, prefix } => {
                let key = if prefix.is_empty() { file } else { format!("{}/{file}", prefix.trim_matches('/')) };
                bucket::put(&self.app.exports, (endpoint, bucket), &key, content.into_bytes()).await
            }
            Destination::Webhook(_) => return Err(Error::Internal),
        };
        let location = written.map_err(|reason| {
            tracing::warn!(tenant = self.tenant.unique_id, data, reason, "an export failed");
            Error::Unavailable("The destination did not take the export; the platform's log has the cause".to_owned())
        })?;
        self.files.push(File { data, records, location });
        Ok(())
    }
}

/// What a file will have. It is bounded, so that a tenant of any size is written in the same memory.
#[derive(Default)]
struct Lines {
    records: usize,
    content: String,
}

impl Lines {
    fn add(&mut self, record: &serde_json::Value) {
        self.records += 1;
        self.content += &record.to_string();
        self.content.push('\n');
    }

    fn is_full(&self) -> bool {
        self.records >= bounds::EXPORT_RECORDS || self.content.len() >= bounds::EXPORT_BYTES
    }
}

fn usage(tenant: &Record, counts: &BTreeMap<String, i64>, now: i64) -> serde_json::Value {
    json!({ "tenantId": tenant.unique_id, "time": time::wire(now), "records": counts })
}

/// Written beside its place and renamed. Each step of the way is taken from inside the folder of the list, so that a link on it
/// which leads out, whenever it was put there, is not followed.
fn to_folder(root: &Path, file: &Path, content: &[u8]) -> std::io::Result<String> {
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
