//! How the operator reaches the API server and the platforms.

use std::time::Duration;

use axum::http::{Request, Response};
use k8s_openapi::api::core::v1::Namespace;
use kube::client::{Body, ClientBuilder, DynBody};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use tenantry_client::{Connector, network_connector};
use tower::BoxError;
use tower::util::BoxService;

use super::OperatorError;
use super::flags::OperatorFlags;
use super::pass_stop::api_error_message;

/// The service that carries requests to the API server.
pub type ClusterService = BoxService<Request<Body>, Response<Box<DynBody>>, BoxError>;

/// The seams between the operator and its servers; simulations replace them.
pub struct Servers {
    /// Builds a new API server client at each call, since the lease keeper needs one of its own.
    pub cluster_client: Box<dyn Fn() -> Result<ClientBuilder<ClusterService>, kube::Error> + Send + Sync>,
    /// Namespace of lease, evidence and ledger.
    pub namespace: String,
    /// Connects to a platform.
    pub connector: Connector,
}

impl Servers {
    /// Returns the servers that the flags name.
    pub(crate) async fn from_flags(settings: &OperatorFlags) -> Result<Self, OperatorError> {
        let config = kube_config(settings).await?;
        let namespace = settings.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let platform = network_connector(settings.platform_proxy.clone());
        Ok(Self {
            cluster_client: Box::new(move || ClientBuilder::try_from(config.clone())),
            namespace,
            connector: platform,
        })
    }
}

async fn kube_config(settings: &OperatorFlags) -> Result<Config, OperatorError> {
    let mut config = if settings.kubeconfig.is_some() || settings.context.is_some() {
        let read = settings.kubeconfig.as_ref().map_or_else(Kubeconfig::read, Kubeconfig::read_from);
        let kubeconfig = read.map_err(|error| OperatorError::Kubeconfig(error.to_string()))?;
        let options = KubeConfigOptions { context: settings.context.clone(), ..KubeConfigOptions::default() };
        let made = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        made.map_err(|error| OperatorError::Kubeconfig(error.to_string()))?
    } else {
        Config::incluster().map_err(|_| OperatorError::NoCluster)?
    };
    if settings.namespace.is_none() && (settings.kubeconfig.is_some() || settings.context.is_some()) {
        return Err(OperatorError::NoNamespace);
    }
    // A pass has its own deadline and its own pauses. A retry below it would send a change too late.
    config.default_retry = false;
    Ok(config)
}

pub(crate) async fn read_cluster_id(client: &Client, settings: &OperatorFlags) -> Result<String, OperatorError> {
    if let Some(id) = &settings.cluster_id {
        return Ok(id.clone());
    }
    let mut pause = Duration::from_millis(250);
    let mut last = String::new();
    for _ in 0..8 {
        match Api::<Namespace>::all(client.clone()).get_metadata("kube-system").await {
            Ok(namespace) => {
                return namespace.metadata.uid.ok_or_else(|| OperatorError::NoClusterId("it has none".to_owned()));
            }
            Err(kube::Error::Api(status)) if status.is_forbidden() => {
                return Err(OperatorError::NoClusterId(status.message.clone()));
            }
            // A new cluster creates the namespace a moment after it begins to answer.
            Err(error) => last = api_error_message(&error),
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(Duration::from_secs(5));
    }
    Err(OperatorError::NoClusterId(last))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[tokio::test]
    async fn the_context_that_is_named_is_used() {
        let text = r#"{"apiVersion": "v1", "kind": "Config", "current-context": "one", "users": [{"name": "me", "user": {}}],
            "clusters": [{"name": "one", "cluster": {"server": "https://one.example"}}, {"name": "two", "cluster": {"server": "https://two.example"}}],
            "contexts": [{"name": "one", "context": {"cluster": "one", "user": "me"}}, {"name": "two", "context": {"cluster": "two", "user": "me"}}]}"#;
        let file = std::env::temp_dir().join(format!("tenantry-contexts-{}", std::process::id()));
        std::fs::write(&file, text).unwrap();
        let path = file.display().to_string();
        for (more, host) in [(&[][..], "one.example"), (&["--context", "two"], "two.example")] {
            let flags = ["tenantry-operator", "--namespace", "home", "--kubeconfig", &path];
            let settings = OperatorFlags::parse_from(flags.iter().chain(more));
            let config = kube_config(&settings).await.unwrap();
            assert_eq!(config.cluster_url.host(), Some(host), "{more:?}");
        }
        std::fs::remove_file(&file).unwrap();
    }
}
