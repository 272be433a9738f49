//! What goes wrong between the operator and its two servers, and what it promises then: `docs/faults.md`.

mod backup;
mod cluster;
mod create;
mod credentials;
mod ending;
mod identity;
mod page;
mod pressure;
mod replies;
mod restart;
mod silence;
mod writer;

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::proxy::FaultProxy;
use crate::proxy::rules::{CannedAnswer, FaultRule, ProxyFault};
use crate::world::{TestNamespace, TestWorld};

/// The operator's `--request-timeout` here: an unanswered create is in doubt for so long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);

/// The world of all tests that break only their own way to the platform.
fn shared_world() -> &'static TestWorld {
    static WORLD: OnceLock<TestWorld> = OnceLock::new();
    WORLD.get_or_init(|| TestWorld::start_shared("faults", short_timeout))
}

fn short_timeout(options: &mut crate::programs::OperatorOptions) {
    options.flags.extend(["--request-timeout".to_owned(), format!("{}s", REQUEST_TIMEOUT.as_secs())]);
}

/// A namespace with a way to the platform of its own.
struct FaultSite<'a> {
    space: TestNamespace<'a>,
    proxy: FaultProxy,
}

fn new_site(prefix: &str, rules: Vec<FaultRule>) -> FaultSite<'static> {
    new_site_in(shared_world(), prefix, rules)
}

fn new_site_in<'a>(world: &'a TestWorld, prefix: &str, rules: Vec<FaultRule>) -> FaultSite<'a> {
    let proxy = world.start_proxy(rules);
    FaultSite { space: world.namespace_behind(&proxy, prefix), proxy }
}

/// A site with the Partner `acme`, whose unique id comes with it.
fn site_with_partner(prefix: &str) -> (FaultSite<'static>, String) {
    let site = new_site(prefix, Vec::new());
    site.space.apply_partner("acme", &json!({}));
    let partner = site.space.wait_until_ready("partner/acme");
    (site, partner)
}

/// A site with the Partner `acme` and its Client `globex`, and their unique ids.
fn site_with_client(prefix: &str, spec: &Value) -> (FaultSite<'static>, String, String) {
    let (site, partner) = site_with_partner(prefix);
    site.space.apply_client("globex", spec);
    let client = site.space.wait_until_ready("client/globex");
    (site, partner, client)
}

impl FaultSite<'_> {
    /// The living clients of a partner, as the platform itself tells.
    fn living_clients(&self, partner: &str) -> Vec<Value> {
        self.space.world.tenancy.get(&format!("{partner}/clients/minimal")).unwrap().as_array().unwrap().clone()
    }

    /// So many clients live under the partner, each with its own name and owner.
    fn assert_each_once(&self, partner: &str, count: usize) {
        let living = self.living_clients(partner);
        let names: BTreeSet<String> = living.iter().map(|one| one["name"].to_string()).collect();
        let owners: BTreeSet<String> = living.iter().map(|one| one["managedBy"]["uid"].to_string()).collect();
        assert_eq!((living.len(), names.len(), owners.len()), (count, count, count), "{living:?}");
    }

    /// Requests that could have changed a tenant whose path has this part.
    fn count_changes(&self, path: &str) -> usize {
        self.proxy.count_requests("POST", path) + self.proxy.count_requests("PUT", path)
    }

    /// Asks for a pass and waits until it was made.
    fn reconcile_now(&self, object: &str, word: &str) {
        let annotation = format!("tenantry.dev/reconcile-requested-at={word}");
        self.space.kubectl(&["annotate", "--overwrite", object, &annotation]);
        self.space.wait_until(&format!("{object} was looked at"), || {
            Ok(self.space.get(object).unwrap()["status"]["lastHandledReconcileAt"] == word)
        });
    }

    /// Lets so much time pass in which something must not come about.
    fn assert_never(&self, span: Duration, what: &str, comes: impl Fn() -> bool) {
        let end = Instant::now() + span;
        while Instant::now() < end {
            assert!(!comes(), "{what}, in namespace {}", self.space.name);
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// An answer with a status and an empty body.
fn status_fault(status: u16) -> ProxyFault {
    ProxyFault::Answer(CannedAnswer { status, ..CannedAnswer::default() })
}

/// The documented refusal of a credential or a token.
fn refused_credential_fault() -> ProxyFault {
    let body = r#"{"error":"invalid_token","error_description":"Invalid access token"}"#.to_owned();
    ProxyFault::Answer(CannedAnswer { status: 401, body, ..CannedAnswer::default() })
}

/// The status of a Client's tenant, asked of the platform itself.
fn tenant_state(site: &FaultSite<'_>, partner: &str, client: &str) -> String {
    site.space.read_client_tenant(partner, client)["status"].as_str().unwrap_or_default().to_owned()
}

/// Whether a Client's tenant was ended. Tombstones answer only to a search for what is not active.
fn is_tombstone(site: &FaultSite<'_>, partner: &str, client: &str) -> bool {
    let dead = site.space.world.tenancy.list_tenants(&format!("{partner}/clients"), false).unwrap();
    dead.iter().any(|one| one["uniqueId"] == client && one["status"] == "TERMINATED")
}
