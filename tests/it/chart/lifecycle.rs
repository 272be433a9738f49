//! Installs, upgrades, rolls back and uninstalls the chart: the tenants are not affected.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::release::ChartRelease;
use super::{Helm, parse_objects};
use crate::cli::PluginRunner;
use crate::controlplane::ControlPlaneOptions;
use crate::gitops::flux::FluxController;
use crate::page_commands::external_commands::{ROLLBACK, strs};
use crate::programs::PlatformOptions;
use crate::world::{TestNamespace, TestServers, TestWorld};
use crate::{assets, support};

const RELEASE: ChartRelease = ChartRelease { name: "tenantry", namespace: "tenantry-system", deployment: "tenantry" };
const CHART: &str = "charts/tenantry";

/// Removes a line of the chart, as if a later version had added it.
fn remove_line(file: &Path, words: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert_eq!(text.lines().filter(|line| line.contains(words)).count(), 1, "{}: {words}", file.display());
    let kept: Vec<&str> = text.lines().filter(|line| !line.contains(words)).collect();
    fs::write(file, kept.join("\n") + "\n").unwrap();
}

/// Builds an earlier version of the chart: its Partner has no title of the website, and it has one value less.
fn earlier_chart(folder: &Path) -> PathBuf {
    let chart = folder.join("earlier");
    let copied = Command::new("cp").arg("-R").arg(assets::root().join(CHART)).arg(&chart).status().unwrap();
    assert!(copied.success());
    let named = fs::read_to_string(chart.join("Chart.yaml")).unwrap();
    let line = |line: &str| if line.starts_with("version:") { "version: 0.0.9".to_owned() } else { line.to_owned() };
    let lines: Vec<String> = named.lines().map(line).collect();
    fs::write(chart.join("Chart.yaml"), lines.join("\n")).unwrap();
    let file = chart.join("kinds/partners.yaml");
    let mut kind: Value = serde_yaml::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let fields = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/branding/properties";
    kind.pointer_mut(fields).unwrap().as_object_mut().unwrap().remove("websiteTitle").unwrap();
    fs::write(file, kind.to_string()).unwrap();
    remove_line(&chart.join("values.yaml"), "accountConcurrency:");
    remove_line(&chart.join("templates/deployment.yaml"), "--account-concurrency=");
    chart
}

fn tenant_state(namespace: &TestNamespace<'_>, path: &str) -> Value {
    namespace.world.tenancy.get(path).unwrap()["status"].clone()
}

/// Waits until the API server serves the current definition, and asserts whether it keeps a title.
fn assert_title_kept(namespace: &TestNamespace<'_>, is_kept: bool) {
    let patch = json!({"spec": {"branding": {"websiteTitle": "Acme"}}}).to_string();
    namespace.wait_until(&format!("a title is kept: {is_kept}"), || {
        namespace.kubectl(&["patch", "partner/acme", "--type=merge", "-p", &patch]);
        Ok(namespace.get("partner/acme").unwrap()["spec"]["branding"]["websiteTitle"].is_string() == is_kept)
    });
}

/// Starts a new operator as standby before the old one ends, as the Deployment's rollout does.
fn roll_operator(world: &mut TestWorld, run: &str) {
    let next = RELEASE.start_deployed_operator(run, &world.control_plane, &world.kubectl).unwrap();
    world.operator.process().stop().unwrap();
    world.operator = next;
}

fn install_earlier_chart() -> (TestWorld, Helm) {
    let servers = TestServers::start("life", (ControlPlaneOptions::default(), &PlatformOptions::default())).unwrap();
    let helm = Helm::on_cluster(&servers.control_plane.kubeconfig("admin"), "life");
    RELEASE.install_chart(&helm, &earlier_chart(&support::test_folder("earlier").unwrap()), &servers, &[]);
    let operator = RELEASE.start_deployed_operator("first", &servers.control_plane, &servers.kubectl).unwrap();
    let options = crate::programs::OperatorOptions::new(&servers.control_plane.kubeconfig("admin"), "");
    (servers.into_world(operator, options), helm)
}

#[test]
fn from_the_install_to_the_uninstall_no_tenant_notices() {
    let (mut world, helm) = install_earlier_chart();
    let name = {
        let namespace = world.create_namespace("tenants");
        namespace.apply_partner("acme", &json!({}));
        namespace.apply_client("globex", &json!({"deletion": {"policy": "Terminate"}}));
        namespace.apply_client("leaving", &json!({"deletion": {"policy": "Terminate"}}));
        assert_title_kept(&namespace, false);
        namespace.name
    };
    let namespace = TestNamespace::existing(&world, name.clone());
    let (partner, client) = (namespace.wait_until_ready("partner/acme"), namespace.wait_until_ready("client/globex"));
    let leaving = namespace.wait_until_ready("client/leaving");
    let flux = FluxController::start("life", (&world.control_plane.kubeconfig("admin"), &world.kubectl)).unwrap();
    let pushed = create_client_by_flux(&flux, &namespace);
    let sp = world.tenancy.provider_id();
    let paths = [format!("{sp}/msps/{partner}")]
        .into_iter()
        .chain([&client, &pushed].map(|client| namespace.client_path(&partner, client)));
    let paths: Vec<String> = paths.collect();
    let last = namespace.client_path(&partner, &leaving);
    let unconfirmed = world.kubectl.run(&["-n", &name, "delete", "client/globex"]).unwrap_err().to_string();
    assert!(unconfirmed.contains("howToConfirm"), "{unconfirmed}");
    let (creates, writes) = (world.tenancy.create_counts().unwrap(), world.platform_writes());

    let own = ["-n", RELEASE.namespace];
    let upgrade = |chart: &str, more: &[&str]| {
        // As docs/upgrades.md says.
        let args = ["upgrade", RELEASE.name, chart, "--reset-then-reuse-values"];
        helm.run(&[&args[..], &own, more].concat()).unwrap();
    };
    upgrade(CHART, &[]);
    roll_operator(&mut world, "second");
    let namespace = TestNamespace::existing(&world, name.clone());
    assert!((world.platform_writes() - writes).abs() < 0.1, "the upgrade wrote to the platform");
    assert_title_kept(&namespace, true);
    assert_eq!(namespace.wait_until_ready("partner/acme"), partner);
    let effective = namespace.get("partner/acme").unwrap()["status"]["effective"].to_string();
    assert!(effective.contains("branding.websiteTitle"), "{effective}");
    namespace.merge_patch("client/leaving", &namespace.offered_confirmation("client/leaving", 86400));
    namespace.delete("client/leaving");
    namespace.wait_until("it is suspended for its end", || Ok(tenant_state(&namespace, &last) == "SUSPENDED"));

    let former = earlier_chart(&support::test_folder("former").unwrap());
    let back = ROLLBACK.words("helm", &[("FORMER-CHART", former.to_str().unwrap())]);
    helm.run(&strs(&back)).unwrap();
    assert_title_kept(&namespace, true);
    upgrade(CHART, &["--set", "crds.install=true"]);
    let writes = world.platform_writes();
    helm.run(&[&["rollback", RELEASE.name, "1"][..], &own].concat()).unwrap();
    roll_operator(&mut world, "third");
    let namespace = TestNamespace::existing(&world, name.clone());
    assert_title_kept(&namespace, false);
    assert_eq!(
        (namespace.wait_until_ready("partner/acme"), namespace.wait_until_ready("client/globex")),
        (partner.clone(), client)
    );
    assert_eq!(namespace.wait_until_ready("client/hooli"), pushed);
    assert!((world.platform_writes() - writes).abs() < 0.1, "the rollback wrote to the platform");

    world.operator.process().stop().unwrap();
    let namespace = TestNamespace::existing(&world, name.clone());
    let released = PluginRunner::on_cluster_of(&namespace).run(&["release", "--all", "--yes"]);
    assert_eq!(released.code, 0, "{released:?}");
    assert!(namespace.get("client/leaving").is_none(), "it is stuck");
    uninstall_chart(&world, &helm);
    assert_eq!(namespace.get("partner/acme").unwrap()["metadata"]["finalizers"], Value::Null);
    // The next install takes ownership of a definition that was kept.
    helm.run(&[&["install", RELEASE.name, CHART][..], &own].concat()).unwrap();
    uninstall_chart(&world, &helm);

    world.kubectl.run(&["delete", "namespace", &name, RELEASE.namespace, "--timeout=60s"]).unwrap();
    world.kubectl.run(&["delete", "crd", "partners.tenantry.dev", "clients.tenantry.dev", "--timeout=60s"]).unwrap();
    for path in &paths {
        assert_eq!(tenant_state(&namespace, path), "ACTIVE", "{path}");
    }
    assert_eq!(tenant_state(&namespace, &last), "SUSPENDED");
    assert_eq!(world.tenancy.create_counts().unwrap(), creates);
}

/// Creates a Client through Flux, and returns its unique id.
fn create_client_by_flux(flux: &FluxController, namespace: &TestNamespace<'_>) -> String {
    let git = flux.repository(namespace);
    git.follow_repository();
    let name = namespace.tenant_name("hooli");
    git.edit_file("globex.yaml", &json!({"metadata": {"name": "hooli"}, "spec": {"details": {"name": name}}}));
    git.list_only(&["globex.yaml"]);
    git.push_and_wait();
    namespace.wait_until_ready("client/hooli")
}

/// Uninstalls the chart, and asserts that only the definitions are left.
fn uninstall_chart(world: &TestWorld, helm: &Helm) {
    let manifest = RELEASE.installed_manifest(helm);
    assert!(parse_objects(&manifest).len() > 15, "{manifest}");
    helm.run(&["uninstall", RELEASE.name, "-n", RELEASE.namespace]).unwrap();
    let args = ["get", "-f", "-", "--ignore-not-found", "-o", "name"];
    let left = world.kubectl.run_with(&args, &manifest).unwrap();
    let kinds = ["clients", "partners"]
        .map(|kind| format!("customresourcedefinition.apiextensions.k8s.io/{kind}.tenantry.dev"));
    let mut left: Vec<&str> = left.lines().collect();
    left.sort_unstable();
    assert_eq!(left, kinds);
}
