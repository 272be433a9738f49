//! `unmanaged`: what nobody declares, and declarations of what is gone.

use serde_json::json;

use super::Desk;
use super::golden::check;
use crate::world::World;

#[test]
fn what_nobody_claims_and_what_is_gone_is_listed() {
    let world = World::start("unmanaged", |_| {}).unwrap();
    let space = world.namespace("claims");
    let desk = Desk::at(&space);
    let connection = desk.connection(&space);
    space.partner("acme", &json!({}));
    space.client("globex", &json!({}));
    let partner = space.ready("partner/acme");
    let globex = space.ready("client/globex");
    let ran = desk.run(&["unmanaged"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let create = |path: &str, name: &str| {
        let answer = world.tenancy.call("POST", path, Some(&json!({"name": name}))).unwrap();
        answer.json().unwrap()["uniqueId"].as_str().unwrap().to_owned()
    };
    let other = create(&format!("{}/msps", world.tenancy.tenant()), "Clicked");
    let clicked = create(&format!("{partner}/clients"), "Clicked \"client\"");
    let under = create(&format!("{other}/clients"), "Below");
    world.tenancy.change(&format!("{other}/clients/{under}/suspend"), &json!({})).unwrap();
    // A manifest that is not applied yet claims one of them.
    let claim = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client", "metadata": {"name": "clicked", "namespace": space.name},
        "spec": {"partnerRef": {"name": "acme"}, "details": {"name": "Clicked"}, "adoption": {"policy": "Adopt", "uniqueId": clicked}},
    });
    desk.put("claim.json", &claim.to_string());
    let own = [(space.name.as_str(), "SPACE")];
    check("unmanaged/tenants", &desk.run(&["unmanaged"]), &own);
    check("unmanaged/tenants-yaml", &desk.run(&["unmanaged", "-o", "yaml", "--connection", &connection]), &own);
    assert_eq!(desk.run(&["unmanaged", "-A"]), desk.run(&["unmanaged"]));
    assert_eq!(desk.run(&["unmanaged", "-A", "-n", &space.name]), desk.run(&["unmanaged"]));
    let ran = desk.run(&["unmanaged", "-f", "claim.json", "-o", "json"]);
    let ids: Vec<String> =
        ran.json()["tenants"].as_array().unwrap().iter().map(|one| one["uniqueId"].to_string()).collect();
    assert_eq!((ran.code, ids), (2, vec![json!(other).to_string(), json!(under).to_string()]));
    world.tenancy.change(&format!("{partner}/clients/{globex}/terminate"), &json!({})).unwrap();
    check("unmanaged/gone", &desk.run(&["unmanaged", "-f", "claim.json"]), &own);
}

#[test]
fn without_objects_and_without_a_connection_there_is_nothing_to_ask() {
    let desk = Desk::alone();
    check("unmanaged/nothing", &desk.run(&["unmanaged"]), &[]);
    desk.put("platform.env", "url=http://127.0.0.1:1\ntenantId=sp_1\nclientId=a\nclientSecret=b\n");
    desk.put("none.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n");
    check("unmanaged/no-connection", &desk.run(&["unmanaged", "-f", "none.yaml"]), &[]);
    check("unmanaged/no-platform", &desk.run(&["unmanaged", "-f", "none.yaml", "--connection", "platform.env"]), &[]);
}
