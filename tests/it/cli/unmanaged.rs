//! `unmanaged`: lists tenants that nobody declares, and objects whose tenant is gone.

use serde_json::json;

use super::PluginRunner;
use super::golden::compare_with_golden;
use crate::world::TestWorld;

#[test]
fn what_nobody_claims_and_what_is_gone_is_listed() {
    let world = TestWorld::start("unmanaged", |_| {}).unwrap();
    let namespace = world.create_namespace("claims");
    let plugin = PluginRunner::on_cluster_of(&namespace);
    let connection = plugin.write_connection_file(&namespace);
    namespace.apply_partner("acme", &json!({}));
    namespace.apply_client("globex", &json!({}));
    let partner = namespace.wait_until_ready("partner/acme");
    let globex = namespace.wait_until_ready("client/globex");
    let run = plugin.run(&["unmanaged"]);
    assert_eq!(run.code, 0, "{run:?}");
    let create = |path: &str, name: &str| {
        let answer = world.tenancy.call("POST", path, Some(&json!({"name": name}))).unwrap();
        answer.json().unwrap()["uniqueId"].as_str().unwrap().to_owned()
    };
    let other = create(&format!("{}/msps", world.tenancy.provider_id()), "Clicked");
    let clicked = create(&format!("{partner}/clients"), "Clicked \"client\"");
    let under = create(&format!("{other}/clients"), "Below");
    world.tenancy.change_tenant(&format!("{other}/clients/{under}/suspend"), &json!({})).unwrap();
    // A manifest that is not applied yet claims one of them.
    let claim = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client", "metadata": {"name": "clicked", "namespace": namespace.name},
        "spec": {"partnerRef": {"name": "acme"}, "details": {"name": "Clicked"}, "adoption": {"policy": "Adopt", "uniqueId": clicked}},
    });
    plugin.write_file("claim.json", &claim.to_string());
    let own = [(namespace.name.as_str(), "SPACE")];
    compare_with_golden("unmanaged/tenants", &plugin.run(&["unmanaged"]), &own);
    compare_with_golden(
        "unmanaged/tenants-yaml",
        &plugin.run(&["unmanaged", "-o", "yaml", "--connection", &connection]),
        &own,
    );
    assert_eq!(plugin.run(&["unmanaged", "-A"]), plugin.run(&["unmanaged"]));
    assert_eq!(plugin.run(&["unmanaged", "-A", "-n", &namespace.name]), plugin.run(&["unmanaged"]));
    let run = plugin.run(&["unmanaged", "-f", "claim.json", "-o", "json"]);
    let ids: Vec<String> =
        run.json()["tenants"].as_array().unwrap().iter().map(|one| one["uniqueId"].to_string()).collect();
    assert_eq!((run.code, ids), (2, vec![json!(other).to_string(), json!(under).to_string()]));
    world.tenancy.change_tenant(&format!("{partner}/clients/{globex}/terminate"), &json!({})).unwrap();
    compare_with_golden("unmanaged/gone", &plugin.run(&["unmanaged", "-f", "claim.json"]), &own);
}

#[test]
fn without_objects_and_without_a_connection_there_is_nothing_to_ask() {
    let plugin = PluginRunner::without_cluster();
    compare_with_golden("unmanaged/nothing", &plugin.run(&["unmanaged"]), &[]);
    plugin.write_file("platform.env", "url=http://127.0.0.1:1\ntenantId=sp_1\nclientId=a\nclientSecret=b\n");
    plugin.write_file("none.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n");
    compare_with_golden("unmanaged/no-connection", &plugin.run(&["unmanaged", "-f", "none.yaml"]), &[]);
    compare_with_golden(
        "unmanaged/no-platform",
        &plugin.run(&["unmanaged", "-f", "none.yaml", "--connection", "platform.env"]),
        &[],
    );
}
