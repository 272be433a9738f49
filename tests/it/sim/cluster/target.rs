//! The targets of API paths.

use super::SimObjectKey;

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Resource {
    /// Name in paths.
    pub(crate) plural: &'static str,
    pub(crate) kind: &'static str,
    /// Group and version, as in `apiVersion`.
    pub(crate) api: &'static str,
}

impl Resource {
    const fn new(plural: &'static str, kind: &'static str, api: &'static str) -> Self {
        Self { plural, kind, api }
    }

    /// Returns the name of the definition of one of our kinds. For other kinds, the name belongs to no definition.
    pub(crate) fn definition(self) -> String {
        format!("{}.{}", self.plural, self.api.split('/').next().unwrap_or_default())
    }

    /// Returns whether its objects count the changes of their spec.
    pub(crate) fn has_generation(self) -> bool {
        [PARTNERS, CLIENTS].contains(&self)
    }

    /// Returns the path of an object, or of all objects if the name is empty.
    pub(crate) fn path(self, namespace: &str, name: &str) -> String {
        let root = if self.api == "v1" { "/api/v1".to_owned() } else { format!("/apis/{}", self.api) };
        let within = if namespace.is_empty() { String::new() } else { format!("/namespaces/{namespace}") };
        let name = if name.is_empty() { String::new() } else { format!("/{name}") };
        format!("{root}{within}/{}{name}", self.plural)
    }
}

pub(crate) const NAMESPACES: Resource = Resource::new("namespaces", "Namespace", "v1");
pub(crate) const SECRETS: Resource = Resource::new("secrets", "Secret", "v1");
pub(crate) const CONFIG_MAPS: Resource = Resource::new("configmaps", "ConfigMap", "v1");
pub(crate) const LEASES: Resource = Resource::new("leases", "Lease", "coordination.k8s.io/v1");
pub(crate) const EVENTS: Resource = Resource::new("events", "Event", "events.k8s.io/v1");
pub(crate) const PARTNERS: Resource = Resource::new("partners", "Partner", "tenantry.dev/v1alpha1");
pub(crate) const CLIENTS: Resource = Resource::new("clients", "Client", "tenantry.dev/v1alpha1");
pub(crate) const DEFINITIONS: Resource =
    Resource::new("customresourcedefinitions", "CustomResourceDefinition", "apiextensions.k8s.io/v1");

pub(super) const ALL: [Resource; 8] =
    [NAMESPACES, SECRETS, CONFIG_MAPS, LEASES, EVENTS, PARTNERS, CLIENTS, DEFINITIONS];

/// The target of a path.
#[derive(Debug)]
pub(super) enum PathTarget {
    /// Discovery of our group.
    Group,
    /// All objects of a kind, or those of one namespace.
    All { resource: Resource, namespace: Option<String> },
    /// One object.
    One(SimObjectKey),
    /// The status of one object.
    Status(SimObjectKey),
}

impl PathTarget {
    pub(super) fn from_path(path: &str) -> Self {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (api, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ((*version).to_owned(), rest),
            ["apis", group, version, rest @ ..] => (format!("{group}/{version}"), rest),
            _ => panic!("not modelled: {path}"),
        };
        let find = |plural: &str| {
            let found = ALL.into_iter().find(|resource| resource.plural == plural && resource.api == api);
            found.unwrap_or_else(|| panic!("not modelled: {path}"))
        };
        match rest {
            [] => Self::Group,
            ["namespaces"] => Self::All { resource: NAMESPACES, namespace: None },
            ["namespaces", name] => Self::One(SimObjectKey::new(NAMESPACES, "", name)),
            ["namespaces", namespace, plural] => {
                Self::All { resource: find(plural), namespace: Some((*namespace).to_owned()) }
            }
            ["namespaces", namespace, plural, name] => Self::One(SimObjectKey::new(find(plural), namespace, name)),
            ["namespaces", namespace, plural, name, "status"] => {
                Self::Status(SimObjectKey::new(find(plural), namespace, name))
            }
            [plural] => Self::All { resource: find(plural), namespace: None },
            [plural, name] => Self::One(SimObjectKey::new(find(plural), "", name)),
            _ => panic!("not modelled: {path}"),
        }
    }

    pub(super) fn resource(&self) -> Resource {
        match self {
            Self::Group => DEFINITIONS,
            Self::All { resource, .. } => *resource,
            Self::One(key) | Self::Status(key) => key.resource,
        }
    }
}
