//! Follows the pages on installation and upgrades word by word.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::Helm;
use crate::world::TestWorld;
use crate::{assets, chart_page};

fn read_file(path: &str) -> String {
    fs::read_to_string(assets::root().join(path)).unwrap()
}

#[test]
fn the_table_of_values_is_what_the_schema_and_the_defaults_say() {
    let page = chart_page::render_page(
        &read_file("charts/tenantry/values.schema.json"),
        &read_file("charts/tenantry/values.yaml"),
    );
    assert!(read_file("charts/tenantry/README.md") == page, "charts/tenantry/README.md is stale: run `make crds`");
    assert!(page.lines().filter(|line| line.starts_with("| `")).count() > 100, "{page}");
    let row = "| `platform.purgeAfterDays` | integer, 0 to 36500 | `90` | Days after which";
    assert!(page.lines().any(|line| line.starts_with(row)), "{page}");
}

/// Replaces the page's placeholders in capitals, as a reader would.
fn fill_placeholders(text: &str) -> String {
    [
        ("REGISTRY", "registry.example"),
        ("PLATFORM.HOST", "platform.example"),
        ("CERTIFICATE", "platform-tls"),
        ("INGRESS-NAMESPACE", "ingress-nginx"),
    ]
    .into_iter()
    .fold(text.to_owned(), |text, (placeholder, value)| text.replace(placeholder, value))
}

#[test]
fn each_helm_install_of_the_page_is_taken_by_the_chart() {
    let page = read_file("docs/install.md").replace("\\\n> ", " ");
    let lines: Vec<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("$ "))
        .filter(|line| line.starts_with("helm install "))
        .map(fill_placeholders)
        .collect();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    let home = crate::support::test_folder("helm-page").unwrap();
    for line in lines {
        // Rendered and not installed, since this test has no cluster.
        let script = line.replacen("helm install ", "\"$HELM\" template ", 1);
        let mut command = Command::new("sh");
        command.args(["-c", &script]).current_dir(assets::root()).env("HELM", assets::helm().unwrap());
        command.env("HELM_CONFIG_HOME", &home).env("HELM_CACHE_HOME", &home).env("HELM_DATA_HOME", &home);
        let output = command.output().unwrap();
        let rendered = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(rendered.contains("--platform-hosts=platform.example"), "{line}");
        let has_platform = rendered.contains("image: \"registry.example/tenantry-platform:");
        assert_eq!(has_platform, line.contains("platform.enabled=true"), "{line}");
    }
}

#[test]
fn the_manifest_of_the_install_page_makes_its_tenants() {
    let namespace = TestWorld::shared_world().create_namespace("install");
    let page = read_file("docs/install.md");
    let manifest = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let data = namespace.credential();
    let of = |key: &str| format!("--from-literal={key}={}", data[key].as_str().unwrap());
    let literals = ["url", "tenantId", "clientId", "clientSecret"].map(of);
    assert!(literals.iter().all(|one| page.contains(one.rsplit_once('=').unwrap().0)), "{page}");
    namespace.kubectl(&["delete", "secret", "platform"]);
    let create = ["create", "secret", "generic", "platform"];
    let literals: Vec<&str> = literals.iter().map(String::as_str).collect();
    namespace.kubectl(&[&create[..], &literals].concat());
    // The platform allows a tenant name once, and the cluster a namespace.
    let mut manifest = manifest.replace("namespace: acme", &format!("namespace: {}", namespace.name));
    for (name, own) in [("Acme Managed Services", "acme"), ("Globex", "globex")] {
        manifest = manifest.replace(&format!("name: {name}\n"), &format!("name: {}\n", namespace.tenant_name(own)));
    }
    let output = namespace.world.kubectl.run_for_output(&["apply", "-f", "-"], &manifest).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for object in ["partner/acme", "client/globex"] {
        namespace.wait_until_ready(object);
    }
}

/// Returns the cells of the first row of a table below a heading.
fn first_row(page: &str, heading: &str) -> Vec<String> {
    let below = page.split(&format!("\n## {heading}\n")).nth(1).unwrap();
    let row = below.lines().filter(|line| line.starts_with('|')).nth(2).unwrap();
    row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

#[test]
fn the_table_of_versions_is_that_of_this_release_and_its_tests() {
    let chart: Value = serde_yaml::from_str(&read_file("charts/tenantry/Chart.yaml")).unwrap();
    let modules = read_file("tests/controlplane/go.mod");
    let version = |module: &str| {
        let line = modules.lines().find(|line| line.trim().starts_with(module)).unwrap();
        line.split(" v").nth(1).unwrap().split(' ').next().unwrap().to_owned()
    };
    let oldest = chart["kubeVersion"].as_str().unwrap().trim_start_matches(">=").trim_end_matches(".0-0");
    let row = first_row(&read_file("docs/upgrades.md"), "Versions");
    let tested = format!("Kubernetes {}, Helm {}", version("k8s.io/kubernetes "), version("helm.sh/helm/v4 "));
    let wanted = [
        env!("CARGO_PKG_VERSION"),
        "`tenantry.dev/v1alpha1`",
        &format!("{oldest} or newer"),
        // The first version with `--take-ownership`.
        "3.17 or newer",
        &tested,
    ];
    assert_eq!(row, wanted);
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_pages_know_one_way_to_upgrade() {
    let notes = read_file("charts/tenantry/templates/NOTES.txt");
    for (name, text) in
        [("install", read_file("docs/install.md")), ("upgrades", read_file("docs/upgrades.md")), ("NOTES", notes)]
    {
        let commands: Vec<&str> = text
            .lines()
            .map(|line| line.trim().trim_start_matches("$ "))
            .filter(|line| line.starts_with("helm upgrade "))
            .collect();
        assert!(!commands.is_empty(), "{name}");
        for command in commands {
            assert!(command.contains(" --reset-then-reuse-values"), "{name}: {command}");
        }
    }
    let install = Helm::without_cluster("help").run(&["upgrade", "--help"]).unwrap();
    assert!(install.contains("--reset-then-reuse-values") && install.contains("--take-ownership"));
}
