//! Lists which page runs in which test.

use std::collections::BTreeSet;

use serde_json::json;

use super::{PageConsole, command_blocks};
use crate::chart::release::ChartRelease;
use crate::cli::PluginRunner;
use crate::console::{ConsoleEntry, console_entries};
use crate::controlplane::ControlPlaneOptions;
use crate::programs::PlatformOptions;
use crate::world::{TestNamespace, TestServers, TestWorld};
use crate::{assets, test_index};

/// Pages whose commands all run.
const PAGES: [&str; 8] = [
    "README.md",
    "docs/install.md",
    "docs/migrate.md",
    "docs/operations.md",
    "docs/gitops.md",
    "docs/runbook.md",
    "docs/troubleshooting.md",
    "docs/upgrades.md",
];

/// A page from one heading to another, which one test runs.
pub(super) struct PageSection {
    page: &'static str,
    from: &'static str,
    to: &'static str,
}

impl PageSection {
    pub(super) const fn whole_page(page: &'static str) -> Self {
        Self { page, from: "", to: "" }
    }

    pub(super) fn text(&self) -> String {
        let text = page_text(self.page);
        let begin = if self.from.is_empty() { 0 } else { text.find(&format!("\n{}\n", self.from)).unwrap() };
        let end = if self.to.is_empty() { text.len() } else { text.find(&format!("\n{}\n", self.to)).unwrap() };
        text[begin..end].to_owned()
    }
}

/// Defines the sections, and the list of all with their names.
macro_rules! parts {
    ($($ident:ident = $part:expr;)+) => {
        $(pub(super) const $ident: PageSection = $part;)+
        const PARTS: &[(&str, PageSection)] = &[$((stringify!($ident), $ident),)+];
    };
}

parts! {
    README = PageSection::whole_page("README.md");
    FIRST_STEPS_WITH_GIT = PageSection::whole_page("docs/gitops.md");
    INSTALLATION = PageSection { page: "docs/install.md", from: "", to: "## Some namespaces only" };
    UPGRADE_AND_REMOVAL = PageSection { page: "docs/install.md", from: "## Upgrade", to: "## The platform beside it" };
    SCANNED = PageSection { page: "docs/install.md", from: "## Scanned", to: "" };
    MIGRATION = PageSection { page: "docs/migrate.md", from: "", to: "## Undo the migration" };
    UNDONE_MIGRATION = PageSection { page: "docs/migrate.md", from: "## Undo the migration", to: "" };
    OPERATIONS = PageSection::whole_page("docs/operations.md");
    TROUBLESHOOTING = PageSection::whole_page("docs/troubleshooting.md");
    UPGRADES = PageSection::whole_page("docs/upgrades.md");
    RUNBOOK = PageSection::whole_page("docs/runbook.md");
}

fn page_text(page: &str) -> String {
    std::fs::read_to_string(assets::root().join(page)).unwrap()
}

/// Returns the commands that all pages mark as `apart`, with their page.
pub(super) fn commands_run_elsewhere() -> Vec<(&'static str, String)> {
    let of = |page| {
        command_blocks::console_commands(&page_text(page), "console apart")
            .into_iter()
            .map(move |command| (page, command))
    };
    PAGES.into_iter().flat_map(of).collect()
}

#[test]
fn every_command_of_these_pages_stands_in_a_console() {
    for page in PAGES {
        let strays = command_blocks::stray_commands(&page_text(page));
        assert!(strays.is_empty(), "{page}: {strays:#?}");
    }
}

/// Returns consoles of the pages that no test with these words runs.
fn untested_page_commands(words: &BTreeSet<&str>) -> Vec<String> {
    let played = || PARTS.iter().filter(|(ident, _)| words.contains(ident)).map(|(_, part)| part);
    let of = |page: &'static str| {
        let parts = played().filter(move |part| part.page == page);
        let commands: Vec<ConsoleEntry> = parts.flat_map(|part| console_entries(&part.text())).collect();
        let missing = console_entries(&page_text(page)).into_iter().filter(move |entry| !commands.contains(entry));
        missing.map(move |entry| format!("{page}: nobody plays `{}`", entry.command))
    };
    PAGES.into_iter().flat_map(of).collect()
}

#[test]
fn every_console_of_these_pages_is_in_a_part_that_a_test_plays() {
    let tests = test_index::words_of_tests();
    let playing = tests.values().filter(|words| words.contains("run_page"));
    let mut words: BTreeSet<&str> = playing.flatten().map(String::as_str).collect();
    let unplayed_here = untested_page_commands(&words);
    assert!(unplayed_here.is_empty(), "{}", unplayed_here.join("\n"));
    for (ident, _) in PARTS {
        assert!(words.remove(ident), "no test plays {ident}");
        assert!(!untested_page_commands(&words).is_empty(), "{ident} could be left out");
        words.insert(ident);
    }
}

/// Creates a partner with various clients, and another partner without clients.
fn create_tenants_by_api(world: &TestWorld) -> Vec<String> {
    let create = |path: &str, body: &serde_json::Value| {
        let answer = world.tenancy.call("POST", path, Some(body)).unwrap();
        assert_eq!(answer.status, 200, "{body}: {}", answer.body);
        answer.json().unwrap()["uniqueId"].as_str().unwrap().to_owned()
    };
    let partners = format!("{}/msps", world.tenancy.provider_id());
    let acme = create(&partners, &json!({"name": "Acme", "country": "Germany", "timeZone": "Europe/Berlin"}));
    create(&partners, &json!({"name": "Beta", "country": "France", "timeZone": "Europe/Paris"}));
    let clients = format!("{acme}/clients");
    (1..=5)
        .map(|number| create(&clients, &json!({"name": format!("Customer {number}"), "zip": format!("0{number}067")})))
        .collect()
}

#[test]
fn the_migration_changes_no_tenant_and_prints_what_its_page_says() {
    let mut world = TestWorld::start("migrate", |options| "1h".clone_into(&mut options.drift_interval)).unwrap();
    let clients = create_tenants_by_api(&world);
    let namespace = TestNamespace::existing(&world, "default".to_owned());
    let plugin = PluginRunner::on_cluster_of(&namespace);
    plugin.write_connection_file(&namespace);
    plugin.write_file("terraform.tfstate", &json!({"resources": [{"instances": clients}]}).to_string());
    let before = world.platform_writes();
    let console = PageConsole::new(&plugin.folder, world.control_plane.kubeconfig("admin"))
        // The reader types `yes`.
        .replacing("release --all", "release --all --yes");
    let faults = console.run_page(&MIGRATION.text(), |_| {});
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    // Seven tenants get one mark each.
    let writes = world.platform_writes() - before;
    assert!((writes - 7.0).abs() < 0.5, "{writes}");
    let owner =
        &world.tenancy.list_tenants(&format!("{}/msps", world.tenancy.provider_id()), true).unwrap()[0]["managedBy"];
    assert_eq!(owner["kind"], "Partner");

    world.kubectl.run(&["-n", "tenantry-system", "create", "deployment", "tenantry", "--image=none"]).unwrap();
    let faults = console.run_page(&UNDONE_MIGRATION.text(), |command| {
        if command.contains("--replicas=0") {
            world.operator.process().stop().unwrap();
        }
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!((world.platform_writes() - before - writes).abs() < 0.5, "no tenant is changed");
    let left = world.kubectl.run(&["get", "partners,clients", "-A", "-o", "name"]).unwrap();
    assert_eq!(left.trim(), "", "the objects are gone");
}

#[test]
fn the_ten_commands_of_the_readme_and_the_first_steps_with_git_print_what_is_said() {
    let world = TestWorld::start("readme", |_| {}).unwrap();
    let policies = assets::root().join("charts/tenantry/policies");
    world.kubectl.run(&["apply", "--server-side", "-f", policies.to_str().unwrap()]).unwrap();
    let namespace = TestNamespace::existing(&world, "default".to_owned());
    namespace.apply_secret("platform", &namespace.credential());
    let console = PageConsole::new(assets::root(), world.control_plane.kubeconfig("admin"));
    let faults = console.run_page(&README.text(), |_| {});
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    namespace.wait_until("globex is gone", || Ok(namespace.get("client/globex").is_none()));
    let faults = console.run_page(&FIRST_STEPS_WITH_GIT.text(), |_| {});
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

pub(super) const RELEASE: ChartRelease =
    ChartRelease { name: "tenantry", namespace: "tenantry-system", deployment: "tenantry" };

#[test]
fn whoever_installs_upgrades_and_uninstalls_reads_commands_that_work() {
    let servers = TestServers::start("reader", (ControlPlaneOptions::default(), &PlatformOptions::default())).unwrap();
    let plugin = PluginRunner::without_cluster();
    for folder in ["charts", "crds", "examples"] {
        std::os::unix::fs::symlink(assets::root().join(folder), plugin.folder.join(folder)).unwrap();
    }
    let credential = &servers.platform.credential;
    let console = PageConsole::new(&plugin.folder, servers.control_plane.kubeconfig("admin"))
        .replacing("https://PLATFORM.HOST", &credential.url)
        .replacing("PLATFORM.HOST", servers.platform.host())
        .replacing("=TENANT ", format!("={} ", credential.tenant_id))
        .replacing("=KEY ", format!("={} ", credential.client_id))
        .replacing("=SECRET", format!("={}", credential.client_secret))
        .replacing("client NAME -n NAMESPACE", "client globex -n acme")
        .replacing("client/NAME -n NAMESPACE", "client/globex -n acme")
        // The reader types `yes`.
        .replacing("release --all", "release --all --yes");
    let mut operator = None;
    let mut faults = console.run_page(&INSTALLATION.text(), |command| {
        if command.starts_with("helm install") {
            let started = RELEASE.start_deployed_operator("reader", &servers.control_plane, &servers.kubectl);
            operator = Some(started.unwrap());
        }
    });
    plugin.write_file("tenants/acme.yaml", &std::fs::read_to_string(plugin.folder.join("acme.yaml")).unwrap());
    for part in [&SCANNED, &TROUBLESHOOTING, &UPGRADES] {
        faults.extend(console.run_page(&part.text(), |_| {}));
    }
    faults.extend(console.run_page(&OPERATIONS.text(), |command| {
        if command.contains("scale deployment/tenantry --replicas=0") {
            drop(operator.take());
        }
    }));
    faults.extend(console.run_page(&UPGRADE_AND_REMOVAL.text(), |_| {}));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
