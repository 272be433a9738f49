//! The connection to the platform, from a Secret manifest or a file of `KEY=VALUE` lines.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tenantry_client::{Connection, PlatformClient, ProxyAddress};

use super::cluster::Cluster;
use super::failure::Failure;
use super::manifest;

/// The keys of a connection. The last one is optional.
const CONNECTION_KEYS: [&str; 5] = ["url", "tenantId", "clientId", "clientSecret", "ca.crt"];

/// Timeout of a request. It must be longer than a wait for the platform's rate limits, which takes up to a minute.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(2);

/// Where the connection comes from.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Platform")]
pub(crate) struct ConnectionFlags {
    /// Connection of the service provider: a Secret's manifest, or lines `KEY=VALUE` with `url`, `tenantId`, `clientId`
    /// and `clientSecret`. Without it the Secrets that the objects name are used.
    #[arg(long, env = "TENANTRY_CONNECTION", value_name = "FILE")]
    connection: Option<PathBuf>,
    /// Secret of the cluster with the connection of the service provider.
    #[arg(long, value_name = "[NAMESPACE/]NAME", conflicts_with = "connection")]
    connection_secret: Option<String>,
    /// Proxy (`http://host:port`) for every request to a platform. Without this flag no request goes through a proxy, and other
    /// variables of the environment that name one are ignored.
    // A plain text until it is used: clap's error for a flag repeats the value, which may hold a credential.
    #[arg(long, env = "TENANTRY_PLATFORM_PROXY", hide_env_values = true, value_name = "URL")]
    platform_proxy: Option<String>,
}

/// What the flags override for platforms.
#[derive(Clone, Default)]
pub(crate) struct ConnectionOverride {
    /// The platform that a flag names.
    pub(crate) platform: Option<PlatformClient>,
    /// The proxy for every request to a platform.
    pub(crate) proxy: Option<ProxyAddress>,
}

impl ConnectionFlags {
    /// Returns the platform that the flags name, if any, and the proxy for all platforms.
    ///
    /// # Errors
    /// Fails if the named connection cannot be read or is incomplete.
    pub(crate) async fn connection_override(&self, cluster: Option<&Cluster>) -> Result<ConnectionOverride, Failure> {
        let proxy = self.parse_proxy()?;
        Ok(ConnectionOverride { platform: self.named_platform(cluster, proxy.as_ref()).await?, proxy })
    }

    fn parse_proxy(&self) -> Result<Option<ProxyAddress>, Failure> {
        let proxy = self.platform_proxy.as_deref().map(str::parse).transpose();
        proxy.map_err(|why| Failure::new(format!("the value of `--platform-proxy` {why}")))
    }

    async fn named_platform(
        &self,
        cluster: Option<&Cluster>,
        proxy: Option<&ProxyAddress>,
    ) -> Result<Option<PlatformClient>, Failure> {
        if let Some(secret) = &self.connection_secret {
            let Some(cluster) = cluster else {
                return Err(Failure::new(
                    "`--connection-secret` names a Secret of a cluster: name one with `--kubeconfig`",
                ));
            };
            let (namespace, name) = secret.split_once('/').unwrap_or((&cluster.namespace, secret));
            let Some(found) = cluster.read_secret(namespace, name).await? else {
                return Err(Failure::new(format!(
                    "Secret `{namespace}/{name}` does not exist: correct `--connection-secret`"
                )));
            };
            let data = found.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect();
            return platform_from_secret(&data, &format!("Secret `{namespace}/{name}`"), proxy).map(Some);
        }
        let Some(file) = &self.connection else { return Ok(None) };
        let data = read_connection_file(file)?;
        platform_from_secret(&data, &format!("`{}`", file.display()), proxy).map(Some)
    }
}

/// Builds a platform client from the data of a Secret. `whose` is the subject of an error message.
pub(crate) fn platform_from_secret(
    data: &BTreeMap<String, Vec<u8>>,
    whose: &str,
    proxy: Option<&ProxyAddress>,
) -> Result<PlatformClient, Failure> {
    let unfit = |error: &dyn std::fmt::Display| Failure::new(format!("{whose} is no connection: {error}"));
    let connection = Connection::from_secret(data).map_err(|error| unfit(&error))?;
    PlatformClient::new_with_proxy(connection, REQUEST_TIMEOUT, proxy).map_err(|error| unfit(&error))
}

fn read_connection_file(file: &Path) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
    let text = manifest::read_text(file)?;
    if text.lines().any(|line| line.trim_start().starts_with("apiVersion:")) || text.trim_start().starts_with('{') {
        let manifests = manifest::Manifests::parse(file, &text, "default").map_err(first_failure)?;
        let mut secrets = manifests.secrets.into_values();
        return match (secrets.next(), secrets.next()) {
            (Some(secret), None) => Ok(secret.data),
            _ => Err(Failure::new(format!("`{}` must hold exactly one Secret", file.display()))),
        };
    }
    parse_key_value_lines(file, &text)
}

fn first_failure(failures: Vec<Failure>) -> Failure {
    failures.into_iter().next().unwrap_or_else(|| Failure::new("the connection cannot be read"))
}

fn parse_key_value_lines(file: &Path, text: &str) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
    let mut data = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let spot = super::failure::FileLocation { file: file.to_owned(), line: number as u64 + 1 };
        let Some((key, value)) = line.split_once('=') else {
            return Err(Failure::new("this is no `KEY=VALUE`: write one key a line").at(&spot));
        };
        let key = key.trim();
        if !CONNECTION_KEYS.contains(&key) {
            let message = format!("a connection has no key `{key}`: its keys are {}", CONNECTION_KEYS.join(", "));
            return Err(Failure::new(message).at(&spot));
        }
        // A certificate has many lines: on one line they are separated by a literal `\n`.
        data.insert(key.to_owned(), value.trim().replace("\\n", "\n").into_bytes());
    }
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_keys_are_a_connection() {
        let text = "# the service provider\nurl = https://platform.example\ntenantId=sp_1\n\nclientSecret=a=b\n";
        let data = parse_key_value_lines(Path::new("x"), text).unwrap();
        assert_eq!(data["url"], b"https://platform.example");
        assert_eq!(data["clientSecret"], b"a=b");
    }

    #[test]
    fn a_line_that_is_no_key_is_named() {
        for (text, said) in [
            ("url=a\nnonsense\n", "x:2: this is no `KEY=VALUE`"),
            ("tenantID=sp_1\n", "x:1: a connection has no key `tenantID`"),
        ] {
            let failure = parse_key_value_lines(Path::new("x"), text).unwrap_err().to_string();
            assert!(failure.starts_with(said), "{failure}");
        }
    }
}
