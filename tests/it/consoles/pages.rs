//! Which page runs where.

use serde_json::json;

use super::Console;
use crate::assets;
use crate::chart::stage::Release;
use crate::cli::Desk;
use crate::controlplane::Options;
use crate::programs::PlatformOptions;
use crate::world::{Ground, Space, World};

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

fn text(page: &str) -> String {
    std::fs::read_to_string(assets::root().join(page)).unwrap()
}

/// A page from one heading to another.
fn part(page: &str, from: &str, to: &str) -> String {
    let text = text(page);
    let begin = if from.is_empty() { 0 } else { text.find(&format!("\n{from}\n")).unwrap() };
    let end = if to.is_empty() { text.len() } else { text.find(&format!("\n{to}\n")).unwrap() };
    text[begin..end].to_owned()
}

#[test]
fn every_command_of_these_pages_stands_in_a_console() {
    for page in PAGES {
        let strays = super::page::strays(&text(page));
        assert!(strays.is_empty(), "{page}: {strays:#?}");
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
    let world = World::start("migrate", |options| "1h".clone_into(&mut options.drift_interval)).unwrap();
    let clients = click_together(&world);
    let space = Space::at(&world, "default".to_owned());
    let desk = Desk::at(&space);
    desk.connection(&space);
    desk.put("terraform.tfstate", &json!({"resources": [{"instances": clients}]}).to_string());
    let before = world.platform_writes();
    let faults = Console::new(&desk.folder, world.control_plane.kubeconfig("admin"))
        .play(&part("docs/migrate.md", "", "## Undo the migration"), |_| {});
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    // Seven tenants, one mark each.
    assert!((world.platform_writes() - before - 7.0).abs() < 0.5, "{}", world.platform_writes() - before);
    let owner = &world.tenancy.list(&format!("{}/msps", world.tenancy.tenant()), true).unwrap()[0]["managedBy"];
    assert_eq!(owner["kind"], "Partner");
}

#[test]
fn the_ten_commands_of_the_readme_and_the_first_steps_with_git_print_what_is_said() {
    let world = World::start("readme", |_| {}).unwrap();
    let policies = assets::root().join("charts/tenantry/policies");
    world.kubectl.run(&["apply", "--server-side", "-f", policies.to_str().unwrap()]).unwrap();
    let space = Space::at(&world, "default".to_owned());
    space.secret("platform", &space.credential());
    let console = Console::new(assets::root(), world.control_plane.kubeconfig("admin"));
    let faults = console.play(&text("README.md"), |_| {});
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    space.until("globex is gone", || Ok(space.get("client/globex").is_none()));
    let faults = console.play(&text("docs/gitops.md"), |_| {});
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

const RELEASE: Release = Release { name: "tenantry", namespace: "tenantry-system", deployment: "tenantry" };

#[test]
fn whoever_installs_is_on_call_upgrades_and_uninstalls_reads_commands_that_work() {
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
    let mut faults = console.play(&part("docs/install.md", "", "## Some namespaces only"), |command| {
        if command.starts_with("helm install") {
            let started = RELEASE.operator("reader", (&ground.control_plane, &ground.kubectl));
            operator = Some(started.unwrap());
        }
    });
    desk.put("tenants/acme.yaml", &std::fs::read_to_string(desk.folder.join("acme.yaml")).unwrap());
    for page in ["docs/runbook.md", "docs/troubleshooting.md", "docs/upgrades.md"] {
        faults.extend(console.play(&text(page), |_| {}));
    }
    faults.extend(console.play(&text("docs/operations.md"), |command| {
        if command.contains("scale deployment/tenantry --replicas=0") {
            drop(operator.take());
        }
    }));
    faults.extend(console.play(&part("docs/install.md", "## Upgrade", "## The platform beside it"), |_| {}));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
