//! The operator's flags.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

mod value;

use super::account_bulkheads::ConcurrencyLimits;

use tenantry_client::ProxyAddress;
use tenantry_core::leader_election::LeaseTerms;
pub use value::{NamespaceNames, PlatformHosts, PlatformMoves};
use value::{
    ProxyParser, parse_cluster_id, parse_duration, parse_hosts, parse_moves, parse_namespace, parse_namespaced_name,
    parse_namespaces,
};

/// Keeps the tenants of a platform equal to the Partner and Client objects of a cluster.
#[derive(Parser, Clone, Debug)]
#[command(name = "tenantry-operator", version = tenantry_runtime::build::version_text())]
pub struct OperatorFlags {
    /// Kubeconfig file; in a cluster the ServiceAccount is used instead.
    #[arg(long, env = "TENANTRY_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig.
    #[arg(long, env = "TENANTRY_CONTEXT")]
    pub context: Option<String>,
    /// Namespace of the operator's own objects; in a cluster: the ServiceAccount's.
    #[arg(long, env = "TENANTRY_NAMESPACE", value_parser = parse_namespace)]
    pub namespace: Option<String>,
    /// Address of `/healthz`, `/readyz` and `/metrics`.
    #[arg(long, env = "TENANTRY_LISTEN", default_value = "127.0.0.1:8081")]
    pub listen: SocketAddr,
    /// Hosts (`host` or `host:port`, separated by commas) that a connection's `url` may name.
    #[arg(long, env = "TENANTRY_PLATFORM_HOSTS", default_value = "", hide_default_value = true, value_parser = parse_hosts)]
    pub platform_hosts: PlatformHosts,
    /// Platforms that have got another host (`OLD=NEW`, separated by commas): objects that recorded the old one go on with
    /// the new one, in the same account. Without it a Secret that leads to another host stops its objects.
    #[arg(long, env = "TENANTRY_PLATFORM_MOVED", default_value = "", hide_default_value = true, value_parser = parse_moves)]
    pub platform_moved: PlatformMoves,
    /// Proxy (`http://host:port`) for every request to a platform. Without this flag no request goes through a proxy, and other
    /// variables of the environment that name one are ignored.
    #[arg(long, env = "TENANTRY_PLATFORM_PROXY", hide_env_values = true, value_parser = ProxyParser)]
    pub platform_proxy: Option<ProxyAddress>,
    /// Time between two drift checks, for example `10m`.
    #[arg(long, env = "TENANTRY_DRIFT_INTERVAL", default_value = "10m", value_parser = parse_duration)]
    pub drift_interval: Duration,
    /// Longest time of one request to the platform.
    #[arg(long, env = "TENANTRY_REQUEST_TIMEOUT", default_value = "60s", value_parser = parse_duration)]
    pub request_timeout: Duration,
    /// Longest time of one pass over an object.
    #[arg(long, env = "TENANTRY_PASS_TIMEOUT", default_value = "5m", value_parser = parse_duration)]
    pub pass_timeout: Duration,
    /// Passes at the same time, over all objects.
    #[arg(long, env = "TENANTRY_CONCURRENCY", default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub concurrency: u16,
    /// Passes at the same time over the objects of one account on a platform: one that is slow takes no more.
    #[arg(long, env = "TENANTRY_ACCOUNT_CONCURRENCY", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub account_concurrency: u16,
    /// Most Partners whose tenants are ended for ever within an hour.
    #[arg(long, env = "TENANTRY_MAX_PARTNER_TERMINATIONS_PER_HOUR", default_value_t = 3, value_parser = clap::value_parser!(u16).range(0..=1000))]
    pub max_partner_terminations_per_hour: u16,
    /// Most Clients whose tenants are ended for ever within an hour.
    #[arg(long, env = "TENANTRY_MAX_CLIENT_TERMINATIONS_PER_HOUR", default_value_t = 30, value_parser = clap::value_parser!(u16).range(0..=1000))]
    pub max_client_terminations_per_hour: u16,
    /// Namespaces, separated by commas, in which the operator watches Partners and Clients; default: all. With a list
    /// it needs no right outside of them, and `--cluster-id` must be set where `kube-system` may not be read.
    #[arg(long, env = "TENANTRY_NAMESPACES", default_value = "", hide_default_value = true, value_parser = parse_namespaces)]
    pub namespaces: NamespaceNames,
    /// Id of this cluster in every mark; default: the UID of the namespace `kube-system`.
    #[arg(long, env = "TENANTRY_CLUSTER_ID", value_parser = parse_cluster_id)]
    pub cluster_id: Option<String>,
    /// Secret (`namespace/name`) with the default connection.
    #[arg(long, env = "TENANTRY_DEFAULT_CONNECTION", value_parser = parse_namespaced_name)]
    pub default_connection: Option<(String, String)>,
    /// Namespaces, separated by commas, whose Partners may use the default connection.
    #[arg(
        long,
        env = "TENANTRY_DEFAULT_CONNECTION_NAMESPACES",
        default_value = "",
        hide_default_value = true,
        value_parser = parse_namespaces
    )]
    pub default_connection_namespaces: NamespaceNames,
    /// How long a leader that was never heard of again is waited for before another takes its place.
    #[arg(long, env = "TENANTRY_LEASE_DURATION", default_value = "15s", value_parser = parse_duration)]
    pub lease_duration: Duration,
    /// A leader that could not renew its lease for so long changes nothing more and ends.
    #[arg(long, env = "TENANTRY_RENEW_DEADLINE", default_value = "10s", value_parser = parse_duration)]
    pub renew_deadline: Duration,
    /// Time between two renewals of the lease.
    #[arg(long, env = "TENANTRY_RETRY_PERIOD", default_value = "2s", value_parser = parse_duration)]
    pub retry_period: Duration,
}

impl OperatorFlags {
    /// Returns whether a connection may name this host.
    pub fn allows_host(&self, host: &str) -> bool {
        self.platform_hosts.contains(host)
    }

    /// Returns the limits of concurrent passes.
    pub(crate) fn concurrency_limits(&self) -> ConcurrencyLimits {
        ConcurrencyLimits { total: self.concurrency, per_account: self.account_concurrency }
    }

    /// Returns the leader election durations.
    ///
    /// # Errors
    /// If these durations could let two operators lead at the same time.
    pub fn lease_terms(&self) -> Result<LeaseTerms, &'static str> {
        LeaseTerms::new(self.lease_duration, self.renew_deadline, self.retry_period)
    }
}
