//! `status`: what the operator last saw, for people.

use serde_json::json;

use super::golden::{check, own};
use super::{Desk, Ran};
use crate::world::World;

#[test]
fn one_screen_says_how_a_tenant_stands_and_a_list_how_all_do() {
    let space = World::shared().namespace("screen");
    let desk = Desk::at(&space);
    let own = own(&space);
    let status = |args: &[&str]| desk.run(&[&["status", "-n", &space.name], args].concat());
    check("status/nothing-there", &status(&[]), &own);
    let defaults = json!({"timezone": "Europe/Berlin", "packages": ["EventAndIncidentManagement"]});
    // 2 x 1 pixels.
    let logo = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAIAAAB7QOjdAAAAC0lEQVR4nGNgAAMAAAcAAbKGrPQAAAAASUVORK5CYII=";
    space.partner(
        "acme",
        &json!({
            "packages": ["EventAndIncidentManagement"], "clients": {"defaults": defaults},
            "branding": {"logo": {"inline": logo}},
        }),
    );
    space.client("globex", &json!({"details": {"city": "Berlin"}, "management": {"drift": "Report"}}));
    space.client("initech", &json!({"details": {"country": "Atlantis"}}));
    let partner = space.ready("partner/acme");
    let client = space.ready("client/globex");
    space.not_ready("client/initech", "InvalidValue");
    let tenant = space.client_path(&partner, &client);
    space.world.tenancy.change(&tenant, &json!({"city": "Munich"})).unwrap();
    space.until("the drift is seen", || Ok(!space.get("client/globex").unwrap()["status"]["drift"].is_null()));
    space.until("the clients are counted", || {
        let counts = space.get("partner/acme").unwrap()["status"]["clients"].clone();
        Ok(counts == json!({"declared": 2, "live": 1, "unmanaged": 0}))
    });
    let text = |object: &str, path: &str| {
        space.world.kubectl.run(&["-n", &space.name, "get", object, "-o", &format!("jsonpath={path}")]).unwrap()
    };
    let accounts =
        ["partner/acme", "client/globex"].map(|object| format!("(account {})", text(object, "{.status.accountId}")));
    let times = [
        text("partner/acme", "{.status.createdTime}"),
        text("client/globex", "{.status.createdTime}"),
        text("client/globex", "{.status.drift[0].since}"),
    ];
    let mut own = own;
    own.extend(accounts.iter().map(|account| (account.as_str(), "(account N)")));
    own.extend(times.iter().map(|time| (time.as_str(), "TIME")));
    check("status/client", &status(&["client", "globex"]), &own);
    check("status/refused", &status(&["client/initech"]), &own);
    check("status/partner", &status(&["acme"]), &own);
    let list = status(&[]);
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n";
    check("status/list", &Ran { out: list.out.lines().map(words).collect(), ..list }, &own);
    let screen = status(&["globex", "-o", "json"]).json();
    assert_eq!(screen["drift"][0]["observed"], json!("\"Munich\""));
    assert_eq!(screen["uniqueId"], json!(client));
    let all = desk.run(&["status", "-A", "-o", "json"]).json();
    let is_ours = |row: &&serde_json::Value| row["namespace"] == space.name.as_str();
    assert_eq!(all.as_array().unwrap().iter().filter(is_ours).count(), 3);
}

#[test]
fn what_cannot_be_shown_is_said() {
    let space = World::shared().namespace("unshown");
    let desk = Desk::at(&space);
    space.orphan("twin", &json!({"partnerUniqueId": "msp_0", "management": {"mode": "Paused"}}));
    space.partner("twin", &json!({"management": {"mode": "Paused"}}));
    for (name, args) in [
        ("no-such-object", &["status", "client/nobody"][..]),
        ("which-kind", &["status", "twin"]),
        ("no-kind-of-ours", &["status", "pod/web"]),
        ("no-cluster", &["status", "--offline"]),
        ("name-and-all", &["status", "-A", "client/twin"]),
    ] {
        check(&format!("status/{name}"), &desk.run(&[args, &["-n", &space.name]].concat()), &own(&space));
    }
}
