//! `list`: what the platform holds.

use serde_json::{Value, json};

use super::Desk;
use crate::world::World;

fn names(listed: &Value) -> Vec<&str> {
    listed.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
}

/// shows: seeds/list/table, seeds/list/name, seeds/list/unique-id, seeds/list/date-created, seeds/list/status
/// shows: seeds/details/search, seeds/termination/search, seeds/filter/active, seeds/filter/inactive, seeds/filter/all
#[test]
fn the_platform_lists_partners_and_clients_by_status_and_part_of_a_name() {
    let space = World::shared().namespace("listed");
    let desk = Desk::at(&space);
    space.partner("acme", &json!({}));
    let partner = space.ready("partner/acme");
    let clients = format!("{partner}/clients");
    for name in ["Globex", "Initech", "Hooli", "Umbrella"] {
        space.world.tenancy.change(&clients, &json!({"name": name})).unwrap();
    }
    let living = space.world.tenancy.list(&clients, true).unwrap();
    let id = |name: &str| living.iter().find(|one| one["name"] == name).unwrap()["uniqueId"].as_str().unwrap();
    for (name, verb) in [("Hooli", "suspend"), ("Umbrella", "terminate")] {
        space.world.tenancy.change(&format!("{clients}/{}/{verb}", id(name)), &json!({})).unwrap();
    }
    let list =
        |args: &[&str]| desk.run(&[&["list", "clients", "--partner", &partner, "-n", &space.name], args].concat());
    let ran = list(&[]);
    let rows: Vec<Vec<&str>> =
        ran.out.lines().map(|line| line.split("  ").filter(|cell| !cell.is_empty()).map(str::trim).collect()).collect();
    assert_eq!(rows[0], ["NAME", "UNIQUE ID", "DATE CREATED", "STATUS", "PARTNER"]);
    assert_eq!((rows[1][0], rows[1][1], rows[1][3], rows[1][4]), ("Globex", id("Globex"), "Active", partner.as_str()));
    assert!(rows[1][2].parse::<jiff::Timestamp>().is_ok(), "{rows:?}");
    assert_eq!((rows[2][0], rows.len(), ran.code), ("Initech", 3, 0));
    assert!(ran.err.contains("2 tenants not shown (1 Suspended, 1 Inactive): `--status all` shows them"), "{ran:?}");
    for (args, expected) in [
        (&["--status", "inactive"][..], vec!["Umbrella"]),
        (&["--status", "suspended"], vec!["Hooli"]),
        (&["--status", "all"], vec!["Globex", "Hooli", "Initech", "Umbrella"]),
        (&["--status", "all", "--sort-by", "status"], vec!["Globex", "Initech", "Hooli", "Umbrella"]),
        (&["--search", "LOBE"], vec!["Globex"]),
        (&["--search", "nobody"], vec![]),
    ] {
        let ran = list(&[args, &["-o", "json"]].concat());
        assert_eq!(names(&ran.json()), expected, "{args:?}: {ran:?}");
    }
    let by_file = desk.connection(&space);
    let name = space.tenant_name("acme").to_uppercase();
    let ran = desk.run(&["list", "partners", "--connection", &by_file, "--search", &name, "-o", "json"]);
    let listed = ran.json();
    assert_eq!(listed[0]["uniqueId"], partner.as_str(), "{ran:?}");
    let owner = format!("Partner/{}/acme", space.name);
    assert!(listed[0]["declaredBy"].as_str().unwrap().contains(&owner), "{listed}");
    assert_eq!(desk.run(&["list", "partners", "--partner", "x"]).code, 1);
}

#[test]
fn a_connection_that_is_broken_hides_nothing_of_the_others() {
    let space = World::shared().namespace("half-listed");
    let desk = Desk::at(&space);
    space.partner("acme", &json!({}));
    space.ready("partner/acme");
    space.partner("lost", &json!({"connectionSecretRef": {"name": "nowhere"}}));
    let ran = desk.run(&["list", "partners", "-n", &space.name, "--search", &space.tenant_name("acme"), "-o", "json"]);
    assert_eq!(names(&ran.json()), [space.tenant_name("acme")]);
    let lost = format!("Partner `{0}/lost`: Secret `{0}/nowhere` does not exist", space.name);
    assert!(ran.code == 1 && ran.err.contains(&lost), "{ran:?}");
}
