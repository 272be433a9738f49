//! Verifies that the chart grants exactly the permissions that the operator uses.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use serde_json::{Value, json};

use super::release::ChartRelease;
use super::{Helm, parse_objects};
use crate::assets;
use crate::cli::PluginRunner;
use crate::controlplane::ControlPlaneOptions;
use crate::process::Result;
use crate::programs::{OperatorOptions, PlatformOptions};
use crate::world::{TestNamespace, TestServers, TestWorld};

impl ChartRelease {
    /// Returns whether the release has permissions for all namespaces.
    fn is_cluster_wide(self) -> bool {
        self.name == "tenantry"
    }
}

const CLUSTER_WIDE_RELEASE: ChartRelease =
    ChartRelease { name: "tenantry", namespace: "tenantry-system", deployment: "tenantry" };
const NAMESPACED_RELEASE: ChartRelease =
    ChartRelease { name: "scoped", namespace: "scoped-system", deployment: "scoped-tenantry" };

/// Records the requests of both accounts only.
const AUDIT_POLICY: &str = "apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  users:
  - system:serviceaccount:tenantry-system:tenantry
  - system:serviceaccount:scoped-system:scoped-tenantry
- level: None
";

/// One permission of a role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ChartGrant {
    role: String,
    group: String,
    resource: String,
    /// Empty for all names.
    name: String,
    verb: String,
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|one| one.as_str().unwrap().to_owned()).collect()
}

/// Collects all permissions that a release grants to the operator. Roles with the same name count as one.
fn grants_of_release(release: ChartRelease, helm: &Helm) -> BTreeSet<ChartGrant> {
    let manifest = parse_objects(&release.installed_manifest(helm));
    let is_role = |object: &&Value| object["kind"] == "Role" || object["kind"] == "ClusterRole";
    let is_for_people = |name: &str| name.starts_with("tenantry-partner-") || name.starts_with("tenantry-client-");
    let mut grants = BTreeSet::new();
    for object in manifest.iter().filter(is_role) {
        let name = object["metadata"]["name"].as_str().unwrap();
        if is_for_people(name) {
            continue;
        }
        let role = format!("{} \"{name}\"", object["kind"].as_str().unwrap());
        for rule in object["rules"].as_array().unwrap() {
            let mut names = texts(&rule["resourceNames"]);
            if names.is_empty() {
                names.push(String::new());
            }
            for group in texts(&rule["apiGroups"]) {
                for resource in texts(&rule["resources"]) {
                    for verb in texts(&rule["verbs"]) {
                        grants.extend(names.iter().map(|name| ChartGrant {
                            role: role.clone(),
                            group: group.clone(),
                            resource: resource.clone(),
                            name: name.clone(),
                            verb: verb.clone(),
                        }));
                    }
                }
            }
        }
    }
    grants
}

/// Reads the requests of a release's account from the audit log.
fn audited_requests(log: &Path, release: ChartRelease) -> Vec<Value> {
    let user = format!("system:serviceaccount:{}:{}", release.namespace, release.deployment);
    let text = fs::read_to_string(log).unwrap();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|event| event["user"]["username"] == user.as_str()).collect()
}

/// Returns whether the grant allowed the request.
fn is_allowed_by(event: &Value, grant: &ChartGrant) -> bool {
    let of = &event["objectRef"];
    let text = |key: &str| of[key].as_str().unwrap_or_default();
    let reason = event["annotations"]["authorization.k8s.io/reason"].as_str().unwrap_or_default();
    let resource = match text("subresource") {
        "" => text("resource").to_owned(),
        sub => format!("{}/{sub}", text("resource")),
    };
    reason.contains(&format!("of {} to", grant.role))
        && text("apiGroup") == grant.group
        && resource == grant.resource
        && event["verb"] == grant.verb.as_str()
        && (grant.name.is_empty() || text("name") == grant.name)
}

fn unused_grants<'a>(grants: &'a BTreeSet<ChartGrant>, requests: &[Value]) -> Vec<&'a ChartGrant> {
    grants.iter().filter(|grant| !requests.iter().any(|event| is_allowed_by(event, grant))).collect()
}

/// A scenario in which the operator uses every permission.
struct RightsScenario<'a> {
    first: TestNamespace<'a>,
    second: TestNamespace<'a>,
    deleted: TestNamespace<'a>,
    log: std::path::PathBuf,
    release: ChartRelease,
}

impl<'a> RightsScenario<'a> {
    fn new(world: &'a TestWorld, namespaces: [&str; 3], release: ChartRelease) -> Self {
        let [first, second, going] = namespaces.map(|name| {
            let namespace = TestNamespace::existing(world, name.to_owned());
            namespace.apply_secret("platform", &namespace.credential());
            namespace
        });
        Self { first, second, deleted: going, log: world.control_plane.audit_log(), release }
    }

    fn create_client(&self, namespace: &TestNamespace<'_>, name: &str, spec: &Value) {
        let mut whole = json!({"partnerRef": {"namespace": self.first.name}, "deletion": {"policy": "Terminate"}});
        crate::world::merge_json(&mut whole, spec);
        namespace.apply_client(name, &whole);
    }

    /// Creates a Partner with an image, with keys of another Secret and with clients by a label, and its Clients.
    fn create_objects(&self) -> String {
        let image = fs::read(assets::root().join("examples/brand/logo.png")).unwrap();
        self.first.apply(&json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "brand", "labels": {"tenantry.dev/watch": "true"}},
            "binaryData": {"logo.png": base64::engine::general_purpose::STANDARD.encode(image)},
        }));
        self.first.apply_referenced_secret("duo", &json!({"integrationKey": "one", "secretKey": "two"}));
        for space in [&self.second, &self.deleted] {
            self.first.world.kubectl.run(&["label", "namespace", &space.name, "tenants=acme"]).unwrap();
        }
        let key = |key: &str| json!({"name": "duo", "key": key});
        self.first.apply_partner(
            "acme",
            &json!({
                "branding": {"logo": {"configMapKeyRef": {"name": "brand", "key": "logo.png"}}},
                "security": {"access": {"duo": {
                    "integrationKeySecretRef": key("integrationKey"), "secretKeySecretRef": key("secretKey"),
                    "apiHostname": "api-1.duo.example",
                }}},
                "clients": {"allowedNamespaces": {"from": "Selector", "selector": {"matchLabels": {"tenants": "acme"}}}},
            }),
        );
        self.first.apply_partner("initrode", &json!({"deletion": {"policy": "Terminate"}}));
        self.create_client(&self.second, "globex", &json!({}));
        self.create_client(&self.second, "initech", &json!({}));
        self.create_client(&self.deleted, "hooli", &json!({}));
        self.create_client(&self.deleted, "vandelay", &json!({}));
        self.first.wait_until_ready("partner/acme")
    }

    /// Edits until an event has a count above one, and makes a change on the platform that is corrected.
    fn change_settings(&self, partner: &str) {
        let client = self.second.wait_until_ready("client/globex");
        let path = self.second.client_path(partner, &client);
        let city = || -> Result<String> {
            Ok(self.first.world.tenancy.get(&path)?["city"].as_str().unwrap_or_default().to_owned())
        };
        let mut edits = 0;
        self.second.wait_until("an event is counted up", || {
            edits += 1;
            let wanted = format!("City {edits}");
            self.second.merge_patch("client/globex", &json!({"spec": {"details": {"city": wanted}}}));
            self.second.wait_until("the edit is there", || Ok(city()? == wanted));
            let counted = audited_requests(&self.log, self.release);
            Ok(counted.iter().any(|event| event["objectRef"]["resource"] == "events" && event["verb"] == "patch"))
        });
        let wanted = city().unwrap();
        self.first.world.tenancy.change_tenant(&path, &json!({"city": "Elsewhere"})).unwrap();
        self.second.wait_until("drift is corrected", || Ok(city()? == wanted));
    }

    /// Lets an object adopt an undeclared tenant.
    fn adopt_tenant(&self, partner: &str) {
        let tenancy = &self.first.world.tenancy;
        let name = self.second.tenant_name("found");
        tenancy.change_tenant(&format!("{partner}/clients"), &json!({"name": name})).unwrap();
        let active_clients = tenancy.get(&format!("{partner}/clients/minimal")).unwrap();
        let found = active_clients.as_array().unwrap().iter().find(|one| one["name"] == name.as_str()).unwrap();
        let id = found["uniqueId"].as_str().unwrap();
        self.create_client(&self.second, "found", &json!({"adoption": {"policy": "Adopt", "uniqueId": id}}));
        assert_eq!(self.second.wait_until_ready("client/found"), id);
    }

    /// Terminates Clients and a Partner with consent.
    fn terminate_objects(&self) {
        let objects = [
            (&self.second, "client/globex"),
            (&self.second, "client/initech"),
            (&self.deleted, "client/vandelay"),
            (&self.first, "partner/initrode"),
        ];
        for (space, object) in objects {
            space.wait_until_ready(object);
            space.merge_patch(object, &space.offered_confirmation(object, 0));
            space.delete(object);
        }
        for (space, object) in objects {
            space.wait_until_gone(object);
        }
        self.deleted.wait_until_ready("client/hooli");
    }

    /// Deletes a namespace with a tenant that is not terminated. The namespace's permissions may be removed before the
    /// operator has used them; a person then removes the remaining finalizers.
    fn delete_namespace(&self) {
        let kubectl = &self.first.world.kubectl;
        kubectl.run(&["delete", "namespace", &self.deleted.name, "--wait=false"]).unwrap();
        let plugin = PluginRunner::on_cluster_of(&self.first);
        self.first.wait_until("the namespace is gone", || {
            if !self.release.is_cluster_wide() {
                plugin.run(&["release", "--all", "--yes", "--ignore-lease", "-n", &self.deleted.name]);
            }
            Ok(kubectl.run(&["get", "namespace", &self.deleted.name, "--ignore-not-found"])?.is_empty())
        });
    }

    fn wait_for_home_event(&self) {
        self.first.wait_until("the release is told at home", || {
            let is_reported = |event: &Value| {
                event["objectRef"]["resource"] == "events" && event["objectRef"]["namespace"] == self.release.namespace
            };
            Ok(audited_requests(&self.log, self.release).iter().any(is_reported))
        });
    }

    fn run_scenario(&self) {
        let partner = self.create_objects();
        self.change_settings(&partner);
        self.adopt_tenant(&partner);
        self.terminate_objects();
        self.delete_namespace();
    }
}

/// Compares the granted permissions with the used ones, in both directions.
fn compare_grants_with_use(release: ChartRelease, helm: &Helm, log: &Path) {
    let (grants, asked) = (grants_of_release(release, helm), audited_requests(log, release));
    assert!(grants.len() > 20 && asked.len() > 50, "{} grants, {} requests", grants.len(), asked.len());
    let refused: BTreeSet<String> = asked
        .iter()
        .filter(|event| event["annotations"]["authorization.k8s.io/decision"] != "allow")
        // Its permissions were deleted with it.
        .filter(|event| !event["requestURI"].as_str().unwrap().contains("/namespaces/going"))
        .map(|event| format!("{} {}", event["verb"], event["requestURI"]))
        .collect();
    assert_eq!(refused, BTreeSet::new(), "used and not granted by {}", release.name);
    let unused = unused_grants(&grants, &asked);
    assert!(unused.is_empty(), "granted by {} and not used: {unused:#?}", release.name);
}

/// Runs an operator for all namespaces.
fn run_cluster_wide(servers: TestServers, helm: &Helm, namespaces: [&str; 3]) -> TestWorld {
    let operator =
        CLUSTER_WIDE_RELEASE.start_deployed_operator("whole", &servers.control_plane, &servers.kubectl).unwrap();
    let options = OperatorOptions::new(&servers.control_plane.kubeconfig("admin"), "");
    let mut world = servers.into_world(operator, options);
    let play = RightsScenario::new(&world, namespaces, CLUSTER_WIDE_RELEASE);
    play.run_scenario();
    play.wait_for_home_event();
    let plugin = PluginRunner::on_cluster_of(&play.first);
    world.operator.process().stop().unwrap();
    compare_grants_with_use(CLUSTER_WIDE_RELEASE, helm, &world.control_plane.audit_log());
    let left = plugin.run(&["release", "--all", "--yes"]);
    assert_eq!(left.code, 0, "{left:?}");
    world
}

/// Runs an operator for some namespaces.
fn run_namespaced(mut world: TestWorld, helm: &Helm, namespaces: [&str; 3]) {
    world.operator =
        NAMESPACED_RELEASE.start_deployed_operator("scoped", &world.control_plane, &world.kubectl).unwrap();
    let home = TestNamespace::existing(&world, NAMESPACED_RELEASE.namespace.to_owned());
    home.apply_secret("standing", &home.credential());
    let play = RightsScenario::new(&world, namespaces, NAMESPACED_RELEASE);
    play.second.apply(&json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Partner", "metadata": {"name": "standing"},
        "spec": {"details": {"name": "Standing"}},
    }));
    play.run_scenario();
    play.second.wait_until_ready("partner/standing");
    // The definition is deleted, and its objects are released.
    world.kubectl.run(&["delete", "crd", "clients.tenantry.dev", "--timeout=60s"]).unwrap();
    play.wait_for_home_event();
    world.operator.process().stop().unwrap();
    compare_grants_with_use(NAMESPACED_RELEASE, helm, &world.control_plane.audit_log());
}

/// shows: security/credential/service-account
#[test]
fn the_operator_uses_every_right_of_the_chart_and_needs_no_other() {
    let options = ControlPlaneOptions { audit_policy: Some(AUDIT_POLICY.to_owned()), ..ControlPlaneOptions::default() };
    let servers = TestServers::start("used", (options, &PlatformOptions::default())).unwrap();
    let spaces = [["whole-first", "whole-second", "whole-going"], ["first", "second", "going"]];
    for space in spaces.concat() {
        servers.kubectl.run(&["create", "namespace", space]).unwrap();
    }
    let helm = Helm::on_cluster(&servers.control_plane.kubeconfig("admin"), "used");
    let chart = Path::new("charts/tenantry");
    CLUSTER_WIDE_RELEASE.install_chart(&helm, chart, &servers, &[]);
    let some = [
        "namespaces={first,second,going}",
        "clusterId=c1",
        "crds.install=false",
        "policies.install=false",
        "roles.install=false",
        "defaultConnection.secretName=standing",
        "defaultConnection.namespaces={second}",
    ];
    NAMESPACED_RELEASE.install_chart(&helm, chart, &servers, &some);
    let world = run_cluster_wide(servers, &helm, spaces[0]);
    run_namespaced(world, &helm, spaces[1]);
}
