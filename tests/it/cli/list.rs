//! `list`: shows what the platform holds.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::PluginRunner;
use crate::connect::fake_platform::{FakePlatform, FakeReply, FakeRequest};
use crate::world::TestWorld;

fn listed_names(listed: &Value) -> Vec<&str> {
    listed.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
}

/// shows: seeds/list/table, seeds/list/name, seeds/list/unique-id, seeds/list/date-created, seeds/list/status
/// shows: seeds/details/search, seeds/termination/search, seeds/filter/active, seeds/filter/inactive, seeds/filter/all
#[test]
fn the_platform_lists_partners_and_clients_by_status_and_part_of_a_name() {
    let namespace = TestWorld::shared_world().create_namespace("listed");
    let plugin = PluginRunner::on_cluster_of(&namespace);
    namespace.apply_partner("acme", &json!({}));
    let partner = namespace.wait_until_ready("partner/acme");
    let clients = format!("{partner}/clients");
    for name in ["Globex", "Initech", "Hooli", "Umbrella"] {
        namespace.world.tenancy.change_tenant(&clients, &json!({"name": name})).unwrap();
    }
    let active_clients = namespace.world.tenancy.list_tenants(&clients, true).unwrap();
    let id = |name: &str| active_clients.iter().find(|one| one["name"] == name).unwrap()["uniqueId"].as_str().unwrap();
    for (name, verb) in [("Hooli", "suspend"), ("Umbrella", "terminate")] {
        namespace.world.tenancy.change_tenant(&format!("{clients}/{}/{verb}", id(name)), &json!({})).unwrap();
    }
    let list = |args: &[&str]| {
        plugin.run(&[&["list", "clients", "--partner", &partner, "-n", &namespace.name], args].concat())
    };
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
        assert_eq!(listed_names(&ran.json()), expected, "{args:?}: {ran:?}");
    }
    let by_file = plugin.write_connection_file(&namespace);
    let name = namespace.tenant_name("acme").to_uppercase();
    let run = plugin.run(&["list", "partners", "--connection", &by_file, "--search", &name, "-o", "json"]);
    let listed = run.json();
    assert_eq!(listed[0]["uniqueId"], partner.as_str(), "{run:?}");
    let owner = format!("Partner/{}/acme", namespace.name);
    assert!(listed[0]["declaredBy"].as_str().unwrap().contains(&owner), "{listed}");
    assert_eq!(plugin.run(&["list", "partners", "--partner", "x"]).code, 1);
}

#[test]
fn a_second_credential_of_an_account_that_is_refused_hides_nothing() {
    let namespace = TestWorld::shared_world().create_namespace("twice-listed");
    let plugin = PluginRunner::on_cluster_of(&namespace);
    let data = namespace.credential();
    let wrong =
        json!({"url": data["url"], "tenantId": data["tenantId"], "clientId": data["clientId"], "clientSecret": "x"});
    namespace.apply_secret("wrong", &wrong);
    namespace.apply_partner("acme", &json!({}));
    namespace.wait_until_ready("partner/acme");
    for name in ["aaa", "zzz"] {
        namespace.apply_partner(name, &json!({"connectionSecretRef": {"name": "wrong"}}));
    }
    let run = plugin.run(&[
        "list",
        "partners",
        "-n",
        &namespace.name,
        "--search",
        &namespace.tenant_name("acme"),
        "-o",
        "json",
    ]);
    assert_eq!((run.code, listed_names(&run.json())), (1, vec![namespace.tenant_name("acme").as_str()]), "{run:?}");
    for name in ["aaa", "zzz"] {
        assert!(run.err.contains(&format!("Partner `{}/{name}`: ", namespace.name)), "{run:?}");
    }
    assert!(!run.err.contains("/acme`"), "{run:?}");
}

/// Starts a server that closes each connection at once, and counts them.
fn start_closing_server() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (url, count) = (format!("http://{}", listener.local_addr().unwrap()), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        listener.incoming().for_each(|_| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
    });
    (url, count)
}

#[test]
fn a_host_that_does_not_answer_is_not_asked_again_with_each_credential() {
    let space = TestWorld::shared_world().create_namespace("away-listed");
    let (url, connections) = start_closing_server();
    let mut data = space.credential();
    data["url"] = json!(url);
    for number in 0..40 {
        data["clientId"] = json!(format!("client-{number}"));
        space.apply_secret(&format!("away-{number}"), &data);
        let spec = json!({"connectionSecretRef": {"name": format!("away-{number}")}});
        space.apply_partner(&format!("away-{number}"), &spec);
    }
    let ran = PluginRunner::on_cluster_of(&space).run(&["list", "partners", "-n", &space.name]);
    let said = ran.err.matches("the platform is not available").count();
    assert_eq!((ran.code, said), (1, 40), "{ran:?}");
    let asked = connections.load(Ordering::Relaxed);
    assert!((1..=16).contains(&asked), "{asked} connections");
}

#[test]
fn a_partner_that_does_not_exist_is_an_error_and_one_that_was_ended_is_said() {
    let space = TestWorld::shared_world().create_namespace("no-partner");
    let desk = PluginRunner::on_cluster_of(&space);
    space.apply_partner("acme", &json!({}));
    let partner = space.wait_until_ready("partner/acme");
    let list = |named: &str| desk.run(&["list", "clients", "--partner", named, "-n", &space.name]);
    let ran = list("nosuch");
    assert!(ran.code == 1 && ran.err.contains("there is no partner `nosuch`: correct `--partner`"), "{ran:?}");
    assert!(!ran.err.contains("no such tenant"), "{ran:?}");
    let ran = list(&space.tenant_name("acme"));
    assert!(ran.code == 0 && ran.err.contains("there is no such tenant"), "{ran:?}");
    space
        .world
        .tenancy
        .change_tenant(&format!("{}/terminate", space.world.tenancy.partner_path(&partner)), &json!({}))
        .unwrap();
    let ran = list(&partner);
    assert!(ran.code == 1 && ran.err.contains(&format!("partner `{partner}` was terminated")), "{ran:?}");
}

/// Starts a platform without the extensions on which this partner is not in service; with `None` it has no partners at
/// all.
async fn start_documented_platform(partners: Option<&'static str>) -> FakePlatform {
    let rows =
        |rows: &Value| FakeReply::json(200, &json!({"results": rows, "totalResults": 1, "pageNo": 1, "totalPages": 1}));
    FakePlatform::new(move |asked: FakeRequest| {
        let path = asked.path.split('?').next().unwrap_or_default();
        match (path.trim_start_matches("/api/v2/tenants/"), partners) {
            ("sp_1/msps/search", Some(id)) => rows(&json!([{"uniqueId": id, "name": "Acme", "activated": false}])),
            ("msp_1/clients/search", _) => {
                rows(&json!([{"uniqueId": "client_1", "name": "Globex", "activated": true}]))
            }
            _ => FakeReply::json(404, &json!({"code": "0003", "message": "No resource found"})),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_listed_of_a_partner_that_only_may_have_ended_or_that_is_named() {
    let desk = PluginRunner::without_cluster();
    for (partners, args) in [(Some("msp_1"), &[][..]), (None, &["--partner", "msp_1"])] {
        let fake = start_documented_platform(partners).await;
        desk.write_file("fake.env", &format!("url={}\ntenantId=sp_1\nclientId=x\nclientSecret=y\n", fake.url));
        let all = [&["list", "clients", "--connection", "fake.env", "-o", "json"], args].concat();
        let ran = tokio::task::block_in_place(|| desk.run(&all));
        assert_eq!((ran.code, listed_names(&ran.json())), (0, vec!["Globex"]), "{args:?}: {ran:?}");
    }
    let fake = start_documented_platform(Some("msp_2")).await;
    desk.write_file("fake.env", &format!("url={}\ntenantId=sp_1\nclientId=x\nclientSecret=y\n", fake.url));
    let ran = tokio::task::block_in_place(|| desk.run(&["list", "clients", "--connection", "fake.env"]));
    assert!(ran.code == 0 && ran.err.contains("partner `msp_2` is not in service"), "{ran:?}");
}

#[test]
fn a_connection_that_is_broken_hides_nothing_of_the_others() {
    let space = TestWorld::shared_world().create_namespace("half-listed");
    let desk = PluginRunner::on_cluster_of(&space);
    space.apply_partner("acme", &json!({}));
    space.wait_until_ready("partner/acme");
    space.apply_partner("lost", &json!({"connectionSecretRef": {"name": "nowhere"}}));
    let ran = desk.run(&["list", "partners", "-n", &space.name, "--search", &space.tenant_name("acme"), "-o", "json"]);
    assert_eq!(listed_names(&ran.json()), [space.tenant_name("acme")]);
    let lost = format!("Partner `{0}/lost`: Secret `{0}/nowhere` does not exist", space.name);
    assert!(ran.code == 1 && ran.err.contains(&lost), "{ran:?}");
}
