//! A model of the API server for the requests of the operator and of people in a simulation. Anything else panics, so
//! that nothing is modelled by accident. `replay` compares it with the real one.

pub(crate) mod responses;
mod target;
mod watch;
mod writes;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch::{Receiver, Sender};

use super::request::{SimReply, SimRequest};
use responses::error_status;
use target::PathTarget;
pub(crate) use target::{CLIENTS, CONFIG_MAPS, DEFINITIONS, EVENTS, LEASES, NAMESPACES, PARTNERS, Resource, SECRETS};
pub(crate) use watch::WatchState;

/// Key of an object; the namespace is empty for cluster-wide kinds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SimObjectKey {
    pub(crate) resource: Resource,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl SimObjectKey {
    pub(crate) fn new(resource: Resource, namespace: &str, name: &str) -> Self {
        Self { resource, namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

/// The type of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HistoryChange {
    Added,
    Modified,
    Deleted,
}

/// One entry of the store's history.
#[derive(Clone, Debug)]
struct HistoryEntry {
    version: u64,
    at: Timestamp,
    how: HistoryChange,
    key: SimObjectKey,
    object: Arc<Value>,
}

/// The state of the API server.
pub(crate) struct SimCluster {
    version: u64,
    created_count: u64,
    objects: BTreeMap<SimObjectKey, Arc<Value>>,
    history: Vec<HistoryEntry>,
    /// Watches can no longer start from versions up to this one.
    pub(crate) oldest_version: u64,
    /// Whether writes are refused because the store is full.
    pub(crate) is_full: bool,
    change_sender: Sender<u64>,
}

impl SimCluster {
    /// Creates a cluster with our kinds and these namespaces.
    pub(crate) fn new(namespaces: &[&str], at: Timestamp) -> Self {
        let mut cluster = Self {
            version: 100,
            created_count: 0,
            objects: BTreeMap::new(),
            history: Vec::new(),
            oldest_version: 0,
            is_full: false,
            change_sender: Sender::new(0),
        };
        for name in namespaces.iter().chain(&["kube-system"]) {
            let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            let _ = cluster.create(NAMESPACES, "", body, at);
        }
        for name in ["partners.tenantry.dev", "clients.tenantry.dev"] {
            let body = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name}});
            let _ = cluster.create(DEFINITIONS, "", body, at);
        }
        cluster
    }

    /// Returns the version of the newest change.
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    /// Returns the current object.
    pub(crate) fn get(&self, key: &SimObjectKey) -> Option<&Value> {
        self.objects.get(key).map(AsRef::as_ref)
    }

    /// Returns all objects of a kind.
    pub(crate) fn all(&self, resource: Resource) -> impl Iterator<Item = (&SimObjectKey, &Value)> {
        self.objects.iter().filter(move |(key, _)| key.resource == resource).map(|(key, object)| (key, object.as_ref()))
    }

    /// Returns all Partners, then all Clients.
    pub(crate) fn partners_and_clients(&self) -> impl Iterator<Item = (&SimObjectKey, &Value)> {
        self.all(PARTNERS).chain(self.all(CLIENTS))
    }

    /// Returns an object at a version, or `None` if it did not exist.
    pub(crate) fn object_at_version(&self, key: &SimObjectKey, version: u64) -> Option<Arc<Value>> {
        let last = self.history.iter().rev().find(|change| change.version <= version && change.key == *key)?;
        (last.how != HistoryChange::Deleted).then(|| Arc::clone(&last.object))
    }

    /// Carries out a request. Watches begin with [`Self::begin_watch`].
    pub(crate) fn carry_out(&mut self, request: &SimRequest, at: Timestamp) -> SimReply {
        if self.is_full && request.method != Method::GET {
            return error_status(
                500,
                "",
                "rpc error: code = ResourceExhausted desc = etcdserver: mvcc: database space exceeded",
            );
        }
        let target = PathTarget::from_path(&request.path);
        let reply = match (&request.method, target) {
            (_, PathTarget::Group) => self.list_resources(request),
            (method, target) if self.is_unserved(&target) => {
                let _ = method;
                error_status(404, "NotFound", "the server could not find the requested resource")
            }
            (&Method::GET, PathTarget::All { resource, namespace }) => {
                self.list(request, resource, namespace.as_deref(), self.version)
            }
            (&Method::POST, PathTarget::All { resource, namespace }) => {
                self.create(resource, &namespace.unwrap_or_default(), request.json(), at)
            }
            (&Method::GET, PathTarget::One(key)) => responses::object_reply(request, &key, self.get(&key)),
            (&Method::PUT, PathTarget::One(key)) => self.replace(&key, request.json(), at),
            (&Method::PATCH, PathTarget::One(key)) => self.merge_patch(request, &key, at),
            (&Method::PATCH, PathTarget::Status(key)) => self.apply_status(request, &key, at),
            (&Method::DELETE, PathTarget::One(key)) => self.delete(&key, at),
            (method, target) => panic!("not modelled: {method} {target:?}: {}", request.log_line()),
        };
        self.remove_empty_owners(at);
        reply
    }

    /// Runs the controllers of Kubernetes for namespaces and kinds that are being deleted.
    pub(crate) fn run_controllers(&mut self, at: Timestamp) {
        for key in self.objects_to_delete() {
            let _ = self.delete(&key, at);
        }
        self.remove_empty_owners(at);
    }

    /// Returns objects whose namespace or kind is being deleted.
    fn objects_to_delete(&self) -> Vec<SimObjectKey> {
        let is_going = |key: &SimObjectKey| self.get(key).is_some_and(writes::is_deleting);
        let goes = |key: &&SimObjectKey| {
            !key.namespace.is_empty() && is_going(&SimObjectKey::new(NAMESPACES, "", &key.namespace))
                || is_going(&SimObjectKey::new(DEFINITIONS, "", &key.resource.definition()))
        };
        self.objects.keys().filter(goes).cloned().collect()
    }

    /// Removes namespaces and kinds that are being deleted once they are empty.
    fn remove_empty_owners(&mut self, at: Timestamp) {
        let going = |resource: Resource| {
            let all = self.all(resource).filter(|(_, object)| writes::is_deleting(object));
            all.map(|(key, _)| key.clone()).collect::<Vec<_>>()
        };
        let (namespaces, definitions) = (going(NAMESPACES), going(DEFINITIONS));
        for key in namespaces {
            if self.objects.keys().all(|one| one.namespace != key.name) {
                self.remove(&key, at);
            }
        }
        for key in definitions {
            if self.objects.keys().all(|one| one.resource.definition() != key.name) {
                self.remove(&key, at);
            }
        }
    }

    /// Returns whether the kind of a target is not served because its definition does not exist.
    fn is_unserved(&self, target: &PathTarget) -> bool {
        let resource = target.resource();
        [PARTNERS, CLIENTS].contains(&resource)
            && self.get(&SimObjectKey::new(DEFINITIONS, "", &resource.definition())).is_none()
    }

    fn list_resources(&self, request: &SimRequest) -> SimReply {
        assert_eq!(
            (&request.method, request.path.as_str()),
            (&Method::GET, "/apis/tenantry.dev/v1alpha1"),
            "not modelled"
        );
        let mut served = Vec::new();
        for resource in [PARTNERS, CLIENTS] {
            let Some(definition) = self.get(&SimObjectKey::new(DEFINITIONS, "", &resource.definition())) else {
                continue;
            };
            let mut verbs = vec!["delete", "deletecollection", "get", "list", "watch"];
            if !writes::is_deleting(definition) {
                verbs.extend(["patch", "create", "update"]);
            }
            served.push(json!({
                "name": resource.plural, "singularName": resource.kind.to_lowercase(), "namespaced": true,
                "kind": resource.kind, "verbs": verbs,
            }));
        }
        if served.is_empty() {
            return error_status(404, "NotFound", "the server could not find the requested resource");
        }
        let whole = json!({
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "tenantry.dev/v1alpha1", "resources": served,
        });
        SimReply::json(200, &whole)
    }

    /// Returns a list at a version.
    pub(crate) fn list(
        &self,
        request: &SimRequest,
        resource: Resource,
        namespace: Option<&str>,
        version: u64,
    ) -> SimReply {
        let keys = self
            .history
            .iter()
            .map(|change| &change.key)
            .filter(|key| key.resource == resource && namespace.is_none_or(|namespace| namespace == key.namespace));
        let keys: std::collections::BTreeSet<&SimObjectKey> = keys.collect();
        let objects = keys.into_iter().filter_map(|key| {
            if version == self.version { self.objects.get(key).cloned() } else { self.object_at_version(key, version) }
        });
        let chosen: Vec<Arc<Value>> = objects.filter(|object| responses::is_selected(request, object)).collect();
        responses::list_reply(request, resource, &chosen, version)
    }

    /// Begins a watch from the version that the request names. Returns an error response if that is not possible.
    pub(crate) fn begin_watch(&self, request: &SimRequest) -> Result<WatchState, SimReply> {
        let target = PathTarget::from_path(&request.path);
        if self.is_unserved(&target) {
            return Err(error_status(404, "NotFound", "the server could not find the requested resource"));
        }
        let from = request.parameter("resourceVersion").and_then(|text| text.parse().ok()).unwrap_or(0);
        if from < self.oldest_version {
            return Err(responses::expired_watch());
        }
        let seconds = request.parameter("timeoutSeconds").and_then(|text| text.parse().ok()).unwrap_or(290);
        Ok(WatchState::new(target.resource(), from, seconds))
    }

    /// Returns a receiver of the version of each change.
    pub(crate) fn subscribe_changes(&self) -> Receiver<u64> {
        self.change_sender.subscribe()
    }
}

impl SimCluster {
    /// Returns a list of a server that is behind.
    pub(crate) fn stale_list(&self, request: &SimRequest, version: u64) -> SimReply {
        match PathTarget::from_path(&request.path) {
            PathTarget::All { resource, namespace } => self.list(request, resource, namespace.as_deref(), version),
            target => panic!("not a list: {target:?}"),
        }
    }
}

/// The history, for the oracle.
impl SimCluster {
    /// Returns whether an object ever existed.
    pub(crate) fn has_existed(&self, key: &SimObjectKey) -> bool {
        self.history.iter().any(|change| change.key == *key)
    }

    /// Returns all versions of an object, each with its time.
    pub(crate) fn object_history<'a>(&'a self, key: &'a SimObjectKey) -> impl Iterator<Item = (Timestamp, &'a Value)> {
        self.history.iter().filter(move |change| change.key == *key).map(|change| (change.at, change.object.as_ref()))
    }

    /// Returns whether any object ever requested to adopt a tenant.
    pub(crate) fn was_adopted(&self, id: &str) -> bool {
        self.history.iter().any(|change| {
            let adoption = &change.object["spec"]["adoption"];
            adoption["uniqueId"] == *id && adoption["policy"].as_str().is_some_and(|policy| policy != "Never")
        })
    }

    /// Returns the newest version at a time.
    pub(crate) fn version_at(&self, time: Timestamp) -> u64 {
        self.history.iter().rev().find(|change| change.at <= time).map_or(0, |change| change.version)
    }

    /// Returns the versions of an object since a version, including it.
    pub(crate) fn versions<'a>(&'a self, key: &'a SimObjectKey, since: u64) -> impl Iterator<Item = &'a Value> {
        self.history
            .iter()
            .filter(move |change| change.version >= since && change.key == *key)
            .map(|change| change.object.as_ref())
    }
}
