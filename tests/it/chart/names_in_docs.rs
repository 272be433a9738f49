//! Verifies that the commands of the documentation name what the chart installs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Helm, parse_objects};
use crate::assets;

/// What a command can name: `Kind/name`, `label=value`, and containers.
struct InstalledNames {
    names: BTreeSet<String>,
    labels: BTreeSet<String>,
    containers: BTreeSet<String>,
}

impl InstalledNames {
    fn new() -> Self {
        let rendered = parse_objects(
            &Helm::without_cluster("named").render("tenantry-system", &["platform.enabled=true"]).unwrap(),
        );
        let (mut names, mut labels, mut containers) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for object in &rendered {
            let kind = object["kind"].as_str().unwrap().to_lowercase();
            names.insert(format!("{kind}/{}", object["metadata"]["name"].as_str().unwrap()));
            // The operator creates these itself, under the names that its permissions list.
            for rule in object["rules"].as_array().into_iter().flatten() {
                for (resource, kind) in [("leases", "lease"), ("configmaps", "configmap")] {
                    let is_of = rule["resources"][0] == resource;
                    let own = rule["resourceNames"].as_array().into_iter().flatten().filter(|_| is_of);
                    names.extend(own.map(|name| format!("{kind}/{}", name.as_str().unwrap())));
                }
            }
            let pod = &object["spec"]["template"];
            for (key, value) in pod["metadata"]["labels"].as_object().into_iter().flatten() {
                labels.insert(format!("{key}={}", value.as_str().unwrap()));
            }
            for container in pod["spec"]["containers"].as_array().into_iter().flatten() {
                containers.insert(container["name"].as_str().unwrap().to_owned());
            }
        }
        Self { names, labels, containers }
    }

    /// Returns the names in a command that are not installed.
    fn command_faults(&self, command: &str) -> Vec<String> {
        let words: Vec<&str> = command.split_whitespace().collect();
        let mut faults = Vec::new();
        for pair in words.windows(2) {
            faults.extend(self.name_fault(pair[0], pair[1]));
            let value = pair[1].trim_matches(['\'', '"']);
            match pair[0] {
                "-l" | "--selector" => faults.extend(self.label_faults(value)),
                "-c" | "--container" if !self.containers.contains(value) => faults.push(format!("container `{value}`")),
                _ => {}
            }
        }
        // The first word is `kubectl`, so each other one is the second of a pair.
        faults
    }

    /// Checks `KIND/NAME` and `KIND NAME`.
    fn name_fault(&self, before: &str, word: &str) -> Option<String> {
        let (kind, name) = word.split_once('/').unwrap_or((before, word));
        let kind = match kind.trim_matches(|c: char| !c.is_ascii_alphanumeric()) {
            "deployment" | "deployments" | "deploy" => "deployment",
            "service" | "services" | "svc" => "service",
            "lease" => "lease",
            "configmap" if name.starts_with("tenantry") => "configmap",
            _ => return None,
        };
        let name = name.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_placeholder = name.chars().all(|c| !c.is_ascii_lowercase());
        let found = format!("{kind}/{name}");
        (!is_placeholder && !self.names.contains(&found)).then_some(found)
    }

    /// Returns the labels of a selector that are not installed. `tenantry.dev/` labels are on objects that the operator
    /// creates or reads, and not on Pods, so they are not checked.
    fn label_faults(&self, selector: &str) -> Vec<String> {
        let parts = selector.split(',').filter(|part| part.starts_with("app.kubernetes.io/"));
        parts.filter(|part| !self.labels.contains(*part)).map(|part| format!("label `{part}`")).collect()
    }
}

/// Collects the commands of a page: text in backticks or in an indented or fenced line that begins with `kubectl`.
fn page_commands(page: &str) -> Vec<String> {
    let page = page.replace("\\\n> ", " ").replace("\\\n", " ");
    let lines = page.lines().filter(|line| line.contains("kubectl "));
    let blocks = lines.filter(|line| {
        line.starts_with("    ") || line.trim_start().starts_with("$ ") || line.starts_with("        objects:")
    });
    let spans = page.split('`').skip(1).step_by(2).filter(|span| span.starts_with("kubectl "));
    blocks.chain(spans).map(|text| text.replace('\n', " ")).collect()
}

fn documentation_pages() -> Vec<PathBuf> {
    let root = assets::root();
    let mut found = vec![root.join("charts/tenantry/observability/alerts.yaml")];
    for folder in [root.to_path_buf(), root.join("docs"), root.join("charts/tenantry")] {
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        found.extend(files.filter(|file| file.extension().is_some_and(|end| end == "md")));
    }
    found
}

fn is_of_chart(command: &str) -> bool {
    ["deploy", "app.kubernetes.io", "service/", "lease", "configmap"].iter().any(|word| command.contains(word))
}

#[test]
fn the_commands_of_the_pages_name_what_the_chart_installs() {
    let installed = InstalledNames::new();
    let (mut faults, mut count) = (Vec::new(), 0);
    for page in documentation_pages() {
        let name = page.strip_prefix(assets::root()).unwrap_or_else(|_| Path::new("")).display().to_string();
        for command in page_commands(&fs::read_to_string(&page).unwrap()) {
            count += usize::from(is_of_chart(&command));
            faults.extend(
                installed.command_faults(&command).into_iter().map(|fault| format!("{name}: {fault} in `{command}`")),
            );
        }
    }
    assert!(faults.is_empty(), "the chart installs no such thing: {faults:#?}");
    // The number when this test was written: a page that is no longer parsed would give none.
    assert!(count >= 12, "{count}");
}

/// Returns the notes that Helm prints after an installation.
fn install_notes(values: &[&str]) -> String {
    let sets: Vec<&str> = values.iter().flat_map(|value| ["--set", value]).collect();
    let args = ["install", "tenantry", "charts/tenantry", "-n", "tenantry-system", "--dry-run=client", "-o", "json"];
    let said = Helm::without_cluster("notes").run(&[&args[..], &sets].concat()).unwrap();
    let release: Value = serde_json::from_str(&said).unwrap();
    release["info"]["notes"].as_str().unwrap().to_owned()
}

#[test]
fn the_notes_name_what_is_installed_and_uninstall_as_the_page_does() {
    let installed = InstalledNames::new();
    let notes = install_notes(&["platform.enabled=true"]);
    let commands = page_commands(&notes.replace("\n  ", "\n    "));
    let faults: Vec<String> = commands.iter().flat_map(|command| installed.command_faults(command)).collect();
    assert!(faults.is_empty() && commands.len() == 5, "{faults:?} {commands:#?}");
    assert!(!notes.contains("kubectl debug"), "{notes}");

    let page = fs::read_to_string(assets::root().join("docs/install.md")).unwrap();
    let block = page.split("\n## Remove\n").nth(1).unwrap().trim().split("\n\n").next().unwrap();
    let steps: Vec<&str> = block.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    assert_eq!(steps.len(), 3, "{block}");
    let told: Vec<&str> = notes.lines().map(str::trim).collect();
    assert!(told.windows(3).any(|lines| lines == steps), "{steps:#?} is not in {notes}");
}

#[test]
fn a_command_that_names_nothing_of_the_chart_is_found_out() {
    let installed = InstalledNames::new();
    let page = |word: &str| format!("Text, and `kubectl -n\ntenantry-system {word}`.\n\n    kubectl {word} | grep x\n");
    for (right, wrong, fault) in [
        ("scale deployment/tenantry", "scale deployment/tenantry-operator", "deployment/tenantry-operator"),
        ("describe deployment tenantry", "describe deployment operator", "deployment/operator"),
        ("get svc/tenantry-platform", "get svc/platform", "service/platform"),
        ("get lease tenantry-operator", "get lease tenantry", "lease/tenantry"),
        ("logs -l app.kubernetes.io/component=operator", "logs -l app.kubernetes.io/component=tenantry", "label `app"),
        ("logs deploy/tenantry -c operator", "logs deploy/tenantry -c tenantry", "container `tenantry`"),
        ("get configmaps -l tenantry.dev/unique-id=ID", "get configmap tenantry-ends", "configmap/tenantry-ends"),
    ] {
        let faults = |word: &str| {
            page_commands(&page(word)).iter().flat_map(|one| installed.command_faults(one)).collect::<Vec<_>>()
        };
        assert_eq!(faults(right), [""; 0], "{right}");
        let found = faults(wrong);
        assert!(found.len() == 2 && found.iter().all(|found| found.starts_with(fault)), "{wrong}: {found:?}");
    }
}
