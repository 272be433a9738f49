//! `plan` without a cluster: the marks on the platform tell which tenant is whose.

use serde_json::json;

use super::Desk;
use crate::world::World;

#[test]
fn the_same_plan_without_the_cluster() {
    let space = World::shared().namespace("offline");
    let desk = Desk::at(&space);
    let connection = desk.connection(&space);
    space.partner("acme", &json!({"details": {"city": "Berlin"}}));
    space.client("globex", &json!({"details": {"city": "Bonn"}}));
    space.ready("partner/acme");
    let id = space.ready("client/globex");
    let manifests = |city: &str| {
        let object = |kind: &str, name: &str, spec: serde_json::Value| json!({"apiVersion": "tenantry.dev/v1alpha1", "kind": kind, "metadata": {"name": name, "namespace": space.name}, "spec": spec});
        let partner =
            object("Partner", "acme", json!({"details": {"name": space.tenant_name("acme"), "city": "Berlin"}}));
        let client = object(
            "Client",
            "globex",
            json!({"partnerRef": {"name": "acme"}, "details": {"name": space.tenant_name("globex"), "city": city}}),
        );
        format!("{partner}\n---\n{client}\n")
    };
    let plan = |city: &str, how: &[&str]| {
        desk.put("tenants.yaml", &manifests(city));
        desk.run(&[&["plan", "-f", "tenants.yaml", "-o", "json"], how].concat())
    };
    let offline = ["--offline", "--connection", connection.as_str()];
    let ran = plan("Bonn", &offline);
    assert_eq!(ran.code, 0, "{ran:?}");
    let (with, without) = (plan("Köln", &["--connection", &connection]), plan("Köln", &offline));
    assert_eq!((with.code, without.code), (2, 2), "{with:?} {without:?}");
    // The hash too: the mark tells the UID.
    assert_eq!(with.json(), without.json());
    assert_eq!(without.json()["objects"][1]["uniqueId"], json!(id));
}
