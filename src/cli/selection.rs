//! Which objects of the cluster a verb is about: one that is named, or those of a namespace, of all, or of a label.

use clap_complete::ArgValueCompleter;

use super::cluster::Cluster;
use super::complete;
use super::failure::Failure;
use super::one::{Every, Named, One, every_of};
use super::output;
use crate::api::{Partner, TenantClient};
use crate::object::Object;

/// Labels and namespaces.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Scope {
    /// All namespaces.
    #[arg(short = 'A', long, conflicts_with = "object")]
    all_namespaces: bool,
    /// Objects with these labels, as kubectl writes them: `team=a,tier!=test`.
    #[arg(short = 'l', long, value_name = "SELECTOR", conflicts_with = "object")]
    selector: Option<String>,
}

impl Scope {
    /// The namespace that it is limited to.
    pub(crate) fn namespace<'a>(&self, cluster: &'a Cluster) -> Option<&'a str> {
        (!self.all_namespaces).then_some(cluster.namespace.as_str())
    }

    /// Where it looks, for a sentence.
    pub(crate) fn place(&self, cluster: &Cluster) -> String {
        self.namespace(cluster).map_or_else(|| "the cluster".to_owned(), |name| format!("namespace `{name}`"))
    }

    /// The labels that objects must carry.
    pub(crate) fn selector(&self) -> Option<&str> {
        self.selector.as_deref()
    }

    /// Every object of a kind.
    pub(crate) async fn every<K: Object>(&self, cluster: &Cluster) -> Result<Every<K>, Failure> {
        every_of(cluster, self.namespace(cluster), self.selector()).await
    }
}

/// The objects that a verb writes to.
#[derive(clap::Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("targets").args(["object", "all", "selector"]).required(true))]
pub(crate) struct Targets {
    /// The object, as `partner/NAME` or `client/NAME`; NAME alone where it is only one of them.
    #[arg(value_name = "KIND/NAME", num_args = 1..=2, add = ArgValueCompleter::new(complete::objects))]
    object: Vec<String>,
    /// Every Partner and Client of the namespace, or of all with -A.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    scope: Scope,
}

impl Targets {
    /// The objects, Partners before Clients. One that this program does not understand is told of and left out.
    ///
    /// # Errors
    /// The one that is named does not exist, or the cluster cannot be read.
    pub(crate) async fn find(&self, cluster: &Cluster) -> Result<Vec<One>, Failure> {
        if !self.object.is_empty() {
            return Ok(vec![Named::read(&self.object)?.find(cluster).await?]);
        }
        let partners = understood(self.scope.every::<Partner>(cluster).await?);
        let clients = understood(self.scope.every::<TenantClient>(cluster).await?);
        let partners = partners.into_iter().map(|one| One::Partner(Box::new(one)));
        let found: Vec<One> = partners.chain(clients.into_iter().map(|one| One::Client(Box::new(one)))).collect();
        if found.is_empty() {
            output::note(&format!("there is no such Partner and no such Client in {}", self.scope.place(cluster)));
        }
        Ok(found)
    }
}

fn understood<K: Object>(every: Every<K>) -> Vec<K> {
    for other in &every.others {
        let why = other.sentence();
        output::note(&format!("{} `{}` is left out: {why}", K::KIND.name(), other.place()));
    }
    every.understood
}
