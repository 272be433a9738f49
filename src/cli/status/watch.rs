//! Each object again when it changes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt as _};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt as _};

use super::list::Row;
use crate::api::{Partner, TenantClient};
use crate::cli::cluster::Cluster;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::selection::Scope;
use crate::object::{Object, Reading};

/// After what time an interruption that goes on, or another one, is told again.
const TOLD_AGAIN: Duration = Duration::from_mins(1);

/// What happened to an object.
enum Change {
    /// It stands like this.
    Seen(Box<Row>),
    /// It has gone.
    Gone(String),
    /// The watch was interrupted, and why.
    Interrupted(String),
    /// The watch goes on.
    Resumed,
}

/// Which changes are shown.
pub(super) struct Watched<'a> {
    pub(super) scope: &'a Scope,
    /// Only of objects that a person should look at.
    pub(super) is_not_ready: bool,
    pub(super) cluster: &'a Cluster,
}

impl Watched<'_> {
    /// Prints a row for each change until the program is interrupted.
    pub(super) async fn show(&self, shown: Vec<Row>) -> Result<(), Failure> {
        let Self { scope, is_not_ready, cluster } = *self;
        let partners = changes::<Partner>(scope, cluster);
        let clients = changes::<TenantClient>(scope, cluster);
        let mut changes = std::pin::pin!(futures::stream::select(partners, clients));
        let mut known: BTreeMap<String, Row> = shown.into_iter().map(|row| (row.key(), row)).collect();
        let mut told: Option<Instant> = None;
        while let Some(change) = changes.next().await {
            let row = match change? {
                Change::Interrupted(why) => {
                    if told.is_none_or(|told| told.elapsed() >= TOLD_AGAIN) {
                        told = Some(Instant::now());
                        output::note(&format!(
                            "the watch was interrupted and begins again when the cluster answers: {why}"
                        ));
                    }
                    continue;
                }
                Change::Resumed => {
                    told = None;
                    continue;
                }
                Change::Gone(place) => {
                    told = None;
                    known.remove(&place);
                    output::print(&format!("{place} has gone\n"))?;
                    continue;
                }
                Change::Seen(row) => *row,
            };
            // A watch that goes on where it broke off says so by its next object alone.
            told = None;
            let before = known.insert(row.key(), row.clone());
            let is_shown = !is_not_ready || row.needs_a_look() || before.as_ref().is_some_and(Row::needs_a_look);
            if is_shown && before.is_none_or(|before| !before.is_alike(&row)) {
                output::print(&row.line())?;
            }
        }
        Ok(())
    }
}

fn changes<K: Object>(scope: &Scope, cluster: &Cluster) -> impl Stream<Item = Result<Change, Failure>> + use<K> {
    let client = cluster.client.clone();
    let objects: Api<Reading<K>> = match scope.namespace(cluster) {
        Some(name) => Api::namespaced(client, name),
        None => Api::all(client),
    };
    let config = watcher::Config { label_selector: scope.selector().map(str::to_owned), ..watcher::Config::default() };
    watcher(objects, config).default_backoff().filter_map(|event| async {
        match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => {
                Some(Ok(Change::Seen(Box::new(match object.understood() {
                    Ok(object) => Row::of(&object),
                    Err(other) => Row::of_other(K::KIND.name(), &other),
                }))))
            }
            Ok(Event::Delete(object)) => {
                let namespace = object.namespace().unwrap_or_default();
                Some(Ok(Change::Gone(Row::key_of(K::KIND.name(), &namespace, &object.name_any()))))
            }
            Ok(Event::Init) => None,
            Ok(Event::InitDone) => Some(Ok(Change::Resumed)),
            Err(error) => Some(interruption(error)),
        }
    })
}

/// It is watched again by itself, but for what will never be allowed.
fn interruption(error: watcher::Error) -> Result<Change, Failure> {
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
        error => Ok(Change::Interrupted(error.to_string())),
    }
}
