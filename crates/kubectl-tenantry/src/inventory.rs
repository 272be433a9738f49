//! The objects as they would be after the manifests were applied: the declared spec, with the identity and the status
//! from the cluster.

mod preserved_fields;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};

use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde_json::Value;
use tenantry_api::{Partner, TenantClient};
use tenantry_core::object::{NotUnderstoodObject, ParentRef, ParsedObject, SecretSnapshot, TenantResource, namespace};
use tenantry_core::{ConfigMapEntry, TenantKind};

use super::cluster::{Cluster, ClusterFlags};
use super::failure::{Failure, FileLocation};
use super::manifest::{DeclaredObject, FileFlags, Manifests, ObjectKey};
use super::output;

/// An object of the inventory.
#[derive(Debug)]
pub(crate) struct InventoryObject<K> {
    /// The object.
    pub(crate) object: K,
    /// What the manifests declare of it; `None` for an object that only the cluster has.
    pub(crate) declared: Option<DeclaredObject<()>>,
    /// The object of the cluster that the manifest replaces.
    pub(crate) replaced: Option<Value>,
    /// Whether the user selected it. Otherwise it is only needed for one that was selected.
    pub(crate) is_selected: bool,
}

impl<K: TenantResource> InventoryObject<K> {
    /// Returns where the manifests declare a member of it.
    pub(crate) fn location_of(&self, path: &str) -> Option<FileLocation> {
        self.declared.as_ref().map(|declared| declared.location_of(path))
    }
}

/// Formats an object for messages.
pub(crate) fn object_label<K: TenantResource>(object: &K) -> String {
    format!("{} `{}/{}`", K::KIND.name(), namespace(object), object.name_any())
}

/// Explains why an object that this program does not understand is skipped.
pub(crate) fn not_understood_failure(kind: TenantKind, object: &NotUnderstoodObject) -> Failure {
    let message = format!("{}: upgrade `kubectl tenantry` or correct the value", object.unknown_summary());
    Failure::new(message).about(format!("{} `{}`", kind.name(), object.namespaced_name()))
}

/// All objects that a verb works on.
pub(crate) struct Inventory {
    /// The cluster, if there is one.
    pub(crate) cluster: Option<Cluster>,
    /// Partners by namespace and name.
    pub(crate) partners: BTreeMap<ObjectKey, InventoryObject<Partner>>,
    /// Clients by namespace and name.
    pub(crate) clients: BTreeMap<ObjectKey, InventoryObject<TenantClient>>,
    /// Objects of the cluster that this program does not understand.
    pub(crate) not_understood: Vec<NotUnderstoodInput>,
    /// Secrets that the manifests hold.
    pub(crate) secrets: BTreeMap<ObjectKey, SecretSnapshot>,
    /// Files of `ConfigMaps` that the manifests hold.
    pub(crate) files: BTreeMap<ObjectKey, BTreeMap<String, ConfigMapEntry>>,
    /// Number of objects of other kinds in the manifests.
    pub(crate) ignored: usize,
}

/// An object of the cluster that this program does not understand.
pub(crate) struct NotUnderstoodInput {
    /// Its kind.
    pub(crate) kind: TenantKind,
    /// What was parsed of it.
    pub(crate) object: NotUnderstoodObject,
    /// Whether the user selected it.
    pub(crate) is_selected: bool,
}

impl NotUnderstoodInput {
    fn is_object(&self, kind: TenantKind, key: &ObjectKey) -> bool {
        self.kind == kind && self.object.namespace() == key.0 && self.object.name() == key.1
    }
}

impl Inventory {
    /// Loads manifests and cluster. `objects` selects some objects of the cluster, as `partner/acme`. With neither
    /// manifests nor names, all objects of the cluster are selected.
    ///
    /// # Errors
    /// Returns all that cannot be read.
    pub(crate) async fn load(
        files: &FileFlags,
        objects: &[String],
        flags: &ClusterFlags,
    ) -> Result<Self, Vec<Failure>> {
        let cluster = flags.connect().await?;
        let fallback = cluster.as_ref().map_or("default", |cluster| cluster.namespace.as_str());
        let fallback = flags.namespace().unwrap_or(fallback).to_owned();
        let manifests = files.read_manifests(&fallback).await?;
        manifests.ensure_all_in_namespace(flags.namespace())?;
        if manifests.skipped_files > 0 {
            output::print_note(&output::skipped_files_text(manifests.skipped_files));
        }
        let Manifests { partners, clients, secrets, files: images, ignored, .. } = manifests;
        let spaces: BTreeSet<String> = partners
            .iter()
            .map(|declared| namespace(&declared.object))
            .chain(clients.iter().map(|declared| namespace(&declared.object)))
            .chain([fallback.clone()])
            .collect();
        let mut inventory = Self {
            partners: BTreeMap::new(),
            clients: BTreeMap::new(),
            not_understood: Vec::new(),
            secrets,
            files: images,
            ignored,
            cluster,
        };
        if let Some(cluster) = &inventory.cluster {
            let partners = list_readable_objects::<Partner>(cluster, &spaces).await?;
            let clients = list_readable_objects::<TenantClient>(cluster, &spaces).await?;
            inventory.partners = index_objects(partners, &mut inventory.not_understood);
            inventory.clients = index_objects(clients, &mut inventory.not_understood);
        }
        overlay_declared(&mut inventory.partners, partners, &mut inventory.not_understood);
        overlay_declared(&mut inventory.clients, clients, &mut inventory.not_understood);
        if files.is_empty() && objects.is_empty() {
            inventory.select_all(flags.namespace())?;
        }
        for object in objects {
            inventory.select_object(object, &fallback)?;
        }
        inventory.select_clients_of_selected();
        Ok(inventory)
    }

    fn select_all(&mut self, namespace: Option<&str>) -> Result<(), Failure> {
        if self.cluster.is_none() {
            return Err(Failure::new(
                "there is nothing to look at: name manifests with `-f` or `-k`, or a cluster with `--kubeconfig`",
            ));
        }
        let is_in = |key: &ObjectKey| namespace.is_none_or(|namespace| key.0 == namespace);
        self.partners.iter_mut().filter(|(key, _)| is_in(key)).for_each(|(_, subject)| subject.is_selected = true);
        self.clients.iter_mut().filter(|(key, _)| is_in(key)).for_each(|(_, subject)| subject.is_selected = true);
        let others = self.not_understood.iter_mut();
        let asked = others.filter(|other| namespace.is_none_or(|namespace| namespace == other.object.namespace()));
        asked.for_each(|other| other.is_selected = true);
        Ok(())
    }

    /// Selects an object of the cluster, as `partner/acme` or `clients.tenantry.dev/globex`.
    fn select_object(&mut self, object: &str, namespace: &str) -> Result<(), Failure> {
        let unknown = || Failure::new(format!("`{object}` is no object: write it as `partner/NAME` or `client/NAME`"));
        let (kind, name) = object.split_once('/').ok_or_else(unknown)?;
        let key = (namespace.to_owned(), name.to_owned());
        let (kind, asked) = match kind.split('.').next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "partner" | "partners" | "msp" => {
                (TenantKind::Partner, self.partners.get_mut(&key).map(|subject| &mut subject.is_selected))
            }
            "client" | "clients" => {
                (TenantKind::Client, self.clients.get_mut(&key).map(|subject| &mut subject.is_selected))
            }
            _ => return Err(unknown()),
        };
        let other = self.not_understood.iter_mut().find(|other| other.is_object(kind, &key));
        let asked = asked.or(other.map(|other| &mut other.is_selected));
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

    /// Selects the Clients of selected Partners, since what a Partner declares also reaches its Clients.
    fn select_clients_of_selected(&mut self) {
        for subject in self.clients.values_mut() {
            if let ParentRef::Object(namespace, name) = subject.object.parent()
                && self.partners.get(&(namespace, name)).is_some_and(|partner| partner.is_selected)
            {
                subject.is_selected = true;
            }
        }
    }

    /// Returns the objects of a kind.
    pub(crate) fn objects_of_kind<K: TenantResource>(&self) -> Option<&BTreeMap<ObjectKey, InventoryObject<K>>> {
        let Self { partners, clients, .. } = self;
        let (partners, clients): (&dyn Any, &dyn Any) = (partners, clients);
        partners.downcast_ref().or_else(|| clients.downcast_ref())
    }

    /// Returns the Partner that a Client names, if this program does not understand it.
    pub(crate) fn unsupported_partner(&self, namespace: &str, name: &str) -> Option<&NotUnderstoodObject> {
        let key = (namespace.to_owned(), name.to_owned());
        self.not_understood.iter().find(|other| other.is_object(TenantKind::Partner, &key)).map(|other| &other.object)
    }

    /// Returns the Partner that an object names.
    pub(crate) fn partner_of<K: TenantResource>(&self, object: &K) -> Option<&Partner> {
        let ParentRef::Object(namespace, name) = object.parent() else { return None };
        self.partners.get(&(namespace, name)).map(|subject| &subject.object)
    }
}

/// Returns namespace and name of an object.
pub(crate) fn object_key<K: TenantResource>(object: &K) -> ObjectKey {
    (namespace(object), object.name_any())
}

fn index_objects<K: TenantResource>(
    objects: Vec<ParsedObject<K>>,
    others: &mut Vec<NotUnderstoodInput>,
) -> BTreeMap<ObjectKey, InventoryObject<K>> {
    let subject = |object: K| {
        (object_key(&object), InventoryObject { object, declared: None, replaced: None, is_selected: false })
    };
    let mut understood = BTreeMap::new();
    for object in objects {
        match object.into_understood() {
            Ok(object) => understood.extend([subject(object)]),
            Err(object) => others.push(NotUnderstoodInput { kind: K::KIND, object: *object, is_selected: false }),
        }
    }
    understood
}

/// Overlays the cluster with what is declared: the declared spec, with the identity and status of the cluster's object.
fn overlay_declared<K: TenantResource>(
    subjects: &mut BTreeMap<ObjectKey, InventoryObject<K>>,
    declared: Vec<DeclaredObject<K>>,
    others: &mut [NotUnderstoodInput],
) {
    for declared in declared {
        let (mut object, declared) = declared.into_parts();
        let key = object_key(&object);
        if let Some(other) = others.iter_mut().find(|other| other.is_object(K::KIND, &key)) {
            // Its tenant is not known for certain.
            other.is_selected = true;
            continue;
        }
        let there = subjects.remove(&key);
        let replaced = there.as_ref().and_then(|there| serde_json::to_value(&there.object).ok());
        if let Some(there) = there {
            preserved_fields::preserve_cluster_fields(&mut object, &there.object);
            let own = std::mem::take(object.annotations_mut());
            *object.meta_mut() = there.object.meta().clone();
            object.annotations_mut().extend(own);
            *object.status_mut() = there.object.status().cloned();
        } else {
            // A status in a manifest is ignored: the API server would drop it.
            *object.status_mut() = None;
        }
        subjects.insert(key, InventoryObject { object, declared: Some(declared), replaced, is_selected: true });
    }
}

/// Lists all objects of a kind. If that is not allowed, lists those of single namespaces.
async fn list_readable_objects<K: TenantResource>(
    cluster: &Cluster,
    namespaces: &BTreeSet<String>,
) -> Result<Vec<ParsedObject<K>>, Failure> {
    match list_all_pages(Api::<ParsedObject<K>>::all(cluster.client.clone())).await {
        Err(kube::Error::Api(status)) if status.is_forbidden() => {}
        listed => return Ok(listed?),
    }
    let mut objects = Vec::new();
    for namespace in namespaces {
        objects.extend(list_all_pages(Api::<ParsedObject<K>>::namespaced(cluster.client.clone(), namespace)).await?);
    }
    Ok(objects)
}

/// Lists all objects of an API page by page, and parses each one separately.
async fn list_all_pages<K: TenantResource>(api: Api<ParsedObject<K>>) -> Result<Vec<ParsedObject<K>>, kube::Error> {
    list_pages_by_label(api, None).await
}

/// As above, restricted to objects with the given labels.
pub(crate) async fn list_pages_by_label<K: TenantResource>(
    api: Api<ParsedObject<K>>,
    selector: Option<&str>,
) -> Result<Vec<ParsedObject<K>>, kube::Error> {
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
