//! One object as people name it: `client/globex`, `client globex`, or `globex` where that is unique.

use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use tenantry_api::{Partner, TenantClient};
use tenantry_core::TenantKind;
use tenantry_core::object::{NotUnderstoodObject, ParsedObject, TenantResource, namespace};

use super::cluster::{Cluster, ClusterFlags};
use super::failure::Failure;
use super::inventory::{list_pages_by_label, not_understood_failure};

/// An object as the command line names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObjectArg {
    /// Its kind, if given.
    pub(crate) kind: Option<TenantKind>,
    /// Its name.
    pub(crate) name: String,
}

impl ObjectArg {
    /// Parses `KIND/NAME`, `KIND NAME` or `NAME`.
    ///
    /// # Errors
    /// Fails if the words have none of these forms.
    pub(crate) fn parse(words: &[String]) -> Result<Self, Failure> {
        let whole = words.join("/");
        let unknown = || Failure::new(format!("`{whole}` is no object: write `partner/NAME` or `client/NAME`"));
        let (kind, name) = match whole.split_once('/') {
            None => (None, whole.as_str()),
            Some((kind, name)) => (Some(parse_kind(kind).ok_or_else(unknown)?), name),
        };
        if name.is_empty() || name.contains('/') {
            return Err(unknown());
        }
        Ok(Self { kind, name: name.to_owned() })
    }

    /// Parses an object whose kind must be given.
    ///
    /// # Errors
    /// Fails if the kind is missing.
    pub(crate) fn parse_with_kind(words: &[String]) -> Result<Self, Failure> {
        let named = Self::parse(words)?;
        if named.kind.is_none() {
            let name = &named.name;
            return Err(Failure::new(format!("say which kind is meant: `partner/{name}` or `client/{name}`")));
        }
        Ok(named)
    }

    /// Reads the object from the cluster.
    ///
    /// # Errors
    /// Fails if it does not exist, or if both kinds have the name and no kind was given.
    pub(crate) async fn find_object(&self, cluster: &Cluster) -> Result<AnyObject, Failure> {
        let Self { kind, name } = self;
        let partner = match kind {
            None | Some(TenantKind::Partner) => get_object::<Partner>(cluster, name).await?,
            Some(TenantKind::Client) => None,
        };
        let client = match kind {
            None | Some(TenantKind::Client) => get_object::<TenantClient>(cluster, name).await?,
            Some(TenantKind::Partner) => None,
        };
        match (partner, client) {
            (Some(partner), None) => Ok(AnyObject::Partner(Box::new(partner))),
            (None, Some(client)) => Ok(AnyObject::Client(Box::new(client))),
            (Some(_), Some(_)) => Err(Failure::new(format!(
                "there is a Partner and a Client `{name}`: say `partner/{name}` or `client/{name}`"
            ))),
            (None, None) => {
                let kind = kind.map_or("Partner or Client", TenantKind::name);
                let namespace = &cluster.namespace;
                let message = format!(
                    "there is no {kind} `{name}` in namespace `{namespace}`: correct the name, or name the namespace with `-n`"
                );
                Err(Failure::new(message))
            }
        }
    }
}

pub(crate) fn parse_kind(text: &str) -> Option<TenantKind> {
    match text.split('.').next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "partner" | "partners" | "msp" => Some(TenantKind::Partner),
        "client" | "clients" | "tclient" => Some(TenantKind::Client),
        _ => None,
    }
}

/// An object of either kind.
#[derive(Debug)]
pub(crate) enum AnyObject {
    /// A Partner.
    Partner(Box<Partner>),
    /// A Client.
    Client(Box<TenantClient>),
}

/// Reads an object in the context's namespace. Fails if the cluster does not know the kind.
async fn get_object<K: TenantResource>(cluster: &Cluster, name: &str) -> Result<Option<K>, Failure> {
    let objects = Api::<ParsedObject<K>>::namespaced(cluster.client.clone(), &cluster.namespace);
    let found = objects.get_opt(name).await?;
    if found.is_none() {
        objects.list_metadata(&ListParams::default().limit(1)).await?;
    }
    found.map(ParsedObject::into_understood).transpose().map_err(|other| not_understood_failure(K::KIND, &other))
}

/// Connects to the cluster, for a verb that needs one.
///
/// # Errors
/// Fails if no cluster is configured.
pub(crate) async fn connect_required(flags: &ClusterFlags) -> Result<Cluster, Failure> {
    let found = flags.connect().await?;
    found.ok_or_else(|| Failure::new("this needs a cluster: name one with `--kubeconfig` or `--context`"))
}

/// Formats an object as the command line names it.
pub(crate) fn object_argument<K: TenantResource>(object: &K) -> String {
    format!("{}/{} -n {}", K::KIND.name().to_ascii_lowercase(), object.name_any(), namespace(object))
}

/// All objects of a kind.
pub(crate) struct ObjectList<K> {
    /// Objects that this program understands.
    pub(crate) understood: Vec<K>,
    /// Objects that it does not understand.
    pub(crate) not_understood: Vec<NotUnderstoodObject>,
}

/// Lists all objects of a kind, in the cluster or in one namespace.
pub(crate) async fn list_objects<K: TenantResource>(
    cluster: &Cluster,
    namespace: Option<&str>,
) -> Result<ObjectList<K>, Failure> {
    list_objects_by_label(cluster, namespace, None).await
}

/// As above, restricted to objects with the given labels.
pub(crate) async fn list_objects_by_label<K: TenantResource>(
    cluster: &Cluster,
    namespace: Option<&str>,
    selector: Option<&str>,
) -> Result<ObjectList<K>, Failure> {
    let client = cluster.client.clone();
    let objects = match namespace {
        Some(name) => Api::<ParsedObject<K>>::namespaced(client, name),
        None => Api::<ParsedObject<K>>::all(client),
    };
    let mut every = ObjectList { understood: Vec::new(), not_understood: Vec::new() };
    for object in list_pages_by_label(objects, selector).await? {
        match object.into_understood() {
            Ok(object) => every.understood.push(object),
            Err(object) => every.not_understood.push(*object),
        }
    }
    Ok(every)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(text: &str) -> Result<ObjectArg, Failure> {
        ObjectArg::parse(&text.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn an_object_is_named_as_kubectl_does() {
        for (text, kind, name) in [
            ("globex", None, "globex"),
            ("client/globex", Some(TenantKind::Client), "globex"),
            ("clients.tenantry.dev globex", Some(TenantKind::Client), "globex"),
            ("Partners acme", Some(TenantKind::Partner), "acme"),
            ("msp/acme", Some(TenantKind::Partner), "acme"),
        ] {
            assert_eq!(parse_words(text), Ok(ObjectArg { kind, name: name.to_owned() }), "{text}");
        }
        for text in ["pod/globex", "client/", "client/a/b", "client a/b"] {
            let failure = parse_words(text).unwrap_err();
            assert!(failure.to_string().ends_with("is no object: write `partner/NAME` or `client/NAME`"), "{failure}");
        }
    }
}
