//! How the operator reaches its two servers.

use std::time::Duration;

use axum::http::{Request, Response};
use k8s_openapi::api::core::v1::Namespace;
use kube::client::{Body, ClientBuilder, DynBody};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use tower::BoxError;
use tower::util::BoxService;

use super::StartError;
use super::error::sentence;
use super::settings::Settings;
use crate::connect::{Dial, dial};

/// What carries requests to the API server.
pub type ClusterWire = BoxService<Request<Body>, Response<Box<DynBody>>, BoxError>;

/// The seams at which the operator meets the API server and the platforms.
pub struct Servers {
    /// A new way to the API server at each call, since whoever keeps the lease needs one of its own.
    pub cluster: Box<dyn Fn() -> Result<ClientBuilder<ClusterWire>, kube::Error> + Send + Sync>,
    /// Namespace of lease, evidence and ledger.
    pub namespace: String,
    /// The way to each platform.
    pub platform: Dial,
}

impl Servers {
    /// Those that the flags name.
    pub(crate) async fn named(settings: &Settings) -> Result<Self, StartError> {
        let config = config(settings).await?;
        let namespace = settings.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let platform = dial(settings.platform_proxy.clone());
        Ok(Self { cluster: Box::new(move || ClientBuilder::try_from(config.clone())), namespace, platform })
    }
}

async fn config(settings: &Settings) -> Result<Config, StartError> {
    let mut config = if settings.kubeconfig.is_some() || settings.context.is_some() {
        let read = settings.kubeconfig.as_ref().map_or_else(Kubeconfig::read, Kubeconfig::read_from);
        let kubeconfig = read.map_err(|error| StartError::Kubeconfig(error.to_string()))?;
        let options = KubeConfigOptions { context: settings.context.clone(), ..KubeConfigOptions::default() };
        let made = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        made.map_err(|error| StartError::Kubeconfig(error.to_string()))?
    } else {
        Config::incluster().map_err(|_| StartError::NoCluster)?
    };
    if settings.namespace.is_none() && (settings.kubeconfig.is_some() || settings.context.is_some()) {
        return Err(StartError::NoNamespace);
    }
    // A pass has its own deadline and its own pauses: a retry below it would send a change after its time.
    config.default_retry = false;
    Ok(config)
}

pub(crate) async fn cluster_id(client: &Client, settings: &Settings) -> Result<String, StartError> {
    if let Some(id) = &settings.cluster_id {
        return Ok(id.clone());
    }
    let mut pause = Duration::from_millis(250);
    let mut last = String::new();
    for _ in 0..8 {
        match Api::<Namespace>::all(client.clone()).get_metadata("kube-system").await {
            Ok(namespace) => {
                return namespace.metadata.uid.ok_or_else(|| StartError::NoClusterId("it has none".to_owned()));
            }
            Err(kube::Error::Api(status)) if status.is_forbidden() => {
                return Err(StartError::NoClusterId(status.message.clone()));
            }
            // A new cluster makes the namespace a moment after it begins to answer.
            Err(error) => last = sentence(&error),
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(Duration::from_secs(5));
    }
    Err(StartError::NoClusterId(last))
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
            let settings = Settings::parse_from(flags.iter().chain(more));
            let config = config(&settings).await.unwrap();
            assert_eq!(config.cluster_url.host(), Some(host), "{more:?}");
        }
        std::fs::remove_file(&file).unwrap();
    }
}
