//! Watches: what changed since a version, in order.

use axum::body::Bytes;
use jiff::Timestamp;
use serde_json::json;

use super::answer::{is_chosen, shown};
use super::target::Target;
use super::{Cluster, How, Key, Resource};
use crate::sim::ask::Ask;

/// A watch under way.
#[derive(Clone, Debug)]
pub(crate) struct Watching {
    resource: Resource,
    /// Version up to which everything was told.
    told: u64,
    /// Seconds after which the server closes it.
    pub(crate) seconds: u64,
}

impl Watching {
    pub(super) const fn new(resource: Resource, told: u64, seconds: u64) -> Self {
        Self { resource, told, seconds }
    }
}

impl Cluster {
    /// The next event of a watch among those that are at least as old as the lag, as a line of the stream.
    pub(crate) fn next_event(&self, watching: &mut Watching, ask: &Ask, until: Timestamp) -> Option<Bytes> {
        let Target::All { namespace, .. } = Target::of(&ask.path) else { panic!("not a watch of many: {}", ask.path) };
        let is_there = |key: &Key| namespace.as_ref().is_none_or(|namespace| key.namespace == *namespace);
        let after = self.history.partition_point(|change| change.version <= watching.told);
        for change in &self.history[after..] {
            if change.at > until {
                return None;
            }
            watching.told = change.version;
            if change.key.resource == watching.resource && is_there(&change.key) && is_chosen(ask, &change.object) {
                let how = match change.how {
                    How::Added => "ADDED",
                    How::Modified => "MODIFIED",
                    How::Deleted => "DELETED",
                };
                let line = json!({"type": how, "object": shown(ask, &change.object)}).to_string() + "\n";
                return Some(Bytes::from(line));
            }
        }
        None
    }

    /// When the oldest change was made that the watch has not told of.
    pub(crate) fn oldest_untold(&self, watching: &Watching) -> Option<Timestamp> {
        let after = self.history.partition_point(|change| change.version <= watching.told);
        self.history.get(after).map(|change| change.at)
    }

    /// What a server sends before it closes a watch: how far it has told.
    pub(crate) fn bookmark(watching: &Watching) -> Bytes {
        let object = json!({
            "apiVersion": watching.resource.api, "kind": watching.resource.kind,
            "metadata": {"resourceVersion": watching.told.to_string(), "annotations": {}},
        });
        Bytes::from(json!({"type": "BOOKMARK", "object": object}).to_string() + "\n")
    }
}
