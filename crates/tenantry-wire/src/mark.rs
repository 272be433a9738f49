//! The mark: which Kubernetes object owns a tenant.

use serde::{Deserialize, Serialize};

/// Owner of a tenant: cluster, kind, namespace, name and UID of the object. The extension `managedBy` carries all of
/// it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "camelCase")]
pub struct Mark {
    /// Cluster id: the operator's flag, else the UID of the namespace `kube-system`.
    pub cluster: String,
    /// `Partner` or `Client`.
    pub kind: String,
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// UID of the object.
    pub uid: String,
}

/// Why a text is not a mark.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a mark of the form `cluster/kind/namespace/name/uid`")]
pub struct MarkError(pub String);

impl Mark {
    /// Returns the place that the mark names: `cluster/kind/namespace/name`, without the UID.
    pub fn place(&self) -> String {
        let Self { cluster, kind, namespace, name, uid: _ } = self;
        format!("{cluster}/{kind}/{namespace}/{name}")
    }

    /// Returns whether both marks name the same place: cluster, kind, namespace and name. The UIDs may differ.
    pub fn is_same_place(&self, other: &Self) -> bool {
        self.cluster == other.cluster
            && self.kind == other.kind
            && self.namespace == other.namespace
            && self.name == other.name
    }
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { cluster, kind, namespace, name, uid } = self;
        write!(f, "{cluster}/{kind}/{namespace}/{name}/{uid}")
    }
}

impl std::str::FromStr for Mark {
    type Err = MarkError;

    fn from_str(text: &str) -> Result<Self, MarkError> {
        let parts: Vec<&str> = text.split('/').collect();
        let [cluster, kind, namespace, name, uid] = parts[..] else {
            return Err(MarkError(text.to_owned()));
        };
        if parts.iter().any(|part| part.is_empty()) {
            return Err(MarkError(text.to_owned()));
        }
        Ok(Self {
            cluster: cluster.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: uid.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_back_from_its_text() {
        let mark: Mark = "c1/Client/acme/globex/0a1b".parse().unwrap();
        assert_eq!(mark.to_string().parse(), Ok(mark.clone()));
        let moved = Mark { uid: "2".to_owned(), ..mark.clone() };
        assert!(mark.is_same_place(&moved));
        assert!(!mark.is_same_place(&Mark { name: "other".to_owned(), ..mark.clone() }));
    }

    #[test]
    fn a_text_with_missing_parts_is_refused_by_name() {
        assert_eq!("a/b/c".parse::<Mark>(), Err(MarkError("a/b/c".to_owned())));
        assert!("a/b//d/e".parse::<Mark>().is_err());
    }
}
