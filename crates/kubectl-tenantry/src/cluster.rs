//! The connection to the cluster, if there is one, by the same flags as kubectl.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap_complete::ArgValueCompleter;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Api, Client, Config};
use tenantry_api::Partner;
use tenantry_core::TenantKind;
use tenantry_core::object::{ParsedObject, unique_id};

use super::completion_candidates;
use super::failure::Failure;
use super::inventory::not_understood_failure;
use super::output;

/// Which cluster and which namespace, as kubectl asks for them.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct ClusterFlags {
    /// Kubeconfig file; default: `KUBECONFIG`, then `~/.kube/config`.
    #[arg(long, global = true, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; default: its current one.
    #[arg(long, global = true, value_name = "NAME", add = ArgValueCompleter::new(completion_candidates::contexts))]
    context: Option<String>,
    /// Namespace of objects that name none; default: that of the context.
    #[arg(short, long, global = true, value_name = "NAME", add = ArgValueCompleter::new(completion_candidates::namespaces))]
    namespace: Option<String>,
    /// Cluster of the kubeconfig; default: that of the context.
    #[arg(long, global = true, value_name = "NAME")]
    cluster: Option<String>,
    /// User of the kubeconfig; default: that of the context.
    #[arg(long, global = true, value_name = "NAME")]
    user: Option<String>,
    /// Address of the API server, in place of the kubeconfig's.
    #[arg(short, long, global = true, value_name = "URL")]
    server: Option<String>,
    /// User to impersonate, as `system:serviceaccount:NAMESPACE:NAME` for a ServiceAccount.
    #[arg(long = "as", global = true, value_name = "USER")]
    as_user: Option<String>,
    /// Group to impersonate with `--as`; may be repeated.
    #[arg(long = "as-group", global = true, value_name = "GROUP")]
    as_groups: Vec<String>,
    /// Ask no cluster, even where a kubeconfig names one.
    #[arg(long, global = true, conflicts_with_all = ["kubeconfig", "context", "cluster", "user", "server", "as_user"])]
    offline: bool,
}

/// A reachable cluster.
pub(crate) struct Cluster {
    /// Its API client.
    pub(crate) client: Client,
    /// Namespace of objects that name none.
    pub(crate) namespace: String,
}

impl ClusterFlags {
    /// Reads the cluster flags from the words of an incomplete command line.
    pub(crate) fn from_words(words: &[String]) -> Self {
        let value = |names: &[&str]| {
            words.iter().enumerate().find_map(|(number, word)| {
                let (name, value) =
                    word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
                let is_named = names.contains(&name);
                let next = || words.get(number + 1).map(String::as_str);
                value.or_else(next).filter(|_| is_named).map(str::to_owned)
            })
        };
        Self {
            kubeconfig: value(&["--kubeconfig"]).map(PathBuf::from),
            context: value(&["--context"]),
            namespace: value(&["-n", "--namespace"]),
            cluster: value(&["--cluster"]),
            user: value(&["--user"]),
            server: value(&["-s", "--server"]),
            as_user: value(&["--as"]),
            as_groups: value(&["--as-group"]).into_iter().collect(),
            offline: words.iter().any(|word| word == "--offline"),
        }
    }

    /// Returns the same flags, without a namespace if all namespaces were requested.
    pub(crate) fn with_all_namespaces(&self, is_everywhere: bool) -> Self {
        let namespace = self.namespace.clone().filter(|_| !is_everywhere);
        Self { namespace, ..self.clone() }
    }

    /// Returns the namespace that a flag names.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Connects to the cluster. Returns `None` if none is configured.
    ///
    /// # Errors
    /// Fails if the kubeconfig names a cluster that cannot be used.
    pub(crate) async fn connect(&self) -> Result<Option<Cluster>, Failure> {
        if self.offline {
            return Ok(None);
        }
        let Some(mut config) = self.load_config().await? else { return Ok(None) };
        self.impersonate(&mut config)?;
        let namespace = self.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).map_err(|error| kubeconfig_failure(&error.to_string()))?;
        Ok(Some(Cluster { client, namespace }))
    }

    /// Impersonates another user, which needs the permission `impersonate`.
    fn impersonate(&self, config: &mut Config) -> Result<(), Failure> {
        if !self.as_groups.is_empty() && self.as_user.is_none() {
            return Err(Failure::new("`--as-group` needs a user beside it: add `--as USER`"));
        }
        if self.as_user.is_some() {
            config.auth_info.impersonate.clone_from(&self.as_user);
            config.auth_info.impersonate_groups = Some(self.as_groups.clone());
        }
        Ok(())
    }

    async fn load_config(&self) -> Result<Option<Config>, Failure> {
        let mut config = self.load_kubeconfig().await?;
        if let Some(server) = &self.server {
            let Ok(url) = server.parse() else {
                let message = format!("`--server {server}` is no address: write it as `https://HOST:PORT`");
                return Err(Failure::new(message));
            };
            match &mut config {
                Some(config) => config.cluster_url = url,
                None => config = Some(Config::new(url)),
            }
        }
        Ok(config)
    }

    async fn load_kubeconfig(&self) -> Result<Option<Config>, Failure> {
        let is_asked_for = self.kubeconfig.is_some() || self.context.is_some();
        let read = match &self.kubeconfig {
            Some(file) => Kubeconfig::read_from(file),
            None => Kubeconfig::read(),
        };
        let kubeconfig = match read {
            Ok(kubeconfig) => kubeconfig,
            Err(KubeconfigError::ReadConfig(..) | KubeconfigError::FindPath) if !is_asked_for => {
                // In a Pod the ServiceAccount is used; anywhere else there is no cluster.
                return Ok(Config::incluster().ok());
            }
            Err(error) => return Err(kubeconfig_failure(&error.to_string())),
        };
        if kubeconfig.current_context.as_deref().unwrap_or_default().is_empty() && self.context.is_none() {
            return Ok(None);
        }
        let (context, cluster, user) = (self.context.clone(), self.cluster.clone(), self.user.clone());
        let options = KubeConfigOptions { context, cluster, user };
        let made = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        made.map(Some).map_err(|error| kubeconfig_failure(&error.to_string()))
    }
}

fn kubeconfig_failure(why: &str) -> Failure {
    Failure::new(format!(
        "the kubeconfig cannot be used ({why}): correct `--kubeconfig` or `--context`, or say `--offline`"
    ))
}

impl Cluster {
    /// Reads the cluster id that the marks of this cluster's tenants carry. Returns `None` if it may not be read.
    pub(crate) async fn cluster_id(&self) -> Result<Option<String>, Failure> {
        match Api::<Namespace>::all(self.client.clone()).get_metadata_opt("kube-system").await {
            Ok(found) => Ok(found.and_then(|namespace| namespace.metadata.uid)),
            Err(kube::Error::Api(status)) if status.is_forbidden() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Lists the Partners by the id of their tenants.
    pub(crate) async fn partners_by_tenant_id(&self) -> Result<BTreeMap<String, Partner>, Failure> {
        let listed = Api::<ParsedObject<Partner>>::all(self.client.clone()).list(&ListParams::default()).await?;
        let mut partners = BTreeMap::new();
        for partner in listed.items {
            match partner.into_understood() {
                Ok(partner) => partners.extend(unique_id(&partner).map(str::to_owned).map(|id| (id, partner))),
                Err(other) => output::print_note(&not_understood_failure(TenantKind::Partner, &other).to_string()),
            }
        }
        Ok(partners)
    }

    /// Reads a Secret. Returns `None` if it does not exist.
    pub(crate) async fn read_secret(&self, namespace: &str, name: &str) -> Result<Option<Secret>, Failure> {
        Api::namespaced(self.client.clone(), namespace).get_opt(name).await.map_err(|error| {
            Failure::new(format!(
                "Secret `{namespace}/{name}` cannot be read ({}): ask for the right to `get` it, or give the connection with `--connection FILE`",
                api_error_message(&error)
            ))
        })
    }

    /// Reads a `ConfigMap`. Returns `None` if it does not exist.
    pub(crate) async fn read_config_map(&self, namespace: &str, name: &str) -> Result<Option<ConfigMap>, Failure> {
        Ok(Api::namespaced(self.client.clone(), namespace).get_opt(name).await?)
    }
}

/// Describes an error of the API server and what to do about it.
pub(crate) fn api_error_message(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.code == 404 => {
            format!(
                "the cluster does not know these objects ({}): install the definitions with `kubectl apply -f crds`",
                status.message
            )
        }
        kube::Error::Api(status) => status.message.clone(),
        other => {
            format!("the cluster does not answer ({other}): correct `--kubeconfig` or `--context`, or say `--offline`")
        }
    }
}
