//! Watches: the changes since a version, in order.

use axum::body::Bytes;
use jiff::Timestamp;
use serde_json::json;

use super::responses::{is_selected, requested_view};
use super::target::PathTarget;
use super::{HistoryChange, Resource, SimCluster, SimObjectKey};
use crate::sim::request::SimRequest;

/// An open watch.
#[derive(Clone, Debug)]
pub(crate) struct WatchState {
    resource: Resource,
    /// Version up to which all changes were sent.
    sent_version: u64,
    /// Seconds after which the server closes it.
    pub(crate) seconds: u64,
}

impl WatchState {
    pub(super) const fn new(resource: Resource, sent_version: u64, seconds: u64) -> Self {
        Self { resource, sent_version, seconds }
    }
}

impl SimCluster {
    /// Returns the next event of a watch up to `until` as a line of the stream. Newer events are held back by the lag.
    pub(crate) fn next_event(
        &self,
        watching: &mut WatchState,
        request: &SimRequest,
        until: Timestamp,
    ) -> Option<Bytes> {
        let PathTarget::All { namespace, .. } = PathTarget::from_path(&request.path) else {
            panic!("not a watch of many: {}", request.path)
        };
        let is_there = |key: &SimObjectKey| namespace.as_ref().is_none_or(|namespace| key.namespace == *namespace);
        let after = self.history.partition_point(|change| change.version <= watching.sent_version);
        for change in &self.history[after..] {
            if change.at > until {
                return None;
            }
            watching.sent_version = change.version;
            if change.key.resource == watching.resource && is_there(&change.key) && is_selected(request, &change.object)
            {
                let how = match change.how {
                    HistoryChange::Added => "ADDED",
                    HistoryChange::Modified => "MODIFIED",
                    HistoryChange::Deleted => "DELETED",
                };
                let line = json!({"type": how, "object": requested_view(request, &change.object)}).to_string() + "\n";
                return Some(Bytes::from(line));
            }
        }
        None
    }

    /// Returns the time of the oldest change that the watch has not sent.
    pub(crate) fn oldest_unsent_change(&self, watching: &WatchState) -> Option<Timestamp> {
        let after = self.history.partition_point(|change| change.version <= watching.sent_version);
        self.history.get(after).map(|change| change.at)
    }

    /// Returns the bookmark that a server sends before it closes a watch: the version that it has reached.
    pub(crate) fn bookmark(watching: &WatchState) -> Bytes {
        let object = json!({
            "apiVersion": watching.resource.api, "kind": watching.resource.kind,
            "metadata": {"resourceVersion": watching.sent_version.to_string(), "annotations": {}},
        });
        Bytes::from(json!({"type": "BOOKMARK", "object": object}).to_string() + "\n")
    }
}
