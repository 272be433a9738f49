//! The commands of `docs/migrate.md`, run as they stand there.

use std::process::Command;

use serde_json::json;

use super::{Desk, path};
use crate::assets;
use crate::world::{Space, World};

/// The commands of a page: the lines after `$ ` in its consoles, with what follows after `> `.
fn commands(page: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let mut is_console = false;
    for line in page.lines() {
        if line.starts_with("```") {
            is_console = line == "```console";
        } else if !is_console {
        } else if let Some(command) = line.strip_prefix("$ ") {
            commands.push(command.to_owned());
        } else if let (Some(more), Some(last)) = (line.strip_prefix("> "), commands.last_mut()) {
            last.push('\n');
            last.push_str(more);
        }
    }
    commands
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
fn the_page_walks_from_clicked_tenants_to_tenants_in_git_and_changes_none() {
    let world = World::start("migrate", |options| "1h".clone_into(&mut options.drift_interval)).unwrap();
    let clients = click_together(&world);
    let space = Space::at(&world, "default".to_owned());
    let desk = Desk::at(&space);
    desk.connection(&space);
    desk.put("terraform.tfstate", &json!({"resources": [{"instances": clients}]}).to_string());
    let before = world.platform_writes();
    let page = std::fs::read_to_string(assets::root().join("docs/migrate.md")).unwrap();
    let commands = commands(&page);
    assert!(commands.len() >= 12, "{commands:?}");
    for command in &commands {
        let programs = assets::own("kubectl-tenantry").unwrap();
        let path =
            format!("{}:{}:{}", path().display(), programs.parent().unwrap().display(), std::env::var("PATH").unwrap());
        let output = Command::new("sh")
            .args(["-eu", "-c", command])
            .current_dir(&desk.folder)
            .env("KUBECONFIG", world.control_plane.kubeconfig("admin"))
            .env("HOME", &desk.folder)
            .env("PATH", path)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "`{command}`: {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    // Seven tenants, one mark each.
    assert!((world.platform_writes() - before - 7.0).abs() < 0.5, "{}", world.platform_writes() - before);
    let owner = &world.tenancy.list(&format!("{}/msps", world.tenancy.tenant()), true).unwrap()[0]["managedBy"];
    assert_eq!(owner["kind"], "Partner");
}

#[test]
fn only_what_stands_in_a_console_is_a_command() {
    let page = "text\n```console\n$ one\nanswer\n$ two\n> more\n```\n$ no\n```sh\n$ neither\n```\n";
    assert_eq!(commands(page), ["one", "two\nmore"]);
}
