//! Which page runs where.

use serde_json::json;

use super::Console;
use crate::assets;
use crate::cli::Desk;
use crate::world::{Space, World};

/// Pages whose commands are all run.
const PAGES: [&str; 2] = ["README.md", "docs/migrate.md"];

#[test]
fn every_command_of_these_pages_stands_in_a_console() {
    for page in PAGES {
        let text = std::fs::read_to_string(assets::root().join(page)).unwrap();
        let strays = super::page::strays(&text);
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
    let faults = Console::new(&desk.folder, world.control_plane.kubeconfig("admin")).play("docs/migrate.md");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    // Seven tenants, one mark each.
    assert!((world.platform_writes() - before - 7.0).abs() < 0.5, "{}", world.platform_writes() - before);
    let owner = &world.tenancy.list(&format!("{}/msps", world.tenancy.tenant()), true).unwrap()[0]["managedBy"];
    assert_eq!(owner["kind"], "Partner");
}

#[test]
fn the_ten_commands_of_the_readme_print_what_it_says() {
    let world = World::start("readme", |_| {}).unwrap();
    let space = Space::at(&world, "default".to_owned());
    space.secret("platform", &space.credential());
    let faults = Console::new(&assets::root(), world.control_plane.kubeconfig("admin")).play("README.md");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    space.until("globex is gone", || Ok(space.get("client/globex").is_none()));
}
