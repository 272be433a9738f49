//! Tests of the faults between the operator and its two servers, and of the operator's promises in `docs/faults.md`.

mod annotation_writer;
mod backup;
mod create;
mod credentials;
mod deletion;
mod other_writers;
mod ownership;
mod page;
mod restart;
mod throttling;
mod unanswered_requests;
mod wrong_answers;

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::proxy::FaultProxy;
use crate::proxy::rules::{CannedAnswer, FaultRule, ProxyFault};
use crate::world::{TestNamespace, TestWorld};

/// The operator's `--request-timeout` in these tests. An unanswered create is in doubt for this time.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);

/// Returns the world of all tests that only break their own route to the platform.
fn shared_world() -> &'static TestWorld {
    static WORLD: OnceLock<TestWorld> = OnceLock::new();
    WORLD.get_or_init(|| TestWorld::start_shared("faults", short_timeout))
}

fn short_timeout(options: &mut crate::programs::OperatorOptions) {
    options.flags.extend(["--request-timeout".to_owned(), format!("{}s", REQUEST_TIMEOUT.as_secs())]);
}

/// A namespace with a separate proxy to the platform.
struct FaultSite<'a> {
    namespace: TestNamespace<'a>,
    proxy: FaultProxy,
}

fn new_site(prefix: &str, rules: Vec<FaultRule>) -> FaultSite<'static> {
    new_site_in(shared_world(), prefix, rules)
}

fn new_site_in<'a>(world: &'a TestWorld, prefix: &str, rules: Vec<FaultRule>) -> FaultSite<'a> {
    let proxy = world.start_proxy(rules);
    FaultSite { namespace: world.namespace_behind(&proxy, prefix), proxy }
}

/// Creates a site with the Partner `acme`. Returns the unique id too.
fn site_with_partner(prefix: &str) -> (FaultSite<'static>, String) {
    let site = new_site(prefix, Vec::new());
    site.namespace.apply_partner("acme", &json!({}));
    let partner = site.namespace.wait_until_ready("partner/acme");
    (site, partner)
}

/// Creates a site with the Partner `acme` and its Client `globex`. Returns their unique ids too.
fn site_with_client(prefix: &str, spec: &Value) -> (FaultSite<'static>, String, String) {
    let (site, partner) = site_with_partner(prefix);
    site.namespace.apply_client("globex", spec);
    let client = site.namespace.wait_until_ready("client/globex");
    (site, partner, client)
}

impl FaultSite<'_> {
    /// Returns the living clients of a partner, read from the platform directly.
    fn living_clients(&self, partner: &str) -> Vec<Value> {
        self.namespace.world.tenancy.get(&format!("{partner}/clients/minimal")).unwrap().as_array().unwrap().clone()
    }

    /// Asserts that `count` clients live under the partner, each with a different name and owner.
    fn assert_each_once(&self, partner: &str, count: usize) {
        let active_clients = self.living_clients(partner);
        let names: BTreeSet<String> = active_clients.iter().map(|one| one["name"].to_string()).collect();
        let owners: BTreeSet<String> = active_clients.iter().map(|one| one["managedBy"]["uid"].to_string()).collect();
        assert_eq!((active_clients.len(), names.len(), owners.len()), (count, count, count), "{active_clients:?}");
    }

    /// Returns the number of requests that could have changed a tenant and whose path contains `path`.
    fn count_changes(&self, path: &str) -> usize {
        self.proxy.count_requests("POST", path) + self.proxy.count_requests("PUT", path)
    }

    /// Requests a pass and waits until it is done.
    fn reconcile_now(&self, object: &str, word: &str) {
        let annotation = format!("tenantry.dev/reconcile-requested-at={word}");
        self.namespace.kubectl(&["annotate", "--overwrite", object, &annotation]);
        self.namespace.wait_until(&format!("{object} was looked at"), || {
            Ok(self.namespace.get(object).unwrap()["status"]["lastHandledReconcileAt"] == word)
        });
    }

    /// Asserts that something does not happen for some time.
    fn assert_never(&self, span: Duration, what: &str, occurs: impl Fn() -> bool) {
        let end = Instant::now() + span;
        while Instant::now() < end {
            assert!(!occurs(), "{what}, in namespace {}", self.namespace.name);
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// Returns an answer with a status and an empty body.
fn status_fault(status: u16) -> ProxyFault {
    ProxyFault::Answer(CannedAnswer { status, ..CannedAnswer::default() })
}

/// Returns the documented refusal of a credential or a token.
fn refused_credential_fault() -> ProxyFault {
    let body = r#"{"error":"invalid_token","error_description":"Invalid access token"}"#.to_owned();
    ProxyFault::Answer(CannedAnswer { status: 401, body, ..CannedAnswer::default() })
}

/// Returns the status of a Client's tenant, read from the platform directly.
fn tenant_state(site: &FaultSite<'_>, partner: &str, client: &str) -> String {
    site.namespace.read_client_tenant(partner, client)["status"].as_str().unwrap_or_default().to_owned()
}

/// Returns whether a Client's tenant was terminated. Only a search for inactive tenants returns tombstones.
fn is_tombstone(site: &FaultSite<'_>, partner: &str, client: &str) -> bool {
    let dead = site.namespace.world.tenancy.list_tenants(&format!("{partner}/clients"), false).unwrap();
    dead.iter().any(|one| one["uniqueId"] == client && one["status"] == "TERMINATED")
}
