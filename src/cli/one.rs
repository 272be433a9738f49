//! One object, as people name it: `client/globex`, `client globex`, or `globex` where that is enough.

use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

use super::cluster::{Cluster, ClusterFlags};
use super::failure::Failure;
use super::ground::{not_understood, selected};
use crate::api::{Partner, TenantClient};
use crate::object::{NotUnderstood, Object, Reading, namespace};
use crate::plan::Kind;

/// An object as it was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// Its kind, where one was said.
    pub(crate) kind: Option<Kind>,
    /// Its name.
    pub(crate) name: String,
}

impl Named {
    /// Reads `KIND/NAME`, `KIND NAME` or `NAME`.
    ///
    /// # Errors
    /// It is none of them.
    pub(crate) fn read(words: &[String]) -> Result<Self, Failure> {
        let whole = words.join("/");
        let unknown = || Failure::new(format!("`{whole}` is no object: write `partner/NAME` or `client/NAME`"));
        let (kind, name) = match whole.split_once('/') {
            None => (None, whole.as_str()),
            Some((kind, name)) => (Some(kind_of(kind).ok_or_else(unknown)?), name),
        };
        if name.is_empty() || name.contains('/') {
            return Err(unknown());
        }
        Ok(Self { kind, name: name.to_owned() })
    }

    /// The same, where the kind must be said.
    ///
    /// # Errors
    /// It is not.
    pub(crate) fn read_with_kind(words: &[String]) -> Result<Self, Failure> {
        let named = Self::read(words)?;
        if named.kind.is_none() {
            let name = &named.name;
            return Err(Failure::new(format!("say which kind is meant: `partner/{name}` or `client/{name}`")));
        }
        Ok(named)
    }

    /// The object in the cluster.
    ///
    /// # Errors
    /// There is none, or one of each kind and none was said.
    pub(crate) async fn find(&self, cluster: &Cluster) -> Result<One, Failure> {
        let Self { kind, name } = self;
        let partner = match kind {
            None | Some(Kind::Partner) => get::<Partner>(cluster, name).await?,
            Some(Kind::Client) => None,
        };
        let client = match kind {
            None | Some(Kind::Client) => get::<TenantClient>(cluster, name).await?,
            Some(Kind::Partner) => None,
        };
        match (partner, client) {
            (Some(partner), None) => Ok(One::Partner(Box::new(partner))),
            (None, Some(client)) => Ok(One::Client(Box::new(client))),
            (Some(_), Some(_)) => Err(Failure::new(format!(
                "there is a Partner and a Client `{name}`: say `partner/{name}` or `client/{name}`"
            ))),
            (None, None) => {
                let kind = kind.map_or("Partner or Client", Kind::name);
                let namespace = &cluster.namespace;
                let message = format!(
                    "there is no {kind} `{name}` in namespace `{namespace}`: correct the name, or name the namespace with `-n`"
                );
                Err(Failure::new(message))
            }
        }
    }
}

pub(crate) fn kind_of(text: &str) -> Option<Kind> {
    match text.split('.').next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "partner" | "partners" | "msp" => Some(Kind::Partner),
        "client" | "clients" | "tclient" => Some(Kind::Client),
        _ => None,
    }
}

/// An object of either kind.
#[derive(Debug)]
pub(crate) enum One {
    /// A Partner.
    Partner(Box<Partner>),
    /// A Client.
    Client(Box<TenantClient>),
}

/// An object of the context's namespace; a cluster that does not know the kind says so.
async fn get<K: Object>(cluster: &Cluster, name: &str) -> Result<Option<K>, Failure> {
    let objects = Api::<Reading<K>>::namespaced(cluster.client.clone(), &cluster.namespace);
    let found = objects.get_opt(name).await?;
    if found.is_none() {
        objects.list_metadata(&ListParams::default().limit(1)).await?;
    }
    found.map(Reading::understood).transpose().map_err(|other| not_understood(K::KIND, &other))
}

/// The cluster, for a verb that is about nothing else.
///
/// # Errors
/// None is named.
pub(crate) async fn required(flags: &ClusterFlags) -> Result<Cluster, Failure> {
    let found = flags.connect().await?;
    found.ok_or_else(|| Failure::new("this needs a cluster: name one with `--kubeconfig` or `--context`"))
}

/// An object as the command line names it.
pub(crate) fn argument<K: Object>(object: &K) -> String {
    format!("{}/{} -n {}", K::KIND.name().to_ascii_lowercase(), object.name_any(), namespace(object))
}

/// Every object of a kind.
pub(crate) struct Every<K> {
    /// Those that this program understands.
    pub(crate) understood: Vec<K>,
    /// The others.
    pub(crate) others: Vec<NotUnderstood>,
}

/// Every object of a kind, in the cluster or in one namespace.
pub(crate) async fn every<K: Object>(cluster: &Cluster, namespace: Option<&str>) -> Result<Every<K>, Failure> {
    every_of(cluster, namespace, None).await
}

/// The same, of those that carry labels.
pub(crate) async fn every_of<K: Object>(
    cluster: &Cluster,
    namespace: Option<&str>,
    selector: Option<&str>,
) -> Result<Every<K>, Failure> {
    let client = cluster.client.clone();
    let objects = match namespace {
        Some(name) => Api::<Reading<K>>::namespaced(client, name),
        None => Api::<Reading<K>>::all(client),
    };
    let mut every = Every { understood: Vec::new(), others: Vec::new() };
    for object in selected(objects, selector).await? {
        match object.understood() {
            Ok(object) => every.understood.push(object),
            Err(object) => every.others.push(*object),
        }
    }
    Ok(every)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Named, Failure> {
        Named::read(&text.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn an_object_is_named_as_kubectl_does() {
        for (text, kind, name) in [
            ("globex", None, "globex"),
            ("client/globex", Some(Kind::Client), "globex"),
            ("clients.tenantry.dev globex", Some(Kind::Client), "globex"),
            ("Partners acme", Some(Kind::Partner), "acme"),
            ("msp/acme", Some(Kind::Partner), "acme"),
        ] {
            assert_eq!(read(text), Ok(Named { kind, name: name.to_owned() }), "{text}");
        }
        for text in ["pod/globex", "client/", "client/a/b", "client a/b"] {
            let failure = read(text).unwrap_err();
            assert!(failure.to_string().ends_with("is no object: write `partner/NAME` or `client/NAME`"), "{failure}");
        }
    }
}
