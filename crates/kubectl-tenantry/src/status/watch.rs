//! Prints each object again when it changes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt as _};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt as _};
use tenantry_api::{Partner, TenantClient};
use tenantry_core::object::{ParsedObject, TenantResource};

use super::list::StatusRow;
use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::output;
use crate::selection::ObjectScope;

/// Shortest time between two warnings about interruptions.
const REPORT_AGAIN_AFTER: Duration = Duration::from_mins(1);

/// A change that the watch reports.
enum StatusChange {
    /// The object has a new row.
    Updated(Box<StatusRow>),
    /// The object is gone.
    Gone(String),
    /// The watch was interrupted, with the reason.
    Interrupted(String),
    /// The watch continues.
    Resumed,
}

/// The filter of the shown changes.
pub(super) struct StatusWatch<'a> {
    pub(super) scope: &'a ObjectScope,
    /// Whether only objects are shown that need a person's attention.
    pub(super) is_not_ready: bool,
    pub(super) cluster: &'a Cluster,
}

impl StatusWatch<'_> {
    /// Prints a row for each change until the program is interrupted.
    pub(super) async fn print_changes(&self, shown: Vec<StatusRow>) -> Result<(), Failure> {
        let Self { scope, is_not_ready, cluster } = *self;
        let partners = watch_changes::<Partner>(scope, cluster);
        let clients = watch_changes::<TenantClient>(scope, cluster);
        let mut changes = std::pin::pin!(futures::stream::select(partners, clients));
        let mut known: BTreeMap<String, StatusRow> = shown.into_iter().map(|row| (row.key(), row)).collect();
        let mut reported_at: Option<Instant> = None;
        while let Some(change) = changes.next().await {
            let row = match change? {
                StatusChange::Interrupted(why) => {
                    if reported_at.is_none_or(|told| told.elapsed() >= REPORT_AGAIN_AFTER) {
                        reported_at = Some(Instant::now());
                        output::print_note(&format!(
                            "the watch was interrupted and begins again when the cluster answers: {why}"
                        ));
                    }
                    continue;
                }
                StatusChange::Resumed => {
                    reported_at = None;
                    continue;
                }
                StatusChange::Gone(place) => {
                    reported_at = None;
                    known.remove(&place);
                    output::print(&format!("{place} has gone\n"))?;
                    continue;
                }
                StatusChange::Updated(row) => *row,
            };
            // A watch that resumes where it broke off only shows that by its next object.
            reported_at = None;
            let before = known.insert(row.key(), row.clone());
            let is_shown =
                !is_not_ready || row.needs_attention() || before.as_ref().is_some_and(StatusRow::needs_attention);
            if is_shown && before.is_none_or(|before| !before.shows_same(&row)) {
                output::print(&row.line())?;
            }
        }
        Ok(())
    }
}

fn watch_changes<K: TenantResource>(
    scope: &ObjectScope,
    cluster: &Cluster,
) -> impl Stream<Item = Result<StatusChange, Failure>> + use<K> {
    let client = cluster.client.clone();
    let objects: Api<ParsedObject<K>> = match scope.namespace(cluster) {
        Some(name) => Api::namespaced(client, name),
        None => Api::all(client),
    };
    let config = watcher::Config { label_selector: scope.selector().map(str::to_owned), ..watcher::Config::default() };
    watcher(objects, config).default_backoff().filter_map(|event| async {
        match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => {
                Some(Ok(StatusChange::Updated(Box::new(match object.into_understood() {
                    Ok(object) => StatusRow::from_object(&object),
                    Err(other) => StatusRow::from_unsupported(K::KIND.name(), &other),
                }))))
            }
            Ok(Event::Delete(object)) => {
                let namespace = object.namespace().unwrap_or_default();
                Some(Ok(StatusChange::Gone(StatusRow::key_of(K::KIND.name(), &namespace, &object.name_any()))))
            }
            Ok(Event::Init) => None,
            Ok(Event::InitDone) => Some(Ok(StatusChange::Resumed)),
            Err(error) => Some(classify_watch_error(error)),
        }
    })
}

/// Classifies an error of the watch. The watch is retried automatically, except after a permission error.
fn classify_watch_error(error: watcher::Error) -> Result<StatusChange, Failure> {
    let is_refused =
        |error: &kube::Error| matches!(error, kube::Error::Api(status) if [401, 403].contains(&status.code));
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error)
            if is_refused(&error) =>
        {
            Err(error.into())
        }
        error => Ok(StatusChange::Interrupted(error.to_string())),
    }
}
