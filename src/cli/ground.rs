//! The objects as they would be once the manifests were applied: what is declared, with the identity and the status that
//! the cluster holds for it.

mod survivors;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};

use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde_json::Value;

use super::cluster::{Cluster, ClusterFlags};
use super::failure::{Failure, Spot};
use super::manifest::{Declared, FileFlags, Key, Manifests};
use super::output;
use crate::api::{Partner, TenantClient};
use crate::object::{FoundSecret, NotUnderstood, Object, Parent, Reading, namespace};
use crate::plan::{ImageRead, Kind};

/// An object that is looked at.
#[derive(Debug)]
pub(crate) struct Subject<K> {
    /// The object.
    pub(crate) object: K,
    /// What the manifests say of it; nothing for an object that only the cluster has.
    pub(crate) declared: Option<Declared<()>>,
    /// The object of the cluster over which a manifest is put.
    pub(crate) replaced: Option<Value>,
    /// Whether it was asked about, or only stands behind one that was.
    pub(crate) is_asked: bool,
}

impl<K: Object> Subject<K> {
    /// Where a member of it stands in the manifests.
    pub(crate) fn spot(&self, path: &str) -> Option<Spot> {
        self.declared.as_ref().map(|declared| declared.spot(path))
    }
}

/// An object as messages name it.
pub(crate) fn named<K: Object>(object: &K) -> String {
    format!("{} `{}/{}`", K::KIND.name(), namespace(object), object.name_any())
}

/// Why nothing is said or done about an object that this program does not understand.
pub(crate) fn not_understood(kind: Kind, object: &NotUnderstood) -> Failure {
    let message = format!("{}: upgrade `kubectl tenantry` or correct the value", object.sentence());
    Failure::new(message).about(format!("{} `{}`", kind.name(), object.place()))
}

/// Everything that is looked at.
pub(crate) struct Ground {
    /// The cluster, if there is one.
    pub(crate) cluster: Option<Cluster>,
    /// Partners by namespace and name.
    pub(crate) partners: BTreeMap<Key, Subject<Partner>>,
    /// Clients by namespace and name.
    pub(crate) clients: BTreeMap<Key, Subject<TenantClient>>,
    /// Objects of the cluster that this program does not understand.
    pub(crate) others: Vec<Other>,
    /// Secrets that the manifests hold.
    pub(crate) secrets: BTreeMap<Key, FoundSecret>,
    /// Files of `ConfigMaps` that the manifests hold.
    pub(crate) files: BTreeMap<Key, BTreeMap<String, ImageRead>>,
    /// Objects of other kinds in the manifests.
    pub(crate) ignored: usize,
}

/// An object of the cluster that this program does not understand.
pub(crate) struct Other {
    /// Its kind.
    pub(crate) kind: Kind,
    /// What was read of it.
    pub(crate) object: NotUnderstood,
    /// Whether it was asked about.
    pub(crate) is_asked: bool,
}

impl Other {
    fn is(&self, kind: Kind, key: &Key) -> bool {
        self.kind == kind && self.object.namespace() == key.0 && self.object.name() == key.1
    }
}

impl Ground {
    /// Reads manifests and cluster. `objects` names some of the cluster, as `partner/acme`; with neither manifests nor
    /// names, all of the cluster is asked about.
    ///
    /// # Errors
    /// Everything that cannot be read.
    pub(crate) async fn gather(
        files: &FileFlags,
        objects: &[String],
        flags: &ClusterFlags,
    ) -> Result<Self, Vec<Failure>> {
        let cluster = flags.connect().await?;
        let fallback = cluster.as_ref().map_or("default", |cluster| cluster.namespace.as_str());
        let fallback = flags.namespace().unwrap_or(fallback).to_owned();
        let manifests = files.read(&fallback).await?;
        manifests.all_in(flags.namespace())?;
        if manifests.passed_over > 0 {
            output::note(&output::passed_over(manifests.passed_over));
        }
        let Manifests { partners, clients, secrets, files: images, ignored, .. } = manifests;
        let spaces: BTreeSet<String> = partners
            .iter()
            .map(|declared| namespace(&declared.object))
            .chain(clients.iter().map(|declared| namespace(&declared.object)))
            .chain([fallback.clone()])
            .collect();
        let mut ground = Self {
            partners: BTreeMap::new(),
            clients: BTreeMap::new(),
            others: Vec::new(),
            secrets,
            files: images,
            ignored,
            cluster,
        };
        if let Some(cluster) = &ground.cluster {
            let partners = list::<Partner>(cluster, &spaces).await?;
            let clients = list::<TenantClient>(cluster, &spaces).await?;
            ground.partners = found(partners, &mut ground.others);
            ground.clients = found(clients, &mut ground.others);
        }
        put(&mut ground.partners, partners, &mut ground.others);
        put(&mut ground.clients, clients, &mut ground.others);
        if files.is_empty() && objects.is_empty() {
            ground.ask_all(flags.namespace())?;
        }
        for object in objects {
            ground.ask(object, &fallback)?;
        }
        ground.ask_dependents();
        Ok(ground)
    }

    fn ask_all(&mut self, namespace: Option<&str>) -> Result<(), Failure> {
        if self.cluster.is_none() {
            return Err(Failure::new(
                "there is nothing to look at: name manifests with `-f` or `-k`, or a cluster with `--kubeconfig`",
            ));
        }
        let is_in = |key: &Key| namespace.is_none_or(|namespace| key.0 == namespace);
        self.partners.iter_mut().filter(|(key, _)| is_in(key)).for_each(|(_, subject)| subject.is_asked = true);
        self.clients.iter_mut().filter(|(key, _)| is_in(key)).for_each(|(_, subject)| subject.is_asked = true);
        let others = self.others.iter_mut();
        let asked = others.filter(|other| namespace.is_none_or(|namespace| namespace == other.object.namespace()));
        asked.for_each(|other| other.is_asked = true);
        Ok(())
    }

    /// Asks about an object of the cluster, as `partner/acme` or `clients.tenantry.dev/globex`.
    fn ask(&mut self, object: &str, namespace: &str) -> Result<(), Failure> {
        let unknown = || Failure::new(format!("`{object}` is no object: write it as `partner/NAME` or `client/NAME`"));
        let (kind, name) = object.split_once('/').ok_or_else(unknown)?;
        let key = (namespace.to_owned(), name.to_owned());
        let (kind, asked) = match kind.split('.').next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "partner" | "partners" | "msp" => {
                (Kind::Partner, self.partners.get_mut(&key).map(|subject| &mut subject.is_asked))
            }
            "client" | "clients" => (Kind::Client, self.clients.get_mut(&key).map(|subject| &mut subject.is_asked)),
            _ => return Err(unknown()),
        };
        let other = self.others.iter_mut().find(|other| other.is(kind, &key));
        let asked = asked.or(other.map(|other| &mut other.is_asked));
        match asked {
            Some(asked) => *asked = true,
            None if self.cluster.is_none() => {
                return Err(Failure::new(format!(
                    "`{object}` is looked for in a cluster: name one with `--kubeconfig`"
                )));
            }
            None => {
                let message = format!(
                    "`{object}` does not exist in namespace `{namespace}`: correct the name, or say `--namespace`"
                );
                return Err(Failure::new(message));
            }
        }
        Ok(())
    }

    /// What a Partner declares reaches its Clients: they are asked about with it.
    fn ask_dependents(&mut self) {
        for subject in self.clients.values_mut() {
            if let Parent::Object(namespace, name) = subject.object.parent()
                && self.partners.get(&(namespace, name)).is_some_and(|partner| partner.is_asked)
            {
                subject.is_asked = true;
            }
        }
    }

    /// The objects of a kind.
    pub(crate) fn subjects<K: Object>(&self) -> Option<&BTreeMap<Key, Subject<K>>> {
        let Self { partners, clients, .. } = self;
        let (partners, clients): (&dyn Any, &dyn Any) = (partners, clients);
        partners.downcast_ref().or_else(|| clients.downcast_ref())
    }

    /// The Partner that a Client names, where this program does not understand it.
    pub(crate) fn other_partner(&self, namespace: &str, name: &str) -> Option<&NotUnderstood> {
        let key = (namespace.to_owned(), name.to_owned());
        self.others.iter().find(|other| other.is(Kind::Partner, &key)).map(|other| &other.object)
    }

    /// The Partner that an object names.
    pub(crate) fn partner_of<K: Object>(&self, object: &K) -> Option<&Partner> {
        let Parent::Object(namespace, name) = object.parent() else { return None };
        self.partners.get(&(namespace, name)).map(|subject| &subject.object)
    }
}

/// Namespace and name of an object.
pub(crate) fn key<K: Object>(object: &K) -> Key {
    (namespace(object), object.name_any())
}

fn found<K: Object>(objects: Vec<Reading<K>>, others: &mut Vec<Other>) -> BTreeMap<Key, Subject<K>> {
    let subject = |object: K| (key(&object), Subject { object, declared: None, replaced: None, is_asked: false });
    let mut understood = BTreeMap::new();
    for object in objects {
        match object.understood() {
            Ok(object) => understood.extend([subject(object)]),
            Err(object) => others.push(Other { kind: K::KIND, object: *object, is_asked: false }),
        }
    }
    understood
}

/// Puts what is declared over what the cluster holds: its spec, with the identity and status of the object there.
fn put<K: Object>(subjects: &mut BTreeMap<Key, Subject<K>>, declared: Vec<Declared<K>>, others: &mut [Other]) {
    for declared in declared {
        let (mut object, declared) = declared.split();
        let key = key(&object);
        if let Some(other) = others.iter_mut().find(|other| other.is(K::KIND, &key)) {
            // Which tenant it has is not known for certain.
            other.is_asked = true;
            continue;
        }
        let there = subjects.remove(&key);
        let replaced = there.as_ref().and_then(|there| serde_json::to_value(&there.object).ok());
        if let Some(there) = there {
            survivors::keep(&mut object, &there.object);
            let own = std::mem::take(object.annotations_mut());
            *object.meta_mut() = there.object.meta().clone();
            object.annotations_mut().extend(own);
            *object.status_mut() = there.object.status().cloned();
        } else {
            // A status in a manifest is no status: the API server would drop it.
            *object.status_mut() = None;
        }
        subjects.insert(key, Subject { object, declared: Some(declared), replaced, is_asked: true });
    }
}

/// All objects of a kind; where that is not allowed, those of some namespaces.
async fn list<K: Object>(cluster: &Cluster, namespaces: &BTreeSet<String>) -> Result<Vec<Reading<K>>, Failure> {
    match pages(Api::<Reading<K>>::all(cluster.client.clone())).await {
        Err(kube::Error::Api(status)) if status.is_forbidden() => {}
        listed => return Ok(listed?),
    }
    let mut objects = Vec::new();
    for namespace in namespaces {
        objects.extend(pages(Api::<Reading<K>>::namespaced(cluster.client.clone(), namespace)).await?);
    }
    Ok(objects)
}

/// All objects behind an API, page by page, each read for itself.
async fn pages<K: Object>(api: Api<Reading<K>>) -> Result<Vec<Reading<K>>, kube::Error> {
    selected(api, None).await
}

/// The same, of those that carry labels.
pub(crate) async fn selected<K: Object>(
    api: Api<Reading<K>>,
    selector: Option<&str>,
) -> Result<Vec<Reading<K>>, kube::Error> {
    let mut objects = Vec::new();
    let mut next = None;
    loop {
        let mut params = ListParams { label_selector: selector.map(str::to_owned), ..ListParams::default() }.limit(500);
        params.continue_token = next;
        let page = api.list(&params).await?;
        objects.extend(page.items);
        next = page.metadata.continue_.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(objects);
        }
    }
}
