//! Which page runs where.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Console, page};
use crate::chart::stage::Release;
use crate::cli::Desk;
use crate::console::{Entry, entries};
use crate::controlplane::Options;
use crate::programs::PlatformOptions;
use crate::world::{Ground, Space, World};
use crate::{assets, shown};

/// Pages whose commands are all run.
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

/// A page from one heading to another, which one test plays.
pub(super) struct Part {
    page: &'static str,
    from: &'static str,
    to: &'static str,
}

impl Part {
    pub(super) const fn whole(page: &'static str) -> Self {
        Self { page, from: "", to: "" }
    }

    pub(super) fn text(&self) -> String {
        let text = text(self.page);
        let begin = if self.from.is_empty() { 0 } else { text.find(&format!("\n{}\n", self.from)).unwrap() };
        let end = if self.to.is_empty() { text.len() } else { text.find(&format!("\n{}\n", self.to)).unwrap() };
        text[begin..end].to_owned()
    }
}

/// The parts, and the list of all with their names.
macro_rules! parts {
    ($($ident:ident = $part:expr;)+) => {
        $(pub(super) const $ident: Part = $part;)+
        const PARTS: &[(&str, Part)] = &[$((stringify!($ident), $ident),)+];
    };
}

parts! {
    README = Part::whole("README.md");
    FIRST_STEPS_WITH_GIT = Part::whole("docs/gitops.md");
    INSTALLATION = Part { page: "docs/install.md", from: "", to: "## Some namespaces only" };
    UPGRADE_AND_REMOVAL = Part { page: "docs/install.md", from: "## Upgrade", to: "## The platform beside it" };
    SCANNED = Part { page: "docs/install.md", from: "## Scanned", to: "" };
    MIGRATION = Part { page: "docs/migrate.md", from: "", to: "## Undo the migration" };
    UNDONE_MIGRATION = Part { page: "docs/migrate.md", from: "## Undo the migration", to: "" };
    OPERATIONS = Part::whole("docs/operations.md");
    TROUBLESHOOTING = Part::whole("docs/troubleshooting.md");
    UPGRADES = Part::whole("docs/upgrades.md");
    RUNBOOK = Part::whole("docs/runbook.md");
}

fn text(page: &str) -> String {
    std::fs::read_to_string(assets::root().join(page)).unwrap()
}

/// The commands of all pages that stand apart, by page.
pub(super) fn apart() -> Vec<(&'static str, String)> {
    let of = |page| page::commands(&text(page), "console apart").into_iter().map(move |command| (page, command));
    PAGES.into_iter().flat_map(of).collect()
}

#[test]
fn every_command_of_these_pages_stands_in_a_console() {
    for page in PAGES {
        let strays = page::strays(&text(page));
        assert!(strays.is_empty(), "{page}: {strays:#?}");
    }
}

/// Consoles of the pages which no test plays, where tests have these words.
fn unplayed(words: &BTreeSet<&str>) -> Vec<String> {
    let played = || PARTS.iter().filter(|(ident, _)| words.contains(ident)).map(|(_, part)| part);
    let of = |page: &'static str| {
        let parts = played().filter(move |part| part.page == page);
        let commands: Vec<Entry> = parts.flat_map(|part| entries(&part.text())).collect();
        let missing = entries(&text(page)).into_iter().filter(move |entry| !commands.contains(entry));
        missing.map(move |entry| format!("{page}: nobody plays `{}`", entry.command))
    };
    PAGES.into_iter().flat_map(of).collect()
}

#[test]
fn every_console_of_these_pages_is_in_a_part_that_a_test_plays() {
    let tests = shown::words_of_tests();
    let playing = tests.values().filter(|words| words.contains("play"));
    let mut words: BTreeSet<&str> = playing.flatten().map(String::as_str).collect();
    let unplayed_here = unplayed(&words);
    assert!(unplayed_here.is_empty(), "{}", unplayed_here.join("\n"));
    for (ident, _) in PARTS {
        assert!(words.remove(ident), "no test plays {ident}");
        assert!(!unplayed(&words).is_empty(), "{ident} could be left out");
        words.insert(ident);
    }
}

/// A partner with clients of all sorts, and another one without.
fn click_together(world: &World) -> Vec<String> {
    let create = |path: &str, body: &serde_json::Value| {
        let answer = world.tenancy.call("POST", path, Some(body)).unwrap();
        assert_eq!(answer.status, 200, "{body}: {}", answer.body);
        answer.json().unwrap()["uniqueId"].as_str().unwrap().to_owned()
    };
    let partners = format!("{}/msps", world.tenancy.tenant());
    let acme = create(&partners, &json!({"name": "Acme", "country": "Germany", "timeZone": "Europe/Berlin"}));
    create(&partners, &json!({"name": "Beta", "country": "France", "timeZone": "Europe/Paris"}));
    let clients = format!("{acme}/clients");
    (1..=5)
        .map(|number| create(&clients, &json!({"name": format!("Customer {number}"), "zip": format!("0{number}067")})))
        .collect()
}

#[test]
fn the_migration_changes_no_tenant_and_prints_what_its_page_says() {
    let mut world = World::start("migrate", |options| "1h".clone_into(&mut options.drift_interval)).unwrap();
    let clients = click_together(&world);
    let space = Space::at(&world, "default".to_owned());
    let desk = Desk::at(&space);
    desk.connection(&space);
    desk.put("terraform.tfstate", &json!({"resources": [{"instances": clients}]}).to_string());
    let before = world.platform_writes();
    let console = Console::new(&desk.folder, world.control_plane.kubeconfig("admin"))
        // Who reads types `yes`.
        .word("release --all", "release --all --yes");
    let faults = console.play(&MIGRATION.text(), |_| {});
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    // Seven tenants, one mark each.
    let writes = world.platform_writes() - before;
    assert!((writes - 7.0).abs() < 0.5, "{writes}");
    let owner = &world.tenancy.list(&format!("{}/msps", world.tenancy.tenant()), true).unwrap()[0]["managedBy"];
    assert_eq!(owner["kind"], "Partner");

    world.kubectl.run(&["-n", "tenantry-system", "create", "deployment", "tenantry", "--image=none"]).unwrap();
    let faults = console.play(&UNDONE_MIGRATION.text(), |command| {
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
    let world = World::start("readme", |_| {}).unwrap();
    let policies = assets::root().join("charts/tenantry/policies");
    world.kubectl.run(&["apply", "--server-side", "-f", policies.to_str().unwrap()]).unwrap();
    let space = Space::at(&world, "default".to_owned());
    space.secret("platform", &space.credential());
    let console = Console::new(assets::root(), world.control_plane.kubeconfig("admin"));
    let faults = console.play(&README.text(), |_| {});
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    space.until("globex is gone", || Ok(space.get("client/globex").is_none()));
    let faults = console.play(&FIRST_STEPS_WITH_GIT.text(), |_| {});
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

pub(super) const RELEASE: Release = Release { name: "tenantry", namespace: "tenantry-system", deployment: "tenantry" };

#[test]
fn whoever_installs_upgrades_and_uninstalls_reads_commands_that_work() {
    let ground = Ground::start("reader", (Options::default(), &PlatformOptions::default())).unwrap();
    let desk = Desk::alone();
    for folder in ["charts", "crds", "examples"] {
        std::os::unix::fs::symlink(assets::root().join(folder), desk.folder.join(folder)).unwrap();
    }
    let credential = &ground.platform.credential;
    let console = Console::new(&desk.folder, ground.control_plane.kubeconfig("admin"))
        .word("https://PLATFORM.HOST", &credential.url)
        .word("PLATFORM.HOST", ground.platform.host())
        .word("=TENANT ", format!("={} ", credential.tenant_id))
        .word("=KEY ", format!("={} ", credential.client_id))
        .word("=SECRET", format!("={}", credential.client_secret))
        .word("client NAME -n NAMESPACE", "client globex -n acme")
        .word("client/NAME -n NAMESPACE", "client/globex -n acme")
        // Who reads types `yes`.
        .word("release --all", "release --all --yes");
    let mut operator = None;
    let mut faults = console.play(&INSTALLATION.text(), |command| {
        if command.starts_with("helm install") {
            let started = RELEASE.operator("reader", (&ground.control_plane, &ground.kubectl));
            operator = Some(started.unwrap());
        }
    });
    desk.put("tenants/acme.yaml", &std::fs::read_to_string(desk.folder.join("acme.yaml")).unwrap());
    for part in [&SCANNED, &TROUBLESHOOTING, &UPGRADES] {
        faults.extend(console.play(&part.text(), |_| {}));
    }
    faults.extend(console.play(&OPERATIONS.text(), |command| {
        if command.contains("scale deployment/tenantry --replicas=0") {
            drop(operator.take());
        }
    }));
    faults.extend(console.play(&UPGRADE_AND_REMOVAL.text(), |_| {}));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
