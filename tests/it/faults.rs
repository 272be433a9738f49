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

use crate::proxy::Proxy;
use crate::proxy::rules::{Answer, Fault, Rule};
use crate::world::{Space, World};

/// The operator's `--request-timeout` here: an unanswered create is in doubt for so long.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The world of all tests that break only their own way to the platform.
fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| World::start_shared("faults", short_timeout))
}

fn short_timeout(options: &mut crate::programs::OperatorOptions) {
    options.flags.extend(["--request-timeout".to_owned(), format!("{}s", TIMEOUT.as_secs())]);
}

/// A namespace with a way to the platform of its own.
struct Site<'a> {
    space: Space<'a>,
    proxy: Proxy,
}

fn site(prefix: &str, rules: Vec<Rule>) -> Site<'static> {
    site_in(world(), prefix, rules)
}

fn site_in<'a>(world: &'a World, prefix: &str, rules: Vec<Rule>) -> Site<'a> {
    let proxy = world.proxy(rules);
    Site { space: world.behind(&proxy, prefix), proxy }
}

/// A site with the Partner `acme`, whose unique id comes with it.
fn with_partner(prefix: &str) -> (Site<'static>, String) {
    let site = site(prefix, Vec::new());
    site.space.partner("acme", &json!({}));
    let partner = site.space.ready("partner/acme");
    (site, partner)
}

/// A site with the Partner `acme` and its Client `globex`, and their unique ids.
fn with_client(prefix: &str, spec: &Value) -> (Site<'static>, String, String) {
    let (site, partner) = with_partner(prefix);
    site.space.client("globex", spec);
    let client = site.space.ready("client/globex");
    (site, partner, client)
}

impl Site<'_> {
    /// The living clients of a partner, as the platform itself tells.
    fn living(&self, partner: &str) -> Vec<Value> {
        self.space.world.tenancy.get(&format!("{partner}/clients/minimal")).unwrap().as_array().unwrap().clone()
    }

    /// So many clients live under the partner, each with its own name and owner.
    fn each_once(&self, partner: &str, count: usize) {
        let living = self.living(partner);
        let names: BTreeSet<String> = living.iter().map(|one| one["name"].to_string()).collect();
        let owners: BTreeSet<String> = living.iter().map(|one| one["managedBy"]["uid"].to_string()).collect();
        assert_eq!((living.len(), names.len(), owners.len()), (count, count, count), "{living:?}");
    }

    /// Requests that could have changed a tenant whose path has this part.
    fn changes(&self, path: &str) -> usize {
        self.proxy.count("POST", path) + self.proxy.count("PUT", path)
    }

    /// Asks for a pass and waits until it was made.
    fn look_now(&self, object: &str, word: &str) {
        let annotation = format!("tenantry.dev/reconcile-requested-at={word}");
        self.space.kubectl(&["annotate", "--overwrite", object, &annotation]);
        self.space.until(&format!("{object} was looked at"), || {
            Ok(self.space.get(object).unwrap()["status"]["lastHandledReconcileAt"] == word)
        });
    }

    /// Lets so much time pass in which something must not come about.
    fn never(&self, span: Duration, what: &str, comes: impl Fn() -> bool) {
        let end = Instant::now() + span;
        while Instant::now() < end {
            assert!(!comes(), "{what}, in namespace {}", self.space.name);
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// An answer with a status and an empty body.
fn status(status: u16) -> Fault {
    Fault::Answer(Answer { status, ..Answer::default() })
}

/// The documented refusal of a credential or a token.
fn refused() -> Fault {
    let body = r#"{"error":"invalid_token","error_description":"Invalid access token"}"#.to_owned();
    Fault::Answer(Answer { status: 401, body, ..Answer::default() })
}

/// The status of a Client's tenant, asked of the platform itself.
fn state(site: &Site<'_>, partner: &str, client: &str) -> String {
    site.space.platform_client(partner, client)["status"].as_str().unwrap_or_default().to_owned()
}

/// Whether a Client's tenant was ended. Tombstones answer only to a search for what is not active.
fn is_tombstone(site: &Site<'_>, partner: &str, client: &str) -> bool {
    let dead = site.space.world.tenancy.list(&format!("{partner}/clients"), false).unwrap();
    dead.iter().any(|one| one["uniqueId"] == client && one["status"] == "TERMINATED")
}
