//! Tests of an earlier release's resource definitions under this operator.

use serde_json::json;

use super::{confirm_and_delete, create_partner_and_client, tenant_state};
use crate::world::{TestNamespace, TestWorld};

/// A status field of this release that records a termination.
const NEW_FIELD: &str =
    "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/termination/properties/terminatingAt";

/// Returns whether the API server accepts the field in a status.
fn is_field_accepted(namespace: &TestNamespace<'_>) -> bool {
    let object = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client", "metadata": {"name": "globex"},
        "status": {"termination": {"terminatingAt": "2030-01-01T00:00:00Z"}},
    });
    let args = ["-n", &namespace.name, "apply", "--server-side", "--field-manager", "test", "--dry-run=server"];
    let args = [&args[..], &["--subresource=status", "--force-conflicts", "-f", "-"]].concat();
    namespace.world.kubectl.run_with(&args, &object.to_string()).is_ok()
}

#[test]
fn under_older_definitions_nothing_is_ended_and_the_message_says_to_apply_those_of_this_release() {
    let world = TestWorld::start("older", |_| {}).unwrap();
    let (space, partner, client) = create_partner_and_client(&world, "older", &json!({"policy": "Terminate"}));
    space.wait_until("the field is there", || Ok(is_field_accepted(&space)));
    let patch = json!([{"op": "remove", "path": NEW_FIELD}]).to_string();
    world.kubectl.run(&["patch", "crd", "clients.tenantry.dev", "--type=json", "-p", &patch]).unwrap();
    space.wait_until("the field is gone", || Ok(!is_field_accepted(&space)));
    confirm_and_delete(&space, "client/globex", 0);
    let message = space.wait_until_not_ready("client/globex", "ClusterUnavailable");
    let said = ["terminatingAt", "the resource definitions are older than this operator", "kubectl apply -f crds"];
    assert!(said.iter().all(|word| message.contains(word)), "{message}");
    assert_eq!(tenant_state(&space, &partner, &client), "SUSPENDED");
    world.kubectl.run(&["apply", "--server-side", "--force-conflicts", "-f", "crds"]).unwrap();
    space.wait_until_gone("client/globex");
    assert_eq!(tenant_state(&space, &partner, &client), "TERMINATED");
}
