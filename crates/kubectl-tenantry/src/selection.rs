//! Selects the objects of the cluster that a verb works on: a named one, or those of a namespace, of all namespaces, or
//! with labels.

use clap_complete::ArgValueCompleter;
use tenantry_api::{Partner, TenantClient};
use tenantry_core::object::TenantResource;

use super::cluster::Cluster;
use super::completion_candidates;
use super::failure::Failure;
use super::object_arg::{AnyObject, ObjectArg, ObjectList, list_objects_by_label};
use super::output;

/// Labels and namespaces.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct ObjectScope {
    /// All namespaces.
    #[arg(short = 'A', long, conflicts_with = "object")]
    all_namespaces: bool,
    /// Objects with these labels, as kubectl writes them: `team=a,tier!=test`.
    #[arg(short = 'l', long, value_name = "SELECTOR", conflicts_with = "object")]
    selector: Option<String>,
}

impl ObjectScope {
    /// Returns the namespace that the selection is limited to.
    pub(crate) fn namespace<'a>(&self, cluster: &'a Cluster) -> Option<&'a str> {
        (!self.all_namespaces).then_some(cluster.namespace.as_str())
    }

    /// Describes the scope, for use in a sentence.
    pub(crate) fn scope_label(&self, cluster: &Cluster) -> String {
        self.namespace(cluster).map_or_else(|| "the cluster".to_owned(), |name| format!("namespace `{name}`"))
    }

    /// Returns the label selector.
    pub(crate) fn selector(&self) -> Option<&str> {
        self.selector.as_deref()
    }

    /// Lists every object of a kind in the scope.
    pub(crate) async fn list_objects<K: TenantResource>(&self, cluster: &Cluster) -> Result<ObjectList<K>, Failure> {
        list_objects_by_label(cluster, self.namespace(cluster), self.selector()).await
    }
}

/// The objects that a verb writes to.
#[derive(clap::Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("targets").args(["object", "all", "selector"]).required(true))]
pub(crate) struct ObjectSelection {
    /// The object, as `partner/NAME` or `client/NAME`; NAME alone where it is only one of them.
    #[arg(value_name = "KIND/NAME", num_args = 1..=2, add = ArgValueCompleter::new(completion_candidates::objects))]
    object: Vec<String>,
    /// Every Partner and Client of the namespace, or of all with -A.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    scope: ObjectScope,
}

impl ObjectSelection {
    /// Returns the objects, Partners before Clients. One that this program does not understand is reported and left
    /// out.
    ///
    /// # Errors
    /// Fails if the named object does not exist, or if the cluster cannot be read.
    pub(crate) async fn find_objects(&self, cluster: &Cluster) -> Result<Vec<AnyObject>, Failure> {
        if !self.object.is_empty() {
            return Ok(vec![ObjectArg::parse(&self.object)?.find_object(cluster).await?]);
        }
        let partners = drop_unsupported(self.scope.list_objects::<Partner>(cluster).await?);
        let clients = drop_unsupported(self.scope.list_objects::<TenantClient>(cluster).await?);
        let partners = partners.into_iter().map(|one| AnyObject::Partner(Box::new(one)));
        let found: Vec<AnyObject> =
            partners.chain(clients.into_iter().map(|one| AnyObject::Client(Box::new(one)))).collect();
        if found.is_empty() {
            output::print_note(&format!(
                "there is no such Partner and no such Client in {}",
                self.scope.scope_label(cluster)
            ));
        }
        Ok(found)
    }
}

fn drop_unsupported<K: TenantResource>(objects: ObjectList<K>) -> Vec<K> {
    for other in &objects.not_understood {
        let why = other.unknown_summary();
        output::print_note(&format!("{} `{}` is left out: {why}", K::KIND.name(), other.namespaced_name()));
    }
    objects.understood
}
