//! Tests of two operators with separate Leases that watch the same namespaces.

use serde_json::json;

use super::{ServiceProcess, audited_changes, is_leading, start_world, use_short_lease};
use crate::programs::{self, OperatorOptions};
use crate::support::test_folder;
use crate::world::{TestNamespace, TestWorld};

const SECOND_NAMESPACE: &str = "second-system";

/// Starts a second installation in its own namespace.
fn start_second_installation(world: &TestWorld) -> ServiceProcess {
    world.kubectl.run(&["create", "namespace", SECOND_NAMESPACE]).unwrap();
    let kubeconfig = world.control_plane.kubeconfig("second");
    let options = OperatorOptions { kubeconfig, namespace: SECOND_NAMESPACE.to_owned(), ..world.options.clone() };
    programs::start_operator(&test_folder("second-installation").unwrap(), &options).unwrap()
}

/// Returns the second operator's changes to Partners and Clients, including status.
fn object_changes(world: &TestWorld) -> Vec<String> {
    let all = audited_changes(world, "second").into_iter();
    all.filter(|change| change.ends_with(" partners") || change.ends_with(" clients")).collect()
}

fn tenant_city(namespace: &TestNamespace<'_>, partner: &str, id: &str) -> String {
    namespace.read_client_tenant(partner, id)["city"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn of_two_installations_one_manages_an_object_until_it_is_moved_also_when_the_first_is_gone() {
    let mut world = start_world("installations", use_short_lease);
    let namespace = world.create_namespace("shared");
    namespace.apply_partner("acme", &json!({}));
    namespace.apply_client("globex", &json!({}));
    let (partner, id) = (namespace.wait_until_ready("partner/acme"), namespace.wait_until_ready("client/globex"));
    let second = start_second_installation(&world);
    let of_second = |kind: &str| {
        let label = format!("kind=\"{kind}\"");
        second.metric("tenantry_operator_objects_managed_elsewhere", &[&label]).unwrap()
    };
    namespace.wait_until("both lead", || Ok(is_leading(&world.operator) && is_leading(&second)));
    namespace.wait_until("the second says so", || {
        Ok(namespace.event_reasons("globex").contains(&"ManagedElsewhere".to_owned()))
    });
    assert!((of_second("Client") - 1.0).abs() < 0.5 && (of_second("Partner") - 1.0).abs() < 0.5);
    namespace.apply_client("globex", &json!({"details": {"city": "Bonn"}}));
    namespace.wait_until("the first applies it", || Ok(tenant_city(&namespace, &partner, &id) == "Bonn"));
    // When the second operator has counted this pass, it has done everything that it would do about the edit.
    let passes = || second.metric("tenantry_operator_reconciles_total", &["outcome=\"ManagedElsewhere\""]);
    namespace.wait_until("the second has seen the edit", || Ok(passes()? > 2.5));
    assert_eq!(object_changes(&world), Vec::<String>::new());

    let name = namespace.name.clone();
    world.operator.process().kill().unwrap();
    let namespace = TestNamespace::existing(&world, name);
    let before = passes().unwrap();
    namespace.apply_client("globex", &json!({"details": {"city": "Ulm"}}));
    namespace.wait_until("the second has seen the edit", || Ok(passes()? > before + 0.5));
    assert_eq!((object_changes(&world), tenant_city(&namespace, &partner, &id)), (Vec::new(), "Bonn".to_owned()));
    let to = format!("tenantry.dev/operator={SECOND_NAMESPACE}/tenantry-operator");
    namespace.kubectl(&["annotate", "partners,clients", "--all", &to, "--overwrite"]);
    namespace.wait_until("the second applies it", || Ok(tenant_city(&namespace, &partner, &id) == "Ulm"));
    namespace.wait_until_ready("client/globex");
    let status = namespace.get("client/globex").unwrap()["status"]["operator"].clone();
    assert_eq!(status, json!(format!("{SECOND_NAMESPACE}/tenantry-operator")));
    assert!(of_second("Client") < 0.5 && world.tenancy.create_counts().unwrap().clients == 1);
}
