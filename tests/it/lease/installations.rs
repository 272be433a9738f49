//! Two operators with Leases of their own that look into the same namespaces.

use serde_json::json;

use super::{Service, changes, leads, short_lease, world};
use crate::programs::{self, OperatorOptions};
use crate::support::folder;
use crate::world::{Space, World};

const SECOND: &str = "second-system";

/// An installation in a namespace of its own.
fn second(world: &World) -> Service {
    world.kubectl.run(&["create", "namespace", SECOND]).unwrap();
    let kubeconfig = world.control_plane.kubeconfig("second");
    let options = OperatorOptions { kubeconfig, namespace: SECOND.to_owned(), ..world.options.clone() };
    programs::start_operator(&folder("second-installation").unwrap(), &options).unwrap()
}

/// What the second one changed of Partners and Clients, status included.
fn object_changes(world: &World) -> Vec<String> {
    let all = changes(world, "second").into_iter();
    all.filter(|change| change.ends_with(" partners") || change.ends_with(" clients")).collect()
}

fn city(space: &Space<'_>, partner: &str, id: &str) -> String {
    space.platform_client(partner, id)["city"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn of_two_installations_one_manages_an_object_until_it_is_moved_also_when_the_first_is_gone() {
    let mut world = world("installations", short_lease);
    let space = world.namespace("shared");
    space.partner("acme", &json!({}));
    space.client("globex", &json!({}));
    let (partner, id) = (space.ready("partner/acme"), space.ready("client/globex"));
    let second = second(&world);
    let of_second = |kind: &str| {
        let label = format!("kind=\"{kind}\"");
        second.metric("tenantry_operator_objects_managed_elsewhere", &[&label]).unwrap()
    };
    space.until("both lead", || Ok(leads(&world.operator) && leads(&second)));
    space.until("the second says so", || Ok(space.events("globex").contains(&"ManagedElsewhere".to_owned())));
    assert!((of_second("Client") - 1.0).abs() < 0.5 && (of_second("Partner") - 1.0).abs() < 0.5);
    space.client("globex", &json!({"details": {"city": "Bonn"}}));
    space.until("the first applies it", || Ok(city(&space, &partner, &id) == "Bonn"));
    // What the second would have done with the edit it has done when it told of this pass.
    let passes = || second.metric("tenantry_operator_reconciles_total", &["outcome=\"ManagedElsewhere\""]);
    space.until("the second has seen the edit", || Ok(passes()? > 2.5));
    assert_eq!(object_changes(&world), Vec::<String>::new());

    let name = space.name.clone();
    world.operator.process().kill().unwrap();
    let space = Space::at(&world, name);
    let before = passes().unwrap();
    space.client("globex", &json!({"details": {"city": "Ulm"}}));
    space.until("the second has seen the edit", || Ok(passes()? > before + 0.5));
    assert_eq!((object_changes(&world), city(&space, &partner, &id)), (Vec::new(), "Bonn".to_owned()));
    let to = format!("tenantry.dev/operator={SECOND}/tenantry-operator");
    space.kubectl(&["annotate", "partners,clients", "--all", &to, "--overwrite"]);
    space.until("the second applies it", || Ok(city(&space, &partner, &id) == "Ulm"));
    space.ready("client/globex");
    let status = space.get("client/globex").unwrap()["status"]["operator"].clone();
    assert_eq!(status, json!(format!("{SECOND}/tenantry-operator")));
    assert!(of_second("Client") < 0.5 && world.tenancy.creates().unwrap().clients == 1);
}
